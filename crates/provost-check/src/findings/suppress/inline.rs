//! `# provost: ignore[rule] reason, until=2027-01-31` in YAML and Dockerfiles.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Scope, Suppression, Until};
use crate::artifact::config::values;
use crate::artifact::{SourceKind, Sources};
use crate::facts::document::{Document, Form};
use crate::facts::objects::Object;
use crate::facts::origin::{Origin, SourceId, Span};

const MARK: &str = "provost: ignore";

/// Suppressions a single file may hold; further ones are not read.
const MOST: usize = 10_000;

/// Bytes of a suppression; what follows on its line is not read.
const LONGEST: usize = 4096;

/// Every suppression written in a manifest or Dockerfile. `objects` tell where the text of a
/// manifest is a value (a script in a ConfigMap) rather than a comment.
pub fn collect(sources: &Sources, objects: &[Object]) -> Vec<Suppression> {
    // Most runs have none, and then nothing has to be known of the documents.
    let documents = OnceCell::new();
    let mut all = Vec::new();
    for (id, source) in sources.iter() {
        let Some(text) = source.shown() else { continue };
        // What was rendered repeats the comments of its template, which is an input itself.
        let is_text = matches!(
            source.kind,
            SourceKind::Manifest
                | SourceKind::Dockerfile
                | SourceKind::Template
                | SourceKind::Resource
                | SourceKind::Data
                | SourceKind::Values
        );
        if !is_text || source.rendered.as_ref().is_some_and(|trace| trace.from.is_some()) {
            continue;
        }
        let mut comments = comments(text).peekable();
        if comments.peek().is_none() {
            continue;
        }
        let documents = documents.get_or_init(|| documents_of(objects));
        let scalars = scalars(documents.get(&id).map_or(&[][..], Vec::as_slice));
        let mut block = Block::default();
        let suppressions = comments
            .take(MOST)
            .filter(|comment| !inside(&scalars, comment.hash))
            .flat_map(|comment| {
                let line = block.target(&comment).map(|at| source.position(at).line);
                comment.suppressions(id, line)
            });
        all.extend(suppressions.take(MOST));
    }
    all
}

/// The documents of each source, each once.
fn documents_of(objects: &[Object]) -> BTreeMap<SourceId, Vec<&Document>> {
    let mut documents: BTreeMap<SourceId, Vec<&Document>> = BTreeMap::new();
    let mut last: Option<&Arc<Document>> = None;
    for object in objects {
        if last.is_none_or(|last| !Arc::ptr_eq(last, &object.document)) {
            documents.entry(object.document.source).or_default().push(&object.document);
        }
        last = Some(&object.document);
    }
    documents
}

/// One comment that holds the mark.
struct Found<'t> {
    text: &'t str,
    /// Start of the line.
    start: usize,
    /// Offset of the `#`.
    hash: u32,
    /// Offset of what follows the mark.
    after: usize,
    /// End of the line.
    end: usize,
}

fn comments(text: &str) -> impl Iterator<Item = Found<'_>> {
    // The line looked at last: a long one may hold the mark many times.
    let (mut start, mut end) = (0, 0);
    memchr::memmem::find_iter(text.as_bytes(), MARK).filter_map(move |at| {
        if at >= end {
            let bytes = text.as_bytes();
            start = memchr::memrchr(b'\n', &bytes[end..at]).map_or(start, |n| end + n + 1);
            end = memchr::memchr(b'\n', &bytes[at..]).map_or(text.len(), |n| at + n);
        }
        let before = text[..at].trim_end_matches([' ', '\t']);
        let hash = before.strip_suffix('#')?;
        if !(hash.is_empty() || hash.ends_with([' ', '\t', '\n'])) {
            return None;
        }
        let after = at + MARK.len();
        Some(Found { text, start, hash: u32::try_from(hash.len()).ok()?, after, end })
    })
}

/// Bytes of every scalar, in order.
fn scalars(documents: &[&Document]) -> Vec<Span> {
    let nodes = documents.iter().flat_map(|document| &document.nodes);
    let mut spans: Vec<Span> =
        nodes.filter(|node| matches!(node.form, Form::Scalar(..))).map(|node| node.span).collect();
    spans.sort_unstable();
    spans
}

fn inside(scalars: &[Span], offset: u32) -> bool {
    let next = scalars.partition_point(|span| span.start <= offset);
    next.checked_sub(1).is_some_and(|last| offset < scalars[last].end)
}

/// The block of comments walked last, so that each is walked once however many marks it holds.
#[derive(Default)]
struct Block {
    /// Offset of the first line behind it.
    end: usize,
    /// That line, unless it is empty or there is none.
    below: Option<u32>,
}

impl Block {
    /// An offset on the line the comment speaks of: its own when something stands before it, else
    /// the first line below the block of comments it belongs to. Comments are asked for in order.
    fn target(&mut self, comment: &Found<'_>) -> Option<u32> {
        let hash = comment.hash as usize;
        if !comment.text[comment.start..hash].trim_start().is_empty() {
            return Some(comment.hash);
        }
        if hash >= self.end {
            self.walk(comment);
        }
        self.below
    }

    fn walk(&mut self, comment: &Found<'_>) {
        self.end = comment.end + 1;
        self.below = None;
        let rest = comment.text.get(self.end..).unwrap_or_default();
        for line in rest.split_inclusive('\n') {
            let content = line.trim();
            if !content.starts_with('#') {
                let empty = content.is_empty();
                self.below = u32::try_from(self.end).ok().filter(|_| !empty);
                return;
            }
            self.end += line.len();
        }
    }
}

impl Found<'_> {
    /// One suppression for each rule in the brackets.
    fn suppressions(&self, id: SourceId, line: Option<u32>) -> Vec<Suppression> {
        let mut end = self.end.min(self.after + LONGEST);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let rest = &self.text[self.after..end];
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
