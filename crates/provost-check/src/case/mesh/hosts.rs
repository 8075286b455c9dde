//! Hosts of the mesh: what VirtualServices send to, and who says something of it.
//!
//! Source: istio.io/istio 1.31, `ResolveShortnameToFQDN` in pilot/pkg/model/config.go, and the
//! analyzers below pkg/config/analysis/analyzers/virtualservice.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::case::routes::{Said, hosts_meet};
use crate::case::{ObjectCase, ObjectId, World};
use crate::facts::document::Node;
use crate::facts::mesh::MeshPolicy;
use crate::facts::{Body, Origin};

/// Destinations of one VirtualService that are looked at.
const MOST_DESTINATIONS: usize = 1000;

/// Hosts with a star that a host is held against.
const MOST_WILD: usize = 256;

/// Hosts of one ServiceEntry that are looked at.
const MOST_HOSTS: usize = 256;

/// What Istio makes of a host without dots: the name of a Service of the namespace. One with dots
/// stands as it is.
pub fn full_name(host: &str, namespace: &str) -> String {
    let host = host.to_ascii_lowercase();
    match host.contains('.') || host == "*" {
        true => host,
        false => format!("{host}.{namespace}.svc.cluster.local"),
    }
}

/// Name and namespace of the Service that has a full name.
pub fn service_of(full: &str) -> Option<(&str, &str)> {
    let (name, rest) = full.split_once('.')?;
    let namespace = rest.strip_suffix(".svc.cluster.local")?;
    let plain = |part: &str| !part.is_empty() && !part.contains(['*', '.', '/']);
    (plain(name) && plain(namespace)).then_some((name, namespace))
}

/// DestinationRules and ServiceEntries of a run, by their hosts.
#[derive(Debug, Default)]
pub struct Hosts<'w> {
    /// DestinationRules by the full name of their host.
    rules: FxHashMap<String, Vec<ObjectId>>,
    /// Those whose host begins with a star.
    wild_rules: Vec<(String, ObjectId)>,
    /// Hosts of ServiceEntries.
    entries: FxHashSet<&'w str>,
    /// Those with a star.
    wild_entries: Vec<&'w str>,
    /// More of them than are looked at.
    more: bool,
}

impl<'w> Hosts<'w> {
    /// Goes through the objects once.
    pub fn new(world: &'w World) -> Self {
        let mut hosts = Self::default();
        for (id, object) in world.objects.iter().enumerate() {
            if let Body::Mesh(policy) = &object.body
                && let MeshPolicy::DestinationRule(rule) = &**policy
                && let Some(host) = &rule.host
            {
                let full = full_name(&host.value, &object.meta.namespace.value);
                match full.contains('*') {
                    true if hosts.wild_rules.len() < MOST_WILD => hosts.wild_rules.push((full, id)),
                    true => hosts.more = true,
                    false => hosts.rules.entry(full).or_default().push(id),
                }
            }
            let is_entry = object.meta.kind.value == "ServiceEntry"
                && object.meta.group() == "networking.istio.io";
            let named = object.node().at(&["spec", "hosts"]).filter(|_| is_entry);
            for host in named.into_iter().flat_map(Node::items).take(MOST_HOSTS) {
                match host.as_str() {
                    Some(host) if !host.contains('*') => _ = hosts.entries.insert(host),
                    Some(host) if hosts.wild_entries.len() < MOST_WILD => {
                        hosts.wild_entries.push(host);
                    }
                    Some(_) => hosts.more = true,
                    None => {}
                }
            }
        }
        hosts
    }

    /// Whether a ServiceEntry has the host, or may have it.
    pub fn has_entry(&self, full: &str) -> bool {
        self.more
            || self.entries.contains(full)
            || self.wild_entries.iter().any(|wild| hosts_meet(wild, full))
    }

