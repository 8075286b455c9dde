//! The report for machines, version 1. Keys may be added, never changed or removed; the schema is
//! `docs/report-v1.schema.json`.

use serde::Serialize;

use super::plain::replacement;
use super::{Report, help_uri};
use crate::artifact::{Source, SourceKind, Sources};
use crate::facts::origin::{Origin, Place};
use crate::findings::fingerprint::fingerprints;
use crate::findings::{Applicability, Evidence, Finding, Fix, Role};

/// Version of this format.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
struct Root<'a> {
    version: u32,
    tool: Tool<'a>,
    inputs: Vec<Input<'a>>,
    subjects: Vec<Subject<'a>>,
    findings: Vec<Json<'a>>,
    not_judged: Vec<NotJudged<'a>>,
    skipped: Vec<Skipped<'a>>,
    built: &'a [String],
    suppressed: Vec<Suppressed<'a>>,
    summary: Summary,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'static str,
    version: &'a str,
}

#[derive(Serialize)]
struct Input<'a> {
    path: &'a str,
    kind: &'static str,
    named: bool,
}

#[derive(Serialize)]
struct Subject<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dockerfile: Option<&'a str>,
    because: &'a [String],
}

#[derive(Serialize)]
struct Json<'a> {
    rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'static str>,
    level: &'static str,
    group: &'static str,
    message: &'a str,
    subject: &'a str,
    evidence: Vec<Place1<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<Fix1<'a>>,
    help_uri: String,
    fingerprint: String,
}

/// A place and what it contributes.
#[derive(Serialize)]
struct Place1<'a> {
    origin: &'static str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<&'a str>,
    role: &'static str,
    note: &'a str,
}

#[derive(Serialize)]
struct Position {
    line: u32,
    column: u32,
    offset: u32,
}

#[derive(Serialize)]
struct Fix1<'a> {
    title: &'a str,
    applicability: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    edits: Vec<Edit1<'a>>,
}

#[derive(Serialize)]
struct Edit1<'a> {
    path: &'a str,
    start: Position,
    end: Position,
    replacement: &'a str,
}

#[derive(Serialize)]
struct NotJudged<'a> {
    rule: &'static str,
    subject: &'a str,
    reason: &'static str,
    needs: &'a str,
}

#[derive(Serialize)]
struct Skipped<'a> {
    path: &'a str,
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    render: Option<&'a str>,
}

#[derive(Serialize)]
struct Suppressed<'a> {
    #[serde(flatten)]
    finding: Json<'a>,
    reason: &'a str,
    suppressed_at: Place1<'a>,
}

#[derive(Serialize)]
struct Summary {
    errors: usize,
    warnings: usize,
    notes: usize,
    objects: usize,
    dockerfiles: usize,
    binaries: usize,
    rules_not_judged: usize,
    suppressed: usize,
}

/// The report as JSON, ending in a line break.
pub fn render(report: &Report<'_>) -> String {
    let sources = report.sources;
    let names = fingerprints(&report.findings, sources);
    let hidden: Vec<Finding> = report.suppressed.iter().map(|s| s.finding.clone()).collect();
    let hidden_names = fingerprints(&hidden, sources);
    let counts = report.counts();
    let root = Root {
        version: VERSION,
        tool: Tool { name: "provost", version: report.version },
        inputs: report
            .inputs
            .iter()
            .map(|i| Input { path: &i.path, kind: i.kind.name(), named: i.named })
            .collect(),
        subjects: report
            .subjects
            .iter()
            .map(|s| Subject {
                name: &s.name,
                binary: s.binary.as_deref(),
                dockerfile: s.dockerfile.as_deref(),
                because: &s.because,
            })
            .collect(),
        findings: report
            .findings
            .iter()
            .zip(names)
            .map(|(finding, name)| json(finding, name, sources))
            .collect(),
        not_judged: report
            .not_judged
            .iter()
            .map(|n| NotJudged {
                rule: n.rule,
                subject: &n.subject,
                reason: n.reason.name(),
                needs: &n.needs,
            })
            .collect(),
        skipped: report
            .skipped
            .iter()
            .map(|s| Skipped { path: &s.path, why: &s.why, render: s.render.as_deref() })
            .collect(),
        built: &report.built,
        suppressed: report
            .suppressed
            .iter()
            .zip(hidden_names)
            .map(|(s, name)| Suppressed {
                finding: json(&s.finding, name, sources),
                reason: &s.reason,
                suppressed_at: at(&s.origin, Role::Related, "", sources),
            })
            .collect(),
        summary: Summary {
            errors: counts.errors,
            warnings: counts.warnings,
            notes: counts.notes,
            objects: report.judged.objects,
            dockerfiles: report.judged.dockerfiles,
            binaries: report.judged.binaries,
            rules_not_judged: report.rules_not_judged(),
            suppressed: report.suppressed.len(),
        },
    };
    let text = serde_json::to_string_pretty(&root)
        .expect("strings, numbers and lists with string keys always serialize");
    let mut text = escape_controls(text);
    text.push('\n');
    text
}

fn json<'a>(finding: &'a Finding, fingerprint: String, sources: &'a Sources) -> Json<'a> {
    let evidence =
        finding.evidence.iter().map(|e: &Evidence| at(&e.origin, e.role, &e.note, sources));
    Json {
        rule: finding.rule.id,
        variant: finding.variant.map(|variant| variant.name),
        level: finding.level.label(),
        group: finding.rule.group.name(),
        message: &finding.message,
        subject: &finding.subject,
        evidence: evidence.collect(),
        notes: &finding.notes,
        fix: finding.fix.as_ref().map(|fix| fix_of(fix, sources)),
        help_uri: help_uri(finding),
        fingerprint,
    }
}

fn fix_of<'a>(fix: &'a Fix, sources: &'a Sources) -> Fix1<'a> {
    let edits = fix.edits.iter().map(|edit| {
        let source = sources.get(edit.source);
        Edit1 {
            path: &source.path,
            start: position(source, edit.span.start),
            end: position(source, edit.span.end),
            replacement: &edit.replacement,
        }
    });
    Fix1 {
        title: &fix.title,
        applicability: match fix.applicability {
            Applicability::Safe => "safe",
            Applicability::Suggest => "suggest",
        },
        edits: edits.collect(),
    }
}

fn at<'a>(origin: &'a Origin, role: Role, note: &'a str, sources: &'a Sources) -> Place1<'a> {
    let source = sources.get(origin.source);
    let (start, end) = match &origin.place {
        Place::Text(span) => (Some(position(source, span.start)), Some(position(source, span.end))),
        _ => (None, None),
    };
    let (address, section) = match &origin.place {
        Place::Binary { address, section } => {
            (address.map(|a| format!("{a:#x}")), section.as_deref())
        }
        _ => (None, None),
    };
    Place1 {
        origin: match (&origin.place, source.kind) {
            (Place::Binary { .. }, _) | (_, SourceKind::Binary) => "binary",
            _ => "text",
        },
        path: &source.path,
        start,
        end,
        address,
        section,
        role: match role {
            Role::Primary => "primary",
            Role::Related => "related",
        },
        note,
    }
}

fn position(source: &Source, offset: u32) -> Position {
    let position = source.position(offset);
    Position { line: position.line, column: position.column, offset: position.offset }
}

/// JSON escapes the control characters below U+0020; the others that a terminal obeys are escaped
/// here. They can only stand inside strings, where `\uXXXX` means the same.
fn escape_controls(text: String) -> String {
    let obeyed = |c: char| c != '\n' && replacement(c).is_some();
    if !text.chars().any(obeyed) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if obeyed(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}
