//! The scheduler of a process, sample by sample (`schedtrace`).

use std::collections::BTreeMap;

use goformats::runtimelog::SchedSample;

use super::{Change, Extent, MOST_CHANGES, MOST_WINDOWS, Mark, joined};

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
    /// Goroutines in system calls or in C, in the last sample that has details.
    pub in_calls: u64,
    /// Goroutines that could run and are locked, of the last sample.
    runnable_now: u64,
    run: [Run; 2],
}

fn add(to: &mut Vec<u32>, queues: &[u32]) {
    to.resize(to.len().max(queues.len()), 0);
    to.iter_mut().zip(queues).for_each(|(sum, queue)| *sum = sum.saturating_add(*queue));
}

/// The queues of so many neighbours as those of one.
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
            self.windows = joined(&self.windows, 2, Samples::then);
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
            (self.goroutines, self.runnable_now, self.in_calls) = (0, 0, 0);
        }
    }

    /// Takes a goroutine of the last sample: its status, and whether it has a thread of its own.
    pub fn goroutine(&mut self, status: u64, locked: bool) {
        // `_Grunnable` and `_Gsyscall` of runtime/runtime2.go, the same in Go 1.18 to 1.27; `_Gscan` may be added to
        // them. What waits in C is in a system call, too.
        let status = status & 0xfff;
        // `_Gdead` and, from Go 1.26 on, `_Gdeadextra`: they have ended, or never began.
        if matches!(status, 6 | 11) {
            return;
        }
        self.goroutines += 1;
        self.in_calls += u64::from(status == 3);
        self.runnable_now += u64::from(status == 1 && locked);
        self.locked_runnable = self.locked_runnable.max(self.runnable_now);
    }

    /// All of it as one window.
    pub fn whole(&self) -> Option<Samples> {
        self.windows.iter().copied().reduce(Samples::then)
    }
}
