//! ScaledObjects that go to zero pods and have nobody left to count what would bring one back.

use crate::case::queried::is_foreign;
use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::document::Node;
use crate::facts::placeholders::is_open_code;
use crate::facts::program_text::TextPresence;
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::promql::{Query, Selector};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `ExecutePromQuery` in pkg/scalers/prometheus_scaler.go of keda v2.21: an empty result is 0, which is not above
/// `activationThreshold`.
pub static RULE: Rule = Rule {
    id: "scales-to-zero-for-good",
    group: Group::Availability,
    level: Level::Warn,
    title: "a workload that is scaled to zero by a metric of its own pods",
    page: include_str!("scales-to-zero-for-good.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

/// Triggers of one object that are looked at, and selectors of one query.
const MOST: usize = 64;

/// Functions whose result is there whatever is measured.
const ALWAYS_THERE: &[&str] = &["vector", "absent", "absent_over_time", "time"];

/// What exporters of other systems call their metrics: a label may name the workload that they are about.
const EXPORTERS: &[&str] = &[
    "rabbitmq_",
    "kafka_",
    "redis_",
    "nats_",
    "jetstream_",
    "gnatsd_",
    "pg_",
    "postgres",
    "mysql_",
    "mongodb_",
    "aws_",
    "sqs_",
    "stackdriver_",
    "pulsar_",
    "activemq_",
    "artemis_",
    "celery_",
    "temporal_",
    "consul_",
    "etcd_",
    "coredns_",
    "cilium_",
    "hubble_",
    "kong_",
    "apisix_",
    "caddy_",
    "gateway_",
    "interceptor_",
    "keda_",
];

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.group() != "keda.sh" || meta.kind.value != "ScaledObject" {
        return Err(Abstain::NotApplicable);
    }
    let spec = case.object.node().get("spec").ok_or(Abstain::NotApplicable)?;
    case.joined.unpatched(case.object, &["spec"])?;
    let Some((zero, label)) = zero(spec) else { return Ok(()) };
    let Some(target) = target(case, spec) else { return Ok(()) };
    let triggers: Vec<Node<'_>> =
        spec.get("triggers").into_iter().flat_map(Node::items).take(MOST + 1).collect();
    if triggers.len() > MOST {
        return Ok(());
    }
    let mut first: Option<(Origin, String)> = None;
    for trigger in triggers {
        match trigger.get("type").and_then(Node::as_str) {
            // Of no pods there is no CPU and no memory: they bring none back.
            Some("cpu" | "memory") => {}
            Some("prometheus") => {
                let Some(own) = asks_itself(case, trigger, &target) else { return Ok(()) };
                first = first.or(Some(own));
            }
            _ => return Ok(()),
        }
    }
    let Some((query, metric)) = first else { return Ok(()) };
    let name = target.object.meta.name();
    let message = format!(
        "{name} is scaled to zero by what its own pods count: without a pod {metric} has no series, KEDA takes \
         no result for 0, and nothing brings a pod back"
    );
    let finding = Finding::new(&RULE, message, &query, "asks the pods themselves")
        .also(&zero, label)
        .also(&target.object.origin(), "the only one that has this metric");
    out.push(finding.fix(Fix::suggest(
        "set minReplicaCount to 1, or scale by what waits in front of it: the length of a queue, requests at the \
         gateway",
    )));
    Ok(())
}

/// What lets the workload go to zero, and why.
fn zero(spec: Node<'_>) -> Option<(Origin, &'static str)> {
    let number = |key: &str| spec.get(key).filter(|node| !node.is_null());
    if let Some(idle) = number("idleReplicaCount") {
        return (idle.as_i64() == Some(0))
            .then(|| (idle.origin(), "no pod while nothing triggers"));
    }
    match number("minReplicaCount") {
        Some(least) => {
            (least.as_i64() == Some(0)).then(|| (least.origin(), "no pod while nothing triggers"))
        }
        None => Some((spec.start(), "minReplicaCount is 0 by default")),
    }
}

fn target<'w>(case: &ObjectCase<'w>, spec: Node<'_>) -> Option<WorkloadCase<'w>> {
    let target = spec.get("scaleTargetRef")?;
    let text = |key: &str| target.get(key).and_then(Node::as_str).filter(|text| !text.is_empty());
    let kind = text("kind").unwrap_or("Deployment");
    let namespace = &case.object.meta.namespace.value;
    let [id] = case.joined.joins.named(namespace, kind, text("name")?) else { return None };
    let object = case.world().objects.get(*id)?;
    let near = case.joined.may_be_together(case.object, object);
    case.joined.workload(*id).filter(|_| near)
}

/// The query of a trigger and its first metric, where it asks for nothing but what the workload itself exposes.
fn asks_itself(
    case: &ObjectCase<'_>,
    trigger: Node<'_>,
    target: &WorkloadCase<'_>,
) -> Option<(Origin, String)> {
    let metadata = trigger.get("metadata")?;
    let text = |key: &str| metadata.get(key).and_then(Node::as_str);
    // An error instead of a 0 may be what `fallback` is for.
    if text("ignoreNullValues").is_some_and(|value| value.trim() != "true") {
        return None;
    }
    // 0 is above it.
    let activation = text("activationThreshold").unwrap_or("0").trim().parse::<f64>().ok()?;
    if activation < 0.0 {
        return None;
    }
    let node = metadata.get("query")?;
    let query_text = Fact::written(node.as_str()?.to_owned(), node.origin());
    let query = Query::read(&query_text.value);
    let there = ALWAYS_THERE.iter().any(|name| query.calls(name));
    if !query.complete || there || query.selectors.is_empty() || is_open_code(&query_text.value) {
        return None;
    }
    let mut first = None;
    for selector in query.selectors.iter().take(MOST) {
        let name = own(case, selector, target)?;
        first.get_or_insert(name);
    }
    let name = first?;
    Some((case.world().within(&query_text.origin, name), name.to_owned()))
}

/// The metric, where it is the workload's own and nobody else's.
fn own<'q>(
    case: &ObjectCase<'_>,
    selector: &'q Selector,
    target: &WorkloadCase<'_>,
) -> Option<&'q str> {
    let name = selector.name.as_deref().filter(|name| !is_foreign(name))?;
    if EXPORTERS.iter().any(|exporter| name.starts_with(exporter)) {
        return None;
    }
    let labelled = case.asked_of(selector);
    let by_label = labelled.is_some();
    let asked = labelled.or_else(|| case.seems_asked_of(selector))?;
    let same = std::ptr::eq(asked.object, target.object)
        || std::ptr::eq(asked.object, target.template().object);
    // A program that does not have the name does not count it, and `worker_queue_depth` may be what somebody else counts
    // of the worker: where only the name says whose it is, the program has to have it.
    let program = target.template().target().and_then(|container| container.program().ok());
    let counts = match program {
        Some(program) => {
            let word = crate::rules::telemetry::metric_not_exposed::missing_word(program, name);
            !matches!(word, Ok(Some(_))) || !matches!(program.text.find(name), TextPresence::Absent)
        }
        None => by_label,
    };
    (same && counts).then_some(name)
}
