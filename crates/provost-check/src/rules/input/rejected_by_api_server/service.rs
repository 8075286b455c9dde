//! Services and the ports of what they send to.

use std::collections::{HashMap, HashSet};

use super::{RULE, ip, is_placeholder, is_whole, names, pod, refuse, text};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::facts::objects::{PortRef, Service, ServicePort};
use crate::facts::{Fact, Origin};
use crate::findings::{Finding, Level};
use crate::rules::rule::Findings;

/// `--service-node-port-range` as kube-apiserver has it by default
/// (`DefaultServiceNodePortRange` in pkg/kubeapiserver/options/options.go).
const NODE_PORTS: std::ops::RangeInclusive<i64> = 30000..=32767;

/// `validateService` of pkg/apis/core/validation/validation.go, v1.37.2.
pub(super) fn check(case: &ObjectCase<'_>, service: &Service, out: &mut Findings) {
    ports(service, out);
    numbers(service, out);
    if let Some(selector) = &service.selector {
        names::labels(&selector.labels, out);
    }
    let Some(spec) = case.object.node().get("spec") else { return };
    let kind = service.service_type.value.as_str();
    let alone = super::is_alone(case);
    external_name(spec, service, alone, out);
    if is_placeholder(kind) || !(service.service_type.is_written() || alone) {
        return;
    }
    // A patch that names neither a type nor pods may be for a Service of any type.
    let whole = service.service_type.is_written() || service.selector.is_some();
    if kind == "ClusterIP" && whole && alone {
        inside_only(spec, service, out);
    }
    if matches!(kind, "NodePort" | "LoadBalancer")
        && let Some((value, node)) = text(spec, "clusterIP")
        && value == "None"
    {
        also_type(
            service,
            format!("clusterIP may not be set to 'None' for {kind} services"),
            &node.origin(),
            out,
        );
    }
    ip::service(case, spec, kind, out);
    if kind != "LoadBalancer" && whole && alone {
        for key in
            ["loadBalancerSourceRanges", "allocateLoadBalancerNodePorts", "loadBalancerClass"]
        {
            let Some((name, value)) = spec.get_entry(key) else { continue };
            if value.is_sequence() && value.items().next().is_none() {
                continue;
            }
            let message = format!("{key} may only be used when `type` is 'LoadBalancer'");
            also_type(service, message, &name.origin(), out);
        }
    }
    let sticky = text(spec, "sessionAffinity");
    if let Some((key, _)) = spec.get_entry("sessionAffinityConfig")
        && sticky.is_some_and(|(affinity, _)| affinity == "None")
    {
        let message = "sessionAffinityConfig must not be set when session affinity is None";
        refuse(out, &key.origin(), message);
    }
    let headless = service.headless;
    if alone
        && !headless
        && kind != "ExternalName"
        && service.selector.as_ref().is_some_and(|selector| !selector.is_empty())
        && case.object.meta.name.is_some()
        && !spec.has_key("ports")
        && is_whole(spec)
    {
        let place = service.selector.as_ref().map(|selector| selector.origin.clone());
        refuse(out, &place.unwrap_or_else(|| spec.origin()), "ports of a Service are required");
    }
}

fn also_type(service: &Service, message: String, origin: &Origin, out: &mut Findings) {
    let kind = &service.service_type;
    let finding = Finding::new(&RULE, message, origin, "refused");
    out.push(if kind.is_written() {
        finding.also(&kind.origin, "the type")
    } else {
        finding.note(format!("the type is {kind} by default"))
    });
}

/// What makes no sense for a Service that is reached from inside only.
fn inside_only(spec: Node<'_>, service: &Service, out: &mut Findings) {
    let outside = spec.get("externalIPs").is_some_and(|ips| ips.items().next().is_some());
    if let Some((policy, node)) = text(spec, "externalTrafficPolicy")
        && !policy.is_empty()
        && !outside
    {
        let message = "externalTrafficPolicy may only be set for externally-accessible services";
        also_type(service, message.to_owned(), &node.origin(), out);
    }
    for port in &service.ports {
        if let Some(number) = port.node_port.as_ref().filter(|number| number.value != 0) {
            let message = "nodePort may not be used when `type` is 'ClusterIP'".to_owned();
            also_type(service, message, &number.origin, out);
        }
    }
}

