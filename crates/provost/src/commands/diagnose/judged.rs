//! What was judged, what was given and left to another verb, and what nothing can be concluded from.

use std::collections::BTreeMap;

use provost_check::case::World;
use provost_check::case::memory::{MemoryCase, told};
use provost_check::facts::SourceId;
use provost_check::facts::oom::EVICTED;
use provost_check::facts::runtime_log::RuntimeLog;
use provost_check::model::quantity::counted;
use provost_check::model::{Bytes, eviction};
use provost_check::report::Judged;
use provost_check::report::plain::clean;
use provost_check::rules::rule::{Check, Rule};

/// Lines of one kind that are told.
const MOST: usize = 8;

/// What the rules of a verb are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Collections and samples of the scheduler.
    pub(super) logs: bool,
    /// Crashes and dumps of goroutines.
    pub(super) dumps: bool,
    /// Memory that ran out.
    pub(super) memory: bool,
    /// What runtimes count.
    pub(super) counters: bool,
    /// System calls.
    pub(super) calls: bool,
}

impl Asked {
    pub(super) fn of(rules: &[&Rule]) -> Self {
        let any = |is: fn(&Check) -> bool| rules.iter().any(|rule| rule.checks().any(|it| is(&it)));
        Self {
            logs: any(|it| matches!(it, Check::Log(_))),
            dumps: any(|it| matches!(it, Check::Dump(_) | Check::Recovered(_))),
            memory: any(|it| matches!(it, Check::Memory(_))),
            counters: any(|it| matches!(it, Check::Counters(_))),
            calls: any(|it| matches!(it, Check::Syscalls(_))),
        }
    }

