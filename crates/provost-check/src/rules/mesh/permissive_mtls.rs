//! Servers that accept plaintext as well.

use crate::case::{ObjectCase, WorkloadCase};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::mtls::{Mode, ROOT_NAMESPACE};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A step of a migration that tends to stay.
pub static RULE: Rule = Rule {
    id: "permissive-mtls",
    group: Group::Mesh,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "pods in the mesh that accept plaintext as well as mutual TLS",
    page: include_str!("permissive-mtls.md"),
    needs: &[Need::Manifest],
    check: Check::Object(written),
    also: &[Check::Workload(defaulted)],
    ..Rule::BASE
};

const FIX: &str = "write mode: STRICT once every caller has a sidecar; istio_requests_total with \
                   connection_security_policy=\"none\" names those that have not";

const FIX_PORT: &str = "write mode: STRICT, unless the port is for callers that cannot have a proxy: the API server \
                        of a webhook, the kubelet";

fn written(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let policy = case.peer_authentication()?;
    let own = policy.mode.iter().map(|mode| (mode, None));
    let ports = policy.ports.iter().map(|port| (&port.mode, Some(port.port.value)));
    for (mode, port) in own.chain(ports).take(64) {
        if mode.value != Some(Mode::Permissive) {
            continue;
        }
        let (what, fix) = match port {
            // Nearly always an exception on purpose, for callers that have no proxy.
            Some(port) => (format!("port {port} of the selected pods"), Fix::suggest(FIX_PORT)),
            None => (scope(case), Fix::suggest(FIX).replace(&mode.origin, "STRICT")),
        };
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "{what} accepts plaintext beside mutual TLS: who does not use a proxy is let in, without \
                     an identity"
                ),
                &mode.origin,
                "plaintext is accepted",
            )
            .fix(fix),
        );
    }
    let root = case.object.meta.namespace.value == ROOT_NAMESPACE && policy.selector.is_none();
    if root && policy.mode.as_ref().is_none_or(|mode| mode.value.is_none()) {
        out.push(
            Finding::new(
                &RULE,
                "the mesh accepts plaintext beside mutual TLS: UNSET is PERMISSIVE for the root namespace",
                &policy.mode.as_ref().map_or_else(|| case.object.origin(), |mode| mode.origin.clone()),
                "sets no mode",
            )
            .fix(Fix::suggest(FIX)),
        );
    }
    Ok(())
}

fn scope(case: &ObjectCase<'_>) -> String {
    let meta = &case.object.meta;
    let selector = match &case.object.body {
        crate::facts::Body::Mesh(policy) => policy.selector(),
        _ => None,
    };
    match selector {
        Some(_) => format!("what PeerAuthentication {} selects", meta.name()),
        None if meta.namespace.value == ROOT_NAMESPACE => "the whole mesh".to_owned(),
        None => format!("namespace {}", meta.namespace.value),
    }
}

fn defaulted(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    if case.workload.kind.is_batch() || case.services().next().is_none() {
        return Err(Abstain::NotApplicable);
    }
    let meshed = case.meshed()?;
    case.as_applied()?;
    let mtls = case.mtls()?;
    // A mode that is written is told where it is written.
    if mtls.by.is_some() || mtls.mode != Mode::Permissive {
        return Ok(());
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "no PeerAuthentication holds for {} {}: it accepts plaintext beside mutual TLS, which is Istio's default",
                case.object.meta.kind.value,
                case.object.meta.name()
            ),
            &case.object.origin(),
            "accepts plaintext",
        )
        .also(&meshed.origin, meshed.label())
        .fix(Fix::suggest("add a PeerAuthentication with mtls.mode STRICT to the namespace or to istio-system")),
    );
    Ok(())
}
