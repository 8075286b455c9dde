//! What could not be read, bound or suppressed.

pub mod ambiguous_binding;
pub mod bad_suppression;
pub mod removed_api_version;
pub mod unknown_field;
pub mod unparsable_input;
