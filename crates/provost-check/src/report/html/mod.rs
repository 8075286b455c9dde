//! One page that needs nothing else: no network, no fonts, no second file. Made by a template that
//! escapes every value; the script only hides and shows what is there, so that the page reads
//! without it, prints, and can be searched by the browser.

mod charts;
pub mod compared;

use std::collections::BTreeSet;

use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;

use super::plain::clean;
use super::view::{FindingView, PlaceView, SubjectRow, View};

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
    more_places: usize,
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

/// A table's rows, and how many there are with those that are left out.
#[derive(Serialize)]
struct Table {
    rows: Vec<Vec<String>>,
    total: usize,
}

impl Table {
    fn new(total: usize, rows: impl Iterator<Item = Vec<String>>) -> Self {
        Self { rows: rows.take(MOST_ROWS).collect(), total }
    }
}

/// The run as a page.
pub fn render(view: &View<'_>) -> String {
    let mut environment = Environment::new();
    environment
        .add_template(
            "report.html",
            concat!(include_str!("head.html"), include_str!("report.html")),
        )
        .expect("the template is part of the program, and a test renders it");
    let mut by_level: Vec<&FindingView<'_>> = view.findings.iter().collect();
    by_level.sort_by_key(|finding| std::cmp::Reverse(finding.of.level));
    let findings: Vec<Row> = by_level.into_iter().map(|finding| row(view, finding)).collect();
    let names = |name: fn(&Row) -> &str| -> Vec<String> {
        let names: BTreeSet<&str> = findings.iter().map(name).collect();
        names.into_iter().map(str::to_owned).collect()
    };
    let (ids, subjects) = (names(|row| &row.id), names(|row| &row.subject));
    let logs: Vec<_> = view.logs.iter().enumerate().map(|(id, log)| charts::row(id, log)).collect();
    let template = environment.get_template("report.html").expect("added above");
    template
        .render(context! {
            version => view.tool.version,
            title => view.counted(),
            counted => view.counted(),
            errors => view.errors().map(|notice| text(&notice.message)).collect::<Vec<_>>(),
            unknown => view.unknown().map(|notice| text(&notice.message)).collect::<Vec<_>>(),
            levels => [
                ("error", view.summary.errors),
                ("warning", view.summary.warnings),
                ("note", view.summary.notes),
            ],
            judged => [
                (view.summary.objects, "object", "objects"),
                (view.summary.dockerfiles, "Dockerfile", "Dockerfiles"),
                (view.summary.images, "image", "images"),
                (view.summary.binaries, "binary", "binaries"),
                (view.summary.processes, "process", "processes"),
                (view.summary.rules_not_judged, "rule not judged", "rules not judged"),
            ],
            findings => Serde(findings),
            pictures => Serde(&view.pictures),
            logs => Serde(logs),
            chart_style => include_str!("uplot/uPlot.min.css"),
            chart_library => include_str!("uplot/uPlot.iife.min.js"),
            chart_license => include_str!("uplot/LICENSE"),
            chart_script => include_str!("charts.js"),
            rules => ids,
            subjects => subjects,
            joined => Serde(joined(view)),
            not_judged => Serde(not_judged(view)),
            suppressed => Serde(suppressed(view)),
            skipped => Serde(skipped(view)),
            baseline => Serde(baseline(view)),
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
        more_places: finding.evidence.len().saturating_sub(MOST_ROWS),
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
                let cut = |cut: bool| if cut { "\u{2026}" } else { "" };
                let before = part(0..line.marked.start);
                let after = part(line.marked.end..line.text.len());
                LineRow {
                    number,
                    before: format!("{}{before}", cut(line.cut_before)),
                    marked: part(line.marked.clone()),
                    after: format!("{after}{}", cut(line.cut_after)),
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

fn joined(view: &View<'_>) -> Table {
    let path = |path: Option<&str>| text(path.unwrap_or("-"));
    let row = |s: &SubjectRow<'_>| {
        let because = text(&s.because.join("; "));
        vec![text(s.name), path(s.binary), path(s.dockerfile), path(s.image), because]
    };
    Table::new(view.subjects.len(), view.subjects.iter().map(row))
}

fn not_judged(view: &View<'_>) -> Table {
    let rows = view.not_judged.iter();
    let rows =
        rows.map(|n| vec![n.rule.to_owned(), text(n.subject), text(n.needs), n.remedy.to_owned()]);
    Table::new(view.not_judged.len(), rows)
}

fn skipped(view: &View<'_>) -> Table {
    let rows = view.skipped.iter();
    let rows = rows.map(|s| vec![text(s.path), text(s.why), text(s.render.unwrap_or_default())]);
    Table::new(view.skipped.len(), rows)
}

fn suppressed(view: &View<'_>) -> Table {
    let rows = view.suppressed.iter().map(|s| {
        let (finding, place) = (&s.finding, s.suppressed_at.position());
        let until = s.until.as_deref().unwrap_or_default();
        vec![finding.id(), text(finding.subject), text(s.reason), text(until), text(&place)]
    });
    Table::new(view.suppressed.len(), rows)
}

fn baseline(view: &View<'_>) -> Table {
    let Some(baseline) = &view.baseline else { return Table::new(0, std::iter::empty()) };
    let known = baseline
        .known
        .iter()
        .map(|finding| vec!["known".to_owned(), finding.id(), text(finding.subject)]);
    let resolved = baseline
        .resolved
        .iter()
        .map(|entry| vec!["resolved".to_owned(), text(entry.rule), text(entry.subject)]);
    Table::new(baseline.known.len() + baseline.resolved.len(), known.chain(resolved))
}

fn text(text: &str) -> String {
    clean(text).into_owned()
}
