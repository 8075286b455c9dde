//! What Go writes, and what the kernel writes of its memory, as values.
//!
//! # Constraints
//!
//! - Nothing is opened: a caller hands in bytes (usually a memory map) and gets values that borrow from them.
//! - Everything is total: a broken input gives a value with problems, never a panic, and no work or memory beyond
//!   the [`limits::Limits`] that the caller states.
//! - Only the pages that are needed are touched; tables are read in place, lazily.
#![forbid(unsafe_code)]

pub mod binary;
pub mod buildinfo;
mod container;
pub mod counters;
pub mod crash;
pub mod cursor;
pub mod descriptors;
mod digits;
pub mod elf;
pub mod exports;
pub mod exposition;
pub mod godebug;
pub mod gostrings;
mod json;
pub mod kernel;
pub mod limits;
pub mod moduledata;
pub mod pclntab;
mod posted;
pub mod pprof;
pub mod problem;
pub mod protobuf;
mod radix;
pub mod runtimelog;
pub mod strace;
mod streams;
pub mod version;
