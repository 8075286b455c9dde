//! Secrets by their keys, in whatever object they stand: reports show the lines around a place, and
//! those of a fault are where nobody looks for a secret.

use crate::facts::document::{Document, Node, NodeId};
use crate::facts::origin::Span;
use crate::model::secret::{is_about_secret, is_hidden, is_secret_key, is_value_key};

use super::secrets::inner;

/// A name under which every value is looked at as a secret's.
const SECRET: &str = "PASSWORD";

/// The bytes of all scalars that stand below the key of a secret, or are the value beside its name.
pub(super) fn spans(document: &Document) -> Vec<Span> {
    let mut found = Found { seen: vec![false; document.nodes.len()], spans: Vec::new() };
    for index in 0..document.nodes.len() {
        let node = document.node(NodeId(u32::try_from(index).unwrap_or(u32::MAX)));
        if !node.is_mapping() {
            continue;
        }
        let mut has_value = false;
        for (key, value) in node.entries() {
            let Some(key) = key.as_str() else { continue };
            has_value |= is_value_key(key);
            if is_secret_key(key) {
                found.below(value);
            }
        }
        let is_value = |key: Node<'_>| key.as_str().is_some_and(is_value_key);
        let is_name = |node: Node<'_>| node.as_str().is_some_and(is_secret_key);
        let names = |node: Node<'_>| is_name(node) || node.items().take(MOST_NAMES).any(is_name);
        if has_value && node.entries().any(|(key, value)| !is_value(key) && names(value)) {
            for (_, value) in node.entries().filter(|(key, _)| is_value(*key)) {
                found.below(value);
            }
        }
    }
    found.spans
}

/// Names in a list where one belongs.
const MOST_NAMES: usize = 4;

struct Found {
    seen: Vec<bool>,
    spans: Vec<Span>,
}

impl Found {
    /// Each node once, however many aliases name it.
    fn below(&mut self, node: Node<'_>) {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            let Some(seen) = self.seen.get_mut(node.id.0 as usize).filter(|seen| !**seen) else {
                continue;
            };
            *seen = true;
            if node.as_str().is_some_and(|text| is_hidden(SECRET, text)) {
                self.spans.push(inner(node));
            }
            open.extend(node.items());
            let part = |key: Node<'_>| !key.as_str().is_some_and(is_about_secret);
            open.extend(node.entries().filter(|(key, _)| part(*key)).map(|(_, value)| value));
        }
    }
}
