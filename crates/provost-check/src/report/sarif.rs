//! SARIF 2.1.0 (OASIS, with errata 01), for code scanning: GitHub, GitLab, Azure DevOps, editors.
//!
//! Written with our own values rather than a crate of SARIF's types: the one that exists generates
//! them with unmaintained code. A test validates what is written against the official schema.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::json::pretty;
use super::plain::clean;
use super::view::{FindingView, PlaceView, Position, ResolvedView, View, page_of};
use crate::artifact::SourceKind;
use crate::findings::Level;
use crate::rules;
use crate::rules::rule::Rule;

/// The name of our fingerprint in `partialFingerprints`; the number is that of its recipe. A viewer
/// that knows results by the one before goes on knowing them.
const FINGERPRINT: &str = "provost/v2";
const FORMER: &str = "provost/v1";

/// The run as a SARIF log.
pub fn render(view: &View<'_>) -> String {
    let known = view.baseline.iter().flat_map(|b| &b.known).map(|f| (f, "unchanged"));
    let fresh = view.findings.iter().map(|f| (f, "new"));
    let hidden = view.suppressed.iter().map(|s| &s.finding);
    let gone = view.baseline.iter().flat_map(|b| &b.resolved);
    let there = fresh.clone().chain(known.clone()).map(|(f, _)| f).chain(hidden);
    let index = rule_index(there.map(|finding| finding.rule));
    let compared = view.baseline.is_some();
    let mut results: Vec<Value> = fresh
        .chain(known)
        .map(|(finding, state)| {
            let mut value = result(view, finding, &index);
            if compared {
                value["baselineState"] = json!(state);
            }
            value
        })
        .collect();
    results.extend(view.suppressed.iter().map(|suppressed| {
        let mut value = result(view, &suppressed.finding, &index);
        let in_config = suppressed.suppressed_at.source.kind == crate::artifact::SourceKind::Config;
        value["suppressions"] = json!([{
            "kind": if in_config { "external" } else { "inSource" },
            "justification": clean(suppressed.reason),
            "location": location(view, &suppressed.suppressed_at),
        }]);
        if let Some(day) = &suppressed.until {
            value["suppressions"][0]["properties"] = json!({"until": day});
        }
        value
    }));
    let absent: Vec<Value> = gone.map(|entry| absent(view, entry)).collect();
    let properties = if compared { json!({"absent": absent}) } else { json!({}) };
    pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "provost",
                "semanticVersion": view.tool.version,
                "rules": index.keys().map(|id| descriptor(id)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": view.errors().next().is_none(),
                "toolExecutionNotifications": notifications(view),
            }],
            "results": results,
            "properties": properties,
        }],
    }))
}

/// The rules of the findings and their places in `rules`.
fn rule_index(rules: impl Iterator<Item = &'static str>) -> BTreeMap<&'static str, usize> {
    let mut index: BTreeMap<&'static str, usize> = rules.map(|rule| (rule, 0)).collect();
    for (at, slot) in index.values_mut().enumerate() {
        *slot = at;
    }
    index
}

fn descriptor(id: &str) -> Value {
    let Some(rule) = rules::find(id) else { return json!({"id": id}) };
    json!({
        "id": rule.id,
        "shortDescription": {"text": escaped(rule.title)},
        "help": {
            "text": format!("{}\n\nprovost explain {}", escaped(rule.title), rule.id),
            "markdown": rule.page,
        },
        "defaultConfiguration": {"level": rule.level.label(), "enabled": !rule.off},
        "properties": {"tags": tags(rule), "page": page_of(rule, None)},
    })
}

/// GitHub shows `security` in a section of its own; the group is what a reader filters by.
fn tags(rule: &Rule) -> Vec<&'static str> {
    vec!["go", "kubernetes", rule.group.name()]
}

fn result(
    view: &View<'_>,
    finding: &FindingView<'_>,
    index: &BTreeMap<&'static str, usize>,
) -> Value {
    let related: Vec<Value> = finding.evidence[1..]
        .iter()
        .enumerate()
        .map(|(at, place)| {
            // What a flag says is in no file.
            let mut value = match place.source.kind {
                SourceKind::Flag => {
                    let text = format!("{}: {}", place.path, place.note);
                    json!({"message": {"text": escaped(&text)}})
                }
                _ => location(view, place),
            };
            value["id"] = json!(at + 1);
            value
        })
        .collect();
    let mut value = json!({
        "ruleId": finding.id(),
        "ruleIndex": index[finding.rule],
        "level": finding.level,
        "message": {"text": message(finding)},
        "locations": [location(view, finding.primary())],
        "partialFingerprints": {FINGERPRINT: finding.fingerprint, FORMER: finding.of.former},
        "properties": {"subject": finding.subject},
    });
    if !related.is_empty() {
        value["relatedLocations"] = json!(related);
    }
    if let Some(fix) = fix(view, finding) {
        value["fixes"] = json!([fix]);
    }
    value
}

