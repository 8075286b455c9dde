//! Which kill, status, cgroup and log are of one container.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;

use goformats::kernel::log::Report;
use goformats::pprof::Heap;
use jiff::{SignedDuration, Timestamp};

use super::{Eviction, Kill, MemoryCase};
use crate::case::Joined;
use crate::facts::oom::{ContainerStatus, EVICTED, Group, Identity, Pod};
use crate::facts::runtime_log::{Life, RuntimeLog};
use crate::model::moment::Moment;

/// `finishedAt` has no parts of a second, and dates of syslog have none.
const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// Cases whose victim's cgroup has the same name as a group, which are compared with it.
const MOST_NAMESAKES: usize = 1024;

/// Cases by what names them, in order.
struct Index<K>(HashMap<K, VecDeque<usize>>);

impl<K: Hash + Eq> Index<K> {
    fn new() -> Self {
        Self(HashMap::new())
    }

    fn add(&mut self, key: K, case: usize) {
        self.0.entry(key).or_default().push_back(case);
    }

    /// The first that is not taken. One that is stays so.
    fn first<Q: Hash + Eq + ?Sized>(
        &mut self,
        key: &Q,
        taken: impl Fn(usize) -> bool,
    ) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let cases = self.0.get_mut(key)?;
        while cases.front().is_some_and(|case| taken(*case)) {
            cases.pop_front();
        }
        cases.front().copied()
    }
}

/// Every container that something is known of, in the order of logs, pods and groups.
pub fn cases<'w>(joined: &'w Joined<'w>) -> Vec<MemoryCase<'w>> {
    let mut cases = kills(joined);
    let killed = cases.len();
    statuses(joined, &mut cases);
    let places: HashSet<String> = cases
        .iter()
        .take(killed)
        .filter(|(identity, case)| case.status.is_none() && identity.is_pod())
        .filter_map(|(identity, _)| identity.pod.clone())
        .collect();
    let is_unnamed = cases
        .iter()
        .take(killed)
        .any(|(_, case)| case.kill().is_some_and(|kill| kill.report.victim_group.is_none()));
    let is_left = cases.iter().take(killed).any(|(_, case)| case.status.is_none());
    for (_, case) in &mut cases {
        // What is described has neither the UID of the pod nor the ID of the container that ended.
        let is_of = |pod: &Pod| match &pod.uid {
            Some(uid) => places.contains(uid),
            None => is_left,
        };
        case.unplaced = is_unnamed || case.status.is_some_and(|(pod, _)| is_of(pod));
    }
    groups(joined, &mut cases);
    evictions(joined, &mut cases);
    if let [process] = joined.world.memory.processes.as_slice() {
        if cases.is_empty() {
            cases.push((Identity::default(), MemoryCase::new(joined)));
        }
        // Of several it is not known whose it is.
        if let [(_, case)] = cases.as_mut_slice() {
            case.process = Some(process);
        }
    }
    if let [(_, case)] = cases.as_mut_slice() {
        // The names of profiles tell of no container. Of several the last is nearest to the end.
        let heaps =
            joined.world.memory.heaps.iter().filter(|profile| may_have(case, &profile.heap));
        case.heap = heaps.max_by_key(|profile| profile.heap.time_ns);
    }
    lives(joined, &mut cases);
    cases.into_iter().map(|(_, case)| case).collect()
}

type Known<'w> = (Identity, MemoryCase<'w>);

