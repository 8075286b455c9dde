//! What the runtime of a process wrote of itself into a log: collections (`gctrace`) and the scheduler
//! (`schedtrace`).
//!
//! A log may be of any length. What is kept of it is not: neighbouring cycles and samples are summed up in
//! windows, whose number is bounded and whose width doubles when there are too many.

mod scheduler;

use std::sync::Arc;

use std::collections::BTreeMap;

use goformats::runtimelog::{Counts, GcCycle, Term};

use super::crash::{Dump, Recovered};
use super::origin::SourceId;
use crate::model::goals::Goals;
use crate::model::pacer::Marked;
use crate::model::statistics::quantile;

pub use scheduler::{PRESSED, Run, Samples, Scheduler, joined_queues};

/// Windows of a process, at most; twice as many make each of them twice as wide.
pub const MOST_WINDOWS: usize = 2048;
/// Pauses that are kept with their place.
const MOST_PAUSES: usize = 5;
/// Changes that are kept.
const MOST_CHANGES: usize = 64;

/// A log.
#[derive(Clone, Debug)]
pub struct RuntimeLog {
    /// The file.
    pub source: SourceId,
    /// What of it was read.
    pub counts: Counts,
    /// The processes that wrote it, one after the other.
    pub lives: Vec<Life>,
    /// Further ones, of which nothing is kept.
    pub more_lives: u64,
    /// Some wrote it at once.
    pub at_once: bool,
    /// Those whose lines cannot be told apart, of which nothing is kept.
    pub untold: Option<Untold>,
    /// Ends of processes and dumps of goroutines.
    pub dumps: Vec<Dump>,
    /// Further ones, of which nothing is kept.
    pub more_dumps: u64,
    /// Panics that processes survived, by the place they came from.
    pub recovered: Vec<Recovered>,
}

/// Processes whose lines cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Untold {
    /// How many there seem to be.
    pub processes: u64,
    /// The first line that may be of any of them, from 1.
    pub line: u64,
}

impl RuntimeLog {
    /// The processes of one stream of it, in order.
    pub fn lives_of<'l>(&'l self, stream: Option<&'l str>) -> impl Iterator<Item = &'l Life> {
        self.lives.iter().filter(move |life| life.stream.as_deref() == stream)
    }

    /// The process that wrote last, where all are of one stream.
    pub fn last_life(&self) -> Option<&Life> {
        let last = self.lives.last()?;
        let is_one = self.lives.iter().all(|life| life.stream == last.stream);
        // Of several at once, or if more followed, it is not known which ended.
        (is_one && !self.at_once && self.more_lives == 0 && self.untold.is_none()).then_some(last)
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.lives.is_empty() && self.dumps.is_empty() && self.recovered.is_empty()
    }

    /// How many processes it is known to be of.
    pub fn processes(&self) -> usize {
        let ends = self.dumps.iter().filter(|dump| dump.is_end()).count();
        self.lives.len().max(ends).max(usize::from(!self.is_empty() && !self.is_of_dumps()))
    }

    /// Whether it holds dumps of goroutines and nothing else: several of one process are as usual as one of each.
    pub fn is_of_dumps(&self) -> bool {
        let mut dumps = self.dumps.iter();
        let is_more = !self.lives.is_empty() || !self.recovered.is_empty();
        !is_more && !self.dumps.is_empty() && dumps.all(|dump| !dump.is_end())
    }
}

/// A place in a log, and when that was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Line, from 1.
    pub line: u64,
    /// Milliseconds since the process was started.
    pub at_ms: u64,
}

/// One process.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Whose lines they are where a log is of several, as its tool names them: `POD/CONTAINER`.
    pub stream: Option<Arc<str>>,
    /// Its collections.
    pub collections: Option<Collections>,
    /// Its scheduler.
    pub scheduler: Option<Scheduler>,
}

impl Life {
    /// Its first line in the log, from 1.
    pub fn line(&self) -> u64 {
        let cycle = self.collections.as_ref().and_then(|of| of.windows.first());
        let sample = self.scheduler.as_ref().and_then(|of| of.windows.first());
        let lines = [cycle.map(|of| of.from.line), sample.map(|of| of.from.line)];
        lines.into_iter().flatten().min().unwrap_or_default()
    }
}

/// Stop-the-world phases of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stop {
    /// Before marking.
    SweepTermination,
    /// After it.
    MarkTermination,
}

impl Stop {
    /// As Go's documentation calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SweepTermination => "sweep termination",
            Self::MarkTermination => "mark termination",
        }
    }
}

/// A pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Nanoseconds, at least.
    pub nanos: u64,
    /// Of which phase.
    pub stop: Stop,
    /// The cycle's line.
    pub mark: Mark,
    /// The cycle.
    pub cycle: u64,
}

