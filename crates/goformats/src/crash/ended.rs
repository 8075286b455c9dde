//! Where in the stack of a process that ended the panics of its chain were raised.
//!
//! Each `panic` that is still open has a frame of its own: the deferred calls that run because of it stand above.
//! The runtime leaves out that of the innermost one (`showfuncinfo` in `runtime/traceback.go`: the first frame,
//! unless GOTRACEBACK is `system` or `crash`).

use super::cause::{Ended, Panicked};
use super::code::{Code, Main};
use super::stack::Frame;
use super::thrown;

/// Whether that call is one of `panic`.
pub(super) fn is_raise(func: &str) -> bool {
    matches!(func, "panic" | "runtime.gopanic")
}

/// Whether the call of `panic` of the innermost panic is among the functions of a stack.
pub(super) fn shows_last<'f>(funcs: impl IntoIterator<Item = &'f str>) -> bool {
    let is_runtime = |func: &str| func.starts_with("runtime.") && !is_raise(func);
    funcs.into_iter().find(|func| !is_runtime(func)).is_some_and(is_raise)
}

/// Calls of `panic` that a value of a chain stands for: Go 1.25 and later print one that was given to `panic`
/// again once.
fn raises(panicked: &Panicked) -> usize {
    1 + usize::from(panicked.repanicked)
}

/// Which panic of a chain is to be mended. That is the last one, which ended the process; where a deferred call
/// recovered from one and gave it on, with or without words of its own, it is the one that was given on. What the
/// runtime itself raised in such a call is a fault of that call.
fn origin(chain: &[Panicked]) -> usize {
    let mut at = chain.len().saturating_sub(1);
    while let (Some(before), Some(this)) = (chain.get(at.wrapping_sub(1)), chain.get(at))
        && before.recovered
        && (before.value == this.value || !thrown::is_panic(&this.value))
    {
        at -= 1;
    }
    at
}

/// The first frame of the program's own between the call of `panic` that raised one of a chain and that of the
/// panic before it, whose deferred call it was raised in.
fn raised_at<'f>(
    chain: &[Panicked],
    index: usize,
    frames: impl Iterator<Item = Frame<'f>> + Clone,
    main: &Main,
) -> Option<Frame<'f>> {
    let this = chain.get(index)?;
    let inside: usize = chain.get(index + 1..)?.iter().map(raises).sum();
    // Of one that was given to `panic` twice, the first time is where it comes from.
    let inside = inside + raises(this) - 1;
    let shown = shows_last(frames.clone().map(|frame| frame.func));
    let from = match (inside, shown) {
        (0, false) => 0,
        _ => {
            let calls = frames.clone().enumerate().filter(|(_, frame)| is_raise(frame.func));
            // Of a stack that was cut, that call may be gone.
            calls.skip(inside - usize::from(!shown)).map(|(at, _)| at + 1).next()?
        }
    };
    let mut here = frames.skip(from).take_while(|frame| !is_raise(frame.func));
    here.find(|frame| Code::of(frame, main) == Code::Own)
}

/// Where each panic of a chain was raised.
pub fn places_of_chain<'f>(
    chain: &[Panicked],
    frames: impl Iterator<Item = Frame<'f>> + Clone,
    main: &Main,
) -> Vec<Option<Frame<'f>>> {
    (0..chain.len()).map(|index| raised_at(chain, index, frames.clone(), main)).collect()
}

/// Which frame of its first goroutine ended a process: where the panic was raised that ended it (see `origin`), and of
/// a fatal error or a signal the first of the program's own.
pub fn place_of_end<'f>(
    ended: &Ended,
    mut frames: impl Iterator<Item = Frame<'f>> + Clone,
    main: &Main,
) -> Option<Frame<'f>> {
    match ended {
        Ended::Panic(chain) => raised_at(chain, origin(chain), frames, main),
        Ended::Recovered(_) => super::place_of_panic(frames, main),
        Ended::Fatal(_) | Ended::Signal => frames.find(|frame| Code::of(frame, main) == Code::Own),
    }
}

/// Joins what was taken for a panic of its own and is a line of the value before: from Go 1.23 on those are
/// indented as the next of a chain is. A stack that is whole has as many calls of `panic` as there were panics.
pub(super) fn join_chain(chain: &mut Vec<Panicked>, calls: usize, shown: bool, limit: usize) {
    let there = (calls + usize::from(!shown)).max(1);
    while chain.len() > 1 && chain.iter().map(raises).sum::<usize>() > there {
        // Whatever is marked, or has the runtime's own words, is the last to be doubted.
        let sure = |at: usize| {
            let marked = chain.get(at - 1).is_some_and(|before| before.recovered);
            let known = chain.get(at).is_some_and(|this| thrown::is_panic(&this.value));
            usize::from(marked) * 2 + usize::from(known)
        };
        let Some(at) = (1..chain.len()).min_by_key(|at| sure(*at)) else { return };
        let line = chain.remove(at);
        if let Some(before) = chain.get_mut(at - 1) {
            super::parser::push(&mut before.value, "\npanic: ", limit);
            super::parser::push(&mut before.value, &line.value, limit);
            (before.recovered, before.repanicked) = (line.recovered, line.repanicked);
        }
    }
}
