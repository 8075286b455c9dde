//! What the CRDs of Gateway API state in CEL, and lists that take each name once.
//!
//! Hand-checked against `x-kubernetes-validations` and `x-kubernetes-list-map-keys` of
//! `config/crd/{standard,experimental}` of sigs.k8s.io/gateway-api v0.8.1, v1.1.0, v1.3.0, v1.6.3 and
//! v1.7.0: each of those that serves the version and has the field refuses what is refused here. What
//! only some of them refuse (`tls mode must be set for protocol TLS`, names of rules) is left out.

mod filters;
mod matches;

use std::collections::BTreeMap;

use super::super::{RULE, is_whole, items, text};
use crate::case::ObjectCase;
use crate::case::routes::GATEWAY_API;
use crate::facts::document::Node;
use crate::facts::placeholders::{is_in_capitals, is_placeholder};
use crate::findings::Finding;
use crate::rules::rule::Findings;

/// Entries of one list that are looked at; the CRDs take fewer of each.
const MOST: usize = 256;

/// Findings of one object.
const MOST_SAID: usize = 50;

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) {
    let meta = &case.object.meta;
    let Some(spec) = case.object.node().get("spec").filter(|_| meta.group() == GATEWAY_API) else {
        return;
    };
    let version = meta.api_version.value.rsplit('/').next().unwrap_or_default();
    let mut judge = Judge { found: Vec::new() };
    match meta.kind.value.as_str() {
        "Gateway" => {
            judge.listeners(spec, version != "v1beta1");
            judge.addresses(spec);
        }
        "ListenerSet" => judge.listeners(spec, true),
        "HTTPRoute" | "GRPCRoute" => {
            let http = meta.kind.value == "HTTPRoute";
            judge.parents(spec);
            for rule in items(spec, "rules").take(MOST) {
                judge.route_rule(rule, http);
            }
        }
        "TLSRoute" => {
            judge.parents(spec);
            if version != "v1alpha2" {
                judge.no_addresses(spec);
            }
        }
        "TCPRoute" | "UDPRoute" => judge.parents(spec),
        "BackendTLSPolicy" if matches!(version, "v1" | "v1alpha3") => judge.backend_tls(spec),
        _ => {}
    }
    out.found.append(&mut judge.found);
}

struct Judge {
    found: Vec<Finding>,
}

/// Whether a field holds something: an empty text or list is as good as none.
fn holds(node: Node<'_>, key: &str) -> bool {
    node.get(key).is_some_and(|value| {
        value.as_str().is_none_or(|text| !text.is_empty())
            && (!value.is_sequence() || value.items().next().is_some())
    })
}

/// The text at `key`, empty where there is none; nothing when it is still to be filled in.
fn known<'d>(node: Node<'d>, key: &str) -> Option<&'d str> {
    match node.get(key) {
        None => Some(""),
        Some(value) => value.as_str().filter(|text| !is_placeholder(text)),
    }
}

/// `^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
fn is_host(text: &str) -> bool {
    let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.strip_prefix("*.").unwrap_or(text).split('.').all(|label| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|b| edge(*b))
            && bytes.last().is_some_and(|b| edge(*b))
            && bytes.iter().all(|b| edge(*b) || *b == b'-')
    })
}

impl Judge {
    /// Says that a value is refused: in our words, and in those of the CRD.
    fn refuse(&mut self, place: Node<'_>, label: &'static str, words: &str, cel: &str) {
        if self.found.len() < MOST_SAID {
            let message = format!("{words}: the CRDs of Gateway API refuse it, `{cel}`");
            self.found.push(Finding::new(&RULE, message, &place.origin(), label));
        }
    }

    /// As [`Judge::refuse`], with the place that it contradicts.
    fn conflict(&mut self, place: Node<'_>, other: Node<'_>, words: &str, cel: &str) {
        let before = self.found.len();
        self.refuse(place, "refused", words, cel);
        if self.found.len() > before
            && let Some(finding) = self.found.pop()
        {
            self.found.push(finding.also(&other.origin(), "with this"));
        }
    }

    /// Two entries of a list with one name.
    fn once<'d>(
        &mut self,
        entries: impl Iterator<Item = (String, Node<'d>)>,
        words: &str,
        cel: &str,
    ) {
        let mut seen = BTreeMap::new();
        for (name, place) in entries.take(MOST) {
            if let Some(first) = seen.get(&name) {
                self.conflict(place, *first, words, cel);
            } else {
                seen.insert(name, place);
            }
        }
    }

