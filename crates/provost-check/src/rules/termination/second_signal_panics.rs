//! A second SIGTERM that the program falls over.

use crate::case::process::ProcessCase;
use crate::facts::proof::PhaseName;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The drain ends in a panic.
pub static RULE: Rule = Rule {
    id: "second-signal-panics",
    group: Group::Termination,
    level: Level::Deny,
    title: "the process panics on a second SIGTERM",
    page: include_str!("second-signal-panics.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::SecondSignal],
    after: &["no-termination-handler-seen"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, _) = case.ended_up(PhaseName::SecondSignal)?;
    let Some(again) = phase.told_again_us() else { return Err(Abstain::NotApplicable) };
    let panics = phase.output.lines.iter().find(|line| {
        let begins = ["panic: ", "fatal error: "].iter().any(|word| line.text.starts_with(word));
        line.at_us >= again && line.stderr && begins
    });
    let Some(line) = panics else { return Ok(()) };
    out.push(
        Finding::new(
            &RULE,
            format!("a second SIGTERM makes the process fall over: {}", line.shown()),
            &case.moment(phase, line.at_us),
            line.stream(),
        )
        .also(&case.moment(phase, again), "SIGTERM again")
        .note(case.repeat(phase))
        .fix(Fix::suggest("close a channel once: sync.Once, or signal.NotifyContext instead")),
    );
    Ok(())
}
