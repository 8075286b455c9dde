//! The counters of one process at several moments.

use std::cmp::Ordering;

use goformats::counters::{Counter, Snapshot};

use super::{Joined, World};
use crate::facts::Origin;
use crate::facts::counters::Counted;
use crate::findings::{Abstain, Reason};

/// GOMEMLIMIT where there is none, as a number of any form.
const NO_LIMIT: f64 = 9e18;
/// What is marked beside a goal that leaves less than a tenth of it to grow into.
const TIGHT: f64 = 1.1;
/// The same of all objects, where what was marked is not said: they are between that and the goal.
const NEAR: f64 = 0.9;
/// So many snapshots in which that is so are no chance.
const SURELY: usize = 4;

/// One process.
#[derive(Clone, Debug)]
pub struct CountersCase<'w> {
    /// Everything.
    pub joined: &'w Joined<'w>,
    /// Its snapshots, the oldest first; there is one at least.
    pub counted: Vec<&'w Counted>,
    /// Further ones, each a case of its own, of which nothing tells whether they are of the same process.
    pub perhaps: u64,
}

/// Whether two snapshots are of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Same {
    Yes,
    No,
    /// Nothing speaks against it. Nothing does of two pods of one service either.
    Perhaps,
}

/// What only grows while a process lives.
const GROWING: [Counter; 4] =
    [Counter::Cycles, Counter::Allocated, Counter::AllCpu, Counter::Paused];

/// Processes. Snapshots of one are in the order of their collections; those that cannot be of one process, since
/// what only grows is less or their starts differ, are told apart.
pub fn cases<'w>(joined: &'w Joined<'w>) -> Vec<CountersCase<'w>> {
    let mut all: Vec<&Counted> = joined.world.counters.iter().collect();
    let cycles = |counted: &Counted| {
        let of = |counter| counted.snapshot.get(counter).unwrap_or_default();
        (of(Counter::Cycles), of(Counter::Allocated))
    };
    all.sort_by(|a, b| cycles(a).partial_cmp(&cycles(b)).unwrap_or(Ordering::Equal));
    let mut cases: Vec<CountersCase<'w>> = Vec::new();
    for counted in all {
        let is = |case: &CountersCase<'_>, same: Same| {
            case.last().is_some_and(|last| follows(&last.snapshot, &counted.snapshot) == same)
        };
        if let Some(case) = cases.iter_mut().find(|case| is(case, Same::Yes)) {
            case.counted.push(counted);
            continue;
        }
        if let Some(case) = cases.iter_mut().find(|case| is(case, Same::Perhaps)) {
            case.perhaps += 1;
        }
        cases.push(CountersCase { joined, counted: vec![counted], perhaps: 0 });
    }
    cases
}

/// Whether a snapshot is a later one of the same process: it has the same start, or (expvar) the same collections ended
/// at the same nanoseconds.
fn follows(before: &Snapshot, after: &Snapshot) -> Same {
    let both = |counter| Some((before.get(counter)?, after.get(counter)?));
    // GOGC, GOMEMLIMIT and GOMAXPROCS tell nothing: tuners change them while the process lives, and so does the
    // runtime (GOMAXPROCS, Go 1.25 on).
    if before.form != after.form || GROWING.iter().filter_map(|of| both(*of)).any(|(a, b)| a > b) {
        return Same::No;
    }
    if let Some((a, b)) = both(Counter::Started) {
        return if a == b { Same::Yes } else { Same::No };
    }
    let oldest = after.pauses.first().map_or(u64::MAX, |pause| pause.cycle);
    let last = before.pauses.last().filter(|last| last.end > 0 && last.cycle >= oldest);
    let Some(last) = last else { return Same::Perhaps };
    match after.pauses.iter().any(|pause| pause == last) {
        true => Same::Yes,
        false => Same::No,
    }
}

