//! Objects that Istio's webhook refuses, or the CRDs by rules of CEL.
//!
//! Source: pkg/config/validation of istio.io/istio 1.31. What is only a warning there is none here, and
//! what a placeholder stands in is not judged.

mod authorization;
mod destination_rule;
mod durations;
mod envoy_filter;
mod gateway;
mod request_authentication;
mod retries;
mod routes;
mod service_entry;

use super::{Lacking, RULE, is_open, list};
use crate::case::ObjectCase;
use crate::facts::Origin;
use crate::facts::document::Node;
use crate::facts::placeholders::{is_placeholder, may_be_in};
use crate::findings::{Finding, Fix, Level};
use crate::model::{re2, text};
use crate::rules::rule::Findings;

/// Entries of one list that are looked at.
const MOST: usize = 1000;

/// Findings of one object.
const MOST_SAID: usize = 50;

pub(super) fn check(case: &ObjectCase<'_>, lacking: &mut Lacking, out: &mut Findings) {
    let meta = &case.object.meta;
    let Some(spec) = case.object.node().get("spec").filter(|spec| spec.is_mapping()) else {
        return;
    };
    let kind = meta.kind.value.as_str();
    let mut to = Refusals { kind, lacking, left: MOST_SAID, out };
    match (meta.group(), kind) {
        ("networking.istio.io", "VirtualService") => {
            retries::check(case, spec, &mut to);
            routes::check(spec, &mut to);
        }
        ("networking.istio.io", "DestinationRule") => destination_rule::check(spec, &mut to),
        ("networking.istio.io", "Gateway") => gateway::check(spec, &mut to),
        ("networking.istio.io", "ServiceEntry") => service_entry::check(spec, &mut to),
        ("networking.istio.io", "EnvoyFilter") => return envoy_filter::check(spec, &mut to),
        ("security.istio.io", "AuthorizationPolicy") => authorization::check(spec, &mut to),
        ("security.istio.io", "RequestAuthentication") => {
            request_authentication::check(spec, &mut to);
        }
        ("networking.istio.io", "Sidecar") | ("telemetry.istio.io", "Telemetry") => {}
        _ => return,
    }
    durations::check(spec, &mut to);
}

/// Says what is refused, of one object.
struct Refusals<'o> {
    kind: &'o str,
    lacking: &'o mut Lacking,
    /// Findings that may still be told.
    left: usize,
    out: &'o mut Findings,
}

impl Refusals<'_> {
    /// `why` is in Istio's words.
    fn finding(&self, at: &Origin, label: &str, what: &str, why: &str) -> Finding {
        let message = format!("{what}: Istio refuses the {}, `{why}`", self.kind);
        Finding::new(&RULE, message, at, label)
    }

    fn push(&mut self, finding: Finding) {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            self.out.push(finding);
        }
    }

    /// Tells what is refused since something else is not there, which a kustomization may bring.
    fn lacks(&mut self, at: Node<'_>, label: &str, what: &str, why: &str, fix: &str) {
        if self.lacking.is_told() {
            self.tell(at, label, what, why, fix);
        }
    }

    /// The same of an object that may be a merge patch, written to be applied to another one.
    fn may_lack(&mut self, at: Node<'_>, label: &str, what: &str, why: &str, fix: &str) {
        if self.lacking.is_told() {
            let finding = self.finding(&at.origin(), label, what, why).level(Level::Warn);
            self.push(finding.fix(Fix::suggest(fix)));
        }
    }

    fn tell(&mut self, at: Node<'_>, label: &str, what: &str, why: &str, fix: &str) {
        let finding = self.finding(&at.origin(), label, what, why);
        self.push(finding.fix(Fix::suggest(fix)));
    }

    /// Two places that exclude each other.
    fn conflict(&mut self, at: Node<'_>, first: Node<'_>, what: &str, why: &str, fix: &str) {
        let finding = self.finding(&at.origin(), "and this", what, why);
        self.push(finding.also(&first.origin(), "this").fix(Fix::suggest(fix)));
    }

    /// A text that has to be a regular expression.
    fn regex(&mut self, of: Node<'_>, key: &str, field: &str) {
        let Some(node) = of.get(key) else { return };
        let Some(text) = node.as_str().filter(|text| !may_be_in(text)) else { return };
        // `validateStringRegexp`
        const LONGEST: usize = 1024;
        let fix = "write a regular expression of RE2: it has no look-ahead, no look-behind and no \
                   references to groups";
        if text.len() > LONGEST {
            let why = format!("{field:?}: regex is too large, max length allowed is 1024");
            let what = format!("a pattern of {} bytes", text.len());
            self.tell(node, "too long", &what, &why, "write a shorter one, or several matches");
        } else if let Some(error) = re2::error(text) {
            let what = "a pattern that does not compile".to_owned();
            let why = format!("{field:?}: error parsing regexp: {}", error.replace('`', "'"));
            self.tell(node, "no pattern of RE2", &what, &why, fix);
        }
    }
}

