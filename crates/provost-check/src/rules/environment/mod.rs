//! What the process does with its configuration.

pub mod secret_in_output;
