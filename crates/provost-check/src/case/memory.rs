//! One container whose memory ran out, or may, as everything that was given tells of it.
//!
//! A kernel names the cgroup of whom it kills, Kubernetes the container, a folder its place: they are one where
//! the identity of the container, or that of a pod with one container, stands in both. Where one of them names
//! none and there is only one of each, they are taken for one, which the finding says.

mod gomemlimit;
mod join;

use goformats::kernel::cgroup::{Composition, Pressure};
use goformats::kernel::log::{Constraint, PageTables, Report, Task};

use super::Joined;
use super::log::nanos;
use crate::facts::Origin;
use crate::facts::oom::{
    ContainerStatus, Event, Group, HeapProfile, Identity, KernelLog, Memory, Pod, Process,
    Terminated, is_own,
};
use crate::facts::runtime_log::{Collections, Life, RuntimeLog};
use crate::findings::{Abstain, Finding, Reason};
use crate::model::Bytes;
use crate::model::goals::MemoryLimit;
use crate::model::gogc::{self, Gogc};
use crate::model::oom::{Badness, Held, each};
use crate::model::pacer::Marked;
use crate::model::quantity::counted;
use crate::model::what_if::WELL;

pub use gomemlimit::Growth;
pub use join::{cases, identity};

/// A kill, in the log that tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Kill<'w> {
    /// The log.
    pub log: &'w KernelLog,
    /// The report.
    pub report: &'w Report,
}

/// That the kubelet took a pod off its node, or did not let it on.
#[derive(Clone, Copy, Debug)]
pub struct Eviction<'w> {
    /// The pod's namespace and name.
    pub of: (&'w str, &'w str),
    /// Where `Evicted` stands: in the status of the pod, or in an event.
    pub place: &'w Origin,
    /// What the kubelet says.
    pub message: &'w str,
    /// The pod's class, where the pod is known.
    pub qos: Option<&'w str>,
}

/// A container.
#[derive(Clone, Debug)]
pub struct MemoryCase<'w> {
    /// Everything.
    pub joined: &'w Joined<'w>,
    /// Kills of its processes, in order.
    pub kills: Vec<Kill<'w>>,
    /// Its cgroup.
    pub group: Option<&'w Group>,
    /// What Kubernetes says of it.
    pub status: Option<(&'w Pod, &'w ContainerStatus)>,
    /// That its pod was evicted; once for a pod, which may have no container that was ever started.
    pub eviction: Option<Eviction<'w>>,
    /// A process of it that lives.
    pub process: Option<&'w Process>,
    /// What its Go runtime logged.
    pub life: Option<(&'w RuntimeLog, &'w Life)>,
    /// The last of its heap profiles.
    pub heap: Option<&'w HeapProfile>,
    /// Some of it was joined because there is nothing else, and not by name.
    pub presumed: bool,
    /// A kernel killed processes of which it is not told whether they are of this container.
    pub unplaced: bool,
}

/// A MiB.
const MIB: u64 = 1 << 20;

impl<'w> MemoryCase<'w> {
    fn new(joined: &'w Joined<'w>) -> Self {
        Self {
            joined,
            kills: Vec::new(),
            group: None,
            status: None,
            eviction: None,
            process: None,
            life: None,
            heap: None,
            presumed: false,
            unplaced: false,
        }
    }

    /// As reports name it.
    pub fn subject(&self) -> String {
        let path = |source| &self.joined.world.sources.get(source).path;
        if let Some((pod, status)) = self.status {
            // Of a part of what describes it the name was not given.
            if pod.name.is_empty() {
                return format!("{} ({})", path(pod.origin.source()), status.name);
            }
            return format!("{}/Pod/{}/{}", pod.namespace, pod.name, status.name);
        }
        if let Some((namespace, name)) = self.eviction.map(|eviction| eviction.of) {
            return format!("{namespace}/Pod/{name}");
        }
        if let Some(kill) = self.kill() {
            let path = path(kill.log.source);
            return match &kill.report.victim_group {
                Some(group) => format!("{path} ({group})"),
                None => path.clone(),
            };
        }
        match self.group {
            Some(group) if group.level.path.is_empty() => path(group.source).clone(),
            Some(group) => format!("{} ({})", path(group.source), group.level.path),
            None => self.process.map_or(String::new(), |process| path(process.source).clone()),
        }
    }

