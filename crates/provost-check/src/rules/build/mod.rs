//! The Dockerfile by itself and against the cluster that runs its image.

pub mod shell_form_entrypoint;
pub mod unrunnable_healthcheck;
