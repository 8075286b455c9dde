//! Memory that ran out, or is about to: what the kernel logged, what cgroups count, what Kubernetes says of pods.

use goformats::kernel::{cgroup, log, process};
use jiff::Timestamp;

use super::origin::{Fact, Origin, SourceId};
use crate::model::Bytes;

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
}

impl Memory {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
            && self.groups.is_empty()
            && self.pods.is_empty()
            && self.events.is_empty()
            && self.processes.is_empty()
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
}

/// One group of a hierarchy.
#[derive(Clone, Debug, Default)]
pub struct Level {
    /// Its path in the hierarchy, as far as that is known: `/kubepods/burstable/pod1/2`.
    pub path: String,
    /// What its files say.
    pub memory: cgroup::Memory,
}

impl Level {
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

    /// Whether its own limit was what ran out. Version 1 counts how often that was run into, and version 2 how
    /// often nothing could be taken back.
    pub fn own_limit(&self) -> Option<bool> {
        let memory = &self.level.memory;
        let own = memory.local.and_then(|events| events.oom);
        let all = memory.events.filter(|_| !self.has_children).and_then(|events| events.oom);
        own.or(all).or(memory.failures).map(|count| count > 0)
    }

    /// Whether it has processes.
    pub fn is_populated(&self) -> Option<bool> {
        let memory = &self.level.memory;
        memory.processes.map(|count| count > 0).or(memory.populated)
    }

    /// The tightest limit of those above it.
    pub fn tightest_parent(&self) -> Option<(&Level, u64)> {
        let limits = self
            .parents
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
    /// `GOMEMLIMIT`, as it is written.
    pub gomemlimit: Option<Fact<String>>,
    /// Since when it runs.
    pub running_since: Option<Fact<Timestamp>>,
    /// How it ended: `state`, then `lastState`.
    pub ends: Vec<Terminated>,
    /// `restartCount`
    pub restarts: i64,
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
