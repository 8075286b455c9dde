//! A liveness probe that fails while the process still serves.

use crate::case::process::{ProcessCase, duration, tally};
use crate::facts::proof::{Outcome, PhaseName, ProbeKind, Purpose, Request};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Kubelets before 1.22 probe on while a pod ends, and kill what they take for dead.
pub static RULE: Rule = Rule {
    id: "liveness-fails-in-drain",
    group: Group::Termination,
    level: Level::Warn,
    title: "the liveness probe fails while the process drains",
    page: include_str!("liveness-fails-in-drain.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Drain],
    after: &["no-termination-handler-seen", "probe-endpoint-missing"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    if case.terms().probe(ProbeKind::Liveness).is_none() {
        return Err(Abstain::NotApplicable);
    }
    let (phase, told) = case.ended(PhaseName::Drain)?;
    let failed: Vec<&Request> = phase
        .of(Purpose::Liveness)
        .filter(|request| request.at_us > told)
        // Where nobody listens any more the process has ended, or is about to.
        .filter(|request| matches!(request.outcome, Outcome::Answered { .. }))
        .filter(|request| !request.outcome.passes())
        .collect();
    let Some(first) = failed.first() else { return Ok(()) };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the liveness probe fails {} after SIGTERM, while the process drains",
                duration(first.at_us - told)
            ),
            &case.moment(phase, first.at_us),
            first.outcome.words(),
        )
        .also(&case.moment(phase, told), "SIGTERM")
        .note(tally(failed.iter().copied()))
        .note(case.repeat(phase))
        .fix(Fix::suggest("let only the readiness endpoint say that the process ends")),
    );
    Ok(())
}
