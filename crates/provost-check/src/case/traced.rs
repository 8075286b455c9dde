//! What the log of a process comes to, in numbers: what reports show above and beside the findings.

mod numbers;

use super::growth::grows;
use super::log::{LogCase, spanning};
use super::memory::{self, MemoryCase};
use super::{Joined, World};
use crate::facts::runtime_log::{
    Change, Collections, Extent, RuntimeLog, Samples, Scheduler, Stop, Window, joined,
    joined_queues,
};
use crate::model::goals::{Gogc, MemoryLimit, Told};
use crate::model::gogc::Gogc as SetGogc;
use crate::model::memlimit;
use crate::model::oom::only_grows;
use crate::model::quantity::Bytes;
use crate::model::trend::Trend;
use crate::model::what_if::{self, Load, Outcome, SPIRAL, WELL};

pub use numbers::{
    Container, Extremes, Gc, GcCurves, Mib, Pauses, Procs, Row, Sched, SchedCurves, Settings,
    Traced, WhatIf,
};

/// Collections without which nothing is foretold.
const LEAST_CYCLES: u64 = 8;
/// Milliseconds of which a rate is told.
const LEAST_MS: u64 = 5;
/// Points of a curve, at most.
const MOST_POINTS: usize = 1500;
/// Milliseconds of CPU for each MiB: marking faster than that reads 50 GB a second on one CPU, which no memory
/// gives, so that it was not read.
const UNREAD_MS: f64 = 0.02;
/// MiB of a live heap that is worth that word.
const UNREAD_LEAST: f64 = 64.0;
/// GOGC that are tried.
const GOGCS: [u32; 4] = [50, 100, 200, 400];
/// Rates of allocation that are tried: as in the log, half, twice and four times that.
const RATES: [f64; 4] = [1.0, 0.5, 2.0, 4.0];

/// What the user says of where it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The container's memory limit, in bytes; without it that of what was given beside the log counts.
    pub memory_limit: Option<u64>,
    /// Bytes that it needs outside of Go's heap and runtime.
    pub non_heap: u64,
}

/// All processes of all logs.
pub fn all(world: &World, joined: &Joined<'_>, place: Place) -> Vec<Traced> {
    let mut all = Vec::new();
    let containers = match world.memory.is_empty() {
        true => Vec::new(),
        false => memory::cases(joined),
    };
    for log in &world.logs {
        for (index, life) in log.lives.iter().enumerate() {
            let case = LogCase { joined, log, life, index };
            let is_own =
                |of: &&MemoryCase<'_>| of.life.is_some_and(|(_, own)| std::ptr::eq(own, life));
            let own = containers.iter().find(is_own);
            let limit = match (place.memory_limit, own) {
                (Some(limit), _) => Some((limit, None)),
                (None, Some(own)) => own.limit().map(|limit| (limit, Some(own.subject()))),
                (None, None) => None,
            };
            let room = Room { limit, non_heap: place.non_heap };
            let collections = life.collections.as_ref().and_then(|of| collected(of, &room));
            let scheduler = life.scheduler.as_ref().and_then(scheduled);
            if collections.is_none() && scheduler.is_none() {
                continue;
            }
            all.push(Traced {
                subject: case.subject(),
                lines: log.counts.lines,
                processes: log.lives.len(),
                collections,
                scheduler,
            });
        }
    }
    all
}

/// What [`super::compared::compare`] compares of a log, in numbers and curves.
pub fn first_collections(log: &RuntimeLog) -> Option<Gc> {
    let first = log.lives.iter().find_map(|life| life.collections.as_ref());
    first.and_then(|of| collected(of, &Room::default()))
}

/// What there is for a process.
#[derive(Default)]
struct Room {
    /// Bytes, and of which container they are where the user does not say it.
    limit: Option<(u64, Option<String>)>,
    non_heap: u64,
}

