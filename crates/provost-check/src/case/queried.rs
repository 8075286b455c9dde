//! Which metrics the queries of an object ask for, and of whom.

use super::rollouts::{Resolved, args_in};
use super::{ObjectCase, WorkloadCase};
use crate::facts::Fact;
use crate::facts::document::Node;
use crate::model::promql::{Matcher, Op, Query, Selector};

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
