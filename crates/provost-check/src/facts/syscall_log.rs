//! What a log of system calls says of the threads of a process.
//!
//! A log may be of any length. What is kept of it is sums: by what holds threads, by what descriptors lead to,
//! and by thread while it lives.

use std::collections::BTreeMap;

use goformats::strace::{Counts, Tool};

use super::origin::SourceId;
use super::runtime_log::Mark;
use crate::model::syscalls::Holder;

/// A call of that length is slow: the runtime has long given its P to another thread (`retake` does so from
/// 20 microseconds on).
pub const SLOW_NS: u64 = 1_000_000;

/// A log.
#[derive(Clone, Debug)]
pub struct SyscallLog {
    /// The file.
    pub source: SourceId,
    /// Which tool wrote it.
    pub tool: Option<Tool>,
    /// What of it was read.
    pub counts: Counts,
    /// How often each call was made; of more than some hundred names, the first.
    pub calls: BTreeMap<String, u64>,
    /// Some descriptor has a name (`-y`).
    pub named: bool,
    /// Calls on descriptors of which it is not known what they lead to.
    pub nameless: u64,
    /// Threads that were made and of which no line tells.
    pub unfollowed: u64,
    /// Where the first of them was made.
    pub unfollowed_at: Option<Mark>,
    /// In the order of their first lines.
    pub processes: Vec<Process>,
    /// Further ones, of which nothing is kept.
    pub more_processes: u64,
}

/// Calls summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// How many.
    pub calls: u64,
    /// Nanoseconds in them.
    pub ns: u64,
    /// Of them, those that took [`SLOW_NS`] or more.
    pub slow: u64,
    /// Nanoseconds of the longest.
    pub longest_ns: u64,
    /// That one.
    pub longest: Mark,
    /// Nanoseconds by name of the call.
    pub names: BTreeMap<String, u64>,
    /// How many of them were still going on when the recording ended.
    pub open: u64,
}

/// Names of calls that a sum tells apart.
const MOST_NAMES: usize = 16;

impl Use {
    /// Takes a call.
    pub fn push(&mut self, name: &str, ns: u64, open: bool, mark: Mark) {
        self.calls += 1;
        self.ns = self.ns.saturating_add(ns);
        self.slow += u64::from(ns >= SLOW_NS);
        self.open += u64::from(open);
        if ns > self.longest_ns {
            (self.longest_ns, self.longest) = (ns, mark);
        }
        let room = self.names.len() < MOST_NAMES;
        match self.names.get_mut(name) {
            Some(sum) => *sum = sum.saturating_add(ns),
            None if room => {
                self.names.insert(name.to_owned(), ns);
            }
            None => {}
        }
    }

    /// The call that most of the time went to.
    pub fn main(&self) -> &str {
        self.names.iter().max_by_key(|(_, ns)| **ns).map_or("", |(name, _)| name)
    }
}

/// Calls on what one descriptor or name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnTarget {
    /// What they do to their threads.
    pub holder: Holder,
    /// A path, a connection, or a descriptor's number where nothing tells what it leads to.
    pub name: String,
    /// Summed up.
    pub sum: Use,
}

/// A thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadUse {
    /// Its number; none where the log does not name any.
    pub id: Option<u32>,
    /// Nanoseconds from its first line to its last.
    pub ns: u64,
    /// Of them, without work.
    pub parked_ns: u64,
    /// In calls that held it.
    pub held_ns: u64,
}

/// Threads that were held at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtOnce {
    /// How many.
    pub count: u64,
    /// When.
    pub mark: Mark,
}

/// One process.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Its first thread of which a line tells.
    pub id: Option<u32>,
    /// Its first line.
    pub from: Mark,
    /// Its last one.
    pub to: Mark,
    /// Threads that it had in all.
    pub threads: u64,
    /// Most at once.
    pub alive: AtOnce,
    /// CPUs that it may run on, by `sched_getaffinity`.
    pub cpus: Option<u64>,
    /// Nanoseconds of all threads, from their first to their last line; nothing without times.
    pub thread_ns: u64,
    /// Of them, without work.
    pub parked_ns: u64,
    /// Calls that the runtime makes for itself.
    pub runtime: Use,
    /// Calls that cannot block.
    pub quick: Use,
    /// Calls that hold their threads.
    pub held: BTreeMap<Holder, Use>,
    /// By what they are about, those that took longest first.
    pub targets: Vec<OnTarget>,
    /// Threads that were made while others were held, by what held most of them; none where no thread was.
    pub made: BTreeMap<Option<Holder>, u64>,
    /// Most threads that one kind of call held at once.
    pub at_once: BTreeMap<Holder, AtOnce>,
    /// Threads that were held longest.
    pub busiest: Vec<ThreadUse>,
}

impl Process {
    /// Milliseconds from the first line to the last.
    pub fn wall_ms(&self) -> u64 {
        self.to.at_ms.saturating_sub(self.from.at_ms)
    }

    /// Nanoseconds in which threads had work, in calls or outside of them.
    pub fn busy_ns(&self) -> u64 {
        self.thread_ns.saturating_sub(self.parked_ns)
    }

    /// What part of that went to calls of a kind, from 0 to 1.
    pub fn share(&self, holder: Holder) -> Option<f64> {
        let ns = self.held.get(&holder)?.ns;
        let busy = self.busy_ns();
        (busy > 0).then(|| (ns as f64 / busy as f64).min(1.0))
    }

    /// What calls of a kind are about, those that took longest first.
    pub fn on(&self, holder: Holder) -> impl Iterator<Item = &OnTarget> {
        self.targets.iter().filter(move |target| target.holder == holder)
    }
}

impl SyscallLog {
    /// What the recording lacks for threads to be judged by it, each in words; nothing where it is fit.
    pub fn fitness(&self) -> Vec<String> {
        let counts = &self.counts;
        if let Some(Tool::StraceSummary | Tool::PerfSummary) = self.tool {
            let flag = if self.tool == Some(Tool::PerfSummary) { "-s" } else { "-c" };
            return vec![format!(
                "the calls themselves: {flag} sums them up, and threads, descriptors and waits are lost"
            )];
        }
        let mut missing = Vec::new();
        if counts.threaded == 0 {
            missing.push(match self.unfollowed {
                0 => "threads: none is named, and every Go program has several (-f)".to_owned(),
                1 => "threads: one was made, and no line is of it (-f)".to_owned(),
                many => format!("threads: {many} were made, and no line is of any of them (-f)"),
            });
        }
        let has = |names: &[&str]| names.iter().any(|name| self.calls.contains_key(*name));
        if !has(&["futex", "futex_time64", "epoll_wait", "epoll_pwait", "nanosleep"]) {
            let mut said = "futex, epoll_pwait and nanosleep: each Go program waits by them, so a filter (-e trace=) left them out".to_owned();
            if !has(&["read", "write"]) {
                said.push_str(", and read and write, by which Go reads and writes sockets too");
            }
            missing.push(said);
        } else if !has(&["futex", "futex_time64"]) {
            missing.push(
                "futex, by which threads without work wait: a filter (-e trace=) left it out"
                    .to_owned(),
            );
        }
        // Without -T only calls that others interrupt have a duration, that of their two halves.
        if counts.untimed.saturating_mul(10) > counts.calls {
            missing.push("how long calls took (-T)".to_owned());
        }
        if counts.stamped == 0 {
            missing.push("when they began (-ttt)".to_owned());
        } else if counts.coarse > 0 {
            missing.push("when they began, finer than in whole seconds (-ttt)".to_owned());
        }
        missing
    }
}
