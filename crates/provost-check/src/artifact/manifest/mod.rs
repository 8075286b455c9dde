//! Kubernetes objects out of documents: typed facts with the values Kubernetes will use, each
//! written or defaulted, each with its place.
//!
//! Defaults are those of `k8s.io/kubernetes` v1.37.2, `pkg/apis/*/defaults.go`.

mod container;
mod incomplete;
mod keyed;
mod load;
mod mesh;
mod network;
mod pod;
mod policy;
mod read;
mod secrets;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use load::{Loaded, ManifestFile, Options, Skipped, load_manifests};
use read::{Parent, Reader};

use super::Problem;
use crate::facts::document::{Document, Node, NodeId, ScalarKind};
use crate::facts::objects::{Body, ConfigMap, Meta, Object, Secret, ServiceAccount};
use crate::facts::order::Order;
use crate::facts::origin::{Fact, Span};
use crate::facts::rollout::Analysis;

/// Kinds that are taken for Kubernetes objects even when `apiVersion` is missing, so that leaving
/// it out hides nothing.
const KNOWN_KINDS: &[&str] = &[
    "Pod",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "Job",
    "CronJob",
    "Service",
    "Ingress",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "ConfigMap",
    "Secret",
];

/// The top mappings of the objects in a document: its root, or the items of a `List`.
pub(super) fn object_roots(document: &Document) -> Vec<NodeId> {
    let mut found = Vec::new();
    let mut open = vec![document.root];
    // Lists may hold lists; an item that several aliases name is one object.
    let mut seen = rustc_hash::FxHashSet::default();
    while let Some(id) = open.pop() {
        let node = document.node(id);
        let Some(kind) = object_kind(node) else { continue };
        match node.get("items").filter(|items| items.is_sequence()) {
            Some(items) if kind.ends_with("List") => {
                let from = open.len();
                open.extend(items.items().map(|item| item.id).filter(|id| seen.insert(*id)));
                open[from..].reverse();
            }
            _ => found.push(id),
        }
    }
    found
}

/// The kind of an object, if the node is one.
fn object_kind<'d>(node: Node<'d>) -> Option<&'d str> {
    let kind = node.get("kind").filter(|n| n.scalar_kind() == Some(ScalarKind::Str))?.as_str()?;
    let versioned = node.get("apiVersion").is_some_and(|v| v.as_str().is_some());
    let known =
        || KNOWN_KINDS.contains(&kind) && node.get("metadata").is_some_and(Node::is_mapping);
    (versioned || known()).then_some(kind)
}

/// Hides what is secret in a document that is only looked at, an input of a renderer: what its
/// output does not hold is hidden nowhere else. Returns the bytes to mask in the source, too.
pub(in crate::artifact) fn hide(mut document: Document, text: &str) -> (Arc<Document>, Vec<Span>) {
    let mut spans = keyed::spans(&document);
    spans.extend(secrets::hide(&mut document, text));
    let document = Arc::new(document);
    let mut problems = Vec::new();
    let roots = object_roots(&document);
    let objects = roots.iter().filter_map(|root| object(&document, *root, "", &mut problems, 0));
    spans.extend(secrets::hide_shown(&document, &objects.collect::<Vec<_>>(), text));
    (document, spans)
}

/// The same for a part of a text that cannot be read.
pub(in crate::artifact) fn hide_broken(text: &str, region: Span) -> Vec<Span> {
    secrets::hide_broken(text, region)
}

/// The object at `root`.
fn object(
    document: &Arc<Document>,
    root: NodeId,
    namespace: &str,
    problems: &mut Vec<Problem>,
    limit: usize,
) -> Option<Object> {
    let node = document.node(root);
    let mut reader = Reader::new(problems, limit);
    let (kind_key, _) = node.get_entry("kind")?;
    let kind = reader.text(Some(node), "kind")?;
    let api_version = reader
        .text(Some(node), "apiVersion")
        .unwrap_or_else(|| Fact::defaulted(String::new(), kind.origin.clone()));
    let metadata = reader.parent(Parent { node: Some(node), name: kind_key }, "metadata");
    let name = reader.nonempty(metadata.node, "name").or_else(|| {
        let prefix = reader.nonempty(metadata.node, "generateName")?;
        Some(Fact { value: format!("{}*", prefix.value), ..prefix })
    });
    let namespace = reader.nonempty(metadata.node, "namespace").unwrap_or_else(|| {
        let origin = name.as_ref().unwrap_or(&kind).origin.clone();
        Fact::defaulted(namespace.to_owned(), origin)
    });
    let meta = Meta {
        labels: reader.string_map(metadata.node, "labels"),
        annotations: reader.string_map(metadata.node, "annotations"),
        api_version,
        kind,
        name,
        namespace,
    };
    let name_node = metadata.get("name").or_else(|| node.get("kind")).unwrap_or(node);
    let here = Parent { node: Some(node), name: name_node };
    let body = body(&mut reader, here, &meta);
    Some(Object { meta, document: Arc::clone(document), root, body, generated: None })
}

