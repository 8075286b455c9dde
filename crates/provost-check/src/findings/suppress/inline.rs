//! `# provost: ignore[rule] reason, until=2027-01-31` in YAML and Dockerfiles.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Scope, Suppression, Until};
use crate::artifact::config::values;
use crate::artifact::{SourceKind, Sources};
use crate::facts::document::{Document, NodeValue};
use crate::facts::objects::Object;
use crate::facts::origin::{Origin, SourceId, Span};

const MARK: &str = "provost: ignore";

/// Suppressions a single file may hold; further ones are not read.
const MOST: usize = 10_000;

/// Every suppression written in a manifest or Dockerfile. `objects` tell where the text of a
/// manifest is a value (a script in a ConfigMap) rather than a comment.
pub fn collect(sources: &Sources, objects: &[Object]) -> Vec<Suppression> {
    let mut documents: BTreeMap<SourceId, Vec<&Document>> = BTreeMap::new();
    let mut last: Option<&Arc<Document>> = None;
    for object in objects {
        if last.is_none_or(|last| !Arc::ptr_eq(last, &object.document)) {
            documents.entry(object.document.source).or_default().push(&object.document);
        }
        last = Some(&object.document);
    }
    let mut all = Vec::new();
    for (id, source) in sources.iter() {
        let Some(text) = source.shown() else { continue };
        if !matches!(source.kind, SourceKind::Manifest | SourceKind::Dockerfile) {
            continue;
        }
        let mut comments = comments(text).peekable();
        if comments.peek().is_none() {
            continue;
        }
        let scalars = scalars(documents.get(&id).map_or(&[][..], Vec::as_slice));
        for comment in comments.take(MOST).filter(|c| !inside(&scalars, c.hash)) {
            let line = target(text, &comment).map(|at| source.position(at).line);
            all.extend(comment.suppressions(id, line));
        }
    }
    all
}

/// One comment that holds the mark.
struct Found<'t> {
    text: &'t str,
    /// Offset of the `#`.
    hash: u32,
    /// Offset of what follows the mark.
    after: usize,
    /// End of the line.
    end: usize,
}

fn comments(text: &str) -> impl Iterator<Item = Found<'_>> {
    memchr::memmem::find_iter(text.as_bytes(), MARK).filter_map(move |at| {
        let before = text[..at].trim_end_matches([' ', '\t']);
        let hash = before.strip_suffix('#')?;
        if !(hash.is_empty() || hash.ends_with([' ', '\t', '\n'])) {
            return None;
        }
        let after = at + MARK.len();
        let end =
            memchr::memchr(b'\n', &text.as_bytes()[after..]).map_or(text.len(), |n| after + n);
        Some(Found { text, hash: u32::try_from(hash.len()).ok()?, after, end })
    })
}

/// Bytes of every scalar, in order.
fn scalars(documents: &[&Document]) -> Vec<Span> {
    let nodes = documents.iter().flat_map(|document| &document.nodes);
    let mut spans: Vec<Span> = nodes
        .filter(|node| matches!(node.value, NodeValue::Scalar { .. }))
        .map(|node| node.span)
        .collect();
    spans.sort_unstable();
    spans
}

fn inside(scalars: &[Span], offset: u32) -> bool {
    let next = scalars.partition_point(|span| span.start <= offset);
    next.checked_sub(1).is_some_and(|last| offset < scalars[last].end)
}

/// An offset on the line the comment speaks of: its own when something stands before it, else the
/// first line below the block of comments it belongs to.
fn target(text: &str, comment: &Found<'_>) -> Option<u32> {
    let hash = comment.hash as usize;
    let start = text[..hash].rfind('\n').map_or(0, |at| at + 1);
    if !text[start..hash].trim().is_empty() {
        return Some(comment.hash);
    }
    let mut offset = comment.end + 1;
    for line in text.get(offset..)?.split_inclusive('\n') {
        let content = line.trim();
        if content.is_empty() {
            return None;
        }
        if !content.starts_with('#') {
            return u32::try_from(offset).ok();
        }
        offset += line.len();
    }
    None
}

impl Found<'_> {
    /// One suppression for each rule in the brackets.
    fn suppressions(&self, id: SourceId, line: Option<u32>) -> Vec<Suppression> {
        let rest = &self.text[self.after..self.end];
        let scope = Scope::Line { source: id, line };
        let Some((rules, tail)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) else {
            let origin = Origin::text(id, Span::new(self.hash as usize, self.end));
            // It names no rule, so it can suppress nothing.
            let reason = Some(rest.trim().to_owned());
            return vec![Suppression {
                rule: String::new(),
                reason,
                until: Until::Always,
                scope,
                origin,
            }];
        };
        let (reason, until) = match tail.split_once(", until=") {
            Some((reason, until)) => (reason, Some(until)),
            None => match tail.trim_start().strip_prefix("until=") {
                Some(until) => ("", Some(until)),
                None => (tail, None),
            },
        };
        let until = match until.map(|u| u.split_whitespace().next().unwrap_or_default()) {
            None => Until::Always,
            Some(day) => values::date(day).map_or(Until::Unreadable(day.to_owned()), Until::Day),
        };
        let reason = Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty());
        let mut start = self.after + 1;
        rules
            .split(',')
            .map(|part| {
                let rule = part.trim();
                let at = start + (part.len() - part.trim_start().len());
                start += part.len() + 1;
                Suppression {
                    rule: rule.to_owned(),
                    reason: reason.clone(),
                    until: until.clone(),
                    scope: scope.clone(),
                    origin: Origin::text(id, Span::new(at, at + rule.len())),
                }
            })
            .collect()
    }
}
