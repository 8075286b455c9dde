//! A probe or hook of a port that its container does not have.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::case::listen::Elsewhere;
use crate::facts::objects::PortRef;
use crate::facts::placeholders::is_placeholder;
use crate::facts::workload::{Action, ContainerRole, Probe};
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::listeners::Listener;
use crate::model::names::distance;
use crate::model::ports::port_name_problem;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// A name is looked up in the ports of the same container, and nowhere else.
pub static RULE: Rule = Rule {
    id: "unresolved-probe-port",
    group: Group::Health,
    level: Level::Deny,
    title: "a probe of a port name that its container does not have",
    page: include_str!("unresolved-probe-port.md"),
    needs: &[Need::Manifest],
    variants: &[
        Variant::new(
            "undeclared-probe-port",
            Level::Note,
            "a probe of a port number that its container does not declare",
        ),
        Variant::new(
            "probe-port-not-listened-on",
            Level::Warn,
            "a probe of another port than the one the program listens on",
        ),
    ],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    if case.container.role == ContainerRole::Ephemeral {
        return Err(Abstain::NotApplicable);
    }
    let mut any = false;
    for (field, handler) in case.container.handlers() {
        match &handler.action {
            Action::HttpGet { port: Some(port), host: None, .. }
            | Action::TcpSocket { port: Some(port), host: None } => match &port.value {
                PortRef::Name(name) => by_name(case, field, port, name, out),
                PortRef::Number(number) => by_number(case, field, port, *number, out),
            },
            Action::Grpc { port: Some(port), .. } => {
                let number = port.map(|n| PortRef::Number(*n));
                by_number(case, field, &number, port.value, out);
            }
            _ => continue,
        }
        any = true;
    }
    listeners(case, out);
    if any { Ok(()) } else { Err(Abstain::NotApplicable) }
}

fn by_name(case: &Case<'_>, field: &str, port: &Fact<PortRef>, name: &str, out: &mut Findings) {
    // A number in quotes is no port name: the API server refuses it, which is another rule's.
    if case.serves_port(&port.value) || name.parse::<u16>().is_ok() || name.is_empty() {
        return;
    }
    let named: Vec<&Fact<String>> =
        case.container.ports.iter().filter_map(|own| own.name.as_ref()).collect();
    let has = match named.as_slice() {
        [] => "no named port".to_owned(),
        names => names.iter().map(|n| n.value.as_str()).collect::<Vec<_>>().join(", "),
    };
    let mut finding = Finding::new(
        &RULE,
        format!("the {field} asks port {name:?}, and the container has {has}: {}", then(field)),
        &port.origin,
        "no port of this container has the name",
    );
    match named.first() {
        Some(first) => finding = finding.also(&first.origin, "a port it has"),
        None => finding = finding.also(case.container_origin(), "this container"),
    }
    // Another container's ports do not count, though they are the same network.
    let other = case.pod().any_port_named(name);
    if let Some((other, port)) = other
        && let Some(own) = &port.name
    {
        finding = finding.also(&own.origin, format!("of container {}, not this one", other.name()));
    }
    finding = finding.fix(match (case.container.ports.as_slice(), named.as_slice()) {
        // To ask the name that the API server refuses would mend one half and hide where the other is.
        ([_], [only])
            if port_name_problem(&only.value).is_some() && !is_placeholder(&only.value) =>
        {
            Fix::suggest(match port_name_problem(name) {
                None => format!(
                    "call the container's port {name}: Kubernetes refuses the name {}",
                    only.value
                ),
                Some(_) => format!(
                    "give the container's port a name that Kubernetes takes, which {} is not, and \
                     ask that",
                    only.value
                ),
            })
        }
        ([_], [only]) => case.world().rewrite(
            Fix::safe(format!("ask port {}", only.value)),
            &port.origin,
            name,
            &only.value,
        ),
        _ => Fix::suggest(format!("name a port of the container {name}, or ask one it has")),
    });
    out.push(finding);
}

