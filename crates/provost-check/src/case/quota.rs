//! The CPU quota that the process of a log ran under, by the files of its cgroup.

use rustc_hash::FxHashMap;

use super::log::LogCase;
use super::{Joined, World};
use crate::facts::oom::{Group, Identity, Level};
use crate::facts::{Origin, SourceId};
use crate::findings::{Abstain, Finding, Reason};
use crate::model::Millicores;
use crate::model::gomaxprocs::is_often;
use crate::model::quantity::counted;
use goformats::kernel::cpu::Throttled;

/// Which cgroup the process of each log ran in, and whether that is told by no name.
#[derive(Clone, Debug, Default)]
pub struct Quotas(FxHashMap<SourceId, (usize, Option<Presumed>)>);

/// Why no name says that a log and a cgroup belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presumed {
    /// They are the only ones.
    Only,
    /// Both are of one pod, which may have more containers than one.
    Pod,
}

/// What cgroups say of the CPU that a process may use.
#[derive(Clone, Copy, Debug)]
pub struct Quota<'w> {
    /// The files.
    source: SourceId,
    /// The group that has the quota: that of the process, or one above it.
    pub level: &'w Level,
    /// The quota.
    pub limit: Millicores,
    /// How often the group was held back for it.
    throttled: Option<Throttled>,
    /// That no name says that they belong together.
    presumed: Option<Presumed>,
}

impl Quotas {
    /// Of all logs. A log is that of a container by the ID of the container or, of a pod with one container, by the
    /// pod's UID in its path (`/var/log/containers`, `/var/log/pods`); or it is the only one beside the only cgroup.
    pub(super) fn new(world: &World) -> Self {
        let groups = || world.memory.groups.iter().enumerate().filter(|(_, it)| is_known(it));
        let (mut by_container, mut by_pod) = (FxHashMap::default(), FxHashMap::default());
        let add = |to: &mut FxHashMap<String, Option<usize>>, key: Option<String>, at| {
            if let Some(key) = key {
                // Of several none is taken.
                to.entry(key).and_modify(|known| *known = None).or_insert(Some(at));
            }
        };
        for (at, group) in groups() {
            let identity = Identity::of(&group.level.path);
            add(&mut by_container, identity.container, at);
            add(&mut by_pod, identity.pod, at);
        }
        let find = |of: &FxHashMap<String, Option<usize>>, key: &Option<String>| {
            of.get(key.as_ref()?).copied().flatten()
        };
        // The kubelet numbers the runs of a container in its folder (`0.log`), and what counts is of the last.
        let mut last: FxHashMap<&str, u64> = FxHashMap::default();
        for (folder, run) in
            world.logs.iter().filter_map(|log| numbered(&world.sources.get(log.source).path))
        {
            let known = last.entry(folder).or_insert(run);
            *known = (*known).max(run);
        }
        let mut found = FxHashMap::default();
        for log in &world.logs {
            let identity = Identity::of(&world.sources.get(log.source).path);
            let named = find(&by_container, &identity.container);
            let named = named.map(|at| (at, None));
            let named = named.or_else(|| match identity.container {
                Some(_) => None,
                None if numbered(&world.sources.get(log.source).path).is_some_and(
                    |(folder, run)| last.get(folder).is_some_and(|last| *last > run),
                ) =>
                {
                    None
                }
                None => {
                    let why = (!is_of_one(world, &identity)).then_some(Presumed::Pod);
                    find(&by_pod, &identity.pod).map(|at| (at, why))
                }
            });
            let only = || {
                let mut groups = groups();
                let (at, group) = groups.next()?;
                let one = groups.next().is_none() && world.logs.len() == 1;
                let unnamed = identity.is_empty() || Identity::of(&group.level.path).is_empty();
                (one && unnamed).then_some((at, Some(Presumed::Only)))
            };
            if let Some(joined) = named.or_else(only) {
                found.insert(log.source, joined);
            }
        }
        Self(found)
    }
}

/// Whether a pod that was given says that it has one container.
fn is_of_one(world: &World, identity: &Identity) -> bool {
    let mut pods = world.memory.pods.iter();
    let own = pods.find(|pod| pod.uid.is_some() && pod.uid == identity.pod);
    own.is_some_and(|pod| pod.containers.len() == 1)
}

/// The folder and the number of a log of the kubelet's.
fn numbered(path: &str) -> Option<(&str, u64)> {
    let (folder, name) = path.rsplit_once('/')?;
    Some((folder, name.strip_suffix(".log")?.parse().ok()?))
}

fn is_known(group: &Group) -> bool {
    group.level.cpu.is_known()
}

impl<'w> LogCase<'w> {
    /// The CPU quota of its process; none where its cgroup says that there is none.
    ///
    /// # Errors
    /// Where no files of cgroups were given, where it is not told which of them are of the process, and where they
    /// do not say it.
    pub fn quota(&self) -> Result<Option<Quota<'w>>, Abstain> {
        let groups = self.world().memory.groups.as_slice();
        if !groups.iter().any(is_known) {
            return Err(Abstain::NotApplicable);
        }
        let unknown = |needs| Abstain::unknown(Reason::NoMemoryFiles, needs);
        // What counts is of the container that ran last.
        let is_last = self.index + 1 == self.log.lives.len() && !self.log.at_once;
        let found = self.joined.quotas().0.get(&self.log.source).filter(|_| is_last);
        let Some((group, presumed)) = found.and_then(|(at, it)| Some((groups.get(*at)?, *it)))
        else {
            return Err(unknown("which of the cgroups the process ran in"));
        };
        let limit = group.cpu_limit().ok_or_else(|| unknown("its CPU quota (cpu.max)"))?;
        Ok(limit.map(|(level, limit)| Quota {
            source: group.source,
            level,
            limit,
            throttled: level.cpu.throttled,
            presumed,
        }))
    }
}