    /// The last kill.
    pub fn kill(&self) -> Option<Kill<'w>> {
        self.kills.last().copied()
    }

    /// Its cgroup, where that counted kills.
    pub fn killed_in(&self) -> Option<&'w Group> {
        self.group.filter(|group| group.kills() > Some(0))
    }

    /// Where its memory is told of: by the last kill, by its cgroup, or by a process of it.
    pub fn place(&self) -> Option<Origin> {
        let group = self.group.map(|group| group.source);
        let whole = group.or_else(|| self.process.map(|process| process.source));
        self.kill().map(|kill| Self::at(&kill)).or_else(|| whole.map(Origin::whole))
    }

    /// How the container ended, the last time that it did.
    pub fn end(&self) -> Option<&'w Terminated> {
        self.status.and_then(|(_, status)| status.ends.first())
    }

    /// What it is measured with, as far as that is not Kubernetes' word alone.
    pub fn all_facts(&self) -> &'w Memory {
        &self.joined.world.memory
    }

    /// Events about the container or its pod.
    pub fn events(&self) -> impl Iterator<Item = &'w Event> {
        let status = self.status;
        self.all_facts().events.iter().filter(move |event| {
            let Some((pod, container)) = status else { return false };
            let (namespace, kind, name) = &event.about;
            (namespace.as_str(), kind.as_str(), name.as_str())
                == (pod.namespace.as_str(), "Pod", pod.name.as_str())
                && event.container.as_deref().is_none_or(|name| name == container.name)
        })
    }

    /// The limit that was run into: what the kernel says, or what the files or Kubernetes do.
    pub fn limit(&self) -> Option<u64> {
        let killed = self.kill().and_then(|kill| kill.report.memory?.limit.bytes());
        let group = self.group.and_then(Group::limit);
        let written = self.status.and_then(|(_, status)| Some(status.limit.as_ref()?.value.0));
        killed.or(group).or(written)
    }

    /// What the memory was when something was killed, or is now. Behind a kill a group has next to nothing.
    pub fn composition(&self) -> Option<Composition> {
        if let Some(kill) = self.kill() {
            return kill.report.composition();
        }
        let group = self.group?;
        let lives = group.is_populated() != Some(false);
        group.level.memory.composition().filter(|_| lives)
    }

    /// Memory of its processes: of the group, or of the one that was killed.
    fn anon(&self) -> Option<u64> {
        let all = self.composition().map(|all| all.anon);
        all.or_else(|| match self.kill() {
            Some(kill) => kill.report.victim()?.anon,
            None => self.process.and_then(|it| it.process.anon.or(it.process.anonymous)),
        })
    }

    /// All that was charged to it, or of its processes as far as only that is known.
    fn charged(&self) -> Option<u64> {
        self.composition().map(|all| all.total()).or_else(|| self.anon())
    }

    /// Whether the container's own limit was what ran out, at its own cgroup or at that of a pod that has no other
    /// container and the same limit; unknown where nothing tells.
    pub fn by_own_limit(&self) -> Option<bool> {
        if self.by_pod_of_one() {
            return Some(true);
        }
        let Some(kill) = self.kill() else {
            return self.killed_in()?.own_limit();
        };
        match (&kill.report.constraint, &kill.report.limit_group, &kill.report.victim_group) {
            (Constraint::Memcg, Some(limit), Some(victim)) => Some(is_own(limit, victim)),
            (Constraint::Machine | Constraint::Nodes, ..) => Some(false),
            _ => None,
        }
    }

    /// Whether the pod's cgroup was what ran out, whose limit is that of its only container: memory is charged to
    /// both, and which of them the kernel names says nothing.
    pub fn by_pod_of_one(&self) -> bool {
        // One that has ended has no cgroup any more.
        let has_others = self.status.is_some_and(|(pod, own)| {
            let lives = |it: &&ContainerStatus| {
                it.running_since.is_some()
                    || it.ends.first().is_none_or(|end| end.exit_code.value != 0)
            };
            pod.containers.iter().filter(|it| it.name != own.name).any(|it| lives(&it))
        });
        if has_others {
            return false;
        }
        let Some(kill) = self.kill() else {
            let Some(group) = self.killed_in() else { return false };
            let pod = group.pod_with_same_limit();
            return group.own_limit() == Some(false)
                && pod.and_then(|pod| pod.reached()).is_some_and(|count| count > 0);
        };
        let report = kill.report;
        let (Some(limit), Some(victim)) = (&report.limit_group, &report.victim_group) else {
            return false;
        };
        let (above, below) = (Identity::of(limit), Identity::of(victim));
        let of_pod = above.is_pod() && above.pod == below.pod && limit != victim;
        let counted = report.memory.and_then(|memory| memory.limit.bytes());
        let written = self.status.and_then(|(_, status)| Some(status.limit.as_ref()?.value.0));
        let own = self.group.and_then(Group::limit).or(written);
        report.constraint == Constraint::Memcg && of_pod && counted.is_some() && counted == own
    }

    /// The group above the container's whose limit ran out, by the kernel's log.
    pub fn limit_above(&self) -> Option<(Kill<'w>, &'w str)> {
        let kill = self.kill()?;
        let limit = kill.report.limit_group.as_deref()?;
        let is_memcg = kill.report.constraint == Constraint::Memcg;
        (is_memcg && self.by_own_limit() == Some(false)).then_some((kill, limit))
    }

    /// Whether the pod's cgroup was what ran out, and nothing tells what the container has itself: in a pod of one
    /// container that is the same limit, and the kernel names either.
    pub fn by_own_or_pod(&self) -> bool {
        let is_pod = |(_, above): (Kill<'_>, &str)| Identity::of(above).is_pod();
        self.status.is_none() && self.group.is_none() && self.limit_above().is_some_and(is_pod)
    }

    /// The place of a kill.
    pub fn at(kill: &Kill<'_>) -> Origin {
        let line = kill.report.victim().map_or(kill.report.line, |victim| victim.line);
        Origin::log(kill.log.source, line, kill.report.stamp.uptime_us.map(|at_us| at_us / 1000))
    }

    /// Whether all of a group were killed together: what is left in it has not gone yet.
    fn were_all_killed(&self, group: &Group) -> bool {
        let memory = &group.level.memory;
        let is_counted = [memory.local, memory.events]
            .into_iter()
            .flatten()
            .any(|events| events.oom_group_kill > Some(0));
        is_counted || self.kill().is_some_and(|kill| kill.report.all_of.is_some())
    }

    /// That the container lives on although one of its processes was killed.
    pub fn outlived(&self) -> Option<(Origin, String)> {
        if let Some(group) = self.killed_in()
            && !self.were_all_killed(group)
            && let Some(count) = group.level.memory.processes.filter(|count| *count > 0)
        {
            let label = format!(
                "{} of its processes killed (oom_kill), {count} live (cgroup.procs)",
                group.kills().unwrap_or_default()
            );
            return Some((Origin::whole(group.source), label));
        }
        // A name alone is not enough: the container of before has the same one.
        let (_, status) = self.status?;
        let since = status.running_since.as_ref()?;
        let id = status.id.as_deref()?;
        let named = self.kill()?.report.victim_group.as_deref().map(Identity::of)?;
        (named.container.as_deref() == Some(id))
            .then(|| (since.origin.clone(), "the same container runs still".to_owned()))
    }

    /// Collections of its Go runtime.
    pub fn collections(&self) -> Result<&'w Collections, Abstain> {
        let collections = self.life.and_then(|(_, life)| life.collections.as_ref());
        collections
            .ok_or_else(|| Abstain::unknown(Reason::NoRuntimeLog, "what the collector found alive"))
    }

    /// Its memory under its limit, and the part that Go had in it.
    pub fn held(&self) -> Result<Held, Abstain> {
        self.collections()?;
        let needs = "the limit that was run into";
        let limit = self.limit().ok_or(Abstain::unknown(Reason::NoMemoryFiles, needs))?;
        Ok(Held { limit, room: self.room()?, ..self.held_by_go()? })
    }

    /// What there has to be between what is live and the goal, so that collections take no more than they may.
    fn room(&self) -> Result<u64, Abstain> {
        let collections = self.collections()?;
        let Some(whole) = collections.whole() else {
            return Err(super::log::too_few("collections", 0, 1));
        };
        // What is allocated is not known where many of them are missing: that is not nothing.
        super::log::nothing_in(&[whole])?;
        // Where nothing was allocated there is nothing to make room for.
        let room = super::load::of(&whole).map_or(0.0, |loads| {
            let live = whole.live.most as f64;
            loads.free.with_live(live).heap_for(WELL) - live
        });
        let room = room.ceil().clamp(1.0, 1e9);
        Ok(room as u64 * MIB)
    }

    /// The same, whatever the limit is, and without the room for collections.
    pub fn held_by_go(&self) -> Result<Held, Abstain> {
        let collections = self.collections()?;
        let unknown = |needs: &'static str| Abstain::unknown(Reason::NoMemoryFiles, needs);
        let anon = self.anon().ok_or_else(|| unknown("what the memory was"))?;
        let (Some(whole), Some(last)) = (collections.whole(), collections.last()) else {
            return Err(super::log::too_few("collections", 0, 1));
        };
        let half = collections.windows.len() / 2;
        let recent = collections.windows.get(half..).unwrap_or_default();
        let live = recent.iter().map(|window| window.live.most).max().unwrap_or(last.heap.live);
        let marked = Marked {
            live: last.heap.live,
            stacks: last.heap.stacks.unwrap_or(0),
            globals: last.heap.globals.unwrap_or(0),
            first: false,
        };
        // Of what the log says of GOGC, the most; where it says nothing, what it is by default.
        let percent = if whole.gogc.1 > 10_000 { 100 } else { whole.gogc.1.max(whole.gogc.0) };
        let gogc = Gogc::Percent(u32::try_from(percent).unwrap_or(gogc::DEFAULT));
        // Where a limit makes the goals, GOGC asks for more than there will be.
        let is_limited = matches!(collections.goals.told().limit, MemoryLimit::Decides { .. });
        let next = match is_limited {
            true => last.heap.goal,
            false => *marked.goals(gogc, None, last.heap.at_start).end(),
        };
        let heap = next.max(whole.goal.most).max(whole.end.most);
        let fixed = self.composition().map_or(0, |all| all.fixed());
        Ok(Held {
            limit: u64::MAX,
            anon,
            fixed,
            live: live.saturating_add(1).saturating_mul(MIB),
            heap: heap.saturating_add(1).saturating_mul(MIB),
            stacks: marked.stacks.saturating_mul(MIB),
            room: 0,
        })
    }
}

