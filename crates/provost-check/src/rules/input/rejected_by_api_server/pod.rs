//! The pod template and its containers.

use std::collections::HashSet;

use super::{
    RULE, annotations, env, is_placeholder, is_whole, meant, names, refuse, resources, scheduling,
    security, volumes,
};
use crate::case::{ObjectCase, World};
use crate::facts::document::Node;
use crate::facts::objects::{Object, PortRef};
use crate::facts::workload::{
    Action, Container, ContainerRole, EnvValue, PodTemplate, Resources, Workload, WorkloadKind,
};
use crate::facts::{Fact, Origin};
use crate::findings::Finding;
use crate::model::names::nearest;
use crate::model::ports::port_name_problem;
use crate::model::quantity::{Quantity, Suffix};
use crate::rules::rule::Findings;

pub(super) fn check(case: &ObjectCase<'_>, workload: &Workload, out: &mut Findings) {
    let object = case.object;
    let pod = &workload.pod;
    let mut mains = pod.containers.iter().filter(|c| c.role == ContainerRole::Main).peekable();
    // A patch or an expected result in a test names a few fields only: a field that is not there
    // counts in an object that otherwise looks whole.
    let whole = mains.peek().is_some()
        && mains.all(|c| c.image.is_some())
        && (workload.selector.is_some()
            || workload.kind == WorkloadKind::Pod
            || workload.kind.is_batch());
    if whole {
        missing(object, workload, out);
    } else if super::is_alone(case) {
        no_containers(object, workload, out);
    }
    if workload.kind != WorkloadKind::Pod {
        names::labels(&pod.labels, out);
    }
    // A namespace that is none ("filled in by the operator") is of a template.
    let namespace = &object.meta.namespace.value;
    let complete = whole && super::is_alone(case) && names::is_label(namespace);
    scheduling::check(object, workload, complete, out);
    security::pod(object, workload, out);
    annotations::check(object, workload, complete, out);
    volumes::check(case.world(), object, workload, complete, out);
    let mut seen = HashSet::new();
    for container in &pod.containers {
        let node = object.document.node(container.node);
        env::check(node, complete, out);
        resources::names(node, out);
        headers(node, out);
        commands(node, complete, out);
        security::container(node, complete, out);
        privileges(container, out);
        if container.role == ContainerRole::Init && complete {
            ends(node, out);
        }
        if let Some(name) = container.name.as_ref().filter(|n| !is_placeholder(&n.value)) {
            if !seen.insert(name.value.as_str()) {
                refuse(out, &name.origin, format!("two containers are named {name}"));
            } else if !name.value.is_empty() && !names::is_label(&name.value) {
                refuse(out, &name.origin, format!("`{name}` is no name for a container"));
            }
        }
        if super::is_alone(case) && container.image.is_none() {
            no_image(case, workload, container, out);
        }
        one(case, pod, container, whole, out);
    }
    let mut seen = HashSet::new();
    for volume in &pod.volumes {
        let name = &volume.name;
        if !is_placeholder(&name.value) && !seen.insert(name.value.as_str()) {
            refuse(out, &name.origin, format!("two volumes are named {name}"));
        }
    }
    if let Some(resources) = &pod.resources {
        let by_controller = object.meta.kind.value == "Rollout";
        amounts(case.world(), resources, by_controller, out);
        within(pod, resources, out);
    }
}

/// `validateContainers`: a pod that is all there but for what it runs.
fn no_containers(object: &Object, workload: &Workload, out: &mut Findings) {
    let spec = object.document.node(workload.pod.spec);
    let Some(first) = super::first_of_whole(spec) else { return };
    let written = spec.entries().find(|(key, _)| key.as_str() == Some("containers"));
    let none = written.is_none_or(|(_, value)| {
        value.is_null() || (value.is_sequence() && value.items().next().is_none())
    });
    if none && all_there(object, workload) && workload.kind != WorkloadKind::Other {
        let at = written.map_or(first, |(key, _)| key);
        let message = "containers of a PodSpec is required: a pod has at least one";
        out.push(Finding::new(&RULE, message, &at.origin(), "no containers"));
    }
}

