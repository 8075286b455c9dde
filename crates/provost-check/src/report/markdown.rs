//! Markdown for a comment on a merge request or a step's summary.
//!
//! Text of an artifact is quoted as code or escaped: it must neither format the comment, nor load
//! an image, nor call a person by name.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::plain::clean;
use super::view::{FindingView, View};
use super::{count, view::SubjectRow};
use crate::findings::Level;

/// GitHub refuses comments of more than 65,536 characters; what follows the findings needs room.
const LONGEST: usize = 56_000;
/// Rows of the tables under the findings.
const ROWS: usize = 30;

/// The run as Markdown.
pub fn render(view: &View<'_>) -> String {
    let mut out = format!("## provost: {}\n\n", view.counted());
    findings(view, &mut out);
    known(view, &mut out);
    joined(&view.subjects, &mut out);
    not_judged(view, &mut out);
    out
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
    for place in &finding.evidence {
        let _ = write!(text, "- {}", code(&place.position()));
        if !place.note.is_empty() {
            let _ = write!(text, " {}", prose(place.note));
        }
        text.push('\n');
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

fn joined(subjects: &[SubjectRow<'_>], out: &mut String) {
    if subjects.is_empty() {
        return;
    }
    out.push_str("<details><summary>Judged together</summary>\n\n");
    out.push_str("| container | binary | Dockerfile |\n|---|---|---|\n");
    for subject in subjects.iter().take(ROWS) {
        let cell = |path: Option<&str>| path.map_or_else(|| "-".to_owned(), code);
        let (binary, dockerfile) = (cell(subject.binary), cell(subject.dockerfile));
        let _ = writeln!(out, "| {} | {binary} | {dockerfile} |", code(subject.name));
    }
    if subjects.len() > ROWS {
        let _ = writeln!(out, "\nand {} more", subjects.len() - ROWS);
    }
    out.push_str("\n</details>\n\n");
}

fn not_judged(view: &View<'_>, out: &mut String) {
    let mut reasons: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for item in &view.not_judged {
        reasons.entry((item.reason, item.remedy)).or_default().push(item.rule);
    }
    if reasons.is_empty() && view.skipped.is_empty() {
        return;
    }
    out.push_str("<details><summary>Not judged</summary>\n\n");
    for ((reason, remedy), mut rules) in reasons {
        rules.dedup();
        rules.sort_unstable();
        rules.dedup();
        let _ = writeln!(out, "- {reason}: {}; {}", count(rules.len(), "rule"), prose(remedy));
    }
    for item in view.skipped.iter().take(ROWS) {
        let _ = writeln!(out, "- {}: {}", code(item.path), prose(item.why));
    }
    if view.skipped.len() > ROWS {
        let _ = writeln!(out, "- and {} more paths", view.skipped.len() - ROWS);
    }
    out.push_str("\n</details>\n");
}

/// A code span: the fence is longer than any run of backticks inside (CommonMark 6.1). A bar would
/// end a table's cell even there.
fn code(text: &str) -> String {
    let text = clean(text).replace('|', "\u{2758}");
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
fn prose(text: &str) -> String {
    let text = clean(text);
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
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A name would be called; a comment between splits it for every renderer.
            '@' => out.push_str("@<!-- -->"),
            // `#12` would be a link to an issue, `www.` and `://` one to anywhere.
            '#' => out.push_str("#<!-- -->"),
            ':' if text.contains("://") => out.push_str(":<!-- -->"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '!' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}