fn collected(of: &Collections, room: &Room) -> Option<Gc> {
    let whole = of.whole()?;
    let told = of.goals.told();
    // Of one collection there is none before, and of a few milliseconds no rate.
    let is_long = whole.cycles > 1 && whole.wall_ms() >= LEAST_MS;
    let extent =
        |of: Extent| Mib { first: of.first, last: of.last, least: of.least, most: of.most };
    Some(Gc {
        cycles: whole.cycles,
        seconds: whole.wall_ms() as f64 / 1000.0,
        missing_cycles: of.missing,
        forced_cycles: whole.forced,
        periodic_cycles: of.periodic,
        cpu_share: whole.cpu_share(),
        cpu_share_per_minute: trend(of, &whole),
        assist_share: whole.cpu_share().map(|share| match whole.cpu_ns {
            0 => 0.0,
            all => share * whole.assist_ns as f64 / all as f64,
        }),
        per_second: whole.rate().filter(|_| is_long),
        allocated_mib_per_second: whole.allocation_rate().filter(|_| is_long),
        cpu_ms_per_cycle: whole.cpu_ns as f64 / 1e6 / whole.cycles.max(1) as f64,
        live_mib: extent(whole.live),
        goal_mib: extent(whole.goal),
        peak_heap_mib: whole.end.most,
        pauses: [Stop::SweepTermination, Stop::MarkTermination]
            .into_iter()
            .filter_map(|stop| pauses(of, stop))
            .collect(),
        settings: settings(&told, &of.procs, of.is_old),
        remarks: remarks(of, &whole, &told),
        what_if: what_if(of, &told, room),
        curves: curves(of, &told),
    })
}

/// Whether the share of the CPU changes, of stretches that are long enough for one.
fn trend(of: &Collections, whole: &Window) -> Option<[f64; 3]> {
    let windows = spanning(&of.windows, (whole.wall_ms() / 60).max(200));
    let point = |window: &Window| {
        let middle = window.from.at_ms.midpoint(window.until_ms) as f64 / 60_000.0;
        Some((middle, window.cpu_share()?))
    };
    let points: Vec<(f64, f64)> = windows.iter().filter_map(point).collect();
    let Trend { slope, margin } = Trend::of(&points)?;
    Some([slope, slope - margin, slope + margin])
}

fn pauses(of: &Collections, stop: Stop) -> Option<Pauses> {
    let counts = of.pauses.iter().filter(|((phase, _), _)| *phase == stop);
    Some(Pauses {
        phase: stop.name(),
        p50: of.quantile(stop, 0.5)?,
        p90: of.quantile(stop, 0.9)?,
        p99: of.quantile(stop, 0.99)?,
        longest: of.quantile(stop, 1.0)?,
        counts: counts.map(|((_, nanos), count)| (*nanos, *count)).collect(),
    })
}

fn since(procs: &[Change]) -> Vec<Procs> {
    let procs = procs.iter();
    procs.map(|it| Procs { at_seconds: it.mark.at_ms as f64 / 1000.0, value: it.to }).collect()
}

