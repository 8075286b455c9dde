//! An autoscaler that divides by a request that is not there.

use crate::case::ObjectCase;
use crate::case::resources::Supplied;
use crate::facts::Body;
use crate::facts::objects::{Hpa, HpaMetric};
use crate::facts::placeholders::is_placeholder;
use crate::facts::workload::{Container, ContainerRole, ResourceAmounts};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names::nearest;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const UNKNOWN: Variant = Variant::new(
    "unknown-resource-metric",
    Level::Warn,
    "an autoscaler on a resource that is not measured",
);

/// Utilization is usage by request; without the request the controller does not scale.
pub static RULE: Rule = Rule {
    id: "hpa-without-requests",
    group: Group::Availability,
    level: Level::Deny,
    title: "an autoscaler on utilization of a request that is not set",
    page: include_str!("hpa-without-requests.md"),
    needs: &[Need::Manifest],
    variants: &[UNKNOWN],
    check: Check::Object(check),
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
    workload
        .unpatched(&["spec/template/spec/containers/resources", "spec/template/spec/resources"])?;
    let pod = workload.template().pod();
    for metric in hpa.metrics.iter().filter(utilization) {
        let Some(resource) = &metric.resource else { continue };
        // Requests of the pod as a whole, where set, are what the controller takes (KEP-2837).
        let pod_level = pod.resources.as_ref().map(|r| r.effective_requests());
        if metric.container.is_none()
            && pod_level.is_some_and(|r| has(&r, &resource.value) == Some(true))
        {
            continue;
        }
        if workload.limit_range(Supplied::Request, &resource.value).is_some() {
            continue;
        }
        let counts = |c: &&Container| {
            matches!(c.role, ContainerRole::Main | ContainerRole::Sidecar)
                && metric.container.as_ref().is_none_or(|name| name.value == c.name())
        };
        let lacks =
            |c: &&Container| has(&c.resources.effective_requests(), &resource.value) == Some(false);
        for container in pod.containers.iter().filter(counts).filter(lacks) {
            let place = &container.resources.origin;
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "the autoscaler does not scale: \"missing request for {} in container {}\"",
                        resource.value,
                        container.name()
                    ),
                    place,
                    format!("no request for {}", resource.value),
                )
                .also(&resource.origin, "utilization is usage divided by the request")
                .fix(Fix::suggest(format!(
                    "set resources.requests.{} of {} to what it uses under normal load",
                    resource.value,
                    container.name()
                ))),
            );
        }
    }
    Ok(())
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
