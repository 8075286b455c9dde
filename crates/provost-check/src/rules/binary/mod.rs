//! The executable against the image it is put into.

pub mod unresolvable_interpreter;
