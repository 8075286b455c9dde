//! Patches of EnvoyFilters that Istio passes over, or applies in one order of two.

mod order;

use crate::case::Joined;
use crate::facts::Object;
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const ORDER: Variant = Variant::new(
    "order-dependent-envoy-patch",
    Level::Warn,
    "a patch that is placed by a filter which another EnvoyFilter brings, in no order that is said",
);

/// Which operation does something to what: pilot/pkg/networking/core/envoyfilter (`listener_patch.go`,
/// `rc_patch.go`, `cluster_patch.go`, `extension_configuration_patch.go`) and
/// `convertToEnvoyFilterWrapper` in pilot/pkg/model/envoyfilter.go, which makes ADD of an INSERT
/// elsewhere. What istioctl analyze calls IST0151 to IST0155 goes by the documentation of older
/// releases, which ADD of routes has left behind. Istio 1.31.
pub static RULE: Rule = Rule {
    id: "ineffective-envoy-patch",
    group: Group::Mesh,
    level: Level::Warn,
    title: "a patch of an EnvoyFilter that Istio passes over",
    page: include_str!("ineffective-envoy-patch.md"),
    needs: &[Need::Manifest],
    variants: &[ORDER],
    check: Check::Run(check),
    ..Rule::BASE
};

/// EnvoyFilters, and patches of one, that are looked at.
const MOST: usize = 4096;
const MOST_PATCHES: usize = 128;

/// A patch of an EnvoyFilter.
struct Patch<'w> {
    object: &'w Object,
    /// Its place among the patches of the EnvoyFilter.
    place: usize,
    /// `HTTP_FILTER`
    to: &'w str,
    operation: &'w str,
    /// Where the operation stands.
    at: Node<'w>,
    matches: Option<Node<'w>>,
    /// Whether it is for one filter.
    is_placed: bool,
    /// That filter, by its name.
    by: Option<(&'w str, Node<'w>)>,
    /// The filter that it brings.
    brings: Option<(&'w str, Node<'w>)>,
}

fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    joined.not_without_mesh()?;
    let is_filter = |object: &&Object| {
        object.meta.kind.value == "EnvoyFilter" && object.meta.group() == "networking.istio.io"
    };
    let mut filters = joined.world.objects.iter().filter(is_filter).take(MOST).peekable();
    filters.peek().ok_or(Abstain::NotApplicable)?;
    let mut patches = Vec::new();
    for object in filters {
        if let Err(patched) = joined.unpatched(object, &["spec"]) {
            out.abstain(patched);
            continue;
        }
        let list = object.node().at(&["spec", "configPatches"]);
        let list = list.into_iter().flat_map(Node::items).take(MOST_PATCHES).enumerate();
        patches.extend(list.filter_map(|(place, node)| Patch::read(object, place, node)));
    }
    patches.iter().for_each(|patch| patch.passed_over(out));
    order::check(joined, &patches, out);
    Ok(())
}

fn text<'w>(node: Node<'w>, path: &[&str]) -> Option<(&'w str, Node<'w>)> {
    let node = node.at(path)?;
    Some((node.as_str().filter(|text| !text.is_empty() && !may_be_in(text))?, node))
}

impl<'w> Patch<'w> {
    fn read(object: &'w Object, place: usize, node: Node<'w>) -> Option<Self> {
        let (to, _) = text(node, &["applyTo"])?;
        let (operation, at) = text(node, &["patch", "operation"])?;
        let matches = node.get("match");
        let path = match to {
            "HTTP_FILTER" => &["match", "listener", "filterChain", "filter", "subFilter"][..],
            "NETWORK_FILTER" => &["match", "listener", "filterChain", "filter"],
            "LISTENER_FILTER" => &["match", "listener", "listenerFilter"],
            _ => &[],
        };
        let by = Some(path).filter(|path| !path.is_empty()).and_then(|path| node.at(path));
        let name = |by: Node<'w>| match to {
            "LISTENER_FILTER" => text(by, &[]),
            _ => text(by, &["name"]),
        };
        let is_placed = by.is_some_and(|by| !by.is_null());
        let by = by.and_then(name);
        // What is merged into a filter brings none, unless it calls it otherwise.
        let is_there = |name: &str| match operation {
            "REMOVE" => true,
            "MERGE" => by.is_none_or(|(by, _)| by == name),
            _ => false,
        };
        let brings = text(node, &["patch", "value", "name"]).filter(|(name, _)| !is_there(name));
        Some(Self { object, place, to, operation, at, matches, is_placed, by, brings })
    }

    /// What Istio does not do to that kind of thing.
    fn passed_over(&self, out: &mut Findings) {
        let (to, operation) = (self.to, self.operation);
        let why = match (to, operation) {
            (
                "ROUTE_CONFIGURATION",
                "ADD" | "REMOVE" | "REPLACE" | "INSERT_BEFORE" | "INSERT_AFTER" | "INSERT_FIRST",
            ) => "a route configuration is merged with a patch, and nothing else",
            ("LISTENER" | "FILTER_CHAIN" | "HTTP_ROUTE" | "CLUSTER", "REPLACE") => {
                "filters and virtual hosts are replaced, and nothing else"
            }
            ("EXTENSION_CONFIG", "REMOVE" | "REPLACE" | "MERGE") => {
                "configurations of extensions are added, and nothing else"
            }
            ("HTTP_FILTER" | "NETWORK_FILTER", "REMOVE" | "REPLACE") if !self.is_placed => match to
            {
                "HTTP_FILTER" => "the match names no subFilter",
                _ => "the match names no filter",
            },
            ("LISTENER_FILTER", "REMOVE" | "REPLACE" | "MERGE") if !self.is_placed => {
                "the match names no listenerFilter"
            }
            _ => return,
        };
        let mut finding = Finding::new(
            &RULE,
            format!("Istio passes {operation} of {to} over: {why}"),
            &self.at.origin(),
            "nothing is changed",
        );
        finding.subject = self.object.subject();
        let fix = match (to, operation) {
            ("HTTP_FILTER" | "NETWORK_FILTER" | "LISTENER_FILTER", _) => {
                "name the filter that is meant"
            }
            ("EXTENSION_CONFIG", _) => "write ADD",
            ("ROUTE_CONFIGURATION", _) => "write MERGE, or apply it to VIRTUAL_HOST or HTTP_ROUTE",
            _ => "write MERGE, or REMOVE and ADD by two patches",
        };
        out.push(finding.fix(Fix::suggest(fix)));
    }
}
