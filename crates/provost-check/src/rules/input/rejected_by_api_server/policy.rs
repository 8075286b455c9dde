//! NetworkPolicies: peers, blocks of addresses and ranges of ports.

use core::net::IpAddr;

use super::{RULE, is_placeholder, items, pod, refuse};
use crate::facts::Fact;
use crate::facts::document::{Node, ScalarKind};
use crate::facts::objects::Object;
use crate::findings::Finding;
use crate::rules::rule::Findings;

/// `ValidateNetworkPolicySpec` of pkg/apis/networking/validation/validation.go, Kubernetes v1.37.2.
pub(super) fn check(object: &Object, out: &mut Findings) {
    let Some(spec) = object.node().get("spec").filter(|spec| spec.is_mapping()) else { return };
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in items(spec, direction) {
            items(rule, "ports").for_each(|port| self::port(port, out));
            items(rule, peers).for_each(|peer| self::peer(peers, peer, out));
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
        let merged = port.entries().any(|(key, _)| key.as_str() == Some("<<"));
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

fn peer(list: &str, peer: Node<'_>, out: &mut Findings) {
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
        addresses(block, out);
    }
}

fn addresses(block: Node<'_>, out: &mut Findings) {
    let Some(node) = block.get("cidr") else { return };
    let Some(text) = node.as_str().filter(|text| !text.is_empty() && !is_placeholder(text)) else {
        return;
    };
    let Some(whole) = Cidr::parse(text) else {
        let example = if text.parse::<IpAddr>().is_ok() {
            let bits = if text.contains(':') { 128 } else { 32 };
            format!(": one address is `{text}/{bits}`")
        } else {
            String::new()
        };
        let message = format!("`{text}` is no CIDR, e.g. 10.9.8.0/24 or 2001:db8::/64{example}");
        return refuse(out, &node.origin(), message);
    };
    for item in block.get("except").into_iter().flat_map(Node::items) {
        let Some(text) = item.as_str().filter(|text| !is_placeholder(text)) else { continue };
        match Cidr::parse(text) {
            None => {
                let message = format!("`{text}` is no CIDR, e.g. 10.9.8.0/24 or 2001:db8::/64");
                refuse(out, &item.origin(), message);
            }
            Some(part) if !whole.holds_more_than(&part) => out.push(
                Finding::new(
                    &RULE,
                    format!("except {text} must be a strict subset of `cidr`"),
                    &item.origin(),
                    "is not inside",
                )
                .also(&node.origin(), "all of the block"),
            ),
            Some(_) => {}
        }
    }
}

/// A block of addresses.
#[derive(Debug, PartialEq)]
struct Cidr {
    /// The address as a number, IPv4 in the low bits.
    address: u128,
    /// 32 or 128.
    bits: u32,
    /// Bits that all of its addresses share.
    prefix: u32,
}

impl Cidr {
    /// `netutils.ParseCIDRSloppy`: octets may have leading zeros.
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix: u32 = prefix.parse().ok().filter(|_| digits)?;
        let (address, bits) = if address.contains(':') {
            (u128::from(address.parse::<core::net::Ipv6Addr>().ok()?), 128)
        } else {
            let octets = address.split('.').map(|octet| {
                let short = octet.trim_start_matches('0');
                if short.is_empty() && !octet.is_empty() { "0" } else { short }
            });
            let plain = octets.collect::<Vec<_>>().join(".");
            (u128::from(u32::from(plain.parse::<core::net::Ipv4Addr>().ok()?)), 32)
        };
        (prefix <= bits).then_some(Self { address, bits, prefix })
    }

    /// Whether `part` is inside and smaller.
    fn holds_more_than(&self, part: &Self) -> bool {
        let shift = self.bits - self.prefix;
        let network = |address: u128| address.checked_shr(shift).unwrap_or(0);
        self.bits == part.bits
            && self.prefix < part.prefix
            && network(self.address) == network(part.address)
    }
}

#[cfg(test)]
mod tests {
    use super::Cidr;

    #[test]
    fn blocks_are_compared_as_gos_net_does() {
        let cidr = |text: &str| Cidr::parse(text).unwrap_or_else(|| panic!("{text}"));
        for (whole, part, inside) in [
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.0.0.0/8", "10.0.0.0/8", false),
            ("10.0.0.0/8", "11.0.0.0/16", false),
            ("0.0.0.0/0", "169.254.169.254/32", true),
            ("::/0", "fd00::/8", true),
            ("::/0", "10.0.0.0/8", false),
            ("fd00::/8", "fd12:3456::/32", true),
            // Host bits are cut off.
            ("10.1.2.3/8", "10.200.0.0/16", true),
        ] {
            assert_eq!(cidr(whole).holds_more_than(&cidr(part)), inside, "{whole} {part}");
        }
        assert!(Cidr::parse("010.000.0.01/8").is_some());
        for text in [
            "10.0.0.0",
            "10.0.0/8",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/+8",
            "a/8",
            "10..0.0/8",
            "/8",
            "",
        ] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }
}
