//! Addresses and blocks of them.
//!
//! What is no address every release refuses; what only the strict form refuses, those since Kubernetes
//! 1.36 do where it is new (`IsValidIPForLegacyField`, `IsValidCIDRForLegacyField`, `ValidateEndpointIP` and
//! who calls them in pkg/apis/core/validation and pkg/apis/networking/validation, v1.37.2).

use super::{is_placeholder, items, refuse};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::facts::workload::Workload;
use crate::findings::{Finding, Fix};
use crate::model::ip::{self, Cidr, Fault};
use crate::rules::rule::Findings;

/// Addresses of one list that are looked at.
const MOST: usize = 1000;

/// Addresses of a Service.
pub(super) fn service(case: &ObjectCase<'_>, spec: Node<'_>, kind: &str, out: &mut Findings) {
    let listed = |key| spec.get(key).into_iter().flat_map(Node::items).take(MOST);
    if kind != "ExternalName" {
        let single = spec.get("clusterIP");
        let same = |node: &Node<'_>| single.and_then(Node::as_str) == node.as_str();
        if let Some(node) = single.filter(|node| !matches!(node.as_str(), Some("" | "None"))) {
            address(case, "clusterIP", node, out);
        }
        let all = listed("clusterIPs").filter(|node| !same(node));
        for node in all.filter(|node| node.as_str() != Some("None")) {
            address(case, "clusterIPs", node, out);
        }
    }
    for node in listed("externalIPs") {
        reachable(case, "externalIPs", node, out);
    }
    if kind == "LoadBalancer" {
        for node in listed("loadBalancerSourceRanges") {
            cidr(case, "loadBalancerSourceRanges", node, out);
        }
    }
}

/// Addresses that pods know others by.
pub(super) fn pod(case: &ObjectCase<'_>, workload: &Workload, out: &mut Findings) {
    let spec = case.object.document.node(workload.pod.spec);
    for alias in items(spec, "hostAliases").take(MOST) {
        if let Some(node) = alias.get("ip") {
            address(case, "ip", node, out);
        }
    }
    let servers = spec.at(&["dnsConfig", "nameservers"]).into_iter().flat_map(Node::items);
    for node in servers.take(MOST) {
        address(case, "nameservers", node, out);
    }
}

/// Addresses that somebody writes for a Service without a selector.
pub(super) fn endpoints(case: &ObjectCase<'_>, out: &mut Findings) {
    for subset in items(case.object.node(), "subsets").take(MOST) {
        for list in ["addresses", "notReadyAddresses"] {
            for node in items(subset, list).take(MOST).filter_map(|address| address.get("ip")) {
                reachable(case, "ip", node, out);
            }
        }
    }
}

/// Addresses of an EndpointSlice: `validateEndpoints` of pkg/apis/discovery/validation, v1.37.2.
pub(super) fn slice(case: &ObjectCase<'_>, out: &mut Findings) {
    let root = case.object.node();
    let Some((kind, _)) = super::text(root, "addressType") else { return };
    if !matches!(kind, "IPv4" | "IPv6") {
        return;
    }
    for endpoint in items(root, "endpoints").take(MOST) {
        let addresses = endpoint.get("addresses").into_iter().flat_map(Node::items);
        for node in addresses.take(MOST) {
            let Some(ip) = address(case, "addresses", node, out) else { continue };
            if ip.is_ipv4() != (kind == "IPv4") {
                refuse(out, &node.origin(), format!("addresses `{ip}` must be an {kind} address"));
            } else if let Some(why) = ip::not_reachable(ip) {
                refuse(out, &node.origin(), format!("addresses `{ip}` {why}"));
            }
        }
    }
}

/// The text at a place, unless it is hidden or still to be filled in.
fn written(node: Node<'_>) -> Option<&str> {
    node.as_str().filter(|text| !is_placeholder(text))
}

fn address(
    case: &ObjectCase<'_>,
    key: &str,
    node: Node<'_>,
    out: &mut Findings,
) -> Option<core::net::IpAddr> {
    let text = written(node)?;
    match ip::address(text) {
        Ok(ip) => return Some(ip),
        Err(fault) if !is_refused(case, fault) => {}
        Err(fault) => {
            let why = match fault {
                Fault::None if key == "clusterIP" => "must be empty, 'None' or an IP address",
                Fault::None => "must be an IP address, such as 10.9.8.7 or 2001:db8::ffff",
                fault => strict(fault),
            };
            refuse(out, &node.origin(), format!("{key} `{text}` {why}"));
        }
    }
    None
}

fn reachable(case: &ObjectCase<'_>, key: &str, node: Node<'_>, out: &mut Findings) {
    if let Some(ip) = address(case, key, node, out)
        && let Some(why) = ip::not_reachable(ip)
    {
        refuse(out, &node.origin(), format!("{key} `{ip}` {why}"));
    }
}

/// Says what is wrong with a block; the block where it can be read.
pub(super) fn cidr(
    case: &ObjectCase<'_>,
    key: &str,
    node: Node<'_>,
    out: &mut Findings,
) -> Option<Cidr> {
    let text = written(node).filter(|text| !text.is_empty())?;
    // Those of a Service may have spaces around them.
    let plain = if key == "loadBalancerSourceRanges" { text.trim() } else { text };
    let Some(block) = Cidr::parse(plain) else {
        let example = if ip::address(plain).is_ok() {
            let bits = if plain.contains(':') { 128 } else { 32 };
            format!(": one address is `{plain}/{bits}`")
        } else {
            String::new()
        };
        let message = format!("`{text}` is no CIDR, e.g. 10.9.8.0/24 or 2001:db8::/64{example}");
        refuse(out, &node.origin(), message);
        return None;
    };
    if let Some(fault) = block.fault().filter(|fault| is_refused(case, *fault)) {
        let message = format!("{key} `{plain}` {}", strict(fault));
        let mut finding = Finding::new(&super::RULE, message, &node.origin(), "refused");
        if fault != Fault::Mapped {
            let meant = block.strict();
            let fix = Fix::suggest(format!("write {meant}"));
            finding = finding.fix(case.world().rewrite(fix, &node.origin(), text, &meant));
        }
        out.push(finding);
    }
    Some(block)
}

fn is_refused(case: &ObjectCase<'_>, fault: Fault) -> bool {
    case.world().settings.kubernetes().0 >= fault.since()
}

fn strict(fault: Fault) -> &'static str {
    match fault {
        Fault::None => "is none",
        Fault::LeadingZeros => "must not have leading 0s (since Kubernetes 1.36)",
        Fault::Mapped => "must not be an IPv4-mapped IPv6 address (since Kubernetes 1.36)",
        Fault::HostBits => {
            "must not have bits set beyond the prefix length (since Kubernetes 1.36)"
        }
    }
}
