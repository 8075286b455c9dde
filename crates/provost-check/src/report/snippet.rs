//! One finding as a diagnostic over all its places.
//!
//! The renderer is given excerpts, never whole files: it splits and measures everything it gets,
//! which over a file of megabytes and hundreds of findings would be quadratic.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use super::plain::{clean, fit, replacement};
use super::view;
use crate::artifact::{Source, Sources};
use crate::facts::origin::{Place, SourceId, Span};
use crate::findings::{self, Applicability, Evidence, Role};

/// Bytes of a line shown on either side of what is marked, before the renderer trims to the width.
const AROUND: usize = 400;
/// Places further apart than this are shown as two snippets.
const FAR: usize = 64 << 10;

/// A message with places, whatever it reports.
pub(crate) struct Diagnostic<'a> {
    pub(crate) level: findings::Level,
    /// Shown in brackets after the level, when not empty.
    pub(crate) id: &'a str,
    pub(crate) message: &'a str,
    pub(crate) evidence: &'a [Evidence],
    /// Name and text of the lines below: `note`, `fix`, `help`.
    pub(crate) lines: Vec<(&'static str, String)>,
}

/// Name of the line that shows a fix.
pub(crate) fn fix_name(applicability: Applicability) -> &'static str {
    match applicability {
        Applicability::Safe => "fix (safe)",
        Applicability::Suggest => "fix",
    }
}

/// Renders one diagnostic, ending in a line break.
pub(crate) fn render(
    diagnostic: &Diagnostic<'_>,
    sources: &Sources,
    width: usize,
    color: bool,
) -> String {
    let pieces = pieces(diagnostic.evidence, sources, width);
    let level = match diagnostic.level {
        findings::Level::Deny => Level::ERROR,
        findings::Level::Warn => Level::WARNING,
        findings::Level::Note => Level::NOTE,
    };
    let mut title = level.primary_title(clean(diagnostic.message));
    if !diagnostic.id.is_empty() {
        title = title.id(diagnostic.id);
    }
    let mut elements: Vec<Element<'_>> = Vec::new();
    for piece in &pieces {
        elements.push(match piece {
            Piece::Excerpt(excerpt) => excerpt.element(),
            Piece::Line(text) => Origin::path(text.as_str()).into(),
        });
    }
    for (name, text) in &diagnostic.lines {
        let level = if *name == "note" { Level::NOTE } else { Level::HELP };
        elements.push(level.with_name(*name).message(clean(text)).into());
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(width).decor_style(DecorStyle::Ascii).hyperlink(false);
    let groups = [Group::with_title(title).elements(elements)];
    let mut text = renderer.render(&groups);
    for piece in &pieces {
        if let Piece::Excerpt(excerpt) = piece {
            excerpt.correct_column(&mut text);
        }
    }
    fit(&text, width)
}

enum Piece {
    Excerpt(Excerpt),
    /// A place without text: `path: note`.
    Line(String),
}

/// Part of a text, cleaned, with what is marked in it.
struct Excerpt {
    path: String,
    first_line: usize,
    text: String,
    marks: Vec<Mark>,
    /// Column in the excerpt and in the file of the mark the header names, where they differ.
    columns: Option<(usize, usize, usize)>,
}

struct Mark {
    range: Range<usize>,
    primary: bool,
    label: String,
}

impl Excerpt {
    fn element(&self) -> Element<'_> {
        let annotations = self.marks.iter().map(|mark| {
            let kind = if mark.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let label = (!mark.label.is_empty()).then_some(mark.label.as_str());
            kind.span(mark.range.clone()).label(label)
        });
        Snippet::source(self.text.as_str())
            .line_start(self.first_line)
            .path(self.path.as_str())
            .annotations(annotations)
            .into()
    }

    /// The renderer counts columns from where the excerpt begins.
    fn correct_column(&self, text: &mut String) {
        let Some((line, wrong, right)) = self.columns else { return };
        let shown = format!("{}:{line}:{wrong}", self.path);
        let Some(at) = text
            .match_indices(&shown)
            .map(|(at, _)| at)
            .find(|at| !text[at + shown.len()..].starts_with(|c: char| c.is_ascii_digit()))
        else {
            return;
        };
        text.replace_range(at..at + shown.len(), &format!("{}:{line}:{right}", self.path));
    }
}

