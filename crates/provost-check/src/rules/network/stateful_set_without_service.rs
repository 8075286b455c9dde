//! A StatefulSet whose pods have no names.

use crate::case::WorkloadCase;
use crate::facts::objects::StringMap;
use crate::facts::placeholders::may_be_in;
use crate::facts::settings::Existing;
use crate::facts::workload::WorkloadKind;
use crate::facts::{Body, Fact, Object};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `checkout-0.checkout` does not resolve. The StatefulSet writes hostname and subdomain into its
/// pods (pkg/controller/statefulset, v1.37), the endpoints carry the hostname whether or not the
/// Service has a cluster IP (`ShouldSetHostname` of k8s.io/endpointslice), and CoreDNS answers by it
/// (`findServices` of its plugin kubernetes).
pub static RULE: Rule = Rule {
    id: "stateful-set-without-service",
    group: Group::Network,
    level: Level::Warn,
    title: "a StatefulSet without the Service that names its pods",
    page: include_str!("stateful-set-without-service.md"),
    needs: &[Need::Manifest],
    check: Check::Workload(check),
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    if case.workload.kind != WorkloadKind::StatefulSet {
        return Err(Abstain::NotApplicable);
    }
    case.unpatched(&["spec/serviceName"])?;
    let Some(name) = case.workload.service_name.as_ref().filter(|name| !name.value.is_empty())
    else {
        out.push(
            Finding::new(
                &RULE,
                "the StatefulSet names no Service: its pods have no DNS names of their own, which is \
                 what one uses a StatefulSet for",
                &case.object.origin(),
                "has no serviceName",
            )
            .fix(Fix::suggest("make a headless Service (clusterIP: None) and set serviceName to it")),
        );
        return Ok(());
    };
    let namespace = &case.object.meta.namespace.value;
    if let Some(service) = case.joined.named(case.object, namespace, "Service", &name.value)? {
        return selects(case, service, name, out);
    }
    if case.joined.is_declared("Service", namespace, &name.value) {
        return Ok(());
    }
    if !case.world().settings.closed_world {
        let what = format!("Service {}", name.value);
        return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "Service {} does not exist: names such as {}-0.{} do not resolve",
                name.value,
                case.object.meta.name(),
                name.value
            ),
            &name.origin,
            "no such Service",
        )
        .note(Existing::advice(&format!("Service {namespace}/{}", name.value)))
        .fix(Fix::suggest("make a headless Service (clusterIP: None) of that name")),
    );
    Ok(())
}

/// Only pods that the Service selects have a name of it.
fn selects(
    case: &WorkloadCase<'_>,
    object: &Object,
    name: &Fact<String>,
    out: &mut Findings,
) -> Judged {
    let Body::Service(service) = &object.body else { return Ok(()) };
    let Some(selector) = service.selector.as_ref().filter(|selector| !selector.is_empty()) else {
        // Somebody else fills its endpoints.
        return Ok(());
    };
    let labels = &case.pod().labels;
    let open = |map: &StringMap| map.iter().any(|(k, v)| may_be_in(k) || may_be_in(v));
    if selector.matches(labels) || open(labels) || open(&selector.labels) {
        return Ok(());
    }
    case.unpatched(&["spec/template/metadata/labels"])?;
    let mut finding = Finding::new(
        &RULE,
        format!(
            "Service {} does not select the pods of the StatefulSet: names such as {}-0.{} do not \
             resolve",
            name.value,
            case.object.meta.name(),
            name.value
        ),
        &name.origin,
        "selects other pods",
    )
    .also(&selector.origin, "its selector");
    if let Some((key, _)) = labels.0.first() {
        finding = finding.also(&key.origin, "the labels of the pods");
    }
    out.push(finding.fix(Fix::suggest("make the selector match the labels of the template")));
    Ok(())
}