/// Whether nothing else completes the object, whatever its containers lack: a template of pods for
/// somebody's controller has no name, and a patch no selector.
fn all_there(object: &Object, workload: &Workload) -> bool {
    object.meta.name.is_some()
        && match workload.kind {
            WorkloadKind::Pod => true,
            kind if kind.is_batch() => workload.pod.restart_policy.is_written(),
            _ => workload.selector.is_some() && !workload.pod.labels.is_empty(),
        }
}

/// Containers that the webhook of a mesh completes in a pod (`istio-proxy` of Istio's
/// `sidecar.istio.io` templates): of a workload too, whose template is checked before.
const INJECTED: &[&str] = &["istio-proxy", "linkerd-proxy"];

/// `validateContainerCommon`: the image is required, by itself or as the empty text.
fn no_image(case: &ObjectCase<'_>, workload: &Workload, container: &Container, out: &mut Findings) {
    let node = case.object.document.node(container.node);
    let name = container.name.as_ref();
    let injected = workload.kind == WorkloadKind::Pod
        && name.is_some_and(|name| INJECTED.contains(&name.value.as_str()));
    if workload.kind == WorkloadKind::Other || injected {
        return;
    }
    let key = node.entries().map(|(key, _)| key).find(|key| key.as_str() == Some("image"));
    if let Some(key) = key {
        // A number or a mapping is of the wrong type.
        let empty = node.get("image").is_none_or(|image| image.as_str() == Some(""));
        if empty && !super::is_token(case, key) {
            let message = "the image of a container is required, and has no value";
            refuse(out, &key.origin(), message);
        }
        return;
    }
    // A key that is none because of a slip is told of by `unknown-field`.
    let slip = |(key, _): (Node<'_>, Node<'_>)| {
        key.as_str().is_some_and(|key| nearest(key, ["image"], 2).is_some())
    };
    if all_there(case.object, workload) && super::is_whole(node) && !node.entries().any(slip) {
        let place = name.map_or_else(|| container.origin.clone(), |name| name.origin.clone());
        let message = "the image of a container is required";
        out.push(Finding::new(&RULE, message, &place, "no image"));
    }
}

fn missing(object: &Object, workload: &Workload, out: &mut Findings) {
    // One that is written and empty is told of as such.
    let written = object.node().get("metadata").is_some_and(|metadata| metadata.has_key("name"));
    if object.meta.name.is_none() && !written {
        refuse(out, &object.origin(), "metadata.name or generateName is required");
    }
    let policy = &workload.pod.restart_policy;
    if workload.kind.is_batch() && policy.value == "Always" {
        refuse(
            out,
            &policy.origin,
            format!(
                "restartPolicy of a {} must be OnFailure or Never, and it is Always{}",
                object.meta.kind.value,
                if policy.is_written() { "" } else { " by default" }
            ),
        );
    }
    for container in &workload.pod.containers {
        if container.name.is_none() {
            refuse(out, &container.origin, "the name of a container is required");
        }
    }
}

