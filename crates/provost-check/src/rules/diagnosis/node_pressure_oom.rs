//! The node ran out of memory, not the container.

use goformats::kernel::log::Constraint;

use crate::case::memory::{MemoryCase, processes_were, victim_of, with_evidence};
use crate::facts::Origin;
use crate::findings::{Finding, Fix, Level};
use crate::model::Bytes;
use crate::model::eviction::{self, Cause, User};
use crate::rules::rule::{Check, Findings, Group, Judged, Rule, Variant};

/// No limit of the container's own changes it.
pub static RULE: Rule = Rule {
    id: "node-pressure-oom",
    group: Group::Diagnosis,
    level: Level::Deny,
    title: "a process that was killed because the node had no memory left",
    page: include_str!("node-pressure-oom.md"),
    variants: &[Variant::new(
        "evicted",
        Level::Deny,
        "a pod that was evicted because the node was low on memory",
    )],
    check: Check::Memory(check),
    ..Rule::BASE
};

fn check(case: &MemoryCase<'_>, out: &mut Findings) -> Judged {
    if let Some(kill) = case.kill() {
        let why = match kill.report.constraint {
            Constraint::Machine => "the node had no memory left",
            Constraint::Nodes => "the memory nodes that it may use had none left",
            Constraint::Memcg | Constraint::Unknown => return Ok(()),
        };
        let message = format!(
            "{} was killed because {why}, not because of its container's limit",
            victim_of(kill.report)
        );
        let mut finding =
            Finding::new(&RULE, message, &MemoryCase::at(&kill), "it was killed here")
                .note("certain: the kernel's log names no cgroup whose limit was reached");
        if let (Some(pages), Some(page)) = (kill.report.machine_pages, kill.report.page()) {
            finding = finding.note(format!("the node has {}", Bytes(pages.saturating_mul(page))));
        }
        out.push(with_evidence(with_score(finding, case), case).fix(mend(Mend::Killed)));
        return Ok(());
    }
    if let Some(finding) = evicted(case) {
        out.push(finding);
        return Ok(());
    }
    // Counted where the process was; nothing was counted where a limit is.
    let Some(group) = case.killed_in() else { return Ok(()) };
    let limits = [&group.level].into_iter().chain(&group.parents);
    let is_quiet = |level: &crate::facts::oom::Level| {
        let events = level.memory.local.or(level.memory.events);
        events.and_then(|events| events.oom) == Some(0)
    };
    // The root has no limit.
    let mut limits = limits.filter(|level| !level.path.is_empty());
    if group.is_known_to_the_top() && limits.all(is_quiet) {
        let message = format!(
            "{} killed in {}, and no limit of it or above it was reached: the node had no memory left",
            processes_were(group.kills().unwrap_or_default()),
            group.level.name()
        );
        let label = "oom_kill above 0, and oom 0 in every memory.events.local";
        let finding = Finding::new(&RULE, message, &Origin::whole(group.source), label);
        out.push(with_score(finding, case).fix(mend(Mend::Killed)));
    }
    Ok(())
}

/// Says how likely one that lives is the next.
fn with_score(finding: Finding, case: &MemoryCase<'_>) -> Finding {
    let Some(process) = case.process.map(|it| &it.process) else { return finding };
    let Some(score) = process.score else { return finding };
    let name = process.name.as_deref().unwrap_or("the process that lives");
    let adj = process.adj.map_or(String::new(), |adj| format!(", with an oom_score_adj of {adj}"));
    finding.note(format!(
        "{name} has an oom_score of {score}{adj}: of all processes of the node the one with the highest is killed first"
    ))
}

fn evicted(case: &MemoryCase<'_>) -> Option<Finding> {
    let eviction = case.eviction?;
    let (cause, (_, name)) = (eviction::cause(eviction.message), eviction.of);
    if !cause.is_memory() {
        return None;
    }
    let refused = matches!(cause, Cause::Condition(_));
    let message = match refused {
        true => format!("{name} was not let onto its node: that was low on memory"),
        false => format!("{name} was evicted: the node was low on memory"),
    };
    let mut finding = Finding::new(&RULE, message, eviction.place, "the kubelet ended it")
        .variant(&RULE.variants[0])
        .note(eviction.message.trim_end().to_owned());
    let users = eviction::users(eviction.message);
    for user in &users {
        finding = finding.note(format!(
            "{} used {}, {} more than the {} that it had asked for",
            user.name,
            user.used,
            user.more(),
            user.request
        ));
    }
    let class = eviction.qos.map_or(String::new(), |qos| format!("its class is {qos}; "));
    let order = match refused {
        // `Admit`, eviction_manager.go.
        true => "a node in that condition takes no pods of class BestEffort",
        false => {
            "pods that use more than they asked for go first, by priority and by how much more"
        }
    };
    Some(finding.note(format!("{class}{order}")).fix(mend(Mend::Evicted(&users))))
}

/// What there is to mend.
enum Mend<'m> {
    /// A pod was evicted, and these used more than they had asked for.
    Evicted(&'m [User<'m>]),
    /// The kernel killed.
    Killed,
}

/// The kubelet evicts by usage above the request (eviction/helpers.go, `rankMemoryPressure`); the kernel kills by
/// `oom_score_adj`, which the kubelet sets from the class of the pod (qos/policy.go, `GetContainerOOMScoreAdjust`).
fn mend(of: Mend<'_>) -> Fix {
    let (much, last) = match of {
        Mend::Evicted(users) => {
            let used = users.iter().map(|user| format!("{} {} or more", user.name, user.used));
            let used: Vec<String> = used.collect();
            let much =
                if used.is_empty() { String::new() } else { format!(": {}", used.join(", ")) };
            (much, "a pod that uses no more than it asked for is among the last to be evicted")
        }
        Mend::Killed => (
            String::new(),
            "the kernel spares pods of class Guaranteed (requests equal to limits, of CPU and memory, in every container: oom_score_adj -997), and of others those last that ask for most (1000 - 1000 x request / memory of the node)",
        ),
    };
    Fix::suggest(format!(
        "ask for what the pods really use (requests.memory{much}), so that fewer are put on one node; {last}"
    ))
}
