//! Where Ingresses and routes of the Gateway API send to, and what routes hang on.
//!
//! Source: sigs.k8s.io/gateway-api v1.6.3, `apis/v1` (`httproute_types.go`, `shared_types.go`,
//! `gateway_types.go`) and `apis/v1beta1/referencegrant_types.go`; earlier versions of the API have
//! the same fields.

use super::ObjectCase;
use super::references::Wanted;
use crate::facts::document::Node;
use crate::facts::objects::{PortRef, Selector, StringMap};
use crate::facts::placeholders::is_placeholder;
use crate::facts::{Body, Object, Origin};
use crate::findings::{Abstain, Reason};

/// The group of Gateways and routes.
pub const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// Groups and kinds with listeners, which routes hang on: a ListenerSet adds to those of its Gateway
/// (`apis/v1/listenerset_types.go`, and before v1.5 under the other name).
const PARENTS: &[(&str, &str)] = &[
    (GATEWAY_API, "Gateway"),
    (GATEWAY_API, "ListenerSet"),
    ("gateway.networking.x-k8s.io", "XListenerSet"),
];

/// Kinds that send traffic on.
const ROUTES: &[&str] = &["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"];

/// Backends of one object that are looked at.
pub const MOST_BACKENDS: usize = 1000;

/// Listeners of one Gateway: the CRD takes no more.
const MOST_LISTENERS: usize = 64;

/// Gateways that one route hangs on: the CRD takes no more.
const MOST_PARENTS: usize = 32;

/// ReferenceGrants of one namespace that are looked at.
const MOST_GRANTS: usize = 256;

/// Bytes of the longest name of a host (RFC 1035, section 2.3.4, without the dot at its end).
pub const LONGEST_HOST: usize = 253;

/// A text with its place.
#[derive(Clone, Debug)]
pub struct Said<'w> {
    /// The text.
    pub text: &'w str,
    /// Where it stands.
    pub at: Origin,
}

impl<'w> Said<'w> {
    /// The text at a key.
    pub fn at(node: Node<'w>, key: &str) -> Option<Self> {
        let value = node.get(key)?;
        Some(Self { text: value.as_str()?, at: value.origin() })
    }
}

/// A Service that something sends to.
#[derive(Clone, Debug)]
pub struct Backend<'w> {
    /// Its name.
    pub service: Said<'w>,
    /// Its namespace, where it is said and another than the sender's.
    pub elsewhere: Option<Said<'w>>,
    /// Its port.
    pub port: Option<(PortRef, Origin)>,
}

impl<'w> ObjectCase<'w> {
    /// The route of the Gateway API that this is: its kind.
    pub fn route_kind(&self) -> Option<&'static str> {
        let meta = &self.object.meta;
        let kind = ROUTES.iter().find(|kind| **kind == meta.kind.value)?;
        (meta.group() == GATEWAY_API).then_some(*kind)
    }

    /// What a ListenerSet adds its listeners to; nothing for other objects.
    pub fn parent_of_listeners(&self) -> Option<Parent<'w>> {
        let meta = &self.object.meta;
        let kind = (meta.group(), meta.kind.value.as_str());
        if kind == PARENTS[0] || !PARENTS.contains(&kind) {
            return None;
        }
        let node = self.object.node().at(&["spec", "parentRef"])?;
        let text = |key| node.get(key).and_then(Node::as_str).filter(|text| !text.is_empty());
        let kind = (text("group").unwrap_or(GATEWAY_API), text("kind").unwrap_or("Gateway"));
        Some(Parent {
            kind: (kind == PARENTS[0]).then_some(PARENTS[0]),
            name: Said::at(node, "name").filter(|name| !name.text.is_empty())?,
            namespace: text("namespace").unwrap_or(&meta.namespace.value),
            section: None,
            port: None,
        })
    }

    /// Whether it is a Gateway of the Gateway API.
    pub fn is_gateway(&self) -> bool {
        self.object.meta.group() == GATEWAY_API && self.object.meta.kind.value == "Gateway"
    }

    /// The Services that an Ingress or a route sends to, at most [`MOST_BACKENDS`]; none of other
    /// kinds.
    pub fn backends(&self) -> Vec<Backend<'w>> {
        if let Body::Ingress(ingress) = &self.object.body {
            let of_ingress = ingress.backends.iter().take(MOST_BACKENDS).map(|backend| Backend {
                service: Said { text: &backend.service.value, at: backend.service.origin.clone() },
                elsewhere: None,
                port: backend.port.as_ref().map(|port| (port.value.clone(), port.origin.clone())),
            });
            return of_ingress.collect();
        }
        if self.route_kind().is_none() {
            return Vec::new();
        }
        let own = self.object.meta.namespace.value.as_str();
        let rules = self.object.node().at(&["spec", "rules"]);
        let all = rules.into_iter().flat_map(Node::items).flat_map(|rule| {
            let list = |node: Node<'w>, key| node.get(key).into_iter().flat_map(Node::items);
            let backends: Vec<Node<'w>> = list(rule, "backendRefs").take(MOST_BACKENDS).collect();
            let own = list(rule, "filters");
            let filters = own.chain(backends.iter().flat_map(|node| list(*node, "filters")));
            let mirrors = filters.filter_map(|filter| filter.at(&["requestMirror", "backendRef"]));
            let mirrors: Vec<Node<'w>> = mirrors.take(MOST_BACKENDS).collect();
            backends.into_iter().chain(mirrors)
        });
        all.filter_map(|node| backend(node, own)).take(MOST_BACKENDS).collect()
    }
}

