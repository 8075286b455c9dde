//! Routes of a VirtualService that an earlier one leaves nothing for.

use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The first route that matches is taken: `BuildHTTPRoutesForVirtualService` in
/// pilot/pkg/networking/core/route/route.go of Istio, which writes none behind one that takes everything. Routes of the
/// Gateway API are another matter: there the longest path wins, whatever the order.
pub static RULE: Rule = Rule {
    id: "unreachable-mesh-route",
    group: Group::Mesh,
    level: Level::Warn,
    title: "a route of a VirtualService that no request reaches",
    page: include_str!("unreachable-mesh-route.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

/// Matches of one object that are looked at, and pairs of them.
const MOST: usize = 512;
/// Mappings and lists inside each other that are compared.
const DEPTH: usize = 8;
/// Keys of one mapping that are compared.
const KEYS: usize = 64;

/// Conditions that say whom a match is for: with `gateways` the other two count for nothing (`sourceMatchHTTP`).
const WHOSE: [&str; 3] = ["gateways", "sourceLabels", "sourceNamespace"];

/// Other conditions than that of the path.
const OTHERS: [&str; 7] =
    ["scheme", "method", "authority", "headers", "port", "queryParams", "withoutHeaders"];

/// One match with its route; `None` for a route without any, which takes everything.
#[derive(Clone, Copy)]
struct Match<'d> {
    route: Node<'d>,
    on: Option<Node<'d>>,
}

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    if !case.is_virtual_service() {
        return Err(Abstain::NotApplicable);
    }
    let http = case.object.node().at(&["spec", "http"]).ok_or(Abstain::NotApplicable)?;
    case.joined.unpatched(case.object, &["spec/http"])?;
    let mut earlier: Vec<Match<'_>> = Vec::new();
    for route in http.items() {
        let on: Vec<Option<Node<'_>>> = match route.get("match") {
            Some(list) if list.items().next().is_some() => {
                list.items().take(MOST + 1).map(Some).collect()
            }
            _ => vec![None],
        };
        if earlier.len() + on.len() > MOST {
            let what = format!("matches behind the first {MOST} of {}", case.object.subject());
            return Err(Abstain::unknown(Reason::LimitReached, what));
        }
        let own: Vec<Match<'_>> = on.into_iter().map(|on| Match { route, on }).collect();
        let by = |one: &Match<'_>| earlier.iter().find(|first| covers(first.on, one.on)).copied();
        let covered: Option<Vec<Match<'_>>> = own.iter().map(by).collect();
        if let Some(by) = covered.as_deref().and_then(<[_]>::first) {
            tell(case, (own[0], *by), out);
        }
        // What a delegate takes of it is written elsewhere.
        if !route.has_key("delegate") {
            earlier.extend(own);
        }
    }
    Ok(())
}

fn tell(case: &ObjectCase<'_>, (own, by): (Match<'_>, Match<'_>), out: &mut Findings) {
    // Nothing is lost where both do the same.
    let does = ["route", "redirect", "directResponse", "rewrite", "mirror", "mirrors", "headers"];
    if does.iter().all(|key| alike(own.route.get(key), by.route.get(key))) {
        return;
    }
    let first = by.route.get("name").and_then(Node::as_str);
    let which = first.map_or("an earlier one".to_owned(), |name| format!("route {name}"));
    let place = |one: Match<'_>| match one.on {
        Some(on) => on.get("uri").unwrap_or(on).start(),
        None => one.route.start(),
    };
    let all = match (by.on, own.on) {
        (Some(_), Some(_)) => " and takes all that it matches",
        (None, _) => " without a match, and takes everything",
        (Some(_), None) => " and takes everything",
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "no request reaches this route of VirtualService {}: {which} stands before it{all}",
                case.object.meta.name()
            ),
            &place(own),
            "never taken",
        )
        .also(&place(by), "takes its requests")
        .fix(Fix::suggest("put the narrower route first")),
    );
}

/// Whether the first match takes every request that the second would.
fn covers(first: Option<Node<'_>>, second: Option<Node<'_>>) -> bool {
    let Some(first) = first else { return true };
    let of = |key: &str| second.and_then(|second| second.get(key));
    let open = |key: &str| is_none(first.get(key));
    let whose =
        WHOSE.iter().all(|key| open(key)) || WHOSE.iter().all(|key| alike(first.get(key), of(key)));
    whose
        && OTHERS.iter().all(|key| open(key) || alike(first.get(key), of(key)))
        && path_covers(first.get("uri"), of("uri"))
        && (takes_every_path(first.get("uri"))
            || alike(first.get("ignoreUriCase"), of("ignoreUriCase")))
}

/// Whether a condition is none.
fn is_none(node: Option<Node<'_>>) -> bool {
    node.is_none_or(|node| {
        node.is_null()
            || node.as_str() == Some("")
            || (node.is_mapping() && node.entries().next().is_none())
            || (node.is_sequence() && node.items().next().is_none())
    })
}

fn takes_every_path(uri: Option<Node<'_>>) -> bool {
    let Some(uri) = uri.filter(|_| !is_none(uri)) else { return true };
    let text = |key| uri.get(key).and_then(Node::as_str);
    matches!(text("prefix"), Some("" | "/")) || matches!(text("regex"), Some(".*" | "/.*"))
}

/// The prefix is that of the text: `/api` takes `/apis`, too.
fn path_covers(first: Option<Node<'_>>, second: Option<Node<'_>>) -> bool {
    if takes_every_path(first) {
        return true;
    }
    let (Some(first), Some(second)) = (first, second.filter(|_| !is_none(second))) else {
        return false;
    };
    let text = |node: Node<'_>, key| {
        node.get(key).and_then(Node::as_str).filter(|text| !may_be_in(text)).map(str::to_owned)
    };
    if let Some(prefix) = text(first, "prefix") {
        let other = text(second, "prefix").or_else(|| text(second, "exact"));
        return other.is_some_and(|other| other.starts_with(&prefix));
    }
    alike(Some(first), Some(second))
}

/// Whether two parts say the same; what is not there says nothing.
fn alike(a: Option<Node<'_>>, b: Option<Node<'_>>) -> bool {
    match (a.filter(|_| !is_none(a)), b.filter(|_| !is_none(b))) {
        (Some(a), Some(b)) => same(a, b, DEPTH),
        (None, None) => true,
        _ => false,
    }
}

fn same(a: Node<'_>, b: Node<'_>, depth: usize) -> bool {
    if depth == 0 || a.is_mapping() != b.is_mapping() || a.is_sequence() != b.is_sequence() {
        return false;
    }
    if a.is_mapping() {
        let count = a.entries().take(KEYS + 1).count();
        return count <= KEYS
            && count == b.entries().take(KEYS + 1).count()
            && a.entries().all(|(key, value)| {
                let other = key.as_str().and_then(|key| b.get(key));
                other.is_some_and(|other| same(value, other, depth - 1))
            });
    }
    if a.is_sequence() {
        let count = a.items().take(KEYS + 1).count();
        return count <= KEYS
            && count == b.items().take(KEYS + 1).count()
            && a.items().zip(b.items()).all(|(a, b)| same(a, b, depth - 1));
    }
    let open = |node: Node<'_>| node.as_str().is_some_and(may_be_in);
    !open(a) && (a.as_str(), a.as_i64(), a.as_bool()) == (b.as_str(), b.as_i64(), b.as_bool())
}
