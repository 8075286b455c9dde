//! From bytes to entries, as they come.

use std::borrow::Cow;

use memchr::memchr;
use memchr::memmem::Finder;

use super::gc;
use super::join::{Joined, Shapes, Step, Torn};
use super::kind::{Kind, begins, cycle_within, loose, opens};
use super::{
    GcCycle, Goroutine, InitTask, Pacer, Processor, Scanned, Scavenge, SchedSample, Thread,
};
use crate::container::{self, Envelope, Parts, Unwrapped};
use crate::posted::Posted;
use crate::streams::Tags;

/// How much of a line is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line; the rest of a longer one is left out.
    pub line: usize,
}

impl Limits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self { line: 1 << 20 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What the runtime said.
#[derive(Clone, Debug, PartialEq)]
pub enum Runtime {
    /// `gctrace`
    Gc(GcCycle),
    /// `schedtrace`
    Sched(SchedSample),
    /// `scheddetail`: a P of the sample before.
    Processor(Processor),
    /// `scheddetail`: an M.
    Thread(Thread),
    /// `scheddetail`: a G.
    Goroutine(Goroutine),
    /// `scavtrace`
    Scavenge(Scavenge),
    /// `inittrace`
    Init(InitTask),
    /// `gcpacertrace`
    Pacer(Pacer),
    /// `gctrace=2`: a line of the cycle before.
    Scanned(Scanned),
}

/// One thing that a log says.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "it is handed on and not kept")]
pub enum Entry<'a> {
    /// A line of the runtime's tracing.
    Runtime(Runtime),
    /// A line of the program's, or of another part of the runtime.
    Text(&'a [u8]),
}

/// How a line was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It stands in the log.
    Whole,
    /// Parts of it do, and were put together.
    Joined,
}

/// An entry and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// What it says.
    pub entry: Entry<'a>,
    /// How it was had.
    pub how: How,
    /// Line in which it begins, from 1.
    pub number: u64,
    /// Bytes before that line.
    pub offset: u64,
    /// When it was written, by the container runtime's clock: RFC 3339.
    pub time: Option<&'a str>,
    /// Whose it is, in [`Reader::streams`].
    pub stream: usize,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes.
    pub bytes: u64,
    /// Lines of the log.
    pub lines: u64,
    /// Lines of the runtime's that stand whole in it.
    pub whole: u64,
    /// Lines of the runtime's that were put together.
    pub joined: u64,
    /// Lines whose parts can be put together in several ways, and were not.
    pub doubtful: u64,
    /// Lines of which a part is missing.
    pub lost: u64,
    /// Lines longer than the limit.
    pub cut: u64,
    /// Lines with which something of the runtime's begins in more streams than are told apart ([`MOST_STREAMS`]): of these
    /// nothing was read.
    pub unread: u64,
}

/// One of stdout and stderr.
#[derive(Default)]
struct Stream {
    torn: Option<(Torn, u64, u64)>,
    shapes: Shapes,
}

/// Who writes: one of those whose logs a tool shows in one.
#[derive(Default)]
struct Source {
    name: String,
    parts: Parts,
    streams: [Stream; 2],
}

/// Streams of one log that are told apart, of those in which the runtime wrote.
pub const MOST_STREAMS: usize = 256;

/// Takes a log piece by piece.
pub struct Reader {
    limits: Limits,
    envelope: Envelope,
    counts: Counts,
    /// A line whose end has not come.
    buffer: Vec<u8>,
    /// The rest of that line is left out.
    skipping: bool,
    /// Where it began.
    offset: u64,
    posted: Posted,
    tags: Tags,
    /// The first is of lines that nobody is named for.
    sources: Vec<Source>,
    /// Whose line is read.
    at: usize,
    gc: Finder<'static>,
    /// The last line in which there was anything, and whether no more comes.
    last: u64,
    ended: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(Limits::DEFAULT)
    }
}

