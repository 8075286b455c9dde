//! What passed and what failed.

use std::fmt;
use std::ops::AddAssign;

/// Two counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: usize,
    pub failed: usize,
}

impl Tally {
    pub fn passed(passed: usize) -> Tally {
        Tally { passed, failed: 0 }
    }

    /// One thing that went well or did not.
    pub fn of(good: bool) -> Tally {
        Tally { passed: usize::from(good), failed: usize::from(!good) }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}
