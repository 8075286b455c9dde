//! Why a process ended: what is said before its goroutines, and when that is believed.

use super::super::cause::{Cause, Ended, Panicked, Signalled};
use super::super::ended;
use super::super::line::{FATAL, PANIC, SERVING};
use super::super::thrown;
use super::{At, Dump, Parser, Said};

/// Lines behind `panic:` in which goroutines may begin: before Go 1.23 a value is printed as it is.
pub(super) const MOST_LINES: u32 = 256;
/// Lines of the runtime's before a fatal error that are kept, and for how many lines.
pub(super) const MOST_NOTES: usize = 8;
const NOTES_LAST: u64 = 16;
/// Addresses at which a fault is taken for a nil pointer (`sigpanic`, `runtime/signal_unix.go`).
const NEAR_NIL: u64 = 0x1000;
/// Bytes of one of those.
const LONGEST_NOTE: usize = 256;

impl Parser {
    /// `2026/11/26 15:38:25 http: panic serving 127.0.0.1:34264: what was given to panic`
    pub(super) fn served(
        &mut self,
        text: &[u8],
        at: At<'_>,
        each: &mut impl FnMut(Said<'_>),
    ) -> bool {
        let Some(found) = self.serving.find(text) else { return false };
        let rest = text.get(found + SERVING.len()..).unwrap_or_default();
        // Behind the address, which may be one of IPv6: `[::1]:80: `.
        let from = memchr::memmem::find(rest, b": ").map_or(0, |colon| colon + 2);
        let value = rest.get(from..).unwrap_or_default();
        // A logger put it into quotes: `msg="http: panic serving ..."`
        let is_string = text.get(..found).is_some_and(|head| head.ends_with(b"\""));
        let value = value.strip_suffix(b"\"").filter(|_| is_string).unwrap_or(value);
        let value = self.cut(value);
        self.settle(false, each);
        self.cause = Some(self.cause_of(Ended::Recovered(value), None, at));
        (self.since, self.goes_on) = (0, true);
        true
    }

    pub(super) fn cause_of(
        &mut self,
        ended: Ended,
        signal: Option<Signalled>,
        at: At<'_>,
    ) -> Cause {
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

    pub(super) fn cut(&self, value: &[u8]) -> String {
        let value = value.get(..self.limits.message.min(value.len())).unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    }

    pub(super) fn note(&mut self, text: &[u8], line: u64) {
        if self.notes.len() >= MOST_NOTES {
            self.notes.remove(0);
        }
        let text = text.get(..LONGEST_NOTE.min(text.len())).unwrap_or_default();
        self.notes.push((line, String::from_utf8_lossy(text).into_owned()));
    }

    pub(super) fn panic(&mut self, text: &[u8], at: At<'_>, each: &mut impl FnMut(Said<'_>)) {
        let mut value = text.get(PANIC.len()..).unwrap_or_default();
        let mut panicked = Panicked::default();
        for (mark, again) in MARKS {
            if let Some(rest) = value.strip_suffix(mark.as_bytes()) {
                value = rest;
                (panicked.recovered, panicked.repanicked) = (true, again);
                break;
            }
        }
        panicked.value = self.cut(value);
        let most = self.limits.panics;
        // A panic of the runtime's own has one line.
        let loose = (!thrown::is_panic(&panicked.value)).then(String::new);
        let loose = std::mem::replace(&mut self.loose, loose);
        if let Some(cause) = &mut self.cause
            && let Ended::Panic(chain) = &mut cause.ended
        {
            // The next one of the chain: `printpanics` puts a tab before it.
            if let Some(before) = chain.last_mut() {
                push(&mut before.value, &loose.unwrap_or_default(), self.limits.message);
                mark(before);
            }
            if chain.len() < most {
                chain.push(panicked);
            }
            self.goes_on = true;
            return;
        }
        let own = self.loose.take();
        self.settle(false, each);
        self.cause = Some(self.cause_of(Ended::Panic(vec![panicked]), None, at));
        (self.since, self.goes_on) = (0, true);
        self.loose = own;
    }

    pub(super) fn fatal(&mut self, text: &[u8], at: At<'_>, each: &mut impl FnMut(Said<'_>)) {
        let value = self.cut(text.get(FATAL.len()..).unwrap_or_default());
        // Before Go 1.23 further lines of a value stand as they are: only the stack tells (`told_by`).
        let before = self.cause.take_if(|cause| {
            let last = match &cause.ended {
                Ended::Panic(chain) => chain.last(),
                _ => None,
            };
            // A panic of the runtime's own has one line.
            let may_go_on = last.is_some_and(|last| !thrown::is_panic(&last.value));
            may_go_on && self.goes_on && !thrown::is_fatal(&value) && !thrown::is_deadlock(&value)
        });
        self.settle(false, each);
        self.before = before.map(Box::new);
        self.cause = Some(self.cause_of(Ended::Fatal(value), None, at));
        (self.since, self.goes_on) = (0, true);
    }

