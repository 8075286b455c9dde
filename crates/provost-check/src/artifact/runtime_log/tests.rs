//! Logs of several processes in which nothing names them.

#![allow(clippy::unwrap_used, reason = "they are tests")]

use std::fmt::Write as _;

use super::{MOST_LIVES, read};
use crate::artifact::source::{Source, SourceKind, Sources};
use crate::facts::runtime_log::RuntimeLog;

fn log(lines: &[String]) -> RuntimeLog {
    let source = Sources::default().add(Source::opaque("a.log", SourceKind::Log));
    read(source, lines.join("\n").as_bytes(), &|_| true).unwrap()
}

/// A process that collects each `every` milliseconds, with so many MB live.
#[derive(Clone, Copy)]
struct Made {
    from: u64,
    born_ms: u64,
    every: u64,
    live: u64,
    procs: u64,
}

const A: Made = Made { from: 1, born_ms: 0, every: 100, live: 10, procs: 2 };

impl Made {
    /// When it is written, and the line.
    fn lines(self, count: u64) -> Vec<(u64, String)> {
        (self.from..self.from + count).map(|n| self.line(n)).collect()
    }

    fn line(self, n: u64) -> (u64, String) {
        let at = n * self.every;
        // What is live changes a little.
        let (live, before) = (self.live + n % 3, self.live + (n - 1) % 3);
        let goal = if n == 1 { 4 } else { before * 2 };
        let line = format!(
            "gc {n} @{}.{:03}s 1%: 0.010+1.0+0.010 ms clock, 0.020+0/1.0/0+0.020 ms cpu, {}->{}->{live} MB, {goal} MB goal, 0 MB stacks, 0 MB globals, {} P",
            at / 1000,
            at % 1000,
            goal.saturating_sub(1),
            goal,
            self.procs
        );
        (self.born_ms + at, line)
    }
}

fn merged(parts: &[Vec<(u64, String)>]) -> Vec<String> {
    let mut all: Vec<(u64, String)> = parts.concat();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, line)| line).collect()
}

/// Of each process that is told, its collections, those that are missing, and what is live at most.
fn told(log: &RuntimeLog) -> Vec<(u64, u64, u64)> {
    let all = log.lives.iter().filter_map(|life| life.collections.as_ref());
    let of = all.map(|of| (of.whole().unwrap().cycles, of.missing, of.whole().unwrap().live.most));
    of.collect()
}

/// Each line of another pod was taken for a restart, so that there were as many processes as lines.
#[test]
fn lines_in_turn_are_told_apart_by_their_numbers() {
    let other = Made { from: 40, live: 50, born_ms: 33, every: 90, ..A };
    let both = log(&merged(&[A.lines(60), other.lines(50)]));
    assert_eq!(told(&both), [(60, 0, 12), (50, 0, 52)]);
    assert!(both.at_once && both.untold.is_none() && both.last_life().is_none());
    // Both from the first on, of which one collects three times as often.
    let often = Made { every: 30, live: 70, born_ms: 7, ..A };
    let slow = Made { every: 91, live: 20, born_ms: 20, ..A };
    let three = log(&merged(&[often.lines(300), slow.lines(100), other.lines(90)]));
    assert_eq!(told(&three), [(300, 0, 72), (100, 0, 22), (90, 0, 52)]);
}

/// The second began with a later number, and its lines were counted as those that the first had lost.
#[test]
fn another_process_with_later_numbers_is_no_gap() {
    let later = Made { from: 203, live: 50, born_ms: 30, ..A };
    let first = Made { from: 20, born_ms: 20_000, ..A };
    let both = log(&merged(&[first.lines(20), later.lines(20)]));
    assert_eq!(told(&both), [(20, 0, 52), (20, 0, 12)]);
    // A tail of each, as kubectl logs -l prints them without -f: no line tells that these are two, but the heap.
    let one_by_one = [first.lines(10), later.lines(10)].concat();
    let lines: Vec<String> = one_by_one.into_iter().map(|(_, line)| line).collect();
    assert_eq!(told(&log(&lines)).iter().map(|of| of.0).sum::<u64>(), 20);
}

#[test]
fn two_in_lockstep_are_not_told() {
    let twin = Made { born_ms: 5, ..A };
    let both = log(&merged(&[A.lines(50), twin.lines(50)]));
    assert_eq!((both.lives.len(), told(&both)), (0, Vec::new()));
    let untold = both.untold.unwrap();
    assert!(untold.processes == 2 && untold.line < 6, "{untold:?}");
    // Another heap, or another number of Ps, is enough.
    for other in [Made { live: 31, ..twin }, Made { procs: 4, ..twin }] {
        let both = log(&merged(&[A.lines(50), other.lines(50)]));
        assert_eq!(told(&both).iter().map(|of| of.0).collect::<Vec<_>>(), [50, 50]);
    }
    // So is when they were started, by the clock of who kept the log.
    let stamped = |(at, line): (u64, String)| {
        let line = format!(
            "2026-11-26T10:{:02}:{:02}.{:03}Z {line}",
            at / 60_000,
            at / 1000 % 60,
            at % 1000
        );
        (at, line)
    };
    let twin = Made { born_ms: 1605, ..A };
    let both: Vec<_> =
        [A.lines(50), twin.lines(50)].map(|lines| lines.into_iter().map(stamped).collect()).into();
    let both = log(&merged(&both));
    assert_eq!(told(&both).iter().map(|of| of.0).collect::<Vec<_>>(), [50, 50]);
}