/// Microseconds of waiting for memory that are worth a word.
const LEAST_WAIT_US: u64 = 1_000_000;
/// Percent of the last ten seconds in which tasks wait for memory all the time, more or less.
const SHORT_OF: f64 = 10.0;

impl MemoryCase<'_> {
    fn pressure(&self) -> Option<&Pressure> {
        self.group?.level.memory.pressure.as_ref()
    }

    /// How long its tasks have waited for memory, where that is worth a word.
    pub fn waited(&self) -> Option<String> {
        let waited = self.pressure().filter(|it| it.some_total_us >= LEAST_WAIT_US)?;
        let of = |us: u64| nanos(us.saturating_mul(1000));
        Some(format!(
            "tasks in its cgroup have waited for memory for {}, all of them at once for {} (memory.pressure)",
            of(waited.some_total_us),
            of(waited.full_total_us)
        ))
    }

    /// Whether its tasks wait for memory now: what is taken back from them is read again at once.
    pub fn waits(&self) -> Option<f64> {
        self.pressure().map(|it| it.some_avg10).filter(|share| *share >= SHORT_OF)
    }
}

/// `63.5 MiB memory of processes, 304 KiB the kernel's own`
pub fn told(all: &Composition) -> String {
    let parts = [
        (all.anon, "memory of processes"),
        (all.shmem, "tmpfs or shared memory"),
        (all.file, "page cache"),
        (all.kernel, "the kernel's own"),
        (all.sock, "buffers of sockets"),
    ];
    let parts = parts.into_iter().filter(|(size, _)| *size >= 64 << 10);
    let parts: Vec<String> = parts.map(|(size, what)| format!("{} {what}", Bytes(size))).collect();
    match parts.is_empty() {
        true => "next to nothing".to_owned(),
        false => parts.join(", "),
    }
}

