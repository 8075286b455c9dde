//! Objects of Istio that claim the same traffic, of which one is left out without a word.

use std::collections::BTreeMap;

use crate::case::Joined;
use crate::case::alternatives::Alternatives;
use crate::case::mesh::full_name;
use crate::facts::Object;
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const GATEWAYS: Variant = Variant::new(
    "conflicting-gateway-ports",
    Level::Warn,
    "two Gateways open one port of the same proxies for what cannot share it",
);

/// `BuildSidecarVirtualHostWrapper` in pilot/pkg/networking/core/route/route.go and `dedupeDomains`
/// in pilot/pkg/networking/core/httproute.go; `MergeGateways` and `canMergeProtocols` in
/// pilot/pkg/model/gateway.go; what istioctl analyze calls IST0109 and IST0145. Istio 1.31.
pub static RULE: Rule = Rule {
    id: "conflicting-virtual-services",
    group: Group::Mesh,
    level: Level::Warn,
    title: "two VirtualServices route the same host for the sidecars",
    page: include_str!("conflicting-virtual-services.md"),
    needs: &[Need::Manifest],
    variants: &[GATEWAYS],
    check: Check::Run(check),
    ..Rule::BASE
};

/// Objects that claim one host or port, held against each other.
const COMPARED: usize = 64;

/// Hosts and servers of one object that are looked at.
const MOST: usize = 128;

/// An object with the place of what it claims.
type Claim<'w> = (&'w Object, Node<'w>);

/// Who routes a host, and as what.
type Routes<'w> = BTreeMap<(String, &'static str), Vec<Claim<'w>>>;

/// The proxies by their labels, a port of theirs and the address it is bound to.
type Port<'w> = (Vec<(&'w str, &'w str)>, i64, &'w str);

/// Who opens a port, and for which protocol.
type Ports<'w> = BTreeMap<Port<'w>, Vec<(Claim<'w>, &'w str)>>;

fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    joined.not_without_mesh()?;
    let mut routes = Routes::new();
    let mut ports = Ports::new();
    let mut sides = Alternatives::default();
    let mut any = false;
    for object in &joined.world.objects {
        if object.meta.group() != "networking.istio.io" {
            continue;
        }
        let Some(spec) = object.node().get("spec") else { continue };
        match object.meta.kind.value.as_str() {
            "VirtualService" => {
                any = true;
                virtual_service(joined, object, spec, (&mut routes, &mut sides), out);
            }
            "Gateway" => {
                any = true;
                gateway(joined, object, spec, (&mut ports, &mut sides), out);
            }
            _ => {}
        }
    }
    if any { Ok(()) } else { Err(Abstain::NotApplicable) }
}

/// Says what is not known.
fn told<T>(found: Result<Option<T>, Abstain>, out: &mut Findings) -> Option<T> {
    found.unwrap_or_else(|unknown| {
        out.abstain(unknown);
        None
    })
}

fn items<'d>(node: Node<'d>, key: &str) -> impl Iterator<Item = Node<'d>> + use<'d> {
    node.get(key).into_iter().flat_map(Node::items).take(MOST)
}

/// Whether sidecars, and all of them, take a route: one of its matches names neither other gateways
/// nor whose traffic it is for (`sourceMatchHTTP` in pilot/pkg/networking/core/route/route.go,
/// `matchTLS` and `matchTCP` in pilot/pkg/networking/core/tls.go).
fn for_sidecars(route: Node<'_>) -> bool {
    let takes = |one: Node<'_>| {
        let holds = |key| one.get(key).is_some_and(|node| !node.is_null());
        let mut gateways = items(one, "gateways").filter_map(Node::as_str).peekable();
        (gateways.peek().is_none() || gateways.any(|name| name == "mesh"))
            && !holds("sourceLabels")
            && !holds("sourceNamespace")
    };
    let mut matches = items(route, "match").peekable();
    matches.peek().is_none() || matches.any(takes)
}