fn kills<'w>(joined: &'w Joined<'w>) -> Vec<Known<'w>> {
    let mut cases: Vec<Known<'w>> = Vec::new();
    let mut by_path: HashMap<&str, usize> = HashMap::new();
    let all = || joined.world.memory.logs.iter().flat_map(|log| &log.reports);
    // One kill stands in several logs, and twice in one that a console wrote into as well: with its report, and the
    // last line of it alone, which names no cgroup.
    let named: HashSet<_> =
        all().filter(|report| report.victim_group.is_some()).filter_map(identity).collect();
    let mut told: HashSet<_> = HashSet::new();
    for log in &joined.world.memory.logs {
        for report in &log.reports {
            let path = report.victim_group.as_deref();
            let kill = Kill { log, report };
            let is_again = identity(report).is_some_and(|id| {
                !told.insert((path.is_some(), id)) || path.is_none() && named.contains(&id)
            });
            if is_again {
                continue;
            }
            let known = path.and_then(|path| by_path.get(path));
            if let Some((_, case)) = known.and_then(|at| cases.get_mut(*at)) {
                case.kills.push(kill);
                continue;
            }
            if let Some(path) = path {
                by_path.insert(path, cases.len());
            }
            let identity = path.map(Identity::of).unwrap_or_default();
            cases.push((identity, MemoryCase { kills: vec![kill], ..MemoryCase::new(joined) }));
        }
    }
    cases
}

/// What tells a kill from others: the number of the process, its name and what it had, to the KiB.
pub fn identity(report: &Report) -> Option<(u64, &str, u64, u64)> {
    let victim = report.victim()?;
    Some((victim.pid, victim.name.as_str(), victim.total?, victim.anon?))
}

fn ids(status: &ContainerStatus) -> impl Iterator<Item = &String> {
    status.ends.iter().map(|end| &end.id).chain([&status.id]).flatten()
}

/// The UID of a pod that has no other container.
fn uid_of_one(pod: &Pod) -> Option<&String> {
    pod.uid.as_ref().filter(|_| pod.containers.len() == 1)
}

fn statuses<'w>(joined: &'w Joined<'w>, cases: &mut Vec<Known<'w>>) {
    let killed = cases.len();
    let (mut by_container, mut by_pod, mut by_pod_alone) =
        (Index::new(), Index::new(), Index::new());
    for (at, (identity, _)) in cases.iter().enumerate() {
        if let Some(container) = &identity.container {
            by_container.add(container.clone(), at);
        }
        if let Some(pod) = &identity.pod {
            by_pod.add(pod.clone(), at);
            if identity.is_pod() {
                by_pod_alone.add(pod.clone(), at);
            }
        }
    }
    let pods = joined.world.memory.pods.iter();
    let all: Vec<_> =
        pods.flat_map(|pod| pod.containers.iter().map(move |status| (pod, status))).collect();
    let dead = |status: &ContainerStatus| {
        status.ends.iter().any(|end| end.exit_code.value == 137 || end.reason() == "OOMKilled")
    };
    let one_dead = all.iter().filter(|(_, status)| dead(status)).count() == 1;
    for (pod, status) in all {
        let taken = |at: usize| cases.get(at).is_none_or(|(_, case)| case.status.is_some());
        let by_id = ids(status).filter_map(|id| by_container.first(id.as_str(), taken)).min();
        // A container without an ID is another one, or one that has gone since: of before the last restart there
        // is nothing.
        let has_id = ids(status).next().is_some();
        let by_uid = uid_of_one(pod).and_then(|uid| match has_id {
            true => by_pod_alone.first(uid.as_str(), taken),
            false => by_pod.first(uid.as_str(), taken),
        });
        let named = by_id.into_iter().chain(by_uid).min();
        let alone = || {
            let (identity, case) = cases.first()?;
            let only = killed == 1 && one_dead && dead(status);
            let unnamed = identity.is_empty() || (pod.uid.is_none() && may_be_of(case, status));
            (only && unnamed && case.status.is_none()).then_some(0)
        };
        let at = named.or_else(alone);
        match at.and_then(|at| cases.get_mut(at)) {
            Some((_, case)) => {
                case.status = Some((pod, status));
                case.presumed |= named.is_none();
            }
            None => {
                let identity = Identity { container: status.id.clone(), pod: pod.uid.clone() };
                let case = MemoryCase { status: Some((pod, status)), ..MemoryCase::new(joined) };
                cases.push((identity, case));
            }
        }
    }
}

