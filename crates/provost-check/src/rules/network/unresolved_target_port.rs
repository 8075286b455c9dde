//! A Service port that leads nowhere, and ports that artifacts disagree on.

use std::collections::BTreeSet;

use crate::case::listen::Elsewhere;
use crate::case::{Case, ObjectCase, WorkloadCase};
use crate::facts::objects::{PortRef, ServicePort};
use crate::facts::placeholders::is_placeholder;
use crate::facts::program_text::NumberPresence;
use crate::facts::workload::{Container, ContainerPort, ContainerRole};
use crate::facts::{Body, Fact, Object};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::listeners::{self, Listener};
use crate::model::names;
use crate::model::ports::port_name_problem;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const NOT_DECLARED: Variant = Variant::new(
    "target-port-not-declared",
    Level::Warn,
    "a targetPort number among none of the declared container ports",
);
const EXPOSED: Variant =
    Variant::new("exposed-port-mismatch", Level::Note, "EXPOSE and containerPort share no port");
const NOT_LISTENED_ON: Variant = Variant::new(
    "target-port-not-listened-on",
    Level::Warn,
    "a Service sends to another port than the one the program listens on",
);
const DECLARED: Variant = Variant::new(
    "container-port-not-listened-on",
    Level::Warn,
    "a container declares a port that its program does not listen on",
);
const DUPLICATE: Variant = Variant::new(
    "duplicate-container-port",
    Level::Warn,
    "a port, or a port name that a Service asks for, occurs twice in a pod",
);

/// The endpoints controller leaves the port out; connections are refused.
pub static RULE: Rule = Rule {
    id: "unresolved-target-port",
    group: Group::Network,
    level: Level::Deny,
    title: "a Service sends to a port name that no selected container has",
    page: include_str!("unresolved-target-port.md"),
    needs: &[Need::Manifest],
    variants: &[NOT_DECLARED, EXPOSED, DUPLICATE, NOT_LISTENED_ON, DECLARED],
    check: Check::Object(service),
    also: &[
        Check::Container(exposed),
        Check::Workload(duplicate),
        Check::Container(listened_on),
        Check::Container(declared),
    ],
    ..Rule::BASE
};

/// Ports whose names are compared with one that is not there: pods have a handful, and the search for
/// what was meant would otherwise take all names of the pod for each port of the Service.
const MOST_COMPARED: usize = 256;

/// Ports that a mesh's injected proxy brings along, by name and by number.
const INJECTED: &[&str] = &["http-envoy-prom", "linkerd-proxy", "linkerd-admin"];
const INJECTED_NUMBERS: &[i64] = &[15020, 15021, 15090, 15443, 4143, 4191];

/// Where the ports of a workload's pods stand, and what the Service selects them by.
const PORTS: &[&str] = &[
    "spec/template/spec/containers/ports",
    "spec/template/spec/initContainers/ports",
    "spec/template/metadata/labels",
];

fn service(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::Service(service) = &case.object.body else { return Err(Abstain::NotApplicable) };
    let workloads: Vec<_> = case.serving().collect();
    if workloads.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    case.joined.unpatched(case.object, &["spec/ports", "spec/selector"])?;
    workloads.iter().try_for_each(|workload| workload.unpatched(PORTS))?;
    for port in &service.ports {
        let Some(target) = &port.target_port else { continue };
        match &target.value {
            PortRef::Name(name) if name.contains(['{', '$']) => {
                out.abstain(Abstain::unknown(Reason::Templated, format!("targetPort {name}")));
            }
            PortRef::Name(name) if INJECTED.contains(&name.as_str()) => {}
            PortRef::Name(name) => by_name(&workloads, port, target, name, out),
            PortRef::Number(n) if INJECTED_NUMBERS.contains(n) => {}
            PortRef::Number(n) => by_number(&workloads, port, target, *n, out),
        }
    }
    Ok(())
}

