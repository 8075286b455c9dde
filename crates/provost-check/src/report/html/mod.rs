//! One page that needs nothing else: no network, no fonts, no second file. Made by a template that
//! escapes every value; the script only hides and shows what is there, so that the page reads
//! without it, prints, and can be searched by the browser.

use std::collections::BTreeSet;

use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;

use super::plain::clean;
use super::view::{FindingView, PlaceView, View};

/// Lines shown before and after a place.
const AROUND: u32 = 1;
/// Places, and rows of a table, beyond which a count stands.
const MOST_ROWS: usize = 2_000;

#[derive(Serialize)]
struct Row {
    level: &'static str,
    id: String,
    group: &'static str,
    fails: bool,
    message: String,
    subject: String,
    fingerprint: String,
    places: Vec<PlaceRow>,
    notes: Vec<String>,
    fix: Option<String>,
    fix_kind: &'static str,
}

#[derive(Serialize)]
struct PlaceRow {
    position: String,
    note: String,
    primary: bool,
    detail: String,
    lines: Vec<LineRow>,
}

#[derive(Serialize)]
struct LineRow {
    number: u32,
    before: String,
    marked: String,
    after: String,
}

/// The run as a page.
pub fn render(view: &View<'_>) -> String {
    let mut environment = Environment::new();
    environment
        .add_template("report.html", include_str!("report.html"))
        .expect("the template is part of the program, and a test renders it");
    let mut by_level: Vec<&FindingView<'_>> = view.findings.iter().collect();
    by_level.sort_by_key(|finding| std::cmp::Reverse(finding.of.level));
    let findings: Vec<Row> = by_level.into_iter().map(|finding| row(view, finding)).collect();
    let names = |name: fn(&Row) -> &str| -> Vec<String> {
        let names: BTreeSet<&str> = findings.iter().map(name).collect();
        names.into_iter().map(str::to_owned).collect()
    };
    let (ids, subjects) = (names(|row| &row.id), names(|row| &row.subject));
    let template = environment.get_template("report.html").expect("added above");
    template
        .render(context! {
            version => view.tool.version,
            counted => view.counted(),
            levels => [
                ("error", view.summary.errors),
                ("warning", view.summary.warnings),
                ("note", view.summary.notes),
            ],
            judged => [
                ("objects", view.summary.objects),
                ("Dockerfiles", view.summary.dockerfiles),
                ("binaries", view.summary.binaries),
                ("rules not judged", view.summary.rules_not_judged),
            ],
            findings => Serde(findings),
            rules => ids,
            subjects => subjects,
            joined => joined(view),
            not_judged => not_judged(view),
            suppressed => suppressed(view),
            skipped => skipped(view),
            baseline => baseline(view),
            built => view.built.iter().map(|line| text(line)).collect::<Vec<_>>(),
            style => include_str!("report.css"),
            script => include_str!("report.js"),
        })
        .expect("every value is a string, a number or a list of them")
}

fn row(view: &View<'_>, finding: &FindingView<'_>) -> Row {
    Row {
        level: finding.level,
        id: finding.id(),
        group: finding.group,
        fails: view.fails(finding),
        message: text(finding.message),
        subject: text(finding.subject),
        fingerprint: finding.fingerprint.to_owned(),
        places: finding.evidence.iter().take(MOST_ROWS).map(place).collect(),
        notes: finding.notes.iter().map(|note| text(note)).collect(),
        fix: finding.fix.as_ref().map(|fix| text(fix.title)),
        fix_kind: match finding.fix.as_ref().map(|fix| fix.applicability) {
            Some("safe") => "fix",
            _ => "suggestion",
        },
    }
}

fn place(place: &PlaceView<'_>) -> PlaceRow {
    let detail: Vec<&str> =
        [place.section, place.address.as_deref()].into_iter().flatten().collect();
    let lines = place.excerpt(AROUND).map_or_else(Vec::new, |excerpt| {
        let numbered = (excerpt.first..).zip(&excerpt.lines);
        numbered
            .map(|(number, line)| {
                let part = |range| text(line.text.get(range).unwrap_or_default());
                LineRow {
                    number,
                    before: part(0..line.marked.start),
                    marked: part(line.marked.clone()),
                    after: part(line.marked.end..line.text.len()),
                }
            })
            .collect()
    });
    PlaceRow {
        position: text(&place.position()),
        note: text(place.note),
        primary: place.role == "primary",
        detail: text(&detail.join(" ")),
        lines,
    }
}

fn joined(view: &View<'_>) -> Vec<[String; 4]> {
    let path = |path: Option<&str>| text(path.unwrap_or("-"));
    view.subjects
        .iter()
        .take(MOST_ROWS)
        .map(|s| [text(s.name), path(s.binary), path(s.dockerfile), text(&s.because.join("; "))])
        .collect()
}

fn not_judged(view: &View<'_>) -> Vec<[String; 4]> {
    view.not_judged
        .iter()
        .take(MOST_ROWS)
        .map(|n| [n.rule.to_owned(), text(n.subject), text(n.needs), n.remedy.to_owned()])
        .collect()
}

fn skipped(view: &View<'_>) -> Vec<[String; 3]> {
    view.skipped
        .iter()
        .take(MOST_ROWS)
        .map(|s| [text(s.path), text(s.why), text(s.render.unwrap_or_default())])
        .collect()
}

fn suppressed(view: &View<'_>) -> Vec<[String; 4]> {
    view.suppressed
        .iter()
        .take(MOST_ROWS)
        .map(|s| {
            let finding = &s.finding;
            [finding.id(), text(finding.subject), text(s.reason), text(&s.suppressed_at.position())]
        })
        .collect()
}

fn baseline(view: &View<'_>) -> Vec<[String; 3]> {
    let Some(baseline) = &view.baseline else { return Vec::new() };
    let known = baseline
        .known
        .iter()
        .map(|finding| ["known".to_owned(), finding.id(), text(finding.subject)]);
    let resolved = baseline
        .resolved
        .iter()
        .map(|entry| ["resolved".to_owned(), text(entry.rule), text(entry.subject)]);
    known.chain(resolved).take(MOST_ROWS).collect()
}

fn text(text: &str) -> String {
    clean(text).into_owned()
}
