//! A monitor that asks a port nobody has.

use std::collections::{BTreeSet, HashSet};

use crate::case::{Case, ObjectCase, ObjectId, WorkloadCase};
use crate::facts::document::Node;
use crate::facts::objects::Selector;
use crate::facts::program_text::NumberPresence;
use crate::facts::{Body, Fact, Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::listeners::Listener;
use crate::model::names::nearest;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const NOTHING: Variant = Variant::new(
    "monitor-selects-nothing",
    Level::Warn,
    "a monitor that selects no Service or pod",
);

/// Prometheus drops the target in silence.
pub static RULE: Rule = Rule {
    id: "unresolved-scrape-port",
    group: Group::Telemetry,
    level: Level::Deny,
    title: "a monitor or annotation names a port that is not there",
    page: include_str!("unresolved-scrape-port.md"),
    needs: &[Need::Manifest],
    variants: &[NOTHING],
    check: Check::Object(monitor),
    also: &[Check::Workload(annotation)],
    ..Rule::BASE
};

/// Objects with a label that a monitor asks for that are compared with its selector.
const COMPARED: usize = 2000;

/// Names of ports that one which is not there is compared with.
const SIMILAR: usize = 256;

fn monitor(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    let (endpoints, services) = match (meta.group(), meta.kind.value.as_str()) {
        ("monitoring.coreos.com", "ServiceMonitor") => ("endpoints", true),
        ("monitoring.coreos.com", "PodMonitor") => ("podMetricsEndpoints", false),
        _ => return Err(Abstain::NotApplicable),
    };
    let spec = case.object.node().get("spec").ok_or(Abstain::NotApplicable)?;
    let selector_node = spec.get("selector").ok_or(Abstain::NotApplicable)?;
    let selector = Selector::at(selector_node);
    let joins = &case.joined.joins;
    let index = if services { joins.services_by_label() } else { joins.pods_by_label() };
    let namespaces = namespaces(spec, &meta.namespace.value);
    let (mut near, mut all) = (BTreeSet::new(), false);
    for namespace in namespaces {
        let group = index.of(index.smallest(namespace, &selector));
        near.extend(group.iter().take(COMPARED + 1));
        if near.len() > COMPARED {
            let what = "objects that a monitor may select";
            return Err(Abstain::unknown(Reason::LimitReached, what));
        }
        all |= in_reach(case, index.of((namespace, None))).next().is_some();
    }
    let near: Vec<ObjectId> = near.into_iter().collect();
    let matched = in_reach(case, &near).filter(|(id, _)| index.matches(*id, &selector));
    let matched: Vec<&Object> = matched.map(|(_, object)| object).collect();
    if matched.is_empty() {
        let what = if services { "Service" } else { "pod" };
        if !all || !case.world().settings.closed_world {
            return Err(Abstain::unknown(
                Reason::ObjectNotInInput,
                format!("the {what}s it selects"),
            ));
        }
        out.push(
            Finding::new(
                &RULE,
                format!("the monitor selects no {what}: nothing is scraped"),
                &selector.origin,
                format!("matches no {what}"),
            )
            .variant(&NOTHING)
            .fix(Fix::suggest(if services {
                "select labels that the Service itself has (metadata.labels), not those of its pods"
            } else {
                "select labels of the pod template"
            })),
        );
        return Ok(());
    }
    let named = ports_of(&matched);
    let known: HashSet<&str> = named.iter().map(|own| own.value.as_str()).collect();
    for endpoint in spec.get(endpoints).into_iter().flat_map(Node::items) {
        let Some(port) = endpoint.get("port") else { continue };
        let Some(name) = port.as_str() else { continue };
        if name.contains(['{', '$']) || known.contains(name) {
            continue;
        }
        let kind = if services { "Service" } else { "container" };
        let mut finding = Finding::new(
            &RULE,
            format!("no {kind} that the monitor selects has a port named {name}: Prometheus drops the target without an error"),
            &port.origin(),
            "names a port that is not there",
        )
        .also(&matched[0].origin(), "what it selects");
        let similar = named.iter().take(SIMILAR);
        if let Some(near) = nearest(name, similar.clone().map(|own| own.value.as_str()), 3)
            && let Some(own) = similar.clone().find(|own| own.value == near)
        {
            finding = finding
                .also(&own.origin, "perhaps this one")
                .fix(Fix::suggest(format!("write port: {near}")).replace(&port.origin(), near));
        } else if services {
            finding = finding.fix(Fix::suggest("name a port of the Service: a number, or the container's name for it, is not looked up"));
        }
        out.push(finding);
    }
    Ok(())
}

/// Namespaces that are looked at; none stands for all.
fn namespaces<'d>(spec: Node<'d>, own: &'d str) -> BTreeSet<Option<&'d str>> {
    let Some(selector) = spec.get("namespaceSelector") else { return [Some(own)].into() };
    if selector.get("any").and_then(Node::as_bool) == Some(true) {
        return [None].into();
    }
    match selector.get("matchNames") {
        Some(names) => names.items().filter_map(Node::as_str).map(Some).collect(),
        None => [Some(own)].into(),
    }
}

/// Those of the objects that may be applied together with the monitor.
fn in_reach<'w>(
    case: &ObjectCase<'w>,
    ids: &[ObjectId],
) -> impl Iterator<Item = (ObjectId, &'w Object)> {
    let world = case.world();
    let objects = ids.iter().take(COMPARED).filter_map(|id| Some((*id, world.objects.get(*id)?)));
    objects.filter(|(_, object)| case.joined.may_be_together(case.object, object))
}

