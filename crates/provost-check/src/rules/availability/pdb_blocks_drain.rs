//! A disruption budget that never lets a pod be evicted.

use crate::case::ObjectCase;
use crate::case::scale::{CoveredPods, Scaler, pods};
use crate::facts::objects::Pdb;
use crate::facts::{Body, Object};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::pdb::{self, Allowed, Budget, IntOrPercent};
use crate::model::quantity::counted;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A budget that keeps as many pods as there are: nobody can drain the node they run on.
pub static RULE: Rule = Rule {
    id: "pdb-blocks-drain",
    group: Group::Availability,
    level: Level::Deny,
    title: "a disruption budget that allows no eviction",
    page: include_str!("pdb-blocks-drain.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

/// Workloads shown for one budget; a selector may match hundreds.
const SHOWN: usize = 3;

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::Pdb(pdb) = &case.object.body else { return Err(Abstain::NotApplicable) };
    let budget = pdb.budget()?;
    let covered = match case.covered_pods() {
        Err(unknown @ Abstain::Unknown { reason: Reason::ObjectNotInInput, .. }) => {
            return unseen(case.object, pdb, budget, out).ok_or(unknown);
        }
        covered => covered?,
    };
    let uncounted = covered.bare && !matches!(budget, Budget::MinAvailable(IntOrPercent::Int(_)));
    let Some(blocked) = (if uncounted {
        // Pods without a controller have no scale that a share or maxUnavailable could be of.
        Some(Allowed { pods: covered.replicas.fewest(), desired: None, evictions: 0 })
    } else {
        pdb::blocked_at(budget, covered.replicas)
    }) else {
        return Ok(());
    };
    let (place, field, text) = pdb.field(case.object);
    let n = pods(u64::from(blocked.pods));
    let message = match budget {
        Budget::Neither => {
            "a budget with neither minAvailable nor maxUnavailable allows no eviction: \
             a node drain never ends"
                .to_owned()
        }
        _ if uncounted => format!(
            "{field} {text} over pods without a controller allows no eviction: \
             a node drain never ends"
        ),
        _ => format!(
            "{field} {text} with {n}{} allows no eviction: a node drain never ends",
            night(&covered, blocked)
        ),
    };
    let label = match blocked.desired {
        Some(desired) => format!("{desired} of {} have to stay", blocked.pods),
        None => "0 pods are expected, 0 may go".to_owned(),
    };
    let mut finding = Finding::new(&RULE, message, &place, label);
    for workload in covered.workloads.iter().take(SHOWN) {
        if let Some((origin, text)) = workload.scale_evidence() {
            finding = finding.also(&origin, text);
        } else {
            finding = finding.also(&workload.object.origin(), "1 pod without a controller");
        }
        let annotations = &workload.template().pod().annotations;
        if let Some(safe) = annotations.get("cluster-autoscaler.kubernetes.io/safe-to-evict")
            && safe.value == "false"
        {
            finding = finding.also(&safe.origin, "the cluster autoscaler would not ask anyway");
        }
    }
    if covered.workloads.len() > SHOWN {
        finding = finding.note(format!(
            "and {}",
            counted((covered.workloads.len() - SHOWN) as u64, "more workload")
        ));
    }
    if let (Some(percent), Some(desired)) = (share(budget), blocked.desired) {
        finding = finding.note(rounding(budget, percent, blocked.pods, desired));
    }
    if let Some(desired) = blocked.desired {
        finding = finding.note(format!(
            "the API server answers each eviction with 429: \"The disruption budget {} needs \
             {desired} healthy pods and has {} currently\"",
            case.object.meta.name(),
            blocked.pods,
        ));
    }
    out.push(finding.fix(fix(case.object, budget, blocked, &covered)));
    Ok(())
}

/// A budget that allows nothing whatever it selects: the pods need not be seen. A warning, since there
/// may be none.
fn unseen(object: &Object, pdb: &Pdb, budget: Budget, out: &mut Findings) -> Option<()> {
    let selects = pdb.selector.as_ref()?;
    if !budget.allows_none() {
        return None;
    }
    let (place, field, text) = pdb.field(object);
    let what = match budget {
        Budget::Neither => "a budget with neither minAvailable nor maxUnavailable".to_owned(),
        _ => format!("{field} {text}"),
    };
    let finding = Finding::new(
        &RULE,
        format!("{what} allows no eviction, however many pods there are: a node drain never ends"),
        &place,
        "lets none go",
    )
    .level(Level::Warn)
    .also(&selects.origin, "whatever this selects");
    out.push(finding.fix(Fix::suggest("set maxUnavailable: 1")));
    Some(())
}

/// What to add when the autoscaler decides and the number is not the one written.
fn night(covered: &CoveredPods<'_>, blocked: Allowed) -> &'static str {
    if scaler(covered).is_some() && blocked.pods == covered.replicas.fewest() {
        " (the autoscaler's minimum)"
    } else {
        ""
    }
}

/// The first autoscaler of the pods.
fn scaler<'w>(covered: &CoveredPods<'w>) -> Option<Scaler<'w>> {
    covered.workloads.iter().find_map(|workload| workload.scaler().ok().flatten())
}

fn share(budget: Budget) -> Option<u32> {
    match budget {
        Budget::MinAvailable(IntOrPercent::Percent(p))
        | Budget::MaxUnavailable(IntOrPercent::Percent(p)) => Some(p),
        _ => None,
    }
}

fn rounding(budget: Budget, percent: u32, n: u32, desired: u32) -> String {
    let product = u64::from(percent) * u64::from(n);
    let exact = format!("{percent} % of {n} is {}.{:02}", product / 100, product % 100);
    match budget {
        Budget::MaxUnavailable(_) => {
            format!("{exact}, rounded up to {}", n.saturating_sub(desired))
        }
        _ => format!("{exact}, rounded up to {desired}"),
    }
}

fn fix(object: &Object, budget: Budget, blocked: Allowed, covered: &CoveredPods<'_>) -> Fix {
    let n = blocked.pods;
    if covered.bare && !matches!(budget, Budget::MinAvailable(IntOrPercent::Int(_))) {
        return Fix::suggest("put the pods under a Deployment, or set an integer minAvailable");
    }
    if n >= 2 {
        let fix = Fix::suggest("set maxUnavailable: 1");
        let spec = object.node().get("spec");
        let field = |name| spec.and_then(|spec| spec.get_entry(name));
        return match (field("minAvailable"), field("maxUnavailable")) {
            (Some((key, value)), None) => {
                fix.replace(&key.origin(), "maxUnavailable").replace(&value.origin(), "1")
            }
            (None, Some((_, value))) => fix.replace(&value.origin(), "1"),
            _ => fix,
        };
    }
    let field = scaler(covered).map_or("replicas", |scaler| scaler.fields.0);
    match (n + 1..=n + 8).find(|more| budget.allows(*more).evictions > 0) {
        Some(more) => Fix::suggest(format!("raise {field} to {more}")),
        None => Fix::suggest(format!("raise {field} to 2 and set maxUnavailable: 1")),
    }
}
