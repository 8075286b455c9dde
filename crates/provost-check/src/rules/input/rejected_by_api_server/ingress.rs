//! Ingresses: hosts, paths and backends.

use super::{RULE, items, names, pod, refuse, text};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::facts::{Fact, Origin};
use crate::findings::Finding;
use crate::rules::rule::Findings;

/// What a path of type Exact or Prefix may not hold, or end with.
const SEQUENCES: &[&str] = &["//", "/./", "/../", "%2f", "%2F"];
const SUFFIXES: &[&str] = &["/..", "/."];

/// `ValidateIngressCreate` of pkg/apis/networking/validation/validation.go, v1.37.2.
pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) {
    let object = case.object;
    let Some(spec) = object.node().get("spec").filter(|spec| spec.is_mapping()) else { return };
    let alone = super::is_alone(case);
    if let Some((class, node)) = text(spec, "ingressClassName")
        && let Some(annotation) = object.meta.annotations.get("kubernetes.io/ingress.class")
        && !super::is_placeholder(&annotation.value)
        && annotation.value != class
    {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "the annotation kubernetes.io/ingress.class ({annotation}) must match \
                     ingressClassName ({class}) when both are specified"
                ),
                &annotation.origin,
                "another class",
            )
            .also(&node.origin(), "the class"),
        );
    }
    let none = |key: &str| match spec.get(key) {
        Some(value) => value.is_sequence() && value.items().next().is_none(),
        None => !spec.has_key(key),
    };
    if alone
        && object.meta.name.is_some()
        && (super::is_whole(spec) || spec.entries().next().is_none())
        && none("rules")
        && none("defaultBackend")
        && let Some((key, _)) = object.node().get_entry("spec")
    {
        refuse(out, &key.origin(), "either `defaultBackend` or `rules` must be specified");
    }
    if let Some((key, node)) = spec.get_entry("defaultBackend") {
        backend(key, node, alone, out);
    }
    for rule in items(spec, "rules") {
        if let Some((name, node)) = text(rule, "host") {
            host(name, node, out);
        }
        for path in rule.get("http").into_iter().flat_map(|http| items(http, "paths")) {
            one(path, out);
            if let Some((key, node)) = path.get_entry("backend") {
                backend(key, node, alone, out);
            }
        }
    }
    for tls in items(spec, "tls") {
        for node in tls.get("hosts").into_iter().flat_map(Node::items) {
            if let Some(name) = node.as_str().filter(|name| !super::is_placeholder(name)) {
                dns_name(name, node, out);
            }
        }
    }
}

/// The host of a rule is no address; one that a certificate is for may be (`validateIngressTLS`).
fn host(name: &str, node: Node<'_>, out: &mut Findings) {
    if name.parse::<core::net::IpAddr>().is_ok() {
        let message = format!("`{name}` is no host: must be a DNS name, not an IP address");
        refuse(out, &node.origin(), message);
    } else {
        dns_name(name, node, out);
    }
}

fn dns_name(name: &str, node: Node<'_>, out: &mut Findings) {
    if name.is_empty() {
        return;
    }
    let why = if let Some(rest) = name.strip_prefix("*.") {
        if names::is_subdomain(rest) { return } else { "`*.` and a DNS-1123 subdomain" }
    } else if name.contains('*') {
        "a wildcard is the whole first label: `*.example.com`"
    } else if !names::is_subdomain(name) {
        "a DNS-1123 subdomain has lower case letters, digits, `-` and `.`: no scheme, port or path"
    } else {
        return;
    };
    refuse(out, &node.origin(), format!("`{name}` is no host: {why}"));
}

fn one(path: Node<'_>, out: &mut Findings) {
    let Some((kind, kind_node)) = text(path, "pathType") else { return };
    let by_prefix = matches!(kind, "Exact" | "Prefix");
    if !by_prefix && kind != "ImplementationSpecific" {
        return;
    }
    let Some(written) = path.get("path") else {
        // Null is as good as empty, and still to be filled in as often as not.
        let is_key = path.has_key("path") || path.has_key("<<");
        if by_prefix && !is_key && path.get("backend").is_some() {
            let message =
                format!("a path of pathType {kind} is required, and must be absolute: `/`");
            refuse(out, &kind_node.origin(), message);
        }
        return;
    };
    let Some(text) = written.as_str().filter(|text| !super::is_placeholder(text)) else { return };
    if text.is_empty() && !by_prefix {
        return;
    }
    if !text.starts_with('/') {
        let message = format!("the path `{text}` must be an absolute path");
        refuse(out, &written.origin(), message);
    } else if by_prefix {
        if let Some(sequence) = SEQUENCES.iter().find(|sequence| text.contains(**sequence)) {
            refuse(
                out,
                &written.origin(),
                format!("the path {text} must not contain '{sequence}'"),
            );
        } else if let Some(end) = SUFFIXES.iter().find(|suffix| text.ends_with(**suffix)) {
            refuse(out, &written.origin(), format!("the path {text} cannot end with '{end}'"));
        }
    }
}

fn backend(key: Node<'_>, node: Node<'_>, alone: bool, out: &mut Findings) {
    if !node.is_mapping() {
        return;
    }
    let (service, resource) = (node.get_entry("service"), node.get_entry("resource"));
    let (key, service) = match (service, resource) {
        (Some((first, _)), Some((second, _))) => {
            let message = "cannot set both resource and service backends";
            out.push(
                Finding::new(&RULE, message, &second.origin(), "one of them")
                    .also(&first.origin(), "and the other"),
            );
            return;
        }
        (Some(service), None) => service,
        _ => {
            // Fields of a version before this one are told of as such.
            if alone && resource.is_none() && node.entries().next().is_none() {
                refuse(out, &key.origin(), "resource or service backend is required");
            }
            return;
        }
    };
    let Some(port) = service.get("port").filter(|port| port.is_mapping()) else {
        let written = service.has_key("port") || service.has_key("<<");
        if alone && service.is_mapping() && !written && service.get("name").is_some() {
            refuse(out, &key.origin(), "port name or number of the backend is required");
        }
        return;
    };
    let name = text(port, "name").filter(|(name, _)| !name.is_empty());
    let number = port.get("number").and_then(|node| Some((node.as_i64()?, node)));
    if let (Some((_, name)), Some((1.., number))) = (&name, &number) {
        out.push(
            Finding::new(
                &RULE,
                "cannot set both port name & port number",
                &number.origin(),
                "one of them",
            )
            .also(&name.origin(), "and the other"),
        );
    } else if let Some((name, node)) = name {
        pod::port_name(&Fact::written((), node.origin()), name, out);
    } else if let Some((number, node)) = number {
        let place: Origin = node.origin();
        pod::port_number("the backend's port", &Fact::written(number, place), out);
    }
}
