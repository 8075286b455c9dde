//! Callers without a certificate where only certificates are let in.

use super::{strict_at, with_mode};
use crate::case::WorkloadCase;
use crate::case::mesh::{Meshed, Mtls};
use crate::facts::objects::{PortRef, StringMap};
use crate::facts::workload::{Action, Container, EnvValue};
use crate::facts::{Body, Fact};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const PROBES: Variant = Variant::new(
    "probes-not-rewritten",
    Level::Deny,
    "a probe of the kubelet against a port that accepts mutual TLS alone",
);

/// The kubelet, a Prometheus outside of the mesh and a load balancer speak plaintext.
pub static RULE: Rule = Rule {
    id: "strict-mtls-with-unmeshed-client",
    group: Group::Mesh,
    level: Level::Warn,
    title: "a caller outside of the mesh to a port that accepts mutual TLS alone",
    page: include_str!("strict-mtls-with-unmeshed-client.md"),
    needs: &[Need::Manifest],
    variants: &[PROBES],
    check: Check::Workload(server),
    also: &[Check::Workload(client)],
    ..Rule::BASE
};

fn server(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let meshed = case.meshed()?;
    let callers = Callers::of(case, &meshed);
    if callers.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    case.as_applied()?;
    let mtls = case.mtls()?;
    for caller in callers {
        let captured = !meshed.has_sidecar() || case.pod().captures(caller.port);
        if !captured || strict_at(&mtls, caller.port).is_none() {
            continue;
        }
        let mut finding =
            Finding::new(&RULE, caller.message, &caller.place.origin, caller.place.value);
        if caller.probe {
            finding = finding.variant(&PROBES);
        }
        finding = with_mode(finding, &mtls, caller.port);
        if let Some(also) = &caller.also {
            finding = finding.also(&also.origin, also.value);
        }
        out.push(finding.also(&meshed.origin, meshed.label()).fix(Fix::suggest(caller.fix)));
    }
    Ok(())
}

/// Somebody who calls a port in plaintext.
struct Caller {
    port: i64,
    message: String,
    /// A label and its place.
    place: Fact<&'static str>,
    also: Option<Fact<&'static str>>,
    probe: bool,
    fix: &'static str,
}

/// Callers of one workload that are told.
const MOST: usize = 32;

struct Callers(Vec<Caller>);

impl Callers {
    fn of(case: &WorkloadCase<'_>, meshed: &Meshed) -> Vec<Caller> {
        let mut callers = Self(Vec::new());
        if meshed.has_sidecar() {
            callers.probes(case);
        }
        callers.scrapes(case);
        callers.balanced(case);
        callers.0.truncate(MOST);
        callers.0
    }

    /// `ShouldRewriteAppHTTPProbers` in pkg/kube/inject/app_probe.go; a TCP check ends at the proxy and passes.
    fn probes(&mut self, case: &WorkloadCase<'_>) {
        let annotation = case.pod().annotations.get("sidecar.istio.io/rewriteAppHTTPProbers");
        let off = |fact: &&Fact<String>| {
            matches!(fact.value.as_str(), "0" | "f" | "F" | "false" | "FALSE" | "False")
        };
        let Some(annotation) = annotation.filter(off) else { return };
        for container in case.pod().containers.iter().filter(|c| c.name() != "istio-proxy") {
            for (field, probe) in container.probes() {
                let port = match &probe.handler.action {
                    Action::HttpGet { port: Some(port), host: None, .. } => {
                        number(container, &port.value)
                    }
                    Action::Grpc { port: Some(port), .. } => Some(port.value),
                    _ => None,
                };
                let Some(port) = port else { continue };
                self.0.push(Caller {
                    port,
                    message: format!(
                        "the kubelet's {field} of port {port} is plaintext, is not led through the \
                         proxy's agent, and is reset: the pod is not ready, or is restarted"
                    ),
                    place: Fact::written("checked from the node, in plaintext", probe.handler.origin.clone()),
                    also: Some(Fact::written("probes are left as they are", annotation.origin.clone())),
                    probe: true,
                    fix: "remove the annotation sidecar.istio.io/rewriteAppHTTPProbers: probes are rewritten by default",
                });
            }
        }
    }