fn by_name(
    workloads: &[WorkloadCase<'_>],
    port: &ServicePort,
    target: &Fact<PortRef>,
    name: &str,
    out: &mut Findings,
) {
    let protocol = port.protocol.value.as_str();
    if workloads.iter().any(|w| w.pod().named_port(name, protocol).is_some()) {
        return;
    }
    let all = || workloads.iter().flat_map(|w| w.pod().serving_ports());
    let mut finding = Finding::new(
        &RULE,
        format!(
            "no container behind the Service has a {protocol} port named {name}: the Service has \
             no endpoints for it and connections are refused"
        ),
        &target.origin,
        "names a port that is not there",
    );
    if let Some(other) = workloads.iter().find_map(|w| w.pod().port_named(name)) {
        let label = format!("has that name, but for {}", other.protocol.value);
        out.push(
            finding.also(&other.origin, label).fix(Fix::suggest("use one protocol on both sides")),
        );
        return;
    }
    let names = all().filter(|own| own.protocol.value == protocol);
    let names: Vec<&Fact<String>> =
        names.filter_map(|own| own.name.as_ref()).take(MOST_COMPARED).collect();
    let near = names::nearest(name, names.iter().map(|n| n.value.as_str()), 2);
    let only = || {
        let mut ports = all().filter(|own| own.protocol.value == protocol);
        ports.next().filter(|_| ports.next().is_none())
    };
    let refused =
        |own: &Fact<String>| !is_placeholder(&own.value) && port_name_problem(&own.value).is_some();
    let slip = names.iter().find(|n| Some(n.value.as_str()) == near);
    let unnamed = || only().filter(|own| own.name.as_ref().is_none_or(|n| !refused(n)));
    if let Some(near) = slip.filter(|near| !refused(near)) {
        finding = finding.also(&near.origin, "perhaps this one").fix(
            Fix::suggest(format!("write targetPort: {}", near.value))
                .replace(&target.origin, near.value.clone()),
        );
    } else if let Some(named) =
        slip.copied().or_else(|| only()?.name.as_ref()).filter(|n| refused(n))
        && port_name_problem(name).is_none()
    {
        finding = finding.also(&named.origin, "perhaps this one").fix(Fix::suggest(format!(
            "call the container's port {name}: Kubernetes refuses the name {}",
            named.value
        )));
    } else if let Some(only) = unnamed() {
        finding = finding.also(&only.origin, "the only port that is declared");
        let number = only.port.as_ref().map(|p| p.value.to_string());
        if let Some(value) = only.name.as_ref().map(|n| n.value.clone()).or(number) {
            finding = finding.fix(
                Fix::suggest(format!("write targetPort: {value}")).replace(&target.origin, value),
            );
        }
    } else {
        let container = &workloads[0].pod().containers;
        let main = container.iter().find(|c| c.role == ContainerRole::Main);
        if let Some(main) = main.or_else(|| container.first()) {
            finding = finding.also(&main.origin, "declares no such port");
        }
        finding = finding.fix(Fix::suggest(format!("give the container's port the name {name}")));
    }
    out.push(finding);
}

fn by_number(
    workloads: &[WorkloadCase<'_>],
    port: &ServicePort,
    target: &Fact<PortRef>,
    number: i64,
    out: &mut Findings,
) {
    let protocol = port.protocol.value.as_str();
    // A list of ports is documentation; where there is none, nothing is contradicted.
    let declared = |w: &WorkloadCase<'_>| w.pod().first_number().is_some();
    let has = |w: &WorkloadCase<'_>| w.pod().serves(number, protocol);
    if workloads.iter().any(|w| has(w) || !declared(w)) {
        return;
    }
    let Some(first) = workloads[0].pod().first_number() else {
        return;
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the Service sends to {protocol} port {number}, which no container behind it declares: \
             connections are refused unless a program listens there all the same"
        ),
        &target.origin,
        if target.is_written() {
            "arrives at a port nobody declares"
        } else {
            "targetPort is the port itself"
        },
    )
    .variant(&NOT_DECLARED)
    .also(&first.origin, "what is declared");
    if let Some(sentence) = workloads.iter().find_map(|w| unmentioned(w, number)) {
        finding = finding.note(sentence);
    }
    let mut same = workloads.iter().flat_map(|w| w.pod().serving_ports());
    let only = same.next().filter(|_| same.next().is_none()).unwrap_or(first);
    let choice = match (&only.name, &only.port) {
        (Some(name), _) => name.value.clone(),
        (None, Some(port)) => port.value.to_string(),
        (None, None) => return out.push(finding),
    };
    let fix = Fix::suggest(format!("write targetPort: {choice}, or declare port {number}"));
    out.push(finding.fix(if target.is_written() {
        fix.replace(&target.origin, choice)
    } else {
        fix
    }));
}

/// A sentence when the program that the workload runs does not know the port either.
fn unmentioned(workload: &WorkloadCase<'_>, number: i64) -> Option<String> {
    let target = workload.target()?;
    let port = u16::try_from(number).ok()?;
    let program = target.known_program()?;
    let absent = program.text.find_port(port) == NumberPresence::Absent;
    (absent && !target.settings_mention(port)).then(|| {
        format!("`:{port}` is no text of the program, and no variable or argument holds {port}")
    })
}

fn exposed(case: &Case<'_>, out: &mut Findings) -> Judged {
    let Ok(build) = case.image() else { return Err(Abstain::NotApplicable) };
    let exposed = &build.config().exposed;
    let own: Vec<&Fact<i64>> =
        case.container.ports.iter().filter_map(|port| port.port.as_ref()).collect();
    let (Some(last), Some(first)) = (exposed.last(), own.first()) else {
        return Err(Abstain::NotApplicable);
    };
    if exposed.iter().any(|e| own.iter().any(|port| port.value == i64::from(e.value.0))) {
        return Ok(());
    }
    let list = |numbers: Vec<String>| numbers.join(", ");
    let image = list(exposed.iter().map(|e| e.value.0.to_string()).collect());
    let pod = list(own.iter().map(|p| p.value.to_string()).collect());
    out.push(
        Finding::new(
            &RULE,
            format!("the image says that it listens on {image}, the container on {pod}: one of them is out of date"),
            &last.origin,
            "says one thing",
        )
        .variant(&EXPOSED)
        .also(&first.origin, "says another")
        .fix(Fix::suggest("make both name the port the program listens on")),
    );
    Ok(())
}

/// Ports of one container that are looked for among the addresses it listens on.
const LISTENERS: usize = 64;

/// Ports that Services send to and that the program does not listen on. Those that a probe asks are told of
/// by `unresolved-probe-port`.
fn listened_on(case: &Case<'_>, out: &mut Findings) -> Judged {
    let mut seen = BTreeSet::new();
    for (object, service) in case.services()? {
        for port in service.ports_to(case.container) {
            let Some(target) = &port.target_port else { continue };
            let number = case.pod().target_number(port).and_then(|n| u16::try_from(n).ok());
            let Some(number) = number.filter(|_| port.protocol.value == "TCP") else { continue };
            if seen.len() >= LISTENERS || !seen.insert(number) || case.asks(number) {
                continue;
            }
            let own = PortRef::Number(i64::from(number));
            let declares = case.container.ports.iter().any(|own| {
                own.name.is_some()
                    && own.port.as_ref().is_some_and(|p| p.value == i64::from(number))
            });
            // The Service's name for it says whom it is for where the container has none.
            let who = match &port.name {
                Some(name) if !declares => listeners::of_port(&name.value),
                _ => case.container.listener_of(&own),
            };
            let Some(who) = who else { continue };
            let elsewhere = match case.listens_elsewhere(number, who) {
                Ok(Some(elsewhere)) => elsewhere,
                Ok(None) => continue,
                Err(abstain) => {
                    out.abstain(abstain);
                    continue;
                }
            };
            out.push(not_listened_on(case, object, target, number, &elsewhere));
        }
    }
    if seen.is_empty() { Err(Abstain::NotApplicable) } else { Ok(()) }
}

fn not_listened_on(
    case: &Case<'_>,
    object: &Object,
    target: &Fact<PortRef>,
    number: u16,
    elsewhere: &Elsewhere,
) -> Finding {
    let consequence = elsewhere.consequence(number, "connections are refused");
    let finding = Finding::new(
        &RULE,
        format!("Service {} sends to port {number}, {consequence}", object.meta.name()),
        &target.origin,
        format!("arrives at port {number}"),
    )
    .variant(&NOT_LISTENED_ON);
    elsewhere.explain(case, number, finding).fix(elsewhere.fix(number, "send to it"))
}

/// Ports that are declared for whoever knows them, a scraper of metrics above all, and that the program does
/// not listen on. Those that a probe asks, or that a Service or an annotation names, are told of there.
fn declared(case: &Case<'_>, out: &mut Findings) -> Judged {
    if case.container.ports.is_empty() || case.known_program().is_none() {
        return Err(Abstain::NotApplicable);
    }
    let targets: BTreeSet<i64> =
        case.of.service_targets().map(|(_, _, number)| number).take(LISTENERS).collect();
    let annotated = case.pod().annotations.get("prometheus.io/port").map(|port| &port.value);
    let ports = case.container.ports.iter().filter(|own| own.protocol.value == "TCP");
    let numbers = ports.filter_map(|own| Some((own, own.port.as_ref()?)));
    for (own, port) in numbers.take(LISTENERS) {
        let Ok(number) = u16::try_from(port.value) else { continue };
        if case.asks(number)
            || targets.contains(&port.value)
            || annotated.is_some_and(|other| *other == number.to_string())
        {
            continue;
        }
        let Some(who) = case.container.listener_of(&PortRef::Number(port.value)) else { continue };
        let elsewhere = match case.listens_elsewhere(number, who) {
            Ok(Some(elsewhere)) => elsewhere,
            Ok(None) => continue,
            Err(abstain) => {
                out.abstain(abstain);
                continue;
            }
        };
        let then = match who {
            Listener::Metrics => "whoever scrapes it is refused",
            _ => "whoever connects is refused",
        };
        let name = own.name.as_ref().map(|name| format!("port {}, ", name.value));
        let finding = Finding::new(
            &RULE,
            format!(
                "{}{number} is declared, {}",
                name.unwrap_or_else(|| "port ".to_owned()),
                elsewhere.consequence(number, then)
            ),
            &port.origin,
            "nothing listens here",
        )
        .variant(&DECLARED);
        let finding = elsewhere.explain(case, number, finding).level(Level::Warn);
        out.push(finding.fix(elsewhere.fix(number, "name it in monitors")));
    }
    Ok(())
}

fn duplicate(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let ports: Vec<&ContainerPort> = case.pod().serving_ports().take(256).collect();
    if ports.len() < 2 {
        return Err(Abstain::NotApplicable);
    }
    for (i, port) in ports.iter().enumerate() {
        let Some(number) = &port.port else { continue };
        let host = |p: &ContainerPort| p.host_port.as_ref().map(|h| h.value);
        let before = ports[..i].iter().find(|other| {
            other.port.as_ref().is_some_and(|p| p.value == number.value)
                && other.protocol.value == port.protocol.value
                && host(other) == host(port)
        });
        if let Some(before) = before {
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "{} port {} is declared twice in the pod: `kubectl apply` merges ports by \
                         number and loses one of them, and two containers cannot both listen on it",
                        port.protocol.value, number.value
                    ),
                    &number.origin,
                    "declared again",
                )
                .variant(&DUPLICATE)
                .also(before.port.as_ref().map_or(&before.origin, |p| &p.origin), "declared here")
                .fix(Fix::suggest("declare each port once")),
            );
        }
    }
    for (_, service) in case.services() {
        for wanted in &service.ports {
            let Some(PortRef::Name(name)) = wanted.target_port.as_ref().map(|t| &t.value) else {
                continue;
            };
            let mut same = ports.iter().filter(|port| {
                port.name.as_ref().is_some_and(|n| n.value == *name)
                    && port.protocol.value == wanted.protocol.value
            });
            let number = |p: &ContainerPort| p.port.as_ref().map_or(0, |p| p.value);
            let Some(first) = same.next() else { continue };
            let Some(second) = same.find(|p| number(p) != number(first)) else { continue };
            let Some(target) = &wanted.target_port else { continue };
            // The API server takes no container with two of one name, which is another rule's.
            let of_one = |container: &Container| {
                [first, second]
                    .iter()
                    .all(|port| container.ports.iter().any(|own| std::ptr::eq(own, **port)))
            };
            if case.pod().containers.iter().any(of_one) {
                continue;
            }
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "two containers name a port {name}: the Service sends to {}, the first, \
                         and never to {}",
                        number(first),
                        number(second)
                    ),
                    second.name.as_ref().map_or(&second.origin, |n| &n.origin),
                    "the second of that name",
                )
                .variant(&DUPLICATE)
                .also(first.name.as_ref().map_or(&first.origin, |n| &n.origin), "the first")
                .also(&target.origin, "looks for the name")
                .fix(Fix::suggest("give each port of the pod a name of its own")),
            );
        }
    }
    Ok(())
}
