//! A pod that nobody brings back.

use crate::case::WorkloadCase;
use crate::facts::workload::WorkloadKind;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A Pod without a controller is gone with its node.
pub static RULE: Rule = Rule {
    id: "naked-pod",
    group: Group::Availability,
    level: Level::Warn,
    title: "a Pod without a controller",
    page: include_str!("naked-pod.md"),
    needs: &[Need::Manifest],
    check: Check::Workload(check),
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    if case.workload.kind != WorkloadKind::Pod {
        return Err(Abstain::NotApplicable);
    }
    if case.object.node().at(&["metadata", "ownerReferences"]).is_some() {
        return Ok(());
    }
    let mut finding = Finding::new(
        &RULE,
        "a Pod without a controller: when it is evicted or its node is lost, nobody starts it again",
        &case.object.meta.kind.origin,
        "is deleted for good",
    );
    if let Some((service, _)) = case.first_service() {
        finding = finding.also(&service.origin(), "sends it requests");
    }
    let instead = if case.pod().restart_policy.value == "Always" { "Deployment" } else { "Job" };
    out.push(finding.fix(Fix::suggest(format!("make it the template of a {instead}"))));
    Ok(())
}
