//! A GRPCRoute whose backend speaks something else, or has none of the services that the route is for.

use super::RULE;
use crate::case::ObjectCase;
use crate::case::references::{Referenced, Wanted};
use crate::case::routes::Backend;
use crate::facts::binary::GoProgram;
use crate::facts::document::Node;
use crate::facts::objects::{PortRef, Service, ServicePort};
use crate::facts::placeholders::may_be_in;
use crate::facts::program_text::TextPresence;
use crate::facts::{Body, Object, symbols};
use crate::findings::{Abstain, Finding, Fix};
use crate::rules::rule::{Findings, Judged};

/// Rules, matches and backends of one route that are looked at.
const MOST: usize = 64;

/// Protocols of HTTP/1.1 by the names that `appProtocol` has for them.
const PLAIN: [&str; 4] = ["http", "https", "kubernetes.io/ws", "kubernetes.io/wss"];

/// Of a backend whose port says that it speaks HTTP/1.1, which has no gRPC.
pub(super) fn port(
    case: &ObjectCase<'_>,
    backend: &Backend<'_>,
    services: &[(&Object, &Service)],
    out: &mut Findings,
) {
    if case.route_kind() != Some("GRPCRoute") {
        return;
    }
    let Some((PortRef::Number(number), at)) = &backend.port else { return };
    for (object, service) in services {
        let is = |own: &&ServicePort| own.port.as_ref().is_some_and(|own| own.value == *number);
        let Some(own) = service.ports.iter().find(is) else { continue };
        let Some((says, origin)) = is_plain(own, service) else { continue };
        let mut finding = Finding::new(
            &RULE,
            format!(
                "the GRPCRoute sends to port {number} of Service {}, which is one of HTTP/1.1: \
                 calls fail",
                object.meta.name()
            ),
            at,
            "calls are sent here",
        )
        .variant(&super::GRPC_TO_HTTP)
        .also(&origin, says);
        let other = service.ports.iter().find(|own| is_grpc(own));
        if let Some(right) = other.and_then(|own| own.port.as_ref()) {
            finding = finding.fix(
                Fix::suggest(format!("send to port {}", right.value))
                    .replace(at, right.value.to_string()),
            );
        } else {
            finding = finding.fix(Fix::suggest(
                "send to the port of gRPC, or say appProtocol: kubernetes.io/h2c",
            ));
        }
        out.push(finding);
        return;
    }
}

fn is_grpc(port: &ServicePort) -> bool {
    match &port.app_protocol {
        Some(protocol) => matches!(protocol.value.as_str(), "grpc" | "kubernetes.io/h2c"),
        None => port.name.as_ref().is_some_and(|name| name.value.contains("grpc")),
    }
}

/// A name alone says it where another port of the Service is that of gRPC.
fn is_plain(port: &ServicePort, service: &Service) -> Option<(String, crate::facts::Origin)> {
    if let Some(protocol) = &port.app_protocol {
        let plain = PLAIN.contains(&protocol.value.to_ascii_lowercase().as_str());
        return plain.then(|| (format!("appProtocol is {protocol}"), protocol.origin.clone()));
    }
    let name = port.name.as_ref()?;
    let plain = matches!(name.value.as_str(), "http" | "https") || name.value.starts_with("http-");
    let other = service.ports.iter().any(is_grpc);
    (plain && other).then(|| (format!("its name is {name}"), name.origin.clone()))
}

/// Names of services that no program behind a rule holds.
pub(super) fn services(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    if case.route_kind() != Some("GRPCRoute") {
        return Err(Abstain::NotApplicable);
    }
    case.joined.unpatched(case.object, &["spec/rules"])?;
    let rules = case.object.node().at(&["spec", "rules"]).into_iter().flat_map(Node::items);
    for rule in rules.take(MOST) {
        let matches = rule.get("matches").into_iter().flat_map(Node::items).take(MOST);
        let names: Vec<(Node<'_>, &str)> = matches
            .filter_map(|one| {
                let method = one.get("method")?;
                let kind = method.get("type").and_then(Node::as_str).unwrap_or("Exact");
                let service = method.get("service").filter(|_| kind == "Exact")?;
                let name = service.as_str().filter(|name| !name.is_empty() && !may_be_in(name))?;
                Some((service, name))
            })
            .collect();
        if names.is_empty() {
            continue;
        }
        for (node, name) in names {
            if let Some(finding) = unheld(case, rule, node, name)? {
                out.push(finding);
            }
        }
    }
    Ok(())
}

/// Where every backend of the rule is a gRPC server whose program is known.
fn unheld(
    case: &ObjectCase<'_>,
    rule: Node<'_>,
    node: Node<'_>,
    name: &str,
) -> Result<Option<Finding>, Abstain> {
    let own = case.object.meta.namespace.value.as_str();
    let backends: Vec<Node<'_>> =
        rule.get("backendRefs").into_iter().flat_map(Node::items).take(MOST).collect();
    let mut finding: Option<Finding> = None;
    for backend in backends {
        let text = |key| backend.get(key).and_then(Node::as_str);
        if text("kind").unwrap_or("Service") != "Service" {
            return Ok(None);
        }
        let Some(service) = text("name") else { return Ok(None) };
        let wanted = Wanted::service(text("namespace").unwrap_or(own), service);
        let Referenced::There(found) = case.joined.referenced(case.object, wanted)? else {
            return Ok(None);
        };
        let [object] = found.as_slice() else { return Ok(None) };
        let all = &case.world().objects;
        let Some(id) = all.iter().position(|it| std::ptr::eq(it, *object)) else {
            return Ok(None);
        };
        if !matches!(object.body, Body::Service(_)) {
            return Ok(None);
        }
        let of_service = ObjectCase::new(case.joined, id, object);
        let mut any = false;
        for workload in of_service.serving().take(MOST) {
            any = true;
            let Some(target) = workload.target() else { return Ok(None) };
            let Some(program) = target.known_program() else { return Ok(None) };
            let serves = program.links(symbols::GRPC_SERVE)?.is_some()
                && program.text.calls("google.golang.org/grpc.UnknownServiceHandler") == Ok(false);
            let slip = program.text.slip(name).ok().flatten();
            if !serves || !is_absent(program, name, slip.is_some()) {
                return Ok(None);
            }
            let told = finding.take().unwrap_or_else(|| {
                Finding::new(
                    &RULE,
                    format!(
                        "the GRPCRoute is for calls of {name}, which no text of the program behind \
                         Service {service} is: nobody calls it, and calls of what there is are not \
                         taken"
                    ),
                    &node.origin(),
                    "no such service",
                )
                .variant(&super::GRPC_SERVICE)
            });
            let told = told.also(&program.version.origin, format!("has no {name}"));
            finding = Some(match slip {
                Some((meant, origin)) => told
                    .also(&origin, format!("it has {meant}"))
                    .fix(Fix::suggest(format!("did you mean {meant}?"))),
                None => told.fix(Fix::suggest("write the full name of a service that is served")),
            });
        }
        if !any {
            return Ok(None);
        }
    }
    Ok(finding)
}

/// Whether no text of the program is the name. One may hold it, as that of a name that is nearly the same does.
fn is_absent(program: &GoProgram, name: &str, is_slip: bool) -> bool {
    match program.text.find(name) {
        TextPresence::Absent => true,
        TextPresence::Present(_) | TextPresence::Unknown(_) => {
            is_slip && matches!(program.text.constant(name), Ok(None))
        }
    }
}
