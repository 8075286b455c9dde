//! Markdown for a comment on a merge request or a step's summary.
//!
//! Text of an artifact is quoted as code or escaped: it must neither format the comment, nor load
//! an image, nor call a person by name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::plain::clean;
use super::view::{FindingView, View};
use super::{count, traced, view::SubjectRow};
use crate::findings::Level;

/// GitHub refuses comments of more than 65,536 characters; what follows the findings needs room.
const LONGEST: usize = 56_000;
/// Bytes of the whole, with the tables under the findings.
const LONGEST_WITH_TABLES: usize = 64_000;
/// Rows of the tables under the findings.
const ROWS: usize = 30;
/// Places of one finding.
const PLACES: usize = 20;
/// Characters of one sentence, and of one name or path: an input's can have megabytes.
const SENTENCE: usize = 1_200;
const NAME: usize = 240;

/// The run as Markdown.
pub fn render(view: &View<'_>) -> String {
    let mut out = format!("## provost: {}\n\n", view.counted());
    for notice in view.errors().take(ROWS) {
        let _ = writeln!(out, "**{}:** {}\n", notice.level, prose(&notice.message));
    }
    for table in &view.timelines {
        // Names of phases and numbers.
        let _ = writeln!(out, "```text\n{table}```\n");
    }
    logs(view, &mut out);
    findings(view, &mut out);
    measured(view, &mut out);
    known(view, &mut out);
    suppressed(view, &mut out);
    joined(&view.subjects, &mut out);
    not_judged(view, &mut out);
    out
}

/// Of each log the verdict and three numbers.
fn logs(view: &View<'_>, out: &mut String) {
    for log in view.logs.iter().take(ROWS) {
        let _ = writeln!(out, "{}: {}\n", code(&log.of.subject), prose(&log.verdict));
        for (number, what) in traced::numbers(log.of) {
            let _ = writeln!(out, "- **{}** {}", prose(&number), prose(what));
        }
        out.push('\n');
    }
}

/// And what was measured, inferred and foretold.
fn measured(view: &View<'_>, out: &mut String) {
    for log in view.logs.iter().take(ROWS) {
        let mut text =
            format!("<details><summary>{}</summary>\n\n", escaped(&head(&log.of.subject, NAME)));
        for (name, fact) in traced::facts(log.of) {
            let _ = writeln!(text, "- **{}:** {}", prose(name), prose(&fact));
        }
        if let Some(what_if) = log.of.collections.as_ref().and_then(|gc| gc.what_if.as_ref()) {
            let _ = writeln!(text, "\n{}", prose(&traced::heading(what_if)));
            let _ = writeln!(text, "\n| {} |\n|{}", traced::HEADINGS.join(" | "), "---|".repeat(6));
            for row in what_if.rows.iter().filter(|row| row.rate == 1.0) {
                let _ = writeln!(text, "| {} |", traced::cells(row).join(" | "));
            }
            text.push('\n');
            for line in traced::advice(what_if) {
                let _ = writeln!(text, "- {}", prose(&line));
            }
        }
        text.push_str("\n</details>\n\n");
        if out.len() + text.len() <= LONGEST {
            out.push_str(&text);
        }
    }
}

fn findings(view: &View<'_>, out: &mut String) {
    let mut left_out = 0;
    for level in [Level::Deny, Level::Warn, Level::Note] {
        let of_level = view.findings.iter().filter(|finding| finding.of.level == level);
        // Notes never fail a run by default; folded, they do not hide what does.
        let folded = level == Level::Note && of_level.clone().next().is_some();
        if folded {
            let n = count(of_level.clone().count(), "note");
            let _ = writeln!(out, "<details><summary>{n}</summary>\n");
        }
        for finding in of_level {
            let text = one(finding);
            if out.len() + text.len() > LONGEST {
                left_out += 1;
            } else {
                out.push_str(&text);
            }
        }
        if folded {
            out.push_str("</details>\n\n");
        }
    }
    if left_out > 0 {
        let _ = writeln!(out, "_and {} that did not fit_\n", count(left_out, "finding"));
    }
}

fn one(finding: &FindingView<'_>) -> String {
    let id = code(&finding.id());
    let mut text = format!("**{}** {id}: {}\n", finding.level, prose(finding.message));
    for place in finding.evidence.iter().take(PLACES) {
        let _ = write!(text, "- {}", code(&place.position()));
        if !place.note.is_empty() {
            let _ = write!(text, " {}", prose(place.note));
        }
        text.push('\n');
    }
    if finding.evidence.len() > PLACES {
        let _ = writeln!(text, "- and {} more places", finding.evidence.len() - PLACES);
    }
    for note in finding.notes {
        let _ = writeln!(text, "- note: {}", prose(note));
    }
    if let Some(fix) = &finding.fix {
        let _ = writeln!(text, "- **fix:** {}", prose(fix.title));
    }
    text.push('\n');
    text
}

fn known(view: &View<'_>, out: &mut String) {
    let Some(baseline) = &view.baseline else { return };
    let path = code(baseline.path);
    let known = count(baseline.known.len(), "known finding");
    let _ = write!(out, "{known} of {path} not shown");
    if !baseline.resolved.is_empty() {
        let _ = write!(out, "; {} of it gone, write it anew", baseline.resolved.len());
    }
    out.push_str("\n\n");
}

