//! Headers of goroutines inside of other lines: behind what a logger puts before each line, in a field of a record, and with
//! ends of lines that are escaped, as loggers write the stack of a panic that they recovered from.

use std::borrow::Cow;

use super::line;
use crate::json::unescaped;

/// Where a header may end in one line.
const MOST_ENDS: usize = 16;
/// A record in a record in a record.
const DEEPEST: u8 = 3;

/// A header that is not at the beginning of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The line ends with it, or the string does that it is in: where it begins.
    Line(usize),
    /// Its stack stands behind it in the same string.
    Escaped(usize),
}

/// Finds the first one; `mark` looks for `]:`.
pub(super) fn find(text: &[u8], mark: &memchr::memmem::Finder<'_>) -> Option<Found> {
    mark.find_iter(text).take(MOST_ENDS).find_map(|at| {
        let (before, behind) = text.split_at_checked(at + 2)?;
        let is_escaped = match behind {
            [] | [b'"', ..] => false,
            [b'\\', rest @ ..] => rest.iter().find(|b| **b != b'\\') == Some(&b'n'),
            _ => return None,
        };
        let from = memchr::memmem::rfind(before, b"goroutine ")?;
        let head = before.get(..from)?;
        let is_word = head.last().is_none_or(|b| !b.is_ascii_alphanumeric());
        if !(is_word || head.ends_with(b"\\n")) || line::header(before.get(from..)?).is_none() {
            return None;
        }
        match is_escaped {
            true => Some(Found::Escaped(from)),
            false => (from > 0).then_some(Found::Line(from)),
        }
    })
}

/// Whether something stands in a line that [`find`] finds.
pub(super) fn holds(text: &[u8]) -> bool {
    find(text, &memchr::memmem::Finder::new(b"]:")).is_some()
}

/// The string around a place, with what it escapes as it was.
pub(super) fn string(text: &[u8], from: usize) -> Option<Vec<u8>> {
    let head = text.get(..from)?;
    let begin = memchr::memrchr_iter(b'"', head)
        .find(|at| escapes(head.get(..*at).unwrap_or_default()).is_multiple_of(2))
        .map_or(from, |at| at + 1);
    let rest = text.get(begin..)?;
    let raw = rest.get(..closing(rest))?;
    // What was cut may end behind half of an escape.
    let raw = raw.get(..raw.len() - escapes(raw) % 2)?;
    let mut plain = unescaped(raw)?;
    for _ in 1..DEEPEST {
        let mark = memchr::memmem::Finder::new(b"]:");
        let Some(Found::Escaped(_)) = find(&plain, &mark) else { break };
        plain = unescaped(&plain)?;
    }
    Some(plain)
}

/// Backslashes at the end.
fn escapes(text: &[u8]) -> usize {
    text.iter().rev().take_while(|b| **b == b'\\').count()
}

/// Where a string ends that begins here.
fn closing(text: &[u8]) -> usize {
    let mut quotes = memchr::memchr_iter(b'"', text);
    quotes
        .find(|at| escapes(text.get(..*at).unwrap_or_default()).is_multiple_of(2))
        .unwrap_or(text.len())
}

/// What stands before each line of a stack: a time, a level, the beginning of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    like: Vec<u8>,
    is_string: bool,
}

impl Prefix {
    pub(super) fn new(text: &[u8]) -> Self {
        Self { like: text.to_vec(), is_string: text.ends_with(b"\"") }
    }

    /// The line behind one that has other digits at most.
    pub(super) fn strip<'t>(&self, text: &'t [u8]) -> Option<Cow<'t, [u8]>> {
        let near = text.len().min(self.like.len());
        let is_alike = |(a, b): (&u8, &u8)| a == b || a.is_ascii_digit() && b.is_ascii_digit();
        let more = self.like.get(near..)?;
        if !text.iter().zip(&self.like).all(is_alike) || !more.trim_ascii().is_empty() {
            return None;
        }
        let rest = text.get(near..)?;
        if !self.is_string {
            return Some(Cow::Borrowed(rest));
        }
        let raw = rest.get(..closing(rest))?;
        match raw.contains(&b'\\') {
            true => unescaped(raw).map(Cow::Owned),
            false => Some(Cow::Borrowed(raw)),
        }
    }
}
