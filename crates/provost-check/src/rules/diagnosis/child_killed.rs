//! A process of a container was killed, and the container lives on.

use crate::case::memory::{MemoryCase, victim_of, with_evidence};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// Nothing restarts it, and Kubernetes shows a container that runs.
pub static RULE: Rule = Rule {
    id: "child-killed",
    group: Group::Diagnosis,
    level: Level::Deny,
    title: "a child process that was killed for memory while its container runs on",
    page: include_str!("child-killed.md"),
    check: Check::Memory(check),
    ..Rule::BASE
};

fn check(case: &MemoryCase<'_>, out: &mut Findings) -> Judged {
    let Some((place, label)) = case.outlived() else { return Ok(()) };
    let kill = case.kill();
    let who = kill.map_or("a process".to_owned(), |kill| victim_of(kill.report));
    let message = format!("{who} was killed for memory, and its container runs on without it");
    let finding = match kill {
        Some(kill) => Finding::new(&RULE, message, &MemoryCase::at(&kill), "it was killed here")
            .also(&place, label),
        None => Finding::new(&RULE, message, &place, label),
    };
    let finding = match case.group.and_then(|group| group.level.memory.oom_group) {
        Some(false) => {
            finding.note("memory.oom.group is 0: one process is killed and the others are left")
        }
        _ => finding,
    };
    out.push(with_evidence(finding, case).fix(Fix::suggest(
        "wait for the child and end when it is killed, or let the kernel kill all of the container (memory.oom.group, which the kubelet sets from 1.28 on with cgroup v2 unless singleProcessOOMKill is true)",
    )));
    Ok(())
}
