//! Sums calls up: by thread, by what holds threads and by what descriptors lead to.

use std::collections::BTreeMap;

use goformats::strace::{Call, Counts, Event, Said, Tool};
use rustc_hash::FxHashMap;

use super::descriptors::{self, Argument, Descriptors};
use crate::facts::SourceId;
use crate::facts::runtime_log::Mark;
use crate::facts::syscall_log::{OnTarget, Process, SyscallLog, ThreadUse, Use};
use crate::model::syscalls::{Doing, Holder, Known, Target, doing};

/// Processes of which something is kept.
const MOST_PROCESSES: usize = 32;
/// Threads that live at once and are told apart.
const MOST_THREADS: usize = 65_536;
/// Names of calls that are counted.
const MOST_CALLS: usize = 512;
/// What descriptors lead to, of one kind of call; files of a hash as their name are many.
const MOST_TARGETS: usize = 4096;
/// Of them, those that are kept.
const TOLD_TARGETS: usize = 64;
/// Threads that are told.
const TOLD_THREADS: usize = 8;
/// Nanoseconds from which a call on a descriptor that was opened before the recording began is taken for one
/// that blocks: what does not block is not that late, even under strace.
const SURELY_BLOCKS_NS: u64 = 10_000_000;

/// What is kept while a log is read.
#[derive(Default)]
pub(super) struct Collector {
    processes: Vec<State>,
    more_processes: u64,
    threads: FxHashMap<u32, Thread>,
    /// Threads that were made and of which no line has told yet, and the process of each.
    announced: FxHashMap<u32, (usize, Mark)>,
    calls: FxHashMap<String, u64>,
    named: bool,
    nameless: u64,
    yields_recorded: bool,
    last_us: u64,
}

/// A process, and what its sums are made with.
#[derive(Default)]
struct State {
    process: Process,
    descriptors: Descriptors,
    targets: BTreeMap<Holder, FxHashMap<String, Use>>,
    alive: u64,
    /// Threads that are in a call of that kind now.
    inside: BTreeMap<Holder, u64>,
    /// Calls that make a process and are not over.
    forking: u64,
    /// Calls that make a thread and are not over.
    cloning: u64,
}

struct Thread {
    process: usize,
    from_us: u64,
    to_us: u64,
    parked_ns: u64,
    held_ns: u64,
    /// What was called last.
    before: Before,
    /// The open call.
    inside: Option<Holder>,
    /// An open `clone` was counted as making a thread, or a process.
    making: Making,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Unknown,
    Yield,
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Making {
    Nothing,
    Thread,
    Process,
}

/// Lines that name no thread are of one.
const ALONE: u32 = 0;

impl Collector {
    pub(super) fn take(&mut self, said: &Said<'_>) {
        let (event, at_us) = (said.event, said.at_us.unwrap_or(self.last_us));
        if matches!(event, Event::Note(_) | Event::Text(_)) {
            return;
        }
        self.last_us = self.last_us.max(at_us);
        let id = said.thread.unwrap_or(ALONE);
        let mark = Mark { line: said.number, at_ms: at_us / 1000 };
        let Some(index) = self.thread(id, said.thread, mark, at_us) else { return };
        match event {
            Event::Begun { name, args } => self.begun(id, index, name, args, mark),
            Event::Call(call) => self.call(id, index, &call, mark, at_us),
            Event::Ended(_) => self.ended(id),
            Event::Signal(_) | Event::Note(_) | Event::Text(_) => {}
        }
    }

    /// The process of a thread, which is kept from now on.
    fn thread(&mut self, id: u32, shown: Option<u32>, mark: Mark, at_us: u64) -> Option<usize> {
        if let Some(thread) = self.threads.get_mut(&id) {
            thread.to_us = thread.to_us.max(at_us);
            let process = thread.process;
            if let Some(state) = self.processes.get_mut(process) {
                state.process.to = state.process.to.max(mark);
            }
            return Some(process);
        }
        let index = match self.announced.remove(&id) {
            Some((index, _)) => index,
            None => self.unannounced(shown, mark)?,
        };
        if self.threads.len() >= MOST_THREADS {
            return Some(index);
        }
        self.threads.insert(
            id,
            Thread {
                process: index,
                from_us: at_us,
                to_us: at_us,
                parked_ns: 0,
                held_ns: 0,
                before: Before::Unknown,
                inside: None,
                making: Making::Nothing,
            },
        );
        let state = self.processes.get_mut(index)?;
        state.alive += 1;
        state.process.threads += 1;
        state.process.to = state.process.to.max(mark);
        let most = &mut state.process.alive;
        if state.alive > most.count {
            (most.count, most.mark) = (state.alive, mark);
        }
        Some(index)
    }

