//! Numbers of pods and triggers that KEDA's webhook refuses.
//!
//! Source: `verifyCPUMemoryScalers` in apis/keda/v1alpha1/scaledobject_webhook.go,
//! `CheckReplicaCountBoundsAreValid` and `CheckFallbackValid` in scaledobject_types.go,
//! `ValidateTriggers` in scaletriggers_types.go, keda v2.15 .. v2.21. Where the webhook is not installed
//! the first is never told, and the others leave the object unready.

use super::{Lacking, RULE};
use rustc_hash::FxHashMap;

use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Finding, Fix};
use crate::rules::rule::Findings;

/// Triggers of one ScaledObject that are looked at.
const MOST: usize = 1000;

/// `maxReplicaCount` that is not written (`defaultHPAMaxReplicas`).
const DEFAULT_MOST: i64 = 100;

pub(super) fn check(spec: Node<'_>, lacking: &mut Lacking, out: &mut Findings) {
    triggers(spec, out);
    fallback(spec, lacking, out);
    modifiers(spec, lacking, out);
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
    bounds(min, max, idle, lacking, out);
    never_to_zero(spec, min, lacking, out);
}

/// What of its triggers an object is refused for; of a ScaledJob, too.
pub(super) fn triggers(spec: Node<'_>, out: &mut Findings) {
    let mut names: FxHashMap<&str, Node<'_>> = FxHashMap::default();
    for trigger in spec.get("triggers").into_iter().flat_map(Node::items).take(MOST) {
        let text = |key| trigger.get(key).and_then(Node::as_str).filter(|text| !may_be_in(text));
        let kind = text("type").unwrap_or_default();
        if let Some(cached) = trigger.get("useCachedMetrics")
            && cached.as_bool() == Some(true)
            && matches!(kind, "cpu" | "memory" | "cron")
        {
            let message = format!(
                "KEDA asks nobody for {kind}, and has nothing to keep: its webhook refuses the \
                 object, `property \"useCachedMetrics\" is not supported for \"{kind}\" scaler`"
            );
            let finding = Finding::new(&RULE, message, &cached.origin(), "refused");
            out.push(finding.fix(Fix::suggest("remove useCachedMetrics")));
        }
        let Some((name, at)) =
            text("name").filter(|name| !name.is_empty()).zip(trigger.get("name"))
        else {
            continue;
        };
        if let Some(first) = names.get(name) {
            let message = format!(
                "two triggers are called {name}: KEDA's webhook refuses the object, `triggerName \
                 \"{name}\" is defined multiple times`"
            );
            let finding = Finding::new(&RULE, message, &at.origin(), "once more");
            out.push(finding.also(&first.origin(), "the first of the name"));
        } else {
            names.insert(name, at);
        }
    }
}

/// CPU and memory are measured by the kubelet, and their metrics have no value to stand in for.
fn fallback(spec: Node<'_>, lacking: &mut Lacking, out: &mut Findings) {
    let Some((key, fallback)) = spec.get_entry("fallback") else { return };
    for name in ["failureThreshold", "replicas"] {
        let number = fallback.get(name).filter(|node| node.as_i64().is_some_and(|n| n < 0));
        if let Some(node) = number {
            let message = format!(
                "{name} of fallback is negative: KEDA's webhook refuses the ScaledObject, \
                 `FailureThreshold & Replicas must both be greater than or equal to 0`"
            );
            out.push(Finding::new(&RULE, message, &node.origin(), "less than 0"));
        }
    }
    let modified = spec.at(&["advanced", "scalingModifiers"]).is_some_and(|it| !it.is_null());
    let is_lacking = !modified && fallback.is_mapping() && measures_pods_only(spec);
    if !is_lacking || !lacking.is_told() {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            "all triggers are cpu or memory, which have no fallback: KEDA's webhook refuses the \
             ScaledObject, `at least one trigger (that is not cpu or memory) has to have the \
             AverageValue type for the fallback to be enabled`",
            &key.origin(),
            "of nothing",
        )
        .fix(Fix::suggest("remove fallback, or add a trigger of another type")),
    );
}

