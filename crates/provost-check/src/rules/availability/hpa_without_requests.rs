//! An autoscaler that divides by a request that is not there.

mod container;
mod metric_type;
mod needs;
mod triggers;

use crate::case::resources::Supplied;
use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::objects::{Hpa, HpaMetric};
use crate::facts::placeholders::is_placeholder;
use crate::facts::workload::{Container, ContainerRole, ResourceAmounts};
use crate::facts::{Body, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names::nearest;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const UNKNOWN: Variant = Variant::new(
    "unknown-resource-metric",
    Level::Warn,
    "an autoscaler on a resource that is not measured",
);

const TRIGGER: Variant = Variant::new(
    "unknown-trigger",
    Level::Warn,
    "a trigger, or a key of its metadata, that KEDA does not know",
);

const METRIC_TYPE: Variant = Variant::new(
    "unusable-metric-type",
    Level::Deny,
    "a trigger of KEDA's with a type of metric that its scaler does not take",
);

const NEEDS: Variant = Variant::new(
    "unusable-trigger-metadata",
    Level::Deny,
    "a trigger of KEDA's without what its scaler needs",
);

const AUTHENTICATION: Variant = Variant::new(
    "missing-trigger-authentication",
    Level::Deny,
    "a trigger of KEDA's that names a TriggerAuthentication which does not exist",
);

const CONTAINER: Variant = Variant::new(
    "no-such-container",
    Level::Warn,
    "an autoscaler on a container that its target does not have",
);

/// Utilization is usage by request; without the request the controller does not scale.
pub static RULE: Rule = Rule {
    id: "hpa-without-requests",
    group: Group::Availability,
    level: Level::Deny,
    title: "an autoscaler on utilization of a request that is not set",
    page: include_str!("hpa-without-requests.md"),
    needs: &[Need::Manifest],
    variants: &[UNKNOWN, TRIGGER, METRIC_TYPE, NEEDS, AUTHENTICATION, CONTAINER],
    check: Check::Object(check),
    also: &[Check::Object(triggers::check), Check::Object(container::check)],
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::Hpa(hpa) = &case.object.body else { return Err(Abstain::NotApplicable) };
    unknown_resources(case, hpa, out);
    let target = hpa.target.as_ref().ok_or(Abstain::NotApplicable)?;
    let utilization = |metric: &&HpaMetric| {
        metric.target_type.as_ref().is_some_and(|kind| kind.value == "Utilization")
            && matches!(metric.metric_type.value.as_str(), "Resource" | "ContainerResource")
    };
    if !hpa.metrics.iter().any(|metric| utilization(&metric)) {
        return Ok(());
    }
    let found = case.joined.joins.targets(case.id);
    if found.is_empty() {
        case.joined.nothing_passed_over(case.id, |_| true)?;
    }
    let Some(workload) = found.first().and_then(|id| case.joined.workload(*id)) else {
        let what = format!("{} {}", target.kind.value, target.name.value);
        return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
    };
    case.joined.unpatched(case.object, &["spec/metrics", "spec/scaleTargetRef"])?;
    for metric in hpa.metrics.iter().filter(utilization) {
        let Some(resource) = &metric.resource else { continue };
        let container = metric.container.as_ref().map(|name| name.value.as_str());
        for container in without_request(&workload, &resource.value, container)? {
            let message = format!(
                "the autoscaler does not scale: \"missing request for {} in container {}\"",
                resource.value,
                container.name()
            );
            out.push(lacking(message, container, &resource.value, &resource.origin));
        }
    }
    Ok(())
}

/// The containers that are measured by a share of their request and have none; of all, or of that
/// name.
fn without_request<'w>(
    workload: &WorkloadCase<'w>,
    resource: &str,
    container: Option<&str>,
) -> Result<Vec<&'w Container>, Abstain> {
    workload
        .unpatched(&["spec/template/spec/containers/resources", "spec/template/spec/resources"])?;
    let pod = workload.template().pod();
    // Requests of the pod as a whole, where set, are what the controller takes (KEP-2837).
    let pod_level = pod.resources.as_ref().map(|r| r.effective_requests());
    let whole = container.is_none() && pod_level.is_some_and(|r| has(&r, resource) == Some(true));
    if whole || workload.is_supplied(Supplied::Request, resource) {
        return Ok(Vec::new());
    }
    let counts = |c: &&Container| {
        matches!(c.role, ContainerRole::Main | ContainerRole::Sidecar)
            && container.is_none_or(|name| name == c.name())
    };
    let lacks = |c: &&Container| has(&c.resources.effective_requests(), resource) == Some(false);
    Ok(pod.containers.iter().filter(counts).filter(lacks).collect())
}

fn lacking(message: String, container: &Container, resource: &str, asks: &Origin) -> Finding {
    Finding::new(&RULE, message, &container.resources.origin, format!("no request for {resource}"))
        .also(asks, "utilization is usage divided by the request")
        .fix(Fix::suggest(format!(
            "set resources.requests.{resource} of {} to what it uses under normal load",
            container.name()
        )))
}

/// What the kubelet measures of a container, and with it `metrics.k8s.io`: `ContainerMetrics.Usage`
/// that metrics-server fills (`pkg/storage/types.go`), and the `resourceRules` of prometheus-adapter.
const MEASURED: &[&str] = &["cpu", "memory"];

/// Resources that nothing is measured of. The API server takes any name of a metric of type Resource
/// (`validateResourceSource` in pkg/apis/autoscaling/validation, Kubernetes v1.37.2), and the controller
/// then finds no pod with a value (`getPodMetrics` in pkg/controller/podautoscaler/metrics/client.go).
fn unknown_resources(case: &ObjectCase<'_>, hpa: &Hpa, out: &mut Findings) {
    for metric in &hpa.metrics {
        let Some(resource) = &metric.resource else { continue };
        let name = resource.value.as_str();
        // Somebody's own metrics server may well measure what somebody's own device is.
        if MEASURED.contains(&name) || name.is_empty() || name.contains('/') || is_placeholder(name)
        {
            continue;
        }
        if let Err(unknown) = case.joined.unpatched(case.object, &["spec/metrics"]) {
            out.abstain(unknown);
            return;
        }
        let finding = Finding::new(
            &RULE,
            format!(
                "no {name} is measured of pods, only cpu and memory: the autoscaler does not scale \
                 by it"
            ),
            &resource.origin,
            "not in metrics.k8s.io",
        )
        .variant(&UNKNOWN);
        let lower = name.to_ascii_lowercase();
        let near = nearest(&lower, MEASURED.iter().copied(), 2);
        out.push(match near {
            Some(near) => finding.fix(case.world().rewrite(
                Fix::suggest(format!("did you mean {near}?")),
                &resource.origin,
                name,
                near,
            )),
            None => finding.fix(Fix::suggest(
                "scale by cpu or memory, or by a metric of type Pods or External",
            )),
        });
    }
}

/// Whether the amounts have the resource; `None` for resources other than CPU and memory.
fn has(amounts: &ResourceAmounts, resource: &str) -> Option<bool> {
    match resource {
        "cpu" => Some(amounts.cpu.is_some()),
        "memory" => Some(amounts.memory.is_some()),
        _ => None,
    }
}