fn external_name(spec: Node<'_>, service: &Service, alone: bool, out: &mut Findings) {
    if service.service_type.value != "ExternalName" {
        return;
    }
    if let Some((name, node)) = text(spec, "externalName").filter(|(name, _)| !name.is_empty()) {
        // A dot at the end makes it absolute.
        if !names::is_subdomain(name.strip_suffix('.').unwrap_or(name)) {
            let message = format!("externalName `{name}` is no DNS name: no scheme, port or path");
            refuse(out, &node.origin(), message);
        }
    } else if alone && spec.get("externalName").is_none() {
        let message = "externalName of a Service of type ExternalName is required";
        refuse(out, &service.service_type.origin, message);
    }
}

fn ports(service: &Service, out: &mut Findings) {
    let several = service.ports.len() > 1;
    let mut seen = HashSet::new();
    for port in &service.ports {
        if let Some(number) = &port.port {
            pod::port_number("port", number, out);
        }
        match &port.name {
            Some(name) if !name.value.is_empty() => {
                let repeated = !seen.insert(name.value.as_str());
                if repeated {
                    refuse(out, &name.origin, format!("two ports are named {name}"));
                } else if !is_placeholder(&name.value) && !names::is_label(&name.value) {
                    refuse(
                        out,
                        &name.origin,
                        format!("`{name}` is no name for a port of a Service: a DNS-1123 label"),
                    );
                }
            }
            _ if several => {
                refuse(out, &port.origin, "a port of a Service with several ports needs a name");
            }
            _ => {}
        }
        if let Some(target) = port.target_port.as_ref().filter(|target| target.is_written()) {
            target_port(target, out);
        }
    }
}

fn target_port(target: &Fact<PortRef>, out: &mut Findings) {
    match &target.value {
        PortRef::Number(number) => pod::port_number("targetPort", &target.map(|_| *number), out),
        PortRef::Name(name) if name.is_empty() => {}
        PortRef::Name(name) => pod::port_name(target, name, out),
    }
}

/// Numbers that occur twice, and those that no node gives away.
fn numbers(service: &Service, out: &mut Findings) {
    let (mut seen, mut seen_nodes) = (Seen::new(), Seen::new());
    for port in &service.ports {
        if is_placeholder(&port.protocol.value) {
            continue;
        }
        if let Some(number) = &port.port {
            out.found.extend(twice(&mut seen, "port", port, number));
        }
        let Some(number) = port.node_port.as_ref().filter(|number| number.value != 0) else {
            continue;
        };
        out.found.extend(twice(&mut seen_nodes, "nodePort", port, number));
        if !(1..=65535).contains(&number.value) {
            pod::port_number("nodePort", number, out);
        } else if !NODE_PORTS.contains(&number.value) {
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "nodePort {number} is not in the valid range: ports are {}-{} unless \
                         kube-apiserver has another --service-node-port-range",
                        NODE_PORTS.start(),
                        NODE_PORTS.end()
                    ),
                    &number.origin,
                    "refused by default",
                )
                .level(Level::Warn),
            );
        }
    }
}

/// Protocols and numbers with their places.
type Seen<'s> = HashMap<(&'s str, i64), &'s Origin>;

fn twice<'s>(
    seen: &mut Seen<'s>,
    field: &str,
    port: &'s ServicePort,
    number: &'s Fact<i64>,
) -> Option<Finding> {
    let protocol = port.protocol.value.as_str();
    let before = seen.insert((protocol, number.value), &number.origin)?;
    let message = format!("{field} {number} of {protocol} is there twice (Duplicate value)");
    let finding = Finding::new(&RULE, message, &number.origin, "written again");
    Some(finding.also(before, "written here"))
}
