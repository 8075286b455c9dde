//! A probe that is answered too late.

use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::{Outcome, PhaseName, Request};
use crate::findings::{Abstain, Finding, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// To the kubelet late is never.
pub static RULE: Rule = Rule {
    id: "probe-slower-than-its-timeout",
    group: Group::Serving,
    level: Level::Deny,
    title: "a probe that is not answered within its timeout",
    page: include_str!("probe-slower-than-its-timeout.md"),
    needs: &[Need::Process],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    if case.terms().probes.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    for probe in &case.terms().probes {
        let asked: Vec<&Request> = phase.of(probe.kind.purpose()).collect();
        let late = |request: &&&Request| request.outcome == Outcome::TimedOut;
        let Some(first) = asked.iter().find(late) else { continue };
        let (kind, allowed) = (probe.kind.name(), duration(probe.timeout_ms * 1000));
        let mut finding = Finding::new(
            &RULE,
            format!(
                "the {kind} probe of {} was not answered within its timeout of {allowed}, {} of {} times",
                probe.path,
                asked.iter().filter(late).count(),
                asked.len()
            ),
            &case.moment(phase, first.at_us),
            "not answered in time",
        );
        finding = case.show_probe(probe.kind, finding);
        out.push(finding.note(case.repeat(phase)));
    }
    Ok(())
}
