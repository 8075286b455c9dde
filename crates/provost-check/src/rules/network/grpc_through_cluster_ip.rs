//! gRPC behind a Service that balances connections.

use crate::case::Case;
use crate::case::mesh::full_name;
use crate::facts::objects::{PortRef, Service, ServicePort};
use crate::facts::program_text::ConnectionAge;
use crate::facts::symbols;
use crate::facts::workload::ContainerPort;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::listeners::{self, Listener};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// One connection, one pod, for as long as it lasts.
pub static RULE: Rule = Rule {
    id: "grpc-through-cluster-ip",
    group: Group::Network,
    level: Level::Note,
    title: "a gRPC server behind a Service that spreads connections, not calls",
    page: include_str!("grpc-through-cluster-ip.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let services: Vec<_> = case.services()?.collect();
    // Clients may balance over the one that is headless.
    if services.iter().any(|(_, service)| service.headless) {
        return Ok(());
    }
    let mut of_grpc = services.iter().filter_map(|(object, service)| {
        let port = grpc_port(case, service)?;
        Some((*object, port))
    });
    let (object, port) = of_grpc.next().ok_or(Abstain::NotApplicable)?;
    // A mesh spreads calls by itself.
    let linkerd = case.pod().annotations.get("linkerd.io/inject");
    if linkerd.is_some_and(|inject| inject.value != "disabled") || case.of.meshed().is_ok() {
        return Ok(());
    }
    // One pod is what a connection gets anyway.
    let counts = match case.of.scale() {
        Ok(replicas) => replicas.judged(),
        Err(Abstain::NotApplicable) => Vec::new(),
        Err(unknown) => return Err(unknown),
    };
    if counts.iter().all(|n| *n < 2) {
        return Err(Abstain::NotApplicable);
    }
    let program = case.program()?;
    let Some(function) = program.links(symbols::GRPC_SERVE)? else { return Ok(()) };
    match program.text.connection_age() {
        Ok(ConnectionAge::Set(_)) => return Ok(()),
        Ok(ConnectionAge::Unset) => {}
        Ok(ConnectionAge::Unclear(function)) => {
            let what = format!("MaxConnectionAge, which {function} may set");
            return Err(Abstain::unknown(Reason::CodeUnclear, what));
        }
        Err(why) => {
            let what = format!("MaxConnectionAge: {why}");
            return Err(Abstain::unknown(Reason::StringsUnreadable, what));
        }
    }
    // It is the client's proxy that spreads calls.
    let host = full_name(object.meta.name(), &object.meta.namespace.value);
    let rules = case.of.joined.hosts.rules_of(&host);
    if rules.is_some_and(|rules| rules.exact && !rules.nearest.is_empty()) {
        let what = format!("whether clients of Service {} are in a mesh", object.meta.name());
        return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "gRPC keeps one connection, and Service {} spreads connections: each client stays at \
                 one pod, and new pods get no calls until somebody reconnects",
                object.meta.name()
            ),
            &port.origin,
            "balanced by connection",
        )
        .also(function, "a gRPC server")
        .fix(Fix::suggest(
            "set keepalive.ServerParameters.MaxConnectionAge in the server, or let clients balance over \
             a headless Service (dns:///, round_robin)",
        )),
    );
    Ok(())
}

/// The port of a Service that carries the container's gRPC: one that says so, or one that says nothing else.
fn grpc_port<'s>(case: &Case<'_>, service: &'s Service) -> Option<&'s ServicePort> {
    let declared = service.ports_to(case.container);
    let all = || service.ports.iter().collect();
    let ports = if declared.is_empty() { all() } else { declared };
    let ports = || ports.iter().copied().filter(|port| port.protocol.value == "TCP");
    let said = |port: &ServicePort| {
        if let Some(protocol) = &port.app_protocol {
            return Some(matches!(protocol.value.as_str(), "grpc" | "kubernetes.io/h2c"));
        }
        let own = port.target_port.as_ref().and_then(|target| match &target.value {
            PortRef::Name(name) => Some(name.as_str()),
            PortRef::Number(number) => {
                let is = |own: &&ContainerPort| {
                    own.port.as_ref().is_some_and(|own| own.value == *number)
                };
                let declared = case.container.ports.iter().find(is);
                declared.and_then(|own| own.name.as_ref()).map(|name| name.value.as_str())
            }
        });
        let names = port.name.as_ref().map(|name| name.value.as_str()).into_iter().chain(own);
        let names: Vec<String> = names.map(str::to_ascii_lowercase).collect();
        if names.iter().any(|name| name.contains("grpc")) {
            return Some(true);
        }
        let others = |name: &String| {
            name.contains("http")
                || matches!(name.as_str(), "web" | "rest")
                || listeners::of_port(name).is_some_and(|of| of != Listener::Service)
        };
        names.iter().any(others).then_some(false)
    };
    ports()
        .find(|port| said(port) == Some(true))
        .or_else(|| ports().find(|port| said(port).is_none()))
}
