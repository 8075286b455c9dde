//! Kubernetes objects as facts.

use std::sync::Arc;

use super::document::{Document, Node, NodeId};
use super::mesh::MeshPolicy;
use super::order::Order;
use super::origin::{Fact, Origin};
use super::rollout::Analysis;
use super::workload::{IntOrPercent, Workload};

/// Names and values with the places of both; written order, duplicates kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StringMap(pub Vec<(Fact<String>, Fact<String>)>, Order);

impl StringMap {
    /// A map of these entries.
    pub fn new(mut entries: Vec<(Fact<String>, Fact<String>)>) -> Self {
        // Every object has some, and all are kept.
        entries.shrink_to_fit();
        Self(entries, Order::default())
    }

    /// The last value written for `key`.
    pub fn get(&self, key: &str) -> Option<&Fact<String>> {
        self.1.last(&self.0, |(k, _)| k.value.as_str(), &key).map(|(_, v)| v)
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

/// `metadata` with `apiVersion` and `kind`.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    /// `apps/v1`; empty when missing.
    pub api_version: Fact<String>,
    /// `Deployment`
    pub kind: Fact<String>,
    /// `metadata.name`, or `generateName` with a trailing `*`.
    pub name: Option<Fact<String>>,
    /// `metadata.namespace`, defaulted to `default` (or `--namespace`).
    pub namespace: Fact<String>,
    /// `metadata.labels`
    pub labels: StringMap,
    /// `metadata.annotations`
    pub annotations: StringMap,
}

impl Meta {
    /// API group: `apps` of `apps/v1`, empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.value.split_once('/').map_or("", |(group, _)| group)
    }

    /// The name, or `?`.
    pub fn name(&self) -> &str {
        self.name.as_ref().map_or("?", |n| n.value.as_str())
    }
}

/// One object of the input.
#[derive(Clone, Debug)]
pub struct Object {
    /// Type, name, labels.
    pub meta: Meta,
    /// The document it stands in.
    pub document: Arc<Document>,
    /// Its top mapping; not the document's root when it came in a `List`.
    pub root: NodeId,
    /// The typed rest.
    pub body: Body,
    /// What is known of it when a generator of a kustomization makes it: then it is judged by
    /// nobody, and only there for those that name it.
    pub generated: Option<Generated>,
}

/// A ConfigMap or Secret that a generator makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// All that it is made of could be read.
    pub complete: bool,
    /// Its name ends in a hash of its content, wherever it stands.
    pub hashed: bool,
}

impl Object {
    /// The top mapping.
    pub fn node(&self) -> Node<'_> {
        self.document.node(self.root)
    }

    /// The place of `metadata.name`, else of `kind`, else of the object: where to point when the
    /// object as such is meant.
    pub fn origin(&self) -> Origin {
        match &self.meta.name {
            Some(name) => name.origin.clone(),
            None => self.meta.kind.origin.clone(),
        }
    }

    /// `NS/KIND/NAME`, as reports name it.
    pub fn subject(&self) -> String {
        format!("{}/{}/{}", self.meta.namespace.value, self.meta.kind.value, self.meta.name())
    }

    /// The workload, if it is one.
    pub fn workload(&self) -> Option<&Workload> {
        match &self.body {
            Body::Workload(workload) => Some(workload),
            _ => None,
        }
    }

    /// Keys of a ConfigMap or Secret with their places, those of `data` first; none of another kind.
    pub fn data_keys(&self) -> impl Iterator<Item = &Fact<String>> {
        let (data, others): (&[_], &[_]) = match &self.body {
            Body::ConfigMap(map) => (&map.data.0, &map.binary_keys),
            Body::Secret(secret) => (&[], &secret.keys),
            _ => (&[], &[]),
        };
        data.iter().map(|(key, _)| key).chain(others)
    }

    /// Whether a ConfigMap or Secret has that key.
    pub fn has_data_key(&self, key: &str) -> bool {
        match &self.body {
            Body::ConfigMap(map) => map.has(key),
            Body::Secret(secret) => secret.has(key),
            _ => false,
        }
    }

    /// Whether Helm runs it as a hook or test rather than keeping it.
    pub fn is_helm_hook(&self) -> bool {
        self.meta.annotations.get("helm.sh/hook").is_some()
    }

    /// Whether it runs for `helm test` alone. Source: Helm's `pkg/release/hook.go`, v3.22.
    pub fn is_helm_test(&self) -> bool {
        let is_test =
            |event: &str| matches!(event.trim(), "test" | "test-success" | "test-failure");
        let events = self.meta.annotations.get("helm.sh/hook");
        events.is_some_and(|events| events.value.split(',').all(is_test))
    }
}

