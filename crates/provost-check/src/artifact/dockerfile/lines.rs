//! From bytes to instructions' text: physical lines, continuations, comments, parser directives
//! and heredocs, by the rules of BuildKit's `frontend/dockerfile/parser/parser.go` (v0.26).
//!
//! A logical line remembers where each of its pieces stands in the file, so that a word that is
//! cut by a continuation still has its place.

use std::ops::Range;

use crate::facts::Span;

/// An instruction's text with continuations joined and comments inside it dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// The joined text.
    pub(super) text: String,
    /// Where in `text` a piece of the file starts, and where it starts in the file; ascending.
    pieces: Vec<(usize, usize)>,
}

impl Line {
    /// A text that stands in the file in one piece.
    pub(super) fn verbatim(text: &str, at: usize) -> Self {
        Self { text: text.to_owned(), pieces: vec![(0, at)] }
    }

    fn push(&mut self, piece: &str, at: usize) {
        if !piece.is_empty() {
            self.pieces.push((self.text.len(), at));
            self.text.push_str(piece);
        }
    }

    /// Where a byte of the joined text stands in the file.
    pub(super) fn offset(&self, index: usize) -> usize {
        let next = self.pieces.partition_point(|(start, _)| *start <= index);
        match next.checked_sub(1).and_then(|i| self.pieces.get(i)) {
            Some((start, at)) => at + (index - start),
            None => self.pieces.first().map_or(0, |(_, at)| *at),
        }
    }

    /// The bytes of the file from the first to the last byte of a range of the joined text.
    pub(super) fn span(&self, range: &Range<usize>) -> Span {
        let start = self.offset(range.start);
        if range.end <= range.start {
            return Span::new(start, start);
        }
        Span::new(start, self.offset(range.end - 1) + 1)
    }

    /// The pieces that a range of the joined text is made of, as [`crate::facts::build_steps::ShellText`]
    /// wants them.
    pub(super) fn pieces(&self, range: &Range<usize>) -> Vec<(usize, usize)> {
        let first = self.pieces.partition_point(|(start, _)| *start <= range.start);
        let behind = self.pieces.get(first..).unwrap_or_default().iter();
        let inside = behind.take_while(|(start, _)| *start < range.end);
        std::iter::once((0, self.offset(range.start)))
            .chain(inside.map(|(start, at)| (start - range.start, *at)))
            .collect()
    }

    /// The text of a range; empty when the range does not lie on characters.
    pub(super) fn get(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// The range without white space at its ends.
    pub(super) fn trim(&self, range: Range<usize>) -> Range<usize> {
        let text = self.get(&range);
        let start = range.start + (text.len() - text.trim_start().len());
        let end = start + text.trim().len();
        start..end
    }
}

/// A here-document of RUN, COPY or ADD.
#[derive(Clone, Debug)]
pub(super) struct Heredoc {
    /// The word that ends it.
    pub(super) name: String,
    /// Its lines in the file.
    pub(super) body: Range<usize>,
}

/// One physical line: its text without the line end, and where the next line starts.
struct Physical<'a> {
    text: &'a str,
    at: usize,
}

/// Reads physical and logical lines off a Dockerfile.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// The character that continues lines and escapes, `\` or `` ` ``.
    pub(super) escape: char,
    directives_done: bool,
    seen_directives: Vec<&'static str>,
    max_line: usize,
    first: bool,
    /// The value of `# check=`, once it is read.
    pub(super) checks: Option<(&'a str, Span)>,
}