/// Excerpts and lines in the order of the sources' first appearance, the primary place first.
fn pieces(evidence: &[Evidence], sources: &Sources, width: usize) -> Vec<Piece> {
    let mut order: Vec<SourceId> = Vec::new();
    for item in evidence {
        if !order.contains(&item.origin.source()) {
            order.push(item.origin.source());
        }
    }
    let mut pieces = Vec::new();
    for id in order {
        let source = sources.get(id);
        let path = clean(&source.path).into_owned();
        let mut places = Vec::new();
        for item in evidence.iter().filter(|item| item.origin.source() == id) {
            match (item.origin.place(), source.shown()) {
                (Place::Text(span), Some(text)) => {
                    places.push(Located::new(span, text, item, width));
                }
                (place, _) => pieces.push(Piece::Line(whole_line(&path, place, &item.note))),
            }
        }
        if let Some(text) = source.shown() {
            for cluster in clusters(places, width) {
                pieces.push(Piece::Excerpt(excerpt(&cluster, &path, source, text)));
            }
        }
    }
    pieces
}

fn whole_line(path: &str, place: Place<'_>, note: &str) -> String {
    let mut line = path.to_owned();
    if let Place::Binary(place) = place {
        match (&place.section, &place.address) {
            (Some(section), Some(address)) => {
                line.push_str(&format!(" ({} at {address:#x})", clean(section)));
            }
            (Some(section), None) => line.push_str(&format!(" ({})", clean(section))),
            (None, Some(address)) => line.push_str(&format!(" ({address:#x})")),
            (None, None) => {}
        }
    }
    if let Place::Image(place) = place {
        let (path, layer) = (&place.path, &place.layer);
        line.push_str(&format!(" ({}", clean(path)));
        if let Some(layer) = layer {
            let short: String = layer.chars().take("sha256:".len() + 12).collect();
            line.push_str(&format!(" in {}", clean(&short)));
        }
        line.push(')');
    }
    if let Place::Process(moment) = place {
        line.push_str(&format!(" ({}", moment.phase.name()));
        if let Some(at) = moment.at_us {
            line.push_str(&format!(" at {}", view::seconds(at)));
        }
        line.push(')');
    }
    if let Place::Log(log) = place {
        line.push_str(&format!(":{}", log.line));
        if let Some(at_ms) = log.at_ms {
            line.push_str(&format!(" (at {})", view::seconds(at_ms.saturating_mul(1000))));
        }
    }
    if !note.is_empty() {
        line.push_str(": ");
        line.push_str(&clean(note));
    }
    line
}

/// A place, cut to what can be shown of it.
struct Located<'e> {
    item: &'e Evidence,
    /// Bytes that are underlined: the first line of the place, at most about a line's width.
    span: Range<usize>,
    /// Bytes of the line that are shown; the whole line unless it is very long.
    line: Range<usize>,
    /// The shown part does not begin where the line does.
    cut: bool,
}

impl<'e> Located<'e> {
    fn new(span: Span, text: &str, item: &'e Evidence, width: usize) -> Self {
        let bytes = text.as_bytes();
        let start = floor_boundary(text, span.range().start.min(bytes.len()));
        let end = floor_boundary(text, span.range().end.clamp(start, bytes.len()));
        // Only the first line of a place is marked; brackets over twenty lines say less.
        let first_line = memchr::memchr(b'\n', &bytes[start..end]).map_or(end, |at| start + at);
        let end = start + text[start..first_line].trim_end().len();
        let end = floor_boundary(text, end.min(start + width.saturating_sub(20).max(20)));
        let before = floor_boundary(text, start.saturating_sub(AROUND));
        let line_start = memchr::memrchr(b'\n', &bytes[before..start]);
        let after = floor_boundary(text, (end + AROUND).min(bytes.len()));
        let line_end = memchr::memchr(b'\n', &bytes[end..after]).map_or(after, |at| end + at);
        Self {
            item,
            span: start..end,
            line: line_start.map_or(before, |at| before + at + 1)..line_end,
            cut: line_start.is_none() && before > 0,
        }
    }