/// The kinds that are understood beyond their metadata. Boxed: an object of another kind has no need
/// of the room.
#[derive(Clone, Debug)]
pub enum Body {
    /// Anything that carries a pod template.
    Workload(Box<Workload>),
    /// `v1/Service`
    Service(Box<Service>),
    /// `networking.k8s.io/v1 Ingress` (and its betas)
    Ingress(Box<Ingress>),
    /// `HorizontalPodAutoscaler`
    Hpa(Box<Hpa>),
    /// `PodDisruptionBudget`
    Pdb(Box<Pdb>),
    /// `ConfigMap`
    ConfigMap(Box<ConfigMap>),
    /// `Secret`: names only.
    Secret(Box<Secret>),
    /// `ServiceAccount`
    ServiceAccount(ServiceAccount),
    /// `networking.k8s.io/v1 NetworkPolicy`
    NetworkPolicy(Box<NetworkPolicy>),
    /// A policy of Istio.
    Mesh(Box<MeshPolicy>),
    /// `argoproj.io AnalysisTemplate`, `ClusterAnalysisTemplate` and `AnalysisRun`
    Analysis(Box<Analysis>),
    /// `PriorityClass`
    PriorityClass,
    /// `Namespace`
    Namespace,
    /// A kind that is not modelled.
    Other,
}

/// A label selector.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// The place of the selector.
    pub origin: Origin,
    /// `matchLabels`, or the plain map of a Service.
    pub labels: StringMap,
    /// `matchExpressions`
    pub expressions: Vec<SelectorExpression>,
}

/// One `matchExpressions` entry.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectorExpression {
    /// Label key.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`
    pub operator: String,
    /// Values of `In` and `NotIn`.
    pub values: Vec<String>,
}

impl Selector {
    /// Whether the labels satisfy it. An empty selector matches everything.
    pub fn matches(&self, labels: &StringMap) -> bool {
        let value = |key: &str| labels.get(key).map(|fact| fact.value.as_str());
        self.labels.iter().all(|(k, v)| value(k) == Some(v))
            && self.expressions.iter().all(|e| {
                let has = value(&e.key);
                match e.operator.as_str() {
                    "In" => has.is_some_and(|v| e.values.iter().any(|x| x == v)),
                    "NotIn" => has.is_none_or(|v| e.values.iter().all(|x| x != v)),
                    "Exists" => has.is_some(),
                    "DoesNotExist" => has.is_none(),
                    _ => false,
                }
            })
    }

    /// The selector at a node of an object whose kind is somebody else's; what has another type
    /// counts as not written.
    pub fn at(node: Node<'_>) -> Self {
        let fact = |node: Node<'_>| {
            Fact::written(node.as_str().unwrap_or_default().to_owned(), node.origin())
        };
        let text = |node: Node<'_>, key: &str| {
            node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned()
        };
        let labels = node.get("matchLabels").into_iter().flat_map(Node::entries);
        let expressions = node.get("matchExpressions").into_iter().flat_map(Node::items);
        let expressions = expressions.map(|expression| SelectorExpression {
            key: text(expression, "key"),
            operator: text(expression, "operator"),
            values: expression
                .get("values")
                .into_iter()
                .flat_map(Node::items)
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect(),
        });
        Self {
            origin: node.origin(),
            labels: StringMap::new(labels.map(|(key, value)| (fact(key), fact(value))).collect()),
            expressions: expressions.collect(),
        }
    }

    /// The selector of a plain map of labels; what has another type counts as not written.
    pub fn of_labels(node: Node<'_>) -> Self {
        let fact = |node: Node<'_>| {
            Fact::written(node.as_str().unwrap_or_default().to_owned(), node.origin())
        };
        let labels = node.entries().map(|(key, value)| (fact(key), fact(value))).collect();
        Self { origin: node.origin(), labels: StringMap::new(labels), expressions: Vec::new() }
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.expressions.is_empty()
    }
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortRef {
    /// A number; may be out of range.
    Number(i64),
    /// A name of a container port.
    Name(String),
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePort {
    /// The place of the entry.
    pub origin: Origin,
    /// `name`
    pub name: Option<Fact<String>>,
    /// `port`
    pub port: Option<Fact<i64>>,
    /// `targetPort`, defaulted to `port`.
    pub target_port: Option<Fact<PortRef>>,
    /// `TCP` when not written.
    pub protocol: Fact<String>,
    /// `appProtocol`
    pub app_protocol: Option<Fact<String>>,
    /// `nodePort`
    pub node_port: Option<Fact<i64>>,
}

/// `v1/Service`
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// `ClusterIP` when not written.
    pub service_type: Fact<String>,
    /// `clusterIP: None`
    pub headless: bool,
    /// Selector; none for a Service whose endpoints somebody else fills.
    pub selector: Option<Selector>,
    /// Ports.
    pub ports: Vec<ServicePort>,
    /// `ports` by target.
    pub targets: Order,
}

/// One backend an Ingress names.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressBackend {
    /// Host of the rule, if any.
    pub host: Option<Fact<String>>,
    /// Path of the rule.
    pub path: Option<Fact<String>>,
    /// Service name.
    pub service: Fact<String>,
    /// Service port by number or name.
    pub port: Option<Fact<PortRef>>,
}