impl Quota<'_> {
    /// Whether no name says that the log is of a process of that group.
    pub fn is_presumed(&self) -> bool {
        self.presumed.is_some()
    }

    /// How often it was used up; unknown where only the quota was given.
    pub fn throttled(&self) -> Result<Throttled, Abstain> {
        let needs = "how often the CPU quota was used up (cpu.stat)";
        self.throttled.ok_or(Abstain::unknown(Reason::NoMemoryFiles, needs))
    }

    /// Whether it was used up so often that work was held back by that.
    pub fn holds_back(&self) -> bool {
        self.throttled.is_some_and(|it| is_often(it.throttled, it.periods))
    }

    /// `used up in 90 of 120 periods`
    pub fn told(&self) -> String {
        match self.throttled {
            None => "how often it was used up is not known".to_owned(),
            Some(it) => {
                let periods = counted(it.periods, "period");
                format!("used up in {} of {periods}", it.throttled)
            }
        }
    }

    /// Shows the quota.
    pub fn shown(&self, finding: Finding) -> Finding {
        let label =
            format!("{}: a CPU quota of {}, {}", self.level.name(), self.limit, self.told());
        let finding = finding.also(&Origin::whole(self.source), label);
        match self.presumed {
            Some(Presumed::Only) => finding.note(
                "that log and cgroup belong together is taken for granted: there is only one of each, and no name tells",
            ),
            Some(Presumed::Pod) => finding.note(
                "that log and cgroup belong together is taken for granted: both are of one pod, and which of its containers the cgroup is of no name tells; files of the pod's other containers, or the pod as kubectl has it, tell",
            ),
            None => finding,
        }
    }
}

impl Joined<'_> {
    fn quotas(&self) -> &Quotas {
        self.quotas.get_or_init(|| Quotas::new(self.world))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::oom::read_listing;
    use crate::artifact::{Source, SourceKind, Sources, runtime_log};
    use crate::facts::settings::Settings;

    const PODS: [&str; 2] =
        ["8f2c6f0e-3b0e-4a57-9a52-8d7e3a1c5b11", "11111111-2222-3333-4444-555555555555"];

    fn id(digit: &str) -> String {
        digit.repeat(64)
    }

    /// Which of the groups at those paths each log is joined with, by its path.
    fn joined(groups: &[String], logs: &[String]) -> Vec<Option<String>> {
        let date = jiff::civil::date(2026, 11, 26);
        let mut world = World::new(Sources::default(), Settings::at(date));
        let listing: String = groups
            .iter()
            .map(|path| format!("==> /sys/fs/cgroup{path}/cpu.max <==\n50000 100000\n"))
            .collect();
        let source = world.sources.add(Source::opaque("cgroup.txt", SourceKind::Cgroup));
        world.memory.groups = read_listing(&listing).groups(source);
        for path in logs {
            let source = world.sources.add(Source::opaque(path, SourceKind::Log));
            let log = runtime_log::read(source, &b"SCHED 0ms: gomaxprocs=8\n"[..], &|_| true);
            world.logs.push(log.unwrap());
        }
        let quotas = Quotas::new(&world);
        let path =
            |(at, _): &(usize, Option<Presumed>)| world.memory.groups[*at].level.path.clone();
        world.logs.iter().map(|log| quotas.0.get(&log.source).map(path)).collect()
    }

    #[test]
    fn logs_are_joined_by_pod_and_container_in_their_paths() {
        let groups = [("1", 0), ("2", 1)]
            .map(|(digit, pod)| format!("/kubepods/pod{}/{}", PODS[pod], id(digit)));
        let logs = [
            format!("/var/log/pods/shop_b_{}/app/0.log", PODS[1]),
            format!("/var/log/containers/a_shop_app-{}.log", id("1")),
            format!("/var/log/containers/a_shop_app-{}.log", id("3")),
            "app.log".to_owned(),
        ];
        let wanted = [Some(groups[1].clone()), Some(groups[0].clone()), None, None];
        assert_eq!(joined(&groups, &logs), wanted);
    }

    #[test]
    fn of_several_runs_of_a_container_the_last_has_the_counters_of_now() {
        let group = format!("/kubepods/pod{}/{}", PODS[0], id("1"));
        let logs = ["0", "1"].map(|run| format!("/var/log/pods/shop_b_{}/app/{run}.log", PODS[0]));
        assert_eq!(joined(std::slice::from_ref(&group), &logs), [None, Some(group)]);
    }

    #[test]
    fn of_two_containers_of_a_pod_none_is_taken_by_the_pod_alone() {
        let groups = ["1", "2"].map(|digit| format!("/kubepods/pod{}/{}", PODS[0], id(digit)));
        let log = format!("/var/log/pods/shop_b_{}/app/0.log", PODS[0]);
        assert_eq!(joined(&groups, &[log]), [None]);
    }

    #[test]
    fn the_only_log_is_not_of_the_only_cgroup_where_both_have_names_that_differ() {
        let group = format!("/kubepods/pod{}/{}", PODS[0], id("1"));
        let log = |pod: &str| format!("/var/log/pods/shop_b_{pod}/app/0.log");
        assert_eq!(joined(std::slice::from_ref(&group), &[log(PODS[1])]), [None]);
        assert_eq!(joined(std::slice::from_ref(&group), &[log(PODS[0])]), [Some(group.clone())]);
        assert_eq!(joined(std::slice::from_ref(&group), &["app.log".to_owned()]), [Some(group)]);
    }
}
