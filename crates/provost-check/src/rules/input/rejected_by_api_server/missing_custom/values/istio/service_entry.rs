//! Ports and hosts of a ServiceEntry.
//!
//! Source: `ValidateServiceEntry` in validation.go.

use std::collections::BTreeMap;

use super::super::super::super::is_whole;
use super::{
    MOST, Protocol, Refusals, entries, has_entries, list, protocol, unique_names, unknown_protocol,
};
use crate::facts::document::Node;

pub(super) fn check(spec: Node<'_>, to: &mut Refusals<'_>) {
    for port in entries(spec, "ports") {
        unknown_protocol(port, |name| format!("unsupported protocol: {name}"), to);
    }
    let why = |name: &str| format!("service entry port name {name:?} already defined");
    unique_names(entries(spec, "ports"), "ports", why, to);
    numbers(spec, to);
    for host in list(spec, "hosts").take(MOST).filter(|host| host.as_str() == Some("*")) {
        let fix = "write the hosts, or a part of them: *.example.com";
        to.tell(host, "every host", "a host `*`", "invalid host *", fix);
    }
    let resolution = match spec.get("resolution") {
        Some(node) => node.as_str(),
        None if is_whole(spec) => Some("NONE"),
        None => None,
    };
    let Some(resolution) = resolution else { return };
    if resolution == "NONE"
        && let Some((key, _)) =
            spec.get_entry("endpoints").filter(|_| has_entries(spec, "endpoints"))
    {
        let why = "no endpoints should be provided for resolution type none";
        let what = "endpoints are named, and the address that a client asked for is used";
        to.lacks(
            key,
            "not used",
            what,
            why,
            "write resolution: STATIC, or DNS where they are names",
        );
    }
    let most = list(spec, "hosts").take(MOST).count();
    if !matches!(resolution, "STATIC" | "DNS" | "DNS_ROUND_ROBIN") {
        return;
    }
    let plain = entries(spec, "ports").find_map(|port| {
        let node = port.get("protocol")?;
        let of = protocol(node.as_str()?)?;
        (of == Protocol::Other).then_some(node)
    });
    if let Some(node) = plain.filter(|_| most > 1) {
        let what = "several hosts share a port by which they cannot be told apart";
        let why = "multiple hosts provided with non-HTTP, non-TLS ports";
        to.lacks(node, "names no host", what, why, "write one ServiceEntry for each host");
    }
}

fn numbers(spec: Node<'_>, to: &mut Refusals<'_>) {
    let mut seen: BTreeMap<i64, Node<'_>> = BTreeMap::new();
    for node in entries(spec, "ports").filter_map(|port| port.get("number")) {
        let Some(number) = node.as_i64() else { continue };
        match seen.get(&number) {
            Some(first) => {
                let what = format!("two ports are {number}");
                let why = format!("service entry port {number} already defined");
                to.conflict(node, *first, &what, &why, "keep one of them");
            }
            None => {
                seen.insert(number, node);
            }
        }
    }
}