    fn column(&self) -> usize {
        self.span.start - self.line.start
    }
}

/// Groups places that one snippet can show: close enough, and on lines that can be trimmed alike.
fn clusters<'e>(mut places: Vec<Located<'e>>, width: usize) -> Vec<Vec<Located<'e>>> {
    let primary = places.iter().position(|p| p.item.role == Role::Primary);
    let primary = primary.map(|at| places[at].span.clone());
    places.sort_by_key(|p| (p.span.start, p.span.end));
    let mut clusters: Vec<Vec<Located<'e>>> = Vec::new();
    for place in places {
        if let Some(cluster) = clusters.last_mut()
            && fits_together(cluster, &place, width)
        {
            cluster.push(place);
        } else {
            clusters.push(vec![place]);
        }
    }
    let holds = |c: &Vec<Located<'e>>| c.iter().any(|p| Some(&p.span) == primary.as_ref());
    if let Some(at) = clusters.iter().position(holds) {
        let first = clusters.remove(at);
        clusters.insert(0, first);
    }
    clusters
}

fn fits_together(cluster: &[Located<'_>], place: &Located<'_>, width: usize) -> bool {
    let Some(last) = cluster.last() else { return true };
    if place.cut || cluster.iter().any(|p| p.cut) || place.line.start - last.line.start > FAR {
        return false;
    }
    let all = || cluster.iter().chain([place]);
    let room = width.saturating_sub(24);
    if all().all(|p| p.line.len() <= room) {
        return true;
    }
    // The renderer cuts one window for all lines; it must hold every mark.
    let left = all().map(Located::column).min().unwrap_or(0);
    let right = all().map(|p| p.column() + p.span.len()).max().unwrap_or(0);
    right - left <= room
}

fn excerpt(cluster: &[Located<'_>], path: &str, source: &Source, text: &str) -> Excerpt {
    let start = cluster.iter().map(|p| p.line.start).min().unwrap_or(0);
    let end = cluster.iter().map(|p| p.line.end).max().unwrap_or(start);
    let spans: Vec<_> = cluster.iter().map(|p| p.span.start - start..p.span.end - start).collect();
    let (shown, ranges) = clean_lines(&text[start..end], &spans);
    let first = &cluster[0];
    let position = source.position(Span::new(first.span.start, first.span.end).start);
    let columns = first.cut.then(|| {
        let wrong = text[start..first.span.start].chars().count() + 1;
        (position.line as usize, wrong, position.column as usize)
    });
    let first_line = source.position(Span::new(start, start).start).line as usize;
    let marks = cluster.iter().zip(ranges).map(|(place, range)| Mark {
        range,
        primary: place.item.role == Role::Primary,
        label: clean(&place.item.note).into_owned(),
    });
    Excerpt { path: path.to_owned(), first_line, text: shown, marks: marks.collect(), columns }
}

/// [`clean`] for several lines; `ranges` are moved to where their text went. Tabs are left to the
/// renderer, and the carriage return of a line break goes.
fn clean_lines(text: &str, ranges: &[Range<usize>]) -> (String, Vec<Range<usize>>) {
    let dirty = |c: char| !matches!(c, '\n' | '\t') && replacement(c).is_some();
    if !text.chars().any(dirty) {
        return (text.to_owned(), ranges.to_vec());
    }
    let mut moved = ranges.to_vec();
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        for (from, to) in ranges.iter().zip(&mut moved) {
            if from.start == at {
                to.start = out.len();
            }
            if from.end == at {
                to.end = out.len();
            }
        }
        match c {
            '\r' if text[at + 1..].starts_with('\n') => {}
            c if dirty(c) => out.push(replacement(c).unwrap_or(c)),
            c => out.push(c),
        }
    }
    for (from, to) in ranges.iter().zip(&mut moved) {
        if from.start == text.len() {
            to.start = out.len();
        }
        if from.end == text.len() {
            to.end = out.len();
        }
    }
    (out, moved)
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