    /// Whose thread is one that no call that is over has made? A child's first line may stand before the end of
    /// the call that made it.
    fn unannounced(&mut self, shown: Option<u32>, mark: Mark) -> Option<usize> {
        if let Some(index) = self.processes.iter().position(|state| state.cloning > 0) {
            return Some(index);
        }
        let parent = self.processes.iter().position(|state| state.forking > 0);
        if let Some(parent) = parent {
            return self.process(shown, mark, Some(parent));
        }
        match self.processes.is_empty() {
            true => self.process(shown, mark, None),
            false => Some(0),
        }
    }

    fn process(&mut self, id: Option<u32>, mark: Mark, parent: Option<usize>) -> Option<usize> {
        if self.processes.len() >= MOST_PROCESSES {
            self.more_processes += 1;
            return None;
        }
        let descriptors = parent
            .and_then(|parent| self.processes.get(parent))
            .map(|parent| parent.descriptors.clone())
            .unwrap_or_default();
        let process = Process { id, from: mark, to: mark, ..Process::default() };
        self.processes.push(State { process, descriptors, ..State::default() });
        Some(self.processes.len() - 1)
    }

    fn begun(&mut self, id: u32, index: usize, name: &str, args: &[u8], mark: Mark) {
        let holder = match self.doing(id, index, name, args) {
            (Doing::Held(holder), ..) => Some(holder),
            _ => None,
        };
        self.making(id, index, name, args);
        let Some(state) = self.processes.get_mut(index) else { return };
        let Some(thread) = self.threads.get_mut(&id) else { return };
        leave(state, thread);
        if let Some(holder) = holder {
            thread.inside = Some(holder);
            enter(state, holder, mark);
        }
    }

    /// A thread or process is about to be made.
    fn making(&mut self, id: u32, index: usize, name: &str, args: &[u8]) {
        let making = match name {
            "clone" | "clone3" => match holds(args, b"THREAD") {
                true => Making::Thread,
                false => Making::Process,
            },
            "fork" | "vfork" => Making::Process,
            _ => return,
        };
        let Some(state) = self.processes.get_mut(index) else { return };
        match making {
            Making::Thread => {
                state.cloning += 1;
                let inside = state.inside.iter().filter(|(_, count)| **count > 0);
                let cause = inside.max_by_key(|(_, count)| **count).map(|(holder, _)| *holder);
                *state.process.made.entry(cause).or_default() += 1;
            }
            _ => state.forking += 1,
        }
        if let Some(thread) = self.threads.get_mut(&id) {
            thread.making = making;
        }
    }

    /// It was, or was not.
    fn made(&mut self, id: u32, index: usize, call: &Call<'_>, mark: Mark) {
        let begun = self.threads.get(&id).map_or(Making::Nothing, |thread| thread.making);
        if begun == Making::Nothing {
            self.making(id, index, call.name, call.args);
        }
        let making = match self.threads.get_mut(&id) {
            Some(thread) => std::mem::replace(&mut thread.making, Making::Nothing),
            None => Making::Nothing,
        };
        let Some(state) = self.processes.get_mut(index) else { return };
        match making {
            Making::Thread => state.cloning = state.cloning.saturating_sub(1),
            Making::Process => state.forking = state.forking.saturating_sub(1),
            Making::Nothing => return,
        }
        let Some(new) = call.value().and_then(|new| u32::try_from(new).ok()) else { return };
        if new == 0 || self.threads.contains_key(&new) || self.announced.len() >= MOST_THREADS {
            return;
        }
        let whose = match making {
            Making::Process => self.process(Some(new), mark, Some(index)),
            _ => Some(index),
        };
        if let Some(whose) = whose {
            self.announced.insert(new, (whose, mark));
        }
    }

