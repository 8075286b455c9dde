//! Several replicas and nothing that keeps a drain from taking all of them.

use crate::case::WorkloadCase;
use crate::case::scale::pods;
use crate::facts::Body;
use crate::facts::workload::WorkloadKind;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const WORKERS: Variant = Variant::new(
    "workers-without-pdb",
    Level::Note,
    "replicas that no Service sends to without a disruption budget",
)
.off()
.strict(Level::Note);

/// Without a budget a drain may evict every replica in the same minute.
pub static RULE: Rule = Rule {
    id: "missing-pdb",
    group: Group::Availability,
    level: Level::Warn,
    title: "replicas behind a Service without a disruption budget",
    page: include_str!("missing-pdb.md"),
    needs: &[Need::Manifest],
    variants: &[WORKERS],
    check: Check::Workload(check),
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let replicas = case.scale()?;
    let service = case.first_service();
    let kinds = [WorkloadKind::Deployment, WorkloadKind::StatefulSet, WorkloadKind::Rollout];
    if service.is_none() && !kinds.contains(&case.workload.kind) {
        return Err(Abstain::NotApplicable);
    }
    if case.rollout().is_some() || replicas.fewest() < 2 {
        return Err(Abstain::NotApplicable);
    }
    if case.pdbs().next().is_some() {
        return Ok(());
    }
    case.joined.nothing_passed_over(case.id, |object| matches!(object.body, Body::Pdb(_)))?;
    let n = pods(u64::from(replicas.fewest()));
    let mut finding = Finding::new(
        &RULE,
        format!("no disruption budget for {n}: node drains may evict all of them at once"),
        &case.object.origin(),
        "no PodDisruptionBudget selects its pods",
    );
    if let Some((origin, text)) = case.scale_evidence() {
        finding = finding.also(&origin, text);
    }
    finding = match service {
        Some((service, _)) => finding.also(&service.origin(), "sends them requests"),
        None => finding.variant(&WORKERS),
    };
    out.push(
        finding
            .note("a budget limits evictions only: rolling updates have their own maxUnavailable")
            .fix(Fix::suggest("add a PodDisruptionBudget with maxUnavailable: 1")),
    );
    Ok(())
}