fn ports_of<'w>(matched: &[&'w Object]) -> Vec<&'w Fact<String>> {
    let mut names = Vec::new();
    for object in matched {
        match &object.body {
            Body::Service(service) => {
                names.extend(service.ports.iter().filter_map(|p| p.name.as_ref()))
            }
            Body::Workload(workload) => {
                let ports = workload.pod.containers.iter().flat_map(|container| &container.ports);
                names.extend(ports.filter_map(|port| port.name.as_ref()));
            }
            _ => {}
        }
    }
    names
}

/// `prometheus.io/port`, which many scrape configurations read.
fn annotation(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let annotations = &case.pod().annotations;
    let scraped = annotations.get("prometheus.io/scrape").is_some_and(|fact| fact.value == "true");
    let port = annotations.get("prometheus.io/port").filter(|_| scraped);
    let port = port.ok_or(Abstain::NotApplicable)?;
    let Ok(number) = port.value.parse::<u16>() else {
        if !port.value.contains(['{', '$']) {
            out.push(wrong(
                format!("prometheus.io/port is {}, which is no port", port.value),
                &port.origin,
            ));
        }
        return Ok(());
    };
    let pod = case.pod();
    if let Some(target) = case.target() {
        match target.listens_elsewhere(number, Listener::Metrics) {
            Ok(Some(elsewhere)) => {
                let consequence = elsewhere.consequence(number, "nothing is scraped");
                let finding = wrong(
                    format!("Prometheus is told to ask port {number}, {consequence}"),
                    &port.origin,
                );
                out.push(
                    elsewhere
                        .explain(&target, number, finding)
                        .level(Level::Warn)
                        .fix(elsewhere.fix(number, "ask that")),
                );
                return Ok(());
            }
            Ok(None) => {}
            Err(abstain) => out.abstain(abstain),
        }
    }
    let Some(first) = pod.first_number() else { return Err(Abstain::NotApplicable) };
    // A program whose ports nobody lists, or a proxy that is configured elsewhere (Envoy's admin
    // port), contradicts nothing.
    let mut own = case.into_containers().filter(Case::is_target).peekable();
    if own.peek().is_none() || own.any(|own| own.container.ports.is_empty()) {
        return Err(Abstain::NotApplicable);
    }
    // A mesh's proxy merges metrics on a port of its own.
    if pod.serves(i64::from(number), "TCP") || [15020, 15090, 4191].contains(&number) {
        return Ok(());
    }
    if case.target().is_some_and(|target| target.settings_mention(number)) {
        return Ok(());
    }
    let program = case.target().and_then(|target| target.known_program());
    if program.is_some_and(|program| program.text.find_port(number) != NumberPresence::Absent) {
        return Ok(());
    }
    out.push(
        wrong(
            format!(
                "Prometheus is told to ask port {number}, which no container of the pod declares"
            ),
            &port.origin,
        )
        .also(&first.origin, "what is declared")
        .level(Level::Warn),
    );
    Ok(())
}

fn wrong(message: String, origin: &Origin) -> Finding {
    Finding::new(&RULE, message, origin, "nobody listens there")
        .fix(Fix::suggest("name the port that serves /metrics"))
}
