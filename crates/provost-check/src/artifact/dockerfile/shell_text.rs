//! Enough of the POSIX shell's grammar to see which simple commands a RUN line holds, with the
//! place of every word. Nothing is executed: a value that only the shell could know stays as it
//! is written.

use std::ops::Range;

/// A part of a shell text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A word as written, quotes included.
    Word(Range<usize>),
    /// The file of a redirection.
    File(Range<usize>),
    /// The end of a simple command: `;`, `&&`, `||`, `|`, `&`, a line end.
    End,
    /// `(`: a subshell begins.
    Open,
    /// `)`: a subshell ends.
    Close,
}

/// Splits a shell text; one pass.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut out: Vec<Token> = Vec::new();
    let mut i = 0;
    // The word behind a redirection is a file, no argument.
    let mut redirected = false;
    while let Some(&b) = bytes.get(i) {
        match b {
            b' ' | b'\t' | b'\r' | 0x0b | 0x0c => i += 1,
            b'\\' if bytes.get(i + 1) == Some(&b'\n') => i += 2,
            b'#' => i = memchr::memchr(b'\n', &bytes[i..]).map_or(bytes.len(), |n| i + n),
            b'\n' | b';' | b'|' => {
                out.push(Token::End);
                redirected = false;
                i += 1;
            }
            b'&' if bytes.get(i + 1) == Some(&b'>') => {
                i += 2;
                redirected = true;
            }
            b'&' => {
                out.push(Token::End);
                i += 1;
            }
            b'(' => {
                out.push(Token::Open);
                i += 1;
            }
            b')' => {
                out.push(Token::Close);
                i += 1;
            }
            b'<' | b'>' => {
                // `2>`: the digit directly before is a descriptor.
                if let Some(Token::Word(word)) = out.last()
                    && word.end == i
                    && text.get(word.clone()).is_some_and(|w| w.bytes().all(|b| b.is_ascii_digit()))
                {
                    out.pop();
                }
                i += 1;
                while matches!(bytes.get(i), Some(b'<' | b'>' | b'&' | b'|' | b'-')) {
                    i += 1;
                }
                redirected = true;
            }
            _ => {
                let end = word_end(bytes, i);
                out.push(match std::mem::take(&mut redirected) {
                    true => Token::File(i..end),
                    false => Token::Word(i..end),
                });
                i = end;
            }
        }
    }
    out
}

/// Where the word that starts at `i` ends.
fn word_end(bytes: &[u8], mut i: usize) -> usize {
    while let Some(&b) = bytes.get(i) {
        match b {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c | b';' | b'|' | b'&' | b'(' | b')'
            | b'<' | b'>' => break,
            b'\\' => i += 2,
            b'\'' => i = closing(bytes, i + 1, b'\''),
            b'"' => i = double_quoted(bytes, i + 1, 0),
            b'`' => i = closing(bytes, i + 1, b'`'),
            b'$' => i = dollar(bytes, i, 0),
            _ => i += 1,
        }
    }
    i.min(bytes.len())
}

/// Behind the next `end`, or the end of the text.
fn closing(bytes: &[u8], i: usize, end: u8) -> usize {
    let rest = bytes.get(i..).unwrap_or_default();
    memchr::memchr(end, rest).map_or(bytes.len(), |n| i + n + 1)
}

/// Nested quotes and substitutions that are followed; deeper ones run to the end of the text.
const DEPTH: usize = 32;

fn double_quoted(bytes: &[u8], mut i: usize, depth: usize) -> usize {
    while let Some(&b) = bytes.get(i) {
        match b {
            b'"' => return i + 1,
            b'\\' => i += 2,
            b'$' => i = dollar(bytes, i, depth + 1),
            _ => i += 1,
        }
    }
    bytes.len()
}

/// Behind `$NAME`, `${...}` or `$(...)`.
fn dollar(bytes: &[u8], i: usize, depth: usize) -> usize {
    if depth > DEPTH {
        return bytes.len();
    }
    let (open, close) = match bytes.get(i + 1) {
        Some(b'(') => (b'(', b')'),
        Some(b'{') => (b'{', b'}'),
        _ => return i + 1,
    };
    let mut level = 1usize;
    let mut i = i + 2;
    while let Some(&b) = bytes.get(i) {
        match b {
            b'\\' => i += 2,
            b'\'' if open == b'(' => i = closing(bytes, i + 1, b'\''),
            b'"' => i = double_quoted(bytes, i + 1, depth + 1),
            b'$' if matches!(bytes.get(i + 1), Some(b'(' | b'{')) => {
                i = dollar(bytes, i, depth + 1)
            }
            _ => {
                if b == open {
                    level += 1;
                } else if b == close {
                    level -= 1;
                }
                i += 1;
                if level == 0 {
                    return i;
                }
            }
        }
    }
    bytes.len()
}