fn one(
    case: &ObjectCase<'_>,
    pod: &PodTemplate,
    container: &Container,
    whole: bool,
    out: &mut Findings,
) {
    let object = case.object;
    let by_controller = case.object.meta.kind.value == "Rollout";
    amounts(case.world(), &container.resources, by_controller, out);
    let mut seen = HashSet::new();
    for port in &container.ports {
        if let Some(name) = port.name.as_ref().filter(|n| !n.value.is_empty()) {
            port_name(name, &name.value, out);
            if !seen.insert(name.value.as_str()) {
                refuse(out, &name.origin, format!("two ports of one container are named {name}"));
            }
        }
        if let Some(number) = &port.port {
            port_number("containerPort", number, out);
        }
        if let Some(number) = port.host_port.as_ref().filter(|n| n.value != 0) {
            port_number("hostPort", number, out);
        }
    }
    for entry in &container.env {
        if entry.name.value.is_empty() {
            refuse(out, &entry.name.origin, "the name of an environment variable is empty");
        }
        if let EnvValue::Resource { resource, divisor: Some(divisor), .. } = &entry.value {
            check_divisor(resource, divisor, out);
        }
    }
    probes(container, out);
    for (field, handler) in container.handlers() {
        match &handler.action {
            Action::HttpGet { port: Some(port), .. }
            | Action::TcpSocket { port: Some(port), .. } => match &port.value {
                PortRef::Number(number) => {
                    port_number("port", &port.map(|_| *number), out);
                }
                PortRef::Name(name) => port_name(port, name, out),
            },
            Action::Grpc { port: Some(port), .. } => port_number("port", port, out),
            Action::Sleep(seconds) => {
                let grace = &pod.grace_period;
                let (oldest, _) = case.world().settings.kubernetes();
                // The gate PodLifecycleSleepActionAllowZero is on by default from 1.33.
                if seconds.value == 0 && oldest < 33 {
                    let message = format!(
                        "sleep.seconds 0 of {field} must be greater than 0 before Kubernetes 1.33, \
                         and the oldest in range is 1.{oldest}"
                    );
                    refuse(out, &seconds.origin, message);
                } else if seconds.value < 0 || seconds.value > grace.value {
                    out.push(
                        Finding::new(
                            &RULE,
                            format!(
                                "sleep.seconds {seconds} of {field} must be non-negative and not \
                                 above terminationGracePeriodSeconds ({grace}{})",
                                if grace.is_written() { "" } else { ", the default" }
                            ),
                            &seconds.origin,
                            "refused",
                        )
                        .also(&grace.origin, "the grace period"),
                    );
                }
            }
            Action::Invalid => handlers(object, container, field, &handler.origin, whole, out),
            _ => {}
        }
    }
}

/// No handler or several.
fn handlers(
    object: &Object,
    container: &Container,
    field: &str,
    origin: &Origin,
    whole: bool,
    out: &mut Findings,
) {
    let node = object.document.node(container.node);
    let node = if field.ends_with("Probe") { Some(node) } else { node.get("lifecycle") };
    let node = node.and_then(|n| n.get(field));
    let Some(node) = node else { return };
    let kinds = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
    let written: Vec<&str> = kinds.into_iter().filter(|kind| node.get(kind).is_some()).collect();
    match written.as_slice() {
        [] if whole => refuse(out, origin, format!("{field} must specify a handler type")),
        [] | [_] => {}
        several => refuse(
            out,
            origin,
            format!("{field} may not specify more than 1 handler type: {}", several.join(", ")),
        ),
    }
}

/// What only containers that stay have.
fn ends(container: Node<'_>, out: &mut Findings) {
    // What restarts is still to be filled in.
    if container.get("restartPolicy").is_some_and(|p| p.as_str().is_none_or(is_placeholder)) {
        return;
    }
    for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some((key, _)) = container.get_entry(field) {
            refuse(
                out,
                &key.origin(),
                format!("{field} may not be set for init containers without restartPolicy=Always"),
            );
        }
    }
}

/// `ValidateSecurityContext`
fn privileges(container: &Container, out: &mut Findings) {
    let security = &container.security;
    if let (Some(escalation), Some(privileged)) =
        (&security.allow_privilege_escalation, &security.privileged)
        && !escalation.value
        && privileged.value
    {
        out.push(
            Finding::new(
                &RULE,
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
                &privileged.origin,
                "one of them",
            )
            .also(&escalation.origin, "and the other"),
        );
    }
}

