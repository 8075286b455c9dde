//! Services that open a port to the outside.

use crate::case::ObjectCase;
use crate::facts::Body;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The port is open beside the Ingress, without its TLS and its rules.
pub static RULE: Rule = Rule {
    id: "unintended-exposure",
    group: Group::Network,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "a Service opens a port outside of the cluster",
    page: include_str!("unintended-exposure.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

/// Annotations that make a cloud's load balancer an internal one.
const INTERNAL: &[(&str, &[&str])] = &[
    ("service.beta.kubernetes.io/aws-load-balancer-internal", &["true", "0.0.0.0/0"]),
    ("service.beta.kubernetes.io/aws-load-balancer-scheme", &["internal"]),
    ("service.beta.kubernetes.io/azure-load-balancer-internal", &["true"]),
    ("networking.gke.io/load-balancer-type", &["Internal", "internal"]),
    ("cloud.google.com/load-balancer-type", &["Internal", "internal"]),
    ("service.beta.kubernetes.io/oci-load-balancer-internal", &["true"]),
    ("service.beta.kubernetes.io/openstack-internal-load-balancer", &["true"]),
];

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::Service(service) = &case.object.body else { return Err(Abstain::NotApplicable) };
    let spec = case.object.node().get("spec");
    let external = spec.and_then(|spec| spec.get_entry("externalIPs"));
    let external = external.filter(|(_, ips)| ips.items().next().is_some());
    let kind = service.service_type.value.as_str();
    let internal = INTERNAL.iter().any(|(key, values)| {
        case.object.meta.annotations.get(key).is_some_and(|v| values.contains(&v.value.as_str()))
    });
    let sources = spec.and_then(|spec| spec.get("loadBalancerSourceRanges"));
    let (place, what) = match (&external, kind) {
        (Some((key, _)), _) => (key.origin(), "externalIPs make every node take traffic for these addresses".to_owned()),
        (None, "LoadBalancer") if !internal && sources.is_none_or(|s| s.items().next().is_none()) => (
            service.service_type.origin.clone(),
            "type LoadBalancer asks for an address that the whole network of the cloud, often the internet, reaches".to_owned(),
        ),
        (None, "NodePort") => (
            service.service_type.origin.clone(),
            "type NodePort opens a port on every node".to_owned(),
        ),
        _ => return Ok(()),
    };
    if is_named_by_a_route(case) {
        return Ok(());
    }
    out.push(
        Finding::new(&RULE, format!("{what}, and no Ingress or Gateway route names this Service"), &place, "open to the outside")
            .also(&case.object.origin(), "this Service")
            .fix(Fix::suggest(
                "type ClusterIP with an Ingress or HTTPRoute; for an internal address the cloud's annotation; else suppress this with the reason",
            )),
    );
    Ok(())
}

/// Whether an Ingress or a route of the Gateway API names the Service: then it is open on purpose.
fn is_named_by_a_route(case: &ObjectCase<'_>) -> bool {
    let name = case.object.meta.name();
    let namespace = &case.object.meta.namespace.value;
    let joins = &case.joined.joins;
    !joins.ingresses_to(namespace, name).is_empty() || joins.is_routed(name)
}
