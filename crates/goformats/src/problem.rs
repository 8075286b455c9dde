//! What was wrong with an input, and where things were found.

/// A place in a binary: a range of the file and, where it is mapped, its virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
    /// Virtual address as linked (before relocation), if a segment maps it.
    pub address: Option<u64>,
}

/// Something about an input that is broken, contradictory or beyond a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One sentence without a full stop.
    pub what: String,
    /// Offset in the file, in bytes.
    pub offset: u64,
}

/// Collects problems up to a limit, so that a hostile input cannot fill the memory with complaints.
#[derive(Debug)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    limit: usize,
    dropped: usize,
}

impl Problems {
    pub(crate) fn new(limit: usize) -> Self {
        Self { list: Vec::new(), limit, dropped: 0 }
    }

    pub(crate) fn push(&mut self, what: impl Into<String>, offset: u64) {
        if self.list.len() < self.limit {
            self.list.push(Problem { what: what.into(), offset });
        } else {
            self.dropped += 1;
        }
    }

    pub(crate) fn finish(mut self) -> Vec<Problem> {
        if self.dropped > 0 {
            self.list
                .push(Problem { what: format!("{} further problems", self.dropped), offset: 0 });
        }
        self.list
    }
}
