//! Names and labels.

use super::{is_placeholder, is_token, refuse};
use crate::case::ObjectCase;
use crate::facts::Body;
use crate::facts::document::Node;
use crate::facts::objects::{Meta, StringMap};
use crate::model::names::nearest;
use crate::model::schema::{Known, find};
use crate::rules::rule::Findings;

/// Kinds whose name is a DNS-1123 subdomain (`NameIsDNSSubdomain`).
const SUBDOMAINS: &[&str] = &[
    "Pod",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
    "CronJob",
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "PersistentVolumeClaim",
    "Ingress",
    "NetworkPolicy",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    // Every object of a CustomResourceDefinition, too.
    "Rollout",
];

/// The first minor whose Services may have a name that begins with a digit
/// (`RelaxedServiceNameValidation` in pkg/features/kube_features.go).
const RELAXED: u16 = 36;

/// Name, namespace, labels and keys of annotations.
pub(super) fn metadata(case: &ObjectCase<'_>, out: &mut Findings) {
    let meta = &case.object.meta;
    let (oldest, _) = case.world().settings.kubernetes();
    let kind = meta.kind.value.as_str();
    if let Some(name) = &meta.name {
        let text = name.value.as_str();
        // `generateName` is shown with a star.
        let given = !text.ends_with('*') && !text.is_empty() && !is_placeholder(text);
        let wrong = if SUBDOMAINS.contains(&kind) {
            (!is_subdomain(text)).then_some("DNS-1123 subdomain")
        } else if matches!(kind, "Service" | "Namespace") {
            (!is_label(text)).then_some("DNS-1123 label")
        } else {
            None
        };
        if let Some(what) = wrong.filter(|_| given) {
            refuse(
                out,
                &name.origin,
                format!(
                    "`{text}` is no name for a {kind}: a {what} has lower case letters, digits \
                     and `-`, and begins and ends with a letter or digit"
                ),
            );
        } else if given
            && kind == "Service"
            && oldest < RELAXED
            && text.starts_with(|c: char| c.is_ascii_digit())
        {
            let message = format!(
                "`{text}` is no name for a Service before Kubernetes 1.{RELAXED}, and the oldest in \
                 range is 1.{oldest}: it has to begin with a letter"
            );
            refuse(out, &name.origin, message);
        } else if given && kind == "CronJob" && text.len() > 52 {
            refuse(out, &name.origin, "the name of a CronJob must be no more than 52 characters");
        }
    }
    namespace(meta, out);
    labels(&meta.labels, out);
    for (key, _) in &meta.annotations.0 {
        if !is_placeholder(&key.value) && !is_key(&key.value) {
            refuse(out, &key.origin, format!("`{key}` is no key for an annotation"));
        }
    }
}

/// `ValidateNamespaceName`. What has capitals or other characters stands for a name that somebody
/// fills in.
fn namespace(meta: &Meta, out: &mut Findings) {
    let text = meta.namespace.value.as_str();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    if meta.namespace.is_written() && !is_label(text) && text.bytes().all(plain) {
        let message = format!(
            "`{text}` is no name for a namespace: a DNS-1123 label has at most 63 lower case \
             letters, digits and `-`, and begins and ends with a letter or digit"
        );
        refuse(out, &meta.namespace.origin, message);
    }
}

/// A name that is written and is none.
pub(super) fn given(case: &ObjectCase<'_>, out: &mut Findings) {
    let Some(metadata) = case.object.node().get("metadata") else { return };
    if metadata.get("generateName").is_some() {
        return;
    }
    let last = metadata.entries().filter(|(key, _)| key.as_str() == Some("name")).last();
    let empty = |value: Node<'_>| value.is_null() || value.as_str() == Some("");
    if let Some((key, _)) = last.filter(|(_, value)| empty(*value))
        && !is_token(case, key)
    {
        refuse(out, &key.origin(), "metadata.name is required, and has no value");
    }
}

/// An object without a name, in a file that was named: what it holds is applied as it stands. Files
/// that were found may be patches of somebody's tool.
pub(super) fn absent(case: &ObjectCase<'_>, out: &mut Findings) {
    let (object, root) = (case.object, case.object.node());
    let told = matches!(object.body, Body::Workload(_));
    let known = || find(object.meta.api_version.value.as_str(), object.meta.kind.value.as_str());
    if told || !super::is_applied(case) || !matches!(known(), Known::Kind(_)) {
        return;
    }
    let metadata = root.get("metadata").filter(|metadata| !metadata.is_null());
    let slip = |(key, _): (Node<'_>, Node<'_>)| {
        key.as_str().is_some_and(|key| nearest(key, ["name", "metadata"], 2).is_some())
    };
    let unclear = |node: Node<'_>| !super::is_whole(node) || node.entries().any(slip);
    let named = |metadata: Node<'_>| metadata.has_key("name") || metadata.has_key("generateName");
    if metadata.is_some_and(|metadata| named(metadata) || unclear(metadata))
        || metadata.is_none() && !root.has_key("metadata") && root.entries().any(slip)
    {
        return;
    }
    refuse(out, &object.origin(), "metadata.name or generateName is required");
}

/// Keys and values of labels.
pub(super) fn labels(labels: &StringMap, out: &mut Findings) {
    for (key, value) in &labels.0 {
        if is_placeholder(&key.value) || is_placeholder(&value.value) {
            continue;
        }
        if !is_key(&key.value) {
            refuse(out, &key.origin, format!("`{key}` is no key for a label"));
        }
        let text = value.value.as_str();
        if !text.is_empty() && !is_qualified(text) {
            refuse(
                out,
                &value.origin,
                format!(
                    "`{text}` is no value for a label: at most 63 letters, digits, `-`, `_` or \
                     `.`, and a letter or digit at both ends"
                ),
            );
        }
    }
}

/// `IsDNS1123Label`
pub(super) fn is_label(text: &str) -> bool {
    text.len() <= 63 && part(text)
}

/// `IsDNS1123Subdomain`
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(part)
}

fn part(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = text.bytes().next().is_some_and(plain) && text.bytes().last().is_some_and(plain);
    ends && text.bytes().all(|b| plain(b) || b == b'-')
}

fn is_qualified(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric();
    let ends = text.bytes().next().is_some_and(plain) && text.bytes().last().is_some_and(plain);
    ends && text.len() <= 63 && text.bytes().all(|b| plain(b) || matches!(b, b'-' | b'_' | b'.'))
}

/// `IsQualifiedName`: an optional subdomain and a name.
fn is_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(&prefix.to_ascii_lowercase()) && is_qualified(name),
        None => is_qualified(text),
    }
}