    /// What of all that was given rules were asked about.
    pub(super) fn judged(
        self,
        world: &World,
        memory: &[MemoryCase<'_>],
        counters: usize,
    ) -> Judged {
        let logs = || world.logs.iter();
        let of = |asked: bool, count: usize| if asked { count } else { 0 };
        let traced: usize = logs().map(|log| log.lives.len()).sum();
        let ended: usize = logs().map(RuntimeLog::processes).sum();
        let of_logs = if self.dumps { ended } else { of(self.logs, traced) };
        // A process and the container that it ran in are one.
        let called: usize = world.syscalls.iter().map(|log| log.processes.len().max(1)).sum();
        let processes = of_logs
            .max(of(self.memory, memory.len()))
            .max(of(self.counters, counters))
            .saturating_add(of(self.calls, called));
        let of_dumps = logs().filter(|log| log.is_of_dumps());
        let dumps = of(self.dumps, of_dumps.map(|log| log.dumps.len()).sum());
        // They were read, and say nothing that a rule is about.
        let inputs = if processes + dumps == 0 { inputs(world).len() } else { 0 };
        Judged { processes, dumps, inputs, ..Judged::default() }
    }
}

/// Inputs that hold something.
fn inputs(world: &World) -> Vec<SourceId> {
    let memory = &world.memory;
    let of_logs = world.logs.iter().map(|log| log.source);
    let of_calls = world.syscalls.iter().map(|log| log.source);
    let mut all: Vec<SourceId> = of_logs
        .chain(of_calls)
        .chain(world.counters.iter().map(|it| it.source))
        .chain(memory.logs.iter().map(|it| it.source))
        .chain(memory.groups.iter().map(|it| it.source))
        .chain(memory.processes.iter().map(|it| it.source))
        .chain(memory.heaps.iter().map(|it| it.source))
        .chain(memory.pods.iter().map(|it| it.origin.source()))
        .chain(memory.events.iter().map(|it| it.reason.origin.source()))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// How much there is in a world: what an input added to it is more.
pub(super) fn amount(world: &World) -> usize {
    let memory = &world.memory;
    world.logs.len()
        + world.syscalls.len()
        + world.counters.len()
        + world.problems.len()
        + memory.logs.len()
        + memory.groups.len()
        + memory.processes.len()
        + memory.heaps.len()
        + memory.pods.len()
        + memory.events.len()
}

/// What there is of one kind, by its name for one and for several.
type Kind = (&'static str, &'static str);

/// What was given and is none of the verb's, in a line for each input.
pub(super) fn left(world: &World, cases: &[MemoryCase<'_>], asked: Asked, verb: &str) -> String {
    // What the collector found alive says what the memory was.
    let is_used = |log: &RuntimeLog| {
        asked.memory
            && cases.iter().any(|case| case.life.is_some_and(|(of, _)| std::ptr::eq(of, log)))
    };
    let mut all: BTreeMap<SourceId, Vec<(Kind, u64)>> = BTreeMap::new();
    let mut add = |source: SourceId, kind: Kind, count: u64| {
        let kinds = all.entry(source).or_default();
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, sum)) => *sum += count,
            None if count > 0 => kinds.push((kind, count)),
            None => {}
        }
    };
    for log in world.logs.iter().filter(|log| !asked.logs && !is_used(log)) {
        let cycles = log.lives.iter().filter_map(|life| life.collections.as_ref()?.whole());
        let cycles = cycles.map(|whole| whole.cycles).sum();
        add(log.source, ("collection", "collections"), cycles);
        let samples = log.lives.iter().filter_map(|life| life.scheduler.as_ref()?.whole());
        let samples = samples.map(|whole| whole.count).sum();
        add(log.source, ("sample of the scheduler", "samples of the scheduler"), samples);
    }
    for log in world.logs.iter().filter(|_| !asked.dumps) {
        let (ends, dumps): (Vec<_>, Vec<_>) = log.dumps.iter().partition(|dump| dump.is_end());
        add(log.source, ("crash", "crashes"), ends.len() as u64);
        add(log.source, ("dump of goroutines", "dumps of goroutines"), dumps.len() as u64);
        let survived = log.recovered.iter().map(|it| it.count).sum();
        add(log.source, ("panic that was survived", "panics that were survived"), survived);
    }
    for of in world.counters.iter().filter(|_| !asked.counters) {
        add(of.source, ("snapshot of counters", "snapshots of counters"), 1);
    }
    for of in world.syscalls.iter().filter(|_| !asked.calls) {
        add(of.source, ("recording of system calls", "recordings of system calls"), 1);
    }
    if !asked.memory {
        let memory = &world.memory;
        for of in &memory.logs {
            add(of.source, ("kill for memory", "kills for memory"), of.counts.reports);
        }
        memory.groups.iter().for_each(|of| add(of.source, ("cgroup", "cgroups"), 1));
        let process = ("process of /proc", "processes of /proc");
        memory.processes.iter().for_each(|of| add(of.source, process, 1));
        memory.heaps.iter().for_each(|of| add(of.source, ("heap profile", "heap profiles"), 1));
        memory.pods.iter().for_each(|of| add(of.origin.source(), ("pod", "pods"), 1));
        let event = ("event", "events");
        memory.events.iter().for_each(|of| add(of.reason.origin.source(), event, 1));
    }
    all.retain(|_, kinds| !kinds.is_empty());
    let more = all.len().saturating_sub(MOST) as u64;
    let lines = all.iter().take(MOST).map(|(source, kinds)| {
        let kinds = kinds.iter().map(|((one, many), count)| match count {
            1 => format!("1 {one}"),
            _ => format!("{count} {many}"),
        });
        let kinds: Vec<String> = kinds.collect();
        let path = clean(&world.sources.get(*source).path);
        format!("{path}: {} not judged by {verb}; provost diagnose judges all\n", kinds.join(", "))
    });
    let mut text: String = lines.collect();
    if more > 0 {
        text.push_str(&format!("and {} not judged by {verb}\n", counted(more, "further input")));
    }
    text
}

/// Logs in which there is nothing that the verb is about.
pub(super) fn without(world: &World, asked: Asked) -> String {
    let what = match asked {
        Asked { logs: true, dumps: true, .. } => return String::new(),
        Asked { logs: true, .. } => "no line of gctrace and none of schedtrace",
        Asked { dumps: true, .. } => "no panic, no fatal error and no dump of goroutines",
        _ => return String::new(),
    };
    let has = |log: &&RuntimeLog| match asked.logs {
        true => log.lives.is_empty(),
        false => log.dumps.is_empty() && log.recovered.is_empty(),
    };
    let lines = world.logs.iter().filter(has).take(MOST).map(|log| {
        let path = clean(&world.sources.get(log.source).path).into_owned();
        format!("{path}: {what} in {}\n", counted(log.counts.lines, "line"))
    });
    lines.collect()
}

