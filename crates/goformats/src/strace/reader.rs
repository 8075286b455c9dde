//! From bytes to calls, as they come.

use memchr::{memchr, memmem};
use rustc_hash::FxHashMap;

use super::line::{self, Body, End, Stamp, Tail, Tool};
use super::perf;
use crate::container::{self, Envelope, Parts};

/// How much of a log is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line; a longer one is left out.
    pub line: usize,
    /// Bytes that are kept of the arguments of a call that others interrupt.
    pub args: usize,
    /// Threads with an open call; of further ones the second half is given with what it has itself.
    pub threads: usize,
}

impl Limits {
    /// The documented defaults: a path has up to 4096 bytes, of which its beginning tells enough.
    pub const DEFAULT: Self = Self { line: 1 << 20, args: 512, threads: 32_768 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A system call that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// Its name, of the call that is restarted where one is; empty where the log does not have it.
    pub name: &'a str,
    /// Its arguments as they stand; the front half of long ones that others interrupted.
    pub args: &'a [u8],
    /// What stands behind the `=`.
    pub result: &'a [u8],
    /// Nanoseconds, where the log tells: by `-T`, or by the times of its two halves.
    pub took: Option<u64>,
    /// It was still going on where the log ends.
    pub open: bool,
}

impl<'a> Call<'a> {
    /// The number that it gave, `-1` for errors.
    pub fn value(&self) -> Option<i64> {
        let end = self.result.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'-'));
        let text = self.result.get(..end.unwrap_or(self.result.len()))?;
        let text = std::str::from_utf8(text).ok()?;
        match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok().map(u64::cast_signed),
            None => text.parse().ok(),
        }
    }

    /// `EAGAIN`
    pub fn error(&self) -> Option<&'a str> {
        let result = self.result;
        let rest = result.strip_prefix(b"-1 ").or_else(|| result.strip_prefix(b"? "))?;
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        let name = std::str::from_utf8(rest.get(..end)?).ok()?;
        name.starts_with('E').then_some(name)
    }
}

