//! A VerticalPodAutoscaler beside values it does not know of, or an autoscaler on the same metric; two
//! autoscalers of one workload, and one of none.

mod scaled;

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::Origin;
use crate::facts::document::Node;
use crate::facts::workload::{Container, EnvValue, EnvVar};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const SAME_METRIC: Variant = Variant::new(
    "hpa-vpa-same-metric",
    Level::Warn,
    "a horizontal and a vertical autoscaler that act on one metric",
);

const TWO: Variant = Variant::new(
    "two-autoscalers",
    Level::Deny,
    "two autoscalers that decide the number of one workload's pods",
);

const NO_TARGET: Variant = Variant::new(
    "scaled-object-target-missing",
    Level::Deny,
    "a ScaledObject of KEDA's that scales nothing",
);

const LOST: Variant = Variant::new(
    "autoscaler-target-missing",
    Level::Deny,
    "an autoscaler of a workload that does not exist",
);

/// Limits move, literals stay.
pub static RULE: Rule = Rule {
    id: "conflicting-autoscalers",
    group: Group::Resources,
    level: Level::Note,
    title: "a VerticalPodAutoscaler changes limits that literal runtime settings are bound to",
    page: include_str!("conflicting-autoscalers.md"),
    needs: &[Need::Manifest],
    variants: &[SAME_METRIC, TWO, NO_TARGET, LOST],
    check: Check::Object(check),
    also: &[Check::Object(scaled::check)],
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
    let id = case.joined.named_id(case.object, namespace, kind_text, name_text)?;
    let Some(workload) = id.and_then(|id| case.joined.workload(id)) else { return Ok(()) };
    let place = name.origin();
    let policies = Policies::of(root);
    for container in &workload.pod().containers {
        let controlled = policies.controlled(container.name());
        for (resource, variable) in [("memory", "GOMEMLIMIT"), ("cpu", "GOMAXPROCS")] {
            let literal = |entry: &&EnvVar| {
                entry.name.value == variable
                    && matches!(&entry.value, EnvValue::Literal(text) if !text.value.is_empty() && text.value != "off")
            };
            let Some(entry) = container.env.iter().rev().find(literal) else { continue };
            if !controlled.contains(&resource) {
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
    same_metric(&workload, &policies, &place, out);
    Ok(())
}

/// Resources of the containers that the autoscaler sets. Source: `ContainerResourcePolicy` of
/// k8s.io/autoscaler vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1: the policy of the
/// container's name, else that of `*`, else both resources.
struct Policies<'d> {
    by_container: BTreeMap<&'d str, Vec<&'d str>>,
}

/// What is set without a policy.
const BOTH: &[&str] = &["cpu", "memory"];

/// Resources of one policy that are looked at; there are two.
const RESOURCES: usize = 8;

impl<'d> Policies<'d> {
    fn of(root: Node<'d>) -> Self {
        let mut by_container = BTreeMap::new();
        let list = root.at(&["spec", "resourcePolicy", "containerPolicies"]);
        for policy in list.into_iter().flat_map(Node::items) {
            let text = |key: &str| policy.get(key).and_then(Node::as_str);
            let Some(name) = text("containerName") else { continue };
            let resources = match policy.get("controlledResources") {
                _ if text("mode") == Some("Off") => Vec::new(),
                Some(list) => list.items().filter_map(Node::as_str).take(RESOURCES).collect(),
                None => BOTH.to_vec(),
            };
            // The first of a name counts.
            by_container.entry(name).or_insert(resources);
        }
        Self { by_container }
    }

    fn controlled(&self, container: &str) -> &[&'d str] {
        let policy = self.by_container.get(container).or_else(|| self.by_container.get("*"));
        policy.map_or(BOTH, Vec::as_slice)
    }
}

fn same_metric(
    workload: &WorkloadCase<'_>,
    policies: &Policies<'_>,
    place: &Origin,
    out: &mut Findings,
) {
    let Some((_, hpa)) = workload.hpa() else { return };
    let containers = &workload.pod().containers;
    // What is controlled in some container, and in each by name: metrics are looked up.
    let of = |container: &Container| policies.controlled(container.name()).iter().copied();
    let anywhere: BTreeSet<&str> = containers.iter().flat_map(of).collect();
    let names: BTreeSet<&str> = containers.iter().map(Container::name).collect();
    for metric in &hpa.metrics {
        let Some(resource) = &metric.resource else { continue };
        // A share of the request moves with the request; an absolute value does not.
        let share = metric.target_type.as_ref().is_none_or(|kind| kind.value == "Utilization");
        let both = match metric.container.as_ref().map(|name| name.value.as_str()) {
            Some(name) => {
                names.contains(name) && policies.controlled(name).contains(&resource.value.as_str())
            }
            None => anywhere.contains(resource.value.as_str()),
        };
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
