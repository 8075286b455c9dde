//! A program that calls others before its proxy can.

use crate::case::Case;
use crate::case::mesh::Proxy;
use crate::facts::symbols;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Traffic is led to the proxy from the first moment, and the proxy listens some seconds later.
pub static RULE: Rule = Rule {
    id: "application-starts-before-proxy",
    group: Group::Mesh,
    level: Level::Warn,
    title: "a program that connects to others starts beside its proxy, not after it",
    page: include_str!("application-starts-before-proxy.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Container(check),
    ..Rule::BASE
};

const KEY: &str = "holdApplicationUntilProxyStarts";

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    if !case.is_target() {
        return Err(Abstain::NotApplicable);
    }
    let meshed = case.of.sidecar()?;
    if meshed.proxy != Proxy::ClassicSidecar {
        return Err(Abstain::NotApplicable);
    }
    case.of.as_applied()?;
    let held = case.of.proxy_setting(KEY).is_some_and(|(value, _)| value == "true");
    // What injection by hand writes when the program is held: `pilot-agent wait`.
    let waits = case.of.written_sidecar().is_some_and(|proxy| proxy.post_start.is_some());
    if held || waits {
        return Ok(());
    }
    let outbound = [
        symbols::HTTP_DIAL,
        symbols::GRPC_NEW_CLIENT,
        symbols::GRPC_DIAL,
        symbols::TLS_DIAL,
        symbols::TLS_DIAL_INNER,
        symbols::SQL_OPEN_DB,
    ];
    let Some(function) = case.program()?.links_any(&outbound)? else { return Ok(()) };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "container {} starts at the same time as its proxy and connects to others: until the proxy \
             listens its connections are refused",
            case.container.name()
        ),
        &case.container.origin,
        "starts beside the proxy",
    )
    .also(&meshed.origin, meshed.label());
    if let Some(kind) = case.of.sidecar_kind_origin().filter(|kind| **kind != meshed.origin) {
        finding = finding.also(kind, "an ordinary container");
    }
    out.push(
        finding
            .also(function, "connects to others")
            .fix(Fix::suggest(
                "annotate the pods with proxy.istio.io/config: '{\"holdApplicationUntilProxyStarts\": true}', or let \
                 the sidecar be a native one",
            )),
    );
    Ok(())
}