/// One thing that a log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A call that is over.
    Call(Call<'a>),
    /// The front half of one, with the arguments so far.
    Begun {
        /// Its name.
        name: &'a str,
        /// As far as they stand.
        args: &'a [u8],
    },
    /// A signal was delivered.
    Signal(&'a str),
    /// The thread is gone.
    Ended(End),
    /// Words of the tool's own.
    Note(&'a [u8]),
    /// A line of something else.
    Text(&'a [u8]),
}

/// An event and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// What it says.
    pub event: Event<'a>,
    /// Of which thread; none where the log does not name any.
    pub thread: Option<u32>,
    /// When: microseconds since the first line that has a time. Of a call, when it began; of one in two halves
    /// with times of whole seconds, when it ended.
    pub at_us: Option<u64>,
    /// Line, from 1; of a call in two halves the first.
    pub number: u64,
    /// Bytes before that line.
    pub offset: u64,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes.
    pub bytes: u64,
    /// Lines.
    pub lines: u64,
    /// Calls, those that never ended included.
    pub calls: u64,
    /// Calls in two halves.
    pub halves: u64,
    /// Second halves without a first.
    pub orphans: u64,
    /// Calls that were still going on at the end.
    pub open: u64,
    /// Calls whose duration is not known.
    pub untimed: u64,
    /// Lines with a time, of whole seconds or finer.
    pub stamped: u64,
    /// Lines whose time has whole seconds only.
    pub coarse: u64,
    /// Lines that name a thread.
    pub threaded: u64,
    /// Signals.
    pub signals: u64,
    /// Lines that are none of the tool's.
    pub text: u64,
    /// Lines that were cut off: longer than the limit, or without an end.
    pub cut: u64,
}

/// What a line tells beside its event.
#[derive(Clone, Copy, Default)]
struct At {
    thread: Option<u32>,
    at_us: Option<u64>,
    /// The same where it is finer than whole seconds: two of those tell no duration.
    fine_us: Option<u64>,
    /// Line, from 1.
    number: u64,
    /// Bytes before that line.
    offset: u64,
    /// How often words of strace's own were written into it.
    notes: u8,
}

/// The front half of a call.
struct Open {
    name: Box<str>,
    args: Vec<u8>,
    at: At,
}

/// Times of lines to one clock.
#[derive(Default)]
struct Clock {
    /// What the first time was, of `-ttt` and `-tt`.
    first: Option<u64>,
    /// The last one, since the first.
    now: u64,
    /// Whole days that were added: a time of day begins again at midnight.
    days: u64,
}

const DAY_US: u64 = 24 * 3600 * 1_000_000;

impl Clock {
    /// Microseconds since the first time. A clock that was set back stands still.
    fn take(&mut self, stamp: Stamp) -> u64 {
        let absolute = match stamp {
            Stamp::Since(since) => {
                // The first line has what passed since nothing.
                let since = if self.first.is_none() { 0 } else { since };
                self.first = Some(0);
                self.now = self.now.saturating_add(since);
                return self.now;
            }
            Stamp::Epoch(at) => at,
            Stamp::Day(at) | Stamp::Seconds(at) => {
                let first = self.first.unwrap_or(at);
                let before = first.saturating_add(self.now);
                let mut at = at.saturating_add(self.days.saturating_mul(DAY_US));
                if at.saturating_add(DAY_US / 2) < before {
                    self.days += 1;
                    at = at.saturating_add(DAY_US);
                }
                at
            }
        };
        let first = *self.first.get_or_insert(absolute);
        self.now = self.now.max(absolute.saturating_sub(first));
        self.now
    }
}

/// Takes a log piece by piece.
#[derive(Default)]
pub struct Reader {
    limits: Limits,
    counts: Counts,
    tool: Option<Tool>,
    clock: Clock,
    /// A line whose end has not come.
    buffer: Vec<u8>,
    /// The rest of that line is left out.
    skipping: bool,
    /// Where it began.
    offset: u64,
    /// By thread; lines without one are those of one.
    open: FxHashMap<Option<u32>, Open>,
    /// Both halves of the arguments.
    joined: Vec<u8>,
    envelope: Envelope,
    parts: Parts,
    /// By stream, what stands before words of strace's own in the middle of a line, and where that began.
    torn: [Option<(Vec<u8>, At)>; 2],
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader of one log.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// What was read so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What lines are wrapped in, as far as was seen.
    pub fn envelope(&self) -> Envelope {
        self.envelope
    }

    /// Which tool wrote it, by what was read so far.
    pub fn tool(&self) -> Option<Tool> {
        self.tool
    }

    /// Takes the next bytes and gives the events whose lines end in them.
    pub fn push(&mut self, mut bytes: &[u8], each: &mut impl FnMut(Said<'_>)) {
        while !bytes.is_empty() {
            let Some(end) = memchr(b'\n', bytes) else {
                self.keep(bytes);
                self.counts.bytes += bytes.len() as u64;
                return;
            };
            let (part, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            bytes = rest.get(1..).unwrap_or_default();
            if self.buffer.is_empty() && !self.skipping && part.len() <= self.limits.line {
                self.line(part, each);
            } else {
                self.keep(part);
                let line = std::mem::take(&mut self.buffer);
                if self.skipping {
                    self.counts.lines += 1;
                } else {
                    self.line(&line, each);
                }
                self.skipping = false;
                self.buffer = line;
                self.buffer.clear();
            }
            self.counts.bytes += end as u64 + 1;
            self.offset = self.counts.bytes;
        }
    }

    /// Keeps a part of a line, unless that is too long.
    fn keep(&mut self, part: &[u8]) {
        if self.skipping {
            return;
        }
        if self.buffer.len().saturating_add(part.len()) > self.limits.line {
            self.skipping = true;
            self.counts.cut += 1;
            self.buffer.clear();
        } else {
            self.buffer.extend_from_slice(part);
        }
    }

    /// The log is at its end. Calls that are still open are given, in the order of their lines.
    pub fn finish(&mut self, each: &mut impl FnMut(Said<'_>)) {
        // The tools end every line: what is left over was cut anywhere.
        if !self.buffer.is_empty() {
            self.counts.lines += 1;
            self.counts.cut += 1;
            self.buffer.clear();
        }
        self.counts.cut += self.parts.rest().count() as u64;
        for (front, at) in std::mem::take(&mut self.torn).into_iter().flatten() {
            self.counts.text += 1;
            at.give(Event::Text(&front), each);
        }
        let mut open: Vec<Open> = self.open.drain().map(|(_, open)| open).collect();
        open.sort_unstable_by_key(|open| open.at.number);
        for Open { name, args, at } in open {
            let took = at.fine_us.map(|us| self.clock.now.saturating_sub(us).saturating_mul(1000));
            self.counts.calls += 1;
            self.counts.open += 1;
            let call = Call { name: &name, args: &args, result: b"?", took, open: true };
            At { at_us: at.fine_us, ..at }.give(Event::Call(call), each);
        }
    }

    fn line(&mut self, text: &[u8], each: &mut impl FnMut(Said<'_>)) {
        self.counts.lines += 1;
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let is_stamped = self.envelope == Envelope::Stamped;
        let is_stamp = |rest: &[u8]| {
            is_stamped
                || line::read(rest).is_some()
                || perf::read(rest).is_some()
                || summary(rest).is_some()
        };
        let (envelope, found) = container::unwrap(text, is_stamp);
        if envelope != Envelope::Plain {
            self.envelope = envelope;
        }
        let place = (self.counts.lines, self.offset);
        let Some(line) = self.parts.take(found, place, self.limits.line) else { return };
        if line.cut {
            self.counts.cut += 1;
            return;
        }
        let stream = usize::from(line.stdout);
        // A terminal put it there, inside of the envelope.
        let text = line.text.strip_suffix(b"\r").unwrap_or(&line.text);
        let (number, offset) = line.place;
        let at = At { number, offset, ..At::default() };
        let torn = self.torn.get_mut(stream).and_then(Option::take);
        let Some((mut front, began)) = torn else {
            self.whole(text, stream, at, each);
            return;
        };
        front.extend_from_slice(text.get(..text.len().min(self.limits.line)).unwrap_or_default());
        self.whole(&front, stream, began, each);
    }

    /// A line without what was written into it.
    fn whole(&mut self, text: &[u8], stream: usize, at: At, each: &mut impl FnMut(Said<'_>)) {
        let strace = match self.tool {
            Some(Tool::Perf | Tool::PerfSummary) => None,
            _ => line::read(text),
        };
        if let Some(line) = strace {
            let at_us = line.stamp.map(|stamp| self.clock.take(stamp));
            self.counts.stamped += u64::from(line.stamp.is_some());
            self.counts.coarse += u64::from(matches!(line.stamp, Some(Stamp::Seconds(_))));
            if line.body != Body::Note {
                self.tool = Some(Tool::Strace);
            }
            let fine_us = at_us.filter(|_| !matches!(line.stamp, Some(Stamp::Seconds(_))));
            let at = At { thread: line.thread, at_us, fine_us, ..at };
            self.body(text, line.body, at, each);
            return;
        }
        let perf = match self.tool {
            Some(Tool::Strace | Tool::StraceSummary) => None,
            _ => perf::read(text),
        };
        if let Some(line) = perf {
            self.tool = Some(Tool::Perf);
            self.counts.stamped += u64::from(line.at_us.is_some());
            let at_us = line.at_us;
            self.clock.now = self.clock.now.max(at_us.unwrap_or_default());
            let at = At { thread: line.thread, at_us, fine_us: at_us, ..at };
            self.body(text, line.body, at, each);
            return;
        }
        // On a terminal strace says that it follows a new thread while the line of the `clone` is half written.
        if let Some(torn) = memmem::find(text, ATTACHED)
            && text.ends_with(b" attached")
            && text.len() <= LONGEST_TORN
            && at.notes < MOST_NOTES
            && let Some((front, note)) = text.split_at_checked(torn)
        {
            if let Some(torn) = self.torn.get_mut(stream) {
                *torn = Some((front.to_vec(), At { notes: at.notes + 1, ..at }));
            }
            at.give(Event::Note(note), each);
            return;
        }
        if self.tool.is_none() {
            self.tool = summary(text);
        }
        self.counts.text += 1;
        at.give(Event::Text(text), each);
    }

    fn body(&mut self, text: &[u8], body: Body<'_>, at: At, each: &mut impl FnMut(Said<'_>)) {
        self.counts.threaded += u64::from(at.thread.is_some());
        match body {
            Body::Whole { name, args, tail } => {
                // A call that others interrupted is not left open by the next one of its thread.
                self.open.remove(&at.thread);
                let name = restarted(name, args);
                self.call(name, args, tail, at, each);
            }
            Body::Begun { name, args } => {
                let name = restarted(name, args);
                let kept = args.get(..args.len().min(self.limits.args)).unwrap_or_default();
                if self.open.len() < self.limits.threads || self.open.contains_key(&at.thread) {
                    let open = Open { name: Box::from(name), args: kept.to_vec(), at };
                    self.open.insert(at.thread, open);
                }
                at.give(Event::Begun { name, args }, each);
            }
            Body::Resumed { name, args, tail } => {
                let open = self.open.remove(&at.thread);
                // One that restarts another is open by the other's name.
                let is_any = matches!(name, "" | "restart_syscall");
                let Some(open) = open.filter(|open| is_any || *open.name == *name) else {
                    self.counts.orphans += 1;
                    self.call(name, args, tail, at, each);
                    return;
                };
                self.counts.halves += 1;
                let mut joined = std::mem::take(&mut self.joined);
                joined.clear();
                joined.extend_from_slice(&open.args);
                joined.extend_from_slice(args);
                // perf's time of the second half is that of the first.
                let since_us = match self.tool {
                    Some(Tool::Perf) => None,
                    _ => at.fine_us.zip(open.at.fine_us).map(|(end, at)| end.saturating_sub(at)),
                };
                let took = tail.took.or(since_us.map(|us| us.saturating_mul(1000)));
                let began = At { at_us: open.at.fine_us.or(at.at_us), ..open.at };
                self.call(&open.name, &joined, Tail { took, ..tail }, began, each);
                self.joined = joined;
            }
            Body::Signal(name) => {
                self.counts.signals += 1;
                at.give(Event::Signal(name), each);
            }
            Body::Ended(end) => {
                self.open.remove(&at.thread);
                at.give(Event::Ended(end), each);
            }
            Body::Note => at.give(Event::Note(text), each),
        }
    }

    fn call(
        &mut self,
        name: &str,
        args: &[u8],
        Tail { result, took }: Tail<'_>,
        at: At,
        each: &mut impl FnMut(Said<'_>),
    ) {
        self.counts.calls += 1;
        self.counts.untimed += u64::from(took.is_none());
        at.give(Event::Call(Call { name, args, result, took, open: false }), each);
    }
}

impl At {
    fn give(self, event: Event<'_>, each: &mut impl FnMut(Said<'_>)) {
        let Self { thread, at_us, number, offset, .. } = self;
        each(Said { event, thread, at_us, number, offset });
    }
}

const ATTACHED: &[u8] = b"strace: Process ";
/// Bytes of a line that those words are written into, and how often: what is longer is read anew with each of them.
const LONGEST_TORN: usize = 64 << 10;
const MOST_NOTES: u8 = 8;

/// `restart_syscall(<... resuming interrupted nanosleep ...>)` is the call that it names.
fn restarted<'a>(name: &'a str, args: &'a [u8]) -> &'a str {
    if name != "restart_syscall" {
        return name;
    }
    let rest = args.strip_prefix(b"<... resuming interrupted ").unwrap_or_default();
    line::word(rest).map_or(name, |(name, _)| name)
}

/// The head of a table that sums calls up.
fn summary(text: &[u8]) -> Option<Tool> {
    let text = text.trim_ascii();
    if text.starts_with(b"% time     seconds") {
        return Some(Tool::StraceSummary);
    }
    (text == b"Summary of events:").then_some(Tool::PerfSummary)
}
