//! From lines to causes and goroutines.

use memchr::memmem::Finder;

use super::cause::{Cause, Ended, Panicked, Signalled};
use super::line::{self, FATAL, PANIC};
use super::stack::{Goroutine, Header, Raw, Stack};
use super::thrown;

/// How much is kept of what a crash says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Frames of a stack. The runtime prints a hundred at most.
    pub frames: usize,
    /// Bytes of a function's name, and of a file's.
    pub name: usize,
    /// Bytes of what was given to `panic`.
    pub message: usize,
    /// Panics of one chain.
    pub panics: usize,
}

impl Limits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self { frames: 256, name: 1024, message: 4096, panics: 32 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Lines behind `panic:` in which goroutines may begin: before Go 1.23 a value is printed as it is.
const MOST_LINES: u32 = 256;
/// Lines of others that may stand in a dump before it is taken to be over.
const MOST_FOREIGN: u32 = 256;
/// The same inside of one stack.
const MOST_WITHIN: u32 = 64;
/// Lines of the runtime's before a fatal error that are kept, and for how many lines.
const MOST_NOTES: usize = 8;
const NOTES_LAST: u64 = 16;
/// Bytes of one of those.
const LONGEST_NOTE: usize = 256;

/// What a log says.
#[derive(Debug)]
pub enum Said<'a> {
    /// A process ended, or a server recovered. The goroutines that follow belong to it.
    Cause(Cause),
    /// A profile of goroutines by stack (`debug=1`) begins: its name, and how many there are.
    Profile {
        /// `goroutine` or `goroutineleak`
        name: String,
        /// Goroutines.
        total: u64,
        /// Line of the log.
        line: u64,
    },
    /// A goroutine.
    Goroutine {
        /// It.
        goroutine: Goroutine<'a>,
        /// A new dump begins with it, of which no cause was said.
        begins: bool,
    },
}

/// Where a line stands.
#[derive(Clone, Copy, Debug, Default)]
struct At<'t> {
    line: u64,
    offset: u64,
    time: Option<&'t str>,
}

/// A goroutine whose stack is being read.
#[derive(Default)]
struct Open {
    header: Option<Header>,
    count: u64,
    line: u64,
    offset: u64,
    elided: u64,
    unavailable: bool,
    begins: bool,
    /// `runtime stack:`, and what a crashing thread repeats.
    unsaid: bool,
    /// A call whose place has not come.
    call: Option<(std::ops::Range<usize>, std::ops::Range<usize>)>,
    /// The `go` statement's place is next.
    created: Option<std::ops::Range<usize>>,
    /// Frames of goroutines that started this one follow.
    ancestors: bool,
    /// What was said before it, which its stack confirms.
    cause: Option<Cause>,
    foreign: u32,
}

/// What a dump is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Dump {
    #[default]
    None,
    /// Somebody asked for it.
    Listed,
    /// A process that ended.
    Ended,
    /// One goroutine of a process that did not.
    Survived,
    /// `debug=1`
    Profile,
}

/// Takes a log line by line.
pub struct Parser {
    limits: Limits,
    stack: Stack,
    open: Option<Open>,
    dump: Dump,
    /// The first goroutine of the dump: once more, it is the first of the next.
    first: Option<u64>,
    foreign: u32,
    /// What was said before the first goroutine.
    cause: Option<Cause>,
    /// Lines since.
    since: u32,
    /// Its value may go on with the next line.
    goes_on: bool,
    notes: Vec<(u64, String)>,
    signal: Option<Cause>,
    /// `-----`: a thread that crashes hands on to the next one, which prints what was printed.
    relayed: bool,
    serving: Finder<'static>,
}

impl std::fmt::Debug for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parser").field("dump", &self.dump).finish_non_exhaustive()
    }
}

impl Default for Parser {
    fn default() -> Self {
        Self::new(Limits::DEFAULT)
    }
}