    /// The DestinationRules that are about a host; `None` when they cannot all be told.
    pub fn rules_of(&self, full: &str) -> Option<Vec<ObjectId>> {
        let exact = self.rules.get(full).into_iter().flatten().copied();
        let wild = self.wild_rules.iter().filter(|(wild, _)| hosts_meet(wild, full));
        let all = exact.chain(wild.map(|(_, id)| *id)).take(MOST_WILD + 1);
        let all: Vec<ObjectId> = all.collect();
        (!self.more && all.len() <= MOST_WILD).then_some(all)
    }
}

/// Where a VirtualService sends to.
#[derive(Clone, Debug)]
pub struct Destination<'w> {
    /// As written.
    pub host: Said<'w>,
    /// `port.number`
    pub port: Option<(i64, Origin)>,
    /// `subset`
    pub subset: Option<Said<'w>>,
}

impl<'w> Destination<'w> {
    fn at(node: Node<'w>) -> Option<Self> {
        let port = node.at(&["port", "number"]);
        Some(Self {
            host: Said::at(node, "host").filter(|host| !host.text.is_empty())?,
            port: port.and_then(|port| Some((port.as_i64()?, port.origin()))),
            subset: Said::at(node, "subset").filter(|subset| !subset.text.is_empty()),
        })
    }
}

/// A list of destinations that share the traffic of a route.
#[derive(Clone, Debug)]
pub struct Shares {
    /// The place of the list.
    pub at: Origin,
    /// How many share it.
    pub count: usize,
    /// What their weights add up to; `None` when one of them is not known.
    pub total: Option<i64>,
}

impl<'w> ObjectCase<'w> {
    /// Whether it is a VirtualService of Istio's.
    pub fn is_virtual_service(&self) -> bool {
        let meta = &self.object.meta;
        meta.group() == "networking.istio.io" && meta.kind.value == "VirtualService"
    }

    /// The lists of weighted destinations of a VirtualService.
    pub fn shares(&self) -> Vec<Shares> {
        let lists = self.routes().filter_map(|route| route.get("route"));
        let shares = lists.take(MOST_DESTINATIONS).map(|list| {
            let items: Vec<Node<'_>> = list.items().take(MOST_DESTINATIONS).collect();
            let weight = |node: &Node<'_>| match node.get("weight") {
                Some(weight) => weight.as_i64(),
                None => Some(0),
            };
            let total =
                items.iter().map(weight).try_fold(0_i64, |sum, next| sum.checked_add(next?));
            Shares { at: list.origin(), count: items.len(), total }
        });
        shares.collect()
    }

    /// Where a VirtualService sends to, copies of the traffic included.
    pub fn destinations(&self) -> Vec<Destination<'w>> {
        let all = self.routes().flat_map(|route| {
            let list = |key| route.get(key).into_iter().flat_map(Node::items);
            let shares = list("route").chain(list("mirrors"));
            let shares = shares.filter_map(|share| share.get("destination"));
            shares.chain(route.get("mirror"))
        });
        all.filter_map(Destination::at).take(MOST_DESTINATIONS).collect()
    }

    fn routes(&self) -> impl Iterator<Item = Node<'w>> + use<'w> {
        let spec = self.object.node().get("spec").filter(|_| self.is_virtual_service());
        let of = move |key| spec.and_then(|spec| spec.get(key)).into_iter().flat_map(Node::items);
        of("http").chain(of("tls")).chain(of("tcp"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_dots_is_of_the_namespace() {
        assert_eq!(full_name("Reviews", "shop"), "reviews.shop.svc.cluster.local");
        assert_eq!(full_name("reviews.shop", "other"), "reviews.shop");
        assert_eq!(full_name("*", "other"), "*");
        assert_eq!(service_of("reviews.shop.svc.cluster.local"), Some(("reviews", "shop")));
        for no in ["reviews.shop", "a.b.c.svc.cluster.local", "*.shop.svc.cluster.local", "x"] {
            assert_eq!(service_of(no), None, "{no}");
        }
    }
}
