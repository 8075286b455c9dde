//! Patches that are placed by a filter which another patch brings.
//!
//! The patches of all EnvoyFilters for a proxy are applied one after another: by priority, those of the
//! root namespace first, then by the time of creation (`EnvoyFilters` and `sortEnvoyFilters` in
//! pilot/pkg/model/push_context.go), and of one EnvoyFilter as they are written. Where the filter that a
//! patch is placed by is not there yet, nothing is done, and nobody is told.

use rustc_hash::FxHashMap;

use super::{ORDER, Patch, RULE};
use crate::case::Joined;
use crate::facts::Object;
use crate::facts::document::Node;
use crate::findings::{Abstain, Finding, Fix, Reason};
use crate::model::mtls::ROOT_NAMESPACE;
use crate::rules::rule::Findings;

/// Patches that bring a filter of one name; with more nothing is said of those that are placed by it.
const COMPARED: usize = 64;

/// Patches that are held against each other.
const MOST_PAIRS: usize = 1 << 16;

/// Filters that Istio puts into chains itself: who is placed by one of them needs no other patch.
const OWN: &[&str] = &[
    "envoy.filters.http.cors",
    "envoy.filters.http.composite",
    "envoy.filters.http.ext_authz",
    "envoy.filters.http.fault",
    "envoy.filters.http.grpc_stats",
    "envoy.filters.http.grpc_web",
    "envoy.filters.http.jwt_authn",
    "envoy.filters.http.rbac",
    "envoy.filters.http.router",
    "envoy.filters.http.set_filter_state",
    "envoy.filters.http.stateful_session",
    "envoy.filters.http.upstream_codec",
    "envoy.filters.http.wasm",
    "envoy.filters.listener.http_inspector",
    "envoy.filters.listener.original_dst",
    "envoy.filters.listener.proxy_protocol",
    "envoy.filters.listener.set_filter_state",
    "envoy.filters.listener.tls_inspector",
    "envoy.filters.network.ext_authz",
    "envoy.filters.network.http_connection_manager",
    "envoy.filters.network.mongo_proxy",
    "envoy.filters.network.mysql_proxy",
    "envoy.filters.network.rbac",
    "envoy.filters.network.redis_proxy",
    "envoy.filters.network.set_filter_state",
    "envoy.filters.network.sni_cluster",
    "envoy.filters.network.tcp_proxy",
    "envoy.filters.network.wasm",
];

/// Filters of the mesh's own, and those that plugins and extensions are called by, after their objects; up to
/// Istio 1.25 with the misspelling.
const OWN_PREFIXES: &[&str] = &["istio", "extensions.istio.io/", "extenstions.istio.io/"];

/// What a patch comes after.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    priority: i64,
    after_root: bool,
}

fn turn(object: &Object) -> Option<Turn> {
    let priority = match object.node().at(&["spec", "priority"]) {
        None => 0,
        Some(node) if node.is_null() => 0,
        Some(node) => node.as_i64()?,
    };
    Some(Turn { priority, after_root: object.meta.namespace.value != ROOT_NAMESPACE })
}

pub(super) fn check(joined: &Joined<'_>, patches: &[Patch<'_>], out: &mut Findings) {
    let mut bringers: FxHashMap<(&str, &str), Vec<&Patch<'_>>> = FxHashMap::default();
    for patch in patches {
        if let Some((name, _)) = patch.brings {
            let list = bringers.entry((patch.to, name)).or_default();
            // One more than are compared tells that there are too many.
            if list.len() <= COMPARED {
                list.push(patch);
            }
        }
    }
    let mut pods = FxHashMap::default();
    for patch in patches {
        pods.entry(std::ptr::from_ref(patch.object)).or_insert_with(|| Pods::of(patch.object));
    }
    let mut pairs = MOST_PAIRS;
    for patch in patches {
        let placed =
            matches!(patch.operation, "INSERT_BEFORE" | "INSERT_AFTER" | "REPLACE" | "REMOVE")
                || (patch.to == "LISTENER_FILTER" && patch.operation == "MERGE");
        let Some((name, at)) = patch.by.filter(|_| placed) else { continue };
        if OWN.contains(&name) || OWN_PREFIXES.iter().any(|own| name.starts_with(own)) {
            continue;
        }
        let Some(list) = bringers.get(&(patch.to, name)) else { continue };
        let left = pairs.checked_sub(list.len()).filter(|_| list.len() <= COMPARED);
        let Some(left) = left else {
            let what = format!("which of many patches that bring filter {name} is first");
            out.abstain(Abstain::unknown(Reason::LimitReached, what));
            continue;
        };
        pairs = left;
        let of = |patch: &Patch<'_>| pods.get(&std::ptr::from_ref(patch.object));
        let with = |it: &&&Patch<'_>| {
            !std::ptr::eq(**it, patch)
                && matches!((of(it), of(patch)), (Some(one), Some(other)) if one.meet(other))
                && meet(joined, it, patch)
        };
        let list: Vec<&Patch<'_>> = list.iter().filter(with).copied().collect();
        if let Some(finding) = judge(patch, name, at, &list) {
            out.push(finding);
        }
    }
}

