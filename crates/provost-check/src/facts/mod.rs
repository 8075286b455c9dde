//! Typed claims about a service, each with the place that makes it true.
//!
//! Facts are filled by `artifact/` (and later by measurements) and read by `rules/`. They hold no
//! judgement: a fact says what is written, what Kubernetes, Go or Docker makes of it when nothing
//! is written, and where.

pub mod binary;
pub mod build;
pub mod build_checks;
pub mod build_context;
pub mod build_files;
pub mod build_steps;
pub mod container;
pub mod counters;
pub mod crash;
pub mod document;
pub mod image;
pub mod image_files;
pub mod mesh;
pub mod metrics;
pub mod objects;
pub mod oom;
pub mod order;
pub mod origin;
pub mod placeholders;
pub mod ports;
pub mod problem;
pub mod program_text;
pub mod proof;
pub mod rollout;
pub mod runtime_log;
pub mod settings;
pub mod symbols;
pub mod syscall_log;
pub mod workload;

pub use document::{Document, Node, NodeId};
pub use objects::{Body, Object};
pub use origin::{Basis, Fact, Origin, Place, SourceId, Span};
