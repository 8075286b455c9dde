//! A pool of connections that is closed while requests still need it.

use std::collections::BTreeMap;

use crate::case::outages::failed;
use crate::case::process::{ProcessCase, duration, tally};
use crate::facts::proof::{Outcome, Phase, PhaseName, Purpose, Request};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Requests that were accepted are answered with errors.
pub static RULE: Rule = Rule {
    id: "closes-dependency-before-last-response",
    group: Group::Termination,
    level: Level::Deny,
    title: "connections to a dependency are closed before the last response",
    page: include_str!("closes-dependency-before-last-response.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start, PhaseName::Drain],
    check: Check::Process(check),
    ..Rule::BASE
};

/// What is lost as shortly before the end of the process ended with it.
const WITH_THE_END_US: u64 = 50_000;

fn is_load(request: &Request) -> bool {
    matches!(
        request.purpose,
        Purpose::NewConnection | Purpose::Busy | Purpose::Idle | Purpose::Slow
    )
}

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    if case.terms().dependencies.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let (phase, told) = case.ended(PhaseName::Drain)?;
    case.with_dependencies(PhaseName::Drain)?;
    let ends = phase.exit.as_ref().map_or(u64::MAX, |exit| exit.at_us);
    let works = working(case, phase, told);
    let (mut found, mut not_ready) = (false, None);
    for seen in &phase.dependencies {
        let Some(left) = seen.left_us(told).filter(|left| *left < ends) else { continue };
        let mut lost: Vec<&Request> = Vec::new();
        let after = phase.requests.iter().filter(|it| is_load(it) && it.end_us > left);
        for request in after {
            let refused = match request.outcome {
                Outcome::Answered { status: 500.., .. } => true,
                // Those that were in flight when it was closed, and did not go with the process.
                Outcome::Reset { .. } | Outcome::Closed { .. } => {
                    request.at_us < left
                        && request.end_us + WITH_THE_END_US < ends
                        && request.purpose != Purpose::Idle
                }
                _ => false,
            };
            if !refused || !works.get(request.path.as_str()).is_some_and(|works| *works) {
                continue;
            }
            // There an error is how the process says that it is not ready, as it should while it drains.
            if case.terms().is_probed(phase, &request.path) {
                not_ready = Some(request);
            } else {
                lost.push(request);
            }
        }
        let Some(first) = lost.first() else { continue };
        let asked = case.terms().dependencies.iter().find(|it| it.port == seen.port);
        let name = asked.map_or_else(|| format!("port {}", seen.port), |it| it.shown());
        let count = lost.len();
        let requests = if count == 1 { "request" } else { "requests" };
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "the process closed its last connection to {name} {} after SIGTERM, and {count} {requests} failed after that",
                    duration(left.saturating_sub(told))
                ),
                &case.moment(phase, left),
                format!("the last connection to {name} is closed"),
            )
            .also(&case.moment(phase, told), "SIGTERM")
            .also(&case.moment(phase, first.end_us), first.outcome.words())
            .note(tally(lost))
            .note(case.repeat(phase))
            .fix(Fix::suggest(
                "close pools after Server.Shutdown has returned, in the opposite order of their start",
            )),
        );
        found = true;
    }
    match not_ready.filter(|_| !found) {
        None => Ok(()),
        Some(request) => {
            let what = format!(
                "what needs a dependency after SIGTERM: {} is a probe's path; --path names what the process is there for",
                request.path
            );
            Err(Abstain::unknown(Reason::NotMeasured, what))
        }
    }
}

/// Whether requests of a path were all answered well, of each that was asked for before the process was
/// told to end. What failed then, or fails without being told to end, says nothing.
fn working<'w>(case: &ProcessCase<'w>, phase: &'w Phase, told: u64) -> BTreeMap<&'w str, bool> {
    let start = case.phase(PhaseName::Start).ok();
    let asked = start.into_iter().flat_map(|start| &start.requests);
    let asked = asked.filter(|it| matches!(it.purpose, Purpose::First | Purpose::Plain));
    let loaded = phase.requests.iter().filter(|it| is_load(it) && it.end_us < told);
    let mut works = BTreeMap::new();
    for request in asked.chain(loaded) {
        *works.entry(request.path.as_str()).or_insert(true) &= !failed(request);
    }
    works
}