    /// `v1beta1` of v0.8.1 does not yet ask for `Terminate`.
    fn listeners(&mut self, spec: Node<'_>, asks_for_terminate: bool) {
        let listeners = || items(spec, "listeners").take(MOST).filter(|one| is_whole(*one));
        for listener in listeners() {
            let Some((protocol, at)) = text(listener, "protocol") else { continue };
            let tls = listener.get_entry("tls");
            if let Some((key, _)) = tls.filter(|_| matches!(protocol, "HTTP" | "TCP" | "UDP")) {
                let words = format!("a listener for {protocol} has no TLS to be told of");
                let cel = "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']";
                self.conflict(key, at, &words, cel);
            }
            if let Some((key, _)) = listener.get_entry("hostname")
                && matches!(protocol, "TCP" | "UDP")
                && holds(listener, "hostname")
            {
                let words = format!("a listener for {protocol} sees no name of a host");
                let cel = "hostname must not be specified for protocols ['TCP', 'UDP']";
                self.conflict(key, at, &words, cel);
            }
            let Some((_, tls)) = tls else { continue };
            let mode = text(tls, "mode");
            if protocol == "HTTPS"
                && asks_for_terminate
                && let Some((mode, place)) =
                    mode.filter(|(mode, _)| !matches!(*mode, "" | "Terminate"))
            {
                let words = format!("a listener for HTTPS ends TLS, and {mode} passes it on");
                let cel = "tls mode must be Terminate for protocol HTTPS";
                self.conflict(place, at, &words, cel);
            }
            let terminates = match tls.get("mode") {
                None => true,
                Some(_) => mode.is_some_and(|(mode, _)| mode == "Terminate"),
            };
            let options = tls.get("options").is_some_and(|o| o.entries().next().is_some());
            if terminates
                && is_whole(tls)
                && matches!(protocol, "HTTPS" | "TLS")
                && !holds(tls, "certificateRefs")
                && !options
                && let Some((key, _)) = listener.get_entry("tls")
            {
                let words = "a listener that ends TLS needs a certificate";
                let cel = "certificateRefs or options must be specified when mode is Terminate";
                self.refuse(key, "no certificate", words, cel);
            }
        }
        let names = listeners().filter_map(|listener| text(listener, "name"));
        let cel = "Listener name must be unique within the Gateway";
        let words = "two listeners have one name";
        self.once(names.map(|(name, place)| (name.to_owned(), place)), words, cel);
        let ports = listeners().filter_map(|listener| {
            // A ListenerSet may leave the port to whoever programs it.
            let port = listener.get("port")?;
            let number = port.as_i64()?;
            let host = known(listener, "hostname")?;
            Some((format!("{number} {} {host}", text(listener, "protocol")?.0), port))
        });
        let words = "two listeners have the same port, protocol and hostname";
        let cel = "Combination of port, protocol and hostname must be unique for each listener";
        self.once(ports, words, cel);
    }

    fn addresses(&mut self, spec: Node<'_>) {
        for address in items(spec, "addresses").take(MOST) {
            let Some(kind) = known(address, "type") else { continue };
            let value = text(address, "value");
            let value = value.filter(|(text, _)| !text.is_empty() && !is_in_capitals(text));
            let Some((value, place)) = value else { continue };
            if matches!(kind, "" | "IPAddress") && value.parse::<core::net::IpAddr>().is_err() {
                let words = format!("{value} is no IP address");
                self.refuse(
                    place,
                    "no address",
                    &words,
                    "must validate at least one schema (anyOf)",
                );
            } else if kind == "Hostname" && !is_host(value) {
                let words = format!("{value} is no name of a host");
                let cel = "Hostname value must only contain valid characters";
                self.refuse(place, "no name of a host", &words, cel);
            }
        }
        for (wanted, cel) in [
            ("IPAddress", "IPAddress values must be unique"),
            ("Hostname", "Hostname values must be unique"),
        ] {
            let values = items(spec, "addresses").filter_map(|address| {
                let kind = known(address, "type")?;
                let kind = if kind.is_empty() { "IPAddress" } else { kind };
                let (value, place) = text(address, "value")?;
                (kind == wanted && !value.is_empty() && !is_in_capitals(value))
                    .then(|| (value.to_owned(), place))
            });
            self.once(values, "one address is written twice", cel);
        }
    }

