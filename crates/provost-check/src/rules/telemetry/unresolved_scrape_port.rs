//! A monitor that asks a port nobody has.

use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::document::Node;
use crate::facts::objects::{Selector, StringMap};
use crate::facts::{Body, Fact, Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
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

/// Objects of one namespace that are compared with a monitor's selector.
const COMPARED: usize = 2000;

fn monitor(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    let (endpoints, services) = match (meta.group(), meta.kind.value.as_str()) {
        ("monitoring.coreos.com", "ServiceMonitor") => ("endpoints", true),
        ("monitoring.coreos.com", "PodMonitor") => ("podMetricsEndpoints", false),
        _ => return Err(Abstain::NotApplicable),
    };
    let spec = case.object.node().get("spec").ok_or(Abstain::NotApplicable)?;
    let selector_node = spec.get("selector").ok_or(Abstain::NotApplicable)?;
    let selector = selector_of(selector_node);
    let namespaces = namespaces(spec, &meta.namespace.value);
    let objects = case.world().objects.iter();
    let in_reach = objects.filter(|object| {
        namespaces
            .as_ref()
            .is_none_or(|names| names.contains(&object.meta.namespace.value.as_str()))
            && case.joined.may_be_together(case.object, object)
    });
    let mut compared = 0;
    let mut matched: Vec<&Object> = Vec::new();
    for object in in_reach {
        let labels: &StringMap = match (&object.body, services) {
            (Body::Service(_), true) => &object.meta.labels,
            (Body::Workload(workload), false) => &workload.pod.labels,
            _ => continue,
        };
        compared += 1;
        if compared > COMPARED {
            return Err(Abstain::unknown(
                Reason::LimitReached,
                "objects that a monitor may select",
            ));
        }
        if selector.matches(labels) {
            matched.push(object);
        }
    }
    if matched.is_empty() {
        let what = if services { "Service" } else { "pod" };
        if compared == 0 || !case.world().settings.closed_world {
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
    for endpoint in spec.get(endpoints).into_iter().flat_map(Node::items) {
        let Some(port) = endpoint.get("port") else { continue };
        let Some(name) = port.as_str() else { continue };
        if name.contains(['{', '$']) || named.iter().any(|own| own.value == name) {
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
        if let Some(near) = nearest(name, named.iter().map(|own| own.value.as_str()), 3)
            && let Some(own) = named.iter().find(|own| own.value == near)
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

/// Namespaces that are looked at; `None` for all.
fn namespaces<'d>(spec: Node<'d>, own: &'d str) -> Option<Vec<&'d str>> {
    let Some(selector) = spec.get("namespaceSelector") else { return Some(vec![own]) };
    if selector.get("any").and_then(Node::as_bool) == Some(true) {
        return None;
    }
    match selector.get("matchNames") {
        Some(names) => Some(names.items().filter_map(Node::as_str).collect()),
        None => Some(vec![own]),
    }
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

fn selector_of(node: Node<'_>) -> Selector {
    let text =
        |node: Node<'_>| Fact::written(node.as_str().unwrap_or_default().to_owned(), node.origin());
    let labels = node.get("matchLabels").into_iter().flat_map(Node::entries);
    let labels = labels.map(|(key, value)| (text(key), text(value))).collect();
    let expressions = node.get("matchExpressions").into_iter().flat_map(Node::items);
    let part = |node: Node<'_>, key: &str| {
        node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned()
    };
    let expressions = expressions.map(|expression| crate::facts::objects::SelectorExpression {
        key: part(expression, "key"),
        operator: part(expression, "operator"),
        values: expression
            .get("values")
            .into_iter()
            .flat_map(Node::items)
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect(),
    });
    Selector {
        origin: node.origin(),
        labels: StringMap::new(labels),
        expressions: expressions.collect(),
    }
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
    let Some(first) = pod.first_number() else { return Err(Abstain::NotApplicable) };
    // A mesh's proxy merges metrics on a port of its own.
    if pod.serves(i64::from(number), "TCP") || [15020, 15090, 4191].contains(&number) {
        return Ok(());
    }
    if case.target().is_some_and(|target| target.settings_mention(number)) {
        return Ok(());
    }
    if let Some(program) = case.target().and_then(|target| target.known_program()) {
        let text = program.text.find(&format!(":{number}"));
        if text != crate::facts::program_text::TextPresence::Absent {
            return Ok(());
        }
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