/// A text that is written and known.
fn known<'d>(of: Node<'d>, key: &str) -> Option<(&'d str, Node<'d>)> {
    let node = of.get(key)?;
    Some((node.as_str().filter(|text| !text.is_empty() && !is_placeholder(text))?, node))
}

/// Whether the mapping says something under the key, known or not. Null is nothing.
fn has(of: Node<'_>, key: &str) -> bool {
    of.get(key).is_some()
}

/// The same, where an empty text is nothing, as it is in Go.
fn says(of: Node<'_>, key: &str) -> bool {
    of.get(key).is_some_and(|value| value.as_str() != Some(""))
}

/// Whether a list at the key has entries; what is no list may be filled in.
fn has_entries(of: Node<'_>, key: &str) -> bool {
    of.get(key).is_some_and(|list| !list.is_sequence() || list.items().next().is_some())
}

/// Mappings of a list.
fn entries<'d>(of: Node<'d>, key: &str) -> impl Iterator<Item = Node<'d>> + use<'d> {
    list(of, key).take(MOST).filter(|node| node.is_mapping())
}

/// Protocols of ports by `Parse` in pkg/config/protocol/instance.go, which does not mind the case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http,
    Tls,
    Other,
}

const PROTOCOLS: &[(&str, Protocol)] = &[
    ("TCP", Protocol::Other),
    ("UDP", Protocol::Other),
    ("GRPC", Protocol::Http),
    ("GRPC-WEB", Protocol::Http),
    ("HTTP", Protocol::Http),
    ("HTTP_PROXY", Protocol::Http),
    ("HTTP2", Protocol::Http),
    ("HTTPS", Protocol::Tls),
    ("TLS", Protocol::Tls),
    ("MONGO", Protocol::Other),
    ("REDIS", Protocol::Other),
    ("MYSQL", Protocol::Other),
];

fn protocol(name: &str) -> Option<Protocol> {
    PROTOCOLS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, of)| *of)
}

/// A protocol that there is not, with the one that was meant.
fn unknown_protocol(port: Node<'_>, why: impl Fn(&str) -> String, to: &mut Refusals<'_>) {
    let Some((name, node)) = known(port, "protocol") else { return };
    if protocol(name).is_some() {
        return;
    }
    let upper = name.to_ascii_uppercase();
    let near = crate::model::names::nearest(&upper, PROTOCOLS.iter().map(|(known, _)| *known), 2);
    let fix = near.map_or_else(
        || "write HTTP, HTTP2, GRPC, HTTPS, TLS, TCP, ...".to_owned(),
        |near| format!("did you mean {near}?"),
    );
    let shown = text::shown(name);
    let what = format!("Istio knows no protocol {shown}");
    to.tell(node, "no such protocol", &what, &why(&shown), &fix);
}

/// One name of several ports.
fn unique_names<'d>(
    ports: impl Iterator<Item = Node<'d>>,
    what: &str,
    why: impl Fn(&str) -> String,
    to: &mut Refusals<'_>,
) {
    let mut seen: std::collections::BTreeMap<&str, Node<'d>> = std::collections::BTreeMap::new();
    for (name, node) in ports.filter_map(|port| known(port, "name")) {
        match seen.get(name) {
            Some(first) => {
                let shown = text::shown(name);
                let finding = to.finding(
                    &node.origin(),
                    "once more",
                    &format!("two {what} are called {shown}"),
                    &why(&shown),
                );
                to.push(finding.also(&first.origin(), "the first").fix(Fix::suggest("rename one")));
            }
            None => {
                seen.insert(name, node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::case::Joined;

    #[test]
    fn an_object_of_garbage_has_a_bounded_number_of_findings() {
        let mut text =
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\n\
                        spec:\n  hosts: [a]\n  http:\n"
                .to_owned();
        for _ in 0..100 {
            let _ = writeln!(text, "  - match: [{{uri: {{regex: \"(\"}}}}]\n    timeout: \"5\"");
        }
        let world = crate::case::sample::world(text);
        let joined = Joined::new(&world);
        let mut out = Findings::default();
        let mut lacking = Lacking { alone: true, found: false };
        check(&ObjectCase::new(&joined, 0, &world.objects[0]), &mut lacking, &mut out);
        assert_eq!(out.found.len(), MOST_SAID);
    }
}
