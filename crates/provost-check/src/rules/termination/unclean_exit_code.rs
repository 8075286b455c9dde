//! A drain that is called a failure.

use crate::case::process::ProcessCase;
use crate::facts::proof::PhaseName;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A Job counts it, and alerts on exit codes fire on every rollout.
pub static RULE: Rule = Rule {
    id: "unclean-exit-code",
    group: Group::Termination,
    level: Level::Warn,
    title: "a drained process that ends with an exit code other than 0",
    page: include_str!("unclean-exit-code.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    after: &["no-termination-handler-seen"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, told) = case.ended_idle()?;
    let Some(exit) = phase.exit.as_ref().filter(|exit| !exit.killed) else { return Ok(()) };
    if exit.code == Some(0) {
        return Ok(());
    }
    let mut finding = Finding::new(
        &RULE,
        format!("the process ended with exit code {} after SIGTERM, idle as it was", exit.shown()),
        &case.moment(phase, exit.at_us),
        format!("exit code {}", exit.shown()),
    )
    .also(&case.moment(phase, told), "SIGTERM");
    if let Some(killed) = phase.killed_at_limit() {
        finding = finding.note(killed);
    } else if let Some(line) = phase.output.last_since(told) {
        finding = finding.note(format!("it printed last: {}", line.shown()));
    }
    out.push(finding.note(case.repeat(phase)).fix(Fix::suggest(
        "end with 0 when everything was drained: http.ErrServerClosed and context.Canceled are no failures",
    )));
    Ok(())
}
