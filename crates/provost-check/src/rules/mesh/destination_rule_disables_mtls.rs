//! Callers that are told to speak something else than the server accepts.

use super::{COMPARED, strict_at};
use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::mesh::{ClientTls, DestinationRule};
use crate::facts::objects::ServicePort;
use crate::facts::{Body, Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Every call through a proxy is reset.
pub static RULE: Rule = Rule {
    id: "destination-rule-disables-mtls",
    group: Group::Mesh,
    level: Level::Deny,
    title: "a DestinationRule without mutual TLS to pods that accept nothing else",
    page: include_str!("destination-rule-disables-mtls.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let rule = case.destination_rule()?;
    let host = rule.host.as_ref().ok_or(Abstain::NotApplicable)?;
    let plain = |tls: &&ClientTls| matches!(tls.mode.value.as_str(), "DISABLE" | "SIMPLE");
    let tls: Vec<&ClientTls> = rule.tls.iter().filter(plain).take(COMPARED).collect();
    if tls.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let targets = targets(case, &host.value)?;
    let mut judged = false;
    let mut unknown = None;
    for tls in tls {
        for target in &targets {
            match refused(rule, tls, target) {
                Ok(None) => judged = true,
                Ok(Some(refused)) => {
                    judged = true;
                    out.push(finding(tls, target, &refused));
                    break;
                }
                Err(Abstain::NotApplicable) => {}
                Err(abstain) => unknown = Some(abstain),
            }
        }
    }
    match unknown {
        Some(abstain) if out.found.is_empty() => Err(abstain),
        _ if judged => Ok(()),
        _ => Err(Abstain::NotApplicable),
    }
}

/// A workload that the host leads to, and by which Service.
struct Target<'w> {
    workload: WorkloadCase<'w>,
    service: &'w Object,
}

/// `ResolveShortnameToFQDN` in pilot/pkg/model/config.go: a name with a dot is taken as it is, so `reviews.shop`
/// leads nowhere.
fn targets<'w>(case: &ObjectCase<'w>, host: &str) -> Result<Vec<Target<'w>>, Abstain> {
    let own = case.object.meta.namespace.value.as_str();
    let full = host.strip_suffix(".svc.cluster.local");
    let (name, namespace) = match full.and_then(|full| full.split_once('.')) {
        Some((name, namespace)) if !namespace.contains('.') => (name, namespace),
        Some(_) => return Err(Abstain::NotApplicable),
        None if host.contains('.') || host == "*" => return Err(Abstain::NotApplicable),
        None => (host, own),
    };
    let joined = case.joined;
    if name == "*" {
        let ids = joined.joins.workloads_in(namespace).iter().take(COMPARED);
        let near = ids.filter_map(|id| joined.workload(*id));
        return Ok(near
            .filter(|workload| joined.may_be_together(case.object, workload.object))
            .filter_map(|workload| Some(Target { service: workload.first_service()?.0, workload }))
            .collect());
    }
    let service =
        joined.service_near(case.object, namespace, name).ok_or(Abstain::NotApplicable)?;
    let serving = service.serving().take(COMPARED);
    Ok(serving.map(|workload| Target { workload, service: service.object }).collect())
}

/// A port at which a caller that follows the rule is refused.
struct Refused<'w> {
    port: &'w ServicePort,
    number: i64,
    strict: Option<&'w Origin>,
    meshed: crate::case::mesh::Meshed,
}

fn refused<'w>(
    rule: &DestinationRule,
    tls: &ClientTls,
    target: &Target<'w>,
) -> Result<Option<Refused<'w>>, Abstain> {
    let meshed = target.workload.sidecar()?;
    target.workload.as_applied()?;
    let mtls = target.workload.mtls()?;
    let Body::Service(service) = &target.service.body else { return Err(Abstain::NotApplicable) };
    let pod = target.workload.pod();
    for port in service.ports.iter().filter(|port| port.protocol.value == "TCP") {
        let Some(own) = port.port.as_ref().map(|port| port.value) else { continue };
        let meant = match tls.port {
            Some(wanted) => wanted == own,
            None => !rule.own_ports.contains(&own),
        };
        let Some(number) = pod.target_number(port).filter(|n| meant && pod.captures(*n)) else {
            continue;
        };
        if let Some(strict) = strict_at(&mtls, number) {
            return Ok(Some(Refused { port, number, strict: Some(strict), meshed }));
        }
    }
    Ok(None)
}

fn finding(tls: &ClientTls, target: &Target<'_>, refused: &Refused<'_>) -> Finding {
    let mode = tls.mode.value.as_str();
    let speaks = if mode == "DISABLE" { "plaintext" } else { "TLS without a client certificate" };
    let service = target.service.meta.name();
    let mut finding = Finding::new(
        &RULE,
        format!(
            "callers of Service {service} are told to speak {speaks}, and its pods accept mutual TLS \
             alone on port {}: every call through a proxy is reset",
            refused.number
        ),
        &tls.mode.origin,
        format!("callers speak {speaks}"),
    );
    if let Some(strict) = refused.strict {
        finding = finding.also(strict, "pods accept mutual TLS alone");
    }
    finding
        .also(&refused.port.origin, "the port that is called")
        .also(&refused.meshed.origin, refused.meshed.label())
        .fix(
            Fix::suggest(
                "write mode: ISTIO_MUTUAL, or leave tls out: Istio then finds out by itself",
            )
            .replace(&tls.mode.origin, "ISTIO_MUTUAL"),
        )
}
