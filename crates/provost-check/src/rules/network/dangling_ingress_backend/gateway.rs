//! What routes and Gateways name in other namespaces, and the certificates of Gateways.

use super::{CERTIFICATE, NO_TLS, NOT_GRANTED, RULE};
use crate::case::ObjectCase;
use crate::case::references::{Referenced, Wanted};
use crate::case::routes::{Listener, Said};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Findings, Judged};

/// Says when no ReferenceGrant lets the object name this, which is there.
pub(super) fn granted(
    case: &ObjectCase<'_>,
    wanted: Wanted<'_>,
    elsewhere: &Said<'_>,
    out: &mut Findings,
) -> Judged {
    if case.is_granted(wanted)? {
        return Ok(());
    }
    let meta = &case.object.meta;
    let (kind, namespace) = (&meta.kind.value, &meta.namespace.value);
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{} {} is in namespace {}, and no ReferenceGrant there lets a {kind} of {namespace} \
             name it: it is as if it were not there",
            wanted.kind, wanted.name, wanted.namespace
        ),
        &elsewhere.at,
        "another namespace",
    )
    .variant(&NOT_GRANTED);
    if !case.world().settings.closed_world {
        finding = finding.level(Level::Warn);
    }
    out.push(finding.fix(Fix::suggest(format!(
        "make a ReferenceGrant in {} from {kind} of {namespace} to {}",
        wanted.namespace, wanted.kind
    ))));
    Ok(())
}

/// Annotations by which cert-manager makes the Secrets that a Gateway names.
const ISSUERS: &[&str] =
    &["cert-manager.io/issuer", "cert-manager.io/cluster-issuer", "kubernetes.io/tls-acme"];

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    if !case.is_gateway() {
        return Err(Abstain::NotApplicable);
    }
    case.joined.unpatched(case.object, &["spec/listeners"])?;
    let meta = &case.object.meta;
    let issued = ISSUERS.iter().any(|key| meta.annotations.get(key).is_some());
    for listener in Listener::of(case.object)? {
        without_tls(&listener, out);
        for certificate in &listener.certificates {
            let own = meta.namespace.value.as_str();
            let namespace = certificate.elsewhere.as_ref().map_or(own, |said| said.text);
            let (name, at) = (certificate.service.text, &certificate.service.at);
            let wanted = Wanted { group: "", kind: "Secret", namespace, name };
            let found = case.joined.referenced(case.object, wanted);
            let judged = match (found, &certificate.elsewhere) {
                (Ok(Referenced::There(_)), Some(elsewhere)) => {
                    granted(case, wanted, elsewhere, out)
                }
                (Ok(Referenced::Missing(missing)), _) if !issued => {
                    let finding = Finding::new(
                        &RULE,
                        format!(
                            "there is no Secret {name} in namespace {namespace}: the listener has \
                             no certificate, and TLS with it fails"
                        ),
                        at,
                        "no such Secret",
                    )
                    .variant(&CERTIFICATE);
                    out.push(missing.tell(case.world(), finding, at, name));
                    Ok(())
                }
                (Err(unknown), _) if !issued => Err(unknown),
                _ => Ok(()),
            };
            if let Err(unknown) = judged {
                out.abstain(unknown);
            }
        }
    }
    Ok(())
}

/// `TLS` "is required if the Protocol field is HTTPS or TLS" (sigs.k8s.io/gateway-api v1.6.3,
/// `gateway_types.go`), and no CRD refuses a listener without it: its status says that it is not
/// programmed. Some implementations take certificates from an object of their own.
fn without_tls(listener: &Listener<'_>, out: &mut Findings) {
    if listener.tls || !matches!(listener.protocol, "HTTPS" | "TLS") {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "a listener for {} says nothing of TLS: without a certificate it is not programmed, \
                 and nobody is served, unless the Gateway's implementation has one from elsewhere",
                listener.protocol
            ),
            &listener.at,
            "has no tls",
        )
        .variant(&NO_TLS)
        .fix(Fix::suggest("name the Secret with the certificate in tls.certificateRefs")),
    );
}