/// A word as the command gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// Quotes removed, known variables in place; the rest as written.
    pub(super) text: String,
    /// Nothing was left for the shell to find out.
    pub(super) resolved: bool,
}

/// Removes quotes and puts known variables in place, up to `limit` bytes.
pub(super) fn evaluate(raw: &str, limit: usize, lookup: &dyn Fn(&str) -> Option<String>) -> Value {
    let bytes = raw.as_bytes();
    let mut out = String::with_capacity(raw.len().min(limit));
    let mut resolved = true;
    let mut quoted = false;
    let mut i = 0;
    // Every special byte is ASCII, so that slices between them lie on characters.
    let mut plain = 0;
    let flush = |out: &mut String, from: usize, to: usize| {
        out.push_str(raw.get(from..to).unwrap_or_default());
    };
    while let Some(&b) = bytes.get(i) {
        if out.len() > limit {
            return Value { text: raw.chars().take(limit / 4).collect(), resolved: false };
        }
        match b {
            b'\'' if !quoted => {
                flush(&mut out, plain, i);
                let end = closing(bytes, i + 1, b'\'');
                let inner = end.saturating_sub(usize::from(bytes.get(end - 1) == Some(&b'\'')));
                flush(&mut out, i + 1, inner.max(i + 1));
                i = end;
                plain = i;
            }
            b'"' => {
                flush(&mut out, plain, i);
                quoted = !quoted;
                i += 1;
                plain = i;
            }
            b'\\' => {
                flush(&mut out, plain, i);
                let next = bytes.get(i + 1).copied();
                let special = matches!(next, Some(b'"' | b'$' | b'`' | b'\\' | b'\n'));
                // Inside double quotes only these can be escaped.
                plain = if quoted && !special { i } else { i + 1 };
                if next == Some(b'\n') {
                    plain = i + 2;
                }
                i += 2;
            }
            b'$' => {
                flush(&mut out, plain, i);
                let end = variable_end(bytes, i);
                let known = raw.get(i..end).and_then(variable_name).and_then(|(name, default)| {
                    match (lookup(name), default) {
                        (Some(value), Some(default)) if value.is_empty() => {
                            Some(default.to_owned())
                        }
                        (Some(value), _) => Some(value),
                        (None, _) => None,
                    }
                });
                match known {
                    Some(value) => out.push_str(&value),
                    None => {
                        // A lone `$` is itself.
                        resolved &= end <= i + 1;
                        flush(&mut out, i, end);
                    }
                }
                i = end;
                plain = i;
            }
            b'`' => {
                flush(&mut out, plain, i);
                let end = closing(bytes, i + 1, b'`');
                flush(&mut out, i, end);
                resolved = false;
                i = end;
                plain = i;
            }
            _ => i += 1,
        }
    }
    flush(&mut out, plain, bytes.len());
    Value { text: out, resolved }
}

fn variable_end(bytes: &[u8], i: usize) -> usize {
    match bytes.get(i + 1) {
        Some(b'(' | b'{') => dollar(bytes, i, 0),
        Some(b) if b.is_ascii_alphabetic() || *b == b'_' => {
            let rest = bytes.get(i + 1..).unwrap_or_default();
            let length =
                rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
            i + 1 + length
        }
        Some(b'0'..=b'9' | b'@' | b'*' | b'#' | b'?' | b'$' | b'!') => i + 2,
        _ => i + 1,
    }
}

/// The name in `$NAME` or `${NAME}`, with the default of `${NAME:-default}` when it is plain text.
fn variable_name(text: &str) -> Option<(&str, Option<&str>)> {
    let inner = text.strip_prefix('$')?;
    let Some(inner) = inner.strip_prefix('{') else { return Some((inner, None)) };
    let inner = inner.strip_suffix('}')?;
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) if !default.contains(['$', '`', '"', '\'', '\\']) => {
            (name, Some(default))
        }
        Some(_) => return None,
        None => (inner, None),
    };
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_').then_some((name, default))
}