fn virtual_service<'w>(
    joined: &'w Joined<'w>,
    object: &'w Object,
    spec: Node<'w>,
    (routes, sides): (&mut Routes<'w>, &mut Alternatives),
    out: &mut Findings,
) {
    let gateways = || items(spec, "gateways").filter_map(Node::as_str);
    let in_mesh = spec.get("gateways").is_none() || gateways().any(|name| name == "mesh");
    // Who sees which of two that are for some namespaces only is not looked into.
    let for_all = items(spec, "exportTo").all(|to| to.as_str() == Some("*"));
    if !in_mesh || !for_all {
        return;
    }
    let kinds = ["http", "tls", "tcp"].into_iter();
    for kind in kinds.filter(|kind| items(spec, kind).any(for_sidecars)) {
        for host in items(spec, "hosts") {
            let Some(text) = host.as_str().filter(|text| !may_be_in(text)) else { continue };
            let full = full_name(text, &object.meta.namespace.value);
            let claims = routes.entry((full, kind)).or_default();
            let others = claims.iter().take(COMPARED).map(|claim| (claim.0, claim));
            let other = told(sides.beside(joined, object, others), out);
            if let Some((other, place)) = other {
                let mut finding = Finding::new(
                    &RULE,
                    format!(
                        "VirtualServices {} and {} both route {text} for the sidecars: the older one \
                         counts, and the other is left out",
                        other.meta.name(),
                        object.meta.name()
                    ),
                    &host.origin(),
                    "once more",
                )
                .also(&place.origin(), "routed here");
                finding.subject = object.subject();
                out.push(finding.fix(Fix::suggest(
                    "put the routes into one VirtualService, or name the gateway that one is for",
                )));
            }
            claims.push((object, host));
        }
    }
}

fn gateway<'w>(
    joined: &'w Joined<'w>,
    object: &'w Object,
    spec: Node<'w>,
    (ports, sides): (&mut Ports<'w>, &mut Alternatives),
    out: &mut Findings,
) {
    let Some(selector) = spec.get("selector") else { return };
    let mut labels: Vec<(&str, &str)> = selector
        .entries()
        .take(MOST)
        .filter_map(|(key, value)| Some((key.as_str()?, value.as_str()?)))
        .collect();
    labels.sort_unstable();
    if labels.is_empty() || labels.iter().any(|(k, v)| may_be_in(k) || may_be_in(v)) {
        return;
    }
    for server in items(spec, "servers") {
        let port = server.get("port").filter(|_| server.get("tls").is_none());
        let Some(port) = port else { continue };
        let number = port.get("number");
        let (Some(number), Some(at), Some(protocol)) =
            (number.and_then(Node::as_i64), number, port.get("protocol").and_then(Node::as_str))
        else {
            continue;
        };
        if matches!(protocol, "HTTPS" | "TLS") || may_be_in(protocol) {
            continue;
        }
        let bind = server.get("bind").and_then(Node::as_str).unwrap_or_default();
        let claims = ports.entry((labels.clone(), number, bind)).or_default();
        let others = claims
            .iter()
            .take(COMPARED)
            .filter(|(_, spoken)| !is_http(protocol) || !is_http(spoken))
            .map(|claim| (claim.0.0, claim));
        let other = told(sides.beside(joined, object, others), out);
        if let Some(((other, place), spoken)) = other {
            let mut finding = Finding::new(
                &RULE,
                format!(
                    "Gateways {} and {} open port {number} of the same proxies for {spoken} and \
                     {protocol}: plain text shares a port when all of it is HTTP, and istiod leaves \
                     the newer one out",
                    other.meta.name(),
                    object.meta.name()
                ),
                &at.origin(),
                protocol,
            )
            .variant(&GATEWAYS)
            .also(&place.origin(), *spoken);
            finding.subject = object.subject();
            out.push(finding.fix(Fix::suggest("give one of them another port")));
        }
        claims.push(((object, at), protocol));
    }
}

/// `IsHTTP` in pkg/config/protocol/instance.go.
fn is_http(protocol: &str) -> bool {
    ["HTTP", "HTTP2", "HTTP_PROXY", "GRPC", "GRPC-WEB"]
        .iter()
        .any(|http| http.eq_ignore_ascii_case(protocol))
}
