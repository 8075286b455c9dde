//! A header that says who calls, on ports where anybody can write it.

use super::with_mode;
use crate::case::Case;
use crate::facts::Origin;
use crate::facts::binary::GoProgram;
use crate::facts::program_text::TextPresence;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::mtls::Mode;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The sidecar appends to `X-Forwarded-Client-Cert` (APPEND_FORWARD, pilot/pkg/networking/util/proxy_headers.go,
/// Istio 1.31): what the caller sent stays in front.
pub static RULE: Rule = Rule {
    id: "trusted-forwarded-client-cert",
    group: Group::Mesh,
    level: Level::Warn,
    title: "a program that reads X-Forwarded-Client-Cert where callers can forge it",
    page: include_str!("trusted-forwarded-client-cert.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Container(check),
    ..Rule::BASE
};

/// As programs write it; a header's name has no case.
const NAMES: &[&str] =
    &["X-Forwarded-Client-Cert", "x-forwarded-client-cert", "X-FORWARDED-CLIENT-CERT"];

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    if !case.is_target() {
        return Err(Abstain::NotApplicable);
    }
    let meshed = case.of.meshed()?;
    case.of.as_applied()?;
    let Some(text) = reads(case.program()?)? else { return Ok(()) };
    let place = &case.container.origin;
    let finding = |why: String| {
        Finding::new(
            &RULE,
            format!("the program reads X-Forwarded-Client-Cert, and {why}: a caller can write there who it is"),
            place,
            "reads the header",
        )
        .also(&text, "the header's name")
        .note("only the last element may be trusted, and only if its By is the pod's own identity")
    };
    let fix = Fix::suggest(
        "set PeerAuthentication STRICT for the port and let AuthorizationPolicy compare principals; else trust the last \
         element alone",
    );
    if !meshed.has_sidecar() {
        let why = "no sidecar writes it in the ambient mesh".to_owned();
        out.push(finding(why).also(&meshed.origin, meshed.label()).fix(fix));
        return Ok(());
    }
    let ports = case.inbound_ports();
    let open = ports.iter().take(256).find(|port| !case.pod().captures(**port));
    if let Some(port) = open {
        let annotations = &case.pod().annotations;
        let key = [
            "traffic.sidecar.istio.io/excludeInboundPorts",
            "traffic.sidecar.istio.io/includeInboundPorts",
        ];
        let why = format!("port {port} is reached past the sidecar");
        let mut finding = finding(why);
        if let Some(list) = key.iter().find_map(|key| annotations.get(key)) {
            finding = finding.also(&list.origin, "leads past the sidecar");
        }
        out.push(finding.also(&meshed.origin, meshed.label()).fix(fix));
        return Ok(());
    }
    let mtls = case.of.mtls()?;
    let weak = match ports.is_empty() {
        true => (mtls.mode != Mode::Strict).then_some(0),
        false => ports.iter().take(256).copied().find(|port| mtls.at(*port).0 != Mode::Strict),
    };
    if let Some(port) = weak {
        let mode = mtls.at(port).0;
        let at = if port == 0 { String::new() } else { format!(" on port {port}") };
        let why =
            format!("mutual TLS is {}{at}", if mode == Mode::Disable { "off" } else { "optional" });
        let finding = with_mode(finding(why), &mtls, port);
        out.push(finding.also(&meshed.origin, meshed.label()).fix(fix));
    }
    Ok(())
}

/// The header's name in the program, which the standard library does not have.
fn reads(program: &GoProgram) -> Result<Option<Origin>, Abstain> {
    let mut unknown = None;
    for name in NAMES {
        match program.text.find(name) {
            TextPresence::Present(origin) => return Ok(Some(origin)),
            TextPresence::Absent => {}
            TextPresence::Unknown(why) => {
                let what = format!("whether the program knows {name}: {why}");
                unknown = Some(Abstain::unknown(Reason::StringsUnreadable, what));
            }
        }
    }
    unknown.map_or(Ok(None), Err)
}