/// `validateExecAction`
fn commands(container: Node<'_>, whole: bool, out: &mut Findings) {
    for action in handlers_of(container) {
        let Some((key, exec)) = action.get_entry("exec").filter(|(_, it)| is_whole(*it)) else {
            continue;
        };
        let none = match exec.get("command") {
            Some(command) => command.is_sequence() && command.items().next().is_none(),
            None => !exec.has_key("command"),
        };
        if none && whole {
            refuse(out, &key.origin(), "the command of an exec action is required");
        }
    }
}

/// The probes and hooks of a container.
fn handlers_of<'d>(container: Node<'d>) -> impl Iterator<Item = Node<'d>> {
    let probes = ["livenessProbe", "readinessProbe", "startupProbe"];
    let lifecycle = container.get("lifecycle");
    let hooks = ["postStart", "preStop"].into_iter().filter_map(move |hook| lifecycle?.get(hook));
    probes.into_iter().filter_map(move |probe| container.get(probe)).chain(hooks)
}

/// `validateHTTPGetAction`: names of headers, `IsHTTPHeaderName`.
fn headers(container: Node<'_>, out: &mut Findings) {
    for request in handlers_of(container).filter_map(|handler| handler.get("httpGet")) {
        for header in super::items(request, "httpHeaders") {
            let Some((name, node)) = super::text(header, "name") else { continue };
            if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') || name.is_empty() {
                let message = format!(
                    "`{name}` is no name for a header: at least one of letters, digits and `-`, without \
                     spaces and `:`"
                );
                refuse(out, &node.origin(), message);
            }
        }
    }
}

fn probes(container: &Container, out: &mut Findings) {
    for (field, probe) in container.probes() {
        let numbers = [
            ("initialDelaySeconds", &probe.initial_delay),
            ("timeoutSeconds", &probe.timeout),
            ("periodSeconds", &probe.period),
            ("failureThreshold", &probe.failure_threshold),
        ];
        for (name, number) in numbers.into_iter().filter(|(_, n)| n.is_written() && n.value < 0) {
            let message = format!("{name} {number} of the {field} must be at least 0");
            refuse(out, &number.origin, message);
        }
        if let Some(grace) = probe.grace_period.as_ref().filter(|grace| grace.value <= 0) {
            let message = format!("terminationGracePeriodSeconds {grace} must be greater than 0");
            refuse(out, &grace.origin, message);
        }
        let success = &probe.success_threshold;
        // Zero is defaulted to 1.
        if field != "readinessProbe" && success.is_written() && !matches!(success.value, 0 | 1) {
            refuse(
                out,
                &success.origin,
                format!("successThreshold {success} of a {field} must be 1"),
            );
        }
        if let Some(grace) = probe.grace_period.as_ref().filter(|_| field == "readinessProbe") {
            refuse(
                out,
                &grace.origin,
                "terminationGracePeriodSeconds must not be set for readinessProbes",
            );
        }
    }
}

/// Requests against limits. Of a kind of Kubernetes what is no quantity is told by its schema, as it cannot be
/// decoded; the CRD of a Rollout takes anything here, and its controller does not.
fn amounts(world: &World, resources: &Resources, by_controller: bool, out: &mut Findings) {
    let (asks, most) = (&resources.requests, &resources.limits);
    let sides = |cpu: &Option<crate::facts::workload::CpuAmount>| {
        cpu.as_ref().map(|c| (c.text.clone(), c.amount.map(|a| a.0)))
    };
    let bytes = |amount: &Option<crate::facts::workload::ByteAmount>| {
        amount.as_ref().map(|b| (b.text.clone(), b.amount.map(|a| a.0)))
    };
    let table = [
        ("cpu", sides(&asks.cpu), sides(&most.cpu)),
        ("memory", bytes(&asks.memory), bytes(&most.memory)),
        ("ephemeral-storage", bytes(&asks.ephemeral_storage), bytes(&most.ephemeral_storage)),
    ];
    for (name, request, limit) in table {
        for (side, amount) in [("request", &request), ("limit", &limit)] {
            if let Some((text, None)) = amount
                && by_controller
                && !is_placeholder(&text.value)
            {
                let message = format!("`{text}` is no quantity for the {name} {side}");
                let mut finding = Finding::new(&RULE, message, &text.origin, "refused");
                if let Some(fix) = meant::quantity(world, name, text) {
                    finding = finding.fix(fix);
                }
                out.push(finding);
            }
        }
        if let (Some((request, Some(asked))), Some((limit, Some(allowed)))) = (&request, &limit)
            && asked > allowed
        {
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "{name} request {request} must be less than or equal to the {name} limit \
                         {limit}"
                    ),
                    &request.origin,
                    "above the limit",
                )
                .also(&limit.origin, "the limit"),
            );
        }
    }
}

