//! A process that says it is ready, and then fails the first requests.

use crate::case::outages::failed;
use crate::case::process::{Fails, ProcessCase, duration, tally};
use crate::facts::proof::{Outcome, PhaseName, ProbeKind, Purpose, Request};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Each rollout loses what is sent to a new pod in its first moments.
pub static RULE: Rule = Rule {
    id: "ready-before-useful",
    group: Group::Start,
    level: Level::Deny,
    title: "readiness is answered well before requests are",
    page: include_str!("ready-before-useful.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let Some(probe) = case.terms().probe(ProbeKind::Readiness) else {
        return Err(Abstain::NotApplicable);
    };
    let unknown = |what: &'static str| Err(Abstain::unknown(Reason::NotMeasured, what));
    case.speaks_http(phase, "the first request")?;
    let Some(ready) = phase.ready_us else { return unknown("a process that became ready") };
    let asked: Vec<&Request> = phase.of(Purpose::First).collect();
    let Some(last) = asked.last() else {
        return unknown("what the process is there for; --path names it");
    };
    // One that takes longer than it was waited for is slow, and was not seen to fail.
    let waited = |request: &&Request| request.outcome != Outcome::TimedOut;
    let early = asked.iter().take_while(|request| failed(request)).copied();
    let early: Vec<&Request> = early.filter(waited).collect();
    let Some(first) = early.first() else {
        if asked.first().is_some_and(|request| !waited(request)) {
            return unknown(
                "the end of the first requests: they take longer than they are waited for",
            );
        }
        return Ok(());
    };
    if failed(last) {
        // It never was useful: that has other reasons.
        return unknown("a request that is answered well");
    }
    case.was_given_what_it_needs(Fails::AtFirst)?;
    let useful = duration(last.end_us.saturating_sub(ready));
    let mut finding = Finding::new(
        &RULE,
        format!(
            "requests of {} fail for {useful} after readiness was first answered well",
            last.path
        ),
        &case.moment(phase, first.at_us),
        first.outcome.words(),
    )
    .also(&case.moment(phase, ready), format!("{} was answered well", probe.path))
    .also(&case.moment(phase, last.at_us), last.outcome.words());
    finding = case.show_probe(ProbeKind::Readiness, finding);
    out.push(
        finding.note(format!("the first requests: {}", tally(early))).note(case.repeat(phase)).fix(
            Fix::suggest(
                "answer readiness with success only when what requests need is there: connections, caches, migrations",
            ),
        ),
    );
    Ok(())
}
