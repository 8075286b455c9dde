//! Disruption budgets that do not protect.

use crate::case::near::Near;
use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::objects::{Pdb, Selector};
use crate::facts::{Body, Object};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// A budget that is there and protects nothing, or nothing in the way its author thinks.
pub static RULE: Rule = Rule {
    id: "ineffective-pdb",
    group: Group::Availability,
    level: Level::Warn,
    title: "a disruption budget that does not protect",
    page: include_str!("ineffective-pdb.md"),
    needs: &[Need::Manifest],
    variants: &[
        Variant::new("pdb-allows-all", Level::Warn, "all pods may be evicted at once"),
        Variant::new("pdb-selects-nothing", Level::Warn, "a budget that selects no pods"),
        Variant::new("overlapping-pdbs", Level::Deny, "two budgets over the same pods"),
        Variant::new(
            "pdb-without-unhealthy-policy",
            Level::Note,
            "pods that never become ready block drains",
        ),
    ],
    check: Check::Object(check),
    ..Rule::BASE
};

/// Workloads compared with a selector that matches none, so that the work stays linear.
const COMPARED: usize = 256;

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::Pdb(pdb) = &case.object.body else { return Err(Abstain::NotApplicable) };
    unhealthy_policy(case.object, pdb, out);
    overlapping(case, pdb, out);
    if case.selected().next().is_none() {
        return selects_nothing(case, pdb, out);
    }
    allows_all(case, pdb, out)
}

fn allows_all(case: &ObjectCase<'_>, pdb: &Pdb, out: &mut Findings) -> Judged {
    let budget = pdb.budget()?;
    let covered = case.covered_pods()?;
    // At the most pods there will be: a budget may well be moot at an autoscaler's minimum.
    let most = covered.workloads.iter().try_fold(0_u32, |sum, workload| {
        let most = match workload.scaler().ok()? {
            Some(scaler) => u32::try_from(scaler.max?.value).ok()?,
            None => workload.replica_counts().last().copied().unwrap_or(1),
        };
        Some(sum.saturating_add(most))
    });
    let Some(most) = most.filter(|most| *most > 0) else { return Ok(()) };
    let allowed = budget.allows(most);
    if allowed.evictions < most || allowed.desired.is_none() {
        return Ok(());
    }
    let (place, field, text) = pdb.field(case.object);
    let message = if most == 1 {
        format!("{field} {text} lets the only pod be evicted: the budget protects nothing")
    } else {
        format!("{field} {text} lets all {most} pods be evicted at once")
    };
    let mut finding =
        Finding::new(&RULE, message, &place, "0 pods have to stay").variant(&RULE.variants[0]);
    for workload in covered.workloads.iter().take(3) {
        if let Ok(Some(scaler)) = workload.scaler()
            && let Some(max) = &scaler.max
        {
            finding = finding.also(&max.origin, format!("{} at most", max.value));
        } else if let Some((origin, text)) = workload.scale_evidence() {
            finding = finding.also(&origin, text);
        }
    }
    out.push(finding.fix(if most == 1 {
        Fix::suggest("remove the budget, or run two replicas and set maxUnavailable: 1")
    } else {
        Fix::suggest("set maxUnavailable: 1")
    }));
    Ok(())
}

fn selects_nothing(case: &ObjectCase<'_>, pdb: &Pdb, out: &mut Findings) -> Judged {
    let Some(selector) = &pdb.selector else {
        out.push(
            Finding::new(
                &RULE,
                "a budget without a selector selects no pods (policy/v1)",
                &case.object.origin(),
                "has no spec.selector",
            )
            .variant(&RULE.variants[1])
            .fix(Fix::suggest("select the pods by the labels of their template")),
        );
        return Ok(());
    };
    case.joined.nothing_passed_over(case.id, |_| true)?;
    let joins = &case.joined.joins;
    let candidates = joins.workloads_in(&case.object.meta.namespace.value).iter().take(COMPARED);
    let near = candidates
        .filter_map(|id| case.joined.workload(*id))
        .filter(|workload| case.joined.may_be_together(case.object, workload.object));
    for workload in near {
        if let Some(Near::OnObjectOnly) = Near::of(selector, workload.template().object) {
            out.push(on_object_only(selector, &workload));
            return Ok(());
        }
        let labels = &workload.template().pod().labels;
        let Some((wanted, has)) = one_off(selector, labels) else { continue };
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "the budget selects no pods: it asks for {} {:?}, the pods of {} carry {:?}",
                    wanted.0.value,
                    wanted.1.value,
                    workload.object.meta.name(),
                    has.value
                ),
                &wanted.1.origin,
                "no pod has this value",
            )
            .variant(&RULE.variants[1])
            .also(&has.origin, "the only label that differs")
            .fix(case.world().rewrite(
                Fix::suggest(format!("select {:?}", has.value)),
                &wanted.1.origin,
                &wanted.1.value,
                &has.value,
            )),
        );
        return Ok(());
    }
    if !case.joined.pods_are_known(&case.object.meta.namespace.value) {
        let what = format!("the pods that {} selects", case.object.subject());
        return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
    }
    out.push(
        Finding::new(
            &RULE,
            "the budget selects no pods",
            &selector.origin,
            "matches no pod template of the namespace",
        )
        .variant(&RULE.variants[1])
        .fix(Fix::suggest("select the pods by the labels of their template")),
    );
    Ok(())
}

