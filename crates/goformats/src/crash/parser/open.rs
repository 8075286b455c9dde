//! The goroutine whose stack is being read, line by line.

use std::ops::Range;

use super::super::cause::{Cause, Ended};
use super::super::line;
use super::super::stack::{Goroutine, Header, Raw, Stack};
use super::super::thrown;
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
    /// The program wrote it into a line of its own.
    printed: bool,
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
    /// [`Parser::before`] of that.
    before: Option<Box<Cause>>,
    /// It tells whether what is held back was survived.
    decides: bool,
    foreign: u32,
    /// The line before was empty.
    parted: bool,
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
        let was_parted = std::mem::replace(&mut open.parted, text.is_empty());
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
                    self.close(true, each);
                    return text.is_empty();
                }
            }
            return true;
        }
        if line::indented(text) == Some(b"goroutine running on other thread; stack unavailable") {
            open.unavailable = true;
            open.foreign = 0;
            return true;
        }
        // A frame's place, and that of the `go` statement, follow what is there.
        let is_next = open.call.is_some() || open.created.is_some();
        let trimmed = || line::trimmed_place(text).filter(|_| is_next);
        if let Some((file, number)) = line::place(text).or_else(trimmed) {
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
        if text.is_empty() {
            // Each call has its place behind it: pages put empty lines between.
            if open.call.is_some() && open.foreign == 0 && !was_parted {
                return true;
            }
            self.close(true, each);
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
            self.close(true, each);
            return false;
        }
        open.foreign += 1;
        // A process that ends says so while others still write; a stack that was asked for is printed at once,
        // with whatever the program says next behind it.
        if open.foreign > MOST_WITHIN || self.dump != Dump::Ended {
            self.close(false, each);
            return false;
        }
        true
    }

    pub(super) fn header(&mut self, header: Header, at: At<'_>) {
        self.signal = None;
        let (mut cause, before) = (self.cause.take(), self.before.take());
        if let Some(cause) = &mut cause {
            self.with_loose(cause);
        }
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
            printed: self.printed && cause.is_none(),
            unsaid: self.relayed,
            cause,
            before,
            decides: self.held.is_some(),
            ..Open::default()
        });
    }

    /// The open goroutine ends; `whole` when what follows shows that nothing of it is missing.
    pub(super) fn close(&mut self, whole: bool, each: &mut impl FnMut(Said<'_>)) {
        let Some(mut open) = self.open.take() else { return };
        if let Some((func, args)) = open.call.take() {
            self.stack.frames.push(Raw { func, args, file: 0..0, line: 0 });
        }
        if open.unsaid {
            return;
        }
        if open.decides {
            self.decide(&mut open, each);
        }
        if let Some(cause) = open.cause.take() {
            let outermost = self.stack.funcs().last().unwrap_or_default();
            let ends = whole || self.stack.created.is_some() || outermost == "main.main";
            let of_program = self.is_of_the_program();
            let whole = ends && open.elided == 0 && !open.unavailable && !of_program;
            let cause = self.told_by(cause, open.before.take().map(|before| *before), whole);
            if of_program && matches!(cause.ended, Ended::Panic(_)) {
                self.hold(cause, open);
                return;
            }
            each(Said::Cause(cause));
        } else if open.begins
            && !open.printed
            && open.is_running()
            && let Some(words) = thrown::by(self.stack.funcs())
        {
            // What it said was cut off.
            let at = At { line: open.line, offset: open.offset, time: None };
            let cause = self.cause_of(Ended::Fatal(words.to_owned()), None, at);
            self.adopt(&cause);
            self.first = open.id();
            open.begins = false;
            each(Said::Cause(cause));
        }
        open.say(&self.stack, each);
    }

    /// Whether the program itself printed the stack that was read: the runtime would not stand in it.
    pub(super) fn is_of_the_program(&self) -> bool {
        matches!(self.stack.first(), "runtime/debug.Stack" | "runtime/debug.PrintStack")
    }
}

impl Open {
    /// Hands it on.
    pub(super) fn say(&self, stack: &Stack, each: &mut impl FnMut(Said<'_>)) {
        let goroutine = Goroutine {
            header: self.header.as_ref(),
            count: self.count,
            line: self.line,
            offset: self.offset,
            elided: self.elided,
            unavailable: self.unavailable,
            stack,
        };
        each(Said::Goroutine { goroutine, begins: self.begins, printed: self.printed });
    }

    fn is_running(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.state == "running")
    }

    /// Its number.
    pub(super) fn id(&self) -> Option<u64> {
        self.header.as_ref().map(|header| header.id)
    }

    /// Lines of others behind its last one.
    pub(super) fn foreign(&self) -> u32 {
        self.foreign
    }

    /// It is the first one of what was told.
    pub(super) fn confirms(&mut self, cause: Cause) {
        (self.begins, self.cause) = (false, Some(cause));
    }
}
