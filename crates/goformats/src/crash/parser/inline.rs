//! Stacks in lines of a program's, taken out of them.

use memchr::memmem::Finder;

use super::super::line::{FATAL, PANIC};
use super::super::within::{Found, Prefix, find, string};
use super::{At, Parser, Said};

/// Lines between what a process says of its end and the goroutine, and bytes that are kept of each.
const MOST_LINES: usize = 32;
const LONGEST: usize = 4096;

/// A line, its number, and the bytes before it.
type Kept = (Vec<u8>, u64, u64);

/// What is known of lines that have something before them.
pub(super) struct Inline {
    mark: Finder<'static>,
    panic: Finder<'static>,
    fatal: Finder<'static>,
    /// What stands before the lines of the stack that is read.
    prefix: Option<Prefix>,
    /// A line with `panic: ` or `fatal error: ` behind something, where that begins, and the lines that followed.
    early: Option<(usize, Vec<Kept>)>,
}

impl Default for Inline {
    fn default() -> Self {
        Self {
            mark: Finder::new(b"]:"),
            panic: Finder::new(PANIC),
            fatal: Finder::new(FATAL),
            prefix: None,
            early: None,
        }
    }
}

impl Inline {
    /// Keeps a line behind which a stack may follow that has the same before its lines.
    fn keep(&mut self, text: &[u8], at: At<'_>) {
        let begins =
            [&self.panic, &self.fatal].into_iter().filter_map(|word| word.find(text)).min();
        if let Some(from) = begins.filter(|from| *from > 0) {
            self.early = Some((from, Vec::new()));
        }
        let Some((_, lines)) = &mut self.early else { return };
        if lines.len() >= MOST_LINES {
            self.early = None;
            return;
        }
        let text = text.get(..LONGEST.min(text.len())).unwrap_or_default();
        lines.push((text.to_vec(), at.line, at.offset));
    }
}

impl Parser {
    /// A line of the log, whatever is before it or in it.
    pub(super) fn physical(&mut self, text: &[u8], at: At<'_>, each: &mut impl FnMut(Said<'_>)) {
        let found = find(text, &self.inline.mark);
        if let Some(Found::Escaped(from)) = found
            && let Some(record) = string(text, from)
        {
            return self.record(&record, at, each);
        }
        if let Some(prefix) = self.inline.prefix.take() {
            if let Some(plain) = prefix.strip(text) {
                self.inline.prefix = Some(prefix);
                return self.line(&plain, at, each);
            }
            // Of a stack that the program wrote behind its own words only the header has them before it.
            self.inline.prefix = self.open.is_some().then_some(prefix);
        }
        if let Some(Found::Line(from)) = found {
            return self.behind(text, from, at, each);
        }
        if self.inline.prefix.is_none() {
            self.inline.keep(text, at);
        }
        self.line(text, at, each);
    }

    /// All lines of a string that holds a stack.
    fn record(&mut self, record: &[u8], at: At<'_>, each: &mut impl FnMut(Said<'_>)) {
        self.inline.prefix = None;
        for text in record.split(|byte| *byte == b'\n') {
            let text = text.trim_ascii_end();
            self.printed = true;
            match find(text, &self.inline.mark) {
                Some(Found::Line(from)) => {
                    self.line(text.get(from..).unwrap_or_default(), at, each);
                }
                _ => self.line(text, at, each),
            }
        }
        self.printed = false;
        self.close(false, each);
        self.settle(false, each);
    }

    /// A header behind something.
    fn behind(&mut self, text: &[u8], from: usize, at: At<'_>, each: &mut impl FnMut(Said<'_>)) {
        let Some((before, header)) = text.split_at_checked(from) else { return };
        let prefix = Prefix::new(before);
        if let Some((begin, lines)) = self.inline.early.take()
            && begin == from
        {
            for (text, line, offset) in lines {
                if let Some(plain) = prefix.strip(&text) {
                    self.line(&plain, At { line, offset, time: None }, each);
                }
            }
        }
        // Pages that join lines leave why it ended in the same one.
        if before.starts_with(PANIC)
            || before.starts_with(FATAL)
            || self.serving.find(before).is_some()
        {
            self.line(before, at, each);
        }
        let end = memchr::memmem::find(header, b"]:").map_or(header.len(), |at| at + 2);
        self.printed = true;
        self.line(header.get(..end).unwrap_or_default(), at, each);
        self.printed = false;
        self.inline.prefix = Some(prefix);
    }
}
