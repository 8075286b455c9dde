//! One instruction's text as keyword, flags and arguments, by the rules of BuildKit's
//! `frontend/dockerfile/parser` (`split_command.go`, `line_parsers.go`, v0.26).

use std::ops::Range;

/// Instructions and the flags they take (`instructions/parse.go`, `commands_run*.go`).
pub(super) const INSTRUCTIONS: &[(&str, &[&str])] = &[
    ("ADD", &["chown", "chmod", "link", "keep-git-dir", "checksum", "unpack", "exclude"]),
    ("ARG", &[]),
    ("CMD", &[]),
    ("COPY", &["chown", "from", "chmod", "link", "exclude", "parents"]),
    ("ENTRYPOINT", &[]),
    ("ENV", &[]),
    ("EXPOSE", &[]),
    ("FROM", &["platform"]),
    ("HEALTHCHECK", &["interval", "timeout", "start-period", "start-interval", "retries"]),
    ("LABEL", &[]),
    ("MAINTAINER", &[]),
    ("ONBUILD", &[]),
    ("RUN", &["mount", "network", "security", "device"]),
    ("SHELL", &[]),
    ("STOPSIGNAL", &[]),
    ("USER", &[]),
    ("VOLUME", &[]),
    ("WORKDIR", &[]),
];

use super::lines::Line;

/// White space by BuildKit's `reWhitespace`.
pub(super) fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// Keyword, flags and the rest of an instruction, as ranges of its line.
#[derive(Debug)]
pub(super) struct Split {
    /// The keyword as written.
    pub(super) keyword: Range<usize>,
    /// `--name=value` words.
    pub(super) flags: Vec<Range<usize>>,
    /// Everything behind the flags, trimmed.
    pub(super) rest: Range<usize>,
}

/// Splits an instruction that starts at `from`.
pub(super) fn split(line: &Line, from: usize) -> Split {
    let whole = line.trim(from..line.text.len());
    let bytes = line.text.as_bytes();
    let mut i = whole.start;
    while i < whole.end && !bytes.get(i).is_some_and(|b| is_blank(*b)) {
        i += 1;
    }
    let keyword = whole.start..i;
    let mut flags = Vec::new();
    loop {
        while i < whole.end && bytes.get(i).is_some_and(u8::is_ascii_whitespace) {
            i += 1;
        }
        if !line.text.as_bytes().get(i..whole.end).unwrap_or_default().starts_with(b"--") {
            break;
        }
        let start = i;
        let mut quote = None;
        while let Some(b) = bytes.get(i).filter(|_| i < whole.end) {
            match (*b, quote) {
                (b'\'' | b'"', None) => quote = Some(*b),
                (b, Some(q)) if b == q => quote = None,
                (b'\\', _) => i += 1,
                (b, None) if b.is_ascii_whitespace() => break,
                _ => {}
            }
            i += 1;
        }
        i = i.min(whole.end);
        // `--` alone ends the flags.
        if line.get(&(start..i)) == "--" {
            break;
        }
        flags.push(start..i);
    }
    Split { keyword, flags, rest: line.trim(i..whole.end) }
}

/// Words between white space.
pub(super) fn words(line: &Line, range: &Range<usize>) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (i, b) in line.get(range).bytes().enumerate() {
        if is_blank(b) {
            if let Some(start) = start.take() {
                words.push(range.start + start..range.start + i);
            }
        } else {
            start.get_or_insert(i);
        }
    }
    if let Some(start) = start {
        words.push(range.start + start..range.end);
    }
    words
}

/// Words between white space outside quotes, as ENV, ARG and LABEL read them; quotes stay.
pub(super) fn quoted_words(line: &Line, range: &Range<usize>, escape: char) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut chars = line.get(range).char_indices();
    while let Some((i, c)) = chars.next() {
        if start.is_none() {
            if c.is_whitespace() {
                continue;
            }
            start = Some(i);
        }
        match quote {
            None if c.is_whitespace() => {
                if let Some(start) = start.take() {
                    words.push(range.start + start..range.start + i);
                }
            }
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(q) if c == q => quote = None,
            // Nothing can be escaped inside single quotes.
            _ if c == escape && quote != Some('\'') => {
                chars.next();
            }
            _ => {}
        }
    }
    if let Some(start) = start {
        words.push(range.start + start..range.end);
    }
    words
}

/// A string of a JSON array with its place, quotes excluded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct JsonWord {
    /// The decoded string.
    pub(super) text: String,
    /// Between the quotes.
    pub(super) range: Range<usize>,
}

/// What an argument that may be a JSON array is.
#[derive(Debug, PartialEq)]
pub(super) enum MaybeJson {
    /// An array of strings.
    Array(Vec<JsonWord>),
    /// An array that holds something else: BuildKit refuses it.
    NotStrings,
    /// Anything else, single quotes and trailing commas included: shell form.
    No,
}

/// Reads a JSON array that fills the whole range.
pub(super) fn maybe_json(line: &Line, range: &Range<usize>) -> MaybeJson {
    let text = line.get(range);
    if !text.starts_with('[') {
        return MaybeJson::No;
    }
    match string_array(text) {
        Some(words) => MaybeJson::Array(
            words
                .into_iter()
                .map(|(text, at)| JsonWord {
                    text,
                    range: range.start + at.start..range.start + at.end,
                })
                .collect(),
        ),
        // Nesting is bounded by serde_json.
        None if serde_json::from_str::<Vec<serde_json::Value>>(text).is_ok() => {
            MaybeJson::NotStrings
        }
        None => MaybeJson::No,
    }
}

fn string_array(text: &str) -> Option<Vec<(String, Range<usize>)>> {
    let bytes = text.as_bytes();
    let skip = |mut i: usize| {
        while matches!(bytes.get(i), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            i += 1;
        }
        i
    };
    let mut words = Vec::new();
    let mut i = skip(1);
    if bytes.get(i) == Some(&b']') {
        return (skip(i + 1) == bytes.len()).then_some(words);
    }
    loop {
        if bytes.get(i) != Some(&b'"') {
            return None;
        }
        let start = i + 1;
        i = start;
        loop {
            match bytes.get(i)? {
                b'"' => break,
                b'\\' => i += 2,
                _ => i += 1,
            }
        }
        // Escapes and control characters are serde_json's business.
        let word = serde_json::from_str::<String>(text.get(start - 1..=i)?).ok()?;
        words.push((word, start..i));
        i = skip(i + 1);
        match bytes.get(i)? {
            b',' => i = skip(i + 1),
            b']' => return (skip(i + 1) == bytes.len()).then_some(words),
            _ => return None,
        }
    }
}
