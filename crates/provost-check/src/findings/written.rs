//! Moves findings about what a renderer printed to where it was written: the template and the
//! values, or the resource and the patch.

use std::borrow::Cow;

use super::{Applicability, Edit, Evidence, Finding, Role};
use crate::artifact::render::{Trace, Traced, Value, Written};
use crate::artifact::{Source, SourceKind, Sources};
use crate::facts::origin::{Origin, Place, SourceId, Span};

/// Values that are named for one place.
const MOST_VALUES: usize = 3;

/// Characters of a rendered line that are quoted.
const QUOTED: usize = 120;

/// Lines above a line that are looked at for the key it stands below.
const ABOVE: u32 = 2000;

/// Bytes of a line that words are looked for in.
const LONG: usize = 16 << 10;

/// Moves every place of the findings.
pub fn relocate(findings: &mut [Finding], sources: &Sources) {
    if !sources.iter().any(|(_, source)| source.rendered.is_some()) {
        return;
    }
    for finding in findings {
        let mut evidence = Vec::with_capacity(finding.evidence.len());
        let mut values: Vec<Evidence> = Vec::new();
        for place in std::mem::take(&mut finding.evidence) {
            let source = sources.get(place.origin.source());
            match &source.rendered {
                Some(trace) => evidence.push(moved(place, source, trace, sources, &mut values)),
                None => evidence.push(place),
            }
        }
        for value in values {
            if !evidence.iter().any(|known: &Evidence| known.origin == value.origin) {
                evidence.push(value);
            }
        }
        // Two places of one block that a helper printed are one line of the template.
        let mut kept: Vec<Evidence> = Vec::with_capacity(evidence.len());
        for place in evidence {
            if !kept.iter().any(|known| known.origin == place.origin && known.note == place.note) {
                kept.push(place);
            }
        }
        finding.evidence = kept;
        if let Some(fix) = &mut finding.fix {
            let edits: Option<Vec<Edit>> =
                fix.edits.iter().map(|edit| moved_edit(edit, sources)).collect();
            // What a template prints is changed by a person.
            fix.edits = edits.unwrap_or_default();
            if !is_decided_there(&fix.edits, &finding.evidence, sources) {
                fix.applicability = Applicability::Suggest;
            }
        }
    }
}

/// The place where the text of a rendered place was written; the values that were filled in there
/// are added to `values`.
fn moved(
    place: Evidence,
    source: &Source,
    trace: &Trace,
    sources: &Sources,
    values: &mut Vec<Evidence>,
) -> Evidence {
    let Some(from) = &trace.from else { return place };
    let Place::Text(span) = place.origin.place() else {
        return Evidence { origin: from.clone(), ..place };
    };
    let line = source.position(span.start).line;
    let rendered = text_of(source, line);
    let written = trace.line(line);
    for value in written.iter().flat_map(|written| &written.values).take(MOST_VALUES) {
        values.push(Evidence {
            origin: value.origin.clone(),
            role: Role::Related,
            note: match value.is_empty {
                true => format!("`{}` is empty here", value.name),
                false => format!("`{}` is set here", value.name),
            },
        });
    }
    if let Some(found) = in_structure(span, source, trace, sources) {
        let note = match found.says {
            true => place.note,
            false => with(&place.note, rendered),
        };
        return Evidence { origin: found.at, note, role: place.role };
    }
    let Some(at) =
        written.and_then(|written| written.at.as_ref()).or_else(|| above(source, trace, line))
    else {
        return Evidence { origin: from.clone(), note: with(&place.note, rendered), ..place };
    };
    let template = sources.get(at.source());
    let text = at.span().and_then(|span| template.shown()?.get(span.range())).unwrap_or_default();
    let part = source.shown().and_then(|shown| shown.get(span.range())).unwrap_or_default();
    // A line of megabytes may have thousands of findings.
    let is_long = text.len() > LONG || rendered.len() > LONG;
    let part = if is_long { "" } else { part };
    // The same words on that line are what is meant.
    let is_line = !part.is_empty() && !text.contains('\n');
    let mut found = text.match_indices(part).filter(|(at, _)| is_line && is_printed(text, *at));
    let origin = match (found.next(), found.next(), at.span()) {
        (Some((start, _)), None, Some(span)) => {
            let start = span.start as usize + start;
            Origin::text(at.source(), Span::new(start, start + part.len()))
        }
        // What is meant is what was filled in, unless it is the key in front of it.
        _ => written.and_then(|written| written.action.clone()).unwrap_or_else(|| at.clone()),
    };
    let printed_as_is =
        text.trim() == rendered.trim() || (!is_long && rendered.contains(text.trim()));
    let note = match printed_as_is {
        true => place.note,
        false => with(&place.note, rendered),
    };
    Evidence { origin, note, role: place.role }
}