/// `ValidateAndCompileScalingModifiers` in scaledobject_webhook.go. The formula is not read.
fn modifiers(spec: Node<'_>, lacking: &mut Lacking, out: &mut Findings) {
    let Some(modifiers) = spec.at(&["advanced", "scalingModifiers"]) else { return };
    let text = |key| {
        let node = modifiers.get(key)?;
        Some((node.as_str().filter(|text| !text.is_empty())?, node))
    };
    let (formula, target, by) = (text("formula"), text("target"), text("metricType"));
    let refuses = "KEDA's webhook refuses the ScaledObject";
    if let Some((_, node)) = formula.filter(|_| modifiers.get("target").is_none())
        && lacking.is_told()
    {
        let message = format!("{refuses}, `formula is given but target is empty`");
        let finding = Finding::new(&RULE, message, &node.start(), "compared with what?");
        out.push(finding.fix(Fix::suggest("write target: what the result should be for each pod")));
    }
    let Some((number, node)) = target.filter(|(text, _)| !may_be_in(text)) else { return };
    // Go's ParseFloat takes what Rust takes, and underscores and hexadecimals that nobody writes.
    if number.parse::<f64>().is_ok_and(|n| n <= 0.0)
        || !number.contains(|c: char| c.is_ascii_digit())
    {
        let message = format!("{refuses}: target {number} is no number above 0");
        out.push(Finding::new(&RULE, message, &node.origin(), "refused"));
    }
    if let Some((_, node)) = by.filter(|(by, _)| *by == "Utilization") {
        let message = format!(
            "{refuses}, `error trigger type is Utilization, but it needs to be AverageValue or Value \
             for external metrics`"
        );
        out.push(Finding::new(&RULE, message, &node.origin(), "a share of what?"));
    }
}

type Number<'d> = Option<(i64, Node<'d>)>;

fn bounds(
    min: Number<'_>,
    max: Number<'_>,
    idle: Number<'_>,
    lacking: &mut Lacking,
    out: &mut Findings,
) {
    let most = max.map_or(DEFAULT_MOST, |(max, _)| max);
    // One pod is the least of the HorizontalPodAutoscaler that KEDA makes.
    if let Some((least, node)) = min.filter(|(min, _)| (*min).max(1) > most)
        && (max.is_some() || lacking.is_told())
    {
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
    if let Some((count, node)) = idle.filter(|(idle, _)| *idle >= least)
        && (min.is_some() || lacking.is_told())
    {
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

/// Whether there are triggers, and each of them measures the CPU or the memory of pods.
fn measures_pods_only(spec: Node<'_>) -> bool {
    let triggers = spec.get("triggers").into_iter().flat_map(Node::items).take(MOST);
    let kinds: Option<Vec<&str>> =
        triggers.map(|trigger| trigger.get("type").and_then(Node::as_str)).collect();
    kinds.is_some_and(|kinds| {
        !kinds.is_empty()
            && kinds.len() < MOST
            && kinds.iter().all(|kind| matches!(*kind, "cpu" | "memory"))
    })
}

/// No pods use no CPU and no memory: what is measured by these alone does not come back from zero.
/// KEDA looks at this for Deployments and StatefulSets.
fn never_to_zero(spec: Node<'_>, min: Number<'_>, lacking: &mut Lacking, out: &mut Findings) {
    let text = |path: &[&str]| spec.at(path).and_then(Node::as_str).filter(|text| !text.is_empty());
    let version = text(&["scaleTargetRef", "apiVersion"]).unwrap_or("apps/v1");
    let kind = text(&["scaleTargetRef", "kind"]).unwrap_or("Deployment");
    if version != "apps/v1"
        || !matches!(kind, "Deployment" | "StatefulSet")
        || min.is_some_and(|(min, _)| min != 0)
    {
        return;
    }
    let Some((key, _)) = spec.get_entry("triggers").filter(|_| measures_pods_only(spec)) else {
        return;
    };
    if min.is_none() && !lacking.is_told() {
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
