//! The pacer: what heap a collection is begun for.
//!
//! `goal = live + (live + stacks + globals) x GOGC / 100`, never below `4 MiB x GOGC / 100`, and no more than what
//! GOMEMLIMIT leaves, but never below what is live. Sources: `commit`, `heapGoalInternal` and
//! `memoryLimitHeapGoal` of runtime/mgcpacer.go, Go 1.19 to 1.27; 1.18 has no limit.
//!
//! Lines of gctrace print MiB that are cut off, so that everything here is about ranges.

use std::ops::RangeInclusive;

/// The smallest heap that is collected at GOGC=100, in MiB.
const LEAST_HEAP: u64 = 4;

/// What a line says of the heap behind a cycle, in MiB, cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// What was marked.
    pub live: u64,
    /// Stacks that are scanned.
    pub stacks: u64,
    /// Globals that are scanned.
    pub globals: u64,
}

impl Marked {
    /// The goals, in printed MiB, that the next line may have under a GOGC and no limit. `start` is the heap
    /// with which that cycle began: a goal is moved ahead of it, and ahead of what was live, by up to 1 MiB.
    pub fn goals(&self, percent: u64, start: u64) -> RangeInclusive<u64> {
        let grown =
            |live: u64, roots: u64| live.saturating_add(roots.saturating_mul(percent) / 100);
        let least = LEAST_HEAP.saturating_mul(percent) / 100;
        let low = grown(self.live, self.roots()).max(least);
        let high = grown(self.live + 1, self.roots() + 3).max(least + 1);
        let ahead = (self.live + 2).max(start.saturating_add(1));
        low..=high.max(ahead)
    }

    /// The GOGC, in percent, that explain a goal; empty when none does, as where a limit decides.
    pub fn percents(&self, goal: u64) -> (u64, u64) {
        let at_most = match self.roots() {
            0 => u64::MAX,
            roots => (goal + 1).saturating_sub(self.live).saturating_mul(100) / roots,
        };
        let at_most = at_most.min((goal + 1).saturating_mul(100) / LEAST_HEAP);
        let grown = goal.saturating_sub(self.live + 1).saturating_mul(100) / (self.roots() + 3);
        let least = goal.saturating_mul(100) / LEAST_HEAP;
        // A goal a little ahead of what was live says nothing of GOGC.
        let at_least = if goal <= self.live + 2 { 0 } else { grown.min(least) };
        (at_least, at_most)
    }

    /// The goal leaves less than a tenth of what is live to grow into, however its digits were cut off: only
    /// GOGC below 10 or a limit does that.
    pub fn is_tight(&self, goal: u64) -> bool {
        (goal + 1).saturating_mul(10) <= self.live.saturating_mul(11)
    }

    fn roots(&self) -> u64 {
        self.live.saturating_add(self.stacks).saturating_add(self.globals)
    }
}

/// MiB that the heap must be able to grow by between two collections so that these take `share` of the CPU:
/// each takes `cpu_ms`, `mib_per_s` are allocated, and there are `procs`.
///
/// The time between two collections is what is there to grow into, divided by the rate; the share is what
/// one takes, divided by that time and the CPUs.
pub fn room_for(share: f64, cpu_ms: f64, mib_per_s: f64, procs: f64) -> f64 {
    (cpu_ms / 1000.0) * mib_per_s / (share * procs).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(live: u64) -> Marked {
        Marked { live, stacks: 0, globals: 0 }
    }

    #[test]
    fn goals_at_100_are_twice_what_was_live() {
        // gc 81 of a real log marked 39 MB, and gc 82 had a goal of 78.
        assert!(marked(39).goals(100, 48).contains(&78));
        assert!(!marked(39).goals(100, 48).contains(&76));
        assert!(!marked(39).goals(50, 48).contains(&78));
        assert!(marked(0).goals(100, 3).contains(&4));
        assert!(!marked(0).goals(100, 3).contains(&6));
    }

    #[test]
    fn a_goal_tells_gogc() {
        let (low, high) = marked(400).percents(800);
        assert!((98..=100).contains(&low) && (100..=101).contains(&high), "{low} {high}");
        let (low, high) = marked(400).percents(440);
        assert!(low <= 10 && (10..=11).contains(&high), "{low} {high}");
        // Any GOGC explains a goal that stands at what was live, and none of the usual ones does.
        assert_eq!(marked(400).percents(400), (0, 0));
    }

    #[test]
    fn only_a_limit_leaves_no_room() {
        assert!(marked(100).is_tight(105));
        assert!(!marked(100).is_tight(110));
        assert!(!marked(3).is_tight(3));
    }

    #[test]
    fn room_is_time() {
        // 10 ms for each collection, 100 MiB/s, two CPUs: 10 MiB last 0.1 s, and 10 of 200 ms are 5 %.
        assert!((room_for(0.05, 10.0, 100.0, 2.0) - 10.0).abs() < 1e-9);
    }
}