    /// What a call does to its thread, and what it is about.
    fn doing<'a>(
        &self,
        id: u32,
        index: usize,
        name: &str,
        args: &'a [u8],
    ) -> (Doing, Argument<'a>, Target, bool) {
        // The first argument of these is a process.
        let argument = match name {
            "wait4" | "waitid" | "waitpid" => Argument::default(),
            _ => descriptors::first(args),
        };
        let state = self.processes.get(index);
        let known = argument.fd.and_then(|fd| state?.descriptors.get(fd));
        let target = match (argument.name, known) {
            (Some(name), _) => Target::of(name),
            (None, Some(known)) => known.target,
            (None, None) => Target::Unknown,
        };
        let before = self.threads.get(&id).map_or(Before::Unknown, |thread| thread.before);
        let call = Known {
            name,
            args,
            target,
            polled: known.is_some_and(|known| known.polled),
            before: match before {
                Before::Unknown => None,
                Before::Yield => Some("sched_yield"),
                Before::Other => Some(""),
            },
            yields_recorded: self.yields_recorded,
        };
        (doing(&call), argument, target, known.is_some())
    }

    fn call(&mut self, id: u32, index: usize, call: &Call<'_>, mark: Mark, at_us: u64) {
        let room = self.calls.len() < MOST_CALLS;
        match self.calls.get_mut(call.name) {
            Some(count) => *count += 1,
            None if room => {
                self.calls.insert(call.name.to_owned(), 1);
            }
            None => {}
        }
        let ns = call.took.unwrap_or_default();
        let (mut doing, argument, target, known) = self.doing(id, index, call.name, call.args);
        let waits = matches!(target, Target::Socket | Target::Pipe | Target::Unknown);
        if doing == Doing::Held(Holder::Pipe) && waits {
            let would_block = matches!(call.error(), Some("EAGAIN" | "EWOULDBLOCK"));
            // perf writes `-1 EAGAIN (Resource temporarily unavailable)` likewise.
            if would_block || (!known && ns < SURELY_BLOCKS_NS) {
                doing = Doing::Quick;
            }
        }
        self.named |= argument.name.is_some();
        let on_descriptor = matches!(doing, Doing::Held(_)) && argument.fd.is_some();
        self.nameless += u64::from(on_descriptor && target == Target::Unknown);
        if matches!(call.name, "clone" | "clone3" | "fork" | "vfork") {
            self.made(id, index, call, mark);
        }
        self.yields_recorded |= call.name == "sched_yield";
        let end_us = at_us.saturating_add(ns / 1000);
        self.last_us = self.last_us.max(end_us);
        let Some(state) = self.processes.get_mut(index) else { return };
        if let Some(thread) = self.threads.get_mut(&id) {
            // A call that nobody interrupted is in one line: it held its thread for a moment.
            if thread.inside.is_none()
                && let Doing::Held(holder) = doing
            {
                enter(state, holder, mark);
                thread.inside = Some(holder);
            }
            leave(state, thread);
            thread.to_us = thread.to_us.max(end_us);
            thread.before = match call.name {
                "sched_yield" => Before::Yield,
                _ => Before::Other,
            };
            match doing {
                Doing::Parked => thread.parked_ns = thread.parked_ns.saturating_add(ns),
                Doing::Held(_) => thread.held_ns = thread.held_ns.saturating_add(ns),
                _ => {}
            }
        }
        let end = Mark { line: mark.line, at_ms: end_us / 1000 };
        state.process.to = state.process.to.max(end);
        match doing {
            Doing::Parked => {}
            Doing::Runtime => state.process.runtime.push(call.name, ns, call.open, mark),
            Doing::Quick => state.process.quick.push(call.name, ns, call.open, mark),
            Doing::Held(holder) => {
                state.process.held.entry(holder).or_default().push(call.name, ns, call.open, mark);
                state.about(holder, argument, call, ns, mark);
            }
        }
        state.learn(call, argument);
    }

    fn ended(&mut self, id: u32) {
        if let Some(thread) = self.threads.remove(&id)
            && let Some(state) = self.processes.get_mut(thread.process)
        {
            state.end(id, thread);
        }
    }

