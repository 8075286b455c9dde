//! A probe that is answered too late.

use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::{Outcome, Phase, PhaseName, ProbeKind, Request};
use crate::findings::{Abstain, Finding, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// To the kubelet late is never.
pub static RULE: Rule = Rule {
    id: "probe-slower-than-its-timeout",
    group: Group::Serving,
    level: Level::Deny,
    title: "a probe that is not answered within its timeout",
    page: include_str!("probe-slower-than-its-timeout.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start, PhaseName::Load],
    check: Check::Process(check),
    ..Rule::BASE
};

/// What the harness may have added to an answer under load; beyond it the machine was too busy to tell.
const LATE_US: u64 = 50_000;

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    if case.terms().probes.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let quiet = case.phase(PhaseName::Start);
    if let Ok(phase) = quiet {
        late(case, phase, "", out);
    }
    // What is slow without load is not told twice.
    if out.found.is_empty()
        && let Ok(phase) = case.phase(PhaseName::Load)
        && let Some(load) = &phase.load
    {
        if phase.lateness_us > LATE_US {
            let what = "probes under load: the machine was too busy for it";
            out.abstain(Abstain::unknown(Reason::NotMeasured, what));
        } else {
            late(case, phase, &format!(" at {} requests a second", load.rate), out);
        }
    }
    // Proofs that were made before load was measured say what they say.
    quiet.map(drop)
}

/// Probes that were not answered in time, one finding for each kind.
fn late(case: &ProcessCase<'_>, phase: &Phase, when: &str, out: &mut Findings) {
    for probe in &case.terms().probes {
        // While it starts nobody expects it to be ready: that it does not answer yet says the same.
        let starts = |request: &&Request| {
            let ready = phase.ready_us.filter(|_| probe.kind == ProbeKind::Readiness);
            ready.is_some_and(|ready| request.end_us < ready)
        };
        let asked: Vec<&Request> =
            phase.of(probe.kind.purpose()).filter(|request| !starts(request)).collect();
        let late = |request: &&&Request| request.outcome == Outcome::TimedOut;
        let Some(first) = asked.iter().find(late) else { continue };
        let (kind, allowed) = (probe.kind.name(), duration(probe.timeout_ms * 1000));
        let mut finding = Finding::new(
            &RULE,
            format!(
                "the {kind} probe of {} was not answered within its timeout of {allowed}{when}, {} of {} times",
                probe.asks(),
                asked.iter().filter(late).count(),
                asked.len()
            ),
            &case.moment(phase, first.at_us),
            "not answered in time",
        );
        finding = case.show_probe(probe.kind, finding);
        out.push(finding.note(case.repeat(phase)));
    }
}