/// `validatePodResourceConsistency`: no container is allowed more than its pod.
fn within(pod: &PodTemplate, most: &Resources, out: &mut Findings) {
    let limits = |resources: &Resources| {
        let (cpu, memory) = (resources.limits.cpu.clone(), resources.limits.memory.clone());
        [
            ("cpu", cpu.map(|it| (it.text, it.amount.map(|amount| amount.0)))),
            ("memory", memory.map(|it| (it.text, it.amount.map(|amount| amount.0)))),
        ]
    };
    let all = limits(most);
    for container in pod.containers.iter().filter(|c| c.role == ContainerRole::Main) {
        for ((name, own), (_, whole)) in limits(&container.resources).into_iter().zip(&all) {
            if let (Some((text, Some(own))), Some((pods, Some(whole)))) = (own, whole)
                && own > *whole
            {
                let message = format!(
                    "the {name} limit {text} of a container must be less than or equal to that of its pod, {pods}"
                );
                out.push(
                    Finding::new(&RULE, message, &text.origin, "above the pod's")
                        .also(&pods.origin, "the limit of the pod"),
                );
            }
        }
    }
}

/// `validateContainerResourceDivisor`, which compares the canonical text.
fn check_divisor(resource: &Fact<String>, divisor: &Fact<String>, out: &mut Findings) {
    if is_placeholder(&divisor.value) {
        return;
    }
    let Ok(amount) = Quantity::parse(&divisor.value) else { return };
    let power = |base: u64| {
        let units = amount.units();
        (0..=6u32).any(|n| base.checked_pow(n) == Some(units))
    };
    let fits = match resource.value.as_str() {
        "limits.cpu" | "requests.cpu" => matches!(amount.millicores().0, 1 | 1000),
        "limits.memory"
        | "requests.memory"
        | "limits.ephemeral-storage"
        | "requests.ephemeral-storage" => match amount.suffix {
            Suffix::Binary(_) => power(1024),
            Suffix::None | Suffix::Decimal(_) => power(1000),
            Suffix::Exponent(_) => true,
        },
        _ => true,
    };
    if !fits && !amount.is_zero() {
        refuse(
            out,
            &divisor.origin,
            format!(
                "the divisor {divisor} is not supported with {resource}: cpu takes 1m and 1, \
                 memory and storage 1, 1k to 1E, 1Ki to 1Ei"
            ),
        );
    }
}

/// A port from 1 to 65535.
pub(super) fn port_number(field: &str, number: &Fact<i64>, out: &mut Findings) {
    if !(1..=65535).contains(&number.value) {
        refuse(out, &number.origin, format!("{field} {number} is not between 1 and 65535"));
    }
}

pub(super) fn port_name<T>(fact: &Fact<T>, name: &str, out: &mut Findings) {
    if !is_placeholder(name) && port_name_problem(name).is_some() {
        refuse(
            out,
            &fact.origin,
            format!(
                "`{name}` is no name for a port: at most 15 lower case letters, digits and \
                 single `-` inside, with at least one letter"
            ),
        );
    }
}