    pub(super) fn finish(
        mut self,
        source: SourceId,
        tool: Option<Tool>,
        counts: Counts,
    ) -> SyscallLog {
        let mut left: Vec<(u32, Thread)> = self.threads.drain().collect();
        left.sort_unstable_by_key(|(id, _)| *id);
        for (id, thread) in left {
            if let Some(state) = self.processes.get_mut(thread.process) {
                state.end(id, thread);
            }
        }
        let unfollowed_at = self.announced.values().map(|(_, mark)| *mark).min();
        let unfollowed = self.announced.len() as u64;
        SyscallLog {
            source,
            tool,
            counts,
            calls: self.calls.into_iter().collect(),
            named: self.named,
            nameless: self.nameless,
            unfollowed,
            unfollowed_at,
            processes: self.processes.into_iter().map(State::finish).collect(),
            more_processes: self.more_processes,
        }
    }
}

fn enter(state: &mut State, holder: Holder, mark: Mark) {
    let inside = state.inside.entry(holder).or_default();
    *inside += 1;
    let most = state.process.at_once.entry(holder).or_default();
    if *inside > most.count {
        (most.count, most.mark) = (*inside, mark);
    }
}

fn leave(state: &mut State, thread: &mut Thread) {
    if let Some(holder) = thread.inside.take()
        && let Some(inside) = state.inside.get_mut(&holder)
    {
        *inside = inside.saturating_sub(1);
    }
}

fn holds(args: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(args, word).is_some()
}

impl State {
    /// Sums a call up by what it is about.
    fn about(
        &mut self,
        holder: Holder,
        argument: Argument<'_>,
        call: &Call<'_>,
        ns: u64,
        mark: Mark,
    ) {
        let targets = self.targets.entry(holder).or_default();
        let known = argument.fd.and_then(|fd| self.descriptors.get(fd));
        let made;
        let name = match (argument.name, known, argument.fd) {
            (Some(name), ..) => name,
            (None, Some(known), _) if !known.name.is_empty() => &*known.name,
            (None, _, Some(fd)) => {
                made = format!("descriptor {fd}");
                &made
            }
            (None, _, None) => {
                made = descriptors::path(call.args).unwrap_or_default();
                &made
            }
        };
        let room = targets.len() < MOST_TARGETS;
        let sum = match targets.get_mut(name) {
            Some(sum) => sum,
            None if room => targets.entry(name.to_owned()).or_default(),
            None => return,
        };
        sum.push(call.name, ns, call.open, mark);
    }

