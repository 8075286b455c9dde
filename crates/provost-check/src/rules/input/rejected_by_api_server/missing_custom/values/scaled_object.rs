//! Numbers of pods that KEDA's webhook refuses.
//!
//! Source: `verifyCPUMemoryScalers` in apis/keda/v1alpha1/scaledobject_webhook.go and
//! `CheckReplicaCountBoundsAreValid` in scaledobject_types.go, keda v2.15 .. v2.21. Where the webhook is
//! not installed the first is never told, and the second leaves the ScaledObject unready.

use super::RULE;
use crate::facts::document::Node;
use crate::findings::{Finding, Fix};
use crate::rules::rule::Findings;

/// Triggers of one ScaledObject that are looked at.
const MOST: usize = 1000;

/// `maxReplicaCount` that is not written (`defaultHPAMaxReplicas`).
const DEFAULT_MOST: i64 = 100;

pub(super) fn check(spec: Node<'_>, out: &mut Findings) {
    // What is no number, and what is still to be filled in, is refused as such.
    let of = |key| match spec.get(key) {
        Some(node) if !node.is_null() => node.as_i64().map(|n| Some((n, node))),
        _ => Some(None),
    };
    let (Some(min), Some(max), Some(idle)) =
        (of("minReplicaCount"), of("maxReplicaCount"), of("idleReplicaCount"))
    else {
        return;
    };
    bounds(min, max, idle, out);
    never_to_zero(spec, min, out);
}

type Number<'d> = Option<(i64, Node<'d>)>;

fn bounds(min: Number<'_>, max: Number<'_>, idle: Number<'_>, out: &mut Findings) {
    let most = max.map_or(DEFAULT_MOST, |(max, _)| max);
    // One pod is the least of the HorizontalPodAutoscaler that KEDA makes.
    if let Some((least, node)) = min.filter(|(min, _)| (*min).max(1) > most) {
        let message = format!(
            "minReplicaCount {least} is more than maxReplicaCount {most}: KEDA's webhook refuses the \
             ScaledObject, `MinReplicaCount={} must be less than MaxReplicaCount={most}`",
            least.max(1)
        );
        let mut finding = Finding::new(&RULE, message, &node.origin(), "the least");
        if let Some((_, node)) = max {
            finding = finding.also(&node.origin(), "the most");
        }
        out.push(finding);
    }
    let least = min.map_or(0, |(min, _)| min.max(1));
    if let Some((count, node)) = idle.filter(|(idle, _)| *idle >= least) {
        let message = format!(
            "idleReplicaCount {count} is not less than minReplicaCount {least}: KEDA's webhook \
             refuses the ScaledObject, `IdleReplicaCount={count} must be less than \
             MinReplicaCount={least}`"
        );
        let mut finding = Finding::new(&RULE, message, &node.origin(), "while nothing triggers");
        if let Some((_, node)) = min {
            finding = finding.also(&node.origin(), "the least while something does");
        }
        out.push(finding);
    }
}

/// No pods use no CPU and no memory: what is measured by these alone does not come back from zero.
/// KEDA looks at this for Deployments and StatefulSets.
fn never_to_zero(spec: Node<'_>, min: Number<'_>, out: &mut Findings) {
    let text = |path: &[&str]| spec.at(path).and_then(Node::as_str).filter(|text| !text.is_empty());
    let version = text(&["scaleTargetRef", "apiVersion"]).unwrap_or("apps/v1");
    let kind = text(&["scaleTargetRef", "kind"]).unwrap_or("Deployment");
    if version != "apps/v1"
        || !matches!(kind, "Deployment" | "StatefulSet")
        || min.is_some_and(|(min, _)| min != 0)
    {
        return;
    }
    let Some((key, triggers)) = spec.get_entry("triggers") else { return };
    let kinds: Option<Vec<&str>> = triggers
        .items()
        .take(MOST)
        .map(|trigger| trigger.get("type").and_then(Node::as_str))
        .collect();
    let Some(kinds) = kinds.filter(|kinds| !kinds.is_empty() && kinds.len() < MOST) else { return };
    if !kinds.iter().all(|kind| matches!(*kind, "cpu" | "memory")) {
        return;
    }
    let message = "all triggers are cpu or memory and minReplicaCount is 0: no pods use none, and \
                   KEDA's webhook refuses the ScaledObject, `scaledobject has only cpu/memory \
                   triggers AND minReplica is 0 (scale to zero doesn't work in this case)`";
    let fix = Fix::suggest("set minReplicaCount to 1 or more, or add a trigger of another type");
    out.push(match min {
        Some((_, node)) => Finding::new(&RULE, message, &node.origin(), "no pods")
            .also(&key.origin(), "measure pods that run")
            .fix(fix),
        None => {
            Finding::new(&RULE, message, &key.origin(), "minReplicaCount is 0 by default").fix(fix)
        }
    });
}
