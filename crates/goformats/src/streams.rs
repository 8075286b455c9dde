//! Tools that show the logs of several processes in one, each line with whose it is.
//!
//! Sources: kubectl's `addPrefixIfNeeded` (`[pod/NAME/CONTAINER] `), docker compose's `setPrefix` (`NAME  | `), the
//! templates of stern (`POD CONTAINER `, `NAMESPACE POD CONTAINER `, and JSON), Loki's `DefaultOutput` and `JSONLOutput`
//! (`TIME {LABELS} `), systemd's `output_short` (`Nov 26 10:00:00 HOST NAME[PID]: `), `LogEntry` of Cloud Logging,
//! `aws logs tail` (`TIME STREAM `), records of Fluent Bit and Vector with what they know of the pod.

mod journal;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::hash::{Hash as _, Hasher as _};

use memchr::memmem::{self, Finder};
use rustc_hash::FxHasher;

use crate::container::time;
use crate::json::{Json, unescaped};

/// Bytes of a name: a pod's and a container's have at most 253 and 63.
const LONGEST_NAME: usize = 384;
/// Bytes in front of a line that are looked at; labels of Loki may be many.
const LONGEST_HEAD: usize = 2048;
/// Names that a log is known to have.
const MOST_NAMES: usize = 256;
/// Lines of one name that make one of it in a log that has bare lines of the runtime's: what a program prints without an end of
/// its own stands before the runtime's once.
const SEVERAL: u32 = 3;
/// Names whose lines are counted for that.
const MOST_COUNTED: usize = 64;

/// A line with whose it is.
pub(crate) struct Tagged<'a> {
    /// `checkout-7d9c5b6f4-x2x7k/app`, as the tool names it.
    pub(crate) name: Cow<'a, [u8]>,
    /// The line, in which a container runtime may have put something as well.
    pub(crate) text: Cow<'a, [u8]>,
    /// RFC 3339.
    pub(crate) time: Option<String>,
    pub(crate) stdout: bool,
}

/// A form that a line itself does not prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// `NAME  | `
    Compose,
    /// `POD CONTAINER `
    Stern,
    /// `TIME {LABELS} `
    Labels,
    /// `TIME STREAM `
    Stream,
    /// `Nov 26 10:00:00 HOST NAME[PID]: `, or with the time of `short-iso`.
    Syslog,
}

/// What a log is known to have before its lines.
#[derive(Debug)]
pub(crate) struct Tags {
    form: Option<Form>,
    names: Vec<Vec<u8>>,
    /// Lines of the runtime's stand in it without anything before them.
    is_plain: bool,
    /// Of such a log, the names that its last lines may have before them, without a line between that has none.
    counted: Vec<Counted>,
    /// The one of them that gives room for the next, when there are as many as may be.
    oldest: usize,
    marks: [Finder<'static>; MARKS.len()],
}

impl Default for Tags {
    fn default() -> Self {
        let marks = MARKS.map(Finder::new);
        Self {
            form: None,
            names: Vec::new(),
            is_plain: false,
            counted: Vec::new(),
            oldest: 0,
            marks,
        }
    }
}

/// What stands before a line, taken apart: the form, the name and where the line begins.
struct Head<'a> {
    form: Form,
    name: Name<'a>,
    at: usize,
}

/// A name, or a pod and a container: most are looked at and not kept.
#[derive(Clone, Copy, Debug)]
struct Name<'a>(&'a [u8], Option<&'a [u8]>);

impl<'a> Name<'a> {
    fn is(&self, known: &[u8]) -> bool {
        let Self(pod, container) = self;
        match container {
            None => known == *pod,
            Some(container) => {
                let rest = known.strip_prefix(*pod).and_then(|rest| rest.strip_prefix(b"/"));
                rest == Some(*container)
            }
        }
    }

    fn whole(&self) -> Cow<'a, [u8]> {
        match self {
            Self(name, None) => Cow::Borrowed(*name),
            Self(pod, Some(container)) => Cow::Owned([*pod, b"/", *container].concat()),
        }
    }
}

/// What may be a name, and how many lines have it before them.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    /// Of the form and the name.
    hash: u64,
    lines: u32,
}

impl Head<'_> {
    fn hash(&self) -> u64 {
        let mut hasher = FxHasher::default();
        (self.form, self.name.0, self.name.1).hash(&mut hasher);
        hasher.finish()
    }
}