/// What the baseline knows and the run has not found any more. It stands among the properties of the run: a result of
/// `baselineState` `absent` (SARIF 2.1.0, 3.27.24) is shown as an alert by code scanning of GitHub, which reads neither
/// that nor `kind`, so that what was mended would be opened again.
fn absent(view: &View<'_>, entry: &ResolvedView<'_>) -> Value {
    json!({
        "ruleId": entry.rule,
        "subject": entry.subject,
        "location": artifact(view, entry.path),
        "partialFingerprints": {FINGERPRINT: entry.fingerprint},
    })
}

/// The sentence, what to do, and links to the other places: viewers show little else.
fn message(finding: &FindingView<'_>) -> String {
    let mut text = escaped(finding.message);
    for (at, place) in finding.evidence.iter().enumerate().skip(1) {
        let note = if place.note.is_empty() { "see" } else { place.note };
        let (note, position) = (escaped(note), escaped(&place.position()));
        text.push_str(&format!("\n[{note}]({at}) ({position})"));
    }
    for note in finding.notes {
        text.push_str(&format!("\nnote: {}", escaped(note)));
    }
    if let Some(fix) = &finding.fix {
        text.push_str(&format!("\nfix: {}", escaped(fix.title)));
    }
    text
}

/// Text of a message (SARIF 2.1.0, 3.11.6): `[text](id)` is a link to a related location or, with
/// a URI, to anywhere, so that every bracket and backslash that is none of ours is escaped. Line
/// breaks are ours as well: an input's would begin a line like `fix:`.
fn escaped(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if matches!(c, '[' | ']' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn location(view: &View<'_>, place: &PlaceView<'_>) -> Value {
    let mut physical = json!({"artifactLocation": artifact(view, place.path)});
    if let (Some(start), Some(end)) = (place.start, place.end) {
        physical["region"] = region(start, end);
    }
    if let Some(address) = &place.address {
        let number = i64::from_str_radix(address.trim_start_matches("0x"), 16).ok();
        if let Some(number) = number {
            physical["address"] = json!({"absoluteAddress": number, "kind": "data"});
            if let Some(section) = place.section {
                physical["address"]["fullyQualifiedName"] = json!(section);
            }
        }
    }
    let mut location = json!({"physicalLocation": physical});
    if !place.note.is_empty() {
        location["message"] = json!({"text": escaped(place.note)});
    }
    location
}

fn region(start: Position, end: Position) -> Value {
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
        "byteOffset": start.offset,
        "byteLength": end.offset.saturating_sub(start.offset),
    })
}

/// A path as a URI reference, relative to the root of the sources unless it is absolute.
fn artifact(view: &View<'_>, path: &str) -> Value {
    let path = view.from_root(path);
    let encoded = percent_encoded(&path);
    if path.starts_with('/') {
        return json!({"uri": format!("file://{encoded}")});
    }
    json!({"uri": encoded, "uriBaseId": "%SRCROOT%"})
}

/// RFC 3986: unreserved characters and `/` stay. A colon is encoded too, for it would make the
/// part before it a scheme.
fn percent_encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The edits, by file.
fn fix(view: &View<'_>, finding: &FindingView<'_>) -> Option<Value> {
    let fix = finding.fix.as_ref()?;
    let mut files: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for edit in &fix.edits {
        files.entry(edit.path).or_default().push(json!({
            "deletedRegion": region(edit.start, edit.end),
            "insertedContent": {"text": edit.replacement},
        }));
    }
    // SARIF has no fix without changes; the title is in the message.
    if files.is_empty() {
        return None;
    }
    let changes: Vec<Value> = files
        .into_iter()
        .map(|(path, edits)| json!({"artifactLocation": artifact(view, path), "replacements": edits}))
        .collect();
    Some(json!({
        "description": {"text": escaped(fix.title)},
        "artifactChanges": changes,
        "properties": {"applicability": fix.applicability},
    }))
}

/// The notices, and what was not judged, once for each rule and reason: silence would read as a pass.
fn notifications(view: &View<'_>) -> Vec<Value> {
    let mut missing: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for item in &view.not_judged {
        *missing.entry((item.rule, item.reason, item.remedy)).or_default() += 1;
    }
    let not_judged = missing.into_iter().map(|((rule, reason, remedy), n)| {
        json!({
            "level": Level::Note.label(),
            "message": {"text": escaped(&format!(
                "not judged on {}: {reason}; {remedy}", super::count(n, "subject"),
            ))},
            "associatedRule": {"id": rule},
        })
    });
    let skipped = view.skipped.iter().map(|item| {
        json!({
            "level": Level::Note.label(),
            "message": {"text": escaped(&format!("not judged: {}", item.why))},
            "locations": [{"physicalLocation": {"artifactLocation": artifact(view, item.path)}}],
        })
    });
    let notices = view.notices.iter().map(|notice| {
        json!({
            "level": notice.level,
            "message": {"text": escaped(&notice.message)},
            "descriptor": {"id": notice.kind.name()},
        })
    });
    notices.chain(not_judged).chain(skipped).collect()
}
