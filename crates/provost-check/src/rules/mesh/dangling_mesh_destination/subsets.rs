//! Subsets of a DestinationRule that no pod is in.
//!
//! An endpoint is in a subset when its pod has all of the labels (`instanceSubset` and `SubsetOf` in
//! pkg/config/labels/instance.go, `EndpointBuilder` in pilot/pkg/xds/endpoints of Istio 1.31). The
//! cluster of one that has none is there and empty: Envoy answers 503 (`UH`).

use super::{MOST_SUBSETS, RULE, SUBSET_OF_NONE};
use crate::case::mesh::{full_name, service_of};
use crate::case::near::Near;
use crate::case::references::{Referenced, Wanted};
use crate::case::routes::Said;
use crate::case::{ObjectCase, ObjectId, WorkloadCase};
use crate::facts::document::Node;
use crate::facts::objects::Selector;
use crate::facts::placeholders::{is_placeholder, may_be_in};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::mesh::is_given_label;
use crate::rules::rule::{Findings, Judged};

/// Workloads of one Service that are looked at.
const MOST_WORKLOADS: usize = 256;

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.group() != "networking.istio.io" || meta.kind.value != "DestinationRule" {
        return Err(Abstain::NotApplicable);
    }
    let spec = case.object.node().get("spec").ok_or(Abstain::NotApplicable)?;
    let host = Said::at(spec, "host").ok_or(Abstain::NotApplicable)?;
    let subsets = spec.get("subsets").into_iter().flat_map(Node::items).take(MOST_SUBSETS);
    let subsets: Vec<(Said<'_>, Selector)> = subsets.filter_map(subset).collect();
    if subsets.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    case.joined.not_without_mesh()?;
    case.joined.unpatched(case.object, &["spec/subsets", "spec/host"])?;
    if is_placeholder(host.text) {
        return Err(Abstain::unknown(Reason::Templated, format!("host {}", host.text)));
    }
    let full = full_name(host.text, &meta.namespace.value);
    let Some((name, namespace)) = service_of(&full) else { return Err(Abstain::NotApplicable) };
    // Its endpoints are others, or others, too.
    if case.joined.hosts.has_entry(&full) {
        let what = format!("the endpoints of the ServiceEntry of {full}");
        return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
    }
    let pods = pods(case, Wanted::service(namespace, name))?;
    // What selects nothing at all is another rule's.
    if pods.is_empty() {
        return Ok(());
    }
    for (name, selector) in &subsets {
        if let Err(unknown) = judge(case, name, selector, &pods, namespace, out) {
            out.abstain(unknown);
        }
    }
    Ok(())
}

/// Name and labels of a subset, where it has any and all are written out.
fn subset(node: Node<'_>) -> Option<(Said<'_>, Selector)> {
    let labels = node.get("labels")?;
    let written = |node: Node<'_>| node.as_str().is_some_and(|text| !may_be_in(text));
    if labels.entries().any(|(key, value)| !written(key) || !written(value)) {
        return None;
    }
    let selector = Selector::of_labels(labels);
    Some((Said::at(node, "name")?, selector)).filter(|(_, selector)| !selector.is_empty())
}

/// The workloads whose pods are behind the Service.
fn pods<'w>(case: &ObjectCase<'w>, wanted: Wanted<'_>) -> Result<Vec<WorkloadCase<'w>>, Abstain> {
    let joined = case.joined;
    let found = match joined.referenced(case.object, wanted)? {
        Referenced::There(found) => found,
        Referenced::Made | Referenced::Missing(_) => return Err(Abstain::NotApplicable),
    };
    let [service] = found.as_slice() else {
        let what = format!("Service {}", wanted.name);
        return Err(Abstain::unknown(Reason::Alternatives, what));
    };
    let meta = &service.meta;
    let ids = joined.joins.named(&meta.namespace.value, "Service", meta.name());
    let is_it = |id: &&ObjectId| {
        joined.world.objects.get(**id).is_some_and(|it| std::ptr::eq(it, *service))
    };
    let id = ids.iter().find(is_it).ok_or(Abstain::NotApplicable)?;
    joined.nothing_passed_over(*id, |_| true)?;
    joined.unpatched(service, &["spec/selector"])?;
    let ids = joined.joins.selected_by(*id);
    if ids.len() > MOST_WORKLOADS {
        let what = format!("the pods of Service {}", wanted.name);
        return Err(Abstain::unknown(Reason::LimitReached, what));
    }
    let pods = ids.iter().filter_map(|id| joined.workload(*id)).map(|it| it.template());
    let pods: Vec<WorkloadCase<'w>> = pods.collect();
    for workload in &pods {
        let of_pod = ["spec/template/metadata/labels", "metadata/labels"];
        let pod = workload.object.meta.kind.value == "Pod";
        workload.unpatched(if pod { &of_pod[1..] } else { &of_pod[..1] })?;
    }
    Ok(pods)
}

