//! The model of the pacer against what real processes of each Go version printed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "they are tests")]

use std::fs;
use std::path::Path;

use goformats::runtimelog::{Entry, GcCycle, Line, Reader, Runtime};
use provost_check::model::goals::{self, Goals, MemoryLimit, Told};
use provost_check::model::gogc::{self, Gogc};
use provost_check::model::memlimit::{self, MemLimit};
use provost_check::model::pacer::{Limit, Marked};

fn log(version: &str, kind: &str) -> String {
    let path = format!("../../fixtures/runtimelog/{version}/{kind}.log");
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn cycles(text: &str) -> Vec<GcCycle> {
    let mut cycles = Vec::new();
    let mut each = |line: Line<'_>| {
        if let Entry::Runtime(Runtime::Gc(cycle)) = line.entry {
            cycles.push(cycle);
        }
    };
    let mut reader = Reader::default();
    reader.push(text.as_bytes(), &mut each);
    reader.finish(&mut each);
    cycles
}

fn marked(cycle: &GcCycle) -> Marked {
    let heap = &cycle.heap;
    let (stacks, globals) = (heap.stacks.unwrap(), heap.globals.unwrap());
    Marked { live: heap.live, stacks, globals, first: false }
}

/// What was marked before each cycle, and that cycle.
fn pairs(cycles: &[GcCycle]) -> impl Iterator<Item = (Marked, &GcCycle)> {
    let first = Marked { first: true, ..Marked::default() };
    std::iter::once(first).chain(cycles.iter().map(marked)).zip(cycles)
}

/// A run under one setting: what it was, its cycles, and what was beside the heap.
struct Set {
    gogc: Gogc,
    limit: Option<Limit>,
    cycles: Vec<GcCycle>,
    /// Bytes beside the heap when the first cycle began.
    first: u64,
}

fn settings(version: &str) -> Vec<Set> {
    let text = log(version, "settings");
    let minor: u32 = version.strip_prefix("1.").unwrap().parse().unwrap();
    let runs = text.split("settings ").skip(1);
    runs.map(|run| {
        let value = |name: &str| run.split(name).nth(1).unwrap().split_whitespace().next().unwrap();
        let number = |name: &str| -> u64 { value(name).parse().unwrap() };
        let bytes = match value("GOMEMLIMIT=") {
            "unset" => None,
            text => match memlimit::parse(text, None).unwrap() {
                MemLimit::Set(bytes) => Some(bytes.0),
                MemLimit::Off => None,
            },
        };
        let least = number("nonheap ");
        let most: u64 =
            run.split("nonheap ").nth(1).unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let limit = bytes.map(|bytes| Limit {
            bytes,
            beside: least..=most + number("mapped ").saturating_sub(bytes),
            fixed_headroom: minor <= 20,
        });
        let gogc = gogc::parse(value("GOGC="), None).unwrap();
        Set { gogc, limit, cycles: cycles(run), first: number("first ") }
    })
    .collect()
}

