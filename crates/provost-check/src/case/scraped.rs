//! Where the metrics of a container are asked for: by monitors of the Prometheus operator, or by annotations that
//! many scrape configurations read.

use super::{Case, Joined};
use crate::facts::document::Node;
use crate::facts::objects::{PortRef, Selector};
use crate::facts::{Object, Origin};
use crate::model::promql::seconds;

/// A place where metrics are asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Scraped {
    /// Path and query.
    pub path: String,
    /// Port of the container.
    pub port: u16,
    /// `scrapeTimeout` in seconds, where it is written.
    pub timeout: Option<f64>,
    /// `interval` in seconds, where it is written, and its place.
    pub interval: Option<(f64, Origin)>,
    /// What asks.
    pub origin: Origin,
    /// Where the path is written; what asks, where it is the default.
    pub path_origin: Origin,
    /// Names or labels of series are written anew on the way (`metricRelabelings`).
    pub rewritten: bool,
}

/// Monitors that one container is compared with: there may be thousands of both.
const MONITORS: usize = 1000;

/// Endpoints of one monitor that ask one container.
const ENDPOINTS: usize = 16;

impl<'w> Joined<'w> {
    /// Monitors of the Prometheus operator, in input order.
    fn monitors(&self) -> impl Iterator<Item = &'w Object> {
        let world = self.world;
        let find = || {
            let objects = world.objects.iter().enumerate();
            let monitors = objects.filter(|(_, object)| {
                let kind = object.meta.kind.value.as_str();
                object.meta.group() == "monitoring.coreos.com"
                    && matches!(kind, "ServiceMonitor" | "PodMonitor")
            });
            monitors.take(MONITORS).map(|(id, _)| id).collect()
        };
        self.monitors.get_or_init(find).iter().filter_map(|id| world.objects.get(*id))
    }
}

impl<'w> Case<'w> {
    /// Where the first monitor, or else the annotations of the pod, ask this container.
    pub fn scraped(&self) -> Option<Scraped> {
        let joined = self.of.joined;
        let near =
            joined.monitors().filter(|object| joined.may_be_together(object, self.of.object));
        near.map(|object| self.monitored(object, 1))
            .find_map(|found| found.into_iter().next())
            .or_else(|| self.annotated())
    }

    /// The shortest interval at which this container is asked, in seconds, and where it is written. Nothing where
    /// something asks at the server's own.
    pub fn scrape_interval(&self) -> Option<(f64, Origin)> {
        let joined = self.of.joined;
        if self.annotated().is_some() {
            return None;
        }
        let near =
            joined.monitors().filter(|object| joined.may_be_together(object, self.of.object));
        let asked: Vec<Scraped> =
            near.flat_map(|object| self.monitored(object, ENDPOINTS)).collect();
        let intervals: Option<Vec<(f64, Origin)>> =
            asked.into_iter().map(|scraped| scraped.interval).collect();
        intervals?.into_iter().min_by(|(a, _), (b, _)| a.total_cmp(b))
    }

    /// The endpoints of a monitor that ask this container, as many as are wanted.
    fn monitored(&self, monitor: &'w Object, most: usize) -> Vec<Scraped> {
        let Some(spec) = monitor.node().get("spec") else { return Vec::new() };
        let Some(selector) = spec.get("selector").map(Selector::at) else { return Vec::new() };
        let pods = match monitor.meta.kind.value.as_str() {
            "ServiceMonitor" => false,
            "PodMonitor" => true,
            _ => return Vec::new(),
        };
        let reaches = |object: &Object| reaches(spec, monitor, object);
        if pods {
            if !reaches(self.of.object) || !selector.matches(&self.pod().labels) {
                return Vec::new();
            }
            let endpoints = spec.get("podMetricsEndpoints").into_iter().flat_map(Node::items);
            let found = endpoints.filter_map(|endpoint| {
                let port = match endpoint.get("port").and_then(Node::as_str) {
                    Some(name) => self.container.port_named(name)?.port.as_ref()?.value,
                    None => endpoint.get("portNumber").and_then(Node::as_i64)?,
                };
                self.endpoint(endpoint, port)
            });
            return found.take(most).collect();
        }
        let mut found = Vec::new();
        for (object, service) in self.of.services() {
            if !reaches(object) || !selector.matches(&object.meta.labels) {
                continue;
            }
            for endpoint in spec.get("endpoints").into_iter().flat_map(Node::items) {
                let name = endpoint.get("port").and_then(Node::as_str);
                let port = service.ports.iter().find(|port| {
                    port.name.as_ref().map(|name| name.value.as_str()) == name && name.is_some()
                });
                let number = match endpoint.get("targetPort").filter(|_| name.is_none()) {
                    Some(target) => self.target_port(target),
                    None => port.and_then(|port| self.pod().target_number(port)),
                };
                found.extend(number.and_then(|number| self.endpoint(endpoint, number)));
                if found.len() >= most {
                    return found;
                }
            }
        }
        found
    }

