//! What could not be read, bound or suppressed.

pub mod ambiguous_binding;
pub mod bad_suppression;
pub mod unparsable_input;
