//! A probe that speaks another protocol than the server it asks.

use crate::case::Case;
use crate::case::servers::Serves;
use crate::facts::Origin;
use crate::facts::symbols;
use crate::facts::workload::{Action, Container, ContainerRole};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const HTTP_AT_GRPC: Variant = Variant::new(
    "http-probe-of-grpc-port",
    Level::Warn,
    "a probe over HTTP of the port that the gRPC server listens on",
);
const GRPC_AT_HTTP: Variant = Variant::new(
    "grpc-probe-of-http-port",
    Level::Warn,
    "a gRPC probe of the port of a server that speaks HTTP/1.1",
);

/// The scheme of the probe is not one the program can speak.
pub static RULE: Rule = Rule {
    id: "probe-protocol-mismatch",
    group: Group::Health,
    level: Level::Warn,
    title: "a probe over HTTPS of a program that serves no TLS",
    page: include_str!("probe-protocol-mismatch.md"),
    needs: &[Need::Manifest, Need::Binary],
    variants: &[HTTP_AT_GRPC, GRPC_AT_HTTP],
    check: Check::Container(check),
    also: &[Check::Container(of_port)],
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let probes: Vec<_> = case
        .container
        .probes()
        .filter_map(|(field, probe)| match &probe.handler.action {
            Action::HttpGet { scheme, port, host: None, .. }
                if scheme.value == "HTTPS"
                    && !port.as_ref().is_some_and(|p| super::is_mesh_port(&p.value)) =>
            {
                Some((field, scheme))
            }
            _ => None,
        })
        .collect();
    let Some(((field, scheme), rest)) = probes.split_first() else {
        return Err(Abstain::NotApplicable);
    };
    let binary = case.binary()?;
    let program = case.program()?;
    let linked = program.links_any(&[symbols::TLS_SERVER_HANDSHAKE, symbols::HTTP_SERVE_TLS])?;
    if linked.is_some() {
        // They are linked with every client, and with every server of HTTP whose methods are kept.
        let by_grpc = program.links_any(&[symbols::GRPC_SERVER_TLS, symbols::GRPC_TLS])?;
        let why = match program.text.serves_tls() {
            Ok(true) => return Ok(()),
            Ok(false) if by_grpc.is_some() => return Ok(()),
            Ok(false) => None,
            Err(why) => Some(why),
        };
        if let Some(why) = why {
            let what = format!("whether the program serves TLS: {why}");
            return Err(Abstain::unknown(Reason::StringsUnreadable, what));
        }
    }
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the {field} speaks HTTPS, and the program serves no TLS: the kubelet gets \
             \"server gave HTTP response to HTTPS client\""
        ),
        &scheme.origin,
        "speaks TLS",
    )
    .also(
        &Origin::binary(binary.source, ".gopclntab", None),
        match linked {
            None => "crypto/tls.(*Conn).serverHandshake is not linked",
            Some(_) => "no code calls ServeTLS, ListenAndServeTLS or crypto/tls.NewListener",
        },
    );
    let mut fix = Fix::suggest("set scheme: HTTP").replace(&scheme.origin, "HTTP");
    for (field, scheme) in rest {
        finding = finding.also(&scheme.origin, format!("and the {field}"));
        fix = fix.replace(&scheme.origin, "HTTP");
    }
    // Nobody else is there who could answer in its place, and no C library that could speak TLS.
    let stays = |c: &&Container| matches!(c.role, ContainerRole::Main | ContainerRole::Sidecar);
    let alone = case.pod().containers.iter().filter(stays).count() == 1;
    if alone && binary.needed.is_empty() && linked.is_none() {
        finding = finding.level(Level::Deny);
    }
    out.push(finding.fix(fix));
    Ok(())
}

/// Where it is known which server listens on the port that is asked.
fn of_port(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let probes: Vec<_> = case
        .container
        .probes()
        .filter_map(|(field, probe)| {
            let port = case.asked_port(&probe.handler.action)?;
            let is_grpc = match &probe.handler.action {
                Action::HttpGet { .. } => false,
                Action::Grpc { .. } => true,
                _ => return None,
            };
            Some((field, probe, port, is_grpc))
        })
        .collect();
    if probes.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let binary = case.binary()?;
    let program = case.program()?;
    // Where there is one protocol there is nothing to mix up.
    let Some(server) = program.links(symbols::GRPC_SERVE)? else {
        return Err(Abstain::NotApplicable);
    };
    let endpoints = program.text.endpoints().map_err(|why| {
        let what = format!("which server of the program listens on which port: {why}");
        Abstain::unknown(Reason::CodeUnclear, what)
    })?;
    if endpoints.mixed {
        return Ok(());
    }
    for (field, probe, port, is_grpc) in probes {
        let origin = &probe.handler.origin;
        let finding = match (case.server_at(port), is_grpc) {
            (Some(Serves::Grpc), false) => Finding::new(
                &RULE,
                format!(
                    "the {field} asks port {port} by HTTP, where the gRPC server listens: the \
                     kubelet gets \"malformed HTTP response\""
                ),
                origin,
                "speaks HTTP/1.1",
            )
            .variant(&HTTP_AT_GRPC)
            .also(server, format!("a gRPC server listens on {port}"))
            .fix(Fix::suggest("ask the port of the HTTP server, or probe with grpc")),
            (Some(Serves::Http(http)), true) => Finding::new(
                &RULE,
                format!(
                    "the {field} speaks gRPC, and the server on port {port} is one of HTTP/1.1: \
                     the connection fails"
                ),
                origin,
                "speaks gRPC",
            )
            .variant(&GRPC_AT_HTTP)
            .also(&binary.origin(), format!("{} makes a server of HTTP for {port}", http.function))
            .fix(Fix::suggest("ask the port of the gRPC server, or probe with httpGet")),
            _ => continue,
        };
        out.push(finding);
    }
    Ok(())
}