/// What a value was changed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The first line that has it.
    pub mark: Mark,
    /// The new value.
    pub to: u64,
}

/// Neighbouring cycles.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Window {
    /// How many.
    pub cycles: u64,
    /// Cycles behind one of them, before the next, whose line is not in the log.
    pub missing: u64,
    /// The first one.
    pub from: Mark,
    /// The last one.
    pub to: Mark,
    /// When the next began or, behind the last, when it ended: milliseconds.
    pub until_ms: u64,
    /// CPU time of the collector, its idle workers left out, in nanoseconds.
    pub cpu_ns: u64,
    /// Of that, what goroutines that allocate were made to do.
    pub assist_ns: u64,
    /// CPU time of workers on Ps that had nothing to do, in nanoseconds.
    pub idle_ns: u64,
    /// Time from the beginnings of cycles to their ends, in nanoseconds.
    pub marking_ns: u64,
    /// Time in which everything stood, in nanoseconds: sweep termination, and mark termination.
    pub stopped_ns: [u64; 2],
    /// MiB that were live: of the first and the last cycle, the least, the most, and all summed up.
    pub live: Extent,
    /// MiB of the goals.
    pub goal: Extent,
    /// MiB of the heap when marking ended.
    pub end: Extent,
    /// MiB that were live before each cycle, and of stacks and globals, all summed up: what the goals follow from.
    pub marked: [u64; 2],
    /// MiB that were allocated since the cycle before, as far as whole MiB tell.
    pub allocated: u64,
    /// Cycles whose goal left no room that a GOGC of 10 or more would.
    pub tight: u64,
    /// Cycles that ended above their goal.
    pub over: u64,
    /// Cycles that the program asked for.
    pub forced: u64,
    /// The GOGC, in percent, that explain all goals: at least and at most.
    pub gogc: (u64, u64),
    /// Pauses, the longest: nanoseconds.
    pub longest_ns: u64,
    /// Ps: summed up over cycles.
    pub procs: u64,
}

/// A value over a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The first value.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// The least.
    pub least: u64,
    /// The most.
    pub most: u64,
    /// All of them together.
    pub sum: u64,
}

impl Extent {
    /// One value.
    pub fn of(value: u64) -> Self {
        Self { first: value, last: value, least: value, most: value, sum: value }
    }

    /// This and what follows it.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            first: self.first,
            last: next.last,
            least: self.least.min(next.least),
            most: self.most.max(next.most),
            sum: self.sum.saturating_add(next.sum),
        }
    }
}

impl Window {
    /// One cycle, and the last one whose line is there: only that of the cycle before says what its goal follows from.
    fn of(cycle: &GcCycle, last: Option<&GcCycle>, mark: Mark) -> Self {
        let ns = |terms: &[Term]| terms.iter().map(|t| t.nanos).fold(0, u64::saturating_add);
        let (clock, cpu, heap) = (&cycle.clock, &cycle.cpu, &cycle.heap);
        let took = ns(&[clock.sweep_termination, clock.mark, clock.mark_termination]);
        let is_next = |last: &&GcCycle| cycle.number == last.number.saturating_add(1);
        let marked = last.filter(is_next).map(marked);
        let start = last.map_or(0, |last| last.heap.live);
        Self {
            cycles: 1,
            missing: 0,
            from: mark,
            to: mark,
            until_ms: mark.at_ms.saturating_add(took / 1_000_000),
            cpu_ns: ns(&[cpu.sweep_termination, cpu.assist, cpu.dedicated, cpu.mark_termination]),
            assist_ns: cpu.assist.nanos,
            idle_ns: cpu.idle.nanos,
            marking_ns: took,
            stopped_ns: [clock.sweep_termination.nanos, clock.mark_termination.nanos],
            live: Extent::of(heap.live),
            goal: Extent::of(heap.goal),
            end: Extent::of(heap.at_end),
            marked: marked.map_or([0; 2], |marked| {
                [marked.live, marked.stacks.saturating_add(marked.globals)]
            }),
            allocated: heap.at_end.saturating_sub(start),
            tight: u64::from(marked.is_some_and(|marked| marked.is_tight(heap.goal))),
            over: u64::from(heap.at_end > heap.goal.saturating_add(1)),
            forced: u64::from(cycle.forced),
            gogc: marked.map_or((0, u64::MAX), |marked| {
                let percents = marked.percents(heap.goal, heap.at_start);
                (*percents.start(), *percents.end())
            }),
            longest_ns: clock.sweep_termination.nanos.max(clock.mark_termination.nanos),
            procs: cycle.procs,
        }
    }