    /// The experimental channel tells references apart by their port, too: what both refuse.
    fn parents(&mut self, spec: Node<'_>) {
        let mut whole: BTreeMap<String, Node<'_>> = BTreeMap::new();
        let mut sectioned: BTreeMap<String, (bool, Node<'_>)> = BTreeMap::new();
        for parent in items(spec, "parentRefs").take(MOST) {
            let Some((_, place)) = text(parent, "name") else { continue };
            let of = |keys: &[&str]| -> Option<String> {
                // Defaults of the CRD, which are filled in before its CEL is asked.
                let part = |key: &&str| match (*key, parent.get(key)) {
                    ("group", None) => Some(GATEWAY_API),
                    ("kind", None) => Some("Gateway"),
                    (key, _) => known(parent, key),
                };
                Some(keys.iter().map(part).collect::<Option<Vec<_>>>()?.join("\n"))
            };
            let Some(target) = of(&["group", "kind", "namespace", "name"]) else { continue };
            let Some(section) = known(parent, "sectionName") else { continue };
            let port = known(parent, "port").unwrap_or_default();
            let exact = format!("{target}\n{section}\n{port}");
            if let Some(first) = whole.get(&exact) {
                let words = "one parent is named twice";
                let cel = "sectionName must be unique when parentRefs includes 2 or more \
                           references to the same parent";
                self.conflict(place, *first, words, cel);
                continue;
            }
            whole.insert(exact, place);
            let has = !section.is_empty();
            match sectioned.get(&target) {
                Some((other, first)) if *other != has => {
                    let words = "one parent is named with a listener and without one";
                    let cel = "sectionName must be specified when parentRefs includes 2 or more \
                               references to the same parent";
                    self.conflict(place, *first, words, cel);
                }
                Some(_) => {}
                None => {
                    sectioned.insert(target, (has, place));
                }
            }
        }
    }

    fn no_addresses(&mut self, spec: Node<'_>) {
        for host in spec.get("hostnames").into_iter().flat_map(Node::items).take(MOST) {
            if host.as_str().is_some_and(|host| host.parse::<core::net::IpAddr>().is_ok()) {
                let words = "an address is no name of a host, and no client sends one as such";
                self.refuse(host, "an address", words, "Hostnames cannot contain an IP");
            }
        }
    }

    fn backend_tls(&mut self, spec: Node<'_>) {
        let Some((key, validation)) = spec.get_entry("validation") else { return };
        if !is_whole(validation) {
            return;
        }
        let both = ["caCertificateRefs", "wellKnownCACertificates"];
        match both.map(|key| holds(validation, key)) {
            [true, true] => {
                if let [Some((refs, _)), Some((known, _))] =
                    both.map(|key| validation.get_entry(key))
                {
                    let words =
                        "certificate authorities are named one by one or by a set, not both";
                    let cel = "must not contain both CACertificateRefs and WellKnownCACertificates";
                    self.conflict(known, refs, words, cel);
                }
            }
            [false, false] => {
                let words = "nothing says which certificate authorities are trusted";
                let cel = "must specify either CACertificateRefs or WellKnownCACertificates";
                self.refuse(key, "trusts nobody", words, cel);
            }
            _ => {}
        }
        for name in items(validation, "subjectAltNames").take(MOST).filter(|one| is_whole(*one)) {
            let Some((kind, at)) = text(name, "type") else { continue };
            for (wanted, field) in [("Hostname", "hostname"), ("URI", "uri")] {
                let entry = name.get_entry(field).filter(|_| holds(name, field));
                match entry {
                    Some((key, _)) if kind != wanted => {
                        let words =
                            format!("`{field}` is for a name of type {wanted}, and this is {kind}");
                        let cel = format!(
                            "SubjectAltName element must not contain {wanted}, if Type is not set to {wanted}"
                        );
                        self.conflict(key, at, &words, &cel);
                    }
                    None if kind == wanted => {
                        let words = format!("a name of type {wanted} needs `{field}`");
                        let cel = format!(
                            "SubjectAltName element must contain {wanted}, if Type is set to {wanted}"
                        );
                        self.refuse(at, "without it", &words, &cel);
                    }
                    _ => {}
                }
            }
        }
    }
}
