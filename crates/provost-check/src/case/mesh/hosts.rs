//! Hosts of the mesh: what VirtualServices send to, and who says something of it.
//!
//! Source: istio.io/istio 1.31, `ResolveShortnameToFQDN` in pilot/pkg/model/config.go, and the
//! analyzers below pkg/config/analysis/analyzers/virtualservice.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::case::routes::{LONGEST_HOST, Said};
use crate::case::{ObjectCase, ObjectId, World};
use crate::facts::document::Node;
use crate::facts::mesh::MeshPolicy;
use crate::facts::{Body, Origin};

/// Destinations of one VirtualService that are looked at.
const MOST_DESTINATIONS: usize = 1000;

/// DestinationRules about one host that are looked at.
const MOST_RULES: usize = 64;

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

/// Whether a host has the form of a Service's full name in a cluster with another domain than
/// `cluster.local`.
pub fn is_of_other_domain(full: &str) -> bool {
    let mut parts = full.splitn(4, '.');
    let mut next = || parts.next().filter(|part| !part.is_empty());
    let (name, namespace, svc, domain) = (next(), next(), next(), next());
    name.and(namespace).is_some()
        && svc == Some("svc")
        && domain.is_some_and(|d| d != "cluster.local")
}

/// What is behind the star of a host that begins with one and has no other.
fn behind_star(host: &str) -> Option<&str> {
    let tail = host.strip_prefix('*')?;
    (tail.is_empty() || (tail.starts_with('.') && !tail.contains('*'))).then_some(tail)
}

/// The ends of a host that may stand behind a star, the longest first.
fn tails(full: &str) -> impl Iterator<Item = &str> {
    let most = if full.len() > LONGEST_HOST { 0 } else { LONGEST_HOST };
    let dots = full.match_indices('.').map(|(at, _)| &full[at..]);
    dots.chain(std::iter::once("")).take(most)
}

/// DestinationRules and ServiceEntries of a run, by their hosts.
#[derive(Debug, Default)]
pub struct Hosts<'w> {
    /// DestinationRules by the full name of their host.
    rules: FxHashMap<String, Vec<ObjectId>>,
    /// Those whose host begins with a star, by what is behind it.
    wild_rules: FxHashMap<String, Vec<ObjectId>>,
    /// Services that rules are about which do not say a namespace.
    unplaced: FxHashSet<&'w str>,
    /// Services of whatever namespace that rules are about.
    services: FxHashSet<&'w str>,
    /// Hosts of ServiceEntries.
    entries: FxHashSet<String>,
    /// Those that begin with a star, by what is behind it.
    wild_entries: FxHashSet<String>,
    /// One of them is none that Istio takes: it is still to be filled in.
    open: bool,
}

/// DestinationRules that are about a host.
#[derive(Debug, Default)]
pub struct RulesOf {
    /// Those with the most specific host.
    pub nearest: Vec<ObjectId>,
    /// The others.
    pub others: Vec<ObjectId>,
    /// The nearest have the very host, rather than one with a star.
    pub exact: bool,
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
                let namespace = &object.meta.namespace;
                let full = full_name(&host.value, &namespace.value);
                let (name, rest) = host.value.split_once('.').unwrap_or((host.value.as_str(), ""));
                if service_of(&full).is_some() {
                    hosts.services.insert(name);
                    if rest.is_empty() && !namespace.is_written() {
                        hosts.unplaced.insert(name);
                    }
                }
                match behind_star(&full) {
                    _ if full.len() > LONGEST_HOST => {}
                    Some(tail) => hosts.wild_rules.entry(tail.to_owned()).or_default().push(id),
                    None if full.contains('*') => hosts.open = true,
                    None => hosts.rules.entry(full).or_default().push(id),
                }
            }
            let is_entry = object.meta.kind.value == "ServiceEntry"
                && object.meta.group() == "networking.istio.io";
            let named = object.node().at(&["spec", "hosts"]).filter(|_| is_entry);
            for host in named.into_iter().flat_map(Node::items).take(MOST_HOSTS) {
                let Some(host) = host.as_str().filter(|host| host.len() <= LONGEST_HOST) else {
                    continue;
                };
                let host = host.to_ascii_lowercase();
                match behind_star(&host) {
                    Some(tail) => _ = hosts.wild_entries.insert(tail.to_owned()),
                    None if host.contains('*') => hosts.open = true,
                    None => _ = hosts.entries.insert(host),
                }
            }
        }
        hosts
    }

    /// Whether a ServiceEntry has the host, or may have it.
    pub fn has_entry(&self, full: &str) -> bool {
        self.open
            || self.entries.contains(full)
            || tails(full).any(|tail| self.wild_entries.contains(tail))
    }

    /// The DestinationRules that are about a host; `None` when they cannot all be told. Istio takes
    /// those of the most specific host, and of these one after another (`MostSpecificHostMatch` in
    /// pilot/pkg/model/config.go, `mergeDestinationRule` in destination_rule.go).
    pub fn rules_of(&self, full: &str) -> Option<RulesOf> {
        let exact = self.rules.get(full);
        let wild = tails(full).filter_map(|tail| self.wild_rules.get(tail));
        let mut groups = exact.into_iter().chain(wild);
        let nearest = groups.next().into_iter().flatten().copied().take(MOST_RULES + 1).collect();
        let others = groups.flatten().copied().take(MOST_RULES + 1).collect();
        let of = RulesOf { nearest, others, exact: exact.is_some() };
        let all_told = of.nearest.len().max(of.others.len()) <= MOST_RULES;
        (!self.open && all_told).then_some(of)
    }

    /// Whether a rule with a short host may be about that one, since one of them does not say its
    /// namespace; `follows` when the host is that of an object without one.
    pub fn may_have_rule(&self, full: &str, follows: bool) -> bool {
        service_of(full).is_some_and(|(name, _)| {
            self.unplaced.contains(name) || (follows && self.services.contains(name))
        })
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
        assert!(is_of_other_domain("reviews.shop.svc.corp.internal"));
        for no in ["reviews.shop.svc.cluster.local", "reviews.shop.svc", "a.b.c.d", ".b.svc.c"] {
            assert!(!is_of_other_domain(no), "{no}");
        }
    }

    #[test]
    fn stars_are_found_by_what_is_behind_them() {
        let rule = |name: &str, host: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{host: '{host}'}}\n---\n"
            )
        };
        let entry = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e}\nspec: {hosts: ['*.Example.com', API.example.org]}\n";
        let rules =
            [rule("all", "*"), rule("local", "*.local"), rule("exact", "a"), rule("again", "a")];
        let world = crate::case::mesh::tests::world(&(rules.concat() + entry), None);
        let hosts = Hosts::new(&world);
        let of = |host: &str| {
            let of = hosts.rules_of(host).unwrap();
            (of.nearest, of.others, of.exact)
        };
        assert_eq!(of("a.shop.svc.cluster.local"), (vec![2, 3], vec![1, 0], true));
        assert_eq!(of("b.shop.svc.cluster.local"), (vec![1], vec![0], false));
        assert_eq!(of("example.com"), (vec![0], vec![], false));
        for (host, there) in [
            ("a.b.example.com", true),
            ("example.com", false),
            ("api.example.org", true),
            ("www.example.org", false),
        ] {
            assert_eq!(hosts.has_entry(host), there, "{host}");
        }
        // No host is that long.
        let long = format!("{}.example.com", "a.".repeat(130));
        assert!(!hosts.has_entry(&long));
        assert_eq!(of(&long), (vec![], vec![], false));
    }
}
