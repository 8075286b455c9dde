//! The inputs of a run: paths, text and line positions.

use std::sync::{Arc, OnceLock};

use crate::facts::origin::{SourceId, Span};

/// What an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// Kubernetes YAML or JSON.
    Manifest,
    /// A Dockerfile.
    Dockerfile,
    /// An executable.
    Binary,
    /// `provost.toml`
    Config,
    /// `go.mod`
    GoMod,
    /// A flag of the command line that states a fact.
    Flag,
    /// Named on the command line and of no known format.
    Unknown,
}

impl SourceKind {
    /// The word reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Dockerfile => "dockerfile",
            Self::Binary => "binary",
            Self::Config => "config",
            Self::GoMod => "go.mod",
            Self::Flag => "flag",
            Self::Unknown => "unknown",
        }
    }
}

/// One input.
#[derive(Debug)]
pub struct Source {
    /// Path as the user gave it or as found below it, `/`-separated; `-` for standard input.
    pub path: String,
    /// What it is.
    pub kind: SourceKind,
    /// Named on the command line rather than found by walking.
    pub named: bool,
    /// Text as reports may show it: secret bytes are masked by the loader, positions are those of
    /// the file. `None` for executables.
    text: Option<Arc<str>>,
    lines: OnceLock<Vec<u32>>,
}

/// A position in a text: line and column from 1, the column counted in Unicode characters, and
/// the byte offset from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Byte offset, from 0.
    pub offset: u32,
}

impl Source {
    /// An input with text.
    pub fn text(path: impl Into<String>, kind: SourceKind, text: Arc<str>) -> Self {
        Self { path: path.into(), kind, named: false, text: Some(text), lines: OnceLock::new() }
    }

    /// An input without text that could be shown.
    pub fn opaque(path: impl Into<String>, kind: SourceKind) -> Self {
        Self { path: path.into(), kind, named: false, text: None, lines: OnceLock::new() }
    }

    /// The text, secrets masked.
    pub fn shown(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Replaces every byte of `spans` that is not a line break by `*`, so that no report can show
    /// it. Positions stay as they are. Loaders call this before anything else sees the source.
    pub fn mask(&mut self, spans: &[Span]) {
        let Some(text) = self.text.as_deref() else { return };
        if spans.is_empty() {
            return;
        }
        let mut bytes = text.as_bytes().to_vec();
        for span in spans {
            for byte in bytes.get_mut(span.range()).unwrap_or_default() {
                if !matches!(byte, b'\n' | b'\r') {
                    *byte = b'*';
                }
            }
        }
        // A span ends on character boundaries, so that the masked text is UTF-8 again; if a loader
        // ever broke that, showing replacement characters is better than showing the secret.
        self.text = Some(Arc::from(String::from_utf8_lossy(&bytes).as_ref()));
        self.lines = OnceLock::new();
    }

    /// Line, column and offset of a byte.
    pub fn position(&self, offset: u32) -> Position {
        let Some(text) = self.text.as_deref() else {
            return Position { line: 1, column: 1, offset };
        };
        let lines = self.lines.get_or_init(|| {
            let mut starts = vec![0];
            starts.extend(
                memchr::memchr_iter(b'\n', text.as_bytes())
                    .map(|i| u32::try_from(i + 1).unwrap_or(u32::MAX)),
            );
            starts
        });
        let line = lines.partition_point(|start| *start <= offset).max(1);
        let start = lines[line - 1];
        let before = text.as_bytes().get(start as usize..offset as usize).unwrap_or_default();
        // Continuation bytes do not start a character.
        let column = before.iter().filter(|b| (**b & 0xC0) != 0x80).count();
        Position {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
            offset,
        }
    }
}

/// All inputs of a run.
#[derive(Debug, Default)]
pub struct Sources {
    all: Vec<Source>,
}

impl Sources {
    /// Adds an input and names it.
    pub fn add(&mut self, source: Source) -> SourceId {
        let id = SourceId(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.push(source);
        id
    }

    /// The input of that name.
    pub fn get(&self, id: SourceId) -> &Source {
        // Ids are only made by `add`.
        &self.all[id.0 as usize]
    }

    /// The input of that name, to mask it.
    pub fn get_mut(&mut self, id: SourceId) -> &mut Source {
        &mut self.all[id.0 as usize]
    }

    /// All inputs with their names.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.all
            .iter()
            .enumerate()
            .map(|(i, s)| (SourceId(u32::try_from(i).unwrap_or(u32::MAX)), s))
    }
}