/// Ports that are asked, and that the program does not listen on: one finding for each port, however many
/// probes ask it.
fn listeners(case: &Case<'_>, out: &mut Findings) {
    let mut asked: BTreeMap<u16, Vec<(&'static str, &Origin, Listener)>> = BTreeMap::new();
    for (field, handler) in case.container.handlers() {
        let (origin, of) = match &handler.action {
            Action::HttpGet { port: Some(port), .. }
            | Action::TcpSocket { port: Some(port), .. } => {
                if super::is_mesh_port(&port.value) {
                    continue;
                }
                (&port.origin, case.container.listener_of(&port.value))
            }
            Action::Grpc { port: Some(port), .. } => (&port.origin, Some(Listener::Grpc)),
            _ => continue,
        };
        let (Some(port), Some(of)) = (case.asked_port(&handler.action), of) else { continue };
        asked.entry(port).or_default().push((field, origin, of));
    }
    for (port, asked) in asked {
        let Some((_, _, who)) = asked.first() else { continue };
        match case.listens_elsewhere(port, *who) {
            Ok(Some(elsewhere)) => out.push(not_listened_on(case, port, &asked, &elsewhere)),
            Ok(None) => {}
            Err(abstain) => out.abstain(abstain),
        }
    }
}

fn not_listened_on(
    case: &Case<'_>,
    port: u16,
    asked: &[(&'static str, &Origin, Listener)],
    elsewhere: &Elsewhere,
) -> Finding {
    let setting = elsewhere.told.as_ref().map(|told| &told.setting);
    let order = |field: &str| match field {
        "readinessProbe" => 0,
        "startupProbe" => 1,
        "livenessProbe" => 2,
        _ => 3,
    };
    let first = asked.iter().min_by_key(|(field, ..)| order(field));
    // There is one at least: the map was filled with it.
    let (field, origin) =
        first.map_or(("probe", case.container_origin()), |(field, origin, _)| (*field, *origin));
    let finding = Finding::new(
        &RULE,
        format!("the {field} asks port {port}, {}", elsewhere.consequence(port, then(field))),
        origin,
        format!("port {port}"),
    )
    .variant(&RULE.variants[1]);
    let mut finding = elsewhere.explain(case, port, finding);
    for (other, at, _) in asked.iter().filter(|(_, at, _)| *at != origin) {
        finding = finding.also(at, format!("the {other} asks it, too"));
    }
    for (object, service, _) in case
        .of
        .service_targets()
        .take(64)
        .filter(|(_, _, number)| *number == i64::from(port))
        .take(2)
    {
        if let Some(target) = &service.target_port {
            finding =
                finding.also(&target.origin, format!("Service {} sends to it", object.meta.name()));
        }
    }
    if let Some(setting) = setting.filter(|setting| setting.is_loopback()) {
        let host = setting.host.trim_matches(['[', ']']);
        finding = finding
            .note(format!("{host} is reached from inside of the pod alone, whatever the port is"));
    }
    finding.fix(elsewhere.fix(port, "ask it"))
}

fn then(field: &str) -> &'static str {
    match field {
        "readinessProbe" => "the pod never becomes ready",
        "preStop" => "the hook fails",
        "postStart" => "the hook fails and the container is killed",
        _ => "the container is restarted again and again",
    }
}

fn by_number(case: &Case<'_>, field: &str, port: &Fact<PortRef>, number: i64, out: &mut Findings) {
    // Ports need not be declared, and the containers of a pod share their network: only a
    // container that declares others, and a port that nobody declares, say something.
    let own = &case.container.ports;
    let Some(first) = own.iter().find_map(|own| own.port.as_ref()) else { return };
    if super::is_mesh_port(&port.value) || case.pod().declares_number(number) {
        return;
    }
    // It is the right one, and what is declared is another's business.
    if u16::try_from(number).is_ok_and(|number| case.is_told_port(number)) {
        return;
    }
    let has: Vec<String> =
        own.iter().filter_map(|own| own.port.as_ref()).map(|p| p.value.to_string()).collect();
    let finding = Finding::new(
        &RULE,
        format!("the {field} asks port {number}, and the container declares {}", has.join(", ")),
        &port.origin,
        "not among its ports",
    )
    .variant(&RULE.variants[0])
    .also(&first.origin, "declared")
    .fix(Fix::suggest("declare the port, or ask the one the program listens on"));
    out.push(match off(case, field, number) {
        true => finding.level(Level::Warn),
        false => finding,
    });
}

/// Whether one port was meant and another written: it is nearly one that is declared, or a probe
/// beside this one asks a declared one. A port of its own for health is asked by all of them.
fn off(case: &Case<'_>, field: &str, number: i64) -> bool {
    let declared = case.container.ports.iter().filter_map(|own| own.port.as_ref());
    let near = declared.map(|own| own.value).any(|own| is_slip(number, own));
    let others = case.container.probes().filter(|(other, _)| *other != field);
    let asks_own = |probe: &Probe| match &probe.handler.action {
        Action::HttpGet { port: Some(port), host: None, .. }
        | Action::TcpSocket { port: Some(port), host: None } => case.serves_port(&port.value),
        Action::Grpc { port: Some(port), .. } => case.serves_port(&PortRef::Number(port.value)),
        _ => false,
    };
    let is_hook = !case.container.probes().any(|(probe, _)| probe == field);
    !is_hook && (near || others.map(|(_, probe)| probe).any(asks_own))
}

/// Whether two numbers differ by a digit that is missing, or by two neighbours that are swapped. With
/// another digit it is rather the next port, and with one in front the port of the same for others
/// (18080).
fn is_slip(a: i64, b: i64) -> bool {
    let (a, b) = (a.to_string(), b.to_string());
    let (short, long) = if a.len() > b.len() { (&b, &a) } else { (&a, &b) };
    let replaced = || a.bytes().zip(b.bytes()).filter(|(x, y)| x != y).count() == 1;
    short.len() > 2
        && distance(&a, &b, 1).is_some()
        && !long.ends_with(short.as_str())
        && !(a.len() == b.len() && replaced())
}
