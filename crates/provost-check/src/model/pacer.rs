//! The pacer: what heap a collection is begun for.
//!
//! `goal = live + (live + stacks + globals) x GOGC / 100`, never below `4 MiB x GOGC / 100`, and no more than what
//! GOMEMLIMIT leaves, but never below what is live. Sources: `commit`, `heapGoalInternal` and
//! `memoryLimitHeapGoal` of runtime/mgcpacer.go, Go 1.19 to 1.27; 1.18 has no limit.
//!
//! Lines of gctrace print MiB that are cut off, so that everything here is about ranges.

use std::ops::RangeInclusive;

use super::gogc::Gogc;

/// The smallest heap that is collected at GOGC=100, in MiB.
const LEAST_HEAP: u64 = 4;
/// MiB: a goal above that is none. Without a limit GOGC=off leaves what fits 63 or 64 bits.
pub const NO_GOAL: u64 = 1 << 40;
const MIB: u64 = 1 << 20;

/// What a line says of the heap behind a cycle, in MiB, cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// What was marked.
    pub live: u64,
    /// Stacks that are scanned. Go 1.19 prints their size instead, of which as little as nothing may be
    /// scanned (`maxStackScan`, mgc.go); no line tells which version wrote it.
    pub stacks: u64,
    /// Globals that are scanned.
    pub globals: u64,
    /// No cycle came before: nothing was marked yet.
    pub first: bool,
}

/// GOMEMLIMIT, and what a process needs of it beside its heap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bytes.
    pub bytes: u64,
    /// Bytes that the runtime has mapped and not given back, without the heap: stacks, its own structures, and
    /// what is unused of spans; with what it is above the limit. At least and at most.
    pub beside: RangeInclusive<u64>,
    /// Go 1.19 and 1.20 keep 1 MiB free, later ones 3 %, and no less than 1 MiB (golang/go#57069).
    pub fixed_headroom: bool,
}

impl Limit {
    /// The goal in bytes that the limit leaves; the live heap is for [`Marked::goals`] to compare with.
    pub fn goal(&self, beside: u64) -> u64 {
        let goal = self.bytes.saturating_sub(beside);
        let part = if self.fixed_headroom { 0 } else { goal / 100 * 3 };
        let headroom = part.max(MIB);
        // Where the headroom is more than half, it is the goal.
        goal.saturating_sub(headroom).max(headroom)
    }

    /// The limit that leaves a goal of so many bytes.
    pub fn leaving(goal: u64, beside: u64) -> u64 {
        let part = goal.saturating_mul(100) / 97;
        part.max(goal.saturating_add(MIB)).saturating_add(beside)
    }
}

impl Marked {
    /// The goals, in printed MiB, that the next line may have. `start` is the heap with which that cycle began:
    /// a goal is moved ahead of it by 64 KiB, and ahead of what was live by 1 MiB, so that there is something
    /// to sweep.
    pub fn goals(&self, gogc: Gogc, limit: Option<&Limit>, start: u64) -> RangeInclusive<u64> {
        let (low, high) = match gogc {
            Gogc::Off => (NO_GOAL, u64::MAX),
            Gogc::Percent(percent) => {
                let percent = u64::from(percent);
                let least = LEAST_HEAP.saturating_mul(percent);
                let low = self.low(percent).max(least) / 100;
                let high = self.high(percent).max(least) / 100;
                (low, high.max(self.ahead()).max(start.saturating_add(1)))
            }
        };
        let Some(limit) = limit else { return low..=high };
        let left = |beside: &u64| limit.goal(*beside) / MIB;
        let least = left(limit.beside.end()).max(self.live);
        let most = left(limit.beside.start()).max(self.ahead());
        low.min(least)..=high.min(most)
    }

    /// The GOGC, in percent, that explain a goal; empty when none does.
    pub fn percents(&self, goal: u64, start: u64) -> RangeInclusive<u64> {
        let hundredths = goal.saturating_mul(100);
        let next = hundredths.saturating_add(100);
        let by_least = next.div_ceil(LEAST_HEAP).saturating_sub(1);
        let most = match (next.saturating_sub(self.live.saturating_mul(100)), self.least_roots()) {
            (0, _) => return RangeInclusive::new(1, 0),
            (_, 0) => by_least,
            (left, roots) => by_least.min(left.div_ceil(roots) - 1),
        };
        let by_least = hundredths.div_ceil(LEAST_HEAP);
        // A goal a little ahead of what was live says nothing of GOGC.
        let ahead = if self.first { 0 } else { self.ahead() };
        let said = goal <= ahead.max(start.saturating_add(1));
        let least = match hundredths.checked_sub(self.live.saturating_add(1).saturating_mul(100)) {
            _ if said => 0,
            _ if self.first => by_least,
            None => 0,
            Some(grown) => by_least.min(grown / self.most_roots() + 1),
        };
        least..=most
    }

    /// The goal leaves less than a tenth of what is live to grow into, however its digits were cut off: only
    /// GOGC below 10 or a limit does that.
    pub fn is_tight(&self, goal: u64) -> bool {
        goal.saturating_add(1).saturating_mul(10) <= self.live.saturating_mul(11)
    }

