//! Edits of probes and hooks.

use super::Case;
use crate::artifact::SourceKind;
use crate::facts::workload::Handler;
use crate::facts::{Origin, Span};
use crate::findings::Fix;

impl Case<'_> {
    /// Adds to `fix` the edits that make the kubelet sleep instead of `exec`: the key `exec` becomes
    /// `sleep`, and its `command` becomes `seconds`. Without them where the handler is not written
    /// as such.
    pub fn sleep_instead_of_exec(&self, fix: Fix, handler: &Handler, seconds: u64) -> Fix {
        match places(self, handler, seconds) {
            Some((exec, command, text)) => fix.replace(&exec, "sleep").replace(&command, text),
            None => fix,
        }
    }
}

/// Where `exec` and `command` stand, and what `command` becomes.
fn places(case: &Case<'_>, handler: &Handler, seconds: u64) -> Option<(Origin, Origin, String)> {
    let world = case.world();
    let document = &case.of.object.document;
    let source = world.sources.get(document.source);
    // What a template printed is changed there.
    if handler.origin.source() != document.source
        || source.kind != SourceKind::Manifest
        || source.rendered.is_some()
    {
        return None;
    }
    let text = source.shown()?;
    let exec = world.verbatim(&handler.origin, "exec")?;
    let span = handler.origin.span()?;
    let mut entries = document.entries.iter().enumerate();
    let (at, entry) = entries.find(|(_, entry)| document.node(entry.key).span() == span)?;
    let mut commands = document.aliased_entries_of(entry.value);
    let (Some((command, None)), None) = (commands.next(), commands.next()) else { return None };
    let (key, list) = (document.node(command.key), document.node(command.value));
    if document.alias(at).is_some() || key.as_str() != Some("command") {
        return None;
    }
    let (start, end) = (key.span().start as usize, list.span().end as usize);
    let region = text.get(start..end)?.trim_end();
    // An anchor in it may be what another place refers to.
    if document.has_aliases && region.contains(['&', '*']) {
        return None;
    }
    let region = Span::new(start, start + region.len());
    let quote = if text.get(start..)?.starts_with('"') { "\"" } else { "" };
    let mut new = String::new();
    let begin = text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
    let indent = text.get(begin..start)?;
    // Comments between the words of the command stay, above what it becomes.
    for comment in document.comments.iter().filter(|comment| region.contains(comment.span)) {
        if !indent.bytes().all(|byte| byte == b' ') {
            return None;
        }
        new.push_str(text.get(comment.span.range())?.trim_end());
        new.push('\n');
        new.push_str(indent);
    }
    new.push_str(&format!("{quote}seconds{quote}: {seconds}"));
    let at = |span| Origin::text(document.source, span);
    Some((at(exec), at(region), new))
}