impl Parser {
    /// A parser of one log.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            stack: Stack::default(),
            open: None,
            dump: Dump::None,
            first: None,
            foreign: 0,
            cause: None,
            since: 0,
            goes_on: false,
            notes: Vec::new(),
            signal: None,
            relayed: false,
            serving: Finder::new(b"http: panic serving "),
        }
    }

    /// Bytes that are kept of the stack that is read.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.stack.bytes()
    }

    /// Takes the next line, without its end.
    pub fn take(
        &mut self,
        text: &[u8],
        (line, offset): (u64, u64),
        time: Option<&str>,
        each: &mut impl FnMut(Said<'_>),
    ) {
        let at = At { line, offset, time };
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if self.open.is_some() && self.within(text, each) {
            return;
        }
        if self.starts(text, at, each) {
            return;
        }
        if self.cause.is_some() {
            self.goes_on(text, each);
        } else if self.open.is_none() && self.dump != Dump::None && !text.is_empty() {
            self.foreign += 1;
            if text == b"-----" && self.dump == Dump::Ended {
                self.relayed = true;
            }
            if self.foreign > MOST_FOREIGN {
                self.dump = Dump::None;
            }
        }
    }

    /// The log is at its end.
    pub fn finish(&mut self, each: &mut impl FnMut(Said<'_>)) {
        self.close(each);
        self.settle(false, each);
        self.dump = Dump::None;
    }

    /// Whether that is a line of the open goroutine's.
    fn within(&mut self, text: &[u8], each: &mut impl FnMut(Said<'_>)) -> bool {
        let limits = self.limits;
        let Some(open) = &mut self.open else { return false };
        let room = self.stack.frames.len() < limits.frames && !open.ancestors;
        if self.dump == Dump::Profile {
            match line::record(text) {
                Some(Some((func, file, number))) if room => {
                    let func = self.stack.keep(func, limits.name);
                    let file = self.stack.keep(file, limits.name);
                    self.stack.frames.push(Raw { func, args: 0..0, file, line: number });
                }
                Some(Some(_)) => open.elided = open.elided.saturating_add(1),
                Some(None) => {}
                None if text.starts_with(b"# labels: ") => {}
                None => {
                    self.close(each);
                    return text.is_empty();
                }
            }
            return true;
        }
        if text.first() == Some(&b'\t') {
            if text == b"\tgoroutine running on other thread; stack unavailable" {
                open.unavailable = true;
                open.foreign = 0;
                return true;
            }
            if let Some((file, number)) = line::place(text) {
                open.foreign = 0;
                if let Some(func) = open.created.take() {
                    if !open.ancestors && self.stack.created.is_none() {
                        let file = self.stack.keep(file, limits.name);
                        self.stack.created = Some(Raw { func, args: 0..0, file, line: number });
                    }
                    return true;
                }
                if let Some((func, args)) = open.call.take() {
                    let file = self.stack.keep(file, limits.name);
                    self.stack.frames.push(Raw { func, args, file, line: number });
                }
                return true;
            }
        }
        if text.is_empty() {
            self.close(each);
            return true;
        }
        if let Some((func, args)) = line::call(text) {
            open.foreign = 0;
            if let Some((func, args)) = open.call.take() {
                self.stack.frames.push(Raw { func, args, file: 0..0, line: 0 });
            }
            if room {
                open.call = Some((self.stack.keep(func, limits.name), self.stack.keep(args, 128)));
            } else if !open.ancestors {
                open.elided = open.elided.saturating_add(1);
            }
            return true;
        }
        if let Some((func, by)) = line::created(text) {
            open.foreign = 0;
            // A goroutine was started once; of what says it again, nothing is kept.
            if open.ancestors || open.created.is_some() || self.stack.created.is_some() {
                open.created.get_or_insert(0..0);
            } else {
                open.created = Some(self.stack.keep(func, limits.name));
                self.stack.by = by;
            }
            return true;
        }
        if let Some(count) = line::elided(text) {
            open.elided = open.elided.saturating_add(count);
            return true;
        }
        if line::is_ancestor(text) {
            open.ancestors = true;
            return true;
        }
        if text.starts_with(b"non-Go function at pc=0x") {
            if room {
                let func = self.stack.keep(b"non-Go function", limits.name);
                self.stack.frames.push(Raw { func, args: 0..0, file: 0..0, line: 0 });
            }
            return true;
        }
        if line::begins(text) || text == b"runtime stack:" || text == b"-----" {
            self.close(each);
            return false;
        }
        open.foreign += 1;
        // A process that ends says so while others still write; a stack that was asked for is printed at once,
        // with whatever the program says next behind it.
        if open.foreign > MOST_WITHIN || self.dump != Dump::Ended {
            self.close(each);
            return false;
        }
        true
    }

    /// Whether something begins with that line.
    fn starts(&mut self, text: &[u8], at: At<'_>, each: &mut impl FnMut(Said<'_>)) -> bool {
        match text.first() {
            Some(b'g') => {
                if let Some(header) = line::header(text) {
                    self.header(header, at);
                    return true;
                }
                if let Some((name, total)) = line::profile(text) {
                    self.settle(false, each);
                    self.dump = Dump::Profile;
                    self.first = None;
                    let name = String::from_utf8_lossy(name).into_owned();
                    each(Said::Profile { name, total, line: at.line });
                    return true;
                }
            }
            Some(b'0'..=b'9') if self.dump == Dump::Profile => {
                if let Some(count) = line::counted(text) {
                    self.stack.clear();
                    let (line, offset) = (at.line, at.offset);
                    self.open = Some(Open { count, line, offset, ..Open::default() });
                    return true;
                }
            }
            Some(b'p') if text.starts_with(PANIC) => {
                self.settle(false, each);
                self.panic(text, at, each);
                return true;
            }
            Some(b'f') if text.starts_with(FATAL) => {
                self.fatal(text, at, each);
                return true;
            }
            Some(b'\t') if self.cause.is_some() => {
                let inner = text.strip_prefix(b"\t").unwrap_or_default();
                if inner.starts_with(PANIC) {
                    self.panic(inner, at, each);
                    return true;
                }
                if inner.starts_with(FATAL) {
                    self.fatal(inner, at, each);
                    return true;
                }
            }
            Some(b'r') => {
                if text == b"runtime stack:" && (self.cause.is_some() || self.dump == Dump::Ended) {
                    self.settle(true, each);
                    self.stack.clear();
                    self.open = Some(Open { unsaid: true, ..Open::default() });
                    return true;
                }
                if text.starts_with(b"runtime: ") && self.cause.is_none() {
                    self.note(text, at.line);
                    return true;
                }
            }
            Some(b'u') if text.starts_with(b"unexpected fault address ") => {
                self.note(text, at.line);
                return true;
            }
            Some(b's') if text == b"signal arrived during cgo execution" => {
                if let Some(cause) = &mut self.cause {
                    if cause.notes.len() <= MOST_NOTES {
                        cause.notes.push("signal arrived during cgo execution".to_owned());
                    }
                    return true;
                }
            }
            Some(b'[') => {
                if let Some(cause) = &mut self.cause
                    && let Some((name, meaning, address)) = line::signal_of_panic(text)
                {
                    cause.signal = Some(Signalled {
                        name: String::from_utf8_lossy(name).into_owned(),
                        meaning: String::from_utf8_lossy(meaning).into_owned(),
                        address,
                    });
                    return true;
                }
            }
            Some(b'S') => {
                if let Some((name, meaning)) = line::signal(text) {
                    let signal = Signalled {
                        name: String::from_utf8_lossy(name).into_owned(),
                        meaning: self.cut(meaning),
                        address: None,
                    };
                    self.signal = Some(self.cause_of(Ended::Signal, Some(signal), at));
                    return true;
                }
            }
            Some(b'P') if line::is_counter(text) => {
                if let Some(signal) = self.signal.take() {
                    if !self.relayed {
                        self.settle(false, each);
                        self.dump = Dump::None;
                        self.cause = Some(signal);
                        (self.since, self.goes_on) = (0, false);
                    }
                    return true;
                }
            }
            _ => {}
        }
        self.served(text, at, each)
    }

    /// `2026/11/26 15:38:25 http: panic serving 127.0.0.1:34264: what was given to panic`
    fn served(&mut self, text: &[u8], at: At<'_>, each: &mut impl FnMut(Said<'_>)) -> bool {
        let Some(found) = self.serving.find(text) else { return false };
        let rest = text.get(found + 20..).unwrap_or_default();
        // Behind the address, which may be one of IPv6: `[::1]:80: `.
        let from = memchr::memmem::find(rest, b": ").map_or(0, |colon| colon + 2);
        let value = self.cut(rest.get(from..).unwrap_or_default());
        self.settle(false, each);
        self.cause = Some(self.cause_of(Ended::Recovered(value), None, at));
        (self.since, self.goes_on) = (0, true);
        true
    }

    fn cause_of(&mut self, ended: Ended, signal: Option<Signalled>, at: At<'_>) -> Cause {
        let oldest = at.line.saturating_sub(NOTES_LAST);
        let notes = std::mem::take(&mut self.notes);
        Cause {
            ended,
            signal,
            notes: notes.into_iter().filter(|(line, _)| *line >= oldest).map(|(_, n)| n).collect(),
            line: at.line,
            offset: at.offset,
            time: at.time.map(str::to_owned),
        }
    }

    fn cut(&self, value: &[u8]) -> String {
        let value = value.get(..self.limits.message.min(value.len())).unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    }

    fn note(&mut self, text: &[u8], line: u64) {
        if self.notes.len() >= MOST_NOTES {
            self.notes.remove(0);
        }
        let text = text.get(..LONGEST_NOTE.min(text.len())).unwrap_or_default();
        self.notes.push((line, String::from_utf8_lossy(text).into_owned()));
    }

    fn panic(&mut self, text: &[u8], at: At<'_>, each: &mut impl FnMut(Said<'_>)) {
        let mut value = text.get(PANIC.len()..).unwrap_or_default();
        let mut panicked = Panicked::default();
        for (mark, again) in [(&b" [recovered, repanicked]"[..], true), (b" [recovered]", false)] {
            if let Some(rest) = value.strip_suffix(mark) {
                value = rest;
                (panicked.recovered, panicked.repanicked) = (true, again);
                break;
            }
        }
        panicked.value = self.cut(value);
        let most = self.limits.panics;
        if let Some(cause) = &mut self.cause
            && let Ended::Panic(chain) = &mut cause.ended
        {
            // The next one of the chain: `printpanics` puts a tab before it.
            if chain.len() < most {
                chain.push(panicked);
            }
            self.goes_on = true;
            return;
        }
        self.settle(false, each);
        self.cause = Some(self.cause_of(Ended::Panic(vec![panicked]), None, at));
        (self.since, self.goes_on) = (0, true);
    }

    fn fatal(&mut self, text: &[u8], at: At<'_>, each: &mut impl FnMut(Said<'_>)) {
        let value = self.cut(text.get(FATAL.len()..).unwrap_or_default());
        self.settle(false, each);
        self.cause = Some(self.cause_of(Ended::Fatal(value), None, at));
        (self.since, self.goes_on) = (0, true);
    }

    /// A line behind a cause that is none of the runtime's: its value goes on, or somebody else writes.
    fn goes_on(&mut self, text: &[u8], each: &mut impl FnMut(Said<'_>)) {
        let limit = self.limits.message;
        self.since += 1;
        if self.since > MOST_LINES {
            self.settle(false, each);
            return;
        }
        // From Go 1.23 on the lines of a value that follow are indented, one behind the other. Before, nothing
        // tells them from what others write, which may be anything.
        let Some(text) = text.strip_prefix(b"\t").filter(|_| self.goes_on) else {
            self.goes_on = false;
            return;
        };
        let Some(cause) = &mut self.cause else { return };
        let value = match &mut cause.ended {
            Ended::Panic(chain) => chain.last_mut().map(|panicked| &mut panicked.value),
            Ended::Fatal(value) | Ended::Recovered(value) => Some(value),
            Ended::Signal => None,
        };
        let Some(value) = value else { return };
        push(value, "\n", limit);
        push(value, &String::from_utf8_lossy(text), limit);
    }

    /// What was said before goroutines is a cause when they follow, or when it is one without them.
    fn settle(&mut self, confirmed: bool, each: &mut impl FnMut(Said<'_>)) {
        let Some(mut cause) = self.cause.take() else { return };
        let stands_alone = match &cause.ended {
            // GOTRACEBACK=none prints no goroutine. A program may write such a line itself: it has no signal, and
            // not the words of the runtime's.
            Ended::Panic(chain) => {
                let last = chain.last();
                cause.signal.is_some()
                    || self.since == 0 && last.is_some_and(|last| thrown::is_panic(&last.value))
            }
            Ended::Fatal(text) => {
                cause.signal.is_some()
                    || thrown::is_deadlock(text)
                    || self.since == 0 && thrown::is_fatal(text)
            }
            Ended::Signal => true,
            Ended::Recovered(_) => false,
        };
        if !confirmed && !stands_alone {
            return;
        }
        if !confirmed {
            // What came later is not its value.
            match &mut cause.ended {
                Ended::Panic(chain) => {
                    if let Some(last) = chain.last_mut() {
                        first_line(&mut last.value);
                    }
                }
                Ended::Fatal(value) | Ended::Recovered(value) => first_line(value),
                Ended::Signal => {}
            }
        }
        self.adopt(&cause);
        each(Said::Cause(cause));
    }

    /// What follows is of that cause.
    fn adopt(&mut self, cause: &Cause) {
        self.dump = if cause.is_survived() { Dump::Survived } else { Dump::Ended };
        (self.first, self.foreign, self.relayed) = (None, 0, false);
    }

    fn header(&mut self, header: Header, at: At<'_>) {
        self.signal = None;
        let mut begins = false;
        let cause = self.cause.take();
        match &cause {
            Some(cause) => self.adopt(cause),
            None if self.dump == Dump::Survived => self.dump = Dump::None,
            None => {}
        }
        let again = self.first == Some(header.id);
        let is_running = header.state == "running";
        begins |= matches!(self.dump, Dump::None | Dump::Profile);
        // The world stands still while a dump is written: whoever writes it is the one that runs.
        begins |= self.dump == Dump::Listed && (again || is_running);
        if self.dump == Dump::Ended && again && !self.relayed {
            begins = true;
        }
        if begins {
            self.dump = Dump::Listed;
            self.relayed = false;
        }
        if begins || self.first.is_none() {
            self.first = Some(header.id);
        }
        self.foreign = 0;
        self.stack.clear();
        self.open = Some(Open {
            header: Some(header),
            count: 1,
            line: at.line,
            offset: at.offset,
            begins,
            unsaid: self.relayed,
            cause,
            ..Open::default()
        });
    }

    /// The open goroutine is whole.
    fn close(&mut self, each: &mut impl FnMut(Said<'_>)) {
        let Some(mut open) = self.open.take() else { return };
        if let Some((func, args)) = open.call.take() {
            self.stack.frames.push(Raw { func, args, file: 0..0, line: 0 });
        }
        if open.unsaid {
            return;
        }
        if let Some(mut cause) = open.cause.take() {
            let first = self.stack.first();
            if matches!(first, "runtime/debug.Stack" | "runtime/debug.PrintStack")
                && let Ended::Panic(chain) = cause.ended
            {
                // The program itself says that it recovered.
                let value = chain.into_iter().next().unwrap_or_default().value;
                cause.ended = Ended::Recovered(value);
                self.dump = Dump::Survived;
            }
            each(Said::Cause(cause));
        }
        let goroutine = Goroutine {
            header: open.header.as_ref(),
            count: open.count,
            line: open.line,
            offset: open.offset,
            elided: open.elided,
            unavailable: open.unavailable,
            stack: &self.stack,
        };
        each(Said::Goroutine { goroutine, begins: open.begins });
    }
}

fn push(value: &mut String, text: &str, limit: usize) {
    let room = limit.saturating_sub(value.len());
    let end = (0..=room.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    value.push_str(text.get(..end.unwrap_or(0)).unwrap_or_default());
}

fn first_line(value: &mut String) {
    if let Some(end) = value.find('\n') {
        value.truncate(end);
    }
}
