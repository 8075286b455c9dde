//! Words of a query.

use std::ops::Range;

/// A word and its place in the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Bytes in the query.
    pub place: Range<usize>,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A metric, function, label or keyword.
    Name,
    /// A number or duration.
    Number,
    /// A string with its quotes.
    Text,
    /// `{{args.name}}` or `$name`
    Placeholder,
    /// `(`, `[` or `{`
    Open(u8),
    /// Their counterparts.
    Close(u8),
    /// `,`
    Comma,
    /// Anything that compares or computes, also `@` and a lone `:`.
    Operator,
    /// A string or placeholder that does not end, or a character that is none of PromQL's.
    Broken,
}

/// The words, without blanks and comments.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if byte == b'#' {
            at = bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n);
            continue;
        }
        let (kind, length) = one(&text[at..]);
        found.push(Token { kind, place: at..at + length });
        at += length;
    }
    found
}

/// The kind and length of the word at the beginning; at least one character long.
fn one(rest: &str) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    let first = bytes.first().copied().unwrap_or_default();
    let run = |is: fn(u8) -> bool| bytes.iter().position(|b| !is(*b)).unwrap_or(bytes.len());
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':');
    match first {
        b'{' if rest.starts_with("{{") => match rest.find("}}") {
            Some(end) => (Kind::Placeholder, end + 2),
            None => (Kind::Broken, rest.len()),
        },
        b'$' => {
            let end = bytes[1..].iter().position(|b| !is_name(*b)).map_or(bytes.len(), |n| n + 1);
            match (rest.starts_with("${"), end) {
                (true, _) => match rest.find('}') {
                    Some(close) => (Kind::Placeholder, close + 1),
                    None => (Kind::Broken, rest.len()),
                },
                (false, end) => (Kind::Placeholder, end),
            }
        }
        b'(' | b'[' | b'{' => (Kind::Open(first), 1),
        b')' | b']' | b'}' => (Kind::Close(first), 1),
        b',' => (Kind::Comma, 1),
        b'"' | b'\'' | b'`' => string(bytes, first),
        b'0'..=b'9' | b'.' => (Kind::Number, number(bytes)),
        // They trim native histograms, from Prometheus v3.11 on.
        b'<' | b'>' if bytes.get(1) == Some(&b'/') => (Kind::Operator, 2),
        b'=' | b'!' | b'<' | b'>' => {
            let two = matches!(bytes.get(1), Some(b'=' | b'~'));
            (Kind::Operator, if two { 2 } else { 1 })
        }
        b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'@' => (Kind::Operator, 1),
        // In `[30m:1m]` the colon stands for itself.
        b':' if !bytes.get(1).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') => {
            (Kind::Operator, 1)
        }
        _ if is_name(first) => {
            (Kind::Name, run(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':')))
        }
        _ => (Kind::Broken, rest.chars().next().map_or(1, char::len_utf8)),
    }
}

fn string(bytes: &[u8], quote: u8) -> (Kind, usize) {
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quote != b'`' => at += 1,
            b if b == quote => return (Kind::Text, at + 1),
            _ => {}
        }
        at += 1;
    }
    (Kind::Broken, bytes.len())
}

/// `5m`, `1e-3`, `0x1f`, `.5`
fn number(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        let exponent =
            matches!(bytes.get(at - 1), Some(b'e' | b'E')) && matches!(byte, b'+' | b'-');
        if !(byte.is_ascii_alphanumeric() || byte == b'.' || exponent) {
            break;
        }
        at += 1;
    }
    at
}

/// A string without its quotes and with its escapes resolved; unknown ones stay as they are.
pub(super) fn unquoted(word: &str) -> String {
    let Some(inner) = word.get(1..word.len().saturating_sub(1)) else { return String::new() };
    if word.starts_with('`') || !inner.contains('\\') {
        return inner.to_owned();
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some(c @ ('\\' | '"' | '\'')) => out.push(c),
            Some(other) => out.extend(['\\', other]),
            None => {}
        }
    }
    out
}
