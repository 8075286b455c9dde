//! A Certificate that nobody issues.

use crate::case::ObjectCase;
use crate::case::references::Wanted;
use crate::case::routes::Said;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// cert-manager waits for the issuer for ever (`IssuerNotFound` in
/// pkg/controller/certificaterequests/sync.go, v1.21), and the Secret is never made.
pub static RULE: Rule = Rule {
    id: "missing-certificate-issuer",
    group: Group::Config,
    level: Level::Deny,
    title: "a Certificate names an issuer that does not exist",
    page: include_str!("missing-certificate-issuer.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.group() != "cert-manager.io" || meta.kind.value != "Certificate" {
        return Err(Abstain::NotApplicable);
    }
    case.joined.unpatched(case.object, &["spec/issuerRef"])?;
    let issuer = case.object.node().at(&["spec", "issuerRef"]).ok_or(Abstain::NotApplicable)?;
    let text = |key| Said::at(issuer, key).map(|said| said.text).filter(|text| !text.is_empty());
    // Other groups are those of issuers by somebody else.
    let kind = text("kind").unwrap_or("Issuer");
    if text("group").unwrap_or("cert-manager.io") != "cert-manager.io"
        || !matches!(kind, "Issuer" | "ClusterIssuer")
    {
        return Err(Abstain::NotApplicable);
    }
    let name = Said::at(issuer, "name").ok_or(Abstain::NotApplicable)?;
    let namespace = if kind == "Issuer" { meta.namespace.value.as_str() } else { "" };
    let wanted = Wanted { group: "cert-manager.io", kind, namespace, name: name.text };
    let (missing, closed) = match case.joined.referenced_one(case.object, wanted) {
        Ok(Ok(_) | Err(None)) => return Ok(()),
        Ok(Err(Some(missing))) => {
            let closed = missing.closed;
            (Ok(missing), closed)
        }
        Err(unknown @ Abstain::Unknown { reason: Reason::ObjectNotInInput, .. }) => {
            (Err(unknown), false)
        }
        // It is there, and only which one is meant is not known.
        Err(unknown) => return Err(unknown),
    };
    let (other, of_other) = match kind {
        "Issuer" => ("ClusterIssuer", ""),
        _ => ("Issuer", meta.namespace.value.as_str()),
    };
    let others = case.joined.joins.named(of_other, other, name.text);
    let others = others.iter().filter_map(|id| case.world().objects.get(*id));
    let namesake = others.take(1).find(|object| case.joined.together(case.object, object));
    let place = match namespace {
        "" => String::new(),
        namespace => format!(" in namespace {namespace}"),
    };
    let finding = Finding::new(
        &RULE,
        format!("there is no {kind} {}{place}: the certificate is never issued", name.text),
        &name.at,
        format!("no such {kind}"),
    );
    out.push(match (missing, namesake) {
        // An issuer of the other kind is what was meant.
        (_, Some(object)) => {
            let level = if closed { Level::Deny } else { Level::Warn };
            finding
                .level(level)
                .also(&object.meta.kind.origin, format!("a {other} is called so"))
                .fix(Fix::suggest(format!("write kind: {other}")))
        }
        (Ok(missing), None) => missing.tell(case.world(), finding, &name.at, name.text),
        (Err(unknown), None) => return Err(unknown),
    });
    Ok(())
}