    /// `targetPort`: a port of the pod by name or number, past the Service.
    fn target_port(&self, target: Node<'_>) -> Option<i64> {
        let named = |name| self.container.port_named(name)?.port.as_ref().map(|port| port.value);
        target.as_i64().or_else(|| target.as_str().and_then(named))
    }

    fn endpoint(&self, endpoint: Node<'_>, port: i64) -> Option<Scraped> {
        let text = |key: &str| endpoint.get(key).and_then(Node::as_str);
        // Nothing is known of the certificates here.
        if text("scheme").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")) {
            return None;
        }
        // `__address__`, `__metrics_path__`: it asks elsewhere.
        let moves = |rule: Node<'_>| {
            rule.get("targetLabel").and_then(Node::as_str).is_some_and(|it| it.starts_with("__"))
        };
        if endpoint.get("relabelings").into_iter().flat_map(Node::items).any(moves) {
            return None;
        }
        let relabelings = endpoint.get("metricRelabelings").into_iter().flat_map(Node::items);
        let rewrites = |rule: Node<'_>| {
            let action = rule.get("action").and_then(Node::as_str).unwrap_or("replace");
            !matches!(action.to_ascii_lowercase().as_str(), "keep" | "drop")
        };
        let mut rewritten = relabelings.map(rewrites);
        Some(Scraped {
            path: rooted(text("path").filter(|path| !path.is_empty()).unwrap_or("/metrics")),
            port: self.own_port(port)?,
            timeout: text("scrapeTimeout").and_then(seconds),
            interval: endpoint.get("interval").and_then(|node| {
                let interval = node.as_str().and_then(seconds)?;
                Some((interval, node.origin()))
            }),
            origin: endpoint.origin(),
            path_origin: endpoint.get("path").unwrap_or(endpoint).origin(),
            rewritten: rewritten.any(|rewrites| rewrites),
        })
    }

    /// `prometheus.io/scrape`, `prometheus.io/path` and `prometheus.io/port`.
    fn annotated(&self) -> Option<Scraped> {
        let annotations = &self.pod().annotations;
        let of = |name: &str| annotations.get(&format!("prometheus.io/{name}"));
        let scrape = of("scrape").filter(|fact| fact.value == "true")?;
        if of("scheme").is_some_and(|scheme| scheme.value.eq_ignore_ascii_case("https")) {
            return None;
        }
        let port = of("port")?;
        let path = of("path").map_or("/metrics", |path| path.value.as_str());
        Some(Scraped {
            path: rooted(path),
            port: self.own_port(port.value.parse().ok()?)?,
            timeout: None,
            interval: None,
            origin: scrape.origin.clone(),
            path_origin: of("path").unwrap_or(scrape).origin.clone(),
            rewritten: false,
        })
    }

    /// A port of the pod that is this container's: it declares it, or nobody else can have it.
    pub(super) fn own_port(&self, port: i64) -> Option<u16> {
        let alone = self.pod().containers.len() == 1;
        let declared = self.container.declares(&PortRef::Number(port));
        let own = declared || (alone && !INJECTED.contains(&port));
        u16::try_from(port).ok().filter(|port| own && *port > 0)
    }
}

/// Ports at which proxies have their metrics that a webhook puts beside the container: Istio's agent and its Envoy
/// (`pkg/kube/inject`, 1.31), linkerd-proxy.
const INJECTED: &[i64] = &[4191, 15020, 15090];

/// Whether the namespaces of a monitor hold an object.
fn reaches(spec: Node<'_>, monitor: &Object, object: &Object) -> bool {
    let namespace = object.meta.namespace.value.as_str();
    let Some(selector) = spec.get("namespaceSelector") else {
        return namespace == monitor.meta.namespace.value;
    };
    if selector.get("any").and_then(Node::as_bool) == Some(true) {
        return true;
    }
    match selector.get("matchNames") {
        Some(names) => names.items().filter_map(Node::as_str).any(|name| name == namespace),
        None => namespace == monitor.meta.namespace.value,
    }
}

