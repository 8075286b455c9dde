//! What the goals of a process tell of its GOGC and its GOMEMLIMIT.
//!
//! Each goal is explained by some GOGC (see [`super::pacer`]); one that is the same all the time explains all of
//! them. A limit only makes goals smaller, so that the highest GOGC that goals ask for is the one that is set.
//! Where what is live hardly changes, a goal that stands may come from either, and that is the answer.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::pacer::{Limit, Marked, NO_GOAL};

/// GOGC above that are one.
const MOST_PERCENT: u64 = 10_000;
/// MiB: the smallest heap under such a GOGC, and no goal above is one for the heap's smallest size.
const MOST_SMALL: u64 = MOST_PERCENT / 25;
/// Goals without which nothing is told.
const LEAST: u64 = 3;

/// Goals that one GOGC, and no higher one, explains.
#[derive(Clone, Copy, Debug)]
struct Group {
    count: u64,
    /// The highest of the lowest GOGC that explain them.
    least: u64,
    /// Goals that are above what was live, at least and at most.
    goal: Option<(u64, u64)>,
    /// The highest goal above what was live that nothing had moved ahead: a limit leaves no less than that.
    left: Option<u64>,
    /// What was live; nothing of the first collection, before which nothing was marked.
    live: (u64, u64),
    /// Goals at what was live.
    pinned: u64,
}

impl Group {
    fn and(self, other: Self) -> Self {
        let wider = |a: (u64, u64), b: (u64, u64)| (a.0.min(b.0), a.1.max(b.1));
        Self {
            count: self.count + other.count,
            least: self.least.max(other.least),
            goal: match (self.goal, other.goal) {
                (Some(a), Some(b)) => Some(wider(a, b)),
                (a, b) => a.or(b),
            },
            left: self.left.max(other.left),
            live: wider(self.live, other.live),
            pinned: self.pinned + other.pinned,
        }
    }

    /// The goals above what was live are one.
    fn stands(&self) -> bool {
        self.goal.is_none_or(|(least, most)| most * 4 <= least * 5 + 4)
    }

    /// What was live changed by so much that a goal that follows it is told from one that does not.
    fn varied(&self) -> bool {
        let least = self.live.0.saturating_mul(13).saturating_add(20);
        self.live.1.saturating_mul(10) >= least
    }
}

/// The goals of a process.
#[derive(Clone, Debug, Default)]
pub struct Goals {
    told: u64,
    /// By the highest GOGC that explains them.
    by_most: BTreeMap<u64, Group>,
    /// How many, by the lowest GOGC that explains them.
    by_least: BTreeMap<u64, u64>,
    /// Goals that are none.
    without: u64,
    /// How many, by goal and what was live, of small goals.
    small: BTreeMap<(u64, u64), u64>,
}

/// GOGC, as far as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gogc {
    /// One of these explains the goals that no limit made smaller.
    Percent(RangeInclusive<u64>),
    /// No goal was any.
    Off,
    /// A limit made them: it is off, or at least that.
    OffOrAbove(u64),
    /// First these, then those, or in turns.
    Changed(RangeInclusive<u64>, RangeInclusive<u64>),
    /// One of these, or a limit that leaves a goal of so many MiB.
    Either(RangeInclusive<u64>, u64),
    /// Heaps had reached most goals when their collections began, so that the goals may have been lower.
    Late,
    /// There are too few goals.
    Unknown,
}

/// GOMEMLIMIT, as far as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// It made that many goals smaller.
    Decides {
        /// Cycles.
        cycles: u64,
        /// Of these, goals at what was live.
        pinned: u64,
        /// MiB that it is at least, without what the runtime has mapped beside the heap.
        at_least: Option<u64>,
    },
    /// It made no goal smaller; if there is one it is above that many MiB.
    Above(u64),
    /// None was set.
    Off,
    /// It cannot be told.
    Unknown,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// GOGC.
    pub gogc: Gogc,
    /// GOMEMLIMIT.
    pub limit: MemoryLimit,
    /// Goals that were looked at.
    pub goals: u64,
    /// Goals that stood at the smallest heap of 4 MiB x GOGC / 100.
    pub smallest: u64,
    /// Goals above what was live went up and down with it, which those of a limit do not.
    pub follow: bool,
}

/// What made most of the goals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBy {
    /// GOMEMLIMIT.
    Limit,
    /// GOGC.
    Gogc,
    /// Each of them some, or it cannot be told.
    Either,
}