const VERSIONS: [&str; 10] =
    ["1.18", "1.19", "1.20", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27"];

#[test]
fn every_goal_follows_from_the_line_before_under_every_setting_of_every_version() {
    for version in VERSIONS {
        let sets = settings(version);
        // Go 1.18 has no limit.
        assert_eq!(sets.len(), if version == "1.18" { 5 } else { 8 }, "{version}");
        let (mut fits, mut fits_twice) = (0, 0);
        for set in &sets {
            let limit = set.limit.as_ref();
            assert!(set.cycles.len() >= 10, "{version}: {} cycles", set.cycles.len());
            for (before, after) in pairs(&set.cycles) {
                let (start, goal) = (after.heap.at_start, after.heap.goal);
                let goals = before.goals(set.gogc, limit, start);
                let told =
                    format!("{version} {:?} {limit:?}: {before:?}\n{after:?}\n{goals:?}", set.gogc);
                assert!(goals.contains(&goal), "{told}");
                fits += 1;
                let Gogc::Percent(percent) = set.gogc else { continue };
                let percents = before.percents(goal, start);
                assert!(*percents.start() <= u64::from(percent), "{told} {percents:?}");
                // A limit makes a goal smaller than GOGC says; without one it is never smaller.
                let is_gogc = limit.is_some() || *percents.end() >= u64::from(percent);
                assert!(is_gogc, "{told} {percents:?}");
                let twice = before.goals(Gogc::Percent(percent * 2), limit, start);
                fits_twice += u32::from(twice.contains(&goal));
            }
        }
        // It would be no test if any goal fitted.
        assert!(fits >= 100 && fits_twice * 3 < fits, "{version}: {fits} {fits_twice}");
    }
}

#[test]
fn the_headroom_below_a_limit_is_that_of_the_version() {
    for version in VERSIONS.iter().skip(1) {
        let wide = settings(version).into_iter().find(|set| {
            set.gogc == Gogc::Off
                && set.limit.as_ref().is_some_and(|limit| limit.bytes == 256 << 20)
        });
        let Set { limit: Some(limit), cycles, first, .. } = wide.unwrap() else { panic!("limit") };
        // Before the first cycle nothing is freed, and what is beside the heap is known.
        let goal = cycles[0].heap.goal;
        let left = |limit: &Limit| limit.goal(first) >> 20;
        let other = Limit { fixed_headroom: !limit.fixed_headroom, ..limit.clone() };
        let told = format!("{version}: {goal}, {} or {}", left(&limit), left(&other));
        assert!(goal.abs_diff(left(&limit)) <= 1, "{told}");
        assert!(goal.abs_diff(left(&other)) > 3, "{told}");
    }
}

#[test]
fn every_goal_follows_from_the_line_before() {
    let (mut told, mut twice) = (0, 0);
    for version in ["1.19", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27"] {
        for kind in ["basic", "pacer"] {
            for (before, after) in pairs(&cycles(&log(version, kind))) {
                let (start, goal) = (after.heap.at_start, after.heap.goal);
                let goals = before.goals(Gogc::Percent(100), None, start);
                let said = format!("{version} {kind}: {before:?}\n{after:?}\n{goals:?}");
                assert!(goals.contains(&goal), "{said}");
                assert!(before.percents(goal, start).contains(&100), "{said}");
                told += 1;
                let double = before.goals(Gogc::Percent(200), None, 0);
                twice += u32::from(!double.contains(&goal));
            }
        }
    }
    // It would be no test if any goal fitted.
    assert!(told > 500 && twice * 2 > told, "{told} {twice}");
}

fn told(set: &Set) -> Told {
    let mut goals = Goals::default();
    for (before, after) in pairs(&set.cycles) {
        goals.push(&before, after.heap.goal, after.heap.at_start);
    }
    goals.told()
}

#[test]
fn goals_tell_what_was_set() {
    for version in VERSIONS {
        for set in settings(version) {
            let told = told(&set);
            let said = format!("{version} {:?} {:?}: {told:?}", set.gogc, set.limit);
            let limited = set.limit.is_some();
            match (set.gogc, &told.gogc) {
                (Gogc::Percent(set), goals::Gogc::Percent(percents)) => {
                    assert!(percents.contains(&u64::from(set)), "{said}");
                    // Whole MiB of some ten that are live are a tenth each, and under a limit few goals are left.
                    let close = if limited { 50 } else { 20 + u64::from(set) / 10 };
                    assert!(percents.end() - percents.start() <= close, "{said}");
                }
                (Gogc::Percent(set), goals::Gogc::OffOrAbove(least)) => {
                    assert!(limited && *least <= u64::from(set), "{said}");
                }
                (Gogc::Off, goals::Gogc::Off) => assert_eq!(set.limit, None, "{said}"),
                (Gogc::Off, goals::Gogc::OffOrAbove(_)) => assert!(limited, "{said}"),
                _ => panic!("{said}"),
            }
            match (&set.limit, told.limit) {
                (None, MemoryLimit::Above(_) | MemoryLimit::Off) => {}
                (Some(limit), MemoryLimit::Decides { at_least: Some(least), .. }) => {
                    let set = limit.bytes >> 20;
                    assert!((set * 6 / 10..=set).contains(&least), "{said}");
                }
                _ => panic!("{said}"),
            }
        }
    }
}

#[test]
fn a_heap_that_stands_leaves_open_whether_gogc_or_a_limit_made_its_goal() {
    let mut goals = Goals::default();
    let before = Marked { live: 40, ..Marked::default() };
    for _ in 0..50 {
        goals.push(&before, 71, 66);
    }
    let goals::Gogc::Either(percents, goal) = goals.told().gogc else {
        panic!("{:?}", goals.told())
    };
    assert!(percents.contains(&75) && !percents.contains(&100), "{percents:?}");
    assert_eq!((goal, goals.told().limit), (71, MemoryLimit::Unknown));
}

#[test]
fn two_cycles_tell_nothing() {
    let mut goals = Goals::default();
    goals.push(&Marked { live: 40, ..Marked::default() }, 80, 70);
    goals.push(&Marked { live: 10, ..Marked::default() }, 20, 19);
    assert_eq!(goals.told().gogc, goals::Gogc::Unknown);
}

#[test]
fn a_gogc_that_the_program_changes_is_no_limit() {
    let mut goals = Goals::default();
    for (percent, live) in (0..60).map(|n| (if n < 30 { 200 } else { 50 }, 20 + n % 30)) {
        let before = Marked { live, ..Marked::default() };
        goals.push(&before, live + live * percent / 100, 0);
    }
    let goals::Gogc::Changed(low, high) = goals.told().gogc else { panic!("{:?}", goals.told()) };
    assert!(low.contains(&50) && high.contains(&200), "{low:?} {high:?}");
}
