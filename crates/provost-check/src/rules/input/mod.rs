//! What could not be read, bound or suppressed.

pub mod ambiguous_binding;
pub mod bad_suppression;
pub mod duplicate_object;
pub mod malformed_image_reference;
pub mod rejected_by_api_server;
pub mod removed_api_version;
pub mod unknown_field;
pub mod unparsable_input;
pub mod unrendered_template;
