//! A probe that asks for what the process does not have.

use crate::case::process::{ProcessCase, tally};
use crate::facts::proof::{Outcome, PhaseName, Request};
use crate::findings::{Abstain, Finding, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The pod never becomes ready, or is restarted for ever.
pub static RULE: Rule = Rule {
    id: "probe-endpoint-missing",
    group: Group::Serving,
    level: Level::Deny,
    title: "a probe that the running process fails",
    page: include_str!("probe-endpoint-missing.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    after: &["never-listens", "listens-on-loopback-only"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    // One that has ended answers nothing, which is another rule's.
    if case.terms().probes.is_empty() || phase.ended_by_itself() {
        return Err(Abstain::NotApplicable);
    }
    case.speaks_http(phase, "probes")?;
    for probe in &case.terms().probes {
        // While it starts it may fail: the last answers are those of a process that has had its time.
        let asked: Vec<&Request> = phase.of(probe.kind.purpose()).collect();
        let last: Vec<&Request> = asked.iter().rev().take(3).rev().copied().collect();
        let wrong = |request: &&Request| match &request.outcome {
            // It says itself that it is not ready, or not yet.
            Outcome::Answered { status: 429 | 500.., .. } => false,
            Outcome::Answered { status, .. } => !(200..400).contains(status),
            Outcome::Refused | Outcome::Garbled => true,
            _ => false,
        };
        // Logins are another rule's.
        let login = |request: &&Request| {
            matches!(request.outcome, Outcome::Answered { status: 401 | 403, .. })
        };
        if last.is_empty() || !last.iter().all(wrong) || last.iter().all(login) {
            continue;
        }
        let kind = probe.kind.name();
        let at = last.first().map_or(0, |request| request.at_us);
        let mut finding = Finding::new(
            &RULE,
            format!("the {kind} probe asks for {} on port {}, and fails", probe.path, probe.port),
            &case.moment(phase, at),
            tally(last.iter().copied()),
        );
        finding = case.show_probe(probe.kind, finding);
        let open: Vec<String> = phase
            .listeners
            .iter()
            .map(|listener| format!("{}:{}", listener.address, listener.port))
            .collect();
        out.push(
            finding.note(format!("it listens on {}", open.join(", "))).note(case.repeat(phase)),
        );
    }
    Ok(())
}
