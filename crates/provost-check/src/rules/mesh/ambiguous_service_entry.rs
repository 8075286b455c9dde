//! ServiceEntries that Istio cannot tell from other traffic, or from each other.

use std::collections::BTreeMap;

use crate::case::Joined;
use crate::facts::Object;
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const ADDRESSES: Variant = Variant::new(
    "service-entry-without-addresses",
    Level::Note,
    "a ServiceEntry for TCP that has no addresses",
)
.strict(Level::Warn);

/// `buildSidecarOutboundListener` in pilot/pkg/networking/core/listener.go: a port of TCP without an
/// address is listened to on all addresses. `PILOT_ENABLE_IP_AUTOALLOCATE` (pilot/pkg/features/pilot.go)
/// gives each an address of its own, "when combined with DNS capture". What istioctl analyze calls
/// IST0134 and IST0177. Istio 1.31.
pub static RULE: Rule = Rule {
    id: "ambiguous-service-entry",
    group: Group::Mesh,
    level: Level::Warn,
    title: "ServiceEntries that give one host and port two protocols",
    page: include_str!("ambiguous-service-entry.md"),
    needs: &[Need::Manifest],
    variants: &[ADDRESSES],
    check: Check::Run(check),
    ..Rule::BASE
};

/// Hosts and ports of one object that are looked at.
const MOST: usize = 128;

/// Objects with one host and port, held against each other.
const COMPARED: usize = 64;

/// What an object gives a host and port, and where.
struct Claim<'w> {
    object: &'w Object,
    at: Node<'w>,
    protocol: String,
    /// Namespaces that see it; all of them when there is none.
    seen_by: Vec<&'w str>,
}

fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    joined.not_without_mesh()?;
    let mut claims: BTreeMap<(&str, i64), Vec<Claim<'_>>> = BTreeMap::new();
    let mut any = false;
    for object in &joined.world.objects {
        let meta = &object.meta;
        if meta.kind.value != "ServiceEntry" || meta.group() != "networking.istio.io" {
            continue;
        }
        any = true;
        let Some(spec) = object.node().get("spec") else { continue };
        let unpatched = ["spec/hosts", "spec/ports", "spec/addresses", "spec/exportTo"];
        if let Err(patched) = joined.unpatched(object, &unpatched) {
            out.abstain(patched);
            continue;
        }
        without_addresses(joined, object, spec, out);
        protocols(joined, object, spec, &mut claims, out);
    }
    if any { Ok(()) } else { Err(Abstain::NotApplicable) }
}

fn items<'d>(node: Node<'d>, key: &str) -> impl Iterator<Item = Node<'d>> + use<'d> {
    node.get(key).into_iter().flat_map(Node::items).take(MOST)
}

/// Connections of TCP have an address and a port, and no name.
fn without_addresses(joined: &Joined<'_>, object: &Object, spec: Node<'_>, out: &mut Findings) {
    let has = |key: &str| items(spec, key).next().is_some();
    let status = object.node().at(&["status", "addresses"]);
    let allocated = status.is_some_and(|list| list.items().next().is_some());
    let captures = joined.mesh_setting("ISTIO_META_DNS_CAPTURE");
    if has("addresses") || allocated || captures.is_some_and(|value| value != "false") {
        return;
    }
    let tcp = items(spec, "ports").find_map(|port| {
        let protocol = port.get("protocol");
        match protocol.map(Node::as_str) {
            None => None,
            Some(text) => text.filter(|text| text.eq_ignore_ascii_case("tcp")).and(protocol),
        }
    });
    let Some(at) = tcp else { return };
    let mut finding = Finding::new(
        &RULE,
        "a ServiceEntry for TCP without addresses: a connection has no host name, so that sidecars \
         take every one to this port for it, or, where istiod gives it an address, none",
        &at.origin(),
        "told by address alone",
    )
    .variant(&ADDRESSES);
    if let Some(host) = items(spec, "hosts").next() {
        finding = finding.also(&host.origin(), "a name, which is not sent");
    }
    finding.subject = object.subject();
    out.push(finding.fix(Fix::suggest(
        "write the addresses; else turn on DNS capture (proxyMetadata ISTIO_META_DNS_CAPTURE: \
         \"true\"), or write TLS where the client speaks it, whose SNI is a name",
    )));
}

fn protocols<'w>(
    joined: &Joined<'w>,
    object: &'w Object,
    spec: Node<'w>,
    claims: &mut BTreeMap<(&'w str, i64), Vec<Claim<'w>>>,
    out: &mut Findings,
) {
    let own = object.meta.namespace.value.as_str();
    let mut seen_by: Vec<&str> = items(spec, "exportTo").filter_map(Node::as_str).collect();
    if seen_by.contains(&"*") {
        seen_by.clear();
    }
    for namespace in &mut seen_by {
        if *namespace == "." {
            *namespace = own;
        }
    }
    for host in items(spec, "hosts").filter_map(Node::as_str).filter(|host| !may_be_in(host)) {
        for port in items(spec, "ports") {
            let (Some(number), Some(at)) =
                (port.get("number").and_then(Node::as_i64), port.get("protocol"))
            else {
                continue;
            };
            // An empty one is left to the name of the port.
            let Some(text) = at.as_str().filter(|text| !text.is_empty() && !may_be_in(text)) else {
                continue;
            };
            let protocol = text.to_ascii_uppercase();
            let claims = claims.entry((host, number)).or_default();
            let meet = |other: &Claim<'_>| {
                other.seen_by.is_empty()
                    || seen_by.is_empty()
                    || other.seen_by.iter().any(|namespace| seen_by.contains(namespace))
            };
            let other = claims.iter().take(COMPARED).find(|other| {
                other.protocol != protocol
                    && !std::ptr::eq(other.object, object)
                    && meet(other)
                    && joined.together(other.object, object)
            });
            if let Some(other) = other {
                let mut finding = Finding::new(
                    &RULE,
                    format!(
                        "ServiceEntries {} and {} give port {number} of {host} two protocols, {} and \
                         {protocol}: sidecars have one, that of the older entry",
                        other.object.meta.name(),
                        object.meta.name(),
                        other.protocol
                    ),
                    &at.origin(),
                    protocol.clone(),
                )
                .also(&other.at.origin(), other.protocol.clone());
                finding.subject = object.subject();
                out.push(finding.fix(Fix::suggest(
                    "give the host one ServiceEntry with one protocol for each port",
                )));
            }
            claims.push(Claim { object, at, protocol, seen_by: seen_by.clone() });
        }
    }
}
