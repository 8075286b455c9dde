//! EnvoyFilters that Istio's webhook refuses.
//!
//! Source: `validateEnvoyFilter` in pkg/config/validation/envoyfilter/envoyfilter.go of Istio 1.31, as far
//! as that needs no types of Envoy's. What is for waypoints it does not look at.

use super::{RULE, Refusals};
use crate::facts::Origin;
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Finding, Fix};

/// Patches of one EnvoyFilter that are looked at.
const MOST: usize = 1000;

/// Both names of the filter that has filters of its own.
const MANAGERS: &[&str] =
    &["envoy.filters.network.http_connection_manager", "envoy.http_connection_manager"];

/// What a patch is applied to, and the key of `match` that such things are looked up by.
const CLASSES: &[(&[&str], &str)] = &[
    (&["LISTENER", "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER"], "listener"),
    (&["ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE"], "routeConfiguration"),
    (&["CLUSTER"], "cluster"),
];

pub(super) fn check(spec: Node<'_>, to: &mut Refusals<'_>) {
    let patches = spec.get("configPatches").into_iter().flat_map(Node::items);
    for patch in patches.take(MOST).filter(|patch| patch.is_mapping()) {
        if let Err((at, why, fix)) = one(patch) {
            // Nearly all of it is about what a patch lacks.
            if !to.lacking.is_told() {
                return;
            }
            let message = format!("Istio's webhook refuses the EnvoyFilter, `Envoy filter: {why}`");
            to.push(Finding::new(&RULE, message, &at, "refused").fix(Fix::suggest(fix)));
        }
    }
}

/// Where, in Istio's words, and what to do.
type Refused = (Origin, &'static str, &'static str);

fn one(patch: Node<'_>) -> Result<(), Refused> {
    // A mapping that is merged from elsewhere, or is still to be filled in, is not all there.
    let whole = |node: Node<'_>| {
        !node.entries().any(|(key, _)| key.as_str().is_none_or(|key| key == "<<" || may_be_in(key)))
    };
    let text = |path: &[&str]| patch.at(path).and_then(Node::as_str);
    if !whole(patch) || text(&["match", "context"]) == Some("WAYPOINT") {
        return Ok(());
    }
    let (first, _) = patch.entries().next().ok_or_else(|| {
        (patch.origin(), "missing applyTo", "write applyTo, match and patch, or remove it")
    })?;
    let Some(to) = patch.get("applyTo") else {
        return Err((first.origin(), "missing applyTo", "write what is patched: HTTP_FILTER"));
    };
    let Some((key, of)) = patch.get_entry("patch") else {
        return Err((first.origin(), "missing patch", "write patch: with operation and value"));
    };
    if of.is_mapping() && whole(of) {
        let Some((at, operation)) = of.get_entry("operation") else {
            return Err((
                key.origin(),
                "missing patch operation",
                "write operation: MERGE, ADD, ...",
            ));
        };
        if operation.as_str().is_some_and(|it| it != "REMOVE" && !may_be_in(it))
            && of.get("value").is_none()
        {
            let why = "missing patch value for non-remove operation";
            return Err((at.origin(), why, "write value: what is added or merged"));
        }
    }
    let Some(to) = to.as_str() else { return Ok(()) };
    for (class, wanted) in CLASSES {
        if !class.contains(&to) {
            continue;
        }
        let others = CLASSES.iter().map(|(_, key)| *key).filter(|key| key != wanted);
        for other in others {
            let found = patch.get("match").and_then(|it| it.get_entry(other));
            let Some((key, _)) = found.filter(|_| patch.at(&["match", wanted]).is_none()) else {
                continue;
            };
            let why = match *wanted {
                "listener" => "applyTo for listener class objects cannot have non listener match",
                "cluster" => "applyTo for cluster class objects cannot have non cluster match",
                _ => {
                    "applyTo for http route class objects cannot have non route configuration match"
                }
            };
            return Err((key.origin(), why, "match by what is patched, or patch what is matched"));
        }
    }
    if CLASSES[0].0.contains(&to)
        && let Some(filter) = patch.at(&["match", "listener", "filterChain", "filter"])
    {
        named(patch, to, filter)?;
    }
    Ok(())
}

/// The filter that a patch is for, and the one inside of it.
fn named(patch: Node<'_>, to: &str, filter: Node<'_>) -> Result<(), Refused> {
    let name = filter.get("name").and_then(Node::as_str).unwrap_or_default();
    let at = || {
        let chain = patch.at(&["match", "listener", "filterChain"]);
        let key = chain.and_then(|chain| chain.get_entry("filter"));
        key.map_or_else(|| filter.origin(), |(key, _)| key.origin())
    };
    if name.is_empty() {
        return Err((at(), "filter match has no name to match on", "write the name of the filter"));
    }
    let Some((key, sub)) = filter.get_entry("subFilter") else { return Ok(()) };
    if to != "HTTP_FILTER" {
        let why = "subfilter match can be used with applyTo HTTP_FILTER only";
        return Err((key.origin(), why, "write applyTo: HTTP_FILTER, or remove subFilter"));
    }
    if !MANAGERS.contains(&name) && !may_be_in(name) {
        let why = "subfilter match requires filter match with \
                   envoy.filters.network.http_connection_manager";
        let at = filter.get("name").map_or_else(|| key.origin(), |name| name.origin());
        return Err((at, why, "name the filter that has HTTP filters inside"));
    }
    if sub.is_mapping() && sub.get("name").and_then(Node::as_str).unwrap_or_default().is_empty() {
        let why = "subfilter match has no name to match on";
        return Err((key.origin(), why, "write the name of the filter"));
    }
    Ok(())
}