/// The arithmetic by which a process was chosen: `16533 pages resident + 54 of page tables = 16587`.
fn arithmetic(task: &Task, page: u64, all: u64) -> Option<(String, i128)> {
    let page_tables = match task.page_tables {
        PageTables::Bytes(bytes) => bytes / page,
        PageTables::Pages(pages) => pages,
    };
    let badness = Badness {
        resident: task.rss,
        swapped: task.swap,
        page_tables,
        adj: task.adj,
        each: each(all),
    };
    let points = badness.points()?;
    let mut text = format!("{} pages resident", badness.resident);
    if badness.swapped > 0 {
        text.push_str(&format!(" + {} swapped", badness.swapped));
    }
    text.push_str(&format!(" + {page_tables} of page tables"));
    if badness.adj != 0 {
        let sign = if badness.adj < 0 { '-' } else { '+' };
        text.push_str(&format!(
            " {sign} {} (oom_score_adj) x {} (a thousandth of {all})",
            badness.adj.unsigned_abs(),
            badness.each
        ));
    }
    text.push_str(&format!(" = {points} points"));
    Some((text, points))
}

/// Why that process: a sentence, where the report has the table.
pub fn chosen(report: &Report) -> Option<String> {
    let victim = report.victim_task()?;
    let page = report.page()?;
    let all = match report.constraint {
        Constraint::Memcg => report.memory?.limit.bytes()? / page,
        _ => report.machine_pages?.saturating_add(report.machine_swap.unwrap_or(0) / page),
    };
    let (text, points) = arithmetic(victim, page, all)?;
    let of = |task: &Task| arithmetic(task, page, all).map(|(_, points)| points);
    let others = report.tasks.iter().filter(|task| task.pid != victim.pid);
    let more = others.clone().filter_map(of).filter(|other| *other > points).count();
    let rest = match (report.tasks.len(), more) {
        (1, _) if report.more_tasks == 0 => "it was the only process".to_owned(),
        (count, 0) => format!("the most of {} processes", count as u64 + report.more_tasks),
        // The victim has given memory back while it was written down, or was chosen by another rule.
        (_, more) => format!("{more} others have more in the table"),
    };
    Some(format!("oom_badness of {}: {text}; {rest}", victim.name))
}

