//! What the runtime of a process wrote of itself into a log: collections (`gctrace`) and the scheduler
//! (`schedtrace`).
//!
//! A log may be of any length. What is kept of it is not: neighbouring cycles and samples are summed up in
//! windows, whose number is bounded and whose width doubles when there are too many.

use std::collections::BTreeMap;

use goformats::runtimelog::{Counts, GcCycle, SchedSample, Term};

use super::crash::{Dump, Recovered};
use super::origin::SourceId;
use crate::model::goals::Goals;
use crate::model::pacer::Marked;

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
    /// Ends of processes and dumps of goroutines.
    pub dumps: Vec<Dump>,
    /// Further ones, of which nothing is kept.
    pub more_dumps: u64,
    /// Panics that processes survived, by the place they came from.
    pub recovered: Vec<Recovered>,
}

impl RuntimeLog {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.lives.is_empty() && self.dumps.is_empty() && self.recovered.is_empty()
    }

    /// How many processes it is known to be of.
    pub fn processes(&self) -> usize {
        let ends = self.dumps.iter().filter(|dump| dump.is_end()).count();
        self.lives.len().max(ends).max(usize::from(!self.is_empty()))
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
    /// Its collections.
    pub collections: Option<Collections>,
    /// Its scheduler.
    pub scheduler: Option<Scheduler>,
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
    /// Time in which everything stood, in nanoseconds.
    pub stopped_ns: u64,
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
#[allow(missing_docs, reason = "first, last, least, most and the sum of the values")]
pub struct Extent {
    pub first: u64,
    pub last: u64,
    pub least: u64,
    pub most: u64,
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
    fn of(cycle: &GcCycle, before: Option<&GcCycle>, mark: Mark) -> Self {
        let ns = |terms: &[Term]| terms.iter().map(|t| t.nanos).fold(0, u64::saturating_add);
        let (clock, cpu, heap) = (&cycle.clock, &cycle.cpu, &cycle.heap);
        let took = ns(&[clock.sweep_termination, clock.mark, clock.mark_termination]);
        let marked = before.map(marked);
        let start = before.map_or(0, |before| before.heap.live);
        Self {
            cycles: 1,
            from: mark,
            to: mark,
            until_ms: mark.at_ms.saturating_add(took / 1_000_000),
            cpu_ns: ns(&[cpu.sweep_termination, cpu.assist, cpu.dedicated, cpu.mark_termination]),
            assist_ns: cpu.assist.nanos,
            idle_ns: cpu.idle.nanos,
            stopped_ns: ns(&[clock.sweep_termination, clock.mark_termination]),
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
            from: self.from,
            to: next.to,
            until_ms: next.until_ms,
            cpu_ns: self.cpu_ns.saturating_add(next.cpu_ns),
            assist_ns: self.assist_ns.saturating_add(next.assist_ns),
            idle_ns: self.idle_ns.saturating_add(next.idle_ns),
            stopped_ns: self.stopped_ns.saturating_add(next.stopped_ns),
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
    /// milliseconds: of less than a few, nothing can be said.
    pub fn cpu_share(&self) -> Option<f64> {
        let wall = self.wall_ms();
        let all = wall as f64 * 1e6 * self.mean_procs();
        (wall >= 5 && all > 0.0).then(|| (self.cpu_ns as f64 / all).min(1.0))
    }

    /// MiB that were live, on average.
    pub fn mean_live(&self) -> f64 {
        self.live.sum as f64 / self.cycles.max(1) as f64
    }

    /// Cycles in a second.
    pub fn rate(&self) -> Option<f64> {
        let wall = self.wall_ms();
        (wall > 0).then(|| self.cycles as f64 * 1000.0 / wall as f64)
    }

    /// MiB allocated in a second.
    pub fn allocation_rate(&self) -> Option<f64> {
        let wall = self.wall_ms();
        (wall > 0).then(|| self.allocated as f64 * 1000.0 / wall as f64)
    }
}

/// What a cycle marked.
fn marked(cycle: &GcCycle) -> Marked {
    let heap = &cycle.heap;
    Marked {
        live: heap.live,
        stacks: heap.stacks.unwrap_or_default(),
        globals: heap.globals.unwrap_or_default(),
        first: false,
    }
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
        if let Some(last) = self.windows.last_mut() {
            last.until_ms = mark.at_ms;
        }
        match self.windows.last_mut() {
            Some(last) if last.cycles < self.width => *last = last.then(window),
            _ => self.windows.push(window),
        }
        if self.windows.len() > MOST_WINDOWS {
            self.windows = self
                .windows
                .chunks(2)
                .filter_map(|pair| pair.iter().copied().reduce(Window::then))
                .collect();
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
            self.missing += cycle.number.saturating_sub(last.number.saturating_add(1));
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

    /// Time in which half of the pauses of a phase ended, and 99 of 100.
    pub fn quantile(&self, stop: Stop, share: f64) -> Option<u64> {
        let of = || self.pauses.iter().filter(move |((of, _), _)| *of == stop);
        let count: u64 = of().map(|(_, count)| count).sum();
        let rank = (count as f64 * share).ceil() as u64;
        let mut seen = 0;
        of().find(|(_, count)| {
            seen += **count;
            seen >= rank.max(1)
        })
        .map(|((_, nanos), _)| *nanos)
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

/// Neighbouring samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// How many.
    pub count: u64,
    /// The first one.
    pub from: Mark,
    /// The last one.
    pub to: Mark,
    /// GOMAXPROCS.
    pub procs: Extent,
    /// Ps without work.
    pub idle: Extent,
    /// Threads.
    pub threads: Extent,
    /// Threads without a P.
    pub idle_threads: Extent,
    /// Goroutines that wait for a P, in all queues.
    pub runnable: Extent,
    /// Samples in which some P had no work while a queue had.
    pub idle_with_work: u64,
    /// Of them, those in which no thread was looking for work either.
    pub unwatched: u64,
    /// Samples in which one P had more than eight goroutines in its queue and another none.
    pub uneven: u64,
    /// Threads that look for work.
    pub spinning: Extent,
    /// Samples in which no P was idle and each had more than eight goroutines waiting.
    pub pressed: u64,
}

impl Samples {
    fn of(sample: &SchedSample, runnable: u64, mark: Mark) -> Self {
        // A thread that looks for work is about to take one; while the world is stopped nobody may.
        let idle_with_work = sample.idleprocs > 0
            && runnable > sample.spinningthreads
            && sample.gcwaiting != Some(true);
        let nobody = sample.spinningthreads == 0 && sample.needspinning.unwrap_or_default() == 0;
        let most = sample.local.iter().copied().max().unwrap_or_default();
        let uneven = most > PRESSED && sample.local.contains(&0);
        let pressed = sample.idleprocs == 0 && runnable > sample.gomaxprocs.saturating_mul(PRESSED);
        Self {
            count: 1,
            from: mark,
            to: mark,
            procs: Extent::of(sample.gomaxprocs),
            idle: Extent::of(sample.idleprocs),
            threads: Extent::of(sample.threads),
            idle_threads: Extent::of(sample.idlethreads),
            runnable: Extent::of(runnable),
            idle_with_work: u64::from(idle_with_work),
            unwatched: u64::from(idle_with_work && nobody),
            uneven: u64::from(uneven),
            spinning: Extent::of(sample.spinningthreads),
            pressed: u64::from(pressed),
        }
    }

    /// These and those that follow them.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            count: self.count + next.count,
            from: self.from,
            to: next.to,
            procs: self.procs.then(next.procs),
            idle: self.idle.then(next.idle),
            threads: self.threads.then(next.threads),
            idle_threads: self.idle_threads.then(next.idle_threads),
            runnable: self.runnable.then(next.runnable),
            idle_with_work: self.idle_with_work + next.idle_with_work,
            unwatched: self.unwatched + next.unwatched,
            uneven: self.uneven + next.uneven,
            spinning: self.spinning.then(next.spinning),
            pressed: self.pressed + next.pressed,
        }
    }
}

/// Goroutines that wait for each P when a sample is one of pressure.
pub const PRESSED: u64 = 8;

/// Ps whose queues are kept.
const MOST_QUEUES: usize = 128;

/// What a process' scheduler was like.
#[derive(Clone, Debug, Default)]
pub struct Scheduler {
    /// In order.
    pub windows: Vec<Samples>,
    /// Of each window the queue of each P, summed up over its samples; of so many Ps that they can be shown.
    pub queues: Vec<Vec<u32>>,
    /// Samples that a full window has.
    pub width: u64,
    /// GOMAXPROCS: what it was first, and each change.
    pub procs: Vec<Change>,
    /// Longest run of samples, one behind the other, that were of pressure.
    pub pressed: Run,
    /// The same of samples with work beside idle Ps.
    pub idle_with_work: Run,
    /// Goroutines by what they wait for, of the last sample that has details.
    pub waiting: BTreeMap<String, u64>,
    /// Goroutines that are locked to a thread, by what they wait for.
    pub locked: BTreeMap<String, u64>,
    /// The line of that sample.
    pub detailed: Option<Mark>,
    /// Samples that have details.
    pub details: u64,
    /// Goroutines of that sample.
    pub goroutines: u64,
    /// Goroutines that could run and are locked to a thread, most in one sample.
    pub locked_runnable: u64,
    /// The same of the last sample.
    runnable_now: u64,
    run: [Run; 2],
}

fn add(to: &mut Vec<u32>, queues: &[u32]) {
    to.resize(to.len().max(queues.len()), 0);
    to.iter_mut().zip(queues).for_each(|(sum, queue)| *sum = sum.saturating_add(*queue));
}

/// So many neighbours as one.
pub fn joined_queues(all: &[Vec<u32>], width: usize) -> Vec<Vec<u32>> {
    let join = |chunk: &[Vec<u32>]| {
        let mut sum = Vec::new();
        chunk.iter().for_each(|queues| add(&mut sum, queues));
        sum
    };
    all.chunks(width.max(1)).map(join).collect()
}

/// Samples one behind the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// How many.
    pub count: u64,
    /// The first.
    pub from: Mark,
    /// The last.
    pub to: Mark,
    /// Most goroutines that waited in one of them.
    pub runnable: u64,
}

impl Run {
    fn next(&mut self, goes_on: bool, runnable: u64, mark: Mark, longest: &mut Self) {
        if !goes_on {
            *self = Self::default();
            return;
        }
        if self.count == 0 {
            self.from = mark;
        }
        *self = Self {
            count: self.count + 1,
            to: mark,
            runnable: self.runnable.max(runnable),
            ..*self
        };
        if self.count > longest.count {
            *longest = *self;
        }
    }
}

impl Scheduler {
    /// Takes the next sample. Details follow it.
    pub fn push(&mut self, sample: &SchedSample, mark: Mark) {
        self.width = self.width.max(1);
        let local = sample.local.iter().copied().fold(0, u64::saturating_add);
        let runnable = sample.runqueue.saturating_add(local);
        let samples = Samples::of(sample, runnable, mark);
        let queue = |length: &u64| u32::try_from(*length).unwrap_or(u32::MAX);
        let queues: Vec<u32> = sample.local.iter().take(MOST_QUEUES).map(queue).collect();
        match (self.windows.last_mut(), self.queues.last_mut()) {
            (Some(last), Some(before)) if last.count < self.width => {
                *last = last.then(samples);
                add(before, &queues);
            }
            _ => {
                self.windows.push(samples);
                self.queues.push(queues);
            }
        }
        if self.windows.len() > MOST_WINDOWS {
            self.windows = self
                .windows
                .chunks(2)
                .filter_map(|pair| pair.iter().copied().reduce(Samples::then))
                .collect();
            self.queues = joined_queues(&self.queues, 2);
            self.width *= 2;
        }
        if self.procs.last().is_none_or(|last| last.to != sample.gomaxprocs)
            && self.procs.len() < MOST_CHANGES
        {
            self.procs.push(Change { mark, to: sample.gomaxprocs });
        }
        let [pressed, idle] = &mut self.run;
        pressed.next(samples.pressed > 0, runnable, mark, &mut self.pressed);
        idle.next(samples.idle_with_work > 0, runnable, mark, &mut self.idle_with_work);
        if sample.gcwaiting.is_some() {
            self.waiting.clear();
            self.locked.clear();
            self.detailed = Some(mark);
            self.details += 1;
            (self.goroutines, self.runnable_now) = (0, 0);
        }
    }

    /// Takes a goroutine of the last sample: whether it waits for a P, and has a thread of its own.
    pub fn goroutine(&mut self, runnable: bool, locked: bool) {
        self.goroutines += 1;
        self.runnable_now += u64::from(runnable && locked);
        self.locked_runnable = self.locked_runnable.max(self.runnable_now);
    }

    /// All of it as one window.
    pub fn whole(&self) -> Option<Samples> {
        self.windows.iter().copied().reduce(Samples::then)
    }
}
