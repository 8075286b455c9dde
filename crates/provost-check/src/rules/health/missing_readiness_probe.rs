//! A container behind a Service that nobody asks whether it is ready.

use crate::case::Case;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Without a readiness probe a pod gets requests as soon as its process exists.
pub static RULE: Rule = Rule {
    id: "missing-readiness-probe",
    group: Group::Health,
    level: Level::Warn,
    strict: Some(Level::Deny),
    title: "a container behind a Service without a readiness probe",
    page: include_str!("missing-readiness-probe.md"),
    needs: &[Need::Manifest],
    lacks: &["containers/readinessProbe"],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    case.not_batch()?;
    if case.container.readiness.is_some() {
        return Ok(());
    }
    let declared = case.pod().declares_ports();
    // A second container to which nothing is sent need not say when it is ready.
    if declared && case.container.ports.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let service =
        case.services()?.find(|(_, service)| !declared || service.sends_to(case.container));
    let mut finding = match service {
        Some((object, _)) => Finding::new(
            &RULE,
            "no readinessProbe: requests are sent as soon as the process exists, before it listens",
            case.container_origin(),
            "counts as ready at once",
        )
        .also(&object.origin(), "sends it requests"),
        None if case.of.first_service().is_some() => return Err(Abstain::NotApplicable),
        None => Finding::new(
            &RULE,
            "no readinessProbe: a rollout counts the pod as available as soon as the process exists",
            case.container_origin(),
            "counts as ready at once",
        )
        .level(Level::Note),
    };
    if let Some(liveness) = &case.container.liveness {
        finding =
            finding.also(&liveness.origin, "a failing livenessProbe restarts, it does not wait");
    }
    out.push(finding.fix(Fix::suggest(
        "add a readinessProbe that succeeds when the program can answer requests",
    )));
    Ok(())
}