/// The Service of a `backendRef`; none for a backend of another kind.
fn backend<'w>(node: Node<'w>, own: &str) -> Option<Backend<'w>> {
    let text = |key| node.get(key).and_then(Node::as_str);
    if !text("group").unwrap_or_default().is_empty()
        || text("kind").unwrap_or("Service") != "Service"
    {
        return None;
    }
    let port =
        node.get("port").and_then(|port| Some((PortRef::Number(port.as_i64()?), port.origin())));
    Some(Backend {
        service: Said::at(node, "name")?,
        elsewhere: Said::at(node, "namespace").filter(|namespace| namespace.text != own),
        port,
    })
}

/// A Gateway or ListenerSet that a route hangs on, or something else.
#[derive(Clone, Debug)]
pub struct Parent<'w> {
    /// Its group and kind; none for one whose listeners are not known.
    pub kind: Option<(&'static str, &'static str)>,
    /// Its name.
    pub name: Said<'w>,
    /// Its namespace: the route's own unless another is said.
    pub namespace: &'w str,
    /// The listener.
    pub section: Option<Said<'w>>,
    /// The listener's port.
    pub port: Option<(i64, Origin)>,
}

impl<'w> ObjectCase<'w> {
    /// What a route names as its parents, Services apart: what is sent to these within a mesh is no
    /// listener's business.
    pub fn parents(&self) -> Vec<Parent<'w>> {
        if self.route_kind().is_none() {
            return Vec::new();
        }
        let parents = self.object.node().at(&["spec", "parentRefs"]);
        let parents = parents.into_iter().flat_map(Node::items).take(MOST_PARENTS);
        let parents = parents.filter_map(|node| {
            let text = |key| node.get(key).and_then(Node::as_str);
            let kind = (text("group").unwrap_or(GATEWAY_API), text("kind").unwrap_or("Gateway"));
            Some(Parent {
                kind: PARENTS.iter().find(|known| **known == kind).copied(),
                name: Said::at(node, "name").filter(|_| kind != ("", "Service"))?,
                namespace: text("namespace").unwrap_or(&self.object.meta.namespace.value),
                section: Said::at(node, "sectionName").filter(|name| !name.text.is_empty()),
                port: node.get("port").and_then(|port| Some((port.as_i64()?, port.origin()))),
            })
        });
        parents.collect()
    }
}

/// Whose routes a listener takes, or whose ListenerSets a Gateway does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutesFrom {
    /// Those of the Gateway's namespace.
    Same,
    /// Anybody's.
    All,
    /// Nobody's.
    None,
    /// Those of namespaces with labels that [`Listener::selector`] matches.
    Selector,
    /// Something that is not known.
    Other,
}

impl RoutesFrom {
    /// What the API calls it.
    pub fn said(text: &str) -> Self {
        match text {
            "Same" => Self::Same,
            "All" => Self::All,
            "None" => Self::None,
            "Selector" => Self::Selector,
            _ => Self::Other,
        }
    }
}

/// A listener of a Gateway.
#[derive(Clone, Debug)]
pub struct Listener<'w> {
    /// The place of the entry.
    pub at: Origin,
    /// Its name.
    pub name: Option<Said<'w>>,
    /// Its port.
    pub port: Option<i64>,
    /// The hosts it serves; all without.
    pub hostname: Option<Said<'w>>,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or one of somebody's own.
    pub protocol: &'w str,
    /// Whose routes it takes.
    pub from: RoutesFrom,
    /// Labels of the namespaces whose routes it takes.
    pub selector: Option<Selector>,
    /// Kinds of routes that it takes, where they are said.
    kinds: Option<Vec<&'w str>>,
    /// Whether it says how TLS ends, which one of `HTTPS` or `TLS` has to.
    pub tls: bool,
    /// Secrets with its certificates.
    pub certificates: Vec<Backend<'w>>,
}

