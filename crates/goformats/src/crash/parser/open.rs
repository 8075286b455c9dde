//! The goroutine whose stack is being read, line by line.

use std::ops::Range;

use super::super::cause::{Cause, Ended};
use super::super::line;
use super::super::stack::{Goroutine, Header, Raw};
use super::{At, Dump, Parser, Said};

/// Lines of others that may stand inside of one stack before it is taken to be over.
const MOST_WITHIN: u32 = 64;

/// A goroutine whose stack is being read.
#[derive(Default)]
pub(super) struct Open {
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
    call: Option<(Range<usize>, Range<usize>)>,
    /// The `go` statement's place is next.
    created: Option<Range<usize>>,
    /// Frames of goroutines that started this one follow.
    ancestors: bool,
    /// What was said before it, which its stack confirms.
    cause: Option<Cause>,
    foreign: u32,
}

impl Open {
    /// An entry of a profile: as many goroutines as have its stack.
    pub(super) fn entry(count: u64, at: At<'_>) -> Self {
        Self { count, line: at.line, offset: at.offset, ..Self::default() }
    }

    /// A stack that is no goroutine's, which is read and not said.
    pub(super) fn unsaid() -> Self {
        Self { unsaid: true, ..Self::default() }
    }
}

impl Parser {
    /// Whether that is a line of the open goroutine's.
    pub(super) fn within(&mut self, text: &[u8], each: &mut impl FnMut(Said<'_>)) -> bool {
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

    pub(super) fn header(&mut self, header: Header, at: At<'_>) {
        self.signal = None;
        let cause = self.cause.take();
        match &cause {
            Some(cause) => self.adopt(cause),
            None if self.dump == Dump::Survived => self.dump = Dump::None,
            None => {}
        }
        let again = self.first == Some(header.id);
        let is_running = header.state == "running";
        let begins = match self.dump {
            Dump::None | Dump::Profile => true,
            // The world stands still while a dump is written: whoever writes it is the one that runs.
            Dump::Listed => again || is_running,
            Dump::Ended => again && !self.relayed,
            Dump::Survived => false,
        };
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
    pub(super) fn close(&mut self, each: &mut impl FnMut(Said<'_>)) {
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