impl Tags {
    /// Takes a line apart; nothing where no tool put anything before it. `is_line` tells lines that only runtimes write:
    /// behind one of them what stands before it is learned, where the form alone proves nothing.
    pub(crate) fn take<'a>(
        &mut self,
        line: &'a [u8],
        is_line: impl Fn(&[u8]) -> bool,
    ) -> Option<Tagged<'a>> {
        match line.first()? {
            b'[' => match line.get(1)? {
                b' ' | b'0'..=b'9' => self.learned(line, &is_line),
                _ => kubectl(line),
            },
            // Programs write JSON as well: most of it is theirs.
            b'{' if self.marks.iter().any(|mark| mark.find(line).is_some()) => json(line),
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                // Most lines are these, or a program's.
                if self.form.is_none() && is_line(line) {
                    self.is_plain = true;
                    self.counted.clear();
                    return None;
                }
                if self.form.is_none() && self.is_plain && !may_be_named(line) {
                    self.counted.clear();
                    return None;
                }
                self.learned(line, &is_line)
            }
            _ => None,
        }
    }

    fn learned<'a>(
        &mut self,
        line: &'a [u8],
        is_line: &impl Fn(&[u8]) -> bool,
    ) -> Option<Tagged<'a>> {
        let mut heads = heads(line);
        let found = heads.iter().position(|head| head.as_ref().is_some_and(|it| self.knows(it)));
        if found.is_none() && self.is_plain {
            self.count(&heads);
        }
        let found = found.or_else(|| {
            heads.iter().position(|head| {
                head.as_ref().is_some_and(|head| self.is_proved(head, line, is_line))
            })
        })?;
        let head = heads.get_mut(found)?.take()?;
        if !self.knows(&head) {
            self.form = Some(head.form);
            if self.names.len() < MOST_NAMES {
                self.names.push(head.name.whole().into_owned());
            }
        }
        let text = Cow::Borrowed(line.get(head.at..)?);
        Some(Tagged { name: head.name.whole(), text, time: None, stdout: false })
    }

    fn knows(&self, head: &Head<'_>) -> bool {
        self.form == Some(head.form)
            && (head.form == Form::Syslog || self.names.iter().any(|name| head.name.is(name)))
    }

    /// Counts a line among those of the names that it may have before it.
    fn count(&mut self, heads: &[Option<Head<'_>>]) {
        if heads.iter().all(Option::is_none) {
            self.counted.clear();
        }
        for head in heads.iter().flatten() {
            let hash = head.hash();
            if let Some(known) = self.counted.iter_mut().find(|known| known.hash == hash) {
                known.lines = known.lines.saturating_add(1);
                continue;
            }
            let next = Counted { hash, lines: 1 };
            if self.counted.len() < MOST_COUNTED {
                self.counted.push(next);
            } else if let Some(oldest) = self.counted.get_mut(self.oldest % MOST_COUNTED) {
                *oldest = next;
                self.oldest = self.oldest.wrapping_add(1);
            }
        }
    }

    /// Whether a line of the runtime's stands behind it.
    fn is_proved(&self, head: &Head<'_>, line: &[u8], is_line: impl Fn(&[u8]) -> bool) -> bool {
        let text = line.get(head.at..).unwrap_or_default();
        // A program's text without an end of its own stands before the runtime's line as well.
        is_line(time(text).map_or(text, |(_, rest)| rest))
            && (!self.is_plain || head.form == Form::Syslog || self.is_frequent(head))
    }

    /// Whether several lines, one behind the other, have that before them.
    fn is_frequent(&self, head: &Head<'_>) -> bool {
        // Compose makes names one wider than the widest of them. Loggers put a level before a bar: `ERROR | panic: x`.
        let is_compose = || {
            let name = head.name.0;
            let has_room = head.at >= name.len() + b"  | ".len();
            has_room && !name.iter().all(u8::is_ascii_uppercase)
        };
        (head.form != Form::Compose || is_compose()) && {
            let hash = head.hash();
            self.counted.iter().any(|known| known.hash == hash && known.lines >= SEVERAL)
        }
    }
}

/// Whether a line may have a name before it, by its first words: a time, spaces or a bar behind the first, or a hyphen in the
/// first two. Of the lines of a log without names most are told by that.
fn may_be_named(line: &[u8]) -> bool {
    if line.get(4) == Some(&b'-') || journal::may_begin(line) {
        return true;
    }
    let name = line.iter().take(LONGEST_NAME).position(|b| !is_of_name(*b));
    let Some((first, rest)) = name.and_then(|end| line.split_at_checked(end)) else { return false };
    match rest {
        [b' ', b' ' | b'|', ..] => true,
        [b' ', rest @ ..] => {
            let mut second = rest.iter().take(LONGEST_NAME).take_while(|b| is_of_name(**b));
            first.contains(&b'-') || second.any(|b| *b == b'-')
        }
        _ => false,
    }
}

