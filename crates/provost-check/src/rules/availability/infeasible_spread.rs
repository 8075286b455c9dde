//! Placement rules that cannot hold, or hold for other pods.

use crate::case::WorkloadCase;
use crate::case::spread::{HOSTNAME, SpreadKind, SpreadRule};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// More pods than places, or places counted by pods of somebody else.
pub static RULE: Rule = Rule {
    id: "infeasible-spread",
    group: Group::Availability,
    level: Level::Warn,
    title: "placement rules that the cluster cannot satisfy",
    page: include_str!("infeasible-spread.md"),
    needs: &[Need::Manifest],
    variants: &[Variant::new(
        "spread-selects-other-pods",
        Level::Warn,
        "a placement rule that does not select the pods it is for",
    )],
    check: Check::Workload(check),
    ..Rule::BASE
};

/// Workloads compared with a selector, so that the work stays linear.
const COMPARED: usize = 256;

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    if case.workload.kind.is_batch() || case.rollout().is_some() {
        return Err(Abstain::NotApplicable);
    }
    let rules = case.spread_rules();
    if rules.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let labels = &case.template().pod().labels;
    for rule in &rules {
        let own = rule.selector.as_ref().is_some_and(|selector| selector.matches(labels));
        if own {
            feasible(case, rule, out);
        } else if !rule.elsewhere && !meant_for_others(case, rule) {
            selects_others(case, rule, out);
        }
    }
    Ok(())
}

/// Anti-affinity against another workload ("not beside the database") is what it is for.
fn meant_for_others(case: &WorkloadCase<'_>, rule: &SpreadRule) -> bool {
    use SpreadKind::{PreferredAntiAffinity, RequiredAntiAffinity};
    let Some(selector) = &rule.selector else { return false };
    if !matches!(rule.kind, RequiredAntiAffinity | PreferredAntiAffinity) {
        return false;
    }
    let own = &case.template().pod().labels;
    // A selector with none of the own labels' values is about somebody else, here or not.
    let related = selector
        .labels
        .iter()
        .any(|(key, value)| own.get(key).is_some_and(|has| has.value == value));
    let joins = &case.joined.joins;
    let others = joins.workloads_in(&case.object.meta.namespace.value).iter().take(COMPARED);
    let matches_other = others
        .filter_map(|id| case.joined.workload(*id))
        .any(|other| selector.matches(&other.pod().labels));
    matches_other || (!related && selector.labels.iter().all(|(key, _)| own.get(key).is_none()))
}

fn selects_others(case: &WorkloadCase<'_>, rule: &SpreadRule, out: &mut Findings) {
    let what = match rule.kind {
        SpreadKind::RequiredAntiAffinity | SpreadKind::PreferredAntiAffinity => "anti-affinity",
        SpreadKind::HardSpread | SpreadKind::SoftSpread => "topology spread",
    };
    let why = match &rule.selector {
        None => "a missing labelSelector matches no pods".to_owned(),
        Some(_) => "its labelSelector does not match the pod template".to_owned(),
    };
    let labels = &case.template().pod().labels;
    let mut finding = Finding::new(
        &RULE,
        format!("{what} over {} keeps no pods apart: {why}", rule.topology_key.value),
        &rule.origin,
        "counts no pod of this workload",
    )
    .variant(&RULE.variants[0]);
    if let Some((key, _)) = labels.0.first() {
        finding = finding.also(&key.origin, "the pods' labels");
    }
    out.push(finding.fix(Fix::suggest("select the labels of the pod template")));
}

fn feasible(case: &WorkloadCase<'_>, rule: &SpreadRule, out: &mut Findings) {
    if rule.topology_key.value != HOSTNAME {
        return;
    }
    let needed = match (rule.kind, &rule.min_domains) {
        (SpreadKind::RequiredAntiAffinity, _) => {
            let n = match case.scale() {
                Ok(replicas) => replicas.judged().last().copied(),
                Err(unknown @ Abstain::Unknown { .. }) => return out.abstain(unknown),
                Err(Abstain::NotApplicable) => None,
            };
            let Some(n) = n else { return };
            let surge = case.rolling(n).map_or(0, |rolled| rolled.surge);
            u64::from(n) + u64::from(surge)
        }
        (SpreadKind::HardSpread, Some(domains)) => u64::try_from(domains.value).unwrap_or(0),
        _ => return,
    };
    let Some(nodes) = case.world().settings.cluster.nodes.as_ref() else {
        out.abstain(Abstain::unknown(Reason::NodeUnknown, "cluster.nodes"));
        return;
    };
    if needed <= u64::from(nodes.value) {
        return;
    }
    let (message, label) = if rule.kind == SpreadKind::HardSpread {
        (
            format!(
                "minDomains {needed} over {} nodes: pods beyond the first on each node stay Pending",
                nodes.value
            ),
            format!("{needed} nodes are asked for"),
        )
    } else {
        (
            format!(
                "one pod per node: a rollout needs {needed} nodes of {}, and the new pod stays Pending",
                nodes.value
            ),
            "not two on one node".to_owned(),
        )
    };
    let mut finding = Finding::new(&RULE, message, &rule.topology_key.origin, label)
        .also(&nodes.origin, format!("{} nodes", nodes.value));
    if let Some((origin, text)) = case.scale_evidence() {
        finding = finding.also(&origin, text);
    }
    out.push(finding.fix(Fix::suggest(
        "prefer the spread (ScheduleAnyway, preferredDuringScheduling), or set maxSurge: 0",
    )));
}