impl<'w> CountersCase<'w> {
    /// All facts.
    pub fn world(&self) -> &'w World {
        self.joined.world
    }

    /// The input, and how many more.
    pub fn subject(&self) -> String {
        let Some(first) = self.counted.first() else { return String::new() };
        let path = &self.world().sources.get(first.source).path;
        match self.counted.len() {
            1 => path.clone(),
            count => format!("{path} and {} more", count - 1),
        }
    }

    /// The newest.
    pub fn last(&self) -> Option<&'w Counted> {
        self.counted.last().copied()
    }

    /// The oldest, where there are several.
    pub fn first(&self) -> Option<&'w Counted> {
        self.counted.first().copied().filter(|_| self.counted.len() > 1)
    }

    /// That it is not known whether there are more snapshots of this process, of which a trend could be told.
    pub fn unknown_others(&self) -> Option<Abstain> {
        (self.perhaps > 0).then(|| {
            let needs = format!(
                "whether {} more snapshots are of the same process: none has the time of its start (process_start_time_seconds), nor collections that both know",
                self.perhaps
            );
            Abstain::unknown(Reason::LogTooShort, needs)
        })
    }

    /// An input.
    pub fn at(&self, counted: &Counted) -> Origin {
        Origin::whole(counted.source)
    }

    /// By how much a counter grew between the oldest and the newest, or since the start where there is one only.
    pub fn grown(&self, counter: Counter) -> Option<f64> {
        let last = self.last()?.snapshot.get(counter)?;
        let first = match self.first() {
            Some(first) => first.snapshot.get(counter)?,
            None => 0.0,
        };
        (last >= first).then_some(last - first)
    }

    /// The part of the CPU that collections took, idle processors left out, from 0 to 1.
    pub fn gc_share(&self) -> Option<f64> {
        let of_classes = || {
            let all = self.grown(Counter::AllCpu).filter(|all| *all > 0.0)?;
            let idle = self.grown(Counter::GcIdleCpu).unwrap_or_default();
            Some(((self.grown(Counter::GcCpu)? - idle) / all).clamp(0.0, 1.0))
        };
        of_classes().or_else(|| self.last()?.snapshot.get(Counter::GcShare))
    }

    /// GOMEMLIMIT in bytes; `Some(None)` where there is none.
    pub fn limit(&self) -> Option<Option<f64>> {
        let limit = self.last()?.snapshot.get(Counter::Limit)?;
        Some((limit < NO_LIMIT).then_some(limit))
    }

    /// Whether goals leave less than a tenth of what is live; `None` where that is not known.
    pub fn is_tight(&self) -> Option<bool> {
        let ratio = |counted: &&Counted, of: Counter| {
            let (value, goal) = (counted.snapshot.get(of)?, counted.snapshot.get(Counter::Goal)?);
            (value > 0.0).then_some(goal / value)
        };
        let live: Vec<f64> =
            self.counted.iter().filter_map(|counted| ratio(counted, Counter::Live)).collect();
        if live.len() == self.counted.len() {
            return Some(live.iter().filter(|ratio| **ratio <= TIGHT).count() * 2 > live.len());
        }
        let heap: Vec<f64> =
            self.counted.iter().filter_map(|counted| ratio(counted, Counter::Heap)).collect();
        // One that is far from the goal shows that there is room.
        if heap.iter().any(|ratio| *ratio > 1.0 / NEAR) {
            return Some(false);
        }
        (heap.len() >= SURELY && heap.len() == self.counted.len()).then_some(true)
    }
}

/// `57.4 MiB`
pub fn mib(bytes: f64) -> String {
    let mib = bytes / 1_048_576.0;
    if mib < 100.0 { format!("{mib:.1} MiB") } else { format!("{mib:.0} MiB") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use goformats::counters::Form;

    fn snapshot(values: &[(Counter, f64)]) -> Snapshot {
        let values = values.iter().copied().collect();
        Snapshot { form: Form::Prometheus, values, pauses: Vec::new(), go: None }
    }

    #[test]
    fn a_process_whose_gogc_is_tuned_is_still_the_one_that_began_then() {
        let of = |start: f64, gogc: f64, cycles: f64| {
            snapshot(&[
                (Counter::Started, start),
                (Counter::Gogc, gogc),
                (Counter::Procs, gogc / 10.0),
                (Counter::Cycles, cycles),
            ])
        };
        assert_eq!(follows(&of(7.0, 100.0, 1.0), &of(7.0, 90.0, 2.0)), Same::Yes);
        assert_eq!(follows(&of(7.0, 100.0, 1.0), &of(8.0, 100.0, 2.0)), Same::No);
        assert_eq!(follows(&of(7.0, 100.0, 2.0), &of(7.0, 90.0, 1.0)), Same::No);
        // Without a start it is not told.
        let of = |gogc| snapshot(&[(Counter::Gogc, gogc)]);
        assert_eq!(follows(&of(100.0), &of(90.0)), Same::Perhaps);
    }
}
