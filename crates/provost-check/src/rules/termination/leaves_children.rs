//! Processes that run on when the one that started them ends.

use crate::case::process::ProcessCase;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// In a container they are killed in the middle of what they do.
pub static RULE: Rule = Rule {
    id: "leaves-children",
    group: Group::Termination,
    level: Level::Warn,
    title: "processes that run on when the process that started them ends",
    page: include_str!("leaves-children.md"),
    needs: &[Need::Process],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, told) = case.ended_idle()?;
    let Some(exit) = phase.exit.as_ref().filter(|exit| !exit.killed) else { return Ok(()) };
    let Some(left) = &phase.children.left else {
        let what = "what it had started and what of that ran when it ended (nobody could look at that moment)";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    };
    let Some(first) = left.first() else { return Ok(()) };
    let count = left.len();
    let processes = if count == 1 { "process" } else { "processes" };
    out.push(
        Finding::new(
            &RULE,
            format!("the process ended while {count} {processes} that it started ran, such as {first}"),
            &case.moment(phase, exit.at_us),
            "ended",
        )
        .also(&case.moment(phase, told), "SIGTERM")
        .note("it is the first process of its container (PID 1): the kernel kills the others when it ends, and SIGTERM did not reach them")
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "hand SIGTERM on and wait: exec.CommandContext with Cmd.Cancel sending SIGTERM and Cmd.WaitDelay, then Wait before main returns",
        )),
    );
    Ok(())
}