/// Whether one proxy may get both patches, in one place of its configuration.
fn meet(joined: &Joined<'_>, a: &Patch<'_>, b: &Patch<'_>) -> bool {
    let (one, two) = (&a.object.meta.namespace, &b.object.meta.namespace);
    let root = one.value == ROOT_NAMESPACE || two.value == ROOT_NAMESPACE;
    let same = std::ptr::eq(a.object, b.object);
    (same || ((one.value == two.value || root) && joined.together(a.object, b.object)))
        && agree(a, b, &["context"], Some("ANY"))
        && agree(a, b, &["proxy", "proxyVersion"], None)
        && agree(a, b, &["listener", "name"], None)
        && agree(a, b, &["listener", "portNumber"], None)
        && agree(a, b, &["listener", "filterChain", "name"], None)
        && agree(a, b, &["listener", "filterChain", "sni"], None)
}

/// Whether what both matches say of a field is the same; `any` is as good as nothing.
fn agree(a: &Patch<'_>, b: &Patch<'_>, path: &[&str], any: Option<&str>) -> bool {
    let of = |patch: &Patch<'_>| {
        let node = patch.matches?.at(path)?;
        let text = node.as_str().map(str::to_owned);
        text.or_else(|| Some(node.as_i64()?.to_string())).filter(|text| Some(text.as_str()) != any)
    };
    match (of(a), of(b)) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}

/// What an EnvoyFilter says of its pods.
struct Pods<'w> {
    labels: FxHashMap<&'w str, &'w str>,
    /// Whether it is for a waypoint or a Gateway, which are another matter.
    targets: bool,
}

impl<'w> Pods<'w> {
    fn of(object: &'w Object) -> Self {
        let labels = object.node().at(&["spec", "workloadSelector", "labels"]);
        let entries = labels.into_iter().flat_map(Node::entries);
        let labels = entries.filter_map(|(k, v)| Some((k.as_str()?, v.as_str()?))).collect();
        Self { labels, targets: object.node().at(&["spec", "targetRefs"]).is_some() }
    }

    /// Whether a pod may have the labels of both.
    fn meet(&self, other: &Self) -> bool {
        let agree =
            |(key, value): (&&str, &&str)| other.labels.get(key).is_none_or(|it| it == value);
        !self.targets && !other.targets && self.labels.iter().all(agree)
    }
}

fn judge(patch: &Patch<'_>, name: &str, at: Node<'_>, list: &[&Patch<'_>]) -> Option<Finding> {
    let own = turn(patch.object)?;
    let mut unsaid = None;
    let mut late = None;
    for other in list {
        let turn = turn(other.object)?;
        let same = std::ptr::eq(other.object, patch.object);
        match turn.cmp(&own) {
            std::cmp::Ordering::Less => return None,
            std::cmp::Ordering::Equal if same && other.place < patch.place => return None,
            std::cmp::Ordering::Equal if same => late = late.or(Some(*other)),
            std::cmp::Ordering::Equal => unsaid = unsaid.or(Some(*other)),
            std::cmp::Ordering::Greater => late = late.or(Some(*other)),
        }
    }
    let (other, sure) = match (unsaid, late) {
        (Some(other), _) => (other, false),
        (None, Some(other)) => (other, true),
        (None, None) => return None,
    };
    let by = other.object.meta.name();
    let (message, fix) = match sure {
        _ if std::ptr::eq(other.object, patch.object) => (
            format!(
                "{} by filter {name} comes before the patch of the same EnvoyFilter that brings it: \
                 nothing is there yet, and nothing is done",
                patch.operation
            ),
            "put it behind that patch".to_owned(),
        ),
        true => (
            format!(
                "{} by filter {name} is applied before EnvoyFilter {by} brings it: nothing is there \
                 yet, and nothing is done",
                patch.operation
            ),
            format!("give it a higher priority than that of {by}"),
        ),
        false => (
            format!(
                "{} by filter {name}, which EnvoyFilter {by} brings: both have priority {}, so that \
                 the older one is first, and where that is this one nothing is done",
                patch.operation, own.priority
            ),
            format!(
                "give it a higher priority than that of {by}, as priority: {}",
                own.priority + 10
            ),
        ),
    };
    let (_, brought) = other.brings?;
    let mut finding = Finding::new(&RULE, message, &at.origin(), "placed by this filter")
        .variant(&ORDER)
        .also(&brought.origin(), "brought here")
        .fix(Fix::suggest(fix));
    finding.subject = patch.object.subject();
    Some(finding)
}
