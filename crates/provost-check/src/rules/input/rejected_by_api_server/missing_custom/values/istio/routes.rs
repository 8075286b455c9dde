//! Routes of a VirtualService.
//!
//! Source: `ValidateVirtualService` in validation.go and `validateHTTPRoute` in virtualservice.go.

use super::super::super::super::{first_of_whole, is_whole};
use super::{MOST, Refusals, entries, has, has_entries, known, list};
use crate::facts::document::Node;
use crate::model::text;

pub(super) fn check(spec: Node<'_>, to: &mut Refusals<'_>) {
    let kinds = ["http", "tcp", "tls"];
    if is_whole(spec)
        && let Some((hosts, _)) = spec.get_entry("hosts")
        && !kinds.iter().any(|kind| spec.has_key(kind))
    {
        let why = "http, tcp or tls must be provided in virtual service";
        let (label, what, fix) =
            ("and nothing is routed", "it routes nothing", "write http: with a route");
        // Hosts alone may be all that a merge patch changes.
        if has(spec, "gateways") || has(spec, "exportTo") {
            to.lacks(hosts, label, what, why, fix);
        } else {
            to.may_lack(hosts, label, what, why, fix);
        }
    }
    for route in entries(spec, "http") {
        conflicts(route, to);
        destinations(route, to);
        patterns(route, to);
        redirect(route, to);
        cors(route, to);
        for key in ["mirrorPercentage", "mirrorPercent"] {
            share(route, key, to);
        }
    }
    for (kind, why) in [("tcp", "TCP route is required"), ("tls", "TLS route is required")] {
        for route in entries(spec, kind) {
            let Some(first) = first_of_whole(route).filter(|_| !has_entries(route, "route")) else {
                destinations(route, to);
                continue;
            };
            let what = format!("an entry of {kind} sends to nobody");
            to.lacks(first, "no route", &what, why, "write route: with a destination");
        }
    }
}

/// `validateHTTPRouteConflict`
fn conflicts(route: Node<'_>, to: &mut Refusals<'_>) {
    let at = |key: &str| route.get_entry(key).map(|(key, _)| key);
    let routed = at("route").filter(|_| has_entries(route, "route"));
    if let Some(delegate) = at("delegate") {
        for (key, other) in [("redirect", at("redirect")), ("route", routed)] {
            let Some(other) = other else { continue };
            let name = known(route, "name").map_or("", |(name, _)| name);
            let why = format!("root HTTP route {name} must not specify {key}");
            let what = format!("delegate and {key} are both written");
            to.conflict(other, delegate, &what, &why, "keep one of them");
        }
        return;
    }
    let answer = [("redirect", "redirect"), ("directResponse", "direct_response")];
    let answer = answer.into_iter().find_map(|(key, said)| Some((at(key)?, key, said)));
    let Some((answered, key, said)) = answer else {
        let Some(first) = first_of_whole(route) else { return };
        // Null may still be filled in.
        let written = ["route", "redirect", "directResponse", "delegate"];
        let is = |(key, value): (Node<'_>, Node<'_>)| {
            key.as_str().is_some_and(|key| written.contains(&key))
                && value.items().next().is_none()
                && !value.is_sequence()
        };
        if routed.is_none() && !route.entries().any(is) {
            let why = "HTTP route, redirect or direct_response is required";
            let what = "a rule neither sends nor answers";
            let fix = "write route: with a destination, redirect, directResponse or delegate";
            to.lacks(first, "no route", what, why, fix);
        }
        return;
    };
    let others = [("route", routed), ("fault", at("fault")), ("rewrite", at("rewrite"))];
    for (other, place) in others {
        let Some(place) = place else { continue };
        let rule = if other == "rewrite" { " rule" } else { "" };
        let why = format!("HTTP route{rule} cannot contain both {other} and {said}");
        let what = format!("{other} and {key} are both written");
        to.conflict(answered, place, &what, &why, "keep one of them, or write two rules");
    }
    if key == "redirect"
        && let Some(second) = at("directResponse")
    {
        let why = "HTTP route rule cannot contain both direct_response and redirect";
        let what = "redirect and directResponse are both written";
        to.conflict(second, answered, what, why, "keep one of them");
    }
}

