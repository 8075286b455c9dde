//! The text inside a mapped executable, recovered when a rule asks for it.

use std::sync::OnceLock;

use goformats::limits::Limits;

use super::binary::Bytes;
use crate::facts::SourceId;
use crate::facts::program_text::{ProgramString, ProgramText, TextPresence};

/// The text of a mapped executable.
pub struct MappedText {
    source: SourceId,
    bytes: Bytes,
    limits: Limits,
    strings: OnceLock<Result<Vec<ProgramString>, &'static str>>,
}
