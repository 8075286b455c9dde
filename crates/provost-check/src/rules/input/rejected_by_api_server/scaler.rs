//! Metrics and behaviour of a HorizontalPodAutoscaler.

use super::{RULE, items, refuse, text};
use crate::facts::document::Node;
use crate::facts::objects::Object;
use crate::findings::Finding;
use crate::model::quantity::Quantity;
use crate::rules::rule::Findings;

/// Kinds of metrics and the field that holds one of each.
const SOURCES: &[(&str, &str)] = &[
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("External", "external"),
    ("ContainerResource", "containerResource"),
];

/// `MaxPeriodSeconds` and `MaxStabilizationWindowSeconds`
const LONGEST_PERIOD: i64 = 1800;
const LONGEST_WINDOW: i64 = 3600;

/// `validateMetrics` and `validateBehavior` of pkg/apis/autoscaling/validation, Kubernetes v1.37.2.
pub(super) fn check(object: &Object, out: &mut Findings) {
    let Some(spec) = object.node().get("spec").filter(|spec| spec.is_mapping()) else { return };
    // autoscaling/v1 has one metric, which is converted to that of v2.
    at_least_one(spec, "targetCPUUtilizationPercentage", out);
    if object.meta.api_version.value != "autoscaling/v2" {
        return;
    }
    for metric in items(spec, "metrics") {
        source(metric, out);
    }
    for direction in ["scaleUp", "scaleDown"] {
        if let Some(rules) = spec.at(&["behavior", direction]).filter(|rules| rules.is_mapping()) {
            scaling(rules, out);
        }
    }
}

fn source(metric: Node<'_>, out: &mut Findings) {
    let Some((kind, kind_node)) = text(metric, "type") else { return };
    let Some((_, wanted)) = SOURCES.iter().find(|(name, _)| *name == kind) else { return };
    let merged = metric.has_key("<<");
    let all = SOURCES.iter().filter_map(|(_, field)| Some((*field, metric.get_entry(field)?)));
    let all: Vec<_> = all.collect();
    match all.iter().find(|(field, _)| field == wanted) {
        None if merged => {}
        None => {
            let message = format!("`{wanted}` is required of a metric of type {kind}");
            let finding = Finding::new(&RULE, message, &kind_node.origin(), format!("no {wanted}"));
            let other = all.first().map(|(_, (key, _))| key.origin());
            out.push(match other {
                Some(other) => finding.also(&other, "a source of another type"),
                None => finding,
            });
        }
        Some(_) => {
            for (field, (key, _)) in all.iter().filter(|(field, _)| field != wanted) {
                let message =
                    format!("`{field}` of a metric of type {kind}: only `{wanted}` may be set");
                out.push(
                    Finding::new(&RULE, message, &key.origin(), "refused")
                        .also(&kind_node.origin(), "the type"),
                );
            }
        }
    }
    for (field, (_, source)) in &all {
        if let Some((key, goal)) = source.get_entry("target").filter(|(_, goal)| goal.is_mapping())
        {
            target(field, key, goal, out);
        }
    }
}

/// `validateMetricTarget`, and which of its values each source takes.
fn target(source: &str, key: Node<'_>, target: Node<'_>, out: &mut Findings) {
    for field in ["value", "averageValue"] {
        let Some(node) = target.get(field) else { continue };
        let Some(text) = node.as_str() else { continue };
        let refused = Quantity::parse(text).is_ok_and(|q| q.is_negative() || q.is_zero());
        if refused {
            refuse(out, &node.origin(), format!("{field} {text} of the target must be positive"));
        }
    }
    at_least_one(target, "averageUtilization", out);
    if target.has_key("<<") {
        return;
    }
    let (takes, both_refused): (&[&str], bool) = match source {
        "resource" | "containerResource" => (&["averageUtilization", "averageValue"], true),
        "external" => (&["value", "averageValue"], true),
        "object" => (&["value", "averageValue"], false),
        _ => (&["averageValue"], false),
    };
    let set: Vec<_> = takes.iter().filter_map(|field| target.get_entry(field)).collect();
    match set.as_slice() {
        [] => {
            let message =
                format!("the target of a `{source}` metric must set {}", takes.join(" or "));
            let mut finding = Finding::new(&RULE, message, &key.origin(), "sets none");
            let known = ["value", "averageValue", "averageUtilization"];
            if let Some((other, _)) = known.iter().find_map(|field| target.get_entry(field)) {
                finding = finding.also(&other.origin(), "is not read here");
            }
            out.push(finding);
        }
        [(first, _), (second, _), ..] if both_refused => out.push(
            Finding::new(
                &RULE,
                format!(
                    "the target of a `{source}` metric may not set both {}",
                    takes.join(" and ")
                ),
                &second.origin(),
                "one of them",
            )
            .also(&first.origin(), "and the other"),
        ),
        _ => {}
    }
}

fn scaling(rules: Node<'_>, out: &mut Findings) {
    if let Some((seconds, node)) = number(rules, "stabilizationWindowSeconds")
        && !(0..=LONGEST_WINDOW).contains(&seconds)
    {
        let message =
            format!("stabilizationWindowSeconds {seconds} is not between 0 and {LONGEST_WINDOW}");
        refuse(out, &node.origin(), message);
    }
    if let Some((tolerance, node)) = text(rules, "tolerance")
        && Quantity::parse(tolerance).is_ok_and(Quantity::is_negative)
    {
        refuse(out, &node.origin(), format!("tolerance {tolerance} must not be negative"));
    }
    if let Some((key, policies)) = rules.get_entry("policies")
        && policies.is_sequence()
        && policies.items().next().is_none()
    {
        refuse(out, &key.origin(), "`policies` must specify at least one policy");
    }
    for policy in items(rules, "policies") {
        if let Some((value, node)) = number(policy, "value")
            && value <= 0
        {
            refuse(
                out,
                &node.origin(),
                format!("value {value} of a policy must be greater than 0"),
            );
        }
        if let Some((seconds, node)) = number(policy, "periodSeconds")
            && !(1..=LONGEST_PERIOD).contains(&seconds)
        {
            let message = format!("periodSeconds {seconds} is not between 1 and {LONGEST_PERIOD}");
            refuse(out, &node.origin(), message);
        }
    }
}

fn number<'d>(node: Node<'d>, key: &str) -> Option<(i64, Node<'d>)> {
    let value = node.get(key)?;
    Some((value.as_i64()?, value))
}

fn at_least_one(node: Node<'_>, key: &str, out: &mut Findings) {
    if let Some((value, place)) = number(node, key)
        && value < 1
    {
        refuse(out, &place.origin(), format!("{key} {value} must be greater than 0"));
    }
}
