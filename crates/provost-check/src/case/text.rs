//! Places inside a scalar, and edits that keep it a scalar.
//!
//! A fact's origin covers the scalar as written, quotes included. Its value may be shorter than
//! its text (escapes, folded lines) or another text altogether (`$(NAME)` expanded); only where the
//! bytes are the value can a part of the value be pointed at.

use std::ops::Range;

use super::World;
use crate::artifact::SourceKind;
use crate::facts::{Origin, Span};
use crate::findings::Fix;

impl World {
    /// Bytes of the scalar at `origin` without its quotes, when they are exactly `value`.
    pub fn verbatim(&self, origin: &Origin, value: &str) -> Option<Span> {
        let span = origin.span()?;
        let text = self.sources.get(origin.source).shown()?.get(span.range())?;
        if text == value {
            return Some(span);
        }
        let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        (inner == value).then(|| Span { start: span.start + 1, end: span.end - 1 })
    }

    /// The place of `range` of `value`, which stands at `origin`; the whole scalar where the two
    /// differ.
    pub fn part(&self, origin: &Origin, value: &str, range: Range<usize>) -> Origin {
        match self.verbatim(origin, value) {
            Some(span) => {
                let at = |n: usize| span.start as usize + n;
                Origin::text(origin.source, Span::new(at(range.start), at(range.end)))
            }
            None => origin.clone(),
        }
    }

    /// Adds to `fix` the edit that makes the scalar at `origin` read `new`. A quoted scalar keeps
    /// its quotes and a plain one gets them where YAML would read `new` as something else than a
    /// string. Without an edit where the value is not what the text says.
    pub fn rewrite(&self, fix: Fix, origin: &Origin, value: &str, new: &str) -> Fix {
        let Some(span) = self.verbatim(origin, value) else { return fix };
        let quoted = origin.span() != Some(span);
        let yaml = self.sources.get(origin.source).kind == SourceKind::Manifest;
        // What may stand unquoted in YAML, flow lists included, and in a Dockerfile.
        let plain = new.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'));
        let word = new.contains(|c: char| c.is_ascii_alphabetic()) && new != "off";
        let bare = if yaml { plain && word } else { plain };
        let text = if quoted || bare { new.to_owned() } else { format!("\"{new}\"") };
        fix.replace(&Origin::text(origin.source, span), text)
    }

    /// Adds to `fix` the edit that removes the list entry at `entry`, when it has its lines for
    /// itself: `- {name: GOMAXPROCS, value: "4"}`.
    pub fn remove_entry(&self, fix: Fix, entry: &Origin) -> Fix {
        let lines = || {
            let span = entry.span()?;
            let source = self.sources.get(entry.source);
            if source.kind != SourceKind::Manifest {
                return None;
            }
            let text = source.shown()?;
            let (start, end) = (span.start as usize, span.end as usize);
            let begin = text.get(..start)?.rfind('\n').map_or(0, |i| i + 1);
            let before = text.get(begin..start)?.trim();
            let rest = text.get(end..)?;
            let line = rest.find('\n').map_or(rest.len(), |i| i + 1);
            let after = rest.get(..line)?.trim();
            let alone = before == "-" && (after.is_empty() || after.starts_with('#'));
            alone.then(|| Origin::text(entry.source, Span::new(begin, end + line)))
        };
        match lines() {
            Some(lines) => fix.replace(&lines, ""),
            None => fix,
        }
    }
}