fn settings(told: &Told, procs: &[Change], is_old: bool) -> Settings {
    let range = |of: &std::ops::RangeInclusive<u64>| match (of.start(), of.end()) {
        (0, most) if *most >= 100 => format!("{most} or less, as 100, the default, is"),
        (0, most) if *most > 0 => format!("{most} or less"),
        (least, most) if least == most => format!("{least}"),
        (least, most) if (*least..=*most).contains(&100) => {
            format!("{least} to {most}, as 100, the default, is")
        }
        (least, most) => format!("{least} to {most}"),
    };
    let few = "cannot tell: it takes three lines, one behind the other, of Go 1.18 or later";
    let gogc = match &told.gogc {
        // What leaves no room from the first collection to the last is a limit as well.
        Gogc::Percent(percents) if told.may_be_none() => {
            format!(
                "{}, or a GOMEMLIMIT at what was live: no goal left room for more",
                range(percents)
            )
        }
        Gogc::Percent(percents) => range(percents),
        Gogc::Off => "off".to_owned(),
        Gogc::OffOrAbove(0) => "cannot tell: a limit made the goals".to_owned(),
        Gogc::OffOrAbove(least) => format!("off, or {least} or more: a limit made the goals"),
        Gogc::Changed(low, high) => {
            format!("changed while it ran: {} and {}", range(low), range(high))
        }
        Gogc::Either(percents, 0) => format!(
            "cannot tell: {}, or a GOMEMLIMIT at what was live, which stood too still",
            range(percents)
        ),
        Gogc::Either(percents, goal) => format!(
            "cannot tell: {}, or a GOMEMLIMIT that leaves {goal} MB; what was live stood too still",
            range(percents)
        ),
        Gogc::Late => {
            "cannot tell: heaps had reached most goals when their collections began".to_owned()
        }
        Gogc::Unknown if is_old => {
            "cannot tell: lines of Go before 1.18 do not say enough".to_owned()
        }
        Gogc::Unknown => few.to_owned(),
    };
    let (gomemlimit, least, limited) = match told.limit {
        MemoryLimit::Decides { cycles, at_least, pinned } => {
            let limit = match at_least {
                Some(least) => format!("{least} MiB, and what Go has beside the heap"),
                None => "no more than was live".to_owned(),
            };
            let at_live = match pinned {
                0 => String::new(),
                pinned => format!(", {pinned} of them at what was live"),
            };
            let text = format!("{limit}: it made {cycles} of {} goals{at_live}", told.goals);
            (text, at_least, cycles)
        }
        MemoryLimit::Above(_) if told.may_be_none() => {
            ("cannot tell: perhaps one at what was live, perhaps none".to_owned(), None, 0)
        }
        MemoryLimit::Above(goal) => {
            (format!("none that mattered: every goal follows from GOGC, up to {goal} MB"), None, 0)
        }
        MemoryLimit::Off => ("none".to_owned(), None, 0),
        MemoryLimit::Unknown => ("cannot tell".to_owned(), None, 0),
    };
    Settings {
        gogc,
        gogc_percent: match &told.gogc {
            Gogc::Percent(percents) => Some([*percents.start(), *percents.end()]),
            _ => None,
        },
        gomemlimit,
        gomemlimit_least_mib: least,
        limited_cycles: limited,
        gomaxprocs: since(procs),
        smallest_heap_cycles: told.smallest,
    }
}

fn remarks(of: &Collections, whole: &Window, told: &Told) -> Vec<String> {
    let mut remarks = Vec::new();
    if told.smallest * 10 > told.goals {
        let goal = match &told.gogc {
            Gogc::Percent(percents) => percents.end() / 25,
            _ => 4,
        };
        remarks.push(format!(
            "{} of {} collections were those of the smallest heap that Go collects, {goal} MB (4 MiB x GOGC / 100): what is live would ask for less",
            told.smallest, told.goals
        ));
    }
    let marked: u64 = whole.live.sum;
    let took = whole.cpu_ns.saturating_add(whole.idle_ns) as f64 / 1e6;
    if whole.mean_live() >= UNREAD_LEAST
        && took < marked as f64 * UNREAD_MS
        && whole.cycles >= LEAST_CYCLES
    {
        remarks.push(format!(
            "marking took {took:.0} ms of CPU for {} collections of {:.0} MB, less than reading that memory takes: most of it holds no pointers and was not looked at, as a ballast or a cache of bytes; a ballast does nothing that GOMEMLIMIT or a higher GOGC would not do without it",
            whole.cycles,
            whole.mean_live()
        ));
    }
    if of.missing > 0 {
        remarks.push(format!(
            "{} collections between the first and the last are not in the log",
            of.missing
        ));
    }
    remarks
}

/// Of what is live on average, what the end of a log has more than the whole, so that it is no chance.
const GREW: f64 = 1.1;

/// What a process does at the end of its log.
struct Now {
    load: Load,
    /// The same with what it would allocate if no collection held it back.
    free: Load,
    /// MiB that were live at the most.
    most: f64,
    /// MB a minute by which what is live grows, where it grows still.
    grows: Option<f64>,
    /// It may: the last collections freed next to nothing.
    perhaps: bool,
}