fn rooted(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

#[cfg(test)]
mod tests {
    use crate::case::{Joined, sample};

    const PODS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: shop}
spec:
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}, annotations: ANNOTATIONS}
    spec:
      containers:
        - {name: app, image: 'a:1', ports: [{name: http, containerPort: 8080}, {name: admin, containerPort: 9090}]}
        - {name: cache, image: 'b:1', ports: [{name: stats, containerPort: 9150}]}
---
apiVersion: v1
kind: Service
metadata: {name: checkout, namespace: shop, labels: {team: pay}}
spec:
  selector: {app: checkout}
  ports: [{name: web, port: 80, targetPort: http}, {name: metrics, port: 9090, targetPort: admin}, {name: stats, port: 9150}]
---
";

    /// Path, port and timeout of the first container.
    fn scraped(annotations: &str, monitor: &str) -> Option<(String, u16, Option<f64>)> {
        let monitor = monitor.replace("VERSION", "apiVersion: monitoring.coreos.com/v1");
        let world = sample::world(PODS.replace("ANNOTATIONS", annotations) + &monitor);
        let joined = Joined::new(&world);
        let case = joined.cases().next().expect("a container");
        case.scraped().map(|found| (found.path, found.port, found.timeout))
    }

    #[test]
    fn the_shortest_interval_counts_and_one_that_is_not_written_is_unknown() {
        let interval = |annotations: &str, endpoints: &str| {
            let monitor = format!(
                "{{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {{name: m, \
                 namespace: shop}}, spec: {{selector: {{matchLabels: {{team: pay}}}}, endpoints: \
                 [{endpoints}]}}}}"
            );
            let world = sample::world(PODS.replace("ANNOTATIONS", annotations) + &monitor);
            let joined = Joined::new(&world);
            let case = joined.cases().next().expect("a container");
            case.scrape_interval().map(|(seconds, _)| seconds)
        };
        let two = "{port: metrics, interval: 1m}, {port: web, interval: 15s}";
        assert_eq!(interval("{}", two), Some(15.0));
        assert_eq!(interval("{}", "{port: metrics, interval: 1m}, {port: web}"), None);
        assert_eq!(interval("{}", "{port: stats, interval: 5s}"), None);
        let annotated = "{prometheus.io/scrape: 'true', prometheus.io/port: '9090'}";
        assert_eq!(interval(annotated, two), None);
    }

    #[test]
    fn monitors_and_annotations_name_the_path_and_the_port_of_the_container() {
        let of = |path: &str, port, timeout| Some((path.to_owned(), port, timeout));
        let service = "{VERSION, kind: ServiceMonitor, metadata: {name: m, namespace: shop}, \
                       spec: {selector: {matchLabels: {team: pay}}, endpoints: [ENDPOINT]}}";
        for (endpoint, expected) in [
            ("{port: metrics}", of("/metrics", 9090, None)),
            (
                "{port: web, path: stats/prometheus, scrapeTimeout: 1500ms}",
                of("/stats/prometheus", 8080, Some(1.5)),
            ),
            ("{targetPort: admin}", of("/metrics", 9090, None)),
            ("{targetPort: 8080}", of("/metrics", 8080, None)),
            ("{targetPort: 9150}", None),
            ("{port: stats}, {port: web}", of("/metrics", 8080, None)),
            ("{port: stats}", None),
            ("{port: absent}", None),
            ("{port: metrics, scheme: https}", None),
        ] {
            assert_eq!(
                scraped("{}", &service.replace("ENDPOINT", endpoint)),
                expected,
                "{endpoint}"
            );
        }
        let elsewhere = service.replace("ENDPOINT", "{port: metrics}");
        let elsewhere = elsewhere.replace("namespace: shop", "namespace: monitoring");
        assert_eq!(scraped("{}", &elsewhere), None);
        let any = elsewhere.replace("spec: {", "spec: {namespaceSelector: {matchNames: [shop]}, ");
        assert_eq!(scraped("{}", &any), of("/metrics", 9090, None));
        let pods = "{VERSION, kind: PodMonitor, metadata: {name: m, namespace: shop}, spec: \
                    {selector: {matchLabels: {app: checkout}}, podMetricsEndpoints: [{port: admin}]}}";
        assert_eq!(scraped("{}", pods), of("/metrics", 9090, None));
        let annotated =
            "{prometheus.io/scrape: 'true', prometheus.io/port: '9090', prometheus.io/path: /m}";
        assert_eq!(scraped(annotated, ""), of("/m", 9090, None));
        assert_eq!(scraped(&annotated.replace("'9090'", "'9150'"), ""), None);
        assert_eq!(scraped(&annotated.replace("'true'", "'false'"), ""), None);
        assert_eq!(scraped("{}", ""), None);
    }
}
