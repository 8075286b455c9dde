//! Processes that have ended and that nobody waits for.

use crate::case::process::ProcessCase;
use crate::facts::proof::PhaseName;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Each keeps an entry of the node's table of processes, and of the pod's limit.
pub static RULE: Rule = Rule {
    id: "leaves-zombies-as-pid-one",
    group: Group::Start,
    level: Level::Warn,
    title: "processes that have ended and that nobody waits for",
    page: include_str!("leaves-zombies-as-pid-one.md"),
    needs: &[Need::Process],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let shared = case.container().is_some_and(|case| case.pod().share_process_namespace.value);
    if shared {
        // Then the pause process is the first, and waits for orphans.
        return Err(Abstain::NotApplicable);
    }
    let Some(zombies) = &phase.children.zombies else {
        let what = "which of the processes that it started had ended";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    };
    let Some(first) = zombies.first() else { return Ok(()) };
    let count = zombies.len();
    let processes = if count == 1 { "process" } else { "processes" };
    out.push(
        Finding::new(
            &RULE,
            format!("{count} {processes} that it started ended and were not waited for, such as {first}"),
            &case.run(phase),
            "zombies were seen for a second and longer",
        )
        .note("the program is the first process of its container (PID 1): nobody else waits for them")
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "call Wait for every Cmd that is started; where orphans of others come to it, set shareProcessNamespace or start it by an init such as tini",
        )),
    );
    Ok(())
}
