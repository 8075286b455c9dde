//! Several replicas and nothing that keeps a drain from taking all of them.

use crate::case::WorkloadCase;
use crate::case::near::{Near, OtherKey};
use crate::case::scale::pods;
use crate::facts::workload::WorkloadKind;
use crate::facts::{Body, Object};
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

/// Budgets of one namespace that are asked whether they mean the pods.
const COMPARED: usize = 256;

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
    let meant = meant(case);
    let (why, label) = match &meant {
        Some((budget, near)) => {
            let why = format!(
                ": PodDisruptionBudget {} does not select them, since {}",
                budget.meta.name(),
                near.told()
            );
            (why, "its pods are not selected")
        }
        None => (String::new(), "no PodDisruptionBudget selects its pods"),
    };
    let mut finding = Finding::new(
        &RULE,
        format!("no disruption budget for {n}{why}: node drains may evict all of them at once"),
        &case.object.origin(),
        label,
    );
    if let Some((origin, text)) = case.scale_evidence() {
        finding = finding.also(&origin, text);
    }
    finding = match service {
        Some((service, _)) => finding.also(&service.origin(), "sends them requests"),
        None => finding.variant(&WORKERS),
    };
    finding = finding
        .note("a budget limits evictions only: rolling updates have their own maxUnavailable");
    let Some((budget, near)) = meant else {
        let fix = Fix::suggest("add a PodDisruptionBudget with maxUnavailable: 1");
        out.push(finding.fix(fix));
        return Ok(());
    };
    if let Body::Pdb(pdb) = &budget.body
        && let Some(selector) = &pdb.selector
    {
        let value = near.wanted().and_then(|key| selector.labels.get(key));
        let place = value.map_or(&selector.origin, |value| &value.origin);
        finding = finding.also(place, "the selector of the budget");
    }
    let has = near.found().and_then(|key| case.template().pod().labels.get(key));
    if let Some(has) = has {
        finding = finding.also(&has.origin, "what the pods carry");
    }
    out.push(
        finding.fix(Fix::suggest("make the selector of the budget match the labels of the pods")),
    );
    Ok(())
}

/// Why a budget selects nothing although it means the pods.
enum Meant {
    Near(Near),
    OtherKey(OtherKey),
}

impl Meant {
    /// After "since".
    fn told(&self) -> String {
        match self {
            Self::Near(near) => near.told(),
            Self::OtherKey(OtherKey { wanted, found, value }) => {
                format!("it asks for {wanted}={value} and the pods carry {found}={value}")
            }
        }
    }

    /// The label of the selector that is wrong.
    fn wanted(&self) -> Option<&str> {
        match self {
            Self::Near(near) => near.key(),
            Self::OtherKey(key) => Some(&key.wanted),
        }
    }

    /// The label of the pods in its place.
    fn found(&self) -> Option<&str> {
        match self {
            Self::Near(near) => near.key(),
            Self::OtherKey(key) => Some(&key.found),
        }
    }
}

/// The only budget that selects nothing and seems to mean these pods.
fn meant<'w>(case: &WorkloadCase<'w>) -> Option<(&'w Object, Meant)> {
    let joined = case.joined;
    let namespace = case.object.meta.namespace.value.as_str();
    let budgets = joined.joins.of_kind(namespace, "PodDisruptionBudget");
    let ids = budgets.flat_map(|(_, ids)| ids).take(COMPARED);
    let mut near = ids.filter_map(|id| {
        let budget = joined.world.objects.get(*id)?;
        let Body::Pdb(pdb) = &budget.body else { return None };
        let idle =
            joined.joins.selected_by(*id).is_empty() && joined.joins.passed_over(*id).is_empty();
        let meant = idle && joined.together(case.object, budget);
        let selector = pdb.selector.as_ref().filter(|_| meant)?;
        let object = case.template().object;
        let near = Near::of(selector, object).map(Meant::Near);
        let near = near.or_else(|| OtherKey::of(selector, object).map(Meant::OtherKey))?;
        Some((budget, near))
    });
    let first = near.next()?;
    near.next().is_none().then_some(first)
}