/// What may stand before a line.
fn heads(line: &[u8]) -> [Option<Head<'_>>; 2] {
    if line.first().is_some_and(u8::is_ascii_digit) {
        let begin = time(line).map(|(_, rest)| line.len() - rest.len());
        let of = |begin| {
            let syslog = journal::named(line, begin);
            syslog.or_else(|| labels(line, begin)).or_else(|| stream(line, begin))
        };
        return [begin.map_or_else(|| journal::head(line), of), None];
    }
    match journal::head(line).or_else(|| compose(line)) {
        Some(head) => [Some(head), None],
        None => stern(line),
    }
}

/// `[pod/NAME/CONTAINER] text`
fn kubectl(line: &[u8]) -> Option<Tagged<'_>> {
    let rest = line.strip_prefix(b"[pod/")?;
    let near = rest.get(..LONGEST_NAME.min(rest.len()))?;
    let end = memchr::memchr(b']', near)?;
    let (name, rest) = (rest.get(..end)?, rest.get(end + 1..)?);
    let text = rest.strip_prefix(b" ").or_else(|| rest.is_empty().then_some(rest))?;
    let is_name = name.contains(&b'/') && name.iter().all(|b| is_of_name(*b) || *b == b'/');
    is_name.then_some(Tagged {
        name: Cow::Borrowed(name),
        text: Cow::Borrowed(text),
        time: None,
        stdout: false,
    })
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

/// `web-1  | text`; an empty line has lost the space at its end where something trimmed it.
fn compose(line: &[u8]) -> Option<Head<'_>> {
    let end = line.iter().take(LONGEST_NAME).position(|b| !is_of_name(*b))?;
    let spaces = line.get(end..)?.iter().take(LONGEST_NAME).position(|b| *b != b' ')?;
    let bar = end + spaces;
    if end == 0 || spaces == 0 || line.get(bar) != Some(&b'|') {
        return None;
    }
    let at = match line.get(bar + 1) {
        Some(b' ') => bar + 2,
        None => bar + 1,
        Some(_) => return None,
    };
    Some(Head { form: Form::Compose, name: Name(line.get(..end)?, None), at })
}

/// `checkout-7d9c5b6f4-x2x7k app text`, or with the namespace before it. A name of a pod has a hyphen in all but those that
/// are made by hand.
fn stern<'a>(line: &'a [u8]) -> [Option<Head<'a>>; 2] {
    let is_word = |word: &[u8]| {
        let inner =
            |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        word.iter().all(inner) && ends(word.first()) && ends(word.last())
    };
    let near = line.get(..LONGEST_NAME.min(line.len())).unwrap_or_default();
    let mut ends = memchr::memchr_iter(b' ', near);
    let mut from = 0;
    let mut next = || {
        let end = ends.next()?;
        let word = line.get(from..end).filter(|word| is_word(word))?;
        from = end + 1;
        Some((word, from))
    };
    let head = |pod: &'a [u8], container: &'a [u8], at| {
        let name = Name(pod, Some(container));
        pod.contains(&b'-').then_some(Head { form: Form::Stern, name, at })
    };
    let (Some((one, _)), Some((two, second))) = (next(), next()) else { return [None, None] };
    let three = next().and_then(|(three, third)| head(two, three, third));
    [head(one, two, second), three]
}

/// `{app="checkout", pod="checkout-7d9c5b6f4-x2x7k"}   text`
fn labels(line: &[u8], begin: usize) -> Option<Head<'_>> {
    let rest = line.get(begin..)?;
    if rest.first() != Some(&b'{') {
        return None;
    }
    let near = rest.get(..LONGEST_HEAD.min(rest.len()))?;
    let mut quoted = false;
    let mut at = 0;
    loop {
        match near.get(at)? {
            b'\\' => at += 1,
            b'"' => quoted = !quoted,
            b'}' if !quoted => break,
            _ => {}
        }
        at += 1;
    }
    let name = near.get(1..at)?;
    let spaces = rest.get(at + 1..)?.iter().position(|b| *b != b' ')?;
    let label = |key: &[u8]| {
        let start = [key, b"=\""].concat();
        let mut all = memmem::find_iter(name, &start);
        let at = all.find(|at| {
            at.checked_sub(1)
                .is_none_or(|before| name.get(before).is_some_and(|b| matches!(b, b' ' | b',')))
        })?;
        let value = name.get(at + start.len()..)?;
        value.get(..memchr::memchr(b'"', value)?)
    };
    let short = match (label(b"pod"), label(b"container")) {
        (Some(pod), container) => Name(pod, container),
        _ => Name(name.get(..LONGEST_NAME).unwrap_or(name), None),
    };
    (spaces > 0).then_some(Head { form: Form::Labels, name: short, at: begin + at + 1 + spaces })
}

