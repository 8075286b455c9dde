//! A Service whose selector matches no pods.

use crate::case::ObjectCase;
use crate::case::near::{Near, OtherKey};
use crate::facts::objects::Selector;
use crate::facts::settings::Existing;
use crate::facts::{Body, Object};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Workloads that are compared with a selector that matches none.
const COMPARED: usize = 2000;

/// A Service without endpoints refuses every connection.
pub static RULE: Rule = Rule {
    id: "service-selects-nothing",
    group: Group::Network,
    level: Level::Deny,
    title: "a Service whose selector matches no pod of the input",
    page: include_str!("service-selects-nothing.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::Service(service) = &case.object.body else { return Err(Abstain::NotApplicable) };
    let selector = service.selector.as_ref().filter(|selector| !selector.is_empty());
    let selector = selector.ok_or(Abstain::NotApplicable)?;
    if service.service_type.value == "ExternalName" || case.selected().next().is_some() {
        return Ok(());
    }
    case.joined.nothing_passed_over(case.id, |_| true)?;
    let namespace = &case.object.meta.namespace.value;
    let ids = case.joined.joins.workloads_in(namespace);
    let mut near = ids
        .iter()
        .take(COMPARED)
        .filter_map(|id| case.world().objects.get(*id))
        .filter(|object| !object.is_helm_hook() && case.joined.may_be_together(case.object, object))
        .filter_map(|object| Some((object, Near::of(selector, object)?)));
    let first = near.next();
    // Of two values that are nearly right neither is what was meant for certain.
    let unsure = first.as_ref().is_some_and(|(_, first)| near.any(|(_, other)| other != *first));
    let near = first.filter(|_| !unsure);
    let closed = case.joined.pods_are_known(namespace);
    let renamed = renamed(case, selector).filter(|_| near.is_none() && !unsure);
    let wanted: Vec<String> = selector.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let wanted = wanted.join(",");
    let mut finding = match &near {
        Some((object, Near::OnObjectOnly)) => Finding::new(
            &RULE,
            format!(
                "no pod has the labels {wanted}: {} {} has them itself, its pod template has not, \
                 and the Service has no endpoints",
                object.meta.kind.value,
                object.meta.name()
            ),
            &selector.origin,
            "matches pods, not the objects that make them",
        ),
        Some((_, Near::Value { key, wanted, found })) => Finding::new(
            &RULE,
            format!(
                "no pod has the label {key}={wanted}, only {key}={found}: the Service has no endpoints"
            ),
            &selector.origin,
            "matches no pod",
        ),
        None if let Some((_, OtherKey { wanted, found, value })) = &renamed => Finding::new(
            &RULE,
            format!(
                "no pod has the label {wanted}={value}, only {found}={value}: the Service has no endpoints"
            ),
            &selector.origin,
            "matches no pod",
        ),
        None if closed => Finding::new(
            &RULE,
            format!(
                "no pod has the labels {wanted}: the Service has no endpoints and refuses connections"
            ),
            &selector.origin,
            "matches no pod",
        ),
        None => {
            return Err(Abstain::unknown(
                Reason::ObjectNotInInput,
                format!("pods with the labels {wanted}"),
            ));
        }
    };
    if !closed {
        finding = finding.level(Level::Warn);
    }
    match near {
        Some((object, Near::OnObjectOnly)) => {
            if let Some(workload) = object.workload() {
                finding = finding.also(&workload.pod.origin, "the pods lack the labels");
            }
            finding = finding.fix(Fix::suggest("put the labels on spec.template.metadata too"));
        }
        Some((object, Near::Value { key, found, .. })) => {
            let labels = object.workload().map(|w| &w.pod.labels);
            if let Some(label) = labels.and_then(|labels| labels.get(&key)) {
                finding = finding.also(&label.origin, "what the pods have");
            }
            let fix = Fix::suggest(format!("select {key}: {found}"));
            let value = selector.labels.get(&key);
            finding = finding.fix(match value {
                Some(value) => case.world().rewrite(fix, &value.origin, &value.value, &found),
                None => fix,
            });
        }
        None if let Some((object, OtherKey { wanted, found, value })) = &renamed => {
            let labels = object.workload().map(|w| &w.pod.labels);
            if let Some(label) = labels.and_then(|labels| labels.get(found)) {
                finding = finding.also(&label.origin, "what the pods have");
            }
            let fix = format!("select {found}: {value} in place of {wanted}");
            finding = finding.fix(Fix::suggest(fix));
        }
        None => {
            let name = case.object.meta.name();
            finding = finding.note(Existing::advice(&format!("Deployment {namespace}/{name}")));
        }
    }
    out.push(finding);
    Ok(())
}

/// The workload whose pods have the name that the selector asks for under another label; none where several do.
fn renamed<'w>(case: &ObjectCase<'w>, selector: &Selector) -> Option<(&'w Object, OtherKey)> {
    let ids = case.joined.joins.workloads_in(&case.object.meta.namespace.value);
    let objects = ids.iter().take(COMPARED).filter_map(|id| case.world().objects.get(*id));
    let mut found = objects
        .filter(|it| !it.is_helm_hook() && case.joined.may_be_together(case.object, it))
        .filter_map(|object| Some((object, OtherKey::of(selector, object)?)));
    let first = found.next()?;
    found.all(|(_, other)| other == first.1).then_some(first)
}