fn body(reader: &mut Reader<'_>, object: Parent<'_>, meta: &Meta) -> Body {
    let group = meta.group();
    let kind = meta.kind.value.as_str();
    if let Some(kind) = pod::workload_kind(group, kind) {
        return match reader.workload(object, kind) {
            Some(workload) => Body::Workload(Box::new(workload)),
            None => Body::Other,
        };
    }
    // An absent apiVersion is the core group for Go, and what was meant for us.
    let lacks = meta.api_version.value.is_empty();
    match (kind, group) {
        ("Service", "") => Body::Service(Box::new(reader.service(object))),
        ("Ingress", "networking.k8s.io" | "extensions") => {
            Body::Ingress(Box::new(reader.ingress(object, &meta.annotations)))
        }
        ("NetworkPolicy", "networking.k8s.io") => {
            Body::NetworkPolicy(Box::new(reader.network_policy(object)))
        }
        ("HorizontalPodAutoscaler", group) if group == "autoscaling" || lacks => {
            Body::Hpa(Box::new(reader.hpa(object)))
        }
        ("PodDisruptionBudget", group) if group == "policy" || lacks => {
            Body::Pdb(Box::new(reader.pdb(object)))
        }
        ("ConfigMap", "") => {
            let data = reader.string_map(object.node, "data");
            let binary = || object.get("binaryData").into_iter().flat_map(Node::entries);
            let values = binary().filter_map(|(_, value)| value.as_str());
            Body::ConfigMap(Box::new(ConfigMap {
                data,
                binary_keys: binary().filter_map(|(key, _)| key_fact(key)).collect(),
                binary_bytes: values.map(decoded_len).sum(),
                binary_order: Order::default(),
                immutable: reader.flag(object.node, "immutable"),
            }))
        }
        ("Secret", "") => {
            let fields = ["data", "stringData"].into_iter().filter_map(|key| object.get(key));
            let keys = fields.flat_map(read::merged_entries).filter_map(|(key, _)| key_fact(key));
            Body::Secret(Box::new(Secret { keys: keys.collect(), order: Order::default() }))
        }
        ("ServiceAccount", "") => {
            let automount = reader.bool(object.node, "automountServiceAccountToken");
            Body::ServiceAccount(ServiceAccount { automount })
        }
        (
            "Workflow" | "WorkflowTemplate" | "ClusterWorkflowTemplate" | "CronWorkflow",
            "argoproj.io",
        ) => match reader.workflow(object, kind) {
            Some(workload) => Body::Workload(Box::new(workload)),
            None => Body::Other,
        },
        ("AnalysisTemplate" | "ClusterAnalysisTemplate" | "AnalysisRun", "argoproj.io") => {
            match object.node {
                Some(node) => Body::Analysis(Box::new(Analysis::read(node))),
                None => Body::Other,
            }
        }
        ("PriorityClass", "scheduling.k8s.io") => Body::PriorityClass,
        ("Namespace", "") => Body::Namespace,
        _ => {
            if let Some(policy) = reader.mesh_policy(object, group, kind) {
                return Body::Mesh(Box::new(policy));
            }
            match reader.other_workload(object) {
                Some(workload) => Body::Workload(Box::new(workload)),
                None => Body::Other,
            }
        }
    }
}

fn key_fact(key: Node<'_>) -> Option<Fact<String>> {
    Some(Fact::written(key.as_str()?.to_owned(), key.origin()))
}

/// Bytes that a text in base64 stands for; white space and padding count for nothing.
fn decoded_len(text: &str) -> usize {
    let digits = text.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b'=').count();
    digits / 4 * 3 + (digits % 4) * 3 / 4
}