/// `app/checkout/0123abcd text`
fn stream(line: &[u8], begin: usize) -> Option<Head<'_>> {
    let rest = line.get(begin..)?;
    let end = memchr::memchr(b' ', rest.get(..LONGEST_NAME.min(rest.len()))?)?;
    let name = rest.get(..end)?;
    let is_name = name.contains(&b'/')
        && name.iter().all(|b| is_of_name(*b) || matches!(b, b'/' | b'[' | b']' | b'$' | b':'));
    is_name.then_some(Head { form: Form::Stream, name: Name(name, None), at: begin + end + 1 })
}

/// Keys that only what ships logs writes, of which one must be there.
const MARKS: [&[u8]; 6] = [
    b"\"podName\"",
    b"\"kubernetes\"",
    b"\"textPayload\"",
    b"\"labels\"",
    b"\"MESSAGE\"",
    b"\"ingestionTime\"",
];

#[derive(Default)]
struct Record<'a> {
    text: Option<Cow<'a, [u8]>>,
    line: Option<Cow<'a, [u8]>>,
    time: Option<&'a [u8]>,
    pod: Option<&'a [u8]>,
    container: Option<&'a [u8]>,
    pid: Option<&'a [u8]>,
    is_shipped: bool,
    stdout: bool,
}

impl<'a> Record<'a> {
    fn field(&mut self, name: &[u8], json: &mut Json<'a>, depth: u8) -> Option<()> {
        match name {
            b"message" | b"MESSAGE" | b"log" | b"textPayload" if depth == 0 => {
                if let Some(raw) = json.string() {
                    self.text = text(raw);
                    self.is_shipped |= name == b"textPayload";
                }
            }
            b"line" if depth == 0 => {
                self.line = json.string().and_then(text);
            }
            b"time" | b"timestamp" if depth == 0 => self.time = json.string().or(self.time),
            b"stream" if depth == 0 => self.stdout = json.string() == Some(b"stdout"),
            b"labels" | b"resource" | b"kubernetes" if depth < 2 => {
                // Of Loki and Fluent Bit at the top, of Cloud Logging in `resource`.
                self.is_shipped |= name == b"kubernetes";
                json.object(&mut |name, json| self.field(name, json, depth + 1))?;
            }
            b"podName" => {
                self.is_shipped = true;
                self.pod = json.string();
            }
            b"pod_name" | b"pod" | b"logStreamName" | b"revision_name" | b"SYSLOG_IDENTIFIER" => {
                self.pod = json.string().or(self.pod);
            }
            b"containerName" | b"container_name" | b"container" => {
                self.container = json.string().or(self.container);
            }
            b"_PID" => {
                self.is_shipped = true;
                self.pid = json.string();
            }
            b"ingestionTime" => self.is_shipped = true,
            _ => {}
        }
        Some(())
    }
}

fn text(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    match raw.contains(&b'\\') {
        true => Some(Cow::Owned(unescaped(raw)?)),
        false => Some(Cow::Borrowed(raw)),
    }
}

/// A line of stern, Loki, the journal, Cloud Logging, CloudWatch, Fluent Bit or Vector, as JSON.
fn json(line: &[u8]) -> Option<Tagged<'_>> {
    let mut record = Record::default();
    Json::new(line).object(&mut |name, json| record.field(name, json, 0))?;
    let Record { text, line, time, pod, container, pid, is_shipped, stdout } = record;
    // Loki's line stands beside its time and labels, whatever a program may have as its message.
    let of_loki = line.filter(|_| time.is_some());
    let mut text = of_loki.or_else(|| text.filter(|_| is_shipped))?;
    if text.last() == Some(&b'\n') {
        text = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.get(..text.len() - 1)?),
            Cow::Owned(mut text) => {
                text.pop();
                Cow::Owned(text)
            }
        };
    }
    let pod = pod.unwrap_or_default();
    let name = match (container, pid) {
        (Some(container), _) => Cow::Owned([pod, b"/", container].concat()),
        (None, Some(pid)) => Cow::Owned([pod, b"[", pid, b"]"].concat()),
        (None, None) => Cow::Borrowed(pod),
    };
    let time = time.and_then(|time| std::str::from_utf8(time).ok()).map(str::to_owned);
    Some(Tagged { name, text, time, stdout })
}
