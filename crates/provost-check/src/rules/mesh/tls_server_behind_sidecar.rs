//! TLS inside of mutual TLS.

use super::with_mode;
use crate::case::Case;
use crate::facts::objects::PortRef;
use crate::facts::workload::Action;
use crate::facts::{Fact, symbols};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::mtls::{self, Mode};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The proxy sees bytes that it cannot read.
pub static RULE: Rule = Rule {
    id: "tls-server-behind-sidecar",
    group: Group::Mesh,
    level: Level::Warn,
    title: "a program that serves TLS behind a sidecar that does so already",
    page: include_str!("tls-server-behind-sidecar.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    if !case.is_target() {
        return Err(Abstain::NotApplicable);
    }
    let meshed = case.of.sidecar()?;
    let port = tls_port(case).ok_or(Abstain::NotApplicable)?;
    case.of.as_applied()?;
    if !case.pod().captures(port.value) {
        return Ok(());
    }
    // Whichever of the others is in force, the proxy ends mutual TLS in front of the program.
    let mtls = case.of.mtls();
    if mtls.as_ref().is_ok_and(|mtls| mtls.at(port.value).0 == Mode::Disable) {
        return Ok(());
    }
    // Functions first, whose presence is strong. Methods may be kept by reflection, and the handshake by a client's
    // credentials: they count because the manifest says that the port serves TLS.
    let serves = [
        symbols::LISTEN_AND_SERVE_TLS,
        symbols::SERVE_TLS,
        symbols::GRPC_SERVER_TLS,
        symbols::HTTP_LISTEN_AND_SERVE_TLS,
        symbols::HTTP_SERVE_TLS,
        symbols::TLS_SERVER_HANDSHAKE,
    ];
    let Some(function) = case.program()?.links_any(&serves)? else { return Ok(()) };
    let number = port.value;
    let finding = Finding::new(
        &RULE,
        format!(
            "port {number} serves TLS behind a sidecar, which serves mutual TLS in front of it: traffic is \
             encrypted twice, and rules about paths, retries and metrics of HTTP do not work"
        ),
        &port.origin,
        "says TLS",
    )
    .also(function, "serves TLS");
    let finding = match &mtls {
        Ok(mtls) => with_mode(finding, mtls, number),
        Err(_) => finding,
    };
    out.push(
        finding
            .also(&meshed.origin, meshed.label())
            .note("the certificate of the mesh ends at the sidecar: the program never sees it")
            .fix(Fix::suggest(format!(
                "serve plaintext inside the pod; if callers outside of the mesh need this TLS, name {number} in \
                 traffic.sidecar.istio.io/excludeInboundPorts"
            ))),
    );
    Ok(())
}

/// A port that the manifest says serves TLS.
fn tls_port(case: &Case<'_>) -> Option<Fact<i64>> {
    let container = case.container;
    for (_, probe) in container.probes() {
        if let Action::HttpGet { port: Some(port), scheme, .. } = &probe.handler.action
            && scheme.value == "HTTPS"
        {
            let number = match &port.value {
                PortRef::Number(number) => Some(*number),
                PortRef::Name(name) => container.port_named(name)?.port.as_ref().map(|p| p.value),
            };
            return Some(Fact::derived(number?, scheme.origin.clone()));
        }
    }
    let says = |name: &str| matches!(mtls::protocol(0, name, None), Some("https" | "tls"));
    let own = container.ports.iter().take(256).find_map(|port| {
        let name = port.name.as_ref().filter(|name| says(&name.value))?;
        Some(Fact::derived(port.port.as_ref()?.value, name.origin.clone()))
    });
    own.or_else(|| {
        case.of.service_targets().take(256).find_map(|(_, port, number)| {
            let name = port.name.as_ref();
            let app = port.app_protocol.as_ref();
            let place = app.or(name).filter(|place| says(&place.value))?;
            let declared = container.declares(&PortRef::Number(number));
            declared.then(|| Fact::derived(number, place.origin.clone()))
        })
    })
}