fn judge(
    case: &ObjectCase<'_>,
    name: &Said<'_>,
    selector: &Selector,
    pods: &[WorkloadCase<'_>],
    namespace: &str,
    out: &mut Findings,
) -> Judged {
    if pods.iter().any(|workload| selector.matches(&workload.pod().labels)) {
        return Ok(());
    }
    let open = |workload: &WorkloadCase<'_>| {
        workload.pod().labels.iter().any(|(key, value)| may_be_in(key) || may_be_in(value))
    };
    if pods.iter().any(open) {
        let what = format!("the labels of the pods in subset {}", name.text);
        return Err(Abstain::unknown(Reason::Templated, what));
    }
    let has = |key: &str| pods.iter().any(|workload| workload.pod().labels.get(key).is_some());
    if selector.labels.iter().any(|(key, _)| is_given_label(key) && !has(key)) {
        let what = format!("labels of subset {} that a controller gives", name.text);
        return Err(Abstain::unknown(Reason::ExternalController, what));
    }
    let mut near = pods.iter().filter_map(|it| Some((it, Near::of(selector, it.object)?)));
    let first = near.next();
    let unsure = first.as_ref().is_some_and(|(_, first)| near.any(|(_, other)| other != *first));
    let near = first.filter(|_| !unsure);
    let closed = case.joined.pods_are_known(namespace);
    if near.is_none() && !closed {
        let what = format!("pods of subset {}", name.text);
        return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
    }
    let wanted: Vec<String> = selector.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let why = match &near {
        Some((_, near)) => near.told(),
        None => format!("none has {}", wanted.join(",")),
    };
    let value = near.as_ref().and_then(|(_, near)| selector.labels.get(near.key()?));
    let mut finding = Finding::new(
        &RULE,
        format!(
            "subset {} has no pod of the Service: {why}, and requests that are sent to it get 503",
            name.text
        ),
        value.map_or(&selector.origin, |value| &value.origin),
        "no pod has this",
    )
    .variant(&SUBSET_OF_NONE);
    if closed {
        finding = finding.level(Level::Deny);
    }
    match &near {
        Some((workload, Near::Value { key, found, .. })) => {
            if let Some(has) = workload.pod().labels.get(key) {
                finding = finding.also(&has.origin, "what the pods carry");
            }
            let fix = Fix::suggest(format!("write {key}: {found}"));
            finding = finding.fix(match value {
                Some(value) => case.world().rewrite(fix, &value.origin, &value.value, found),
                None => fix,
            });
        }
        Some((workload, Near::OnObjectOnly)) => {
            finding = finding
                .also(&workload.pod().origin, "the pods lack the labels")
                .fix(Fix::suggest("put the labels on spec.template.metadata too"));
        }
        None => {
            for workload in pods.iter().take(3) {
                let own = &workload.pod().labels;
                let key = selector.labels.iter().find_map(|(key, _)| own.get(key));
                let place = key.map(|value| &value.origin);
                let place = place.or_else(|| own.0.first().map(|(key, _)| &key.origin));
                if let Some(place) = place {
                    finding = finding.also(place, "what pods of the Service carry");
                }
            }
        }
    }
    out.push(finding);
    Ok(())
}