fn on_object_only(selector: &Selector, workload: &WorkloadCase<'_>) -> Finding {
    let object = workload.template().object;
    Finding::new(
        &RULE,
        format!(
            "the budget selects no pods: {} {} has the labels itself, its pod template has not",
            object.meta.kind.value,
            object.meta.name()
        ),
        &selector.origin,
        "matches pods, not the objects that make them",
    )
    .variant(&RULE.variants[1])
    .also(&workload.template().pod().origin, "the pods lack the labels")
    .fix(Fix::suggest("select the pods by the labels of their template"))
}

type Label = (crate::facts::Fact<String>, crate::facts::Fact<String>);

/// The one label in which pods differ from a selector: its entry, and their value.
fn one_off<'a>(
    selector: &'a Selector,
    labels: &'a crate::facts::objects::StringMap,
) -> Option<(&'a Label, &'a crate::facts::Fact<String>)> {
    if !selector.expressions.is_empty() {
        return None;
    }
    if let [(key, wanted)] = selector.labels.0.as_slice() {
        // Of one label alone another value is that of other pods, unless it is nearly the same.
        let has = labels.get(&key.value).filter(|has| names::is_slip(&wanted.value, &has.value));
        return has.map(|has| (&selector.labels.0[0], has));
    }
    let mut differs = None;
    for entry in &selector.labels.0 {
        let has = labels.get(&entry.0.value)?;
        if has.value != entry.1.value && differs.replace((entry, has)).is_some() {
            return None;
        }
    }
    differs
}

fn overlapping(case: &ObjectCase<'_>, pdb: &Pdb, out: &mut Findings) {
    for workload in case.selected() {
        // Budgets come in input order: each but the first is reported against the first.
        let Some((first, _)) = workload.pdbs().next() else { continue };
        // The same name twice is one budget in two variants of a deployment, not two.
        if std::ptr::eq(first, case.object) || first.meta.name() == case.object.meta.name() {
            continue;
        }
        let place =
            pdb.selector.as_ref().map_or_else(|| case.object.origin(), |s| s.origin.clone());
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "two budgets select the pods of {}: each eviction is refused with 500 \
                     \"This pod has more than one PodDisruptionBudget\"",
                    workload.object.meta.name()
                ),
                &place,
                "selects them too",
            )
            .variant(&RULE.variants[2])
            .also(&first.origin(), "the other budget")
            .also(&workload.object.origin(), "pods of both")
            .fix(Fix::suggest("keep one budget for each pod")),
        );
        return;
    }
}

fn unhealthy_policy(object: &Object, pdb: &Pdb, out: &mut Findings) {
    if pdb.unhealthy_policy.as_ref().is_some_and(|policy| policy.value == "AlwaysAllow") {
        return;
    }
    let (place, label) = match &pdb.unhealthy_policy {
        Some(policy) => (policy.origin.clone(), "the default"),
        None => (object.origin(), "has no unhealthyPodEvictionPolicy"),
    };
    out.push(
        Finding::new(
            &RULE,
            "pods that crash or never become ready count against the budget and block node drains",
            &place,
            label,
        )
        .variant(&RULE.variants[3])
        .fix(Fix::suggest("set spec.unhealthyPodEvictionPolicy: AlwaysAllow")),
    );
}