/// The numbers of a process that is started anew go on behind those that its former life ended with.
#[test]
fn lives_of_a_process_that_crashes_again_and_again_stay_apart() {
    let lives: Vec<_> = (0..20).map(|n| A.lines(9 + n % 4)).collect();
    let lines: Vec<String> = lives.concat().into_iter().map(|(_, line)| line).collect();
    let all = log(&lines);
    assert_eq!(told(&all).iter().map(|of| of.0).collect::<Vec<_>>(), [9, 10, 11, 12].repeat(5));
    assert!(!all.at_once && all.untold.is_none());
    // A line of some is missing where another life would go on with the next.
    let mut torn = lines.clone();
    torn.retain(|line| !line.starts_with("gc 10 "));
    let torn = log(&torn);
    assert!(!torn.at_once && torn.untold.is_none() && torn.lives.len() == 20, "{:?}", told(&torn));
}

#[test]
fn lines_that_are_missing_make_no_other_process() {
    let mut lines: Vec<String> = A.lines(300).into_iter().map(|(_, line)| line).collect();
    lines.drain(100..150);
    lines.remove(20);
    let one = log(&lines);
    assert_eq!(told(&one), [(249, 51, 12)]);
    assert!(!one.at_once);
}

/// A program's children, each with its first collections, were restarts of it.
#[test]
fn children_do_not_part_their_parent() {
    let parent = Made { live: 200, ..A };
    let child = |n: u64| Made { every: 3, live: 4, born_ms: n * 1000, ..A }.lines(2 + n % 3);
    let mut parts: Vec<_> = (1..8).map(child).collect();
    parts.push(parent.lines(90));
    let all = log(&merged(&parts));
    assert!(told(&all).contains(&(90, 0, 202)), "{:?}", told(&all));
    assert!(all.untold.is_none() && all.lives.len() == 8);
}

fn samples(born: u64, period: u64, count: u64, threads: u64) -> Vec<(u64, String)> {
    (0..count)
        .map(|n| {
            let at = n * period;
            let line = format!(
                "SCHED {at}ms: gomaxprocs=2 idleprocs=1 threads={threads} spinningthreads=0 needspinning=0 idlethreads=1 runqueue=0 [0 0]"
            );
            (born + at, line)
        })
        .collect()
}

#[test]
fn samples_in_turn_are_told_apart_by_their_period() {
    let of = |log: &RuntimeLog| -> Vec<(u64, u64)> {
        let all = log.lives.iter().filter_map(|life| life.scheduler.as_ref()?.whole());
        all.map(|whole| (whole.count, whole.threads.most)).collect()
    };
    let both = log(&merged(&[samples(0, 1001, 20, 5), samples(7300, 1002, 20, 9)]));
    assert_eq!(of(&both), [(20, 5), (20, 9)]);
    // Seen from the middle on, one behind the other, they are one process with two intervals.
    let from = |lines: Vec<(u64, String)>| lines.into_iter().skip(6).collect::<Vec<_>>();
    let both = log(&merged(&[from(samples(0, 1001, 20, 5)), from(samples(300, 1001, 20, 9))]));
    assert!(both.untold.is_some() || of(&both) == [(14, 5), (14, 9)], "{both:?}");
    let restarted = [samples(0, 1001, 9, 5), samples(0, 1001, 9, 9)].concat();
    let lines: Vec<String> = restarted.into_iter().map(|(_, line)| line).collect();
    assert_eq!(of(&log(&lines)), [(9, 5), (9, 9)]);
}

/// Of more nothing was said.
#[test]
fn processes_beyond_the_limit_are_counted() {
    let mut text = Vec::new();
    for _ in 0..MOST_LIVES + 3 {
        text.extend(A.lines(3).into_iter().map(|(_, line)| line));
    }
    let all = log(&text);
    assert_eq!((all.lives.len(), all.more_lives), (MOST_LIVES, 3));
    assert!(all.last_life().is_none());
}

/// Lines of any numbers in any order.
#[test]
fn no_order_of_lines_is_too_much() {
    let mut seed = 7_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) % below
    };
    let mut lines = Vec::new();
    for _ in 0..5000 {
        let made = Made { every: next(50) + 1, live: next(90), procs: next(3), ..A };
        let (_, mut line) = made.line(next(40) + 1);
        if next(5) == 0 {
            line.clear();
            let _ = write!(
                line,
                "SCHED {}ms: gomaxprocs=2 idleprocs=1 threads=5 spinningthreads=0 idlethreads=1 runqueue=0 [0 0]",
                next(9000)
            );
        }
        lines.push(line);
    }
    let all = log(&lines);
    assert!(all.lives.len() <= MOST_LIVES && all.untold.is_some());
}