/// What it does once it has come up, as far as there is enough of that. What has grown since is what it is at the end.
fn now(of: &Collections) -> Option<Now> {
    let settled = of.windows.get(of.windows.len() / 4..).unwrap_or_default();
    let whole = settled.iter().copied().reduce(Window::then)?;
    if whole.cycles < LEAST_CYCLES || of.is_old {
        return None;
    }
    let grows = grows(of).map(|trend| trend.slope * 60.0);
    let end = end(settled)
        .filter(|end| grows.is_some() || end.mean_live() > whole.mean_live().max(1.0) * GREW);
    let run = end.unwrap_or(whole);
    let last = of.last().map_or(0, |last| last.heap.live);
    let loads = super::load::of(&run)?;
    let (load, held) = (loads.now, loads.now.rate / loads.free.rate);
    // What grows is more at its end than on average of any stretch before it.
    let load = match grows {
        Some(_) => load.with_live(load.live.max(last as f64)),
        None => load,
    };
    // Whenever that was: it may come again, and what it began with has to fit as well.
    let most = of.whole().map_or(0, |whole| whole.live.most);
    let most = (most as f64).max(load.live);
    let free = load.times(1.0 / held);
    Some(Now { load, free, most, grows, perhaps: grows.is_none() && still_rises(of) })
}

/// Of the time, for how much of it about as much was live as at the most.
fn peak_part(of: &Collections, most: f64) -> Option<f64> {
    let wall = |windows: &mut dyn Iterator<Item = &Window>| {
        windows.map(Window::wall_ms).fold(0, u64::saturating_add) as f64
    };
    let all = wall(&mut of.windows.iter());
    let at = wall(&mut of.windows.iter().filter(|w| w.live.most as f64 >= most * 0.9));
    (all > 0.0).then(|| at / all)
}

/// The last quarter of windows, or as many as have enough collections.
fn end(windows: &[Window]) -> Option<Window> {
    let from = windows.len() / 4 * 3;
    let mut end: Option<Window> = None;
    for (at, window) in windows.iter().enumerate().rev() {
        if at < from && end.is_some_and(|end| end.cycles >= LEAST_CYCLES) {
            break;
        }
        end = Some(end.map_or(*window, |after| window.then(after)));
    }
    end
}

fn still_rises(of: &Collections) -> bool {
    let points: Vec<(u64, u64)> = of.windows.iter().map(|w| (w.end.last, w.live.last)).collect();
    only_grows(points.get(points.len().saturating_sub(3)..).unwrap_or_default())
}

