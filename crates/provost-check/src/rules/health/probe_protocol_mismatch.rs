//! A probe over TLS of a program that has none, or the other way round.

use crate::case::Case;
use crate::facts::Origin;
use crate::facts::symbols;
use crate::facts::workload::{Action, Container, ContainerRole};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The scheme of the probe is not one the program can speak.
pub static RULE: Rule = Rule {
    id: "probe-protocol-mismatch",
    group: Group::Health,
    level: Level::Warn,
    title: "a probe over HTTPS of a program that serves no TLS",
    page: include_str!("probe-protocol-mismatch.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Container(check),
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
    if program.links_any(&[symbols::TLS_SERVER_HANDSHAKE, symbols::HTTP_SERVE_TLS])?.is_some() {
        return Ok(());
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
        "crypto/tls.(*Conn).serverHandshake is not linked",
    );
    let mut fix = Fix::suggest("set scheme: HTTP").replace(&scheme.origin, "HTTP");
    for (field, scheme) in rest {
        finding = finding.also(&scheme.origin, format!("and the {field}"));
        fix = fix.replace(&scheme.origin, "HTTP");
    }
    // Nobody else is there who could answer in its place, and no C library that could speak TLS.
    let stays = |c: &&Container| matches!(c.role, ContainerRole::Main | ContainerRole::Sidecar);
    if case.pod().containers.iter().filter(stays).count() == 1 && binary.needed.is_empty() {
        finding = finding.level(Level::Deny);
    }
    out.push(finding.fix(fix));
    Ok(())
}
