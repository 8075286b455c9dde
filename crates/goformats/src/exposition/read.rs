//! Lines, one after the other.

mod comments;
mod samples;

pub(super) use samples::key;

use std::borrow::Cow;

use memchr::{memchr, memrchr};
use rustc_hash::FxHashSet;

use super::families::Families;
use super::{Effect, Exposition, Format, Limits, Problem, protobuf};

/// Reads an exposition.
pub fn read<'t>(bytes: &'t [u8], format: Format, limits: &Limits) -> Exposition<'t> {
    if format == Format::Protobuf {
        return protobuf::read(bytes, limits);
    }
    let whole = bytes.len() <= limits.bytes;
    let mut bytes = bytes.get(..limits.bytes).unwrap_or(bytes);
    if !whole {
        // The line that the limit cuts is nobody's fault.
        let end = memrchr(b'\n', bytes).map_or(0, |end| end + 1);
        bytes = bytes.get(..end).unwrap_or_default();
    }
    let mut reader = Reader {
        bytes,
        at: 0,
        line: 0,
        format,
        limits,
        families: Families::new(format),
        problems: Vec::new(),
        complete: whole,
        samples: 0,
        seen: FxHashSet::default(),
        last: None,
        crossed: None,
    };
    reader.run(whole);
    Exposition {
        format,
        families: reader.families.list,
        problems: reader.problems,
        complete: reader.complete,
    }
}

/// Why the rest of a line is not read.
struct Refused(String);

type Read<T> = Result<T, Refused>;

fn refused<T>(what: impl Into<String>) -> Read<T> {
    Err(Refused(what.into()))
}

struct Reader<'t, 'l> {
    bytes: &'t [u8],
    at: usize,
    /// Where the line begins.
    line: usize,
    format: Format,
    limits: &'l Limits,
    families: Families<'t>,
    problems: Vec<Problem>,
    complete: bool,
    samples: usize,
    /// Series that were there.
    seen: FxHashSet<String>,
    /// The family of the last sample.
    last: Option<usize>,
    /// What between quotes went beyond the line, and where the line ended.
    crossed: Option<(String, usize)>,
}

