//! GitHub's workflow commands: each finding becomes an annotation on the lines of a pull request.
//!
//! GitHub shows ten annotations of each kind for a step (and fifty for a job), so errors come
//! first, and beyond [`MOST`] of a kind only their number is told; the step summary
//! (`--format markdown`) has room for more, and the other formats keep all.

use std::fmt::Write as _;

use super::count;
use super::plain::clean;
use super::view::{FindingView, View};
use crate::findings::Level;

/// Commands of one kind. A log of megabytes helps nobody.
const MOST: usize = 100;

/// The findings as workflow commands, then the summary as a plain line.
pub fn render(view: &View<'_>) -> String {
    let mut out = String::new();
    for level in [Level::Deny, Level::Warn, Level::Note] {
        let mut findings = view.findings.iter().filter(|finding| finding.of.level == level);
        for finding in findings.by_ref().take(MOST) {
            command(view, finding, &mut out);
        }
        let more = findings.count();
        if more > 0 {
            let _ = writeln!(out, "and {} that are not annotated", count(more, level.label()));
        }
    }
    for notice in view.errors() {
        let title = notice.kind.name();
        let _ = writeln!(out, "::error title={title}::{}", data(&clean(&notice.message)));
    }
    for unknown in view.unknown() {
        let _ = writeln!(out, "not judged: {}", data(&clean(&unknown.message)));
    }
    suppressed(view, &mut out);
    let _ = writeln!(out, "provost: {}", view.counted());
    out
}

/// What is suppressed, folded in the log: an annotation would be what was decided against.
fn suppressed(view: &View<'_>, out: &mut String) {
    if view.suppressed.is_empty() {
        return;
    }
    let n = count(view.suppressed.len(), "finding");
    let _ = writeln!(out, "::group::{n} suppressed");
    for item in view.suppressed.iter().take(MOST) {
        let (id, subject) = (item.finding.id(), item.finding.subject);
        // A line that began with `::` would be a command.
        let _ = writeln!(out, "- {id} of {}: {}", data(&clean(subject)), data(&clean(&item.why())));
    }
    if let Some(more) = view.suppressed.len().checked_sub(MOST).filter(|more| *more > 0) {
        let _ = writeln!(out, "- and {more} more");
    }
    out.push_str("::endgroup::\n");
}

fn command(view: &View<'_>, finding: &FindingView<'_>, out: &mut String) {
    let kind = match finding.of.level {
        Level::Deny => "error",
        Level::Warn => "warning",
        Level::Note => "notice",
    };
    let place = finding.primary();
    let _ = write!(out, "::{kind} file={}", property(&view.from_root(place.path)));
    if let (Some(start), Some(end)) = (place.start, place.end) {
        let _ = write!(out, ",line={},endLine={}", start.line, end.line);
        // Columns hold within one line only.
        if start.line == end.line {
            let _ = write!(out, ",col={},endColumn={}", start.column, end.column);
        }
    }
    let _ = writeln!(out, ",title={}::{}", property(&finding.id()), message(finding));
}

fn message(finding: &FindingView<'_>) -> String {
    let mut lines = vec![clean(finding.message).into_owned()];
    for place in &finding.evidence[1..] {
        lines.push(format!("{}: {}", clean(&place.position()), clean(place.note)));
    }
    lines.extend(finding.notes.iter().map(|note| format!("note: {}", clean(note))));
    if let Some(fix) = &finding.fix {
        lines.push(format!("fix: {}", clean(fix.title)));
    }
    data(&lines.join("\n"))
}

/// The data of a command, escaped as the runner reads it (actions/toolkit, `escapeData`).
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command (`escapeProperty`).
fn property(text: &str) -> String {
    data(&clean(text)).replace(':', "%3A").replace(',', "%2C")
}