    /// A line behind a cause that is none of the runtime's: its value goes on, or somebody else writes.
    pub(super) fn goes_on(&mut self, text: &[u8], each: &mut impl FnMut(Said<'_>)) {
        let limit = self.limits.message;
        self.since += 1;
        // Lines of a value are bounded by what is kept of it.
        let indented = self.goes_on && text.starts_with(b"\t");
        if self.since > MOST_LINES && !indented {
            self.settle(false, each);
            return;
        }
        // From Go 1.23 on the lines of a value that follow are indented, one behind the other. Before, nothing
        // tells them from what others write, which may be anything.
        let Some(text) = text.strip_prefix(b"\t").filter(|_| self.goes_on) else {
            self.goes_on = false;
            self.loosely(text);
            return;
        };
        self.loose = None;
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

    /// Before Go 1.23 the further lines of a value stand as they are, up to the empty one before the goroutines.
    fn loosely(&mut self, text: &[u8]) {
        let limit = self.limits.message;
        match &mut self.loose {
            Some(loose) if !is_logged(text) => {
                push(loose, "\n", limit);
                push(loose, &String::from_utf8_lossy(text), limit);
            }
            loose => *loose = None,
        }
    }

    /// The lines behind a panic were its value's: an empty one and a goroutine follow them at once.
    pub(super) fn with_loose(&mut self, cause: &mut Cause) {
        let limit = self.limits.message;
        let loose = self.loose.take();
        if let (Ended::Panic(chain), Some(loose)) = (&mut cause.ended, loose)
            && let Some(last) = chain.last_mut()
            && let Some(lines) = loose.strip_suffix('\n')
        {
            push(&mut last.value, lines, limit);
        }
    }

    /// What was said before goroutines is a cause when they follow, or when it is one without them.
    pub(super) fn settle(&mut self, confirmed: bool, each: &mut impl FnMut(Said<'_>)) {
        self.before = None;
        self.loose = None;
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
                    || thrown::is_certain(text)
                    || thrown::is_fatal(text) && !cause.notes.is_empty()
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

    /// A cause, as the stack of its first goroutine shows it; `whole` when that is all of it.
    pub(super) fn told_by(&self, mut cause: Cause, before: Option<Cause>, whole: bool) -> Cause {
        let limit = self.limits.message;
        // Of a signal whose words were cut off: in Go's own code it is a panic, at an address near 0 that one
        // (`panicmem`, `runtime/panic.go`).
        if let (Ended::Signal, Some(signal)) = (&cause.ended, &cause.signal)
            && signal.name == "SIGSEGV"
            && signal.address.is_some_and(|address| address < NEAR_NIL)
            && !self.stack.first().is_empty()
            && !self.stack.funcs().any(|func| thrown::is_throw(func) || func == "runtime.cgocall")
        {
            let value =
                "runtime error: invalid memory address or nil pointer dereference".to_owned();
            cause.ended = Ended::Panic(vec![Panicked { value, ..Panicked::default() }]);
        }
        if let Some(mut before) = before
            && let (Ended::Panic(chain), Ended::Fatal(line)) = (&mut before.ended, &cause.ended)
            && !self.stack.funcs().any(thrown::is_throw)
            && let Some(last) = chain.last_mut()
        {
            // All frames are printed of what the runtime throws: it did not.
            push(&mut last.value, "\nfatal error: ", limit);
            push(&mut last.value, line, limit);
            before.signal = cause.signal;
            cause = before;
        }
        if let Ended::Panic(chain) = &mut cause.ended {
            if let Some(last) = chain.last_mut() {
                mark(last);
            }
            if whole {
                let calls = self.stack.funcs().filter(|func| ended::is_raise(func)).count();
                let shown = ended::shows_last(self.stack.funcs());
                ended::join_chain(chain, calls, shown, limit);
            }
        }
        cause
    }

    /// What follows is of that cause.
    pub(super) fn adopt(&mut self, cause: &Cause) {
        self.dump = if cause.is_survived() { Dump::Survived } else { Dump::Ended };
        (self.first, self.foreign, self.relayed) = (None, 0, false);
    }
}

/// Whether a line looks as loggers and servers write them: with a date, as JSON, by key and value, a request.
fn is_logged(text: &[u8]) -> bool {
    let digits = |to: usize| text.get(..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let dated = digits(4) && matches!(text.get(4), Some(b'-' | b'/'));
    let klog = matches!(text, [b'I' | b'W' | b'E' | b'F', rest @ ..] if rest.len() > 4 && rest.iter().take(4).all(u8::is_ascii_digit));
    let has = |word: &[u8]| memchr::memmem::find(text, word).is_some();
    let begins = |words: &[&[u8]]| words.iter().any(|word| text.starts_with(word));
    dated
        || klog
        || begins(&[b"{", b"[", b"GET ", b"POST ", b"PUT ", b"DELETE "])
        || [&b"level="[..], b"time=", b"msg=", b"\"level\":"].iter().any(|word| has(word))
}

/// What the runtime puts behind a value, and whether it was given to `panic` again.
const MARKS: [(&str, bool); 2] = [(" [recovered, repanicked]", true), (" [recovered]", false)];

/// Reads that behind the last line of a value.
fn mark(panicked: &mut Panicked) {
    for (mark, again) in MARKS {
        if panicked.value.ends_with(mark) {
            panicked.value.truncate(panicked.value.len() - mark.len());
            (panicked.recovered, panicked.repanicked) = (true, again);
            return;
        }
    }
}

/// Puts text behind a value, as far as there is room.
pub(in crate::crash) fn push(value: &mut String, text: &str, limit: usize) {
    let room = limit.saturating_sub(value.len());
    let end = (0..=room.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    value.push_str(text.get(..end.unwrap_or(0)).unwrap_or_default());
}

fn first_line(value: &mut String) {
    if let Some(end) = value.find('\n') {
        value.truncate(end);
    }
}