/// Whether what stands at a place of a template's line is printed as it stands: text, and what an action has where
/// there is no value. A name of a value, or the number behind `nindent`, is neither.
fn is_printed(text: &str, at: usize) -> bool {
    let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at..).unwrap_or_default());
    let in_action = match (before.rfind("{{"), before.rfind("}}")) {
        (Some(open), Some(close)) => open > close,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        // One that began on a line above.
        (None, None) => match (after.find("{{"), after.find("}}")) {
            (Some(open), Some(close)) => close < open,
            (None, close) => close.is_some(),
            (Some(_), None) => false,
        },
    };
    let unquoted = before.trim_end_matches(['"', '`']);
    !in_action || unquoted.trim_end().ends_with("default")
}

/// Where a key or value stands in an input that has the structure of what was printed; of a part of
/// a value, where that part does.
fn in_structure(span: Span, source: &Source, trace: &Trace, sources: &Sources) -> Option<Traced> {
    if let Some(found) = trace.node(span) {
        return Some(found.clone());
    }
    let around = trace.node_around(span).filter(|around| around.says)?;
    let text = |source: SourceId, span: Span| sources.get(source).shown()?.get(span.range());
    let printed = source.shown()?.get(around.span.range())?;
    let at = around.at.span()?;
    let found = match text(around.at.source(), at) == Some(printed) {
        true => {
            let before = (span.start - around.span.start) as usize;
            let start = at.start as usize + before;
            let part = Span::new(start, start + span.range().len());
            Traced { span, at: Origin::text(around.at.source(), part), says: true }
        }
        // It is quoted or folded otherwise.
        false => Traced { span, ..around.clone() },
    };
    Some(found)
}

/// The line above with less space in front that is known: the key that a line stands below.
fn above<'t>(source: &Source, trace: &'t Trace, line: u32) -> Option<&'t Origin> {
    let indent = |text: &str| text.len() - text.trim_start().len();
    let mut most = indent(text_of(source, line));
    let mut number = line;
    let last = line.saturating_sub(ABOVE).max(1);
    while number > last && most > 0 {
        number -= 1;
        let text = text_of(source, number);
        if text.trim().is_empty() || indent(text) >= most {
            continue;
        }
        most = indent(text);
        if let Some(Written { at: Some(at), .. }) = trace.line(number) {
            return Some(at);
        }
    }
    None
}

fn text_of(source: &Source, line: u32) -> &str {
    let range = source.line(line);
    range.and_then(|range| source.shown()?.get(range)).unwrap_or_default()
}

/// What is said of a place, and what the template printed there. A key with nothing behind it says
/// no more than the place does.
fn with(note: &str, rendered: &str) -> String {
    let rendered = rendered.trim();
    if rendered.is_empty() || rendered == "-" || rendered.ends_with(':') {
        return note.to_owned();
    }
    let rendered: Cow<'_, str> = match rendered.char_indices().nth(QUOTED) {
        Some((at, _)) => format!("{}...", &rendered[..at]).into(),
        None => rendered.into(),
    };
    match note {
        "" => format!("rendered: `{rendered}`"),
        note => format!("{note} (rendered: `{rendered}`)"),
    }
}

/// Whether a resource that is changed has everything that the change follows from. Where an overlay
/// sets the other half, what is right for it may be wrong for the next one.
fn is_decided_there(edits: &[Edit], evidence: &[Evidence], sources: &Sources) -> bool {
    let is_resource = |origin: &Origin| sources.get(origin.source()).kind == SourceKind::Resource;
    let changed = edits.iter().filter(|edit| sources.get(edit.source).kind == SourceKind::Resource);
    let mut changed = changed.map(|edit| edit.source);
    let Some(first) = changed.next() else { return true };
    changed.all(|other| other == first)
        && evidence
            .iter()
            .filter(|place| is_resource(&place.origin))
            .all(|place| place.origin.source() == first)
}