impl<'t> Reader<'t, '_> {
    fn run(&mut self, whole: bool) {
        let mut ended = false;
        while self.at < self.bytes.len() {
            self.line = self.at;
            if ended {
                self.problem("there is more behind # EOF", Effect::Refused);
                return;
            }
            self.crossed = None;
            let known = self.problems.len();
            match self.line() {
                Ok(end) => ended = end,
                Err(Refused(what)) => match self.crossed.take() {
                    None => self.problem(what, Effect::Refused),
                    // A quote that is missing finds another one further down.
                    Some((what, end)) => {
                        self.problems.truncate(known);
                        self.at = end;
                        self.problem(format!("{what} has no closing quote"), Effect::Refused);
                    }
                },
            }
            // A label's value may have taken line breaks with it.
            if self.at == self.line || self.bytes.get(self.at - 1) != Some(&b'\n') {
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                self.at = memchr(b'\n', rest).map_or(self.bytes.len(), |end| self.at + end + 1);
            }
        }
        if !whole {
            return;
        }
        self.at = self.bytes.len();
        let before = self.bytes.get(..self.at.saturating_sub(1)).unwrap_or_default();
        self.line = memrchr(b'\n', before).map_or(0, |at| at + 1);
        if self.open() && !ended {
            self.problem("it does not end with # EOF", Effect::Refused);
        } else if !self.open() && self.bytes.last().is_some_and(|last| *last != b'\n') {
            self.problem("the last line has no line break", Effect::Forbidden);
        }
    }

    fn problem(&mut self, what: impl Into<String>, effect: Effect) {
        self.problem_at(self.at, what, effect);
    }

    fn problem_at(&mut self, at: usize, what: impl Into<String>, effect: Effect) {
        if self.problems.len() >= self.limits.problems {
            return;
        }
        let rest = self.bytes.get(self.line..).unwrap_or_default();
        let end = memchr(b'\n', rest).map_or(self.bytes.len(), |end| self.line + end);
        let at = at.clamp(self.line, end);
        self.problems.push(Problem { what: what.into(), effect, place: self.line..end, at });
    }

    fn open(&self) -> bool {
        self.format == Format::OpenMetrics
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The byte here, for a message.
    fn shown(&self) -> String {
        match self.peek() {
            None | Some(b'\n') => "the line ends".to_owned(),
            Some(byte) => format!("there is {:?}", char::from(byte)),
        }
    }

    fn takes(&mut self, text: &[u8]) -> bool {
        let is = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(text));
        if is {
            self.at += text.len();
        }
        is
    }

    /// Blanks and tabs where they mean nothing; OpenMetrics has none.
    fn blanks(&mut self) -> bool {
        let start = self.at;
        while !self.open() && matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        self.at > start
    }

    fn while_in(&mut self, is: impl Fn(u8) -> bool) -> &'t [u8] {
        let start = self.at;
        while self.peek().is_some_and(&is) {
            self.at += 1;
        }
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// Up to a blank or the end of the line.
    fn word(&mut self) -> &'t [u8] {
        let tab = !self.open();
        self.while_in(|byte| byte != b' ' && byte != b'\n' && !(tab && byte == b'\t'))
    }

    /// The rest of the line, without its end.
    fn rest(&mut self) -> &'t [u8] {
        self.while_in(|byte| byte != b'\n')
    }

    /// The end of the line, or of the text; whether it was here.
    fn ends(&mut self) -> bool {
        self.takes(b"\n") || self.at >= self.bytes.len()
    }

    /// Reads a line; whether it was `# EOF`.
    fn line(&mut self) -> Read<bool> {
        self.blanks();
        match self.peek() {
            Some(b'\n') if self.open() => refused("an empty line"),
            None | Some(b'\n') => {
                self.ends();
                Ok(false)
            }
            Some(b'#') => self.comment(),
            Some(_) => self.sample().map(|()| false),
        }
    }

    /// The name of a metric, plain or between quotes.
    fn metric_name(&mut self, behind: &str) -> Read<Cow<'t, str>> {
        if self.peek() == Some(b'"') {
            return self.quoted("the name of a metric", true);
        }
        let first = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':');
        if !self.peek().is_some_and(first) {
            return refused(format!(
                "a metric's name is expected behind {behind}, {}",
                self.shown()
            ));
        }
        let name = self.while_in(|byte| first(byte) || byte.is_ascii_digit());
        Ok(String::from_utf8_lossy(name))
    }

    /// Text between quotes, whose first is here. Prometheus takes line breaks with it, though not in the values of
    /// OpenMetrics.
    fn quoted(&mut self, what: &str, takes_breaks: bool) -> Read<Cow<'t, str>> {
        self.at += 1;
        let start = self.at;
        let (mut escaped, mut broken) = (false, false);
        let text = loop {
            match self.peek() {
                Some(b'"') => break self.bytes.get(start..self.at).unwrap_or_default(),
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    if matches!(self.peek(), None | Some(b'\n')) {
                        return refused(format!("{what} has no closing quote"));
                    }
                    self.at += 1;
                }
                None => return refused(format!("{what} has no closing quote")),
                Some(b'\n') if !takes_breaks => {
                    return refused(format!("{what} has no closing quote"));
                }
                Some(byte) => {
                    if byte == b'\n' && self.crossed.is_none() {
                        self.crossed = Some((what.to_owned(), self.at));
                    }
                    broken |= byte == b'\n';
                    self.at += 1;
                }
            }
        };
        self.at += 1;
        let Ok(text) = std::str::from_utf8(text) else {
            return refused(format!("{what} is no UTF-8"));
        };
        if broken {
            let what = format!("{what} holds a line break, which is written \\n");
            self.problem(what, Effect::Forbidden);
        }
        if !escaped {
            return Ok(Cow::Borrowed(text));
        }
        Ok(Cow::Owned(self.unescaped(text, what)))
    }

    fn unescaped(&mut self, text: &str, what: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '\\' {
                out.push(letter);
                continue;
            }
            match letters.next() {
                Some('n') => out.push('\n'),
                Some(plain @ ('\\' | '"')) => out.push(plain),
                other => {
                    let other = other.unwrap_or_default();
                    self.problem(format!("\\{other} in {what} is no escape"), Effect::Forbidden);
                    out.push('\\');
                    out.push(other);
                }
            }
        }
        out
    }
}
