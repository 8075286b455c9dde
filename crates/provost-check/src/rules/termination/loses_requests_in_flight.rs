//! Requests that were being answered when SIGTERM came.

use crate::case::process::{ProcessCase, duration, tally};
use crate::facts::proof::{Outcome, PhaseName, Purpose, Request};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What was accepted is to be answered.
pub static RULE: Rule = Rule {
    id: "loses-requests-in-flight",
    group: Group::Termination,
    level: Level::Deny,
    title: "requests in flight are lost when the process ends",
    page: include_str!("loses-requests-in-flight.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Drain],
    after: &["no-termination-handler-seen"],
    check: Check::Process(check),
    ..Rule::BASE
};

/// Whether a request met the closing of its idle connection on the way. The server never saw it, and
/// clients repeat it by themselves (golang.org/issue/23829).
fn collided(request: &Request) -> bool {
    let unseen =
        matches!(request.outcome, Outcome::Closed { bytes: 0 } | Outcome::Reset { bytes: 0 });
    request.purpose == Purpose::Busy && unseen
}

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, told) = case.ended(PhaseName::Drain)?;
    let in_flight: Vec<&Request> = phase
        .requests
        .iter()
        .filter(|request| request.at_us < told && request.end_us > told)
        .filter(|request| {
            matches!(request.purpose, Purpose::Slow | Purpose::NewConnection | Purpose::Busy)
        })
        .filter(|request| !collided(request))
        .collect();
    let lost: Vec<&Request> =
        in_flight.iter().filter(|request| request.outcome.is_lost()).copied().collect();
    let Some(first) = lost.first() else { return Ok(()) };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{} of {} requests that were in flight at SIGTERM were lost",
            lost.len(),
            in_flight.len()
        ),
        &case.moment(phase, first.end_us),
        format!("{}, {} after SIGTERM", first.outcome.words(), duration(first.end_us - told)),
    )
    .also(&case.moment(phase, told), "SIGTERM");
    if let Some(exit) = &phase.exit {
        finding = finding.also(&case.moment(phase, exit.at_us), "the process ended");
    }
    out.push(finding.note(tally(lost)).note(case.repeat(phase)).fix(Fix::suggest(
        "wait for Server.Shutdown to return before main does: ListenAndServe returns at once when Shutdown is called",
    )));
    Ok(())
}
