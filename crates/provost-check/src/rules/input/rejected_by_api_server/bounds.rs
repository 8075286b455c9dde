//! LimitRanges and ResourceQuotas that are none themselves.
//!
//! Source: `ValidateLimitRange`, `ValidateResourceQuotaSpec` in pkg/apis/core/validation/validation.go and the sets in
//! pkg/apis/core/helper/helpers.go of Kubernetes v1.37.2.

use super::{RULE, is_placeholder, items, refuse, text};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::findings::{Finding, Fix};
use crate::model::names::nearest;
use crate::model::quantity::Quantity;
use crate::rules::rule::Findings;

/// Items of a LimitRange, and resources in one map, that are looked at.
const MOST: usize = 64;

/// `standardLimitRangeTypes`
const TYPES: &[&str] = &["Container", "PersistentVolumeClaim", "Pod"];

/// `standardContainerResources`
const OF_CONTAINERS: &[&str] = &["cpu", "ephemeral-storage", "memory"];

/// `standardQuotaResources`
const OF_QUOTAS: &[&str] = &[
    "configmaps",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

/// `integerResources`
const WHOLE: &[&str] = &[
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

/// Scopes that exclude each other.
const OPPOSED: &[(&str, &str)] =
    &[("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")];

/// Pairs of fields of which the first may not be above the second; of one resource the first that is wrong
/// is told, since the others follow from it (`SetDefaults_LimitRangeItem` fills in what is missing).
const ORDER: &[(&str, &str)] = &[
    ("min", "max"),
    ("default", "max"),
    ("min", "default"),
    ("defaultRequest", "default"),
    ("defaultRequest", "max"),
    ("min", "defaultRequest"),
];

/// `ValidateLimitRange`
pub(super) fn limit_range(case: &ObjectCase<'_>, out: &mut Findings) {
    let Some(spec) = case.object.node().get("spec") else { return };
    let mut seen: Vec<(&str, Node<'_>)> = Vec::new();
    for item in items(spec, "limits").take(MOST) {
        let Some((kind, node)) = text(item, "type") else { continue };
        if !kind.contains('/') && !TYPES.contains(&kind) {
            let message = format!(
                "type `{kind}` of a LimitRange must be Container, Pod or PersistentVolumeClaim, or fully \
                 qualified"
            );
            out.push(near(message, kind, node, TYPES));
            continue;
        }
        match seen.iter().find(|(other, _)| *other == kind) {
            Some((_, first)) => out.push(
                Finding::new(
                    &RULE,
                    format!("a LimitRange has one item of type {kind}"),
                    &node.origin(),
                    "Duplicate value",
                )
                .also(&first.origin(), "the first"),
            ),
            None => seen.push((kind, node)),
        }
        one(item, kind, node, out);
    }
}

fn one(item: Node<'_>, kind: &str, place: Node<'_>, out: &mut Findings) {
    let pod = kind == "Pod";
    for field in ["default", "defaultRequest"] {
        if let Some((key, amounts)) = item.get_entry(field)
            && pod
            && amounts.entries().next().is_some()
        {
            refuse(
                out,
                &key.origin(),
                format!("{field} may not be specified when `type` is 'Pod'"),
            );
        }
    }
    let storage = |field: &str| item.at(&[field, "storage"]).is_some();
    let whole = super::is_whole(item)
        && ["min", "max"].iter().all(|field| item.get(field).is_none_or(super::is_whole));
    if kind == "PersistentVolumeClaim" && whole && !storage("min") && !storage("max") {
        let message =
            "either minimum or maximum storage value is required, but neither was provided";
        refuse(out, &place.origin(), message);
    }
    let mut resources: Vec<&str> = Vec::new();
    for field in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        for (key, _) in item.get(field).into_iter().flat_map(Node::entries).take(MOST) {
            let Some(resource) = key.as_str().filter(|it| !is_unclear(it)) else { continue };
            let plain = !resource.contains('/') && !resource.starts_with("hugepages-");
            if matches!(kind, "Container" | "Pod") && plain && !OF_CONTAINERS.contains(&resource) {
                let message = format!(
                    "`{resource}` must be a standard resource for containers, or have a domain"
                );
                out.push(near(message, resource, key, OF_CONTAINERS));
            } else if !resources.contains(&resource) {
                resources.push(resource);
            }
        }
    }
    for resource in resources {
        amounts(item, pod, resource, out);
    }
}

/// The amounts of one resource against each other.
fn amounts(item: Node<'_>, pod: bool, resource: &str, out: &mut Findings) {
    let amount = |field: &str| {
        if pod && field.starts_with("default") {
            return None;
        }
        let node = item.at(&[field, resource])?;
        Some((Quantity::parse(node.as_str()?).ok()?, node))
    };
    for (low, high) in ORDER {
        let (Some((less, place)), Some((more, other))) = (amount(low), amount(high)) else {
            continue;
        };
        if less > more {
            let shown = |node: Node<'_>| node.as_str().unwrap_or_default().to_owned();
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "{low} {} of {resource} is greater than {high} {}: the LimitRange is refused",
                        shown(place),
                        shown(other)
                    ),
                    &place.origin(),
                    "greater",
                )
                .also(&other.origin(), format!("the {high}")),
            );
            return;
        }
    }
    let Some((ratio, place)) = amount("maxLimitRequestRatio") else { return };
    if ratio.millicores().0 < 1000 {
        let shown = place.as_str().unwrap_or_default();
        refuse(out, &place.origin(), format!("maxLimitRequestRatio {shown} is less than 1"));
    } else if let (Some((min, _)), Some((max, most))) = (amount("min"), amount("max")) {
        // Above `MaxMilliValue` whole units are compared; no ratio depends on that but at its edge.
        let limit = max.millicores().0 as f64 / min.millicores().0 as f64;
        if ratio.millicores().0 as f64 / 1000.0 > limit * 1.001 {
            let shown = place.as_str().unwrap_or_default();
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "maxLimitRequestRatio {shown} of {resource} is greater than max/min, which is \
                         {limit:.2}: the LimitRange is refused"
                    ),
                    &place.origin(),
                    "greater",
                )
                .also(&most.origin(), "the max"),
            );
        }
    }
}