/// What somebody decided to live with, and until when.
fn suppressed(view: &View<'_>, out: &mut String) {
    if view.suppressed.is_empty() {
        return;
    }
    let n = count(view.suppressed.len(), "finding");
    let _ = writeln!(out, "<details><summary>{n} suppressed</summary>\n");
    let lines = view.suppressed.iter().map(|item| {
        let (id, subject) = (code(&item.finding.id()), code(item.finding.subject));
        format!("- {id} {subject}: {}\n", prose(&item.why()))
    });
    let shown = fitting(lines, LONGEST_WITH_TABLES - NOT_JUDGED, out);
    if view.suppressed.len() > shown {
        let _ = writeln!(out, "- and {} more", view.suppressed.len() - shown);
    }
    out.push_str("\n</details>\n\n");
}

fn joined(subjects: &[SubjectRow<'_>], out: &mut String) {
    if subjects.is_empty() {
        return;
    }
    out.push_str("<details><summary>Judged together</summary>\n\n");
    out.push_str("| container | binary | Dockerfile | image |\n|---|---|---|---|\n");
    let rows = subjects.iter().map(|subject| {
        let cell = |path: Option<&str>| path.map_or_else(|| "-".to_owned(), code);
        let [binary, dockerfile, image] =
            [subject.binary, subject.dockerfile, subject.image].map(cell);
        format!("| {} | {binary} | {dockerfile} | {image} |\n", code(subject.name))
    });
    let shown = fitting(rows, LONGEST_WITH_TABLES - NOT_JUDGED, out);
    if subjects.len() > shown {
        let _ = writeln!(out, "\nand {} more", subjects.len() - shown);
    }
    out.push_str("\n</details>\n\n");
}

fn not_judged(view: &View<'_>, out: &mut String) {
    let mut reasons: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for item in &view.not_judged {
        reasons.entry((item.reason, item.remedy)).or_default().push(item.rule);
    }
    if reasons.is_empty() && view.skipped.is_empty() && view.unknown().next().is_none() {
        return;
    }
    out.push_str("<details><summary>Not judged</summary>\n\n");
    for unknown in view.unknown() {
        let _ = writeln!(out, "- {}", prose(&unknown.message));
    }
    for ((reason, remedy), mut rules) in reasons {
        rules.dedup();
        rules.sort_unstable();
        rules.dedup();
        let _ = writeln!(out, "- {reason}: {}; {}", count(rules.len(), "rule"), prose(remedy));
    }
    let lines = view.skipped.iter();
    let lines = lines.map(|item| format!("- {}: {}\n", code(item.path), prose(item.why)));
    let shown = fitting(lines, LONGEST_WITH_TABLES, out);
    if view.skipped.len() > shown {
        let _ = writeln!(out, "- and {} more paths", view.skipped.len() - shown);
    }
    out.push_str("\n</details>\n");
}

/// Room for the reasons why rules were not judged, of which each is one line.
const NOT_JUDGED: usize = 4_000;

/// Writes lines while there are few of them and room up to `longest` bytes; says how many it wrote.
fn fitting(lines: impl Iterator<Item = String>, longest: usize, out: &mut String) -> usize {
    let mut shown = 0;
    for line in lines.take(ROWS) {
        if out.len() + line.len() > longest {
            break;
        }
        out.push_str(&line);
        shown += 1;
    }
    shown
}

/// The head of a text, before anything looks at all of it.
fn head(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => clean(&text[..end]) + "\u{2026}",
        None => clean(text),
    }
}

/// A code span: the fence is longer than any run of backticks inside (CommonMark 6.1). A bar would
/// end a table's cell even there.
pub(super) fn code(text: &str) -> String {
    let text = head(text, NAME).replace('|', "\u{2758}");
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A sentence of ours with values of an artifact in it. What stands between backticks becomes a
/// code span; everything else is escaped. Whichever way a hostile value pairs the backticks, each
/// part is one or the other.
pub(super) fn prose(text: &str) -> String {
    let text = head(text, SENTENCE);
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escaped(&text);
    }
    let part = |(at, part): (usize, &&str)| match at % 2 {
        1 if !part.is_empty() => code(part),
        _ => escaped(part),
    };
    parts.iter().enumerate().map(part).collect()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A name would be called; a comment between splits it for every renderer.
            '@' => out.push_str("@<!-- -->"),
            // `#12` would be a link to an issue, `www.` and `://` one to anywhere (GFM 6.9).
            '#' => out.push_str("#<!-- -->"),
            ':' if text[at..].starts_with("://") => out.push_str(":<!-- -->"),
            '.' if after_www(&text[..at]) => out.push_str("<!-- -->."),
            '\\' | '`' | '*' | '_' | '[' | ']' | '!' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// Whether a text ends in `www`, however it is written.
fn after_www(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len().checked_sub(3).is_some_and(|at| bytes[at..].eq_ignore_ascii_case(b"www"))
}
