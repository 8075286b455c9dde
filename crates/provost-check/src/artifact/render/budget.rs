//! How much tracing may cost.

/// Steps for one rendering: lines that are compared, ways that are weighed, keys of values that are
/// looked at. Beyond it the objects are judged all the same, and their lines are not traced. The
/// largest public charts take some millions.
pub(super) const STEPS: u64 = 300_000_000;

/// Lines of one rendering that are traced, since each takes memory.
pub(super) const LINES: usize = 500_000;

/// What is left.
#[derive(Debug)]
pub(super) struct Budget {
    steps: u64,
    lines: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: STEPS, lines: LINES }
    }
}

impl Budget {
    #[cfg(test)]
    pub(super) fn of(steps: u64) -> Self {
        Self { steps, ..Self::default() }
    }

    /// Takes steps; once there are too few, there are none.
    #[must_use]
    pub(super) fn take(&mut self, steps: usize) -> bool {
        let left = self.steps.checked_sub(steps as u64);
        self.steps = left.unwrap_or(0);
        left.is_some()
    }

    /// Takes lines, or none when there are too few.
    #[must_use]
    pub(super) fn take_lines(&mut self, lines: usize) -> bool {
        match self.lines.checked_sub(lines) {
            Some(left) => {
                self.lines = left;
                true
            }
            None => false,
        }
    }

    /// Steps that were taken.
    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        STEPS.saturating_sub(self.steps)
    }
}