    /// `applyPrometheusMerge` in pkg/kube/inject/webhook.go points the pod's annotations at the agent; it does not
    /// see those of a Service.
    fn scrapes(&mut self, case: &WorkloadCase<'_>) {
        let pod = case.pod();
        let merge = pod.annotations.get("prometheus.istio.io/merge-metrics");
        if let Some(merge) = merge.filter(|merge| merge.value == "false")
            && let Some((port, place)) = scraped(&pod.annotations)
        {
            self.0.push(Caller {
                port,
                message: format!(
                    "Prometheus is told to ask port {port} in plaintext, and metrics are not merged into the proxy's: \
                     without a certificate of the mesh it gets none"
                ),
                place: Fact::written("asked in plaintext", place.origin.clone()),
                also: Some(Fact::written("metrics are not merged", merge.origin.clone())),
                probe: false,
                fix: "merge the metrics, or name the port in traffic.sidecar.istio.io/excludeInboundPorts",
            });
        }
        for (object, _) in case.services().take(MOST) {
            let Some((port, place)) = scraped(&object.meta.annotations) else { continue };
            self.0.push(Caller {
                port,
                message: format!(
                    "Prometheus is told by Service {} to ask port {port} in plaintext: without a \
                     certificate of the mesh it gets nothing",
                    object.meta.name()
                ),
                place: Fact::written("asked in plaintext", place.origin.clone()),
                also: None,
                probe: false,
                fix: "put the annotations on the pods, where Istio merges the metrics, or name the port in \
                      traffic.sidecar.istio.io/excludeInboundPorts",
            });
        }
    }

    fn balanced(&mut self, case: &WorkloadCase<'_>) {
        for (object, service) in case.services().take(MOST) {
            let kind = service.service_type.value.as_str();
            if !matches!(kind, "LoadBalancer" | "NodePort") {
                continue;
            }
            let tcp = service.ports.iter().filter(|port| port.protocol.value == "TCP");
            // One port says it.
            let first = tcp.filter_map(|port| case.pod().target_number(port)).next();
            if let Some(port) = first {
                self.0.push(Caller {
                    port,
                    message: format!(
                        "Service {} of type {kind} leads from outside straight to port {port} of the \
                         pods: a caller has no certificate of the mesh and is reset",
                        object.meta.name()
                    ),
                    place: Fact::written("open to callers without a proxy", service.service_type.origin.clone()),
                    also: None,
                    probe: false,
                    fix: "lead the traffic through an ingress gateway, or set portLevelMtls PERMISSIVE for this port",
                });
            }
        }
    }
}

fn number(container: &Container, port: &PortRef) -> Option<i64> {
    match port {
        PortRef::Number(number) => Some(*number),
        PortRef::Name(name) => container.port_named(name)?.port.as_ref().map(|port| port.value),
    }
}

/// The port that annotations have scraped, and the annotation that names it.
fn scraped(annotations: &StringMap) -> Option<(i64, &Fact<String>)> {
    annotations.get("prometheus.io/scrape").filter(|scrape| scrape.value == "true")?;
    let port = annotations.get("prometheus.io/port")?;
    Some((port.value.parse().ok()?, port))
}

/// A workload that is kept out of the mesh and names a Service of it.
fn client(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let inject = case.pod().inject().filter(|(value, _)| value.value == "false");
    let (inject, _) = inject.ok_or(Abstain::NotApplicable)?;
    if case.meshed().is_ok() {
        return Err(Abstain::NotApplicable);
    }
    case.joined.not_without_mesh()?;
    let mut judged = false;
    let mut seen = Vec::new();
    for text in texts(case).take(COMPARED_TEXTS) {
        for address in addresses(&text.value) {
            let key = (address.host.to_owned(), address.port);
            if seen.contains(&key) || seen.len() >= MOST {
                continue;
            }
            seen.push(key);
            let Some(found) = refused(case, &address) else { continue };
            judged = true;
            let refused = match found {
                Ok(Some(refused)) => refused,
                Ok(None) => continue,
                Err(abstain) => {
                    out.abstain(abstain);
                    continue;
                }
            };
            let finding = Finding::new(
                &RULE,
                format!(
                    "{} {} has no proxy and calls Service {}, whose pods accept mutual TLS alone on port {}: its calls are reset",
                    case.object.meta.kind.value,
                    case.object.meta.name(),
                    refused.service,
                    refused.port
                ),
                &text.origin,
                "called in plaintext",
            )
            .also(&inject.origin, "without a proxy");
            let finding = with_mode(finding, &refused.mtls, refused.port);
            out
                .push(finding.also(&refused.meshed.origin, "the pods that are called have one").fix(
                Fix::suggest(
                    "let it have a sidecar, or set portLevelMtls PERMISSIVE for the port it calls",
                ),
            ));
        }
    }
    if judged { Ok(()) } else { Err(Abstain::NotApplicable) }
}