impl Told {
    /// What made most of the goals.
    pub fn made_by(&self) -> MadeBy {
        match self.limit {
            // Goals at what is live from the first to the last are no GOGC's that anybody sets.
            MemoryLimit::Above(_) if self.may_be_none() => MadeBy::Either,
            MemoryLimit::Decides { cycles, .. } if cycles * 2 > self.goals => MadeBy::Limit,
            MemoryLimit::Above(_) | MemoryLimit::Off => MadeBy::Gogc,
            MemoryLimit::Decides { .. } | MemoryLimit::Unknown => MadeBy::Either,
        }
    }

    /// What leaves no room where the goals stand at what is live: a limit where one is seen to have made goals that
    /// GOGC would not; a GOGC below 10 where goals follow what is live at some such percentage; and where goals are at
    /// what is live from the first to the last either of them.
    pub fn tightened_by(&self) -> MadeBy {
        match (&self.limit, &self.gogc) {
            (MemoryLimit::Decides { .. }, _) => MadeBy::Limit,
            (_, Gogc::Percent(percents)) if *percents.end() < 10 && !self.may_be_none() => {
                MadeBy::Gogc
            }
            _ => MadeBy::Either,
        }
    }

    /// Whether goals are explained by a GOGC of nothing at all, which is a limit at what is live as well.
    pub fn may_be_none(&self) -> bool {
        let is_none = matches!(&self.gogc, Gogc::Percent(percents) if *percents.start() == 0);
        is_none && !self.follow
    }
}

impl Goals {
    /// Takes a cycle's goal, with what the one before it marked and the heap with which it began.
    pub fn push(&mut self, marked: &Marked, goal: u64, start: u64) {
        if goal >= NO_GOAL {
            self.without += 1;
            return;
        }
        let percents = marked.percents(goal, start);
        if percents.is_empty() {
            return;
        }
        self.told += 1;
        let pinned = !marked.first && goal <= marked.live.saturating_add(1);
        // Goals that GOGC made are moved ahead of a heap that began late, those of a limit never are
        // (`heapGoalInternal`, runtime/mgcpacer.go): one as large as that heap says nothing of what a limit leaves.
        let moved = goal <= start.saturating_add(1);
        let group = Group {
            count: 1,
            least: (*percents.start()).min(MOST_PERCENT),
            goal: (!pinned).then_some((goal, goal)),
            left: (!pinned && !moved).then_some(goal),
            live: if marked.first { (u64::MAX, 0) } else { (marked.live, marked.live) },
            pinned: u64::from(pinned),
        };
        let most = (*percents.end()).min(MOST_PERCENT);
        self.by_most.entry(most).and_modify(|of| *of = of.and(group)).or_insert(group);
        *self.by_least.entry(group.least).or_default() += 1;
        if goal <= MOST_SMALL {
            *self.small.entry((goal, marked.live)).or_default() += 1;
        }
    }

    /// What they tell.
    pub fn told(&self) -> Told {
        let (gogc, limit) = self.settings();
        let smallest = match &gogc {
            Gogc::Percent(percents) => self.smallest(percents),
            _ => 0,
        };
        Told { gogc, limit, goals: self.told + self.without, smallest, follow: self.follow() }
    }

    fn follow(&self) -> bool {
        let all = self.by_most.values().copied().reduce(Group::and);
        all.is_some_and(|all| {
            let above = all.count - all.pinned;
            all.varied() && !all.stands() && above >= LEAST && above * 10 >= all.count
        })
    }

    fn settings(&self) -> (Gogc, MemoryLimit) {
        if self.without > self.told {
            return (Gogc::Off, MemoryLimit::Off);
        }
        if self.told < LEAST {
            return (Gogc::Unknown, MemoryLimit::Unknown);
        }
        let asked = self.asked_before_a_limit().unwrap_or_else(|| self.asked());
        let groups = |range: RangeInclusive<u64>| {
            self.by_most.range(range).map(|(_, group)| *group).reduce(Group::and)
        };
        let Some(explained) = groups(asked..=u64::MAX) else {
            return (Gogc::Unknown, MemoryLimit::Unknown);
        };
        let most = self.by_most.range(asked..).next().map_or(asked, |(most, _)| *most);
        let percents = asked..=most;
        let below = asked.checked_sub(1).and_then(|below| groups(0..=below));
        let Some(all) = groups(0..=u64::MAX) else { return (Gogc::Unknown, MemoryLimit::Unknown) };
        // What is live went up and down, and no goal followed.
        if all.varied() && all.stands() && all.goal.is_some_and(|(least, _)| least > 8) {
            return (Gogc::OffOrAbove(asked), decides(&all));
        }
        let is_default = percents.contains(&u64::from(super::gogc::DEFAULT));
        // A GOGC that low explains them all, if each heap had grown far beyond its goal when its collection began.
        let far = groups(most.saturating_mul(2).saturating_add(10)..=u64::MAX);
        if asked == 0 && !is_default && far.is_some_and(|far| far.count * 2 > self.told) {
            return (Gogc::Late, MemoryLimit::Unknown);
        }
        let Some(below) = below.filter(|below| below.count * 20 > self.told) else {
            let above = explained.goal.map_or(0, |(_, most)| most);
            return match explained.varied() || is_default {
                true => (Gogc::Percent(percents), MemoryLimit::Above(above)),
                false => {
                    (Gogc::Either(percents, explained.left.unwrap_or(0)), MemoryLimit::Unknown)
                }
            };
        };
        let common = self.common();
        if below.least <= common && common >= 5 && below.varied() && !below.stands() {
            return (Gogc::Changed(below.least..=common, percents), MemoryLimit::Unknown);
        }
        // What asks for the most may have been made smaller as well: another value than the default is as
        // likely to be one that was cut.
        match explained.count >= LEAST && is_default {
            true => (Gogc::Percent(percents), decides(&below)),
            false => (Gogc::OffOrAbove(asked), decides(&below)),
        }
    }

