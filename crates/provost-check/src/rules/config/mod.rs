//! What the environment of a container says, and where it comes from.

pub mod config_change_without_rollout;
pub mod dangling_env_reference;
pub mod dangling_reference;
pub mod duplicate_env;
pub mod env_not_read;
pub mod file_not_in_volume;
pub mod missing_certificate_issuer;
pub mod misspelt_runtime_variable;
pub mod secret_in_config_map;
pub mod secret_in_plain_env;
pub mod service_link_collision;
pub mod undefined_flag;