/// `Ingress`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ingress {
    /// `ingressClassName` or the old annotation.
    pub class: Option<Fact<String>>,
    /// All backends, the default one included.
    pub backends: Vec<IngressBackend>,
    /// Hosts named under `tls`.
    pub tls_hosts: Vec<Fact<String>>,
}

/// One `ports` entry of a NetworkPolicy rule.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyPort {
    /// `protocol`, default `TCP`.
    pub protocol: String,
    /// `port`; none means all of the protocol.
    pub port: Option<Fact<PortRef>>,
    /// `endPort`: the last port of a range that begins at `port`.
    pub end_port: Option<i64>,
}

/// One rule of a NetworkPolicy.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyRule {
    /// The place of the rule.
    pub origin: Origin,
    /// `ports`; empty means all.
    pub ports: Vec<PolicyPort>,
    /// The `from` or `to` list names peers, and all of them are pods of the policy's own namespace.
    pub same_namespace_only: bool,
}

/// One direction of a NetworkPolicy.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyDirection {
    /// The place of the key `ingress` or `egress`, else of `policyTypes` or the spec.
    pub origin: Origin,
    /// What is let through; nothing when empty.
    pub rules: Vec<PolicyRule>,
}

/// `NetworkPolicy`
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkPolicy {
    /// `podSelector`; empty selects every pod of the namespace.
    pub selector: Selector,
    /// Restricts what comes in, when it does.
    pub ingress: Option<PolicyDirection>,
    /// Restricts what goes out, when it does.
    pub egress: Option<PolicyDirection>,
}

/// What `scaleTargetRef` or `workloadRef` names.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetRef {
    /// The place of the reference.
    pub origin: Origin,
    /// `apiVersion`, compared by group.
    pub api_version: Option<Fact<String>>,
    /// `kind`
    pub kind: Fact<String>,
    /// `name`
    pub name: Fact<String>,
}

/// One metric of an HPA.
#[derive(Clone, Debug, PartialEq)]
pub struct HpaMetric {
    /// The place of the entry.
    pub origin: Origin,
    /// `Resource`, `ContainerResource`, `Pods`, `Object`, `External`
    pub metric_type: Fact<String>,
    /// `cpu` or `memory` of a resource metric.
    pub resource: Option<Fact<String>>,
    /// Container of a `ContainerResource` metric.
    pub container: Option<Fact<String>>,
    /// `Utilization`, `AverageValue`, `Value`
    pub target_type: Option<Fact<String>>,
}

/// `HorizontalPodAutoscaler` v1 and v2.
#[derive(Clone, Debug, PartialEq)]
pub struct Hpa {
    /// `scaleTargetRef`
    pub target: Option<TargetRef>,
    /// `minReplicas`, default 1.
    pub min: Fact<i64>,
    /// `maxReplicas`
    pub max: Option<Fact<i64>>,
    /// Metrics; v1's `targetCPUUtilizationPercentage` and the default (cpu 80 %) become one.
    pub metrics: Vec<HpaMetric>,
}

/// `PodDisruptionBudget`
#[derive(Clone, Debug, PartialEq)]
pub struct Pdb {
    /// Missing selects nothing, `{}` everything in the namespace (policy/v1).
    pub selector: Option<Selector>,
    /// `minAvailable`
    pub min_available: Option<Fact<IntOrPercent>>,
    /// `maxUnavailable`
    pub max_unavailable: Option<Fact<IntOrPercent>>,
    /// `unhealthyPodEvictionPolicy`
    pub unhealthy_policy: Option<Fact<String>>,
}

/// `ConfigMap`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigMap {
    /// `data`
    pub data: StringMap,
    /// Keys of `binaryData`.
    pub binary_keys: Vec<Fact<String>>,
    /// Bytes of the values of `binaryData`, decoded.
    pub binary_bytes: usize,
    /// `binary_keys` by text.
    pub binary_order: Order,
    /// `immutable: true`
    pub immutable: bool,
}

/// `Secret`: its values never leave the loader.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Secret {
    /// Keys of `data` and `stringData`.
    pub keys: Vec<Fact<String>>,
    /// `keys` by text.
    pub order: Order,
}

impl ConfigMap {
    /// Whether it has that key.
    pub fn has(&self, key: &str) -> bool {
        let binary = || self.binary_order.first(&self.binary_keys, |k| k.value.as_str(), &key);
        self.data.get(key).is_some() || binary().is_some()
    }
}

impl Secret {
    /// Whether it has that key.
    pub fn has(&self, key: &str) -> bool {
        self.order.first(&self.keys, |k| k.value.as_str(), &key).is_some()
    }
}

/// `ServiceAccount`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceAccount {
    /// `automountServiceAccountToken`
    pub automount: Option<Fact<bool>>,
}
