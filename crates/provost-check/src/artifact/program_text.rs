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

impl MappedText {
    /// Nothing is read before the first question.
    pub fn new(source: SourceId, bytes: Bytes, limits: Limits) -> Self {
        Self { source, bytes, limits, strings: OnceLock::new() }
    }
}

impl std::fmt::Debug for MappedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "text of a program of {} bytes", self.bytes.len())
    }
}

impl ProgramText for MappedText {
    fn find(&self, _text: &str) -> TextPresence {
        let _ = (self.source, self.limits);
        TextPresence::Unknown("the program's text is not read yet")
    }

    fn strings(&self) -> Result<&[ProgramString], &'static str> {
        match self.strings.get_or_init(|| Err("the program's text is not read yet")) {
            Ok(strings) => Ok(strings),
            Err(why) => Err(why),
        }
    }
}
