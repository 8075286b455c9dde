//! A process that ends without a word.

use crate::case::process::ProcessCase;
use crate::facts::proof::PhaseName;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Whether it drained or was killed cannot be told from its log.
pub static RULE: Rule = Rule {
    id: "no-final-log-line",
    group: Group::Logs,
    level: Level::Note,
    title: "a process that does not log that it ended",
    page: include_str!("no-final-log-line.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    after: &["no-termination-handler-seen"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, told) = case.ended(PhaseName::Start)?;
    // Nobody has a last word whom the kernel kills.
    let alive = phase.killed_at_limit().is_none();
    let Some(exit) = phase.exit.as_ref().filter(|exit| !exit.killed && alive) else {
        return Err(Abstain::NotApplicable);
    };
    if phase.output.more > 0 || phase.output.lines.iter().any(|line| line.at_us >= told) {
        return Ok(());
    }
    out.push(
        Finding::new(
            &RULE,
            "the process logs nothing from SIGTERM to its end",
            &case.moment(phase, exit.at_us),
            format!("ended with exit code {}", exit.shown()),
        )
        .also(&case.moment(phase, told), "SIGTERM")
        .note(case.repeat(phase))
        .fix(Fix::suggest("log \"shutdown complete\" as the last thing that main does")),
    );
    Ok(())
}