    /// The lowest GOGC above which hardly any goal asks for more.
    fn asked(&self) -> u64 {
        let mut above = 0;
        for (least, count) in self.by_least.iter().rev() {
            above += count;
            if above * 50 > self.told {
                return *least;
            }
        }
        0
    }

    /// The highest GOGC that any goal of a rising heap asked for, where a limit then made all the others: few they may
    /// be, as a heap comes to its limit once and stays there for as long as the log is. All the others are no lower
    /// GOGC's: they stand while what is live moves, no one GOGC explains them, or they leave no room at all.
    fn asked_before_a_limit(&self) -> Option<u64> {
        let (highest, _) = self.by_least.last_key_value()?;
        let groups = self.by_most.iter().map(|(most, group)| (*most, *group));
        let (above, below): (Vec<_>, Vec<_>) = groups.partition(|(most, _)| most >= highest);
        let one = |of: Vec<(u64, Group)>| of.into_iter().map(|(_, group)| group).reduce(Group::and);
        let (above, below) = (one(above)?, one(below)?);
        let common = self.common();
        let is_no_gogc = below.varied() || below.least > common || common < 5;
        // A limit cuts what is above it, and leaves what is below.
        let stands = below.goal.is_none_or(|(_, most)| {
            below.stands() && above.goal.is_none_or(|(_, above)| above <= most.saturating_add(1))
        });
        (below.count > above.count && stands && is_no_gogc).then_some(*highest)
    }

    /// The highest GOGC that explains the goal that asks for the least.
    fn common(&self) -> u64 {
        self.by_most.first_key_value().map_or(0, |(most, _)| *most)
    }

    fn smallest(&self, percents: &RangeInclusive<u64>) -> u64 {
        // The goals are the same for all of them, or they would not all explain them.
        let percent = *percents.end();
        let is_smallest = |(goal, live): &(u64, u64)| {
            *goal == percent / 25 && (live + 1) * (100 + percent) <= 4 * percent
        };
        self.small.iter().filter(|(key, _)| is_smallest(key)).map(|(_, count)| count).sum()
    }
}

fn decides(limited: &Group) -> MemoryLimit {
    let at_least = limited.left.map(|goal| Limit::leaving(goal << 20, 0) >> 20);
    MemoryLimit::Decides { cycles: limited.count, pinned: limited.pinned, at_least }
}

