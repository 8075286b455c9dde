//! Keeps secret values inside the loader: they are overwritten in the document and in the text
//! that reports show, before anything else sees either.

use crate::facts::document::{Document, Node, NodeId, NodeValue, ScalarKind, ScalarStyle};
use crate::facts::origin::Span;

/// What stands in the place of a secret scalar.
pub(super) const MASK: &str = "***";

/// `kubectl apply` keeps the whole object in this annotation, a Secret's data included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Overwrites the values of every Secret, wherever in the document it stands (an item of a List, an
/// object of a template), and the credentials of kubeconfigs. Returns the bytes to mask in the
/// source.
pub(super) fn hide(document: &mut Document, text: &str) -> Vec<Span> {
    let mut open = Vec::new();
    let mut spans = Vec::new();
    for index in 0..document.nodes.len() {
        let id = NodeId(u32::try_from(index).unwrap_or(u32::MAX));
        if let Some(from) = secret_parts(document.node(id), &mut open) {
            spans.extend(comments_in(document, text, from));
        }
    }
    if open.is_empty() {
        return spans;
    }
    let mut seen = vec![false; document.nodes.len()];
    while let Some((key, id)) = open.pop() {
        let index = id.0 as usize;
        if seen.get(index).copied().unwrap_or(true) {
            continue;
        }
        seen[index] = true;
        let key = document.node(key).span();
        let Some(data) = document.nodes.get_mut(index) else { continue };
        match &mut data.value {
            NodeValue::Mapping(entries) => open.extend(entries.iter().map(|e| (e.key, e.value))),
            NodeValue::Sequence(items) => open.extend(items.iter().map(|item| (*item, *item))),
            NodeValue::Scalar { text: value, style, kind } => {
                // Quotes and block indicators stay, so that the text still looks like what it is.
                let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
                let inset = u32::from(quoted);
                let skip = if *style == ScalarStyle::Block { 1 } else { inset };
                let span = data.span;
                if span.start + skip < span.end.saturating_sub(inset) {
                    spans.push(Span { start: span.start + skip, end: span.end - inset });
                }
                // What looks like a tag or an anchor may be an unquoted password.
                spans.extend(between(text, key, span));
                // An absent value stays absent.
                if *kind != ScalarKind::Null || !value.is_empty() {
                    *value = Box::from(MASK);
                    *kind = ScalarKind::Str;
                }
            }
        }
    }
    spans.sort_unstable();
    spans
}

/// The entries of a mapping that hold secret values, if it is an object that does; returns the
/// bytes inside which comments may repeat them.
fn secret_parts(object: Node<'_>, open: &mut Vec<(NodeId, NodeId)>) -> Option<Span> {
    let mut secret = false;
    let mut config = false;
    // All of them, not the last: a key that is written twice must not open the other one's data.
    for (key, value) in object.entries() {
        let merged;
        let kind = match key.as_str() {
            Some("kind") => value.as_str(),
            Some("<<") => {
                merged = object.get("kind").and_then(Node::as_str);
                merged
            }
            _ => None,
        };
        secret |= kind == Some("Secret");
        config |= kind == Some("Config");
    }
    if !secret && !config {
        return None;
    }
    let mut inside: Option<Span> = None;
    for (key, value) in super::read::merged_entries(object) {
        let name = key.as_str().unwrap_or_default();
        if secret && name == "metadata" {
            let applied = value.get("annotations").and_then(|a| a.get_entry(LAST_APPLIED));
            open.extend(applied.map(|(key, value)| (key.id, value.id)));
        } else if (secret && !matches!(name, "apiVersion" | "kind" | "type" | "immutable"))
            || (config && name == "users")
        {
            open.push((key.id, value.id));
            let span = key.span().to(value.span());
            inside = Some(inside.map_or(span, |all| all.to(span)));
        }
    }
    inside
}

/// Comments beside secret values: `password: a #b` may be a password with a blank in it. Those
/// that speak to Provost stay.
fn comments_in(document: &Document, text: &str, inside: Span) -> Vec<Span> {
    // To the end of the last line.
    let rest = text.get(inside.end as usize..).unwrap_or_default();
    let line = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
    let inside = Span::new(inside.start as usize, inside.end as usize + line);
    document
        .comments
        .iter()
        .map(|comment| comment.span)
        .filter(|span| inside.contains(*span))
        .filter(|span| !text.get(span.range()).unwrap_or_default().contains("provost:"))
        .map(|span| Span { start: (span.start + 1).min(span.end), end: span.end })
        .collect()
}

/// What stands between a key and its value besides the colon and white space, when both are in
/// one line.
fn between(text: &str, key: Span, value: Span) -> Option<Span> {
    let part = text.get(key.end as usize..value.start as usize)?;
    let inner = part.trim_start_matches([':', ' ', '\t']);
    let start = key.end as usize + (part.len() - inner.len());
    let end = start + inner.trim_end().len();
    (start < end && !inner.contains('\n')).then(|| Span::new(start, end))
}

/// Keys of a Secret that may stay readable in a document that could not be parsed.
const PLAIN_KEYS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "labels",
    "annotations",
    "type",
    "data",
    "stringData",
];

/// The same for a document that could not be read: when it looks like a Secret, every line is
/// masked but for the keys a Secret is known to have.
pub(super) fn hide_broken(text: &str, region: Span) -> Vec<Span> {
    let part = text.get(region.range()).unwrap_or_default();
    let looks_secret = part.contains("Secret") || part.contains("stringData");
    if !looks_secret && !(part.contains("Config") && part.contains("users")) {
        return Vec::new();
    }
    let mut spans = Vec::new();
    let mut at = region.start as usize;
    for line in part.split_inclusive('\n') {
        let body = line.trim_end();
        let inner = body.trim_start();
        let indent = body.len() - inner.len();
        let key = inner.split_once(':').map(|(key, rest)| (key, rest));
        let keep = match key {
            Some((key, rest)) if PLAIN_KEYS.contains(&key) => {
                let shown = matches!(key, "apiVersion" | "kind" | "name" | "namespace" | "type");
                if shown { inner.len() } else { inner.len() - rest.len() }
            }
            _ if inner == "---" => inner.len(),
            _ => 0,
        };
        if indent + keep < body.len() {
            spans.push(Span::new(at + indent + keep, at + body.len()));
        }
        at += line.len();
    }
    spans
}
