//! What the environment of a container says, and where it comes from.

pub mod dangling_env_reference;
pub mod dangling_reference;
pub mod duplicate_env;
pub mod misspelt_runtime_variable;
pub mod secret_in_config_map;
pub mod secret_in_plain_env;
