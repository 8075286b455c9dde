//! gRPC behind a Service that balances connections.

use crate::case::Case;
use crate::facts::symbols;
use crate::findings::{Abstain, Finding, Fix, Level};
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
    let mut services = case.services()?;
    let service = services.find(|(_, service)| !service.headless).ok_or(Abstain::NotApplicable)?;
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
    let (object, service) = service;
    let place = service.ports.first().map_or_else(|| object.origin(), |port| port.origin.clone());
    out.push(
        Finding::new(
            &RULE,
            format!(
                "gRPC keeps one connection, and Service {} spreads connections: each client stays at \
                 one pod, and new pods get no calls until somebody reconnects",
                object.meta.name()
            ),
            &place,
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