/// `validateHTTPRouteDestinations`. Weights that are 0 together `dangling-mesh-destination` tells of.
fn destinations(route: Node<'_>, to: &mut Refusals<'_>) {
    for one in list(route, "route").take(MOST) {
        let Some(weight) = one.get("weight") else { continue };
        if let Some(number) = weight.as_i64().filter(|number| *number < 0) {
            let why = format!("weight {number} < 0");
            to.tell(weight, "less than 0", "a weight is negative", &why, "write 0 or more");
        }
    }
}

/// `validateHTTPRouteMatchRequest`, and the pattern of `validateURIRegexRewrite`.
fn patterns(route: Node<'_>, to: &mut Refusals<'_>) {
    for request in entries(route, "match") {
        for field in ["uri", "scheme", "method", "authority"] {
            if let Some(of) = request.get(field) {
                to.regex(of, "regex", field);
            }
        }
        for field in ["headers", "withoutHeaders", "queryParams"] {
            let all = request.get(field).into_iter().flat_map(Node::entries).take(MOST);
            for (_, of) in all {
                // Any value at all, and no pattern.
                let any = of.get("regex").and_then(Node::as_str) == Some("*");
                if !(any && field == "withoutHeaders") {
                    to.regex(of, "regex", field);
                }
            }
        }
    }
    if let Some(rewrite) = route.at(&["rewrite", "uriRegexRewrite"]) {
        to.regex(rewrite, "match", "HTTPRewrite.UriRegexRewrite.Match");
    }
}

/// `validateHTTPRedirect`
fn redirect(route: Node<'_>, to: &mut Refusals<'_>) {
    let Some((key, of)) = route.get_entry("redirect") else { return };
    let fields = ["uri", "authority", "scheme", "port", "derivePort", "prefixRewrite"];
    if is_whole(of) && !fields.iter().any(|field| has(of, field)) {
        let why = "redirect must specify URI, authority, scheme, or port";
        to.lacks(
            key,
            "to the same place",
            "a redirect leads nowhere else",
            why,
            "write uri: or another",
        );
    }
    if let Some(code) = of.get("redirectCode")
        && let Some(number) = code.as_i64()
        && number != 0
        && !(300..=399).contains(&number)
    {
        let why = format!("{number} is not a valid redirect code, must be 3xx");
        to.tell(
            code,
            "no redirect",
            "a redirect with another code",
            &why,
            "write 301, 302, 307 or 308",
        );
    }
    if let Some((scheme, node)) =
        known(of, "scheme").filter(|(it, _)| !matches!(*it, "http" | "https"))
    {
        let what = format!("a redirect to {scheme}");
        let why = "invalid redirect scheme, must be \"http\" or \"https\"";
        to.tell(node, "refused", &what, why, "write http or https");
    }
}

/// `supportedCORSMethods`
const METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"];

fn cors(route: Node<'_>, to: &mut Refusals<'_>) {
    let Some(policy) = route.get("corsPolicy") else { return };
    for origin in entries(policy, "allowOrigins") {
        to.regex(origin, "regex", "corsPolicy.allowOrigins");
    }
    for node in list(policy, "allowMethods").take(MOST) {
        let Some(method) = node.as_str().filter(|it| !super::is_placeholder(it)) else { continue };
        if METHODS.contains(&method) {
            continue;
        }
        let shown = text::shown(method);
        let upper = shown.to_ascii_uppercase();
        let fix = match METHODS.contains(&upper.as_str()) {
            true => format!("write {upper}"),
            false => "write GET, POST, ... in upper case, or *".to_owned(),
        };
        let what = format!("allowMethods has {shown}");
        let why = format!("{shown:?} is not a supported HTTP method");
        to.tell(node, "no method", &what, &why, &fix);
    }
}

fn share(route: Node<'_>, key: &str, to: &mut Refusals<'_>) {
    let Some(node) = route.get(key) else { return };
    let node = node.get("value").unwrap_or(node);
    let Some(number) = node.as_str().and_then(|text| text.parse::<f64>().ok()) else { return };
    if number > 100.0 {
        let what = format!("{key} is {number}");
        let why = format!("{key} must have a max value of 100");
        to.tell(node, "more than all", &what, &why, "write a share from 0 to 100");
    }
}
