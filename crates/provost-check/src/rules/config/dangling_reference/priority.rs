//! Priority classes: admission refuses pods of one that does not exist.

use super::{NO_PRIORITY, RULE, UNKNOWN_PRIORITY};
use crate::case::WorkloadCase;
use crate::case::references::{Referenced, Wanted};
use crate::facts::Fact;
use crate::facts::placeholders::is_placeholder;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::Findings;

/// Priority classes that are asked whether they are for all pods.
const MOST_CLASSES: usize = 256;

/// `Admit` in plugin/pkg/admission/priority/admission.go of Kubernetes v1.37.2.
pub(super) fn check(case: &WorkloadCase<'_>, out: &mut Findings) {
    let Some(class) = &case.pod().priority_class else { return none(case, out) };
    let name = &class.value;
    if matches!(name.as_str(), "system-cluster-critical" | "system-node-critical") {
        return of_the_system(case, class, out);
    }
    // A placeholder is told by rules of its own.
    if is_placeholder(name) {
        return;
    }
    let wanted = Wanted { group: "scheduling.k8s.io", kind: "PriorityClass", namespace: "", name };
    let missing = match case.joined.referenced(case.object, wanted) {
        Ok(Referenced::Missing(missing)) => missing,
        Ok(_) => return,
        Err(unknown) => return out.abstain(unknown),
    };
    let message = format!("PriorityClass {name} does not exist: admission refuses the pods");
    let mut finding =
        Finding::new(&RULE, message, &class.origin, "no such class").variant(&UNKNOWN_PRIORITY);
    if missing.near.is_none() {
        finding = finding.fix(Fix::suggest("create it, or take one that exists"));
    }
    out.push(missing.tell(case.world(), finding, &class.origin, name));
}

fn of_the_system(case: &WorkloadCase<'_>, class: &Fact<String>, out: &mut Findings) {
    let namespace = &case.object.meta.namespace;
    // What is no name of a namespace stands for one that somebody fills in.
    let is_name =
        namespace.value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if namespace.value != "kube-system" && is_name {
        let message =
            format!("{class} in namespace {}: many clusters refuse it there", namespace.value);
        let finding = Finding::new(&RULE, message, &class.origin, "meant for kube-system")
            .variant(&UNKNOWN_PRIORITY)
            .level(Level::Note);
        out.push(finding);
    }
}

/// Pods without a class have priority 0, unless some class is that of all pods.
fn none(case: &WorkloadCase<'_>, out: &mut Findings) {
    let joined = case.joined;
    let mut classes = joined.joins.of_kind("", "PriorityClass").take(MOST_CLASSES);
    let for_all = classes.any(|(_, ids)| {
        ids.iter().filter_map(|id| case.world().objects.get(*id)).any(|class| {
            class.node().get("globalDefault").and_then(|node| node.as_str()) == Some("true")
        })
    });
    let number = case.object.document.node(case.pod().spec).get("priority").is_some();
    // A Job may well go first.
    if for_all
        || number
        || case.workload.kind.is_batch()
        || case.pod_unpatched(&["priorityClassName"]).is_err()
    {
        return;
    }
    let message = "the pods have no priority class: they are among the first to be preempted when \
                   nodes are full";
    let finding = Finding::new(&RULE, message, &case.template().pod().origin, "priority 0")
        .variant(&NO_PRIORITY)
        .note("a PriorityClass of the cluster with `globalDefault: true` would be theirs");
    out.push(finding.fix(Fix::suggest("name a PriorityClass in priorityClassName")));
}