/// What stands in the way of reading on.
#[derive(Debug, PartialEq)]
pub(super) enum Trouble {
    /// `# escape=` names neither `\` nor `` ` ``, or a directive comes twice.
    Directive(String, Span),
    /// A physical line is longer than the limit; it is dropped.
    LongLine(Span),
    /// An empty line inside an instruction.
    EmptyLine(Span),
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, max_line: usize) -> Self {
        Self {
            text,
            at: 0,
            escape: '\\',
            directives_done: false,
            seen_directives: Vec::new(),
            max_line,
            first: true,
            checks: None,
        }
    }

    fn physical(&mut self) -> Option<Physical<'a>> {
        let mut at = self.at;
        let rest = self.text.get(at..).filter(|rest| !rest.is_empty())?;
        let (line, next) = match memchr::memchr(b'\n', rest.as_bytes()) {
            Some(end) => (rest.get(..end)?, at + end + 1),
            None => (rest, at + rest.len()),
        };
        self.at = next;
        let mut line = line.trim_end_matches(['\r', '\n']);
        if self.first {
            self.first = false;
            if let Some(stripped) = line.strip_prefix('\u{feff}') {
                at += line.len() - stripped.len();
                line = stripped;
            }
        }
        Some(Physical { text: line, at })
    }

    /// The next logical line that is not empty, or `None` at the end of the file.
    pub(super) fn logical(&mut self, troubles: &mut Vec<Trouble>) -> Option<Line> {
        loop {
            let physical = self.physical()?;
            if physical.text.len() > self.max_line {
                troubles.push(Trouble::LongLine(line_span(&physical)));
                continue;
            }
            let trimmed = physical.text.trim_start();
            let at = physical.at + (physical.text.len() - trimmed.len());
            self.directive(trimmed, at, troubles);
            if trimmed.starts_with('#') {
                continue;
            }
            let (piece, mut continued) = self.continuation(trimmed);
            if piece.is_empty() && !continued {
                continue;
            }
            let mut line = Line::default();
            line.push(piece, at);
            let mut empty = false;
            while continued {
                let Some(physical) = self.physical() else { break };
                if physical.text.len() > self.max_line {
                    troubles.push(Trouble::LongLine(line_span(&physical)));
                    continue;
                }
                let trimmed = physical.text.trim_start();
                // Comments and empty lines inside an instruction neither end nor continue it.
                if trimmed.is_empty() && !empty {
                    empty = true;
                    troubles.push(Trouble::EmptyLine(Span::new(physical.at, physical.at)));
                }
                if trimmed.is_empty() || trimmed.starts_with('#') {
                    continue;
                }
                let (piece, more) = self.continuation(physical.text);
                line.push(piece, physical.at);
                continued = more;
            }
            if line.text.trim().is_empty() {
                continue;
            }
            return Some(line);
        }
    }

    /// Cuts a continuation mark off: the escape character, not escaped itself, and blanks behind it.
    fn continuation<'t>(&self, line: &'t str) -> (&'t str, bool) {
        let end = line.trim_end_matches([' ', '\t']);
        match end.strip_suffix(self.escape) {
            Some(before) if !before.ends_with(self.escape) => (before, true),
            _ => (line, false),
        }
    }

    /// `# escape=`, `# syntax=` and `# check=` before anything else.
    fn directive(&mut self, line: &'a str, at: usize, troubles: &mut Vec<Trouble>) {
        if self.directives_done {
            return;
        }
        self.directives_done = true;
        let Some((name, value)) = line.strip_prefix('#').and_then(|rest| rest.split_once('='))
        else {
            return;
        };
        let value = value.trim();
        let Some(name) = ["syntax", "escape", "check"]
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(name.trim()) && !value.is_empty())
        else {
            return;
        };
        self.directives_done = false;
        let span = Span::new(at, at + line.trim_end().len());
        if self.seen_directives.contains(&name) {
            troubles.push(Trouble::Directive(
                format!("the parser directive {name} is written twice"),
                span,
            ));
            return;
        }
        self.seen_directives.push(name);
        if name == "check" {
            self.checks = Some((value, span));
        }
        if name == "escape" {
            match value {
                "\\" | "`" => self.escape = if value == "`" { '`' } else { '\\' },
                _ => troubles.push(Trouble::Directive(
                    format!("the escape character {value:?} is neither \\ nor `"),
                    span,
                )),
            }
        }
    }

    /// Reads the body of a here-document that starts at the next line; `None` when its end is
    /// missing, and then the rest of the file is read.
    pub(super) fn heredoc(&mut self, name: &str, chomp: bool) -> Option<Heredoc> {
        let start = self.at;
        loop {
            let before = self.at;
            let line = self.physical()?;
            let candidate = if chomp { line.text.trim_start_matches('\t') } else { line.text };
            if candidate == name {
                return Some(Heredoc { name: name.to_owned(), body: start..before });
            }
        }
    }
}

fn line_span(line: &Physical<'_>) -> Span {
    // The head is enough to show where it is.
    Span::new(line.at, line.at + line.text.chars().take(40).map(char::len_utf8).sum::<usize>())
}

/// Names of the here-documents that a line announces, with `<<-`, in order, where they stand, and
/// whether their bodies are expanded (the word was not quoted).
pub(super) fn heredoc_names(text: &str) -> Vec<(String, bool, Range<usize>)> {
    if !text.contains("<<") {
        return Vec::new();
    }
    let Some(words) = raw_words(text) else { return Vec::new() };
    words.into_iter().filter_map(|word| heredoc_name(text, word)).collect()
}

fn heredoc_name(text: &str, word: Range<usize>) -> Option<(String, bool, Range<usize>)> {
    let raw = text.get(word.clone())?;
    let rest = raw.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (chomp, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let mut name = String::with_capacity(rest.len());
    let mut quote = None;
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            ('\\', None) => name.extend(chars.next()),
            (c, None) if c.is_whitespace() => return None,
            (c, _) => name.push(c),
        }
    }
    (!name.is_empty()).then_some((name, chomp, word))
}

/// Splits at white space outside quotes; a `<<` takes the blanks behind it into its word. `None`
/// when a quote stays open, where BuildKit finds no here-document at all.
fn raw_words(text: &str) -> Option<Vec<Range<usize>>> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut start = None;
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        match b {
            b'\'' | b'"' => {
                start.get_or_insert(i);
                i += 1;
                loop {
                    match bytes.get(i)? {
                        b'\\' if b == b'"' => i += 1,
                        q if *q == b => break,
                        _ => {}
                    }
                    i += 1;
                }
            }
            b'\\' => {
                start.get_or_insert(i);
                i += 1;
            }
            b'<' if bytes.get(i + 1) == Some(&b'<') => {
                start.get_or_insert(i);
                i += 1;
                while matches!(bytes.get(i + 1), Some(b' ' | b'\t' | b'\r')) {
                    i += 1;
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c => {
                if let Some(start) = start.take() {
                    words.push(start..i);
                }
            }
            _ => {
                start.get_or_insert(i);
            }
        }
        i += 1;
    }
    if let Some(start) = start {
        words.push(start..bytes.len());
    }
    Some(words)
}
