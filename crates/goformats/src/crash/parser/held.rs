//! A panic behind which stands a stack that the program printed itself (`debug.Stack`): mostly it recovered and says
//! so. But before Go 1.23 a value is printed as it is, and may be such a stack, of which the process ends:
//!
//! ```text
//! panic: index out of range [recovered]
//!     panic: wrapped: index out of range
//! goroutine 1 [running]:
//! runtime/debug.Stack()
//!     ...
//!
//!
//! goroutine 1 [running]:
//! main.main.func1()
//! ```
//!
//! What comes next tells.

use std::mem::take;

use super::super::cause::{Cause, Ended};
use super::super::line::{self, PANIC};
use super::super::stack::Stack;
use super::causes::MOST_LINES;
use super::open::Open;
use super::{At, Dump, Parser, Said, signal_of_panic};

/// What is not told yet.
pub(super) struct Held {
    cause: Cause,
    goroutine: Open,
    stack: Stack,
    /// Lines since, and whether the last one was empty.
    since: u32,
    blank: bool,
    /// Nothing but empty lines came.
    silent: bool,
}

impl Parser {
    /// Keeps a goroutine back, with what was said before it.
    pub(super) fn hold(&mut self, cause: Cause, goroutine: Open) {
        let stack = take(&mut self.stack);
        let since = goroutine.foreign();
        // The line that ends a stack is an empty one, or the next line of whatever it is.
        let silent = since == 0;
        self.held = Some(Box::new(Held { cause, goroutine, stack, since, blank: true, silent }));
        self.dump = Dump::Survived;
    }

    /// A line behind it. Whether there is nothing else to be done with it.
    pub(super) fn holds(
        &mut self,
        text: &[u8],
        at: At<'_>,
        each: &mut impl FnMut(Said<'_>),
    ) -> bool {
        let Some(held) = &mut self.held else { return false };
        if text.is_empty() {
            held.blank = true;
            return true;
        }
        // Only the runtime writes these: the next one of its chain, and the signal of it.
        let next = line::indented(text).filter(|inner| inner.starts_with(PANIC));
        let signal = signal_of_panic(text);
        if next.is_some() || signal.is_some() {
            let Some(held) = self.held.take() else { return false };
            let mut cause = held.cause;
            cause.signal = signal.or(cause.signal);
            (self.cause, self.since, self.goes_on) = (Some(cause), 1, false);
            if let Some(next) = next {
                self.panic(next, at, each);
            }
            return true;
        }
        let running = |text| line::header(text).is_some_and(|header| header.state == "running");
        if held.blank && running(text) {
            return false;
        }
        held.since += 1;
        (held.blank, held.silent) = (false, false);
        let others = line::begins(text) || line::profile(text).is_some();
        if others || held.since > MOST_LINES || self.serving.find(text).is_some() {
            self.release(each);
        }
        false
    }

    /// The goroutine behind what is held is read. It is the one that ended the process when it is the same one, or
    /// comes at once, and panics itself. (Without a call of `panic` that is shown, it has to be both.)
    pub(super) fn decide(&mut self, open: &mut Open, each: &mut impl FnMut(Said<'_>)) {
        let Some(held) = &self.held else { return };
        let panics = self.stack.funcs().any(super::super::ended::is_raise);
        let same = held.goroutine.id() == open.id();
        let signs = [panics, same, held.silent].into_iter().filter(|sign| *sign).count();
        if signs >= 2 && !self.is_of_the_program() {
            let Some(held) = self.held.take() else { return };
            self.adopt(&held.cause);
            self.first = open.id();
            open.confirms(held.cause);
        } else {
            self.release(each);
        }
    }

    /// The program itself says that it recovered.
    pub(super) fn release(&mut self, each: &mut impl FnMut(Said<'_>)) {
        let Some(held) = self.held.take() else { return };
        let Held { mut cause, goroutine, stack, .. } = *held;
        if let Ended::Panic(chain) = cause.ended {
            let value = chain.into_iter().next().unwrap_or_default().value;
            cause.ended = Ended::Recovered(value);
        }
        each(Said::Cause(cause));
        goroutine.say(&stack, each);
    }
}
