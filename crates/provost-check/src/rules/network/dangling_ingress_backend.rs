//! An Ingress or a route whose backend, or whose Gateway's listener, is not there.

mod attachment;
mod gateway;
mod grpc;
mod listener_set;

use rustc_hash::FxHashSet;

use crate::case::ObjectCase;
use crate::case::references::{Referenced, Wanted};
use crate::case::routes::Backend;
use crate::facts::objects::{Ingress, PortRef, Service, ServicePort};
use crate::facts::{Body, Object};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::names::nearest;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const WITHOUT_TLS: Variant =
    Variant::new("ingress-without-tls", Level::Note, "an Ingress serves a host without TLS")
        .off()
        .house(Level::Note);
const NOT_ATTACHED: Variant = Variant::new(
    "route-not-attached",
    Level::Deny,
    "a route that no listener of its Gateway takes",
);
const SET_NOT_ATTACHED: Variant = Variant::new(
    "listener-set-not-attached",
    Level::Deny,
    "a ListenerSet whose Gateway does not exist, or does not take it",
);
const NOT_GRANTED: Variant = Variant::new(
    "reference-not-granted",
    Level::Deny,
    "a route or Gateway names something in another namespace without a ReferenceGrant",
);
const CERTIFICATE: Variant = Variant::new(
    "missing-gateway-certificate",
    Level::Deny,
    "a Gateway's certificate is in a Secret that does not exist",
);
const NO_TLS: Variant = Variant::new(
    "listener-without-tls",
    Level::Warn,
    "a Gateway's listener for HTTPS or TLS that has no certificate",
);

const GRPC_TO_HTTP: Variant =
    Variant::new("grpc-route-to-http-port", Level::Warn, "a GRPCRoute sends to a port of HTTP/1.1");
const GRPC_SERVICE: Variant = Variant::new(
    "unknown-grpc-service",
    Level::Warn,
    "a GRPCRoute is for a gRPC service that its backend does not have",
);

/// Controllers of Ingresses answer 503 or do not load the rule. Those of routes set `ResolvedRefs`
/// to false and answer 500 (sigs.k8s.io/gateway-api v1.6.3, `BackendRefs` in apis/v1/httproute_types.go
/// and grpcroute_types.go).
pub static RULE: Rule = Rule {
    id: "dangling-ingress-backend",
    group: Group::Network,
    level: Level::Deny,
    title: "an Ingress or route names a Service, or a port of one, that does not exist",
    page: include_str!("dangling-ingress-backend.md"),
    needs: &[Need::Manifest],
    variants: &[
        WITHOUT_TLS,
        NOT_ATTACHED,
        SET_NOT_ATTACHED,
        NOT_GRANTED,
        CERTIFICATE,
        NO_TLS,
        GRPC_TO_HTTP,
        GRPC_SERVICE,
    ],
    check: Check::Object(check),
    also: &[
        Check::Object(attachment::check),
        Check::Object(gateway::check),
        Check::Object(grpc::services),
        Check::Object(listener_set::check),
    ],
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let kind = match &case.object.body {
        Body::Ingress(ingress) => {
            without_tls(ingress, out);
            "Ingress"
        }
        _ => case.route_kind().ok_or(Abstain::NotApplicable)?,
    };
    let fields: &[&str] = match kind {
        "Ingress" => &["spec/rules", "spec/defaultBackend", "spec/backend"],
        _ => &["spec/rules"],
    };
    case.joined.unpatched(case.object, fields)?;
    let own = case.object.meta.namespace.value.as_str();
    let backends = case.backends();
    let mut judged: FxHashSet<(&str, &str, Option<String>)> = FxHashSet::default();
    for backend in &backends {
        let port = backend.port.as_ref().map(|(port, _)| shown(port));
        // The AWS controller reads such a backend as the name of an action in an annotation.
        let action = kind == "Ingress" && port.as_deref() == Some("use-annotation");
        let namespace = backend.elsewhere.as_ref().map_or(own, |namespace| namespace.text);
        if action || !judged.insert((namespace, backend.service.text, port)) {
            continue;
        }
        if let Err(unknown) = one(case, kind, namespace, backend, out) {
            out.abstain(unknown);
        }
    }
    Ok(())
}

fn one(
    case: &ObjectCase<'_>,
    kind: &str,
    namespace: &str,
    backend: &Backend<'_>,
    out: &mut Findings,
) -> Judged {
    let wanted = Wanted::service(namespace, backend.service.text);
    let services = match case.joined.referenced(case.object, wanted)? {
        Referenced::There(services) => services,
        Referenced::Made => return Ok(()),
        Referenced::Missing(missing) => {
            let (name, at) = (backend.service.text, &backend.service.at);
            let message = format!(
                "the {kind} sends to Service {name}, which does not exist in namespace \
                 {namespace}: {}",
                effect(kind)
            );
            let finding = Finding::new(&RULE, message, at, "no such Service");
            out.push(missing.tell(case.world(), finding, at, name));
            return Ok(());
        }
    };
    for service in &services {
        case.joined.unpatched(service, &["spec/ports"])?;
    }
    let all = services.iter().filter_map(|object| match &object.body {
        Body::Service(service) => Some((*object, &**service)),
        _ => None,
    });
    let all: Vec<(&Object, &Service)> = all.collect();
    if let (Some((port, _)), Some(first)) = (&backend.port, all.first())
        && !all.iter().any(|(_, service)| has_port(service, port))
    {
        missing_port(case, kind, backend, first, out);
    }
    grpc::port(case, backend, &all, out);
    match &backend.elsewhere {
        Some(elsewhere) => gateway::granted(case, wanted, elsewhere, out),
        None => Ok(()),
    }
}

