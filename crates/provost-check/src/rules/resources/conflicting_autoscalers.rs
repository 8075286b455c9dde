//! A VerticalPodAutoscaler beside values it does not know of, or an autoscaler on the same metric.

use std::collections::BTreeSet;

use crate::case::{Joined, ObjectCase, WorkloadCase};
use crate::facts::document::Node;
use crate::facts::workload::{EnvValue, EnvVar};
use crate::facts::{Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const SAME_METRIC: Variant = Variant::new(
    "hpa-vpa-same-metric",
    Level::Warn,
    "a horizontal and a vertical autoscaler that act on one metric",
);

/// Limits move, literals stay.
pub static RULE: Rule = Rule {
    id: "conflicting-autoscalers",
    group: Group::Resources,
    level: Level::Note,
    title: "a VerticalPodAutoscaler changes limits that literal runtime settings are bound to",
    page: include_str!("conflicting-autoscalers.md"),
    needs: &[Need::Manifest],
    variants: &[SAME_METRIC],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.group() != "autoscaling.k8s.io" || meta.kind.value != "VerticalPodAutoscaler" {
        return Err(Abstain::NotApplicable);
    }
    let root = case.object.node();
    let mode = root.at(&["spec", "updatePolicy", "updateMode"]);
    // `Auto` is the default; `Initial` sets requests of new pods all the same.
    if mode.and_then(Node::as_str).is_some_and(|mode| mode == "Off") {
        return Ok(());
    }
    let target = |key: &str| root.at(&["spec", "targetRef", key]);
    let (Some(kind), Some(name)) = (target("kind"), target("name")) else {
        return Err(Abstain::NotApplicable);
    };
    let (Some(kind_text), Some(name_text)) = (kind.as_str(), name.as_str()) else {
        return Err(Abstain::NotApplicable);
    };
    let namespace = meta.namespace.value.as_str();
    let Some(object) = case.joined.named(case.object, namespace, kind_text, name_text)? else {
        return Ok(());
    };
    let Some(workload) = workload_of(case.joined, object) else { return Ok(()) };
    let place = name.origin();
    for container in &workload.pod().containers {
        let controlled = controlled(root, container.name());
        for (resource, variable) in [("memory", "GOMEMLIMIT"), ("cpu", "GOMAXPROCS")] {
            let literal = |entry: &&EnvVar| {
                entry.name.value == variable
                    && matches!(&entry.value, EnvValue::Literal(text) if !text.value.is_empty() && text.value != "off")
            };
            let Some(entry) = container.env.iter().rev().find(literal) else { continue };
            if !controlled.contains(resource) {
                continue;
            }
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "{variable} is a literal, and the autoscaler changes the {resource} of the \
                         container: it fits the limit of today only"
                    ),
                    &entry.name.origin,
                    "stays as it is",
                )
                .also(&place, format!("changes {resource} of {kind_text} {name_text}"))
                .fix(Fix::suggest(match resource {
                    "memory" => {
                        "take it from resourceFieldRef limits.memory, or compute it at start \
                         (automemlimit)"
                    }
                    _ => "remove it: from Go 1.25 on the runtime follows the limit by itself",
                })),
            );
        }
    }
    same_metric(&workload, root, &place, out);
    Ok(())
}

fn workload_of<'w>(joined: &'w Joined<'w>, object: &Object) -> Option<WorkloadCase<'w>> {
    let id = joined.world.objects.iter().position(|other| std::ptr::eq(other, object))?;
    joined.workload(id)
}

/// Resources of a container that the autoscaler sets. Source: `ContainerResourcePolicy` of
/// k8s.io/autoscaler vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1: the policy of the
/// container's name, else that of `*`, else both resources.
fn controlled<'d>(root: Node<'d>, container: &str) -> BTreeSet<&'d str> {
    let policies = root.at(&["spec", "resourcePolicy", "containerPolicies"]);
    let text = |policy: Node<'d>, key: &str| policy.get(key).and_then(Node::as_str);
    let of = |name: &str| {
        policies.and_then(|list| {
            list.items().find(|policy| text(*policy, "containerName") == Some(name))
        })
    };
    let Some(policy) = of(container).or_else(|| of("*")) else { return ["cpu", "memory"].into() };
    if text(policy, "mode") == Some("Off") {
        return BTreeSet::new();
    }
    match policy.get("controlledResources") {
        Some(list) => list.items().filter_map(Node::as_str).collect(),
        None => ["cpu", "memory"].into(),
    }
}

fn same_metric(workload: &WorkloadCase<'_>, root: Node<'_>, place: &Origin, out: &mut Findings) {
    let Some((_, hpa)) = workload.hpa() else { return };
    for metric in &hpa.metrics {
        let Some(resource) = &metric.resource else { continue };
        // A share of the request moves with the request; an absolute value does not.
        let share = metric.target_type.as_ref().is_none_or(|kind| kind.value == "Utilization");
        let both = workload.pod().containers.iter().any(|container| {
            let of_container =
                metric.container.as_ref().is_none_or(|name| name.value == container.name());
            of_container && controlled(root, container.name()).contains(resource.value.as_str())
        });
        if share && both {
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "both autoscalers act on {resource}: one changes the request that the other \
                         measures by, and they swing",
                        resource = resource.value
                    ),
                    &resource.origin,
                    "scales the number of pods by it",
                )
                .variant(&SAME_METRIC)
                .also(place, "scales the pods themselves by it")
                .fix(Fix::suggest(
                    "leave this resource out of the vertical autoscaler's controlledResources, or \
                     scale by another metric",
                )),
            );
        }
    }
}