#[cfg(test)]
mod made_by {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "they are tests")]

    use super::*;

    fn told(cycles: impl Iterator<Item = (u64, u64)>) -> Told {
        told_with(cycles, |_| 0)
    }

    /// The same, with the heap that a cycle of that goal began with.
    fn told_with(cycles: impl Iterator<Item = (u64, u64)>, start: fn(u64) -> u64) -> Told {
        let mut goals = Goals::default();
        for (live, goal) in cycles {
            let marked = Marked { live, stacks: 0, globals: 0, first: false };
            goals.push(&marked, goal, start(goal));
        }
        goals.told()
    }

    /// A GOGC of 5 was told as a GOMEMLIMIT that drives collections.
    #[test]
    fn goals_that_follow_what_is_live_closely_are_those_of_a_low_gogc() {
        let low = told((100..300).map(|live| (live, live + live * 5 / 100)));
        assert_eq!((low.tightened_by(), low.made_by()), (MadeBy::Gogc, MadeBy::Gogc), "{low:?}");
        // Of goals at what is live from the first to the last either may be the reason.
        let pinned = told((40..60).map(|live| (live, live)));
        assert_eq!((pinned.tightened_by(), pinned.made_by()), (MadeBy::Either, MadeBy::Either));
        // A heap that began the cycle at its goal says nothing of the percentage; that goals go up and down does.
        let late = told_with((8..60).map(|live| (live, (live * 2 + 1) * 105 / 200)), |goal| goal);
        assert!(matches!(&late.gogc, Gogc::Percent(of) if *of.start() == 0), "{late:?}");
        assert_eq!(late.tightened_by(), MadeBy::Gogc, "{late:?}");
        // First twice what is live, then a limit.
        let limited = told((10..60).map(|live| (live, (live * 2).min(50).max(live))));
        assert_eq!(limited.tightened_by(), MadeBy::Limit, "{limited:?}");
        assert_eq!(limited.made_by(), MadeBy::Limit, "{limited:?}");
    }

    /// What was told of logs that the runtime wrote under GOGC=100 and a GOMEMLIMIT: `5 to 6, none that mattered`, as the
    /// goals before the limit were fewer than one of fifty.
    #[test]
    fn a_few_goals_before_a_limit_tell_gogc() {
        // GOMEMLIMIT=95MiB, 81 MB live, Go 1.22: the first lines, and 300 like the last of them.
        let rising = [(3, 7, 6), (18, 36, 31), (48, 85, 74), (81, 85, 84), (81, 85, 83)];
        let standing = (0..300).map(|n| (80 + n % 3, 85, 83));
        let mut goals = Goals::default();
        goals.push(&Marked { first: true, ..Marked::default() }, 4, 3);
        for (live, goal, start) in rising.into_iter().chain(standing) {
            let marked = Marked { live, stacks: 0, globals: 0, first: false };
            goals.push(&marked, goal, start);
        }
        let limited = goals.told();
        assert!(matches!(&limited.gogc, Gogc::Percent(of) if of.contains(&100)), "{limited:?}");
        let MemoryLimit::Decides { cycles, at_least, .. } = limited.limit else {
            panic!("{limited:?}")
        };
        assert!(cycles > 290 && (85..=95).contains(&at_least.unwrap()), "{limited:?}");
        assert_eq!(limited.tightened_by(), MadeBy::Limit);
        // Pinned at a live heap that rises past the limit (GOMEMLIMIT=30MiB, 24 to 32 MB live).
        let leak = told_with((5..20).map(|live| (live, live * 2)), |goal| goal - 2);
        assert_eq!(leak.made_by(), MadeBy::Gogc, "{leak:?}");
        let rising = (5..12).map(|live| (live, live * 2));
        let leak = rising.chain((0..2000).map(|n| (24 + n / 250, 24 + n / 250)));
        let leak = told(leak);
        assert_eq!(leak.tightened_by(), MadeBy::Limit, "{leak:?}");
        // The GOGC of a program that lowers it when it has started follows what is live all the same.
        let start = (5..8).map(|live| (live, live * 2));
        let lowered = told(start.chain((0..600).map(|n| (60 + n % 60, (60 + n % 60) * 21 / 20))));
        assert_eq!(lowered.tightened_by(), MadeBy::Gogc, "{lowered:?}");
    }

    /// `1 or less, and no GOMEMLIMIT that mattered`, of GOGC=100 and GOMEMLIMIT=60MiB in Go 1.27: a heap that fills quickly
    /// has reached its goal when its collection begins, in whole MB.
    #[test]
    fn heaps_that_reached_their_goals_do_not_tell_that_gogc_is_none() {
        let mut goals = Goals::default();
        goals.push(&Marked { first: true, ..Marked::default() }, 4, 3);
        for (live, goal, start) in
            [(3, 7, 7), (7, 14, 14), (14, 29, 29), (29, 50, 50), (57, 57, 58)]
        {
            goals.push(&Marked { live, stacks: 0, globals: 0, first: false }, goal, start);
        }
        let told = goals.told();
        assert_eq!((&told.gogc, told.limit), (&Gogc::Late, MemoryLimit::Unknown), "{told:?}");
        assert_eq!((told.tightened_by(), told.made_by()), (MadeBy::Either, MadeBy::Either));
    }

    /// A ballast of 200 MB under GOMEMLIMIT=150MiB: `206 MiB, and what Go has beside the heap`, since the goal of the first
    /// collection, which began at 200 MB, was taken for one of the limit.
    #[test]
    fn goals_at_what_is_live_are_no_lower_bound_of_a_limit() {
        let mut goals = Goals::default();
        goals.push(&Marked { first: true, ..Marked::default() }, 200, 200);
        for _ in 0..500 {
            let marked = Marked { live: 200, stacks: 0, globals: 0, first: false };
            goals.push(&marked, 200, 200);
        }
        let told = goals.told();
        assert_eq!(told.gogc, Gogc::Either(0..=0, 0), "{told:?}");
        assert_eq!(told.limit, MemoryLimit::Unknown);
    }
}