/// An edit of a scalar that a resource or a patch has as it was printed.
fn in_resource(edit: &Edit, source: &Source, at: &Origin, sources: &Sources) -> Option<Edit> {
    let printed = source.shown()?;
    let old = printed.get(edit.span.range())?;
    let before = printed.get(..edit.span.start as usize)?;
    let (span, written) = (at.span()?, sources.get(at.source()).shown()?.get(at.span()?.range())?);
    let moved = |span: Span| {
        Some(Edit { source: at.source(), span, replacement: edit.replacement.clone() })
    };
    let was_quoted = before.ends_with(['"', '\'']);
    if old.is_empty() {
        None
    } else if written == old {
        // In quotes there it may be text only because of them.
        moved(span).filter(|_| !was_quoted)
    } else {
        let quote = written.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let inner = written.strip_prefix(quote)?.strip_suffix(quote)?;
        let stays = inner == old && !edit.replacement.contains([quote, '\\', '\n']);
        let replacement_is_bare = !edit.replacement.starts_with(['"', '\'']);
        let inner = Span { start: span.start + 1, end: span.end - 1 };
        moved(inner).filter(|_| stays && replacement_is_bare)
    }
}

/// An edit of a value that is a line of a values file; `None` for what a template prints.
pub(super) fn moved_edit(edit: &Edit, sources: &Sources) -> Option<Edit> {
    let source = sources.get(edit.source);
    let Some(trace) = &source.rendered else { return Some(edit.clone()) };
    if !trace.nodes.is_empty() {
        let node = trace.node(edit.span).filter(|found| found.says)?;
        let is_resource = sources.get(node.at.source()).kind == SourceKind::Resource;
        return in_resource(edit, source, &node.at, sources).filter(|_| is_resource);
    }
    let line = source.position(edit.span.start).line;
    // Of several values on a line it could be any.
    let [value] = trace.line(line)?.values.as_slice() else { return None };
    let is_it = |value: &Value| {
        let inside = |whole: Span| edit.span.contains(whole) || whole.contains(edit.span);
        let same = |whole: Span| {
            let text = |span: Span| source.shown().and_then(|shown| shown.get(span.range()));
            let plain = |text: Option<&str>| text.map(|t| t.trim_matches(['"', '\'']).to_owned());
            text(whole).is_some() && plain(text(whole)) == plain(text(edit.span))
        };
        value.whole.is_some_and(|whole| inside(whole) && same(whole))
    };
    if !is_it(value) {
        return None;
    }
    Some(Edit { source: value.origin.source(), span: value.origin.span()?, ..edit.clone() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// `values.yaml` and a rendered text whose lines have these values.
    fn sources(text: &str, lines: Vec<Written>) -> Sources {
        let mut sources = Sources::default();
        sources.add(Source::text("values.yaml", SourceKind::Values, Arc::from("a: 1\nb: 1\n")));
        let mut rendered = Source::text("a.yaml", SourceKind::Manifest, Arc::from(text));
        let from = Some(Origin::whole(SourceId(0)));
        rendered.rendered = Some(Trace { from, lines, nodes: Vec::new() });
        sources.add(rendered);
        sources
    }

    fn value(at: usize, whole: Option<Span>) -> Value {
        let origin = Origin::text(SourceId(0), Span::new(at, at + 1));
        Value { origin, name: "a".to_owned(), whole, is_empty: false }
    }

    #[test]
    fn an_edit_moves_when_the_line_has_one_value() {
        let edit = Edit { source: SourceId(1), span: Span::new(3, 4), replacement: "2".to_owned() };
        let whole = Some(Span::new(3, 4));
        let moved = |values: Vec<Value>| {
            let line = Written { values, ..Written::default() };
            moved_edit(&edit, &sources("m: 1\n", vec![line]))
        };
        let one = moved(vec![value(3, whole)]).map(|edit| (edit.source, edit.span));
        assert_eq!(one, Some((SourceId(0), Span::new(3, 4))));
        assert_eq!(moved(vec![value(3, whole), value(8, whole)]), None);
        // One of them may be changed, but which one the line is of is not known.
        assert_eq!(moved(vec![value(3, whole), value(8, None)]), None);
        assert_eq!(moved(vec![value(3, None)]), None);
        assert_eq!(moved(Vec::new()), None);
    }

    #[test]
    fn a_number_that_says_how_far_to_indent_is_not_what_was_printed() {
        let printed = |text: &str, part: &str| {
            let at: Vec<bool> =
                text.match_indices(part).map(|(at, _)| is_printed(text, at)).collect();
            at
        };
        assert_eq!(printed("resources: {{- toYaml .Values.r | nindent 12 }}", "12"), [false]);
        assert_eq!(printed("port: {{ .Values.ports.http }}", "http"), [false]);
        assert_eq!(printed("a: 8 # {{ .Values.a }} 8", "8"), [true, true]);
        assert_eq!(printed("a: {{ .Values.a | default 8080 }}", "8080"), [true]);
        assert_eq!(printed("a: {{ .Values.a | default \"http\" | quote }}", "http"), [true]);
        assert_eq!(printed("  | nindent 4 }}-4", "4"), [false, true]);
    }

    #[test]
    fn the_key_above_is_not_looked_for_without_end() {
        let far = format!("a:\n{}", "  b: 1\n".repeat(5000));
        let at = Some(Origin::text(SourceId(0), Span::new(0, 4)));
        let lines = vec![Written { at, ..Written::default() }];
        let sources = sources(&far, lines);
        let source = sources.get(SourceId(1));
        let trace = source.rendered.as_ref().unwrap();
        assert!(above(source, trace, 100).is_some());
        assert!(above(source, trace, 4999).is_none());
    }

    #[test]
    fn what_was_printed_is_told_where_it_says_something() {
        assert_eq!(
            with("the kernel kills", "  memory: 1Gi"),
            "the kernel kills (rendered: `memory: 1Gi`)"
        );
        assert_eq!(with("", "- b"), "rendered: `- b`");
        for rendered in ["spec:", "  - env:", "", " - "] {
            assert_eq!(with("the rollout goes on", rendered), "the rollout goes on", "{rendered}");
        }
    }

    #[test]
    fn a_part_of_a_value_is_pointed_at_where_the_value_is_written_alike() {
        let mut sources = sources("image: r/x:1\nargs: \"a b\"\n", Vec::new());
        let at = |start, end| Origin::text(SourceId(0), Span::new(start, end));
        // `a: 1` and `b: 1` stand for what was written.
        let nodes = vec![
            Traced { span: Span::new(0, 5), at: at(0, 1), says: true },
            Traced { span: Span::new(11, 12), at: at(3, 4), says: true },
            Traced { span: Span::new(19, 24), at: at(8, 9), says: true },
        ];
        let from = Some(Origin::whole(SourceId(0)));
        let trace = Trace { from, lines: Vec::new(), nodes };
        let found = |start, end| {
            let source = sources.get(SourceId(1));
            let found = in_structure(Span::new(start, end), source, &trace, &sources);
            found.map(|found| found.at.span().unwrap())
        };
        assert_eq!(found(11, 12), Some(Span::new(3, 4)));
        // Quoted there and not here: all of it.
        assert_eq!(found(20, 21), Some(Span::new(8, 9)));
        assert_eq!(found(7, 8), None);
        sources.get_mut(SourceId(1)).rendered = Some(trace);
        let mut finding = Finding::new(
            &crate::rules::rule::Rule::BASE,
            "m",
            &Origin::text(SourceId(1), Span::new(11, 12)),
            "here",
        );
        finding.fix = Some(super::super::Fix::suggest("f").replace(finding.primary(), "2"));
        let mut findings = [finding];
        relocate(&mut findings, &sources);
        assert_eq!(findings[0].primary(), &at(3, 4));
        // A values file is no resource: what a renderer made of it is not edited by its structure.
        assert!(findings[0].fix.as_ref().unwrap().edits.is_empty());
    }
}