    /// This one and the one that follows it.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            cycles: self.cycles + next.cycles,
            missing: self.missing.saturating_add(next.missing),
            from: self.from,
            to: next.to,
            until_ms: next.until_ms,
            cpu_ns: self.cpu_ns.saturating_add(next.cpu_ns),
            assist_ns: self.assist_ns.saturating_add(next.assist_ns),
            idle_ns: self.idle_ns.saturating_add(next.idle_ns),
            marking_ns: self.marking_ns.saturating_add(next.marking_ns),
            stopped_ns: [0, 1].map(|n| self.stopped_ns[n].saturating_add(next.stopped_ns[n])),
            live: self.live.then(next.live),
            goal: self.goal.then(next.goal),
            end: self.end.then(next.end),
            marked: [0, 1].map(|n| self.marked[n].saturating_add(next.marked[n])),
            allocated: self.allocated.saturating_add(next.allocated),
            tight: self.tight + next.tight,
            over: self.over + next.over,
            forced: self.forced + next.forced,
            gogc: (self.gogc.0.max(next.gogc.0), self.gogc.1.min(next.gogc.1)),
            longest_ns: self.longest_ns.max(next.longest_ns),
            procs: self.procs.saturating_add(next.procs),
        }
    }

    /// Milliseconds from the first cycle to the next behind the window.
    pub fn wall_ms(&self) -> u64 {
        self.until_ms.saturating_sub(self.from.at_ms)
    }

    /// Ps, on average.
    pub fn mean_procs(&self) -> f64 {
        self.procs as f64 / self.cycles.max(1) as f64
    }

    /// The part of the CPU time of all Ps that went to the collector, from 0 to 1. Times are cut off to
    /// milliseconds: of less than a few, nothing can be said. Nor can it where many lines are missing.
    pub fn cpu_share(&self) -> Option<f64> {
        self.share_of(self.cpu_ns)
    }

    /// The same of some of the collector's CPU time.
    pub fn share_of(&self, cpu_ns: u64) -> Option<f64> {
        let wall = self.wall_ms();
        let all = wall as f64 * 1e6 * self.mean_procs();
        let each = self.each_for()?;
        (wall >= 5 && all > 0.0).then(|| (cpu_ns as f64 * each / all).min(1.0))
    }

    /// The part of the time in which a cycle was under way, from 0 to 1.
    pub fn busy(&self) -> Option<f64> {
        let wall = self.wall_ms();
        let each = self.each_for()?;
        (wall >= 5).then(|| (self.marking_ns as f64 * each / (wall as f64 * 1e6)).min(1.0))
    }

    /// The part of the CPU time of all Ps that collections left to the program, from 0 to 1. What workers did on Ps
    /// that had nothing to do is not the collector's in [`Self::cpu_share`], but the program did nothing meanwhile.
    pub fn left_to_program(&self) -> Option<f64> {
        Some(1.0 - self.share_of(self.cpu_ns.saturating_add(self.idle_ns))?)
    }

    /// For how many cycles each stands whose line is there; nothing where more than a tenth is missing.
    fn each_for(&self) -> Option<f64> {
        let all = self.cycles.saturating_add(self.missing);
        (!self.is_thin()).then(|| all as f64 / self.cycles.max(1) as f64)
    }

    /// Whether so many lines are missing that what is summed up over cycles says nothing.
    pub fn is_thin(&self) -> bool {
        self.missing.saturating_mul(10) > self.cycles.saturating_add(self.missing)
    }

    /// MiB that were live, on average.
    pub fn mean_live(&self) -> f64 {
        self.live.sum as f64 / self.cycles.max(1) as f64
    }

    /// Cycles in a second.
    pub fn rate(&self) -> Option<f64> {
        let wall = self.wall_ms();
        // Cycles are numbered, so that those without a line count.
        let cycles = self.cycles.saturating_add(self.missing);
        (wall > 0).then(|| cycles as f64 * 1000.0 / wall as f64)
    }

    /// MiB allocated in a second.
    pub fn allocation_rate(&self) -> Option<f64> {
        let wall = self.wall_ms();
        let each = self.each_for()?;
        (wall > 0).then(|| self.allocated as f64 * each * 1000.0 / wall as f64)
    }
}

/// What a cycle marked.
pub fn marked(cycle: &GcCycle) -> Marked {
    let heap = &cycle.heap;
    Marked {
        live: heap.live,
        stacks: heap.stacks.unwrap_or_default(),
        globals: heap.globals.unwrap_or_default(),
        first: false,
    }
}

/// So many neighbours as one.
pub fn joined<T: Copy>(all: &[T], width: usize, then: fn(T, T) -> T) -> Vec<T> {
    let chunks = all.chunks(width.max(1));
    chunks.filter_map(|chunk| chunk.iter().copied().reduce(then)).collect()
}

