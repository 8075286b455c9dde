//! Bytes and where they came from. Loading never judges: what cannot be read becomes a
//! [`Problem`] with a position, and everything else is still loaded.

pub mod binary;
#[cfg(test)]
pub(crate) mod binary_toml;
pub mod config;
pub mod discover;
pub mod dockerfile;
pub mod manifest;
pub mod mmap;
pub mod program_text;
pub mod source;
pub mod yaml;

pub use source::{Source, SourceKind, Sources};

pub use crate::facts::problem::{Problem, ProblemKind};
