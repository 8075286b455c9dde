//! A process was killed because its container reached the limit.

use goformats::kernel::cgroup::Version;

use crate::case::memory::{Growth, MemoryCase, processes_were, victim_of, with_evidence};
use crate::facts::Origin;
use crate::findings::{Finding, Fix, Level};
use crate::model::Bytes;
use crate::model::oom::Help;
use crate::model::pacer::NO_GOAL;
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// The kernel kills with SIGKILL, which no program hears.
pub static RULE: Rule = Rule {
    id: "container-limit-oom",
    group: Group::Diagnosis,
    level: Level::Deny,
    title: "a process that was killed at its container's memory limit",
    page: include_str!("container-limit-oom.md"),
    after: &["child-killed"],
    check: Check::Memory(check),
    ..Rule::BASE
};

fn check(case: &MemoryCase<'_>, out: &mut Findings) -> Judged {
    let finding = by_log(case).or_else(|| by_counter(case)).or_else(|| by_status(case));
    if let Some(finding) = finding {
        out.push(with_evidence(finding, case).fix(Fix::suggest(mend(case))));
    }
    Ok(())
}

/// What to do, by what the collector logged where its log was given.
fn mend(case: &MemoryCase<'_>) -> String {
    let Ok(held) = case.held() else {
        return "find out what the memory was before giving more: gomemlimit-would-have-saved and -would-not tell from a log with GODEBUG=gctrace=1".to_owned();
    };
    let live = Bytes(held.live);
    if case.growth() == Growth::Yes {
        return format!(
            "find what keeps the heap, which grew until the end and had {live} live: a larger limit and a GOMEMLIMIT put the next kill off"
        );
    }
    let is_set =
        !matches!(case.gomemlimit(), Ok(None)) || !matches!(case.limited_cycles(), Ok(None));
    if let (Help::Saves { set, .. }, Growth::No, false) = (held.help(), case.growth(), is_set) {
        return format!(
            "set GOMEMLIMIT={set}, which gomemlimit-would-have-saved explains: of {} only {live} were alive",
            Bytes(held.limit)
        );
    }
    if held.heap >> 20 >= NO_GOAL {
        return format!(
            "{live} were alive, and nothing bounds the heap (GOGC=off): set GOMEMLIMIT below the limit, with room for what is beside the heap"
        );
    }
    let most = held.most();
    let parts = format!(
        "{live} live may grow to {} before the next collection ends, and with {} beside the heap and {} that the kernel does not take back that is {}",
        Bytes(held.heap),
        Bytes(held.outside()),
        Bytes(held.fixed),
        Bytes(most)
    );
    match most > held.limit {
        true => format!(
            "by the log {parts}: give it that much, or find what is kept and what is beside the heap"
        ),
        false => format!(
            "by the log {parts}, which is less than the limit: what was allocated since its last collection is not in it; find what allocates so much at once, with a heap profile of that moment"
        ),
    }
}

/// Why it is the container's limit although another group's was counted.
const POD_OF_ONE: &str = "the limit was counted at the pod's cgroup, which has that of its only container: both are full at the same time, and the kernel names either";

fn limit(case: &MemoryCase<'_>) -> String {
    case.limit().map_or("its limit".to_owned(), |limit| format!("its limit of {}", Bytes(limit)))
}

fn by_log(case: &MemoryCase<'_>) -> Option<Finding> {
    let kill = case.kill()?;
    // A line without the report says that it was a limit, but not whose.
    let own = case.by_own_limit();
    let is_limit = kill.report.constraint == goformats::kernel::log::Constraint::Memcg;
    let of_pod = case.by_own_or_pod();
    if own == Some(false) && !of_pod || !is_limit {
        return None;
    }
    let victim = victim_of(kill.report);
    let message = match &kill.report.all_of {
        Some(_) => format!(
            "{victim} and the other processes of the container, {} in all, were killed at {}: memory.oom.group is set",
            kill.report.killed.len() as u64 + kill.report.more_killed,
            limit(case)
        ),
        None if of_pod => {
            format!("{victim} was killed: the container or its pod reached {}", limit(case))
        }
        None => format!("{victim} was killed: the container reached {}", limit(case)),
    };
    let mut finding = Finding::new(&RULE, message, &MemoryCase::at(&kill), "it was killed here");
    finding = match own {
        _ if of_pod => finding.note("the limit is that of the pod's cgroup, which a pod of one container has from it; with several it is the sum of theirs: kubectl get pod -o yaml, or memory.max of the container's cgroup, tells"),
        Some(_) if case.by_pod_of_one() => finding.note(POD_OF_ONE),
        Some(_) => finding
            .note("certain: the kernel names the limit's cgroup, which is the container's own"),
        None => finding
            .note("whose limit it was is not in this log; oom_memcg of the line before says it"),
    };
    if let Some(group) = case.killed_in() {
        let label = format!("oom_kill {}", group.kills().unwrap_or_default());
        finding = finding.also(&Origin::whole(group.source), label);
    }
    if let Some(reason) = case.end().and_then(|end| end.reason.as_ref()) {
        finding = finding.also(&reason.origin, "and Kubernetes was told");
    }
    Some(finding)
}

fn by_counter(case: &MemoryCase<'_>) -> Option<Finding> {
    if case.kill().is_some() {
        return None;
    }
    let group = case.killed_in().filter(|_| case.by_own_limit() == Some(true))?;
    let kills = group.kills()?;
    let finding = Finding::new(
        &RULE,
        format!(
            "{} killed in {}: it reached {}",
            processes_were(kills),
            group.level.name(),
            limit(case)
        ),
        &Origin::whole(group.source),
        format!("oom_kill {kills}"),
    );
    Some(finding.note(match group.level.memory.version {
        _ if case.by_pod_of_one() => POD_OF_ONE,
        Some(Version::V1) => "likely: version 1 counts how often the limit was run into (failcnt), also when memory could be taken back; the kernel's log says whose limit it was in the end",
        _ => "certain: the cgroup counts that nothing could be taken back at its own limit (oom) and that processes were killed (oom_kill); which ones only the kernel's log says",
    }))
}

fn by_status(case: &MemoryCase<'_>) -> Option<Finding> {
    if case.kill().is_some() || case.killed_in().is_some() {
        return None;
    }
    let (_, status) = case.status?;
    let end = status.ends.iter().find(|end| end.reason() == "OOMKilled")?;
    // Without a limit of its own it was another one, or the node.
    let limit = status.limit.as_ref()?;
    let finding = Finding::new(
        &RULE,
        format!(
            "{} ended with exit code {} as OOMKilled; its limit is {}",
            status.name, end.exit_code.value, limit.value
        ),
        &end.reason.as_ref()?.origin,
        "the container runtime saw a kill in its cgroup",
    );
    Some(
        finding
            .also(&limit.origin, "the limit")
            .note("likely: the same is said when the node runs out of memory, which the kernel's log tells apart"),
    )
}