/// All collections of a process.
#[derive(Clone, Debug, Default)]
pub struct Collections {
    /// In order.
    pub windows: Vec<Window>,
    /// Cycles that a full window has.
    pub width: u64,
    /// How often a pause took that many nanoseconds, by phase. Printed times have two digits, so that these
    /// are few.
    pub pauses: BTreeMap<(Stop, u64), u64>,
    /// The longest ones, the longest first.
    pub longest: Vec<Pause>,
    /// GOMAXPROCS: what it was first, and each change.
    pub procs: Vec<Change>,
    /// The first cycles that the program asked for.
    pub forced: Vec<Mark>,
    /// Cycles that began two minutes after the one before, to the second: the runtime's own, of a process that
    /// allocates little.
    pub periodic: u64,
    /// Numbers that are missing between the first and the last.
    pub missing: u64,
    /// What the goals tell of GOGC and GOMEMLIMIT, of cycles whose predecessor is there.
    pub goals: Goals,
    /// Versions before 1.18 print neither stacks nor globals.
    pub is_old: bool,
    last: Option<GcCycle>,
}

impl Collections {
    /// Takes the next cycle.
    pub fn push(&mut self, cycle: &GcCycle, mark: Mark) {
        self.width = self.width.max(1);
        let window = Window::of(cycle, self.last.as_ref(), mark);
        let between = self
            .last
            .as_ref()
            .map_or(0, |last| cycle.number.saturating_sub(last.number.saturating_add(1)));
        self.missing = self.missing.saturating_add(between);
        if let Some(last) = self.windows.last_mut() {
            last.until_ms = mark.at_ms;
            last.missing = last.missing.saturating_add(between);
        }
        match self.windows.last_mut() {
            Some(last) if last.cycles < self.width => *last = last.then(window),
            _ => self.windows.push(window),
        }
        if self.windows.len() > MOST_WINDOWS {
            self.windows = joined(&self.windows, 2, Window::then);
            self.width *= 2;
        }
        let first = Marked { first: true, ..Marked::default() };
        let before = match &self.last {
            Some(last) if cycle.number == last.number.saturating_add(1) => Some(marked(last)),
            None if cycle.number == 1 => Some(first),
            _ => None,
        };
        if let Some(before) = before.filter(|_| cycle.heap.has_roots()) {
            self.goals.push(&before, cycle.heap.goal, cycle.heap.at_start);
        }
        let clock = &cycle.clock;
        self.pause(Stop::SweepTermination, clock.sweep_termination.nanos, cycle.number, mark);
        self.pause(Stop::MarkTermination, clock.mark_termination.nanos, cycle.number, mark);
        if self.procs.last().is_none_or(|last| last.to != cycle.procs)
            && self.procs.len() < MOST_CHANGES
        {
            self.procs.push(Change { mark, to: cycle.procs });
        }
        if cycle.forced && self.forced.len() < MOST_CHANGES {
            self.forced.push(mark);
        }
        if let Some(last) = &self.last {
            let since = cycle.at_ms.saturating_sub(last.at_ms);
            self.periodic += u64::from(!cycle.forced && (119_000..=121_500).contains(&since));
        }
        self.is_old |= !cycle.heap.has_roots();
        self.last = Some(*cycle);
    }

    fn pause(&mut self, stop: Stop, nanos: u64, cycle: u64, mark: Mark) {
        *self.pauses.entry((stop, two_digits(nanos))).or_default() += 1;
        let at = self.longest.partition_point(|pause| pause.nanos >= nanos);
        if at < MOST_PAUSES {
            self.longest.insert(at, Pause { nanos, stop, mark, cycle });
            self.longest.truncate(MOST_PAUSES);
        }
    }

    /// The last cycle.
    pub fn last(&self) -> Option<&GcCycle> {
        self.last.as_ref()
    }

    /// All of it as one window.
    pub fn whole(&self) -> Option<Window> {
        self.windows.iter().copied().reduce(Window::then)
    }

    /// Time in which that share of the pauses of a phase ended.
    pub fn quantile(&self, stop: Stop, share: f64) -> Option<u64> {
        let of = self.pauses.iter().filter(|((of, _), _)| *of == stop);
        quantile(of.map(|((_, nanos), count)| (*nanos, *count)), share)
    }
}

/// The first two digits, as `fmtNSAsMS` keeps them below ten milliseconds.
fn two_digits(nanos: u64) -> u64 {
    let mut unit = 1;
    while nanos / unit >= 100 {
        unit *= 10;
    }
    nanos / unit * unit
}
