//! Objects that the API server refuses.

mod analysis;
mod annotations;
mod bounds;
mod controller;
mod data;
mod defaults;
mod enums;
mod env;
mod ingress;
mod ip;
mod kinds;
mod limit_range;
mod mappings;
mod meant;
mod missing;
mod missing_custom;
mod names;
mod pairs;
mod pod;
mod pod_security;
mod policy;
mod quota;
mod rbac;
mod resources;
mod rollout;
mod scaler;
mod scheduling;
mod security;
mod service;
pub(super) mod types;
mod volumes;
mod webhooks;

use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::facts::objects::{Hpa, Pdb, Selector};
use crate::facts::origin::Place;
use crate::facts::placeholders::is_placeholder;
use crate::facts::workload::{IntOrPercent, Workload, WorkloadKind};
use crate::facts::{Body, Fact, Origin};
use crate::findings::{Abstain, Finding, Level};
use crate::model::rolling;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Checked against pkg/apis/*/validation of Kubernetes v1.37.2.
pub static RULE: Rule = Rule {
    id: "rejected-by-api-server",
    group: Group::Input,
    level: Level::Deny,
    title: "an object that the API server refuses",
    page: include_str!("rejected-by-api-server.md"),
    needs: &[Need::Manifest],
    judges_hooks: true,
    check: Check::Object(check),
    ..Rule::BASE
};

/// Versions whose validation is known here.
const VERSIONS: &[&str] = &[
    "v1",
    "apps/v1",
    "batch/v1",
    "policy/v1",
    "autoscaling/v1",
    "autoscaling/v2",
    "networking.k8s.io/v1",
];

/// Says that a value is refused.
fn refuse(out: &mut Findings, origin: &Origin, message: impl Into<String>) {
    out.push(Finding::new(&RULE, message, origin, "refused"));
}

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let judged = validate(case, out);
    as_applied(case, out);
    judged
}

/// What a kustomization writes over is refused, or not, as it writes it.
fn as_applied(case: &ObjectCase<'_>, out: &mut Findings) {
    let source = case.object.document.source;
    if case.world().sources.get(source).kustomized.patched.is_empty() {
        return;
    }
    let root = case.object.node();
    let mut patched = Vec::new();
    out.found.retain(|finding| {
        let places = finding.evidence.iter().filter(|e| e.origin.source() == source);
        let fields = places.filter_map(|e| match e.origin.place() {
            Place::Text(span) => Some(root.keys_to(span.range().start).join("/")),
            _ => None,
        });
        let known = fields
            .into_iter()
            .try_for_each(|field| case.joined.unpatched(case.object, &[field.as_str()]));
        known.map_err(|abstain| patched.push(abstain)).is_ok()
    });
    patched.into_iter().for_each(|abstain| out.abstain(abstain));
}

fn validate(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let object = case.object;
    let version = object.meta.api_version.value.as_str();
    types::check(case, out);
    mappings::check(case, out);
    match case.object.meta.group() {
        "rbac.authorization.k8s.io" => rbac::check(case, out),
        "admissionregistration.k8s.io" => webhooks::check(case, out),
        "discovery.k8s.io" if object.meta.kind.value == "EndpointSlice" => ip::slice(case, out),
        "scheduling.k8s.io" => priority(case, out),
        _ => {}
    }
    let custom = missing_custom::check(case, out);
    let rollout = version.starts_with("argoproj.io/") && object.meta.kind.value == "Rollout";
    if let Some(analysis) = case.analysis() {
        analysis::check(case, analysis, out);
        return Ok(());
    }
    if !rollout && custom {
        return Ok(());
    }
    if !rollout && !VERSIONS.contains(&version) {
        return Err(Abstain::NotApplicable);
    }
    names::metadata(case, out);
    if is_alone(case) {
        names::given(case, out);
        names::absent(case, out);
        controller::template(case, out);
    }
    match &object.body {
        Body::Workload(workload) => {
            selector(workload, out);
            strategy(workload, out);
            rollout::check(case, workload, out);
            controller::check(case, workload, out);
            if workload.kind == WorkloadKind::StatefulSet {
                data::templates(case, out);
                limit_range::claims(case, out);
            }
            // The pods of a Rollout without a template are another object's.
            if workload.workload_ref.is_none() {
                pod::check(case, workload, out);
                defaults::check(case, out);
                limit_range::pods(case, out);
                quota::check(case, out);
                ip::pod(case, workload, out);
            }
        }
        Body::Service(service) => service::check(case, service, out),
        Body::Ingress(_) => ingress::check(case, out),
        Body::Hpa(hpa) => {
            replicas(case, hpa, out);
            scaler::check(object, out);
        }
        Body::NetworkPolicy(_) => policy::check(case, out),
        Body::Pdb(pdb) => budget(pdb, out),
        Body::ConfigMap(map) => data::config_map(map, out),
        Body::Secret(secret) => data::secret(case, secret, out),
        _ if object.meta.kind.value == "PersistentVolumeClaim" => {
            data::claim(case, out);
            limit_range::claims(case, out);
        }
        _ if object.meta.kind.value == "LimitRange" => bounds::limit_range(case, out),
        _ if object.meta.kind.value == "ResourceQuota" => bounds::quota(case, out),
        _ if object.meta.kind.value == "Namespace" => pod_security::check(case, out),
        _ if object.meta.kind.value == "Endpoints" => ip::endpoints(case, out),
        _ => {}
    }
    Ok(())
}

/// `HighestUserDefinablePriority` (`ValidatePriorityClass` of pkg/apis/scheduling/validation, v1.37.2).
const HIGHEST_PRIORITY: i64 = 1_000_000_000;

fn priority(case: &ObjectCase<'_>, out: &mut Findings) {
    let meta = &case.object.meta;
    let system = meta.name.as_ref().is_some_and(|name| name.value.starts_with("system-"));
    if let Some(node) = case.object.node().get("value").filter(|_| !system)
        && let Some(value) = node.as_i64().filter(|value| *value > HIGHEST_PRIORITY)
    {
        let message = format!(
            "value {value}: the maximum allowed value of a user defined priority is {HIGHEST_PRIORITY}"
        );
        refuse(out, &node.origin(), message);
    }
}

/// Whether no kustomization of the input has a hand in it: then another file may bring the rest.
fn is_alone(case: &ObjectCase<'_>) -> bool {
    case.world().sources.get(case.object.document.source).kustomized.by.is_empty()
}

/// Whether the object stands in a file that was named, and is all there: what is applied then is that.
fn is_applied(case: &ObjectCase<'_>) -> bool {
    let source = case.world().sources.get(case.object.document.source);
    source.named && is_alone(case) && is_whole(case.object.node())
}

/// Whether the value of a key is a comment for YAML, and for somebody's tool the place of a value:
/// `name: #{Name}#`, as Azure Pipelines' tasks for tokens have it, and `##NAME##`.
fn is_token(case: &ObjectCase<'_>, key: Node<'_>) -> bool {
    let source = case.world().sources.get(case.object.document.source);
    let end = key.span().range().end;
    let line = source.shown().and_then(|text| text.get(end..)?.lines().next());
    let value = line.unwrap_or_default().trim_start_matches([':', ' ', '"', '\'']).trim_end();
    (value.starts_with("#{") && value.contains('}'))
        || (value.len() > 4 && value.starts_with("##") && value.ends_with("##"))
}

/// Mappings in the list at `key`.
fn items<'d>(node: Node<'d>, key: &str) -> impl Iterator<Item = Node<'d>> + use<'d> {
    node.get(key).into_iter().flat_map(Node::items).filter(|item| item.is_mapping())
}

/// The text at `key`, unless it is still to be filled in.
fn text<'d>(node: Node<'d>, key: &str) -> Option<(&'d str, Node<'d>)> {
    let value = node.get(key)?;
    let text = value.as_str().filter(|text| !is_placeholder(text))?;
    Some((text, value))
}

/// Whether a mapping is all there: no patch, nothing that is merged into it, no template.
fn is_whole(node: Node<'_>) -> bool {
    let partial = |name: &str| name.starts_with('$') || name == "<<" || is_placeholder(name);
    node.is_mapping() && !node.entries().any(|(key, _)| key.as_str().is_none_or(partial))
}

/// The first key of a mapping that is all there. `None` for one without keys: nothing at all is a
/// slip of another kind.
fn first_of_whole(node: Node<'_>) -> Option<Node<'_>> {
    node.entries().next().map(|(key, _)| key).filter(|_| is_whole(node))
}

/// Every structure below the kinds, for tests of tables that name some. One name may belong to
/// several groups.
#[cfg(test)]
fn structures_of(kinds: &[(&str, &str)]) -> Vec<&'static crate::model::schema::Structure> {
    use crate::model::schema::{Known, find};
    let mut seen = std::collections::BTreeMap::new();
    let mut open = Vec::new();
    for (version, kind) in kinds {
        let Known::Kind(kind) = find(version, kind) else { panic!("{version} {kind}") };
        open.extend(kind.structure());
    }
    while let Some(structure) = open.pop() {
        if seen.insert(std::ptr::from_ref(structure), structure).is_none() {
            open.extend(structure.fields.iter().filter_map(|field| field.structure()));
        }
    }
    seen.into_values().collect()
}

/// Whether the list at `key` is not all there: a placeholder, or a directive of a patch.
fn unclear(node: Node<'_>, key: &str) -> bool {
    let Some(list) = node.get(key) else {
        // Null, or a merge, may stand for something.
        return false;
    };
    let patch = |item: Node<'_>| !item.is_mapping() || item.has_key("$patch");
    !list.is_sequence() || list.items().any(patch)
}

fn selector(workload: &Workload, out: &mut Findings) {
    let Some(selector) = &workload.selector else { return };
    names::labels(&selector.labels, out);
    let labels = &workload.pod.labels;
    // A template without labels is a part of an object, or gets them from kustomize.
    if workload.workload_ref.is_some() || labels.is_empty() || selects(selector, workload) {
        return;
    }
    let wanted = selector
        .labels
        .0
        .iter()
        .find(|(key, value)| labels.get(&key.value).is_none_or(|has| has.value != value.value));
    let Some((key, value)) = wanted else {
        refuse(out, &selector.origin, "the selector does not match the labels of its own template");
        return;
    };
    let has = labels.get(&key.value);
    let found = match has {
        Some(has) => format!("{}={}", key.value, has.value),
        None => format!("no label {}", key.value),
    };
    let place = has.map_or_else(|| labels.0.first().map(|(k, _)| &k.origin), |h| Some(&h.origin));
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the selector wants {}={}, and the template has {found}: `selector` does not match \
             template `labels`",
            key.value, value.value
        ),
        &value.origin,
        "selects other pods",
    );
    if let Some(place) = place {
        finding = finding.also(place, "the labels of the template");
    }
    out.push(finding);
}

fn selects(selector: &Selector, workload: &Workload) -> bool {
    let unclear = |map: &crate::facts::objects::StringMap| {
        map.iter().any(|(k, v)| is_placeholder(k) || is_placeholder(v))
    };
    unclear(&selector.labels)
        || unclear(&workload.pod.labels)
        || selector.matches(&workload.pod.labels)
}

fn strategy(workload: &Workload, out: &mut Findings) {
    let Some(strategy) = &workload.strategy else { return };
    let kind = workload.kind;
    let (surge, down) = (&strategy.max_surge, &strategy.max_unavailable);
    let kinds = [WorkloadKind::Deployment, WorkloadKind::DaemonSet, WorkloadKind::Rollout];
    if !kinds.contains(&kind)
        || !matches!(strategy.strategy_type.value.as_str(), "RollingUpdate" | "Canary")
    {
        return;
    }
    if let (Some(up), Some(off)) = (surge.value.known(), down.value.known()) {
        let place = if down.is_written() { down } else { surge };
        if rolling::is_rejected(up, off) && place.is_written() {
            let mut finding = Finding::new(
                &RULE,
                format!(
                    "maxSurge {} and maxUnavailable {} leave no pod to begin with: \
                     maxUnavailable may not be 0 when maxSurge is 0",
                    surge.value, down.value
                ),
                &place.origin,
                "both are zero",
            );
            if down.is_written() && surge.is_written() {
                finding = finding.also(&surge.origin, "and this");
            }
            out.push(finding);
        } else if kind == WorkloadKind::DaemonSet
            && surge.is_written()
            && !up.is_zero()
            && !off.is_zero()
        {
            refuse(
                out,
                &surge.origin,
                format!(
                    "maxSurge {} of a DaemonSet may not be set when maxUnavailable is non-zero; \
                     it is {}{}",
                    surge.value,
                    down.value,
                    if down.is_written() { "" } else { " by default" }
                ),
            );
        }
    }
    if kind != WorkloadKind::Rollout {
        share("maxUnavailable", down, out);
        if kind == WorkloadKind::DaemonSet {
            share("maxSurge", surge, out);
        }
    }
}

/// A share that is more than the whole, or negative.
fn share(field: &str, fact: &Fact<IntOrPercent>, out: &mut Findings) {
    let why = match fact.value {
        IntOrPercent::Percent(share) if share > 100 => "must not be greater than 100%",
        IntOrPercent::Int(n) if n < 0 => "must be greater than or equal to 0",
        _ => return,
    };
    refuse(out, &fact.origin, format!("{field} {} {why}", fact.value));
}

fn budget(pdb: &Pdb, out: &mut Findings) {
    if let (Some(min), Some(max)) = (&pdb.min_available, &pdb.max_unavailable) {
        out.push(
            Finding::new(
                &RULE,
                "minAvailable and maxUnavailable cannot be both set",
                &max.origin,
                "one of them",
            )
            .also(&min.origin, "and the other"),
        );
    }
    for (field, fact) in
        [("minAvailable", &pdb.min_available), ("maxUnavailable", &pdb.max_unavailable)]
    {
        if let Some(fact) = fact {
            share(field, fact, out);
            if let IntOrPercent::Malformed(text) = &fact.value {
                controller::share(field, text, &fact.origin, out);
            }
        }
    }
}

fn replicas(case: &ObjectCase<'_>, hpa: &Hpa, out: &mut Findings) {
    let min = &hpa.min;
    if let Some(max) = &hpa.max {
        if max.value < 1 {
            refuse(out, &max.origin, format!("maxReplicas {max} must be greater than 0"));
        } else if min.value > max.value {
            out.push(
                Finding::new(
                    &RULE,
                    format!("maxReplicas {max} must be greater than or equal to minReplicas {min}"),
                    &max.origin,
                    "less than the minimum",
                )
                .also(&min.origin, "the minimum"),
            );
        }
    }
    if min.value < 0 {
        refuse(out, &min.origin, format!("minReplicas {min} is negative"));
    }
    if min.value != 0 {
        return;
    }
    let (oldest, _) = case.world().settings.kubernetes();
    if oldest < 37 {
        refuse(
            out,
            &min.origin,
            format!(
                "minReplicas 0 is refused by Kubernetes 1.{oldest}: the gate HPAScaleToZero is \
                 on by default from 1.37"
            ),
        );
    } else if !hpa
        .metrics
        .iter()
        .any(|m| matches!(m.metric_type.value.as_str(), "Object" | "External"))
    {
        refuse(
            out,
            &min.origin,
            "minReplicas 0 needs a metric of type Object or External: no pod is left to measure",
        );
    }
}