impl<'w> Listener<'w> {
    /// The listeners of a Gateway; unknown when there are more than the CRD takes, or when one is
    /// still to be filled in.
    pub fn of(gateway: &'w Object) -> Result<Vec<Self>, Abstain> {
        let list = gateway.node().at(&["spec", "listeners"]);
        let mut all = Vec::new();
        for node in list.into_iter().flat_map(Node::items) {
            if all.len() == MOST_LISTENERS || !node.is_mapping() {
                let what = format!("the listeners of {}", gateway.subject());
                return Err(Abstain::unknown(Reason::LimitReached, what));
            }
            all.push(Self::at(node, &gateway.meta.namespace.value));
        }
        Ok(all)
    }

    fn at(node: Node<'w>, own: &str) -> Self {
        let text = |path: &[&str]| node.at(path).and_then(Node::as_str);
        let from = text(&["allowedRoutes", "namespaces", "from"]);
        let from = RoutesFrom::said(from.unwrap_or("Same"));
        let kinds = node.at(&["allowedRoutes", "kinds"]).map(|kinds| {
            let kinds = kinds.items().take(MOST_LISTENERS);
            kinds.filter_map(|kind| kind.get("kind").and_then(Node::as_str)).collect::<Vec<_>>()
        });
        let certificates = node.at(&["tls", "certificateRefs"]).into_iter().flat_map(Node::items);
        let secret = |node: &Node<'w>| {
            let text = |key| node.get(key).and_then(Node::as_str);
            text("group").unwrap_or_default().is_empty()
                && text("kind").unwrap_or("Secret") == "Secret"
        };
        let certificates = certificates.filter(secret).take(MOST_LISTENERS).filter_map(|node| {
            let elsewhere = Said::at(node, "namespace").filter(|said| said.text != own);
            Some(Backend { service: Said::at(node, "name")?, elsewhere, port: None })
        });
        Self {
            at: node.origin(),
            name: Said::at(node, "name"),
            port: node.get("port").and_then(Node::as_i64),
            hostname: Said::at(node, "hostname").filter(|host| !host.text.is_empty()),
            protocol: text(&["protocol"]).unwrap_or_default(),
            from,
            selector: node
                .at(&["allowedRoutes", "namespaces", "selector"])
                .filter(|selector| selector.is_mapping())
                .map(Selector::at),
            kinds: kinds.filter(|kinds| !kinds.is_empty()),
            tls: node.get("tls").is_some(),
            certificates: certificates.collect(),
        }
    }

    /// Whether it takes routes of that kind: those that it lists, else those of its protocol
    /// (`gateway_types.go`, `ProtocolType` and `AllowedRoutes.Kinds`). What another protocol takes is
    /// its implementation's business.
    pub fn takes(&self, kind: &str) -> bool {
        if let Some(kinds) = &self.kinds {
            return kinds.contains(&kind);
        }
        match self.protocol {
            "HTTP" | "HTTPS" => matches!(kind, "HTTPRoute" | "GRPCRoute"),
            "TLS" => matches!(kind, "TLSRoute" | "TCPRoute"),
            "TCP" => kind == "TCPRoute",
            "UDP" => kind == "UDPRoute",
            _ => true,
        }
    }
}

/// The label that the API server gives each Namespace: its name (KEP-2161).
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

impl<'w> ObjectCase<'w> {
    /// The Namespace of the input that the object is in, where its labels are the ones that it will
    /// have; none where that is not known.
    pub fn own_namespace(&self) -> Option<&'w Object> {
        let namespace = &self.object.meta.namespace;
        if !namespace.is_written() {
            return None;
        }
        let ids = self.joined.joins.named("", "Namespace", &namespace.value);
        // Of several one may be that of another cluster.
        let [id] = ids else { return None };
        let object =
            self.world().objects.get(*id).filter(|object| object.meta.group().is_empty())?;
        let labels = &object.meta.labels;
        let filled = |text: &str| !is_placeholder(text);
        let known = self.joined.unpatched(object, &["metadata/labels"]).is_ok()
            && self.joined.may_name(self.object, object)
            && labels.0.iter().all(|(key, value)| filled(&key.value) && filled(&value.value));
        known.then_some(object)
    }
}

