//! Bytes and where they came from. Loading never judges: what cannot be read becomes a
//! [`Problem`] with a position, and everything else is still loaded.

pub mod binary;
#[cfg(test)]
pub(crate) mod binary_toml;
pub mod config;
mod crash;
pub mod discover;
pub mod dockerfile;
pub mod go_mod;
pub mod image;
#[cfg(test)]
pub(crate) mod image_toml;
mod kustomization;
pub mod manifest;
pub mod mmap;
pub mod oom;
mod pieces;
pub mod program_text;
pub mod proof;
pub mod render;
pub mod runtime_log;
pub mod source;
pub mod syscall_log;
pub mod yaml;

pub use source::{Source, SourceKind, Sources};

pub use crate::facts::problem::{Problem, ProblemKind};

/// How many documents (or stages) a text holds, when all of it can be read: what a fix must not
/// change.
pub fn sound(kind: SourceKind, text: &str) -> Option<usize> {
    let source = crate::facts::SourceId(0);
    match kind {
        SourceKind::Manifest | SourceKind::Values | SourceKind::Resource => {
            let parsed = yaml::parse(source, text, &[], &yaml::Limits::default());
            let whole = parsed.broken.is_empty() && parsed.problems.is_empty();
            whole.then_some(parsed.documents.len())
        }
        SourceKind::Dockerfile => {
            let limits = dockerfile::Limits::default();
            let (build, problems) = dockerfile::load_bytes(source, text.as_bytes(), None, &limits);
            build.filter(|_| problems.is_empty()).map(|build| build.stages.len())
        }
        _ => None,
    }
}
