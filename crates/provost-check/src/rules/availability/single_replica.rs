//! One pod behind a Service.

use crate::case::WorkloadCase;
use crate::facts::symbols;
use crate::facts::workload::WorkloadKind;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const WORKER: Variant =
    Variant::new("single-worker", Level::Note, "one replica that no Service sends to")
        .off()
        .house(Level::Note);

/// Each restart, eviction or lost node is an outage.
pub static RULE: Rule = Rule {
    id: "single-replica",
    group: Group::Availability,
    level: Level::Warn,
    title: "one replica behind a Service",
    page: include_str!("single-replica.md"),
    needs: &[Need::Manifest],
    variants: &[WORKER],
    check: Check::Workload(check),
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    use WorkloadKind::{Deployment, Rollout, StatefulSet};
    let kind = case.workload.kind;
    if !matches!(kind, Deployment | Rollout | StatefulSet) || case.rollout().is_some() {
        return Err(Abstain::NotApplicable);
    }
    let replicas = case.scale()?;
    let service = case.first_service();
    if replicas.fewest() != 1 || service.is_none() && kind == StatefulSet {
        return Ok(());
    }
    let elects = case
        .template()
        .target()
        .and_then(|target| target.known_program())
        .and_then(|program| program.links(symbols::LEADER_ELECTION).ok().flatten());
    let (place, text) = case.scale_evidence().ok_or(Abstain::NotApplicable)?;
    let scaler = case.scaler()?;
    let message = if service.is_none() {
        "one pod works alone: while it restarts, moves or is evicted, nobody does"
    } else if scaler.is_some() {
        "at the autoscaler's minimum one pod serves alone: while it restarts or moves, nobody does"
    } else {
        "one pod serves alone: while it restarts, moves or is evicted, nobody does"
    };
    let mut finding = Finding::new(&RULE, message, &place, text);
    finding = match service {
        Some((service, _)) => finding.also(&service.origin(), "sends its requests to one pod"),
        None => finding.variant(&WORKER),
    };
    if let Some(origin) = elects {
        finding =
            finding.level(Level::Note).also(origin, "elects a leader: one at a time may be meant");
    } else if kind == StatefulSet {
        finding = finding.level(Level::Note).note("a StatefulSet of one may be meant");
    }
    let field = scaler.as_ref().map_or("replicas", |scaler| scaler.fields.0);
    let fix = Fix::suggest(format!("set {field} to 2, if the program can run twice"));
    let written = match &scaler {
        Some(scaler) => scaler.min.is_written(),
        None => case.workload.replicas.as_ref().is_some_and(crate::facts::Fact::is_written),
    };
    out.push(finding.fix(if written { fix.replace(&place, "2") } else { fix }));
    Ok(())
}