fn what_if(of: &Collections, told: &Told, place: &Room) -> Option<WhatIf> {
    let Now { load, free, most, grows, perhaps } = now(of)?;
    let stacks = load.roots;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let bytes = place.limit.as_ref().map(|(limit, _)| *limit);
    let container = bytes.map(mib);
    let outside = mib(place.non_heap);
    let gomemlimit =
        bytes.and_then(|limit| memlimit::recommended_beside(Bytes(limit), Bytes(place.non_heap)));
    let limit_mib: Option<f64> =
        gomemlimit.as_ref().and_then(|text| text.strip_suffix("MiB")?.parse().ok());
    // A limit has to leave room for what is live at its most, and that is what the heap is largest with.
    let worst = load.with_live(load.live.max(most));
    let minutes_to = |live: f64| grows.map(|rate| ((live - load.live) / rate).max(0.0));
    // MiB of heap with which all of Go is as large as the container.
    let full = container.map(|limit| what_if::heap_within(limit - outside, stacks));
    let row = |gogc: SetGogc, limit: Option<f64>, rate: f64| {
        let left = limit.map(|limit| what_if::left(limit, stacks));
        let Outcome { per_second, share, is_tight, .. } = load.times(rate).under(gogc, left);
        let told = |of: f64| (!is_tight).then_some(of);
        let goal = worst.under(gogc, left).goal;
        let go = goal + what_if::beside(goal, stacks);
        // Below a limit of Go's own only what is live fills the container.
        let fills = full.map(|heap| match limit {
            Some(_) => heap,
            None => load.live_at(gogc, heap),
        });
        Row {
            gogc: match gogc {
                SetGogc::Off => "off".to_owned(),
                SetGogc::Percent(percent) => percent.to_string(),
            },
            gomemlimit_mib: limit.map(|limit| limit as u64),
            rate,
            per_second: told(per_second),
            cpu_share: told(share),
            peak_heap_mib: goal.ceil() as u64,
            peak_go_mib: go.ceil() as u64,
            left_of_container_mib: container.map(|limit| (limit - go - outside).floor() as i64),
            full_after_minutes: fills.and_then(minutes_to),
        }
    };
    let mut rows = Vec::new();
    for rate in RATES {
        rows.extend(GOGCS.map(|percent| row(SetGogc::Percent(percent), None, rate)));
        if limit_mib.is_some() {
            rows.extend(GOGCS.map(|percent| row(SetGogc::Percent(percent), limit_mib, rate)));
            rows.push(row(SetGogc::Off, limit_mib, rate));
        }
    }
    let as_it_is = match (&told.gogc, told.limit) {
        (Gogc::Percent(percents), MemoryLimit::Above(_)) if !told.may_be_none() => {
            let middle = percents.start().midpoint(*percents.end());
            let percent = if percents.contains(&100) { 100 } else { middle };
            u32::try_from(percent).ok().map(|percent| row(SetGogc::Percent(percent), None, 1.0))
        }
        _ => None,
    };
    let limit_for = |share| free.with_live(worst.live).limit_for(share);
    let peak_part = peak_part(of, worst.live).filter(|part| grows.is_none() && *part < 0.5);
    let container = container.map(|limit| {
        let left = limit_mib.map(|limit| what_if::left(limit, stacks));
        let outcome = left.map(|left| worst.under(SetGogc::Percent(100), Some(left)));
        let share = outcome.filter(|of| !of.is_tight).map(|of| of.share);
        let least = limit_for(SPIRAL);
        let least_mib = (least / 0.9).max(least + outside).ceil() as u64;
        Container {
            memory_limit_mib: limit as u64,
            limit_of: place.limit.as_ref().and_then(|(_, of)| of.clone()),
            non_heap_mib: outside as u64,
            cpu_share: share,
            least_mib,
            verdict: match (grows, left) {
                (_, None) => "nothing of the container is left for Go".to_owned(),
                (None, _) => fits(share, worst.live, least_mib),
                (Some(rate), Some(left)) => {
                    let driven = minutes_to(load.live_for(SPIRAL, left)).unwrap_or_default();
                    let full = full.and_then(minutes_to).unwrap_or_default();
                    grows_past(rate, gomemlimit.as_deref().unwrap_or_default(), driven, full)
                }
            },
            gomemlimit: gomemlimit.clone(),
        }
    });
    Some(WhatIf {
        as_it_is,
        rows,
        live_mib: load.live.round() as u64,
        most_live_mib: worst.live.round() as u64,
        allocated_mib_per_second: load.rate,
        grows_mib_per_minute: grows,
        may_grow: perhaps,
        least_limit_mib: what_if::least_limit(worst.live, stacks) as u64,
        peak_part,
        good_limit_mib: limit_for(WELL).ceil() as u64,
        container,
        load,
        stacks,
    })
}

/// No limit is enough for what goes on growing.
fn grows_past(rate: f64, gomemlimit: &str, driven: f64, full: f64) -> String {
    let later = |minutes: f64| super::log::millis((minutes * 60_000.0) as u64);
    format!(
        "no limit fits a live heap that grows: by {rate:.1} MB a minute, as it does, collections have no rest under GOMEMLIMIT={gomemlimit} {} later, and what is live alone fills the container {} later",
        later(driven),
        later(full.max(driven))
    )
}

fn fits(share: Option<f64>, live: f64, least_mib: u64) -> String {
    let Some(share) = share else {
        return format!(
            "it leaves less than a tenth above the {live:.0} MB that were live at the most: collections may follow one another without a rest, at a cost that this log does not tell; there is room from {least_mib} MiB on"
        );
    };
    let share_text = super::log::percent(share);
    match share {
        share if share >= SPIRAL => format!(
            "too small for what this process does: with all that it had live, collections take {share_text} of the CPU; they take a quarter or less from {least_mib} MiB on"
        ),
        share if share > WELL => {
            format!("it fits, and collections take {share_text} of the CPU")
        }
        _ => format!("it fits: collections take {share_text} of the CPU"),
    }
}