/// Cgroups, pods and events by which nobody was killed, in a line each.
pub(super) fn alive(world: &World, cases: &[MemoryCase<'_>]) -> String {
    let mut lines: Vec<String> = cases.iter().filter_map(group).take(MOST).collect();
    lines.extend(evicted(cases).take(MOST));
    lines.extend(objects(world, cases));
    lines.concat()
}

fn group(case: &MemoryCase<'_>) -> Option<String> {
    let group = case.group.filter(|_| case.kills.is_empty() && case.killed_in().is_none())?;
    let usage = group.level.memory.usage?;
    let of = group.limit().map_or(" without a limit of its own".to_owned(), |limit| {
        format!(" of the {} that are its limit", Bytes(limit))
    });
    let parts = case.composition().map_or(String::new(), |all| format!(" ({})", told(&all)));
    let killed = match group.kills() {
        Some(_) => "nothing was killed in it",
        None => "whether anything was killed in it, its files do not say",
    };
    let subject = clean(&case.subject()).into_owned();
    Some(format!("{subject}: {}{of}{parts}; {killed}\n", Bytes(usage)))
}

/// Pods that were evicted for something else.
fn evicted<'c>(cases: &'c [MemoryCase<'_>]) -> impl Iterator<Item = String> + 'c {
    let all = cases.iter().filter_map(|case| case.eviction);
    all.filter(|it| !eviction::cause(it.message).is_memory()).map(|it| {
        let (namespace, name) = it.of;
        let said = match it.message.trim() {
            "" => "the kubelet does not say for what".to_owned(),
            message => format!("and not for memory of its node: {message}"),
        };
        format!("{}/Pod/{}: was evicted, {}\n", clean(namespace), clean(name), clean(&said))
    })
}

/// Pods without a container that was started, and events that alone say nothing.
fn objects(world: &World, cases: &[MemoryCase<'_>]) -> Vec<String> {
    let path = |source: SourceId| clean(&world.sources.get(source).path).into_owned();
    let memory = &world.memory;
    let mut pods: BTreeMap<SourceId, u64> = BTreeMap::new();
    let is_evicted = |reason: &str| reason == EVICTED;
    for pod in memory.pods.iter().filter(|pod| pod.containers.is_empty()) {
        if !pod.reason.as_ref().is_some_and(|reason| is_evicted(&reason.value)) {
            *pods.entry(pod.origin.source()).or_default() += 1;
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for (source, count) in pods.into_iter().take(MOST) {
        let what = counted(count, "pod");
        lines.push(format!(
            "{}: {what} of which no container was started: how one ended is in containerStatuses (kubectl get pod NAME -o yaml, of one that ran)\n",
            path(source)
        ));
    }
    let mut quotas: BTreeMap<SourceId, u64> = BTreeMap::new();
    for group in memory.groups.iter().filter(|group| !group.level.memory.is_known()) {
        *quotas.entry(group.source).or_default() += 1;
    }
    for (source, count) in quotas.into_iter().take(MOST) {
        let what = counted(count, "cgroup");
        lines.push(format!(
            "{}: the CPU of {what}, and nothing of memory: it is held against the log of a process that is given as well\n",
            path(source)
        ));
    }
    // Events are judged with the pod that they are about.
    let has_pods = cases.iter().any(|case| case.status.is_some());
    if !has_pods {
        let mut events: BTreeMap<SourceId, Vec<&str>> = BTreeMap::new();
        for event in memory.events.iter().filter(|event| !is_evicted(&event.reason.value)) {
            events.entry(event.reason.origin.source()).or_default().push(&event.about.2);
        }
        for (source, about) in events.into_iter().take(MOST) {
            let what = counted(about.len() as u64, "event");
            let name = about.first().copied().unwrap_or("NAME");
            lines.push(format!(
                "{}: {what} and no pod: nothing to conclude from without what they are about; kubectl get pod {} -o yaml says how its containers ended\n",
                path(source),
                clean(name)
            ));
        }
    }
    lines
}
