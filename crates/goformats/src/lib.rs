//! What Go writes, as values.
#![forbid(unsafe_code)]