    /// The goal of a GOGC, in hundredths of MiB, at least.
    fn low(&self, percent: u64) -> u64 {
        self.live.saturating_mul(100).saturating_add(self.least_roots().saturating_mul(percent))
    }

    /// The same, at most.
    fn high(&self, percent: u64) -> u64 {
        if self.first {
            return 0;
        }
        let live = self.live.saturating_add(1).saturating_mul(100);
        live.saturating_add(self.most_roots().saturating_mul(percent)).saturating_sub(1)
    }

    fn least_roots(&self) -> u64 {
        self.live.saturating_add(self.globals)
    }

    fn most_roots(&self) -> u64 {
        self.least_roots().saturating_add(self.stacks).saturating_add(3)
    }

    fn ahead(&self) -> u64 {
        self.live.saturating_add(1)
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
        Marked { live, ..Marked::default() }
    }

    fn goals(live: u64, percent: u32, start: u64) -> RangeInclusive<u64> {
        marked(live).goals(Gogc::Percent(percent), None, start)
    }

    #[test]
    fn goals_at_100_are_twice_what_was_live() {
        // gc 81 of a real log marked 39 MB, and gc 82 had a goal of 78.
        assert!(goals(39, 100, 48).contains(&78));
        assert!(!goals(39, 100, 48).contains(&76));
        assert!(!goals(39, 50, 48).contains(&78));
        assert!(goals(0, 100, 3).contains(&4));
        assert!(!goals(0, 100, 3).contains(&6));
    }

    #[test]
    fn a_goal_tells_gogc() {
        let percents = marked(400).percents(800, 700);
        assert!((98..=100).contains(percents.start()), "{percents:?}");
        assert!((100..=101).contains(percents.end()), "{percents:?}");
        let percents = marked(400).percents(440, 430);
        assert!(*percents.start() <= 10 && (10..=11).contains(percents.end()), "{percents:?}");
        // Any GOGC explains a goal that stands at what was live, and none of the usual ones does.
        assert_eq!(marked(400).percents(400, 390), 0..=0);
        assert!(marked(400).percents(399, 390).is_empty());
    }

    #[test]
    fn the_first_goal_is_the_smallest_heap() {
        let first = Marked { first: true, ..Marked::default() };
        for percent in [10, 50, 100, 400] {
            let goals = first.goals(Gogc::Percent(percent), None, 0);
            let goal = u64::from(percent) / 25;
            assert!(goals.contains(&goal), "{percent}: {goals:?}");
            assert!(first.percents(goal, goal + 20).contains(&u64::from(percent)));
        }
        // At the heap's smallest size, to the byte; a heap that was above it when marking began moves the goal.
        assert_eq!(first.percents(4, 2), 100..=124);
        assert_eq!(first.percents(4, 3), 0..=124);
    }

    #[test]
    fn every_percent_that_gives_a_goal_explains_it() {
        for live in [0, 1, 7, 90, 1000] {
            for (stacks, globals) in [(0, 0), (3, 2), (40, 0)] {
                let marked = Marked { live, stacks, globals, first: false };
                for percent in [0, 1, 10, 37, 100, 399, 1000] {
                    for goal in marked.goals(Gogc::Percent(percent), None, 0) {
                        let explains = marked.percents(goal, 0);
                        let told = format!("{marked:?} {percent} {goal} {explains:?}");
                        assert!(explains.contains(&u64::from(percent)), "{told}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_limit_leaves_what_is_beside_the_heap_and_some_headroom() {
        let limit = Limit { bytes: 256 << 20, beside: 0..=0, fixed_headroom: false };
        assert_eq!(limit.goal(6 << 20) >> 20, 242);
        let old = Limit { fixed_headroom: true, ..limit.clone() };
        assert_eq!(old.goal(6 << 20) >> 20, 249);
        assert_eq!(limit.goal(300 << 20), 1 << 20);
        assert!(marked(300).goals(Gogc::Off, Some(&limit), 300).contains(&300));
        let goal = limit.goal(6 << 20);
        assert!(Limit::leaving(goal, 6 << 20).abs_diff(limit.bytes) < 4096);
    }

    #[test]
    fn only_a_limit_leaves_no_room() {
        assert!(marked(100).is_tight(105));
        assert!(!marked(100).is_tight(110));
        assert!(!marked(3).is_tight(3));
    }

    #[test]
    fn sizes_beyond_all_memory_are_no_overflow() {
        let most = Marked { live: u64::MAX, stacks: u64::MAX, globals: u64::MAX, first: false };
        assert!(most.is_tight(u64::MAX));
        assert_eq!(*most.goals(Gogc::Percent(u32::MAX), None, u64::MAX).end(), u64::MAX);
        // A goal that stands at what was live explains no GOGC.
        assert!(most.percents(u64::MAX, 0).is_empty());
    }

    #[test]
    fn room_is_time() {
        // 10 ms for each collection, 100 MiB/s, two CPUs: 10 MiB last 0.1 s, and 10 of 200 ms are 5 %.
        assert!((room_for(0.05, 10.0, 100.0, 2.0) - 10.0).abs() < 1e-9);
    }
}
