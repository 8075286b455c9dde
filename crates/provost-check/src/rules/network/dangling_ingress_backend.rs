//! An Ingress whose backend is not there.

use crate::case::ObjectCase;
use crate::facts::Body;
use crate::facts::objects::{Ingress, IngressBackend, PortRef, Service};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const WITHOUT_TLS: Variant =
    Variant::new("ingress-without-tls", Level::Note, "an Ingress serves a host without TLS")
        .off()
        .house(Level::Note);

/// Services that are compared with a name that is not there.
const COMPARED: usize = 2000;

/// The controller answers 503 (or does not load the rule).
pub static RULE: Rule = Rule {
    id: "dangling-ingress-backend",
    group: Group::Network,
    level: Level::Deny,
    title: "an Ingress names a Service, or a port of one, that does not exist",
    page: include_str!("dangling-ingress-backend.md"),
    needs: &[Need::Manifest],
    variants: &[WITHOUT_TLS],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::Ingress(ingress) = &case.object.body else { return Err(Abstain::NotApplicable) };
    without_tls(ingress, out);
    let namespace = &case.object.meta.namespace.value;
    let mut judged: Vec<(&str, Option<&PortRef>)> = Vec::new();
    for backend in ingress.backends.iter().take(1000) {
        let name = backend.service.value.as_str();
        let port = backend.port.as_ref().map(|p| &p.value);
        // The AWS controller reads such a backend as the name of an action in an annotation.
        let action = matches!(port, Some(PortRef::Name(port)) if port == "use-annotation");
        if action || judged.contains(&(name, port)) {
            continue;
        }
        judged.push((name, port));
        if name.contains(['{', '$']) {
            out.abstain(Abstain::unknown(Reason::Templated, format!("Service {name}")));
            continue;
        }
        let services = case.joined.joins.named(namespace, "Service", name);
        let services: Vec<&Service> = services
            .iter()
            .filter_map(|id| match &case.world().objects.get(*id)?.body {
                Body::Service(service) => Some(service),
                _ => None,
            })
            .collect();
        if services.is_empty() {
            missing_service(case, backend, out);
        } else if let Some(port) = &backend.port
            && !services.iter().any(|s| has_port(s, &port.value))
        {
            missing_port(backend, services[0], out);
        }
    }
    Ok(())
}

fn has_port(service: &Service, port: &PortRef) -> bool {
    service.ports.iter().any(|own| match port {
        PortRef::Number(n) => own.port.as_ref().is_some_and(|p| p.value == *n),
        PortRef::Name(name) => own.name.as_ref().is_some_and(|n| n.value == *name),
    })
}

fn missing_service(case: &ObjectCase<'_>, backend: &IngressBackend, out: &mut Findings) {
    let name = backend.service.value.as_str();
    let namespace = &case.object.meta.namespace.value;
    let closed = case.world().settings.closed_world;
    let others: Vec<_> = case
        .world()
        .objects
        .iter()
        .filter(|o| matches!(o.body, Body::Service(_)) && o.meta.namespace.value == *namespace)
        .filter(|o| case.joined.may_be_together(case.object, o))
        .take(COMPARED)
        .collect();
    // api-1 and api-2 are two Services, not a slip.
    let letters = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let candidates = others.iter().map(|o| o.meta.name());
    let candidates = candidates.filter(|other| name.len() >= 5 && letters(other) != letters(name));
    let near = names::nearest(name, candidates, 2);
    if near.is_none() && !closed {
        let needs = format!("Service {namespace}/{name}");
        return out.abstain(Abstain::unknown(Reason::ObjectNotInInput, needs));
    }
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the Ingress sends to Service {name}, which does not exist in namespace {namespace}: requests get 503"
        ),
        &backend.service.origin,
        "no such Service",
    );
    if !closed {
        finding = finding.level(Level::Warn);
    }
    if let Some(near) = others.iter().find(|o| Some(o.meta.name()) == near) {
        let fix = Fix::suggest(format!("write {}", near.meta.name()));
        finding = finding.also(&near.origin(), "perhaps this one").fix(case.world().rewrite(
            fix,
            &backend.service.origin,
            name,
            near.meta.name(),
        ));
    }
    out.push(finding);
}

fn missing_port(backend: &IngressBackend, service: &Service, out: &mut Findings) {
    let Some(port) = &backend.port else { return };
    let shown = match &port.value {
        PortRef::Number(n) => n.to_string(),
        PortRef::Name(name) => name.clone(),
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "Service {} has no port {shown}: the Ingress has no endpoints for it and answers 503",
            backend.service.value
        ),
        &port.origin,
        "no such port",
    );
    for own in service.ports.iter().take(3) {
        finding = finding.also(&own.origin, "a port it has");
    }
    // Often the number of the container's port is written.
    let target = service
        .ports
        .iter()
        .find(|own| own.target_port.as_ref().is_some_and(|target| target.value == port.value));
    let right = target.or(service.ports.first().filter(|_| service.ports.len() == 1));
    if let Some(number) = right.and_then(|own| own.port.as_ref()) {
        finding = finding.fix(Fix::suggest(format!(
            "name the Service's own port, {}, not the container's",
            number.value
        )));
    }
    out.push(finding);
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
