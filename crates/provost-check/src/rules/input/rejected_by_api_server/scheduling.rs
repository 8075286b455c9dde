//! Where pods may run, and what of the node they share.

use std::collections::HashMap;

use super::{RULE, is_placeholder, is_whole, items, names, refuse, text};
use crate::facts::document::Node;
use crate::facts::objects::Object;
use crate::facts::workload::{ContainerRole, Workload};
use crate::findings::Finding;
use crate::rules::rule::Findings;

/// Entries of one list that are looked at.
const MOST: usize = 1000;

/// Parts of `ValidatePodSpec` in pkg/apis/core/validation/validation.go, v1.37.2.
/// `whole` is that nothing else completes the pod.
pub(super) fn check(object: &Object, workload: &Workload, whole: bool, out: &mut Findings) {
    let pod = &workload.pod;
    let spec = object.document.node(pod.spec);
    names::labels(&pod.node_selector, out);
    tolerations(spec, out);
    spread(spec, out);
    weights(spec, out);
    gates(spec, out);
    host_ports(object, workload, out);
    if pod.share_process_namespace.value && pod.host_pid.value {
        out.push(
            Finding::new(
                &RULE,
                "shareProcessNamespace and hostPID cannot both be enabled",
                &pod.share_process_namespace.origin,
                "one of them",
            )
            .also(&pod.host_pid.origin, "and the other"),
        );
    }
    for (key, kind) in [
        ("serviceAccountName", "ServiceAccount"),
        ("priorityClassName", "PriorityClass"),
        ("runtimeClassName", "RuntimeClass"),
    ] {
        if let Some((name, node)) = text(spec, key)
            && !name.is_empty()
            && !names::is_subdomain(name)
        {
            refuse(out, &node.origin(), format!("`{name}` is no name for a {kind}"));
        }
    }
    for alias in items(spec, "hostAliases").take(MOST) {
        for node in alias.get("hostnames").into_iter().flat_map(Node::items).take(MOST) {
            let name = node.as_str().filter(|name| !is_placeholder(name));
            if let Some(name) = name.filter(|name| !names::is_subdomain(name)) {
                let message = format!("hostnames `{name}` is no DNS-1123 subdomain");
                refuse(out, &node.origin(), message);
            }
        }
    }
    for key in ["hostname", "subdomain"] {
        if let Some((name, node)) = text(spec, key)
            && !name.is_empty()
            && !names::is_label(name)
        {
            refuse(out, &node.origin(), format!("{key} `{name}` is no DNS-1123 label"));
        }
    }
    if let Some(("None", node)) = text(spec, "dnsPolicy") {
        let config = spec.get("dnsConfig");
        let servers = config.and_then(|config| config.get("nameservers"));
        let none =
            servers.is_none_or(|servers| servers.is_sequence() && servers.items().next().is_none());
        // A patch that changes the policy alone leaves the servers to what it is laid over.
        if none && config.map_or(whole, is_whole) {
            let message =
                "at least one DNS nameserver in dnsConfig is required when `dnsPolicy` is None";
            refuse(out, &node.origin(), message);
        }
    }
}

/// `ValidateTolerations`
fn tolerations(spec: Node<'_>, out: &mut Findings) {
    for toleration in items(spec, "tolerations") {
        let operator = text(toleration, "operator");
        let exists = operator.is_some_and(|(operator, _)| operator == "Exists");
        let empty = |key: &str| toleration.get(key).is_none_or(|node| node.as_str() == Some(""));
        let first = toleration.entries().next().map(|(key, _)| key);
        if exists
            && let Some((value, node)) = text(toleration, "value")
            && !value.is_empty()
        {
            refuse(out, &node.origin(), "value must be empty when `operator` is 'Exists'");
        }
        // An operator that is still to be filled in may be that one.
        let known = operator.is_some() || toleration.get("operator").is_none();
        if empty("key")
            && known
            && !exists
            && let Some(first) = first
            && is_whole(toleration)
        {
            let message = "operator must be Exists when `key` is empty, which means \"match all \
                           values and all keys\"";
            refuse(out, &first.origin(), message);
        }
        let Some((seconds, _)) = toleration.get_entry("tolerationSeconds") else { continue };
        let effect = text(toleration, "effect");
        let wrong = effect.is_some_and(|(effect, _)| effect != "NoExecute");
        if wrong || toleration.get("effect").is_none() {
            let message = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            refuse(out, &seconds.origin(), message);
        }
    }
}