/// Whether a selector matches a Namespace.
pub fn selects_namespace(selector: &Selector, namespace: &Object) -> bool {
    let name = namespace.meta.name.clone();
    let given = name.map(|name| (name.map(|_| NAME_LABEL.to_owned()), name));
    let own = namespace.meta.labels.0.iter().filter(|(key, _)| key.value != NAME_LABEL);
    let all: Vec<_> = own.cloned().chain(given).collect();
    selector.matches(&StringMap::new(all))
}

/// Whether two names of hosts, each of which may begin with `*.`, have a host in common.
pub fn hosts_meet(a: &str, b: &str) -> bool {
    if a.len().max(b.len()) > LONGEST_HOST {
        return false;
    }
    // `*.example.com` is for any number of labels in front.
    let below = |host: &str, wild: &str| {
        let tail = wild.strip_prefix('*').map(str::as_bytes);
        let end = tail.and_then(|tail| host.as_bytes().get(host.len().checked_sub(tail.len())?..));
        end.zip(tail).is_some_and(|(end, tail)| end.eq_ignore_ascii_case(tail))
    };
    a.eq_ignore_ascii_case(b) || below(a, b) || below(b, a)
}

impl ObjectCase<'_> {
    /// Whether a ReferenceGrant lets the object name something in another namespace; unknown where
    /// that cannot be told.
    pub fn is_granted(&self, wanted: Wanted<'_>) -> Result<bool, Abstain> {
        let meta = &self.object.meta;
        // It may be applied to that namespace, too.
        if !meta.namespace.is_written() {
            let what = format!("the namespace that {} is applied to", meta.name());
            return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
        }
        if self.joined.some_is_declared("ReferenceGrant", wanted.namespace) {
            return Ok(true);
        }
        let world = self.world();
        let of_kind = |namespace| self.joined.joins.of_kind(namespace, "ReferenceGrant");
        // One without a namespace may be applied to that one, too.
        let elsewhere = self.joined.made.default_namespace();
        let elsewhere = elsewhere.filter(|default| *default != wanted.namespace);
        let here = |grant: &Object| {
            let namespace = &grant.meta.namespace;
            namespace.value == wanted.namespace || !namespace.is_written()
        };
        let all = of_kind(wanted.namespace).chain(elsewhere.into_iter().flat_map(of_kind));
        for (number, (_, ids)) in all.enumerate() {
            if number == MOST_GRANTS {
                return Err(Abstain::unknown(Reason::LimitReached, "ReferenceGrants"));
            }
            let grants = ids.iter().take(MOST_GRANTS).filter_map(|id| world.objects.get(*id));
            let grants = grants.filter(|grant| grant.meta.group() == GATEWAY_API && here(grant));
            for grant in grants {
                let unclear = self.joined.unpatched(grant, &["spec"]).is_err();
                if unclear || grants_to(grant, self.object, wanted) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Entries of a grant that are looked at: the CRD takes no more than 16 of each.
const MOST_OF_A_GRANT: usize = 64;

fn grants_to(grant: &Object, from: &Object, wanted: Wanted<'_>) -> bool {
    let list = |key: &str| {
        let list = grant.node().at(&["spec", key]);
        list.into_iter().flat_map(Node::items).take(MOST_OF_A_GRANT)
    };
    let is = |node: Node<'_>, key: &str, text: &str| {
        node.get(key).and_then(Node::as_str).unwrap_or_default() == text
    };
    let meta = &from.meta;
    list("from").any(|entry| {
        is(entry, "group", meta.group())
            && is(entry, "kind", &meta.kind.value)
            && is(entry, "namespace", &meta.namespace.value)
    }) && list("to").any(|entry| {
        let any = entry.get("name").is_none_or(|name| name.as_str().is_none_or(str::is_empty));
        is(entry, "group", wanted.group)
            && is(entry, "kind", wanted.kind)
            && (any || is(entry, "name", wanted.name))
    })
}

#[cfg(test)]
mod tests {
    use super::hosts_meet;

    #[test]
    fn hosts_meet_below_a_star() {
        for (a, b, meet) in [
            ("shop.example.com", "Shop.example.com", true),
            ("shop.example.com", "*.example.com", true),
            ("a.b.example.com", "*.example.com", true),
            ("*.b.example.com", "*.example.com", true),
            ("example.com", "*.example.com", false),
            ("shop.example.com", "*.example.org", false),
            ("*.example.org", "*.example.com", false),
            ("anything", "*", true),
            ("A.Example.com", "*.example.COM", true),
            ("é.example.com", "*©.example.com", false),
        ] {
            assert_eq!(hosts_meet(a, b), meet, "{a} {b}");
            assert_eq!(hosts_meet(b, a), meet, "{b} {a}");
        }
    }
}
