//! Environment variables of a container.

use super::{RULE, first_of_whole, items, refuse, text};
use crate::facts::document::Node;
use crate::findings::{Finding, Fix};
use crate::model::names::nearest;
use crate::rules::rule::Findings;

/// Keys of `valueFrom` (`validateEnvVarValueFrom`).
const SOURCES: &[&str] =
    &["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];

/// `validEnvDownwardAPIFieldPathExpressions`, and the old name that is converted to one of them.
const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
    "spec.host",
];

/// `validContainerResourceFieldPathExpressions`
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
];

/// `ValidateEnv` and `ValidateEnvFrom` of pkg/apis/core/validation/validation.go, v1.37.2.
pub(super) fn check(container: Node<'_>, whole: bool, out: &mut Findings) {
    for entry in items(container, "env") {
        variable(entry, whole, out);
    }
    for entry in items(container, "envFrom") {
        if let Some((prefix, node)) = text(entry, "prefix")
            && !is_name(prefix)
        {
            let message = format!(
                "`{prefix}` is no prefix of names of variables: printable characters other than `=`"
            );
            refuse(out, &node.origin(), message);
        }
        let refs: Vec<Node<'_>> = ["configMapRef", "secretRef"]
            .into_iter()
            .filter_map(|key| entry.get_entry(key))
            .map(|(key, _)| key)
            .collect();
        match refs.as_slice() {
            [first, second] => out.push(
                Finding::new(
                    &RULE,
                    "envFrom may not have more than one field specified at a time",
                    &second.origin(),
                    "one of them",
                )
                .also(&first.origin(), "and the other"),
            ),
            [] if whole && is_plain(entry) => {
                let place = first_key(entry);
                refuse(
                    out,
                    &place.origin(),
                    "envFrom must specify one of: configMapRef or secretRef",
                );
            }
            _ => {}
        }
    }
}

fn variable(entry: Node<'_>, whole: bool, out: &mut Findings) {
    // In force from 1.34 on.
    if let Some((name, node)) = text(entry, "name")
        && !is_name(name)
    {
        refuse(
            out,
            &node.origin(),
            format!("`{name}` is no name for a variable: printable characters other than `=`"),
        );
    }
    let Some((key, from)) = entry.get_entry("valueFrom").filter(|(_, from)| from.is_mapping())
    else {
        return;
    };
    let sources: Vec<(Node<'_>, Node<'_>)> =
        SOURCES.iter().filter_map(|source| from.get_entry(source)).collect();
    let value = entry.get("value").filter(|value| value.as_str().is_some_and(|v| !v.is_empty()));
    match (sources.as_slice(), value) {
        ([], _) if whole && is_plain(from) => refuse(
            out,
            &key.origin(),
            "valueFrom must specify one of: fieldRef, resourceFieldRef, configMapKeyRef, \
             secretKeyRef or fileKeyRef",
        ),
        ([_, ..], Some(value)) => out.push(
            Finding::new(
                &RULE,
                "valueFrom may not be specified when `value` is not empty",
                &key.origin(),
                "one of them",
            )
            .also(&value.origin(), "and the other"),
        ),
        ([(first, _), (second, _), ..], None) => out.push(
            Finding::new(
                &RULE,
                "valueFrom may not have more than one field specified at a time",
                &second.origin(),
                "one of them",
            )
            .also(&first.origin(), "and the other"),
        ),
        _ => {}
    }
    if let Some((path, node)) = from.get("fieldRef").and_then(|field| text(field, "fieldPath")) {
        field_path(path, node, out);
    }
    if let Some((resource, node)) =
        from.get("resourceFieldRef").and_then(|field| text(field, "resource"))
    {
        let pages = ["limits.hugepages-", "requests.hugepages-"];
        let known = RESOURCES.contains(&resource) || pages.iter().any(|p| resource.starts_with(p));
        if !known && !resource.is_empty() {
            unsupported("the resource", resource, node, RESOURCES, out);
        }
    }
}

/// `IsRelaxedEnvVarName`
fn is_name(name: &str) -> bool {
    !name.contains('=') && name.bytes().all(|b| (b' '..=b'~').contains(&b))
}

fn field_path(path: &str, node: Node<'_>, out: &mut Findings) {
    // `SplitMaybeSubscriptedPath`: `metadata.labels['app']`
    if let Some((map, _)) = path.strip_suffix("']").and_then(|rest| rest.split_once("['")) {
        if !matches!(map, "metadata.annotations" | "metadata.labels") {
            refuse(out, &node.origin(), format!("fieldPath {map} does not support subscript"));
        }
    } else if !FIELDS.contains(&path) && !path.is_empty() {
        unsupported("fieldPath", path, node, FIELDS, out);
    }
}

fn unsupported(what: &str, value: &str, node: Node<'_>, known: &[&str], out: &mut Findings) {
    let mut finding =
        Finding::new(&RULE, format!("{what} {value} is not supported"), &node.origin(), "refused");
    let same = known.iter().copied().find(|known| known.eq_ignore_ascii_case(value));
    finding = match same.or_else(|| nearest(value, known.iter().copied(), 2)) {
        Some(near) => finding.fix(
            Fix::suggest(format!("did you mean {near}?")).replace(&node.origin(), near.to_owned()),
        ),
        None => finding.note(format!("one of {}", known.join(", "))),
    };
    out.push(finding);
}

/// Nothing is merged into it, patched or still to be filled in, and something is written.
fn is_plain(node: Node<'_>) -> bool {
    first_of_whole(node).is_some() && !node.entries().any(|(_, value)| value.is_null())
}

fn first_key(node: Node<'_>) -> Node<'_> {
    node.entries().next().map_or(node, |(key, _)| key)
}