impl Reader {
    /// A reader of one log.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            envelope: Envelope::Plain,
            counts: Counts::default(),
            buffer: Vec::new(),
            skipping: false,
            offset: 0,
            posted: Posted::default(),
            tags: Tags::default(),
            sources: vec![Source::default()],
            at: 0,
            gc: Finder::new(gc::START),
            last: 0,
            ended: false,
        }
    }

    /// What was read so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What lines are wrapped in, as far as was seen.
    pub fn envelope(&self) -> Envelope {
        self.envelope
    }

    /// Whose lines they are, by [`Line::stream`], as the tool that wrote the log names them; the first has no name.
    pub fn streams(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| source.name.as_str())
    }

    fn stream(&mut self, index: usize) -> Option<&mut Stream> {
        self.sources.get_mut(self.at)?.streams.get_mut(index)
    }

    /// Takes the next bytes and gives the entries that end in them.
    pub fn push(&mut self, mut bytes: &[u8], each: &mut impl FnMut(Line<'_>)) {
        while !bytes.is_empty() {
            let end = memchr(b'\n', bytes);
            let (part, rest) = match end {
                Some(end) => {
                    (bytes.get(..end).unwrap_or_default(), bytes.get(end + 1..).unwrap_or_default())
                }
                None => (bytes, &[] as &[u8]),
            };
            let taken = (bytes.len() - rest.len()) as u64;
            bytes = rest;
            if end.is_some()
                && self.buffer.is_empty()
                && !self.skipping
                && part.len() <= self.limits.line
            {
                self.physical(part, each);
            } else {
                let room = self.limits.line.saturating_sub(self.buffer.len());
                self.buffer.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
                if part.len() > room && !self.skipping {
                    self.skipping = true;
                    self.counts.cut += 1;
                }
                if end.is_some() {
                    let line = std::mem::take(&mut self.buffer);
                    self.skipping = false;
                    self.physical(&line, each);
                    self.buffer = line;
                    self.buffer.clear();
                }
            }
            self.counts.bytes += taken;
            if end.is_some() {
                self.offset = self.counts.bytes;
            }
        }
    }

    /// The log is at its end.
    pub fn finish(&mut self, each: &mut impl FnMut(Line<'_>)) {
        if !self.buffer.is_empty() {
            let line = std::mem::take(&mut self.buffer);
            self.physical(&line, each);
        }
        self.ended = true;
        for at in 0..self.sources.len() {
            self.at = at;
            let rest: Vec<_> =
                self.sources.get_mut(at).into_iter().flat_map(|it| it.parts.rest()).collect();
            for line in rest {
                self.counts.cut += u64::from(line.cut);
                self.logical(&line.text, usize::from(line.stdout), line.place, None, each);
            }
            for index in 0..2 {
                self.close(index, each);
            }
        }
    }

    /// A line of the file.
    fn physical(&mut self, line: &[u8], each: &mut impl FnMut(Line<'_>)) {
        self.counts.lines += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().any(u8::is_ascii_alphanumeric) {
            self.last = self.counts.lines;
        }
        self.at = 0;
        let line = &*self.posted.take(line);
        let Some(tagged) = self.tags.take(line, |text| begins(text) || crate::crash::begins(text))
        else {
            return self.enveloped(line, None, each);
        };
        // Labels that all lines have in common logcli leaves out.
        let known = if tagged.name.is_empty() { Some(0) } else { self.source(&tagged.name) };
        let Some(at) = known.or_else(|| self.opened(&tagged.name, &tagged.text)) else { return };
        self.at = at;
        let time = tagged.time.as_deref();
        // Stores of logs keep several lines as one.
        for line in tagged.text.split(|byte| *byte == b'\n') {
            self.enveloped(line, time.map(|time| (time, tagged.stdout)), each);
        }
    }

    /// The place of a source that has one.
    fn source(&self, name: &[u8]) -> Option<usize> {
        let place = |name: &[u8]| {
            let is_it = |source: &Source| source.name.as_bytes() == name;
            self.sources.iter().skip(1).position(is_it).map(|at| at + 1)
        };
        // A name that is no text is told as far as it is.
        place(name).or_else(|| match String::from_utf8_lossy(name) {
            Cow::Borrowed(_) => None,
            Cow::Owned(name) => place(name.as_bytes()),
        })
    }

    /// A new one, where the runtime writes: of whom else a tool shows the lines there may be any number, as each process of
    /// a machine is one in its journal.
    fn opened(&mut self, name: &[u8], text: &[u8]) -> Option<usize> {
        let begun = |line: &[u8]| {
            let (_, found) = container::unwrap(line, |rest| self.is_stamp(rest));
            let timed = container::time(&found.text).map(|(_, rest)| rest);
            opens(&found.text, &self.gc) || timed.is_some_and(|rest| opens(rest, &self.gc))
        };
        if !text.split(|byte| *byte == b'\n').any(begun) {
            return None;
        }
        if self.sources.len() > MOST_STREAMS {
            self.counts.unread += 1;
            return None;
        }
        let name = String::from_utf8_lossy(name).into_owned();
        self.sources.push(Source { name, ..Source::default() });
        Some(self.sources.len() - 1)
    }

    /// Whether a time before that was put there by who kept the log.
    fn is_stamp(&self, rest: &[u8]) -> bool {
        self.envelope == Envelope::Stamped || begins(rest) || crate::crash::begins(rest)
    }

    /// A line in what its container runtime put around it; `told` is what a store of logs says of it.
    fn enveloped(
        &mut self,
        line: &[u8],
        told: Option<(&str, bool)>,
        each: &mut impl FnMut(Line<'_>),
    ) {
        let place = (self.counts.lines, self.offset);
        let (envelope, found) = container::unwrap(line, |rest| self.is_stamp(rest));
        if envelope != Envelope::Plain {
            self.envelope = envelope;
        }
        let found = match (told, envelope) {
            (Some((time, stdout)), Envelope::Plain) => {
                Unwrapped { time: Some(time), stdout, ..found }
            }
            _ => found,
        };
        let time = found.time;
        let limit = self.limits.line;
        let parts = self.sources.get_mut(self.at).map(|source| &mut source.parts);
        if let Some(line) = parts.and_then(|parts| parts.take(found, place, limit)) {
            self.counts.cut += u64::from(line.cut);
            // A terminal put it there, inside of the envelope.
            let text = line.text.strip_suffix(b"\r").unwrap_or(&line.text);
            self.logical(text, usize::from(line.stdout), line.place, time, each);
        }
    }

    /// A line as it was written to its stream.
    fn logical(
        &mut self,
        text: &[u8],
        index: usize,
        place: (u64, u64),
        time: Option<&str>,
        each: &mut impl FnMut(Line<'_>),
    ) {
        let kind = Kind::of(text);
        let read = kind.map(|kind| (kind, kind.read(text, None)));
        if let Some((_, Ok(entry))) = read {
            self.close(index, each);
            self.whole(entry, place, time, each);
            return;
        }
        let Some(stream) =
            self.sources.get_mut(self.at).and_then(|source| source.streams.get_mut(index))
        else {
            return;
        };
        let fresh = read.and_then(|(kind, _)| Torn::open(kind, text, &stream.shapes));
        // A line that begins anew and comes far ends the one before.
        let anew = fresh.as_ref().is_some_and(|(torn, _)| torn.is_certain());
        if !anew && let Some((torn, line, offset)) = &mut stream.torn {
            let began = (*line, *offset);
            match torn.take(text, &stream.shapes) {
                Step::Foreign => stream.shapes.learn(text),
                Step::Part(at) => {
                    let tail = text.get(at..).unwrap_or_default();
                    self.tail(tail, place, time, each);
                    return;
                }
                Step::Whole(joined) => {
                    stream.torn = None;
                    self.joined(joined, true, began, each);
                    return;
                }
                Step::Over(joined) => {
                    let certain = torn.was_the_runtimes();
                    stream.torn = None;
                    self.joined(joined, certain, began, each);
                    // It is looked at as if nothing had been torn before it.
                    return self.logical(text, index, place, time, each);
                }
            }
            self.text(text, place, time, each);
            return;
        }
        if let Some(entry) = loose(text) {
            self.whole(entry, place, time, each);
            return;
        }
        if let Some((torn, at)) = fresh {
            self.close(index, each);
            if let Some(stream) = self.stream(index) {
                stream.torn = Some((torn, place.0, place.1));
            }
            self.tail(text.get(at..).unwrap_or_default(), place, time, each);
            return;
        }
        if self.within(text, index, place, time, each) {
            return;
        }
        if let Some(stream) = self.stream(index) {
            stream.shapes.learn(text);
        }
        self.text(text, place, time, each);
    }

    /// A cycle that begins behind a text without an end of its own.
    fn within(
        &mut self,
        text: &[u8],
        index: usize,
        place: (u64, u64),
        time: Option<&str>,
        each: &mut impl FnMut(Line<'_>),
    ) -> bool {
        let Some((before, found)) = cycle_within(text, &self.gc) else { return false };
        match Kind::Gc.read(found, None) {
            Ok(entry) => {
                self.text(before, place, time, each);
                // A time of whoever kept the log, or a text that did not end: the runtime's own line is whole.
                self.whole(entry, place, time, each);
                true
            }
            Err(_) => {
                let Some(stream) = self.stream(index) else { return false };
                let torn = Torn::open(Kind::Gc, found, &stream.shapes);
                let Some((torn, tail)) = torn.filter(|(torn, _)| torn.has_begun()) else {
                    return false;
                };
                stream.torn = Some((torn, place.0, place.1));
                self.text(before, place, time, each);
                self.tail(found.get(tail..).unwrap_or_default(), place, time, each);
                true
            }
        }
    }

    /// What another wrote into a line of the runtime's.
    fn tail(
        &mut self,
        text: &[u8],
        place: (u64, u64),
        time: Option<&str>,
        each: &mut impl FnMut(Line<'_>),
    ) {
        if !text.is_empty() {
            self.text(text, place, time, each);
        }
    }

    /// What was torn ends here, whatever came of it.
    fn close(&mut self, index: usize, each: &mut impl FnMut(Line<'_>)) {
        let torn = self.stream(index).and_then(|stream| stream.torn.take());
        if let Some((torn, line, offset)) = torn {
            self.joined(torn.close(), torn.was_the_runtimes(), (line, offset), each);
        }
    }

    fn joined(
        &mut self,
        joined: Joined,
        certain: bool,
        (number, offset): (u64, u64),
        each: &mut impl FnMut(Line<'_>),
    ) {
        match joined {
            Joined::Sure(entry) => {
                self.counts.joined += 1;
                let entry = Entry::Runtime(entry);
                each(Line { entry, how: How::Joined, number, offset, time: None, stream: self.at });
            }
            Joined::Doubtful => self.counts.doubtful += 1,
            // The last line of what was cut out of a log is cut as well: nobody wrote into it.
            Joined::Lost if self.ended && number == self.last => {}
            Joined::Lost => self.counts.lost += u64::from(certain),
        }
    }

    fn whole(
        &mut self,
        entry: Runtime,
        (number, offset): (u64, u64),
        time: Option<&str>,
        each: &mut impl FnMut(Line<'_>),
    ) {
        self.counts.whole += 1;
        let entry = Entry::Runtime(entry);
        each(Line { entry, how: How::Whole, number, offset, time, stream: self.at });
    }

    fn text(
        &mut self,
        text: &[u8],
        (number, offset): (u64, u64),
        time: Option<&str>,
        each: &mut impl FnMut(Line<'_>),
    ) {
        let entry = Entry::Text(text);
        each(Line { entry, how: How::Whole, number, offset, time, stream: self.at });
    }
}
