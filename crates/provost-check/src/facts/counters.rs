//! What runtimes counted until a moment, as services publish it.

use goformats::counters::Snapshot;

use super::SourceId;

/// A snapshot, and the input that it is.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The input.
    pub source: SourceId,
    /// What it says.
    pub snapshot: Snapshot,
}
