//! A readiness that says nothing of the drain, to somebody who asks it by himself.

use std::collections::BTreeSet;

use crate::case::balancers::{Balancer, HealthPath};
use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::{Outcome, PhaseName, ProbeKind, Request};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Load balancers outside of the cluster send what they have to what they take for healthy.
pub static RULE: Rule = Rule {
    id: "readiness-stays-up-in-drain",
    group: Group::Termination,
    level: Level::Warn,
    title: "a load balancer is told that a process is ready while it drains",
    page: include_str!("readiness-stays-up-in-drain.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Drain],
    after: &["no-termination-handler-seen", "refuses-during-endpoint-removal"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let Some(container) = case.container() else { return Err(Abstain::NotApplicable) };
    let balancers = container.balancers();
    // Where nobody else asks, a pod that ends is out of the endpoints whatever its readiness says.
    if balancers.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let (phase, told) = case.ended(PhaseName::Drain)?;
    if case.window_us() == 0 {
        // Whoever is told by the API was told before the process heard of it.
        return Ok(());
    }
    // A process that goes on serving until endpoints are gone does what `refuses-during-endpoint-removal` asks for, and
    // readiness that passes while it does turns nobody away too soon.
    let served = case.removal().is_ok_and(|removal| removal.is_answered());
    let from = if served { told.saturating_add(case.window_us()) } else { told };
    let end = phase.exit.as_ref().map_or(told, |exit| exit.at_us);
    let mut seen = BTreeSet::new();
    for balancer in &balancers {
        let interval = balancer.interval.saturating_mul(1_000_000);
        // Of what is over sooner nobody may have asked.
        if end.saturating_sub(from) < interval {
            continue;
        }
        let (path, kind) = match asked(case, balancer) {
            Ok(Some(asked)) => asked,
            Ok(None) => continue,
            Err(abstain) => {
                out.abstain(abstain);
                continue;
            }
        };
        if !seen.insert((balancer.name, path.clone())) {
            continue;
        }
        let answered: Vec<&Request> = phase
            .of(kind.purpose())
            .filter(|request| request.at_us > told)
            .filter(|request| matches!(request.outcome, Outcome::Answered { .. }))
            .collect();
        let fails = answered.iter().find(|request| !request.outcome.passes());
        let until = fails
            .map_or_else(|| answered.last().map(|last| last.end_us), |first| Some(first.at_us));
        let Some(until) = until else { continue };
        if until.saturating_sub(from) < interval {
            continue;
        }
        if phase.is_starved() {
            let what = format!("what {path} says in the drain: the machine was too busy for it");
            out.abstain(Abstain::unknown(Reason::NotMeasured, what));
            continue;
        }
        let label = if fails.is_some() { "then it fails" } else { "the last that was answered" };
        let found = Finding::new(
            &RULE,
            format!(
                "{path} passes for {} after SIGTERM, and {} asks it every {} s",
                duration(until.saturating_sub(told)),
                balancer.name,
                balancer.interval
            ),
            &case.moment(phase, until),
            label,
        )
        .also(&case.moment(phase, told), "SIGTERM")
        .also(&balancer.origin, "asks by itself");
        let fix = match kind {
            // That a process drains is no reason to start it anew.
            ProbeKind::Liveness => {
                "have the load balancer ask the path of readiness, and answer 503 there from SIGTERM on"
            }
            _ => {
                "answer 503 there from SIGTERM on, and go on serving until the load balancer has seen it"
            }
        };
        let found = case.show_probe(kind, found).note(case.repeat(phase));
        out.push(found.fix(Fix::suggest(fix)));
    }
    Ok(())
}

/// The path that a balancer asks, and the probe that was measured of it; nothing where it asks as a probe that is none.
fn asked(
    case: &ProcessCase<'_>,
    balancer: &Balancer,
) -> Result<Option<(String, ProbeKind)>, Abstain> {
    let of_http = |kind| case.terms().probe(kind).filter(|probe| !probe.by.is_grpc());
    let unknown = |what: String| Err(Abstain::unknown(Reason::NotMeasured, what));
    match &balancer.path {
        HealthPath::Probe(kind) => Ok(of_http(*kind).map(|probe| (probe.path.clone(), *kind))),
        HealthPath::In(object) => Err(Abstain::unknown(
            Reason::ObjectNotInInput,
            format!("what {} asks for: {object} says it", balancer.name),
        )),
        HealthPath::Is(path) => {
            let same = |kind: &ProbeKind| of_http(*kind).is_some_and(|probe| probe.path == *path);
            match [ProbeKind::Readiness, ProbeKind::Liveness].into_iter().find(same) {
                Some(kind) => Ok(Some((path.clone(), kind))),
                None => unknown(format!(
                    "what {path} says in the drain: {} asks for it, and no probe does",
                    balancer.name
                )),
            }
        }
    }
}