/// As many neighbours as become one, so that there are no more points than that.
fn width(windows: usize) -> usize {
    windows.div_ceil(MOST_POINTS)
}

fn curves(of: &Collections, told: &Told) -> GcCurves {
    let windows = joined(&of.windows, width(of.windows.len()), Window::then);
    let percent = match &told.gogc {
        Gogc::Percent(percents) if percents.contains(&100) => Some(1.0),
        Gogc::Percent(percents) => Some(percents.start().midpoint(*percents.end()) as f64 / 100.0),
        _ => None,
    };
    let mut curves = GcCurves {
        width: windows.iter().map(|window| window.cycles).max().unwrap_or(1),
        ..GcCurves::default()
    };
    let shares = shares(&windows);
    for (window, share) in windows.iter().zip(shares) {
        let cycles = window.cycles.max(1) as f64;
        curves.at.push(window.from.at_ms as f64 / 1000.0);
        curves.line.push(window.from.line);
        curves.live.push(window.mean_live());
        curves.goal.push(window.goal.sum as f64 / cycles);
        curves.end.push(window.end.sum as f64 / cycles);
        let [live, roots] = window.marked.map(|sum| sum as f64 / cycles);
        // Half a MiB was cut off of each, on average.
        let grown = |of: f64| (live + 0.5 + (live + 0.5 + roots) * of).max(4.0 * of);
        curves.predicted.push(percent.filter(|_| live > 0.0).map(grown));
        curves.cpu.push(share);
        curves.pause_ms.push(window.longest_ns as f64 / 1e6);
        curves.rate.push(window.allocation_rate());
    }
    curves
}

/// What collections took of the CPU, in percent, from each window on for as long as a share can be told of.
fn shares(windows: &[Window]) -> Vec<Option<f64>> {
    let all = windows.iter().map(Window::wall_ms).sum::<u64>();
    let least = (all / 300).max(20);
    let from = |at: usize| {
        let mut sum: Option<Window> = None;
        // As many as a short stretch has, of those that follow; at the end, of those that there are.
        for window in windows.get(at..)?.iter().take(256) {
            let next = sum.map_or(*window, |sum| sum.then(*window));
            sum = Some(next);
            if next.wall_ms() >= least {
                break;
            }
        }
        sum?.cpu_share().map(|share| share * 100.0)
    };
    (0..windows.len()).map(from).collect()
}

fn scheduled(of: &Scheduler) -> Option<Sched> {
    let whole = of.whole()?;
    let extremes = |of: Extent| Extremes { least: of.least, most: of.most };
    let width = width(of.windows.len());
    let windows = joined(&of.windows, width, Samples::then);
    let mean = |of: Extent, count: u64| of.sum as f64 / count.max(1) as f64;
    let curve = |pick: fn(&Samples) -> Extent| {
        windows.iter().map(|window| mean(pick(window), window.count)).collect()
    };
    Some(Sched {
        samples: whole.count,
        seconds: whole.to.at_ms.saturating_sub(whole.from.at_ms) as f64 / 1000.0,
        gomaxprocs: since(&of.procs),
        threads: extremes(whole.threads),
        idle_threads: extremes(whole.idle_threads),
        idle_processors: extremes(whole.idle),
        runnable: extremes(whole.runnable),
        pressed_samples: whole.pressed,
        curves: SchedCurves {
            at: windows.iter().map(|window| window.from.at_ms as f64 / 1000.0).collect(),
            runnable: curve(|window| window.runnable),
            threads: curve(|window| window.threads),
            idle: curve(|window| window.idle),
            queues: joined_queues(&of.queues, width)
                .iter()
                .zip(&windows)
                .map(|(sums, window)| {
                    sums.iter().map(|sum| f64::from(*sum) / window.count.max(1) as f64).collect()
                })
                .collect(),
        },
    })
}