/// Variables and words of a workload that are looked at.
const COMPARED_TEXTS: usize = 256;

fn texts<'w>(case: &WorkloadCase<'w>) -> impl Iterator<Item = &'w Fact<String>> {
    case.pod().containers.iter().flat_map(|container| {
        let literal = container.env.iter().filter_map(|env| match &env.value {
            EnvValue::Literal(text) => Some(text),
            _ => None,
        });
        let words = container.command.iter().chain(&container.args).flatten();
        literal.chain(words)
    })
}

/// A host and port that a text names.
#[derive(Debug, PartialEq)]
struct Address<'t> {
    host: &'t str,
    port: i64,
}

/// Addresses in a text: URLs anywhere in it, or `host:port` as the whole of it or of a flag's value.
fn addresses(text: &str) -> Vec<Address<'_>> {
    let mut all = Vec::new();
    let part = |rest: &'_ str| rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
    for (at, _) in text.match_indices("://").take(8) {
        let scheme = text.get(..at).unwrap_or_default();
        let rest = text.get(at + 3..).unwrap_or_default();
        let authority = rest.get(..part(rest)).unwrap_or_default();
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, port.parse().ok()),
            None if scheme.ends_with("https") => (authority, Some(443)),
            None if scheme.ends_with("http") => (authority, Some(80)),
            None => (authority, None),
        };
        // What stands before an `@` is no host.
        let is_user = rest.get(authority.len()..).is_some_and(|rest| rest.starts_with('@'));
        all.extend(
            port.filter(|_| !host.is_empty() && !is_user).map(|port| Address { host, port }),
        );
    }
    if all.is_empty() {
        let value = match text.split_once('=') {
            Some((flag, value)) if flag.starts_with('-') => value,
            _ => text,
        };
        let pair = value.split_once(':').filter(|_| value.chars().all(is_part));
        let pair = pair.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let named = |host: &str| host.bytes().any(|b| b.is_ascii_alphabetic());
        all.extend(pair.filter(|(host, _)| named(host)).map(|(host, port)| Address { host, port }));
    }
    all
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':')
}

/// A call that is reset.
struct Refused<'w> {
    service: &'w str,
    port: i64,
    mtls: Mtls<'w>,
    meshed: Meshed,
}

/// Nothing where the address leads to no Service of pods in the mesh.
fn refused<'w>(
    case: &WorkloadCase<'w>,
    address: &Address<'_>,
) -> Option<Result<Option<Refused<'w>>, Abstain>> {
    let mut labels = address.host.split('.');
    let name = labels.next()?;
    let namespace = labels.next().unwrap_or(&case.object.meta.namespace.value);
    let rest: Vec<&str> = labels.take(4).collect();
    if !matches!(rest.as_slice(), [] | ["svc"] | ["svc", "cluster", "local"]) {
        return None;
    }
    let service = case.joined.service_near(case.object, namespace, name)?;
    let Body::Service(body) = &service.object.body else { return None };
    let port = body
        .ports
        .iter()
        .take(MOST * 8)
        .find(|port| port.port.as_ref().is_some_and(|own| own.value == address.port))?;
    let mut meshed = service.serving().take(MOST).filter_map(|w| Some((w, w.meshed().ok()?)));
    let (workload, meshed) = meshed.next()?;
    let number = workload.pod().target_number(port)?;
    if meshed.has_sidecar() && !workload.pod().captures(number) {
        return Some(Ok(None));
    }
    Some(workload.as_applied().and_then(|()| workload.mtls()).map(|mtls| {
        strict_at(&mtls, number)?;
        Some(Refused { service: service.object.meta.name(), port: number, mtls, meshed })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_urls_or_whole_values() {
        let of = |text: &'static str| -> Vec<(&'static str, i64)> {
            addresses(text).into_iter().map(|a| (a.host, a.port)).collect()
        };
        assert_eq!(of("http://orders/api"), [("orders", 80)]);
        assert_eq!(
            of("--url=https://orders.shop.svc:8443,http://x"),
            [("orders.shop.svc", 8443), ("x", 80)]
        );
        assert_eq!(of("orders:9000"), [("orders", 9000)]);
        assert_eq!(of("--orders=orders.shop:9000"), [("orders.shop", 9000)]);
        assert!(of("postgres://user:secret@db/orders").is_empty());
        assert!(of("10.1.2.3:80").is_empty());
        assert!(of("level:debug").is_empty());
        assert!(of("call orders:9000 first").is_empty());
        assert!(of("://").is_empty());
    }
}
