//! NetworkPolicies: peers, blocks of addresses and ranges of ports.

use super::{RULE, ip, is_placeholder, items, pod, refuse};
use crate::case::ObjectCase;
use crate::facts::Fact;
use crate::facts::document::{Node, ScalarKind};
use crate::findings::Finding;
use crate::rules::rule::Findings;

/// `ValidateNetworkPolicySpec` of pkg/apis/networking/validation/validation.go, Kubernetes v1.37.2.
pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) {
    let Some(spec) = case.object.node().get("spec").filter(|spec| spec.is_mapping()) else {
        return;
    };
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in items(spec, direction) {
            items(rule, "ports").for_each(|port| self::port(port, out));
            items(rule, peers).for_each(|peer| self::peer(case, peers, peer, out));
        }
    }
    if let Some((key, types)) = spec.get_entry("policyTypes")
        && types.items().count() > 2
    {
        refuse(out, &key.origin(), "policyTypes may not specify more than two types");
    }
}

fn port(port: Node<'_>, out: &mut Findings) {
    let end = port.get("endPort").and_then(|node| Some((node.as_i64()?, node)));
    let Some(first) = port.get("port") else {
        let merged = port.has_key("<<");
        if let Some((_, node)) = end.filter(|_| !merged) {
            refuse(
                out,
                &node.origin(),
                "endPort may not be specified when `port` is not specified",
            );
        }
        return;
    };
    match (first.scalar_kind(), first.as_str()) {
        (Some(ScalarKind::Int(number)), _) => {
            pod::port_number("port", &Fact::written(number, first.origin()), out);
            let Some((end, node)) = end else { return };
            if end < number {
                out.push(
                    Finding::new(
                        &RULE,
                        format!("endPort {end} must be greater than or equal to port {number}"),
                        &node.origin(),
                        "ends before it begins",
                    )
                    .also(&first.origin(), "the first port"),
                );
            } else {
                pod::port_number("endPort", &Fact::written(end, node.origin()), out);
            }
        }
        (Some(ScalarKind::Str), Some(name)) if !is_placeholder(name) => {
            if let Some((_, node)) = end {
                out.push(
                    Finding::new(
                        &RULE,
                        "endPort may not be specified when `port` is non-numeric",
                        &node.origin(),
                        "refused",
                    )
                    .also(&first.origin(), "a name"),
                );
            }
            pod::port_name(&Fact::written((), first.origin()), name, out);
        }
        _ => {}
    }
}

fn peer(case: &ObjectCase<'_>, list: &str, peer: Node<'_>, out: &mut Findings) {
    let known = ["podSelector", "namespaceSelector", "ipBlock"];
    let block = peer.get_entry("ipBlock");
    let other = known[..2].iter().find_map(|key| peer.get_entry(key));
    match (block, other) {
        (Some((key, _)), Some((other, _))) => out.push(
            Finding::new(
                &RULE,
                "may not specify both ipBlock and another peer in one entry",
                &key.origin(),
                "one of them",
            )
            .also(&other.origin(), "and the other"),
        ),
        // An entry with keys of other names is told of for those.
        (None, None)
            if peer
                .entries()
                .all(|(key, _)| key.as_str().is_some_and(|key| known.contains(&key))) =>
        {
            refuse(out, &peer.start(), format!("an entry of `{list}` must specify a peer"));
        }
        _ => {}
    }
    if let Some((_, block)) = block {
        addresses(case, block, out);
    }
}

fn addresses(case: &ObjectCase<'_>, block: Node<'_>, out: &mut Findings) {
    let Some(node) = block.get("cidr") else { return };
    let Some(whole) = ip::cidr(case, "cidr", node, out) else { return };
    for item in block.get("except").into_iter().flat_map(Node::items) {
        if let Some(part) = ip::cidr(case, "except", item, out)
            && !whole.holds_more_than(&part)
        {
            let text = item.as_str().unwrap_or_default();
            out.push(
                Finding::new(
                    &RULE,
                    format!("except {text} must be a strict subset of `cidr`"),
                    &item.origin(),
                    "is not inside",
                )
                .also(&node.origin(), "all of the block"),
            );
        }
    }
}