/// What whoever asks gets.
fn effect(kind: &str) -> &'static str {
    match kind {
        "Ingress" => "requests get 503",
        "HTTPRoute" => "requests get 500",
        "GRPCRoute" => "calls fail as UNAVAILABLE",
        _ => "connections are refused",
    }
}

fn shown(port: &PortRef) -> String {
    match port {
        PortRef::Number(n) => n.to_string(),
        PortRef::Name(name) => name.clone(),
    }
}

fn has_port(service: &Service, port: &PortRef) -> bool {
    // Such a Service is a name in the DNS, with whatever ports that has.
    if service.service_type.value == "ExternalName" && service.ports.is_empty() {
        return true;
    }
    service.ports.iter().any(|own| match port {
        PortRef::Number(n) => own.port.as_ref().is_some_and(|p| p.value == *n),
        PortRef::Name(name) => own.name.as_ref().is_some_and(|n| n.value == *name),
    })
}

/// Classes whose controllers look a port up by the Service's own numbers and names alone: the AWS load
/// balancer controller (`LookupServicePort`), GKE's, and Traefik's provider for Ingresses.
const BY_OWN_PORT: &[&str] = &["alb", "gce", "gce-internal", "traefik"];

/// Whether the controller may take the number or name of the container's port for the Service's, as
/// ingress-nginx does (`serviceEndpoints` in internal/ingress/controller/controller.go).
fn takes_target_port(object: &Object) -> bool {
    let Body::Ingress(ingress) = &object.body else { return false };
    ingress.class.as_ref().is_none_or(|class| !BY_OWN_PORT.contains(&class.value.as_str()))
}

fn missing_port(
    case: &ObjectCase<'_>,
    kind: &str,
    backend: &Backend<'_>,
    (object, service): &(&Object, &Service),
    out: &mut Findings,
) {
    let Some((port, at)) = &backend.port else { return };
    // Often the number of the container's port is written.
    let target = service
        .ports
        .iter()
        .find(|own| own.target_port.as_ref().is_some_and(|target| target.value == *port));
    let is_taken = target.is_some() && takes_target_port(case.object);
    let effect = match kind {
        _ if is_taken => "it is that of its targetPort, which ingress-nginx goes by as well, and \
                          others answer 503"
            .to_owned(),
        "Ingress" => "the Ingress has no endpoints for it and answers 503".to_owned(),
        _ => format!("the {kind} has nowhere to send to, and {}", effect(kind)),
    };
    let name = object.meta.name();
    let message = format!("Service {name} has no port {}: {effect}", shown(port));
    let mut finding = Finding::new(&RULE, message, at, "no such port");
    for own in service.ports.iter().take(3) {
        finding = finding.also(&own.origin, "a port it has");
    }
    if service.ports.is_empty() {
        finding = finding.also(&object.origin(), "has no ports");
    }
    if is_taken {
        finding = finding.level(Level::Warn);
    }
    if let Some(title) = right_port(service, port, target) {
        finding = finding.fix(Fix::suggest(title));
    }
    out.push(finding);
}

/// What to write instead of a port that the Service does not have, where that can be told. `target` is the
/// one of its ports that sends to a container's port of that number or name.
fn right_port(service: &Service, port: &PortRef, target: Option<&ServicePort>) -> Option<String> {
    if let Some(number) = target.and_then(|own| own.port.as_ref()) {
        return Some(format!("name the Service's own port, {number}, not the container's"));
    }
    if let PortRef::Name(name) = port {
        let names = service.ports.iter().filter_map(|own| own.name.as_ref());
        if let Some(near) = nearest(name, names.map(|name| name.value.as_str()), 2) {
            return Some(format!("did you mean {near}?"));
        }
    }
    let [only] = service.ports.as_slice() else { return None };
    // Where a number is asked for, the field takes no name.
    let own = match (port, &only.name) {
        (PortRef::Name(_), Some(name)) => name.value.clone(),
        _ => only.port.as_ref()?.to_string(),
    };
    Some(format!("name the only port that the Service has, {own}"))
}

fn without_tls(ingress: &Ingress, out: &mut Findings) {
    let host = ingress.backends.iter().find_map(|backend| backend.host.as_ref());
    if let (Some(host), true) = (host, ingress.tls_hosts.is_empty()) {
        out.push(
            Finding::new(
                &RULE,
                format!("host {} is served without TLS by this Ingress", host.value),
                &host.origin,
                "no tls entry",
            )
            .variant(&WITHOUT_TLS)
            .fix(Fix::suggest("add a tls entry, or leave it off where a load balancer ends TLS")),
        );
    }
}