/// `ValidateResourceQuotaSpec`
pub(super) fn quota(case: &ObjectCase<'_>, out: &mut Findings) {
    let Some(spec) = case.object.node().get("spec") else { return };
    let scopes = scopes(spec, out);
    for (key, value) in spec.get("hard").into_iter().flat_map(Node::entries).take(MOST) {
        let Some(resource) = key.as_str().filter(|it| !is_unclear(it)) else { continue };
        let pages = ["hugepages-", "requests.hugepages-"];
        let plain = !resource.contains('/') && !pages.iter().any(|it| resource.starts_with(it));
        if plain && !OF_QUOTAS.contains(&resource) {
            let message =
                format!("`{resource}` must be a standard resource for quota, or have a domain");
            out.push(near(message, resource, key, OF_QUOTAS));
            continue;
        }
        for (scope, place) in &scopes {
            if plain && !counts(scope, resource) {
                out.push(
                    Finding::new(
                        &RULE,
                        format!(
                            "scope {scope} has no {resource}: unsupported scope applied to resource"
                        ),
                        &key.origin(),
                        "not of this scope",
                    )
                    .also(&place.origin(), "the scope"),
                );
            }
        }
        let shown = value.as_str().unwrap_or_default();
        let Ok(amount) = Quantity::parse(shown) else { continue };
        // `IsExtendedResourceName`: counts of other kinds are whole, what is asked for of devices may be none.
        let whole = WHOLE.contains(&resource) || resource.starts_with("count/");
        if amount.is_negative() {
            refuse(out, &value.origin(), format!("{resource} {shown} must not be negative"));
        } else if whole && !amount.millicores().0.is_multiple_of(1000) {
            refuse(out, &value.origin(), format!("{resource} {shown} must be an integer"));
        }
    }
}

/// The scopes of a quota that are known.
fn scopes<'d>(spec: Node<'d>, out: &mut Findings) -> Vec<(&'d str, Node<'d>)> {
    let listed = spec.get("scopes").into_iter().flat_map(Node::items);
    let listed = listed.take(MOST).filter_map(|node| Some((node.as_str()?, node)));
    let listed: Vec<(&str, Node<'_>)> = listed.collect();
    for (one, other) in OPPOSED {
        let place = |name: &str| listed.iter().find(|(scope, _)| *scope == name).map(|(_, at)| *at);
        if let (Some(first), Some(second)) = (place(one), place(other)) {
            out.push(
                Finding::new(
                    &RULE,
                    format!("conflicting scopes: {one} and {other}"),
                    &second.origin(),
                    "one of them",
                )
                .also(&first.origin(), "and the other"),
            );
        }
    }
    let selected = spec.get("scopeSelector").into_iter();
    let selected = selected.flat_map(|selector| items(selector, "matchExpressions")).take(MOST);
    let mut all = listed;
    for expression in selected {
        let Some((scope, node)) = text(expression, "scopeName") else { continue };
        if let Some((operator, at)) = text(expression, "operator")
            && operator != "Exists"
            && !matches!(scope, "PriorityClass" | "VolumeAttributesClass")
        {
            let message = format!("operator {operator} of scope {scope} must be 'Exists'");
            refuse(out, &at.origin(), message);
        }
        all.push((scope, node));
    }
    all
}

/// `IsResourceQuotaScopeValidForResource`; a scope that is none is told of as such.
fn counts(scope: &str, resource: &str) -> bool {
    let compute =
        ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
    match scope {
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => resource == "pods" || compute.contains(&resource),
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => {
            matches!(resource, "persistentvolumeclaims" | "requests.storage")
        }
        _ => true,
    }
}

fn is_unclear(name: &str) -> bool {
    // FILLED_IN_LATER, and merges.
    is_placeholder(name) || !name.bytes().any(|b| b.is_ascii_lowercase())
}

/// A word that is none, with what it is nearly.
fn near(message: String, is: &str, place: Node<'_>, known: &[&str]) -> Finding {
    let finding = Finding::new(&RULE, message, &place.origin(), "refused");
    let same = known.iter().copied().find(|known| known.eq_ignore_ascii_case(is));
    // `limits.mem`, where only one goes on so.
    let mut longer = known.iter().copied().filter(|known| is.len() > 2 && known.starts_with(is));
    let longer = longer.next().filter(|_| longer.next().is_none());
    match same.or_else(|| nearest(is, known.iter().copied(), 2)).or(longer) {
        Some(near) => finding.fix(
            Fix::suggest(format!("did you mean {near}?")).replace(&place.origin(), near.to_owned()),
        ),
        None => finding.note(format!("one of {}", known.join(", "))),
    }
}