/// Pods that were evicted: of some there is nothing else, neither a status of a container nor a kill.
fn evictions<'w>(joined: &'w Joined<'w>, cases: &mut Vec<Known<'w>>) {
    let memory = &joined.world.memory;
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for (at, (_, case)) in cases.iter().enumerate() {
        if let Some((pod, _)) = case.status {
            known.entry((&pod.namespace, &pod.name)).or_insert(at);
        }
    }
    let mut all: BTreeMap<(&str, &str), Eviction<'w>> = BTreeMap::new();
    for event in memory.events.iter().filter(|event| event.reason.value == EVICTED) {
        let (namespace, kind, name) = &event.about;
        if kind == "Pod" {
            let of = (namespace.as_str(), name.as_str());
            let (place, message) = (&event.reason.origin, event.message.as_str());
            all.insert(of, Eviction { of, place, message, qos: None });
        }
    }
    // A pod says it of itself, and more.
    for pod in &memory.pods {
        let of = (pod.namespace.as_str(), pod.name.as_str());
        if let Some(reason) = pod.reason.as_ref().filter(|reason| reason.value == EVICTED) {
            let message = pod.message.as_deref().unwrap_or_default();
            all.insert(of, Eviction { of, place: &reason.origin, message, qos: None });
        }
        if let Some(eviction) = all.get_mut(&of) {
            eviction.qos = pod.qos.as_deref();
        }
    }
    for (of, eviction) in all {
        match known.get(&of).and_then(|at| cases.get_mut(*at)) {
            Some((_, case)) => case.eviction = Some(eviction),
            None => {
                let case = MemoryCase { eviction: Some(eviction), ..MemoryCase::new(joined) };
                cases.push((Identity::default(), case));
            }
        }
    }
}

/// The last part of a path.
fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn groups<'w>(joined: &'w Joined<'w>, cases: &mut Vec<Known<'w>>) {
    let groups = joined.world.memory.groups.as_slice();
    let subjects = cases.len();
    let mut by_name: HashMap<&str, Vec<(usize, &str)>> = HashMap::new();
    let (mut by_container, mut by_pod, mut by_pod_without_id) =
        (Index::new(), Index::new(), Index::new());
    for (at, (identity, case)) in cases.iter().enumerate() {
        if let Some(victim) = case.kill().and_then(|kill| kill.report.victim_group.as_deref()) {
            by_name.entry(name(victim)).or_default().push((at, victim));
        }
        if let Some(container) = &identity.container {
            by_container.add(container.clone(), at);
        }
        let Some((pod, status)) = case.status else { continue };
        for id in ids(status).filter(|id| Some(*id) != identity.container.as_ref()) {
            by_container.add(id.clone(), at);
        }
        if let Some(uid) = uid_of_one(pod) {
            by_pod.add(uid.clone(), at);
            if ids(status).next().is_none() {
                by_pod_without_id.add(uid.clone(), at);
            }
        }
    }
    // Of what says nothing of memory others ask.
    for group in groups.iter().filter(|group| group.level.memory.is_known()) {
        let path = group.level.path.as_str();
        let identity = Identity::of(path);
        let taken = |at: usize| cases.get(at).is_none_or(|(_, case)| case.group.is_some());
        let namesakes = by_name.get(name(path)).map(Vec::as_slice).unwrap_or_default();
        let by_path = namesakes
            .iter()
            .take(MOST_NAMESAKES)
            .find(|(at, victim)| !taken(*at) && is_same_path(path, victim))
            .map(|(at, _)| *at);
        let by_id = identity.container.as_deref();
        let by_id = by_id.and_then(|id| by_container.first(id, taken));
        let by_uid = identity.pod.as_deref().and_then(|uid| match identity.is_pod() {
            true => by_pod.first(uid, taken),
            false => by_pod_without_id.first(uid, taken),
        });
        let named = by_path.into_iter().chain(by_id).chain(by_uid).min();
        // A folder that was copied has lost its place.
        let only = || {
            let (_, case) = cases.first()?;
            let one = subjects == 1 && groups.len() == 1 && case.group.is_none();
            (one && identity.is_empty() && may_be(case, group)).then_some(0)
        };
        let at = named.or_else(only);
        match at.and_then(|at| cases.get_mut(at)) {
            Some((_, case)) => {
                case.group = Some(group);
                case.presumed |= named.is_none();
            }
            None => {
                let case = MemoryCase { group: Some(group), ..MemoryCase::new(joined) };
                cases.push((identity, case));
            }
        }
    }
}

