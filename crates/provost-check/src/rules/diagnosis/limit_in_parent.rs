//! A cgroup above the container's has less.

use crate::case::memory::{MemoryCase, victim_of, with_evidence};
use crate::facts::Origin;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::Bytes;
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// A container has as much as the tightest limit above it leaves.
pub static RULE: Rule = Rule {
    id: "limit-in-parent",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "a cgroup above the container's with a tighter memory limit",
    page: include_str!("limit-in-parent.md"),
    check: Check::Memory(check),
    ..Rule::BASE
};

fn check(case: &MemoryCase<'_>, out: &mut Findings) -> Judged {
    if let Some((kill, above)) = case.limit_above() {
        // That is what container-limit-oom tells of.
        if case.by_own_or_pod() {
            return Err(Abstain::NotApplicable);
        }
        let limit = kill.report.memory.and_then(|memory| memory.limit.bytes());
        let limit = limit.map_or(String::new(), |limit| format!(" ({})", Bytes(limit)));
        let message = format!(
            "{} was killed at the limit of {above}{limit}, above its container's own cgroup",
            victim_of(kill.report)
        );
        let finding = Finding::new(&RULE, message, &MemoryCase::at(&kill), "it was killed here")
            .level(Level::Deny)
            .note("certain: the kernel names the cgroup of the limit (oom_memcg) and that of the process (task_memcg)");
        out.push(with_evidence(finding, case).fix(mend()));
        return Ok(());
    }
    let Some(group) = case.group else { return Ok(()) };
    let Some((above, limit)) = group.tightest_parent() else { return Ok(()) };
    // Without one of its own it is known to have what is above it: each has at least that of all pods.
    let Some(own) = group.limit() else { return Ok(()) };
    if own <= limit {
        return Ok(());
    }
    let message = format!(
        "{} has a limit of {}, and {} above it has {}: that is where it is killed",
        group.level.name(),
        Bytes(own),
        above.name(),
        Bytes(limit)
    );
    let label = format!("{}: {}", above.name(), Bytes(limit));
    out.push(Finding::new(&RULE, message, &Origin::whole(group.source), label).fix(mend()));
    Ok(())
}

fn mend() -> Fix {
    Fix::suggest(
        "set GOMEMLIMIT and what is sized by the limit from the tightest one, or raise that: of a pod, with resources of the pod itself or more for its other containers",
    )
}
