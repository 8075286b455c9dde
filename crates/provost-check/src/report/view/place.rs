//! Where a finding is and what its fix replaces, as lines and columns.

use serde::Serialize;

use crate::artifact::{Source, SourceKind, Sources};
use crate::facts::origin::{Origin, Place};
use crate::findings::{Applicability, Fix, Role};

/// A place and what it contributes.
#[derive(Debug, Serialize)]
pub struct PlaceView<'a> {
    /// `text`, `binary`, `image`, `process` or `log`.
    pub origin: &'static str,
    /// Of the input.
    pub path: &'a str,
    /// First character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Position>,
    /// Behind the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Position>,
    /// Virtual address, hexadecimal with `0x`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<&'a str>,
    /// Digest of an image's layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<&'a str>,
    /// When, in seconds since the process was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// `primary` or `related`.
    pub role: &'static str,
    /// What it contributes.
    pub note: &'a str,
    /// The input the place is in.
    #[serde(skip)]
    pub source: &'a Source,
}

/// Line and column from 1, the column in Unicode characters; the byte offset from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// In bytes, from 0.
    pub offset: u32,
}

/// The way out.
#[derive(Debug, Serialize)]
pub struct FixView<'a> {
    /// What to do.
    pub title: &'a str,
    /// `safe` or `suggest`.
    pub applicability: &'static str,
    /// What to replace, all or none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<EditView<'a>>,
}

/// A replacement in a text.
#[derive(Debug, Serialize)]
pub struct EditView<'a> {
    /// Of the text.
    pub path: &'a str,
    /// First character that goes.
    pub start: Position,
    /// Behind the last.
    pub end: Position,
    /// What comes in their place.
    pub replacement: &'a str,
}

impl<'a> PlaceView<'a> {
    /// `path`, `path:line` or `path:line:column`.
    pub fn position(&self) -> String {
        match self.start {
            Some(start) => format!("{}:{}:{}", self.path, start.line, start.column),
            None => self.path.to_owned(),
        }
    }
}

pub(super) fn fix_view<'a>(fix: &'a Fix, sources: &'a Sources) -> FixView<'a> {
    let edits = fix.edits.iter().map(|edit| {
        let source = sources.get(edit.source);
        EditView {
            path: &source.path,
            start: position(source, edit.span.start),
            end: position(source, edit.span.end),
            replacement: &edit.replacement,
        }
    });
    FixView {
        title: &fix.title,
        applicability: match fix.applies() {
            Applicability::Safe => "safe",
            Applicability::Suggest => "suggest",
        },
        edits: edits.collect(),
    }
}

pub(super) fn place<'a>(
    origin: &'a Origin,
    role: Role,
    note: &'a str,
    sources: &'a Sources,
) -> PlaceView<'a> {
    let source = sources.get(origin.source());
    let (start, end) = match origin.place() {
        Place::Text(span) => (Some(position(source, span.start)), Some(position(source, span.end))),
        Place::Log(log) => {
            let line = u32::try_from(log.line).unwrap_or(u32::MAX);
            (Some(Position { line, column: 1, offset: 0 }), None)
        }
        _ => (None, None),
    };
    let (address, section) = match origin.place() {
        Place::Binary(place) => {
            (place.address.map(|a| format!("{a:#x}")), place.section.as_deref())
        }
        Place::Image(place) => (None, Some(&*place.path)),
        Place::Process(moment) => (None, Some(moment.phase.name())),
        _ => (None, None),
    };
    PlaceView {
        origin: match (origin.place(), source.kind) {
            (Place::Image(_), _) | (_, SourceKind::Image) => "image",
            (Place::Binary(_), _) | (_, SourceKind::Binary) => "binary",
            (Place::Process(_), _) => "process",
            (Place::Log(_), _) | (_, SourceKind::Log) => "log",
            _ => "text",
        },
        path: &source.path,
        start,
        end,
        address,
        section,
        layer: match origin.place() {
            Place::Image(place) => place.layer.as_deref(),
            _ => None,
        },
        time: match origin.place() {
            Place::Process(moment) => moment.at_us.map(seconds),
            Place::Log(line) => line.at_ms.map(|at| seconds(at.saturating_mul(1000))),
            _ => None,
        },
        role: match role {
            Role::Primary => "primary",
            Role::Related => "related",
        },
        note,
        source,
    }
}

/// Microseconds as seconds: `1.204 s`.
pub(in crate::report) fn seconds(at_us: u64) -> String {
    format!("{}.{:03} s", at_us / 1_000_000, at_us / 1000 % 1000)
}

fn position(source: &Source, offset: u32) -> Position {
    let position = source.position(offset);
    Position { line: position.line, column: position.column, offset: position.offset }
}