/// Finds the log of the Go runtime: the only one of the only container, or the only one whose path names the pod.
fn lives<'w>(joined: &'w Joined<'w>, cases: &mut [Known<'w>]) {
    let logs = joined.world.logs.as_slice();
    if let ([(_, case)], [log]) = (&mut *cases, logs) {
        case.life = log.last_life().map(|life| (log, life));
        if case.life.is_some() {
            return;
        }
    }
    // A log of several names pod and container.
    let mut of_streams: HashMap<&str, (&'w RuntimeLog, &'w Life)> = HashMap::new();
    for log in logs {
        let named =
            log.lives.iter().filter_map(|life| Some((life.stream.as_deref()?, (log, life))));
        of_streams.extend(named);
    }
    if !of_streams.is_empty() {
        for (_, case) in &mut *cases {
            let Some((pod, status)) = case.status else { continue };
            case.life = of_streams.get(format!("{}/{}", pod.name, status.name).as_str()).copied();
        }
    }
    let mut of_pods: BTreeMap<String, Vec<&'w RuntimeLog>> = BTreeMap::new();
    for log in logs {
        if let Some(pod) = Identity::of(&joined.world.sources.get(log.source).path).pod {
            of_pods.entry(pod).or_default().push(log);
        }
    }
    let mut by_pod: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, (identity, _)) in cases.iter().enumerate() {
        if let Some(pod) = &identity.pod {
            by_pod.entry(pod.clone()).or_default().push(at);
        }
    }
    for (pod, logs) in of_pods {
        // Which container, or which of its lives, is not known.
        if let (Some([at]), [log]) = (by_pod.get(&pod).map(Vec::as_slice), logs.as_slice())
            && let Some((_, case)) = cases.get_mut(*at)
        {
            case.life = log.last_life().map(|life| (*log, life));
        }
    }
}

fn is_same_path(path: &str, victim: &str) -> bool {
    // What was copied has lost the beginning.
    path.len() > 1 && victim.ends_with(path)
}

/// A container's own limit, where that was what ran out, is the one that its status has.
fn may_be_of(case: &MemoryCase<'_>, status: &ContainerStatus) -> bool {
    let written = status.limit.as_ref().map(|limit| limit.value.0);
    case.by_own_limit() != Some(true) || written.is_none() || case.limit() == written
}

/// Nothing of a group speaks against a kill or container: its limit, if both are known.
fn may_be(case: &MemoryCase<'_>, group: &Group) -> bool {
    let limits = group.limit().into_iter().chain(group.tightest_parent().map(|(_, limit)| limit));
    let limits: Vec<u64> = limits.collect();
    case.limit().is_none_or(|limit| limits.is_empty() || limits.contains(&limit))
}

/// Nothing speaks against a profile's being of a container: more than all that this may have is another's, and so is
/// what was written when it had gone.
fn may_have(case: &MemoryCase<'_>, heap: &Heap) -> bool {
    let nanos = heap.time_ns.map(i128::from);
    let written = nanos.and_then(|ns| Timestamp::from_nanosecond(ns).ok());
    let is_later = written.is_some_and(|written| {
        let kill = case.kill().and_then(|kill| kill.report.stamp.date.as_deref());
        let killed = kill.and_then(|date| Moment::parse(date, written)).map(|it| it.latest);
        // Kubernetes writes whole seconds down, and so does syslog: it was within that one.
        let ended = case.end().and_then(|end| end.finished.as_ref()).map(|at| at.value);
        let over = |at: Timestamp| at.checked_add(SECOND).is_ok_and(|over| over <= written);
        killed.is_some_and(over) || ended.is_some_and(over)
    });
    !is_later && case.limit().is_none_or(|limit| heap.in_use <= limit)
}
