//! The Dockerfile by itself and against the cluster that runs its image.

pub mod unrunnable_healthcheck;
