//! What the process does with its configuration.

pub mod accepts_malformed_setting;
pub mod ignores_port_setting;
pub mod secret_in_output;
pub mod setting_has_no_effect;
pub mod starts_without_required_setting;
