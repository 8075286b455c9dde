//! Which metrics the queries of an object ask for, and of whom.

use super::rollouts::{Resolved, args_in};
use super::{ObjectCase, WorkloadCase};
use crate::facts::Fact;
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::model::promql::{Matcher, Op, Query, Selector};

/// Whose a query of PromQL is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A trigger of KEDA's.
    Keda,
    /// A MetricTemplate of Flagger's.
    Flagger,
    /// A rule of Prometheus'.
    Rule,
    /// A metric of an analysis of Argo's.
    Analysis,
}

/// Triggers and rules of one object that are looked at.
const MOST: usize = 1000;

/// Workloads whose names are compared with that of a metric.
const COMPARED: usize = 2000;

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
pub const NAMING: &[&str] = &[
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

impl<'w> ObjectCase<'w> {
    /// Queries of an analysis or of a PrometheusRule, with the text each is.
    pub fn asked(&self) -> Vec<(Fact<String>, Query)> {
        if self.analysis().is_some() {
            let all = self.queries().into_iter();
            return all.map(|measured| (measured.text.clone(), measured.query)).collect();
        }
        let meta = &self.object.meta;
        if meta.kind.value != "PrometheusRule" || meta.group() != "monitoring.coreos.com" {
            return Vec::new();
        }
        let groups = self.object.node().at(&["spec", "groups"]).into_iter().flat_map(Node::items);
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

    /// The queries of PromQL that an object holds, and whose they are. Rules with placeholders are left out.
    pub fn promql(&self) -> Vec<(Fact<String>, Asker)> {
        let meta = &self.object.meta;
        let spec = self.object.node().get("spec");
        let text = |node: Option<Node<'_>>| {
            let node = node?;
            Some(Fact::written(node.as_str()?.to_owned(), node.origin()))
        };
        match (meta.group(), meta.kind.value.as_str()) {
            ("keda.sh", "ScaledObject" | "ScaledJob") => {
                let triggers = spec.and_then(|spec| spec.get("triggers"));
                let triggers = triggers.into_iter().flat_map(Node::items).take(MOST);
                let of_prometheus = triggers.filter(|trigger| {
                    trigger.get("type").and_then(Node::as_str) == Some("prometheus")
                });
                let queries = of_prometheus.filter_map(|it| text(it.at(&["metadata", "query"])));
                queries.map(|query| (query, Asker::Keda)).collect()
            }
            ("flagger.app", "MetricTemplate") => {
                let of = |path: &[&str]| spec.and_then(|spec| spec.at(path));
                let kind = of(&["provider", "type"]).and_then(Node::as_str);
                let query = text(of(&["query"])).filter(|_| kind == Some("prometheus"));
                query.map(|query| (query, Asker::Flagger)).into_iter().collect()
            }
            ("monitoring.coreos.com", _) => {
                let asked = self.asked().into_iter().map(|(query, _)| query);
                let asked = asked.filter(|query| !may_be_in(&query.value));
                asked.map(|query| (query, Asker::Rule)).collect()
            }
            _ => {
                let asked = self.asked().into_iter().map(|(query, _)| query);
                asked.map(|query| (query, Asker::Analysis)).collect()
            }
        }
    }

    /// The workload whose series the selector seems to ask for: the one that a label names, else the one whose name
    /// the metric's begins with (`ledger_requests_total`), where no label names another.
    pub fn seems_asked_of(&self, selector: &Selector) -> Option<WorkloadCase<'w>> {
        if let Some(found) = self.asked_of(selector) {
            return Some(found);
        }
        let name = selector.name.as_deref().filter(|name| !is_foreign(name))?;
        if selector.matchers.iter().any(|matcher| NAMING.contains(&matcher.label.as_str())) {
            return None;
        }
        let namespace = match selector.matchers.iter().find(|it| it.label == "namespace") {
            Some(matcher) if matcher.op == Op::Equal => matcher.value.as_str(),
            Some(_) => return None,
            None => self.object.meta.namespace.value.as_str(),
        };
        let ids = self.joined.joins.workloads_in(namespace).iter().take(COMPARED);
        let begins = |id: &crate::case::ObjectId| {
            let object = self.world().objects.get(*id)?;
            let own = object.meta.name().replace('-', "_");
            let rest = name.strip_prefix(own.as_str()).filter(|_| !own.is_empty())?;
            let near = self.joined.may_be_together(self.object, object);
            (near && rest.starts_with('_')).then_some((own.len(), *id))
        };
        let mut found: Vec<(usize, crate::case::ObjectId)> = ids.filter_map(begins).collect();
        found.sort_unstable();
        let (longest, id) = found.pop()?;
        // Of two of one name neither is meant for certain, nor is one beside its exporter: `cache_commands_total` is what
        // `cache-exporter` counts of `cache`.
        let own = name.get(..longest)?;
        let beside = |other: &crate::case::ObjectId| {
            let of = self.world().objects.get(*other).map(|object| object.meta.name());
            *other != id && of.is_some_and(|of| of.replace('-', "_").starts_with(own))
        };
        let mut all = self.joined.joins.workloads_in(namespace).iter().take(COMPARED);
        if all.any(beside) {
            return None;
        }
        self.joined.workload(id).map(|workload| workload.template())
    }

    /// The workload whose series the selector asks for, where a label says so.
    pub fn asked_of(&self, selector: &Selector) -> Option<WorkloadCase<'w>> {
        let equal = |matcher: &&Matcher| matcher.op == Op::Equal;
        for matcher in selector.matchers.iter().filter(equal) {
            let names = args_in(&matcher.value).next().is_some();
            if !names {
                if NAMING.contains(&matcher.label.as_str())
                    && let Some(found) = named(self, &matcher.value)
                {
                    return Some(found);
                }
                continue;
            }
            let analysis = self.analysis()?;
            for used in self.uses() {
                for name in args_in(&matcher.value) {
                    match used.arg(analysis, name) {
                        // The pods of the Rollout itself.
                        Resolved::LatestHash | Resolved::StableHash => {
                            return Some(used.rollout.template());
                        }
                        Resolved::Text(text) if NAMING.contains(&matcher.label.as_str()) => {
                            if let Some(found) = named(self, text) {
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
}

/// Whether others than the program make a metric of that name.
pub fn is_foreign(name: &str) -> bool {
    // A colon is a recording rule's.
    name.contains(':')
        || FOREIGN_NAMES.contains(&name)
        || FOREIGN.iter().any(|prefix| name.starts_with(prefix))
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
