//! A port whose protocol the proxies have to guess.

use super::COMPARED;
use crate::case::mesh::Meshed;
use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::objects::{Service, ServicePort};
use crate::facts::{Body, Origin, symbols};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::mtls;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `ConvertProtocol` in Istio's pkg/config/kube/conversion.go, v1.31.
pub static RULE: Rule = Rule {
    id: "undeclared-mesh-protocol",
    group: Group::Mesh,
    level: Level::Warn,
    title: "a Service port in the mesh that does not say its protocol",
    page: include_str!("undeclared-mesh-protocol.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::Service(service) = &case.object.body else { return Err(Abstain::NotApplicable) };
    let mut meshed = case.serving().take(COMPARED).filter_map(|w| Some((w, w.sidecar().ok()?)));
    let (workload, meshed) = meshed.next().ok_or(Abstain::NotApplicable)?;
    for port in &service.ports {
        let Some(number) = port.port.as_ref().filter(|_| port.protocol.value == "TCP") else {
            continue;
        };
        let name = port.name.as_ref().map_or("", |name| name.value.as_str());
        let app = port.app_protocol.as_ref();
        let written = [Some(name), app.map(|app| app.value.as_str())];
        if written.iter().flatten().any(|text| text.contains(['{', '$'])) {
            continue;
        }
        if mtls::protocol(number.value, name, app.map(|app| app.value.as_str())).is_some() {
            continue;
        }
        let pod = workload.pod();
        if pod.target_number(port).is_some_and(|target| !pod.captures(target)) {
            continue;
        }
        out.push(finding(case, service, port, &workload, &meshed));
    }
    Ok(())
}

fn finding(
    case: &ObjectCase<'_>,
    service: &Service,
    port: &ServicePort,
    workload: &WorkloadCase<'_>,
    meshed: &Meshed,
) -> Finding {
    let number = port.port.as_ref().map_or(0, |port| port.value);
    let (place, label) = match (&port.app_protocol, &port.name) {
        (Some(app), _) => (&app.origin, "is no protocol that Istio knows"),
        (None, Some(name)) => (&name.origin, "does not begin with a protocol"),
        (None, None) => (&port.origin, "has neither a name nor an appProtocol"),
    };
    let served = served(service, workload);
    let grpc = matches!(served, Some(Served { protocol: "grpc", .. }));
    let message = format!(
        "port {number} of Service {} does not say its protocol: the proxies guess it from the first \
         bytes of each connection{}",
        case.object.meta.name(),
        if grpc { ", and the program is a gRPC server" } else { "" }
    );
    let mut finding =
        Finding::new(&RULE, message, place, label).also(&meshed.origin, meshed.label());
    if let Some(served) = &served {
        finding =
            finding.also(served.origin, if grpc { "a gRPC server" } else { "an HTTP server" });
    }
    let fix = match (&served, &port.app_protocol) {
        (Some(Served { tls: true, protocol, .. }), _) => Fix::suggest(format!(
            "set appProtocol: {protocol}, or https where the program serves TLS by itself"
        )),
        (Some(served), Some(app)) => case.world().rewrite(
            Fix::suggest(format!("set appProtocol: {}", served.protocol)),
            &app.origin,
            &app.value,
            served.protocol,
        ),
        (Some(served), None) => {
            let title = format!("set appProtocol: {}", served.protocol);
            let fix = if served.certain { Fix::safe(title) } else { Fix::suggest(title) };
            case.world().add_key(fix, &port.origin, "appProtocol", served.protocol)
        }
        (None, _) => Fix::suggest("set appProtocol: http, grpc, tcp ... as the port speaks"),
    };
    finding.fix(fix)
}

/// What the program behind the port serves.
struct Served<'w> {
    protocol: &'static str,
    origin: &'w Origin,
    /// It may do so in TLS.
    tls: bool,
    /// One port on both sides: it is this one.
    certain: bool,
}

fn served<'w>(service: &Service, workload: &WorkloadCase<'w>) -> Option<Served<'w>> {
    let target = workload.target()?;
    let program = target.known_program()?;
    let grpc = program.links(symbols::GRPC_SERVE).ok()?;
    let http = program.links(symbols::HTTP_SERVE).ok()?;
    let (protocol, origin) = match (grpc, http) {
        (Some(grpc), None) => ("grpc", grpc),
        (None, Some(http)) => ("http", http),
        // Both: one port for each, and which is which is not written in the program.
        _ => return None,
    };
    // Absence is strong; a client's credentials may keep it too.
    let tls = program.links(symbols::TLS_SERVER_HANDSHAKE) != Ok(None);
    let one = service.ports.len() == 1 && target.container.ports.len() == 1;
    Some(Served { protocol, origin, tls, certain: one && service.sends_to(target.container) })
}