    /// What a call says of descriptors.
    fn learn(&mut self, call: &Call<'_>, argument: Argument<'_>) {
        let args = call.args;
        let nonblock = || holds(args, b"NONBLOCK");
        let given = || {
            let given = descriptors::descriptor(call.result);
            given.fd.map(|fd| (fd, given.name))
        };
        match call.name {
            "openat" | "open" | "openat2" | "creat" => {
                let Some((fd, name)) = given() else { return };
                let path = descriptors::path(args).unwrap_or_default();
                let name = name.unwrap_or(&path);
                // A name that cannot be told is one of a file all the same.
                let target = if name.is_empty() { Target::File } else { Target::of(name) };
                let target = if target == Target::Unknown { Target::File } else { target };
                self.descriptors.put(fd, name, target, false);
            }
            "socket" | "accept4" | "accept" => {
                let Some((fd, name)) = given() else { return };
                let name = name.unwrap_or_default();
                self.descriptors.put(fd, name, Target::Socket, nonblock());
            }
            "connect" => {
                let to_resolver =
                    holds(args, b"sin_port=htons(53)") || holds(args, b"sin6_port=htons(53)");
                if let Some(fd) = argument.fd.filter(|_| to_resolver) {
                    let polled = self.descriptors.get(fd).is_some_and(|known| known.polled);
                    let name = argument.name.unwrap_or("a name server");
                    self.descriptors.put(fd, name, Target::NameServer, polled);
                }
            }
            "pipe" | "pipe2" => {
                let Some(text) = args.strip_prefix(b"[") else { return };
                let one = descriptors::descriptor(text);
                let from = text.iter().position(|byte| *byte == b',').map_or(0, |at| at + 1);
                let two = text.get(from..).unwrap_or_default().trim_ascii_start();
                for end in [one, descriptors::descriptor(two)] {
                    if let Some(fd) = end.fd {
                        self.descriptors.put(
                            fd,
                            end.name.unwrap_or("a pipe"),
                            Target::Pipe,
                            nonblock(),
                        );
                    }
                }
            }
            "dup" | "dup2" | "dup3" => {
                if let (Some(from), Some((to, _))) = (argument.fd, given()) {
                    self.descriptors.copy(from, to);
                }
            }
            "fcntl" | "fcntl64" => {
                let Some(fd) = argument.fd else { return };
                if holds(args, b"F_DUPFD") {
                    if let Some((to, _)) = given() {
                        self.descriptors.copy(fd, to);
                    }
                } else if holds(args, b"F_SETFL") {
                    let name = argument.name.unwrap_or_default();
                    self.descriptors.set_polled(fd, nonblock(), name, Target::of(name));
                }
            }
            "epoll_ctl" if holds(args, b"EPOLL_CTL_ADD") && call.value() == Some(0) => {
                let from = memchr::memmem::find(args, b"ADD, ").map_or(args.len(), |at| at + 5);
                let added = descriptors::descriptor(args.get(from..).unwrap_or_default());
                if let Some(fd) = added.fd {
                    let name = added.name.unwrap_or_default();
                    self.descriptors.set_polled(fd, true, name, Target::of(name));
                }
            }
            "close" => {
                if let Some(fd) = argument.fd {
                    self.descriptors.close(fd);
                }
            }
            "sched_getaffinity" => {
                // `[0 1]`, which a machine with many has as `[0 1 2 3 …]` up to its length.
                let list =
                    args.iter().position(|byte| *byte == b'[').and_then(|at| args.get(at + 1..));
                let list = list.and_then(|list| list.split(|byte| *byte == b']').next());
                if let Some(cpus) = list.and_then(cpus) {
                    self.process.cpus = Some(cpus);
                }
            }
            _ => {}
        }
    }

    /// A thread is over.
    fn end(&mut self, id: u32, mut thread: Thread) {
        leave(self, &mut thread);
        self.alive = self.alive.saturating_sub(1);
        let ns = thread.to_us.saturating_sub(thread.from_us).saturating_mul(1000);
        let process = &mut self.process;
        process.thread_ns = process.thread_ns.saturating_add(ns);
        process.parked_ns = process.parked_ns.saturating_add(thread.parked_ns.min(ns));
        let (parked_ns, held_ns) = (thread.parked_ns, thread.held_ns);
        let told = ThreadUse { id: (id != ALONE).then_some(id), ns, parked_ns, held_ns };
        let at = process.busiest.partition_point(|other| other.held_ns >= held_ns);
        if at < TOLD_THREADS {
            process.busiest.insert(at, told);
            process.busiest.truncate(TOLD_THREADS);
        }
    }

    fn finish(self) -> Process {
        let mut targets: Vec<OnTarget> = Vec::new();
        for (holder, sums) in self.targets {
            let mut of: Vec<OnTarget> =
                sums.into_iter().map(|(name, sum)| OnTarget { holder, name, sum }).collect();
            of.sort_by(|a, b| {
                (b.sum.ns, b.sum.calls, &a.name).cmp(&(a.sum.ns, a.sum.calls, &b.name))
            });
            of.truncate(TOLD_TARGETS);
            targets.extend(of);
        }
        targets.sort_by(|a, b| (b.sum.ns, a.holder, &a.name).cmp(&(a.sum.ns, b.holder, &b.name)));
        Process { targets, ..self.process }
    }
}

/// `0 1 2-5` as strace writes a set of CPUs; a list that is cut says nothing.
fn cpus(list: &[u8]) -> Option<u64> {
    let list = std::str::from_utf8(list).ok()?;
    let mut count = 0_u64;
    for part in list.split([' ', ',']).filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (from.parse::<u64>().ok()?, to.parse::<u64>().ok()?);
        count = count.checked_add(to.checked_sub(from)?.checked_add(1)?)?;
    }
    (count > 0).then_some(count)
}
