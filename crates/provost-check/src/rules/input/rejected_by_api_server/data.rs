//! ConfigMaps, Secrets and claims.

use super::{RULE, is_placeholder, is_whole, refuse, text};
use crate::case::ObjectCase;
use crate::facts::Fact;
use crate::facts::document::Node;
use crate::facts::objects::{ConfigMap, Secret};
use crate::findings::Finding;
use crate::model::Quantity;
use crate::rules::rule::Findings;

/// `MaxSecretSize` of pkg/apis/core/types.go: 1 MiB, of a ConfigMap too.
const MOST_BYTES: usize = 1 << 20;

/// Modes of access beside `ReadWriteOncePod`.
const OTHER_MODES: &[&str] = &["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"];

/// Types of Secrets that have to hold certain keys (`ValidateSecret`).
const TYPES: &[(&str, &[&str])] = &[
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
];

/// `ValidateConfigMap` of pkg/apis/core/validation/validation.go, v1.37.2.
pub(super) fn config_map(map: &ConfigMap, out: &mut Findings) {
    for (name, _) in &map.data.0 {
        key(name, out);
    }
    for name in &map.binary_keys {
        key(name, out);
        if let Some((text, _)) = map.data.0.iter().find(|(text, _)| text.value == name.value) {
            let message = format!("key {name} of binaryData is a key of data too");
            out.push(
                Finding::new(&RULE, message, &name.origin, "once more")
                    .also(&text.origin, "and here"),
            );
        }
    }
    let text: usize = map.data.0.iter().map(|(_, value)| value.value.len()).sum();
    let size = text.saturating_add(map.binary_bytes);
    let first = map.data.0.first().map(|(name, _)| name).or(map.binary_keys.first());
    if size > MOST_BYTES
        && let Some(first) = first
    {
        let message =
            format!("the data of a ConfigMap is at most 1 MiB, and these are {size} bytes");
        refuse(out, &first.origin, message);
    }
}

/// `ValidateSecret`, by the keys alone: values are not known here.
pub(super) fn secret(case: &ObjectCase<'_>, secret: &Secret, out: &mut Findings) {
    for name in &secret.keys {
        key(name, out);
    }
    let node = case.object.node();
    let Some((kind, place)) = text(node, "type") else { return };
    // What is merged or still to be filled in may bring them.
    let open = ["data", "stringData"].iter().any(|name| {
        node.entries().any(|(key, value)| key.as_str() == Some(name) && !is_whole(value))
    });
    if open || !super::is_alone(case) || case.object.meta.name.is_none() {
        return;
    }
    if kind == "kubernetes.io/basic-auth" {
        if !secret.has("username") && !secret.has("password") {
            let message = format!("a Secret of type {kind} needs a username or a password");
            refuse(out, &place.origin(), message);
        }
        return;
    }
    let Some((_, wanted)) = TYPES.iter().find(|(name, _)| *name == kind) else { return };
    for missing in wanted.iter().filter(|key| !secret.has(key)) {
        let message = format!("a Secret of type {kind} needs the key {missing}");
        refuse(out, &place.origin(), message);
    }
}

/// `IsConfigMapKey`
fn key(name: &Fact<String>, out: &mut Findings) {
    let text = name.value.as_str();
    if is_placeholder(text) {
        return;
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let good = !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(plain)
        && text != "."
        && !text.starts_with("..");
    if !good {
        let shown: String = text.chars().take(80).collect();
        refuse(
            out,
            &name.origin,
            format!("`{shown}` is no key: at most 253 letters, digits, `-`, `_` or `.`"),
        );
    }
}

/// Claims of one StatefulSet that are looked at.
const MOST_CLAIMS: usize = 256;

/// `validateVolumeClaimTemplates` of pkg/apis/apps/validation/validation.go: what each asks for.
pub(super) fn templates(case: &ObjectCase<'_>, out: &mut Findings) {
    let Some(spec) = case.object.node().get("spec") else { return };
    for template in super::items(spec, "volumeClaimTemplates").take(MOST_CLAIMS) {
        if let Some(spec) = template.get("spec") {
            asked(spec, out);
        }
    }
}

/// `ValidatePositiveQuantityValue`
fn asked(spec: Node<'_>, out: &mut Findings) {
    let Some(node) = spec.at(&["resources", "requests", "storage"]) else { return };
    let Some(text) = node.as_str().filter(|text| !is_placeholder(text)) else { return };
    match Quantity::parse(text) {
        Ok(amount) if amount.is_negative() || amount.is_zero() => {
            let message = format!("the claim's request `{text}` must be greater than zero");
            refuse(out, &node.origin(), message);
        }
        // What is no quantity cannot be decoded.
        _ => {}
    }
}

/// `ValidatePersistentVolumeClaimSpec`
pub(super) fn claim(case: &ObjectCase<'_>, out: &mut Findings) {
    let Some((key, spec)) = case.object.node().get_entry("spec") else { return };
    asked(spec, out);
    let whole = super::is_alone(case) && case.object.meta.name.is_some() && spec.is_mapping();
    let open = !is_whole(spec);
    if whole && !open && !spec.has_key("accessModes") {
        refuse(out, &key.origin(), "at least 1 access mode is required");
    }
    let amount = spec.at(&["resources", "requests"]);
    let has = match amount {
        Some(amount) => !is_whole(amount) || amount.has_key("storage"),
        None => spec.has_key("resources") && spec.get("resources").is_none_or(|r| !r.is_mapping()),
    };
    if whole && !open && !has {
        refuse(out, &key.origin(), "resources.requests.storage of a claim is required");
    }
    let modes: Vec<Node<'_>> = spec.get("accessModes").into_iter().flat_map(Node::items).collect();
    let once = modes.iter().find(|mode| mode.as_str() == Some("ReadWriteOncePod"));
    let is_other = |mode: &Node<'_>| mode.as_str().is_some_and(|mode| OTHER_MODES.contains(&mode));
    if let Some(once) = once.filter(|_| modes.iter().any(is_other)) {
        let message = "may not use ReadWriteOncePod with other access modes";
        refuse(out, &once.origin(), message);
    }
}
