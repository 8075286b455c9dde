//! Memory that ran out, or is about to: what the kernel logged, what cgroups count, what Kubernetes says of pods.

use goformats::kernel::{Span, cgroup, cpu, log, process};
use goformats::pprof::Heap;
use jiff::Timestamp;

use super::origin::{Fact, Origin, SourceId};
use crate::model::{Bytes, Millicores};

/// Everything of that kind in a run.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Logs of kernels in which processes were killed.
    pub logs: Vec<KernelLog>,
    /// Cgroups.
    pub groups: Vec<Group>,
    /// Pods of a cluster.
    pub pods: Vec<Pod>,
    /// Events of a cluster.
    pub events: Vec<Event>,
    /// Processes.
    pub processes: Vec<Process>,
    /// Heap profiles of Go programs.
    pub heaps: Vec<HeapProfile>,
}

impl Memory {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
            && self.groups.is_empty()
            && self.pods.is_empty()
            && self.events.is_empty()
            && self.processes.is_empty()
            && self.heaps.is_empty()
    }
}

/// The log of a kernel.
#[derive(Clone, Debug)]
pub struct KernelLog {
    /// The file.
    pub source: SourceId,
    /// What was read.
    pub counts: log::Counts,
    /// Kills, in order.
    pub reports: Vec<log::Report>,
    /// Earlier ones, of which nothing is kept.
    pub dropped: u64,
    /// When its first and its last line were written, as far as they tell.
    pub span: Span,
}

/// What a path in a hierarchy tells of the container that it is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// 64 hexadecimal digits.
    pub container: Option<String>,
    /// The UID of the pod, with hyphens.
    pub pod: Option<String>,
}

impl Identity {
    /// Of the cgroup at a path, or of a file whose path has the names of one.
    pub fn of(path: &str) -> Self {
        let last = path.rsplit('/').find_map(|part| {
            let digits = part.split(|c: char| !c.is_ascii_hexdigit());
            digits.rev().find(|run| run.len() == 64)
        });
        let of_group =
            path.match_indices("pod").find_map(|(at, _)| uid(path.get(at + 3..at + 39)?));
        // `/var/log/pods/NAMESPACE_NAME_UID/CONTAINER/0.log`
        let of_log = || {
            let (_, below) = path.rsplit_once("pods/")?;
            uid(below.split('/').next()?.rsplit_once('_')?.1)
        };
        let pod = of_group.or_else(of_log);
        Self { container: last.map(str::to_owned), pod }
    }

    /// Whether it tells of nothing.
    pub fn is_empty(&self) -> bool {
        self.container.is_none() && self.pod.is_none()
    }

    /// Whether it is that of a pod, and of none of its containers.
    pub fn is_pod(&self) -> bool {
        self.container.is_none() && self.pod.is_some()
    }
}

/// The UID of a pod. The systemd driver cannot have hyphens in the name of a slice.
fn uid(text: &str) -> Option<String> {
    let is_uid = text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => matches!(b, b'-' | b'_'),
            _ => b.is_ascii_hexdigit(),
        });
    is_uid.then(|| text.replace('_', "-"))
}

/// Whether a cgroup is that of the container that another one, at it or below it, is of. crun puts processes into
/// `.../libpod-ID.scope/container`, and has the limit at the scope.
pub fn is_own(limit: &str, victim: &str) -> bool {
    let below = victim.strip_prefix(limit);
    let container = Identity::of(limit).container;
    limit == victim
        || (below.is_some_and(|rest| rest.starts_with('/'))
            && container.is_some()
            && container == Identity::of(victim).container)
}

/// A cgroup and those above it.
#[derive(Clone, Debug)]
pub struct Group {
    /// The folder, archive or listing.
    pub source: SourceId,
    /// What its files say.
    pub level: Level,
    /// Those above it, the nearest first.
    pub parents: Vec<Level>,
    /// One below it is known, too.
    pub has_children: bool,
    /// Its path begins at the root of the machine's hierarchy.
    pub from_root: bool,
}

/// One group of a hierarchy.
#[derive(Clone, Debug, Default)]
pub struct Level {
    /// Its path in the hierarchy, as far as that is known: `/kubepods/burstable/pod1/2`.
    pub path: String,
    /// What its files say.
    pub memory: cgroup::Memory,
    /// What they say of its CPU.
    pub cpu: cpu::Cpu,
}

impl Level {
    /// Whether anything is known, beside which processes there are.
    pub fn is_known(&self) -> bool {
        self.memory.is_known() || self.cpu.is_known()
    }

    /// How often its limit was run into and nothing could be taken back, as far as that is known.
    pub fn reached(&self) -> Option<u64> {
        let own = self.memory.local.and_then(|events| events.oom);
        own.or(self.memory.events.and_then(|events| events.oom)).or(self.memory.failures)
    }

    /// As reports name it.
    pub fn name(&self) -> &str {
        if self.path.is_empty() { "the cgroup" } else { &self.path }
    }
}

impl Group {
    /// Processes of the group itself that were killed. Version 2 has the count of a group and all below it,
    /// which is the same where there is none below.
    pub fn kills(&self) -> Option<u64> {
        let memory = &self.level.memory;
        memory.kills().or_else(|| {
            let events = memory.events.filter(|_| !self.has_children);
            events.and_then(|events| events.oom_kill)
        })
    }

    /// Those above it that are of the same container, the nearest first, and those above that one.
    fn above(&self) -> (&[Level], &[Level]) {
        let is_own = |level: &&Level| is_own(&level.path, &self.level.path);
        let own = self.parents.iter().take_while(is_own).count();
        self.parents.split_at_checked(own).unwrap_or((&[], &self.parents))
    }