/// `ValidatePreferredSchedulingTerms` and `validateWeightedPodAffinityTerms`
fn weights(spec: Node<'_>, out: &mut Findings) {
    for kind in ["nodeAffinity", "podAffinity", "podAntiAffinity"] {
        let Some(affinity) = spec.at(&["affinity", kind]) else { continue };
        for term in items(affinity, "preferredDuringSchedulingIgnoredDuringExecution").take(MOST) {
            if let Some(node) = term.get("weight")
                && let Some(weight) = node.as_i64().filter(|weight| !(1..=100).contains(weight))
            {
                let message = format!("weight {weight} of {kind} must be in the range 1-100");
                refuse(out, &node.origin(), message);
            }
        }
    }
}

/// `validateSchedulingGates`
fn gates(spec: Node<'_>, out: &mut Findings) {
    let mut seen: HashMap<&str, Node<'_>> = HashMap::new();
    for gate in items(spec, "schedulingGates").take(MOST) {
        let Some((name, node)) = text(gate, "name") else { continue };
        if let Some(before) = seen.insert(name, node) {
            out.push(
                Finding::new(
                    &RULE,
                    format!("two scheduling gates are named {name} (Duplicate value)"),
                    &node.origin(),
                    "once more",
                )
                .also(&before.origin(), "and here"),
            );
        }
    }
}

/// `validateTopologySpreadConstraints`
fn spread(spec: Node<'_>, out: &mut Findings) {
    let mut seen: HashMap<(&str, &str), Node<'_>> = HashMap::new();
    for constraint in items(spec, "topologySpreadConstraints") {
        if let Some(node) = constraint.get("maxSkew")
            && let Some(skew) = node.as_i64().filter(|skew| *skew < 1)
        {
            refuse(out, &node.origin(), format!("maxSkew {skew} must be greater than zero"));
        }
        if let Some(node) = constraint.get("minDomains")
            && let Some(least) = node.as_i64().filter(|least| *least < 1)
        {
            refuse(out, &node.origin(), format!("minDomains {least} must be greater than 0"));
        }
        let (Some((key, node)), Some((when, _))) =
            (text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable"))
        else {
            continue;
        };
        if let Some(before) = seen.insert((key, when), node) {
            let message = format!(
                "two constraints have {{topologyKey, whenUnsatisfiable}} {{{key}, {when}}} (Duplicate \
                 value)"
            );
            out.push(
                Finding::new(&RULE, message, &node.origin(), "once more")
                    .also(&before.origin(), "and here"),
            );
        }
        if let Some(node) = constraint.get("minDomains")
            && when == "ScheduleAnyway"
        {
            let message = "minDomains can only use with whenUnsatisfiable DoNotSchedule";
            refuse(out, &node.origin(), message);
        }
    }
}

/// `checkHostPortConflicts` and `validatePodHostNetworkDeps`
fn host_ports(object: &Object, workload: &Workload, out: &mut Findings) {
    let pod = &workload.pod;
    let mut seen: HashMap<(&str, &str, i64), Node<'_>> = HashMap::new();
    for container in pod.containers.iter().filter(|c| c.role == ContainerRole::Main) {
        for port in items(object.document.node(container.node), "ports") {
            let Some(node) = port.get("hostPort") else { continue };
            let Some(host) = node.as_i64().filter(|host| *host != 0) else { continue };
            let own = port.get("containerPort").and_then(Node::as_i64);
            if let Some(own) = own.filter(|own| *own != host && pod.host_network.value) {
                let message = format!(
                    "hostPort {host} must match `containerPort` ({own}) when `hostNetwork` is true"
                );
                out.push(
                    Finding::new(&RULE, message, &node.origin(), "refused")
                        .also(&pod.host_network.origin, "on the host's network"),
                );
            }
            let word = |key: &str| port.get(key).and_then(Node::as_str);
            let key = (word("protocol").unwrap_or("TCP"), word("hostIP").unwrap_or(""), host);
            if let Some(before) = seen.insert(key, node) {
                let message =
                    format!("hostPort {host} is there twice in the pod (Duplicate value)");
                out.push(
                    Finding::new(&RULE, message, &node.origin(), "written again")
                        .also(&before.origin(), "written here"),
                );
            }
        }
    }
}
