//! What container runtimes put around a line, and lines that they part.

use std::borrow::Cow;

use crate::json::unescaped;

/// How lines are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Envelope {
    /// As they were written.
    #[default]
    Plain,
    /// `2026-11-26T10:00:00.1Z stderr F text`: containerd and CRI-O.
    Cri,
    /// `{"log":"text\n","stream":"stderr","time":"2026-11-26T10:00:00.1Z"}`: Docker's `json-file`.
    Docker,
    /// `2026-11-26T10:00:00.1Z text`: `kubectl logs --timestamps`.
    Stamped,
}

/// A line without its envelope.
pub(crate) struct Unwrapped<'a> {
    pub(crate) text: Cow<'a, [u8]>,
    /// RFC 3339.
    pub(crate) time: Option<&'a str>,
    pub(crate) stdout: bool,
    /// The line goes on in the next one of its stream.
    pub(crate) partial: bool,
}

/// Lines of stdout and stderr of which a part is still to come.
#[derive(Default)]
pub(crate) struct Parts([Part; 2]);

#[derive(Default)]
struct Part {
    text: Vec<u8>,
    /// The line of the file in which it began, and the bytes before that.
    began: Option<(u64, u64)>,
    cut: bool,
}

/// A line as it was written to its stream.
pub(crate) struct Written<'a> {
    pub(crate) text: Cow<'a, [u8]>,
    pub(crate) stdout: bool,
    /// The line of the file in which it begins, and the bytes before that.
    pub(crate) place: (u64, u64),
    /// There was more of it than the limit.
    pub(crate) cut: bool,
}

impl Parts {
    /// Takes a line of the file, at its place, and gives the line that ends with it.
    pub(crate) fn take<'a>(
        &mut self,
        Unwrapped { text, stdout, partial, .. }: Unwrapped<'a>,
        place: (u64, u64),
        limit: usize,
    ) -> Option<Written<'a>> {
        let [stderr, other] = &mut self.0;
        let part = if stdout { other } else { stderr };
        if !partial && part.began.is_none() {
            return Some(Written { text, stdout, place, cut: false });
        }
        part.began.get_or_insert(place);
        let room = limit.saturating_sub(part.text.len());
        part.cut |= text.len() > room;
        part.text.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
        if partial { None } else { part.end(stdout) }
    }

    /// What is left where the log ends.
    pub(crate) fn rest(&mut self) -> impl Iterator<Item = Written<'static>> + use<> {
        let [stderr, stdout] = &mut self.0;
        [stderr.end(false), stdout.end(true)].into_iter().flatten()
    }
}

impl Part {
    fn end(&mut self, stdout: bool) -> Option<Written<'static>> {
        let Self { text, began, cut } = std::mem::take(self);
        Some(Written { text: Cow::Owned(text), stdout, place: began?, cut })
    }
}

/// Most letters of a time: `2026-11-26T10:00:00.123456789+00:00`
const LONGEST_TIME: usize = 35;

/// Takes off the envelope that the line itself shows. A time alone is taken off only where `is_stamp` knows by
/// what follows it that times are put there: programs write such times as well.
pub(crate) fn unwrap<'a>(
    line: &'a [u8],
    is_stamp: impl FnOnce(&[u8]) -> bool,
) -> (Envelope, Unwrapped<'a>) {
    match line.first() {
        Some(b'{') => {
            if let Some(found) = docker(line) {
                return (Envelope::Docker, found);
            }
        }
        Some(b'0'..=b'9') => {
            if let Some((time, rest)) = time(line) {
                if let Some(found) = cri(time, rest) {
                    return (Envelope::Cri, found);
                }
                if is_stamp(rest) {
                    return (Envelope::Stamped, plain(rest, Some(time)));
                }
            }
        }
        _ => {}
    }
    (Envelope::Plain, plain(line, None))
}

fn plain<'a>(text: &'a [u8], time: Option<&'a str>) -> Unwrapped<'a> {
    Unwrapped { text: Cow::Borrowed(text), time, stdout: false, partial: false }
}

/// A time at the front, and what follows the space behind it.
pub(crate) fn time(line: &[u8]) -> Option<(&str, &[u8])> {
    // Lines that begin with any other number are many.
    if line.get(4) != Some(&b'-') {
        return None;
    }
    let head = line.get(..(LONGEST_TIME + 1).min(line.len()))?;
    let end = memchr::memchr(b' ', head).or((head.len() == line.len()).then_some(head.len()))?;
    let time = std::str::from_utf8(head.get(..end)?).ok()?;
    let digits = |from: usize, to: usize| {
        time.as_bytes().get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let mark = |at: usize, byte: u8| time.as_bytes().get(at) == Some(&byte);
    let date = digits(0, 4) && mark(4, b'-') && digits(5, 7) && mark(7, b'-') && digits(8, 10);
    let day = mark(10, b'T') && digits(11, 13) && mark(13, b':') && digits(14, 16);
    let zone = time.ends_with('Z')
        || time.as_bytes().iter().rev().skip(4).take(2).any(|b| matches!(b, b'+' | b'-'));
    if !(date && day && zone) {
        return None;
    }
    Some((time, line.get(end + 1..).unwrap_or_default()))
}

/// `stderr F text`; tags are parted by `:`, and only the first is known.
fn cri<'a>(time: &'a str, rest: &'a [u8]) -> Option<Unwrapped<'a>> {
    let (stdout, rest) = match rest.strip_prefix(b"stderr ") {
        Some(rest) => (false, rest),
        None => (true, rest.strip_prefix(b"stdout ")?),
    };
    let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    let tags = rest.get(..end)?;
    let partial = match tags.split(|b| *b == b':').next()? {
        b"P" => true,
        b"F" => false,
        _ => return None,
    };
    let text = rest.get(end + 1..).unwrap_or_default();
    Some(Unwrapped { text: Cow::Borrowed(text), time: Some(time), stdout, partial })
}

fn docker(line: &[u8]) -> Option<Unwrapped<'_>> {
    let (text, rest) = string(line.strip_prefix(b"{\"log\":\"")?)?;
    let field = |key: &[u8]| -> Option<&[u8]> {
        let from = memchr::memmem::find(rest, key)? + key.len();
        let value = rest.get(from..)?;
        value.get(..memchr::memchr(b'"', value)?)
    };
    let stdout = field(b"\"stream\":\"")? == b"stdout";
    let time = std::str::from_utf8(field(b"\"time\":\"")?).ok();
    let whole = text.last() == Some(&b'\n');
    let text = match text {
        Cow::Borrowed(text) if whole => Cow::Borrowed(text.get(..text.len() - 1)?),
        Cow::Owned(mut text) if whole => {
            text.pop();
            Cow::Owned(text)
        }
        text => text,
    };
    Some(Unwrapped { text, time, stdout, partial: !whole })
}

/// A JSON string from behind its first quote, and what follows its last.
fn string(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut end = 0;
    let mut escaped = false;
    loop {
        end += memchr::memchr2(b'"', b'\\', text.get(end..)?)?;
        if text.get(end) == Some(&b'"') {
            break;
        }
        escaped = true;
        end += 2;
    }
    let (raw, rest) = (text.get(..end)?, text.get(end + 1..)?);
    Some((if escaped { Cow::Owned(unescaped(raw)?) } else { Cow::Borrowed(raw) }, rest))
}