/// Adds what is known of the memory and of the choice.
pub fn with_evidence(mut finding: Finding, case: &MemoryCase<'_>) -> Finding {
    if let Some(kill) = case.kill() {
        if let Some(all) = kill.report.composition() {
            let of = case.limit().map_or(String::new(), |limit| format!("of {}: ", Bytes(limit)));
            finding = finding.note(format!("{of}{}", told(&all)));
        }
        if let Some(chosen) = chosen(kill.report) {
            finding = finding.note(chosen);
        }
        if let Some(heap) = profiled(case) {
            finding = finding.note(heap);
        }
        if case.kills.len() > 1 {
            finding = finding
                .note(format!("it is the last of {} kills in this cgroup", case.kills.len()));
        }
    }
    if let Some(waited) = case.waited() {
        finding = finding.note(waited);
    }
    if let Some((pod, status)) = case.status {
        if let Some(qos) = &pod.qos {
            finding = finding.note(format!("the pod's class is {qos}"));
        }
        if status.restarts > 0 {
            let times = counted(status.restarts.unsigned_abs(), "time");
            finding = finding.note(format!("the container was started anew {times}"));
        }
        if let Some(wanted) = &status.wanted {
            finding = finding.also(&wanted.origin, "asked for, and not in force yet");
        }
    }
    if case.presumed {
        finding = finding.note(
            "that these belong together is taken for granted: there is only one of each, and no name tells",
        );
    }
    finding
}

