//! Why a process ended: what is said before its goroutines, and when that is believed.

use super::super::cause::{Cause, Ended, Panicked, Signalled};
use super::super::line::{FATAL, PANIC};
use super::super::thrown;
use super::{At, Dump, Parser, Said};

/// Lines behind `panic:` in which goroutines may begin: before Go 1.23 a value is printed as it is.
const MOST_LINES: u32 = 256;
/// Lines of the runtime's before a fatal error that are kept, and for how many lines.
pub(super) const MOST_NOTES: usize = 8;
const NOTES_LAST: u64 = 16;
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
        let rest = text.get(found + 20..).unwrap_or_default();
        // Behind the address, which may be one of IPv6: `[::1]:80: `.
        let from = memchr::memmem::find(rest, b": ").map_or(0, |colon| colon + 2);
        let value = self.cut(rest.get(from..).unwrap_or_default());
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

    pub(super) fn fatal(&mut self, text: &[u8], at: At<'_>, each: &mut impl FnMut(Said<'_>)) {
        let value = self.cut(text.get(FATAL.len()..).unwrap_or_default());
        self.settle(false, each);
        self.cause = Some(self.cause_of(Ended::Fatal(value), None, at));
        (self.since, self.goes_on) = (0, true);
    }

    /// A line behind a cause that is none of the runtime's: its value goes on, or somebody else writes.
    pub(super) fn goes_on(&mut self, text: &[u8], each: &mut impl FnMut(Said<'_>)) {
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
    pub(super) fn settle(&mut self, confirmed: bool, each: &mut impl FnMut(Said<'_>)) {
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
    pub(super) fn adopt(&mut self, cause: &Cause) {
        self.dump = if cause.is_survived() { Dump::Survived } else { Dump::Ended };
        (self.first, self.foreign, self.relayed) = (None, 0, false);
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
