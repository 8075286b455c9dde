//! Replicas that may all lie on one node.

use crate::case::WorkloadCase;
use crate::case::scale::pods;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Several replicas, and nothing that keeps them apart. Contested, and so off by default.
pub static RULE: Rule = Rule {
    id: "missing-spread",
    group: Group::Availability,
    level: Level::Warn,
    off: true,
    strict: Some(Level::Note),
    house: Some(Level::Warn),
    title: "replicas without topology spread or anti-affinity",
    page: include_str!("missing-spread.md"),
    needs: &[Need::Manifest],
    lacks: &["topologySpreadConstraints", "affinity"],
    check: Check::Workload(check),
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let replicas = case.scale()?;
    let most = replicas.judged().last().copied().unwrap_or(0);
    if case.rollout().is_some() || most < 2 {
        return Err(Abstain::NotApplicable);
    }
    if !case.spread_rules().is_empty() {
        return Ok(());
    }
    let mut finding = Finding::new(
        &RULE,
        format!("nothing keeps {} apart: one lost node may take all", pods(u64::from(most))),
        &case.template().pod().origin,
        "no topologySpreadConstraints, no podAntiAffinity",
    );
    if let Some((origin, text)) = case.scale_evidence() {
        finding = finding.also(&origin, text);
    }
    out.push(finding.fix(Fix::suggest(
        "add a topologySpreadConstraint over kubernetes.io/hostname with whenUnsatisfiable: \
         ScheduleAnyway",
    )));
    Ok(())
}
