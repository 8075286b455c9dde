//! A probe or hook of a port that its container does not have.

use crate::case::Case;
use crate::facts::Fact;
use crate::facts::objects::PortRef;
use crate::facts::workload::{Action, ContainerRole};
use crate::findings::{Abstain, Finding, Fix, Level};
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
            Level::Warn,
            "a probe of a port number that its container does not declare",
        ),
        Variant::new(
            "probe-port-not-listened-on",
            Level::Warn,
            "a probe of another port than the one the program is told to listen on",
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
                PortRef::Name(name) => {
                    by_name(case, field, port, name, out);
                    elsewhere(case, field, port, out);
                }
                PortRef::Number(number) => {
                    by_number(case, field, port, *number, out);
                    elsewhere(case, field, port, out);
                }
            },
            Action::Grpc { port: Some(port), .. } => {
                let number = port.map(|n| PortRef::Number(*n));
                by_number(case, field, &number, port.value, out);
            }
            _ => continue,
        }
        any = true;
    }
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

/// The port is declared, and the program is told of another.
fn elsewhere(case: &Case<'_>, field: &str, port: &Fact<PortRef>, out: &mut Findings) {
    let (number, declared) = match &port.value {
        PortRef::Number(number) => (Some(*number), None),
        PortRef::Name(name) => {
            let declared = case.container.port_named(name).and_then(|own| own.port.as_ref());
            (declared.map(|own| own.value), declared)
        }
    };
    let Some(number) = number.and_then(|number| u16::try_from(number).ok()) else { return };
    if super::is_mesh_port(&port.value) {
        return;
    }
    let Some(setting) = case.listens_elsewhere(number) else { return };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the {field} asks port {number}, and the program is told to listen on {}: the \
             connection is refused unless a number in its code opens {number} too",
            setting.text
        ),
        &port.origin,
        format!("port {number}"),
    )
    .variant(&RULE.variants[1])
    .also(&setting.origin, format!("{} says where to listen", setting.name));
    if let Some(declared) = declared {
        finding = finding.also(&declared.origin, "the port of that name");
    }
    if setting.is_loopback() {
        let host = setting.host.trim_matches(['[', ']']);
        finding = finding
            .note(format!("{host} is reached from inside of the pod alone, whatever the port is"));
    }
    out.push(finding.fix(Fix::suggest(format!(
        "set {} to :{number}, or declare and ask port {}",
        setting.name, setting.port
    ))));
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
    let has: Vec<String> =
        own.iter().filter_map(|own| own.port.as_ref()).map(|p| p.value.to_string()).collect();
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the {field} asks port {number}, and the container declares {}",
                has.join(", ")
            ),
            &port.origin,
            "not among its ports",
        )
        .variant(&RULE.variants[0])
        .also(&first.origin, "declared")
        .fix(Fix::suggest("declare the port, or ask the one the program listens on")),
    );
}
