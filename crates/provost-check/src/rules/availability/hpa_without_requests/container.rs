//! A metric of a container that no pod of the target has.

use super::{CONTAINER, RULE};
use crate::case::ObjectCase;
use crate::facts::Body;
use crate::facts::placeholders::is_placeholder;
use crate::facts::workload::ContainerRole;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::names::{meant, nearest};
use crate::rules::rule::{Findings, Judged};

/// Containers that webhooks put into pods, beside those whose names an injector is told.
const INJECTED: &[&str] = &[
    "cloud-sql-proxy",
    "consul-dataplane",
    "daprd",
    "envoy",
    "istio-proxy",
    "linkerd-proxy",
    "otc-container",
    "queue-proxy",
    "vault-agent",
];

/// The controller looks the container up in each pod and gives up where there is none: `container %s not found in
/// Pod %s` (`calculatePodRequestsFromContainers` in pkg/controller/podautoscaler/replica_calculator.go of Kubernetes
/// v1.37.2). An injected one is there all the same, so that only a name that is nearly one of them is certain.
pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::Hpa(hpa) = &case.object.body else { return Err(Abstain::NotApplicable) };
    let of_containers = hpa.metrics.iter().filter_map(|metric| metric.container.as_ref());
    let wanted: Vec<_> = of_containers.filter(|it| !is_placeholder(&it.value)).collect();
    if wanted.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let found = case.joined.joins.targets(case.id);
    let target = found.first().and_then(|id| case.joined.workload(*id));
    let Some(workload) = target.map(|target| target.template()) else {
        return Err(Abstain::NotApplicable);
    };
    let stays = |role| matches!(role, ContainerRole::Main | ContainerRole::Sidecar);
    let all = workload.pod().containers.iter().filter(|it| stays(it.role));
    let names: Vec<&str> = all.map(|it| it.name()).collect();
    if names.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    for name in wanted {
        let text = name.value.as_str();
        if names.contains(&text) || INJECTED.contains(&text) {
            continue;
        }
        workload.pod_unpatched(&["containers", "initContainers"])?;
        case.joined.unpatched(case.object, &["spec/metrics", "spec/scaleTargetRef"])?;
        let slip = meant(text, names.iter().copied());
        let message = format!(
            "no container of {} {} is named {text}: the autoscaler does not scale by it, `container {text} not \
             found in Pod`",
            workload.object.meta.kind.value,
            workload.object.meta.name()
        );
        let mut finding =
            Finding::new(&RULE, message, &name.origin, "no such container").variant(&CONTAINER);
        if let Some(first) = workload.pod().containers.iter().find(|it| stays(it.role)) {
            finding = finding.also(&first.origin, format!("has {}", names.join(", ")));
        }
        if slip.is_some() {
            finding = finding.level(Level::Deny);
        }
        out.push(match slip.or_else(|| nearest(text, names.iter().copied(), 2)) {
            Some(near) => finding.fix(case.world().rewrite(
                Fix::suggest(format!("did you mean {near}?")),
                &name.origin,
                text,
                near,
            )),
            None => finding.fix(Fix::suggest("name a container of the pods")),
        });
    }
    Ok(())
}