    /// The limit of the container: the tightest of its groups.
    pub fn limit(&self) -> Option<u64> {
        let levels = [&self.level].into_iter().chain(self.above().0);
        levels.filter_map(|level| level.memory.limit?.bytes()).min()
    }

    /// Whether the container's own limit was what ran out. Version 1 counts how often that was run into, and
    /// version 2 how often nothing could be taken back.
    pub fn own_limit(&self) -> Option<bool> {
        let memory = &self.level.memory;
        let own = memory.local.and_then(|events| events.oom);
        let all = memory.events.filter(|_| !self.has_children).and_then(|events| events.oom);
        let here = own.or(all).or(memory.failures);
        // What is counted below a group of the container is the container's.
        let above = self.above().0.iter().filter_map(|level| level.reached());
        above.chain(here).max().map(|count| count > 0)
    }

    /// The group of the pod, where that has the limit of the container: with one container in a pod the kubelet
    /// gives both the same, and the kernel names now the one and now the other (kubernetes#86337).
    pub fn pod_with_same_limit(&self) -> Option<&Level> {
        let own = self.limit()?;
        let pod = self.above().1.first().filter(|level| Identity::of(&level.path).is_pod())?;
        (pod.memory.limit?.bytes() == Some(own)).then_some(pod)
    }

    /// The tightest CPU quota of it and those above it, and whose it is; none where what is known says that there is
    /// none, and not known where its own is not.
    pub fn cpu_limit(&self) -> Option<Option<(&Level, Millicores)>> {
        self.level.cpu.quota?;
        let levels = [&self.level].into_iter().chain(&self.parents);
        let limits = levels.filter_map(|level| Some((level, Millicores(level.cpu.limit()?))));
        Some(limits.min_by_key(|(_, limit)| *limit))
    }

    /// Whether it and all above it, up to the root of the machine's hierarchy, are known.
    pub fn is_known_to_the_top(&self) -> bool {
        let above = self.parents.iter().filter(|level| !level.path.is_empty()).count();
        self.from_root && self.level.path.matches('/').count() == above + 1
    }

    /// Whether it has processes.
    pub fn is_populated(&self) -> Option<bool> {
        let memory = &self.level.memory;
        memory.processes.map(|count| count > 0).or(memory.populated)
    }

    /// The tightest limit of those above the container's.
    pub fn tightest_parent(&self) -> Option<(&Level, u64)> {
        let (_, above) = self.above();
        let limits = above
            .iter()
            .filter_map(|level| Some((level, level.memory.limit.and_then(cgroup::Limit::bytes)?)));
        limits.min_by_key(|(_, limit)| *limit)
    }
}

/// A process of `/proc`.
#[derive(Clone, Debug)]
pub struct Process {
    /// The folder or archive.
    pub source: SourceId,
    /// What its files say.
    pub process: process::Process,
}

/// A heap profile of a Go program.
#[derive(Clone, Debug)]
pub struct HeapProfile {
    /// The file.
    pub source: SourceId,
    /// What it says.
    pub heap: Heap,
}

/// `status.reason` of a pod, and the reason of an event, where the kubelet evicts.
pub const EVICTED: &str = "Evicted";

/// A pod as the cluster has it.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Where its name stands.
    pub origin: Origin,
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: Option<String>,
    /// `status.qosClass`
    pub qos: Option<String>,
    /// `status.reason`, of the whole pod: `Evicted`.
    pub reason: Option<Fact<String>>,
    /// `status.message`
    pub message: Option<String>,
    /// When it has to be gone: the request to delete it and its grace period.
    pub deletion: Option<Fact<Timestamp>>,
    /// Its containers that have a status.
    pub containers: Vec<ContainerStatus>,
}

/// How a container is.
#[derive(Clone, Debug)]
pub struct ContainerStatus {
    /// Where its name stands.
    pub origin: Origin,
    /// Its name.
    pub name: String,
    /// Hexadecimal, of the one that runs or ran last.
    pub id: Option<String>,
    /// The memory limit in force: of the status, which an in-place resize changes, or of the spec.
    pub limit: Option<Fact<Bytes>>,
    /// The limit that was asked for, when another one is in force.
    pub wanted: Option<Fact<Bytes>>,
    /// `GOMEMLIMIT`.
    pub gomemlimit: Option<Fact<Setting>>,
    /// Since when it runs.
    pub running_since: Option<Fact<Timestamp>>,
    /// How it ended: `state`, then `lastState`.
    pub ends: Vec<Terminated>,
    /// `restartCount`
    pub restarts: i64,
}

/// The value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// As it is written.
    Written(String),
    /// From another object, of the pod's fields or of other variables: nothing that was given holds it.
    Elsewhere,
    /// Perhaps, with all of another object (`envFrom`).
    Perhaps,
}

/// How a container ended.
#[derive(Clone, Debug)]
pub struct Terminated {
    /// `exitCode`
    pub exit_code: Fact<i64>,
    /// `reason`: `OOMKilled`, `Error`.
    pub reason: Option<Fact<String>>,
    /// When it ended.
    pub finished: Option<Fact<Timestamp>>,
    /// Hexadecimal.
    pub id: Option<String>,
}

impl Terminated {
    /// The reason's word.
    pub fn reason(&self) -> &str {
        self.reason.as_ref().map_or("", |reason| reason.value.as_str())
    }
}

/// An event of a cluster.
#[derive(Clone, Debug)]
pub struct Event {
    /// Where its reason stands.
    pub reason: Fact<String>,
    /// `message`
    pub message: String,
    /// The object's namespace, kind and name.
    pub about: (String, String, String),
    /// The container that it is about: `spec.containers{app}`.
    pub container: Option<String>,
    /// When it was seen last.
    pub last: Option<Timestamp>,
}
