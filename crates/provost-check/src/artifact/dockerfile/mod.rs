//! A Dockerfile as facts.
//!
//! Design constraints: what BuildKit makes of a file is what counts, so the grammar, the variables
//! and the inheritance of configuration follow its sources (v0.26, named where they are used); a
//! bad instruction becomes a [`Problem`] and the others are still read; every fact has the bytes it
//! stands at, also when a continuation cuts it; work and memory are linear in the text, whatever
//! the text is.
//!
//! The grammar is our own: the parser crates give one value without inner positions for ENV, ARG
//! and LABEL, stop at the first error, and see a here-document only as the first word of RUN.

mod almost_json;
pub mod base_images;
mod builders;
mod commands;
pub mod context;
mod copy;
mod creates;
mod expand;
mod grammar;
mod instructions;
mod lines;
mod reads;
mod refused;
pub mod repro;
mod run;
mod run_steps;
pub mod secrets;
mod settings;
mod shell_text;
mod stages;
mod unset;
mod warnings;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::{Problem, ProblemKind};
use crate::facts::build::Build;
use crate::facts::{Origin, SourceId, Span};

/// How much of a Dockerfile is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub file_bytes: usize,
    /// Bytes of one physical line; BuildKit refuses 64 KiB and more (`bufio.MaxScanTokenSize`).
    pub line_bytes: usize,
    /// Build stages.
    pub stages: usize,
    /// Instructions.
    pub instructions: usize,
    /// `go build` and `go install` commands.
    pub go_builds: usize,
    /// Bytes that expanded variables and inherited configuration may take, together.
    pub expanded_bytes: usize,
    /// Problems kept; further ones are counted by one closing problem.
    pub problems: usize,
}

impl Limits {
    /// The documented defaults, far above any file that people write.
    pub const DEFAULT: Self = Self {
        file_bytes: 16 << 20,
        line_bytes: (64 << 10) - 1,
        stages: 1000,
        instructions: 200_000,
        go_builds: 1000,
        expanded_bytes: 32 << 20,
        problems: 64,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Reads a Dockerfile. `target` is the stage to build, the last one when `None`.
///
/// Without a single FROM there is no [`Build`]; every other fault leaves one with the rest.
pub fn load(
    source: SourceId,
    text: &str,
    target: Option<&str>,
    limits: &Limits,
) -> (Option<Build>, Vec<Problem>) {
    stages::load(source, text, target, limits)
}

/// Reads a Dockerfile whose encoding is not known yet. Bytes that are no UTF-8 are reported and
/// read as `?`, so that positions stay those of the file; a file with NUL bytes is none.
pub fn load_bytes(
    source: SourceId,
    bytes: &[u8],
    target: Option<&str>,
    limits: &Limits,
) -> (Option<Build>, Vec<Problem>) {
    let refuse = |at: usize, message: &str| Problem {
        kind: ProblemKind::Malformed,
        origin: Origin::text(source, Span::new(at, at + 1)),
        message: message.to_owned(),
        help: None,
    };
    if let Some(at) = memchr::memchr(0, bytes) {
        return (None, vec![refuse(at, "a NUL byte: this is no Dockerfile")]);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => load(source, text, target, limits),
        Err(error) => {
            let (build, mut problems) = load(source, &decode(bytes), target, limits);
            problems.insert(0, refuse(error.valid_up_to(), "the text is not valid UTF-8"));
            (build, problems)
        }
    }
}

/// The text of a Dockerfile, as [`load_bytes`] reads it: `?` for each byte that is no UTF-8, so that
/// every position is that of the file.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    Cow::Owned(text)
}
