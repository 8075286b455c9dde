//! From lines to causes and goroutines.

mod causes;
mod held;
mod inline;
mod open;

use memchr::memmem::Finder;

use self::causes::MOST_NOTES;
pub(super) use self::causes::push;
use self::held::Held;
use self::inline::Inline;
use self::open::Open;
use super::cause::{Cause, Ended, Signalled};
use super::line::{self, CGO, FATAL, FAULT, NOTE, PANIC, SERVING};
use super::stack::{Goroutine, Stack};

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

/// Lines of others that may stand in a dump before it is taken to be over.
const MOST_FOREIGN: u32 = 256;

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
        /// The program wrote it into a line of its own.
        printed: bool,
    },
}

/// Where a line stands.
#[derive(Clone, Copy, Debug, Default)]
struct At<'t> {
    line: u64,
    offset: u64,
    time: Option<&'t str>,
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
    /// Lines behind `panic:` as they are; nothing where they cannot be its value's.
    loose: Option<String>,
    notes: Vec<(u64, String)>,
    signal: Option<Cause>,
    /// A panic in front of a stack that the program printed itself, while it is open whether it survived.
    held: Option<Box<Held>>,
    /// A panic whose value may have the line that was taken for a fatal error.
    before: Option<Box<Cause>>,
    /// `-----`: a thread that crashes hands on to the next one, which prints what was printed.
    relayed: bool,
    serving: Finder<'static>,
    inline: Inline,
    /// What is read stands in a line of the program's.
    printed: bool,
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
            loose: None,
            notes: Vec::new(),
            signal: None,
            held: None,
            before: None,
            relayed: false,
            serving: Finder::new(SERVING),
            inline: Inline::default(),
            printed: false,
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
        self.physical(text, at, each);
    }

    /// A line as the runtime wrote it.
    fn line(&mut self, text: &[u8], at: At<'_>, each: &mut impl FnMut(Said<'_>)) {
        let text = trimmed(text);
        if self.open.is_some() && self.within(text, each) {
            return;
        }
        if self.held.is_some() && self.open.is_none() && self.holds(text, at, each) {
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
        self.close(false, each);
        self.release(each);
        self.settle(false, each);
        self.dump = Dump::None;
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
                    self.open = Some(Open::entry(count, at));
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
            Some(b'\t' | b' ') if self.cause.is_some() => {
                let inner = text.trim_ascii_start();
                if inner.starts_with(PANIC) {
                    self.panic(inner, at, each);
                    return true;
                }
            }
            Some(b'r') => {
                if text == b"runtime stack:" && (self.cause.is_some() || self.dump == Dump::Ended) {
                    self.settle(true, each);
                    self.stack.clear();
                    self.open = Some(Open::unsaid());
                    return true;
                }
                let is_note = text.starts_with(NOTE) || text.starts_with(CGO);
                if is_note && self.cause.is_none() {
                    self.note(text, at.line);
                    return true;
                }
            }
            Some(b'u') if text.starts_with(FAULT) => {
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
                if let Some(signal) = signal_of_panic(text) {
                    match &mut self.cause {
                        Some(cause) => cause.signal = Some(signal),
                        // The line before was cut off.
                        None => {
                            self.cause = Some(self.cause_of(Ended::Signal, Some(signal), at));
                            (self.since, self.goes_on) = (0, false);
                        }
                    }
                    return true;
                }
            }
            Some(b'S') => {
                if let Some((name, meaning)) = line::signal(text) {
                    let signal = Signalled {
                        name: String::from_utf8_lossy(name).into_owned(),
                        meaning: self.cut(meaning),
                        address: None,
                        code: None,
                    };
                    self.signal = Some(self.cause_of(Ended::Signal, Some(signal), at));
                    return true;
                }
            }
            Some(b'P') if line::is_counter(text) => {
                if let Some(mut signal) = self.signal.take() {
                    if let Some(signal) = &mut signal.signal {
                        signal.code = line::sigcode(text);
                    }
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
}

/// Without the blanks that a terminal copies to its edge. An empty line of a value keeps what it is indented by.
fn trimmed(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at + 1);
    text.get(..end).unwrap_or_default()
}

/// `[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x68e700]`
fn signal_of_panic(text: &[u8]) -> Option<Signalled> {
    let (name, meaning, address) = line::signal_of_panic(text)?;
    Some(Signalled {
        name: String::from_utf8_lossy(name).into_owned(),
        meaning: String::from_utf8_lossy(meaning).into_owned(),
        address,
        code: None,
    })
}
