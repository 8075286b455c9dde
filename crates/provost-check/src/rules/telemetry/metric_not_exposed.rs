//! Queries for metrics that the program does not have.

use std::collections::HashSet;

use crate::case::rollouts::{Resolved, args_in};
use crate::case::{Case, ObjectCase, WorkloadCase};
use crate::facts::binary::GoProgram;
use crate::facts::document::Node;
use crate::facts::program_text::TextPresence;
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::promql::{Matcher, Op, Query, Selector};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The names of metrics are constants, or made of constants: what is in none of them is no metric.
pub static RULE: Rule = Rule {
    id: "metric-not-exposed",
    group: Group::Telemetry,
    level: Level::Warn,
    title: "a query for a metric of the program whose name is not in the program",
    page: include_str!("metric-not-exposed.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Object(check),
    ..Rule::BASE
};

/// Metrics that others make of, or beside, a program.
const FOREIGN: &[&str] = &[
    "istio_",
    "envoy_",
    "kube_",
    "kubelet_",
    "container_",
    "node_",
    "machine_",
    "nginx_",
    "traefik_",
    "haproxy_",
    "linkerd_",
    "probe_",
    "scrape_",
    "prometheus_",
    "alertmanager_",
    "apiserver_",
    "traces_",
    "span",
    "aws_",
    "rollout_",
    "argo",
];

/// The same, as whole names.
const FOREIGN_NAMES: &[&str] = &[
    "up",
    "ALERTS",
    "ALERTS_FOR_STATE",
    "calls_total",
    "request_total",
    "response_total",
    "response_latency_ms",
    "target_info",
];

/// Labels that name the workload a series comes from.
const NAMING: &[&str] = &[
    "job",
    "exported_job",
    "app",
    "app_kubernetes_io_name",
    "service",
    "service_name",
    "deployment",
    "container",
];

/// Kinds that a label may name.
const KINDS: &[&str] = &["Deployment", "Rollout", "StatefulSet", "DaemonSet"];

/// More metrics of one object are not looked up: each is a search through a program.
const MOST: usize = 64;

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let queries = queries(case);
    let mut seen = HashSet::new();
    let mut asked = false;
    for (text, query) in &queries {
        for selector in &query.selectors {
            let Some(name) = selector.name.as_deref().filter(|name| !is_foreign(name)) else {
                continue;
            };
            let Some(target) = bound(case, selector) else { continue };
            asked = true;
            if seen.len() >= MOST || !seen.insert(name) {
                continue;
            }
            if let Err(abstain) = judge(case, text, selector, name, &target, out) {
                out.abstain(abstain);
            }
        }
    }
    if asked { Ok(()) } else { Err(Abstain::NotApplicable) }
}

/// Queries of an analysis or of a PrometheusRule, with the text each is.
fn queries(case: &ObjectCase<'_>) -> Vec<(Fact<String>, Query)> {
    if case.analysis().is_some() {
        let all = case.queries().into_iter();
        return all.map(|measured| (measured.text.clone(), measured.query)).collect();
    }
    let meta = &case.object.meta;
    if meta.kind.value != "PrometheusRule" || meta.group() != "monitoring.coreos.com" {
        return Vec::new();
    }
    let groups = case.object.node().at(&["spec", "groups"]).into_iter().flat_map(Node::items);
    let rules = groups.filter_map(|group| group.get("rules")).flat_map(Node::items);
    rules
        .filter_map(|rule| {
            let node = rule.get("expr")?;
            let text = node.as_str()?.to_owned();
            let query = Query::read(&text);
            Some((Fact::written(text, node.origin()), query))
        })
        .collect()
}

fn is_foreign(name: &str) -> bool {
    // A colon is a recording rule's.
    name.contains(':')
        || FOREIGN_NAMES.contains(&name)
        || FOREIGN.iter().any(|prefix| name.starts_with(prefix))
}

/// The workload whose series the selector asks for, where a label says so.
fn bound<'w>(case: &ObjectCase<'w>, selector: &Selector) -> Option<WorkloadCase<'w>> {
    let equal = |matcher: &&Matcher| matcher.op == Op::Equal;
    for matcher in selector.matchers.iter().filter(equal) {
        let names = args_in(&matcher.value).next().is_some();
        if !names {
            if NAMING.contains(&matcher.label.as_str())
                && let Some(found) = named(case, &matcher.value)
            {
                return Some(found);
            }
            continue;
        }
        let analysis = case.analysis()?;
        for used in case.uses() {
            for name in args_in(&matcher.value) {
                match used.arg(analysis, name) {
                    // The pods of the Rollout itself.
                    Resolved::LatestHash | Resolved::StableHash => {
                        return Some(used.rollout.template());
                    }
                    Resolved::Text(text) if NAMING.contains(&matcher.label.as_str()) => {
                        if let Some(found) = named(case, text) {
                            return Some(found);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    None
}

/// The only workload of that name in the namespace.
fn named<'w>(case: &ObjectCase<'w>, name: &str) -> Option<WorkloadCase<'w>> {
    let namespace = &case.object.meta.namespace.value;
    let joins = &case.joined.joins;
    let mut found = KINDS.iter().flat_map(|kind| joins.named(namespace, kind, name));
    match (found.next(), found.next()) {
        (Some(only), None) => case.joined.workload(*only).map(|workload| workload.template()),
        _ => None,
    }
}

fn judge(
    case: &ObjectCase<'_>,
    text: &Fact<String>,
    selector: &Selector,
    name: &str,
    workload: &WorkloadCase<'_>,
    out: &mut Findings,
) -> Judged {
    // A second container may be the exporter.
    if workload.pod().containers.len() > 1 {
        return Err(Abstain::unknown(Reason::CodeUnclear, format!("which container has {name}")));
    }
    let target: Case<'_> = workload.target().ok_or(Abstain::NotApplicable)?;
    let program = target.program()?;
    let Some(word) = missing_word(program, name)? else { return Ok(()) };
    let part = text.value.get(selector.place.clone()).unwrap_or(name);
    let place: Origin = case.world().within(&text.origin, part);
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the query asks {} for {name}, and `{word}` is in no constant of its program: no \
                 such metric can be there",
                workload.object.meta.name()
            ),
            &place,
            "returns nothing",
        )
        .also(&program.version.origin, "the program")
        .also(&workload.object.origin(), "runs it")
        .fix(Fix::suggest("look the name up on /metrics")),
    );
    Ok(())
}

/// Endings that libraries add to a name.
const ENDINGS: &[&str] = &[
    "_bucket",
    "_count",
    "_sum",
    "_created",
    "_total",
    "_seconds",
    "_milliseconds",
    "_microseconds",
    "_bytes",
    "_ratio",
    "_percent",
];

/// A word of the name that is proved to be in no constant; `None` where the name, or all its words,
/// are there: a namespace and a name are joined while the program runs.
fn missing_word<'n>(program: &GoProgram, name: &'n str) -> Result<Option<&'n str>, Abstain> {
    let mut base = name;
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| base.strip_suffix(ending)) {
        if shorter.is_empty() {
            break;
        }
        base = shorter;
    }
    let mut unknown = None;
    for word in base.split('_').filter(|word| word.len() > 3) {
        match program.text.find(word) {
            TextPresence::Absent => return Ok(Some(word)),
            TextPresence::Present(_) => {}
            TextPresence::Unknown(why) => unknown = Some(why),
        }
    }
    match unknown {
        Some(why) => Err(Abstain::unknown(Reason::StringsUnreadable, format!("{name}: {why}"))),
        None => Ok(None),
    }
}