/// Functions of a heap profile that a sentence has room for.
const MOST_NAMED: usize = 3;

/// What a heap profile has of the memory: a sentence.
fn profiled(case: &MemoryCase<'_>) -> Option<String> {
    let profile = case.heap?;
    let heap = &profile.heap;
    let part = |of: u64, whole: u64| super::log::percent(of as f64 / whole.max(1) as f64);
    let whole = case.limit().or_else(|| case.anon());
    let of = whole.map_or(String::new(), |limit| {
        let word = if case.limit().is_some() { "the limit" } else { "that memory" };
        format!(", {} of {word}", part(heap.in_use, limit))
    });
    let named: Vec<String> = heap
        .functions
        .iter()
        .take(MOST_NAMED)
        // The most of all, or a twentieth.
        .enumerate()
        .filter(|(at, it)| *at == 0 || it.in_use.saturating_mul(20) >= heap.in_use)
        .map(|(_, it)| {
            format!("{} {} ({})", it.name, Bytes(it.in_use), part(it.in_use, heap.in_use))
        })
        .collect();
    let by = match named.is_empty() {
        true => String::new(),
        false => format!(", allocated by {}", named.join(", ")),
    };
    Some(format!(
        "the heap profile {} has {} alive at the collection before it{of}{by}; what had grown until memory ran out is not in it, and that it is of this container is taken for granted, since no name tells",
        case.joined.world.sources.get(profile.source).path,
        Bytes(heap.in_use)
    ))
}

/// `leak (pid 9402)`
pub fn victim_of(report: &Report) -> String {
    report.victim().map_or("a process".to_owned(), |it| format!("{} (pid {})", it.name, it.pid))
}

/// `1 process was`, `3 processes were`
pub fn processes_were(count: u64) -> String {
    if count == 1 { "1 process was".to_owned() } else { format!("{count} processes were") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::oom::read_listing;
    use crate::artifact::{Source, SourceKind, Sources};
    use crate::case::World;
    use crate::facts::settings::Settings;

    #[test]
    fn short_waits_for_memory_are_not_worth_a_word() {
        for (share, total, told, now) in [
            ("9.99", 999_999, false, None),
            ("0.00", 1_000_000, true, None),
            ("10.00", 999_999, false, Some(10.0)),
        ] {
            let date = jiff::civil::date(2026, 11, 26);
            let mut world = World::new(Sources::default(), Settings::at(date));
            let text = format!(
                "==> memory.max <==\nmax\n==> memory.pressure <==\nsome avg10={share} total={total}\n"
            );
            let source = world.sources.add(Source::opaque("cgroup.txt", SourceKind::Cgroup));
            world.memory.groups = read_listing(&text).groups(source);
            let joined = Joined::new(&world);
            let [case] = <[_; 1]>::try_from(cases(&joined)).unwrap();
            assert_eq!((case.waited().is_some(), case.waits()), (told, now), "{text}");
        }
    }
}
