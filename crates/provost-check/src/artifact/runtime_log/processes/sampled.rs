//! When the scheduler of one process was sampled, by which its samples are told from those of another.

/// Intervals of samples that change in turns.
const LEAST_TURNS: u64 = 4;

/// Samples of a process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sampled {
    pub(super) at_ms: u64,
    /// The shortest time between two, and the last ones, the latest first.
    pub(super) least: Option<u64>,
    before: [u64; 4],
    pub(super) intervals: u64,
    /// How often one was as long as the second, third or fourth before it, and not as the last.
    turns: [u64; 3],
}

impl Sampled {
    pub(super) fn first(at_ms: u64) -> Self {
        Self { at_ms, ..Self::default() }
    }

    /// The same with the next.
    pub(super) fn then(mut self, at_ms: u64) -> Self {
        let since = at_ms.saturating_sub(self.at_ms);
        let is_like = |a: u64, b: u64| a.abs_diff(b) <= (b / 20).max(5);
        let differs = |a: u64, b: u64| a.abs_diff(b) > (a.min(b) / 4).max(50);
        let last = self.before.first().copied().unwrap_or_default();
        for (lag, count) in self.turns.iter_mut().enumerate() {
            let is_known = self.intervals > lag as u64 + 1;
            let is_turn = self.before.get(lag + 1).is_some_and(|of| is_like(since, *of));
            *count += u64::from(is_known && is_turn && differs(since, last));
        }
        self.before.rotate_right(1);
        if let Some(first) = self.before.first_mut() {
            *first = since;
        }
        self.intervals += 1;
        self.least = Some(self.least.map_or(since, |least| least.min(since)));
        self.at_ms = at_ms;
        self
    }

    pub(super) fn since(&self) -> Option<u64> {
        self.before.first().copied().filter(|_| self.intervals > 0)
    }

    /// Intervals that change in turns are those of several processes, each with one period.
    pub(super) fn is_in_turns(&self) -> bool {
        let most = self.turns.iter().copied().max().unwrap_or_default();
        most >= LEAST_TURNS && most.saturating_mul(2) >= self.intervals
    }
}
