//! No liveness probe, for those who demand one.

use crate::case::Case;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Contested, and so off by default: a Go program that panics ends by itself.
pub static RULE: Rule = Rule {
    id: "missing-liveness-probe",
    group: Group::Health,
    level: Level::Warn,
    off: true,
    strict: Some(Level::Note),
    house: Some(Level::Warn),
    title: "a container without a liveness probe",
    page: include_str!("missing-liveness-probe.md"),
    needs: &[Need::Manifest],
    lacks: &["containers/livenessProbe"],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    case.not_batch()?;
    if case.container.liveness.is_some() {
        return Ok(());
    }
    let mut finding = Finding::new(
        &RULE,
        "no livenessProbe: a process that hangs is not restarted",
        case.container_origin(),
        "is restarted only when it exits",
    );
    if let Some(readiness) = &case.container.readiness {
        finding = finding.also(&readiness.origin, "takes it out of the Service, no more");
    }
    out.push(finding.fix(Fix::suggest(
        "add a livenessProbe of an endpoint that asks nothing but the process itself",
    )));
    Ok(())
}
