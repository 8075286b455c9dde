//! A probe that is answered too late.

use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::{Load, Outcome, Phase, PhaseName, ProbeKind, Request};
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
    phases: &[PhaseName::Start, PhaseName::Load, PhaseName::Throttled],
    check: Check::Process(check),
    ..Rule::BASE
};

/// What the harness may have added to an answer under load; beyond it the machine may have been too busy to tell.
const LATE_US: u64 = 50_000;

/// Whether all that was asked beside a probe was answered, and sooner than any probe may take: on the busiest machine
/// a probe that was not is then late by what it does itself.
fn others_were_in_time(case: &ProcessCase<'_>, load: &Load) -> bool {
    let least = case.terms().probes.iter().map(|probe| probe.timeout_ms * 1000).min();
    let all = load.answered > 0 && load.lost == 0 && load.max_us > 0;
    all && least.is_some_and(|least| load.max_us < least)
}

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    if case.terms().probes.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let quiet = case.phase(PhaseName::Start);
    if let Ok(phase) = quiet {
        late(case, phase, "", |late, _| late > 0, out);
    }
    // What is slow without load is not told twice.
    if out.found.is_empty()
        && let Ok(phase) = case.phase(PhaseName::Load)
        && let Some(load) = &phase.load
    {
        if phase.lateness_us > LATE_US && !others_were_in_time(case, load) {
            let what = "probes under load: the machine was too busy for it";
            out.abstain(Abstain::unknown(Reason::NotMeasured, what));
        } else {
            let when = format!(" at {} requests a second", load.rate);
            late(case, phase, &when, |late, _| late > 0, out);
        }
    }
    if out.found.is_empty()
        && let Ok(phase) = case.phase(PhaseName::Throttled)
    {
        throttled(case, phase, out);
    }
    // Proofs that were made before load was measured say what they say.
    quiet.map(drop)
}

/// While its CPU limit is used up. One late answer is then one of many; a kubelet acts on several in a row.
fn throttled(case: &ProcessCase<'_>, phase: &Phase, out: &mut Findings) {
    if case.terms().cpu_limit_m.is_none() {
        return;
    }
    let mut unknown = |why: String| {
        let what = format!("probes while the CPU limit is used up: {why}");
        out.abstain(Abstain::unknown(Reason::NotMeasured, what));
    };
    let Some(used) = phase.used.as_ref().filter(|used| used.cpu_limit_m.is_some()) else {
        return unknown("it could not be set".to_owned());
    };
    if phase.ready_us.is_none() {
        return unknown("the process was not ready".to_owned());
    }
    if !used.is_throttled() {
        return unknown(format!(
            "it was in {} of {} periods: clients on this machine do not make it more busy",
            used.throttled, used.periods
        ));
    }
    let when = format!(
        " while its CPU limit was used up in {} of {} periods",
        used.throttled, used.periods
    );
    late(case, phase, &when, |late, all| late * 2 >= all, out);
}

/// Probes that were not answered in time, one finding for each kind.
fn late(
    case: &ProcessCase<'_>,
    phase: &Phase,
    when: &str,
    enough: fn(usize, usize) -> bool,
    out: &mut Findings,
) {
    for probe in &case.terms().probes {
        // While it starts nobody expects it to be ready: that it does not answer yet says the same.
        let starts = |request: &&Request| {
            let ready = phase.ready_us.filter(|_| probe.kind == ProbeKind::Readiness);
            ready.is_some_and(|ready| request.end_us < ready)
        };
        let asked: Vec<&Request> =
            phase.of(probe.kind.purpose()).filter(|request| !starts(request)).collect();
        let late = |request: &&&Request| request.outcome == Outcome::TimedOut;
        let count = asked.iter().filter(late).count();
        let Some(first) = asked.iter().find(late).filter(|_| enough(count, asked.len())) else {
            continue;
        };
        let (kind, allowed) = (probe.kind.name(), duration(probe.timeout_ms * 1000));
        let mut finding = Finding::new(
            &RULE,
            format!(
                "the {kind} probe of {} was not answered within its timeout of {allowed}{when}, {count} of {} times",
                probe.asks(),
                asked.len()
            ),
            &case.moment(phase, first.at_us),
            "not answered in time",
        );
        finding = case.show_probe(probe.kind, finding);
        out.push(finding.note(case.repeat(phase)));
    }
}
