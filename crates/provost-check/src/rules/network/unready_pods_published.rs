//! A Service that sends to pods whatever their readiness probe says.

use crate::case::ObjectCase;
use crate::facts::Body;
use crate::facts::workload::{ContainerRole, WorkloadKind};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::listeners::{self, Listener};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `ready` of an endpoint is `publishNotReadyAddresses || (serving && !terminating)`: `podToEndpoint` in
/// k8s.io/endpointslice, utils.go. kube-proxy, Ingress controllers and meshes send by that.
pub static RULE: Rule = Rule {
    id: "unready-pods-published",
    group: Group::Network,
    level: Level::Warn,
    title: "a Service that sends to pods which are not ready",
    page: include_str!("unready-pods-published.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::Service(service) = &case.object.body else { return Err(Abstain::NotApplicable) };
    let published = case.object.node().at(&["spec", "publishNotReadyAddresses"]);
    let published = published.filter(|node| node.as_bool() == Some(true));
    let published = published.ok_or(Abstain::NotApplicable)?;
    // Peers look each other up there before they can be ready.
    if service.headless {
        return Ok(());
    }
    let scraped = |name: &str| listeners::of_port(name) == Some(Listener::Metrics);
    let named = |port: &crate::facts::objects::ServicePort| {
        port.name.as_ref().is_some_and(|name| scraped(&name.value))
    };
    // What is scraped is scraped while it is not ready, too.
    if service.ports.iter().all(named) {
        return Ok(());
    }
    case.joined.unpatched(
        case.object,
        &["spec/publishNotReadyAddresses", "spec/clusterIP", "spec/selector"],
    )?;
    let outside = matches!(service.service_type.value.as_str(), "LoadBalancer" | "NodePort");
    for workload in case.serving() {
        // A member of a cluster may have to be reached before it has joined.
        if workload.workload.kind == WorkloadKind::StatefulSet && !outside {
            continue;
        }
        let mut containers = workload.pod().containers.iter().filter(|container| {
            matches!(container.role, ContainerRole::Main | ContainerRole::Sidecar)
        });
        let probe = containers
            .find_map(|container| container.probes().find(|(field, _)| *field == "readinessProbe"));
        let Some((_, probe)) = probe else { continue };
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "Service {} sends to pods that are not ready, too: the readinessProbe of {} \
                     holds nothing back, and a pod that ends gets requests until it is gone",
                    case.object.meta.name(),
                    workload.object.meta.name()
                ),
                &published.origin(),
                "every pod counts as ready",
            )
            .also(&probe.handler.origin, "says when the pod can answer")
            .fix(Fix::suggest(
                "leave publishNotReadyAddresses out; peers that look each other up have a headless \
                 Service for it",
            )),
        );
        return Ok(());
    }
    Ok(())
}
