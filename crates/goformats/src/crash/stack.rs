//! A goroutine and its stack.

use std::ops::Range;

/// `goroutine 7 gp=0xc000007c40 m=nil [chan receive, 5 minutes, locked to thread]:`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Its number.
    pub id: u64,
    /// What it does or waits for: `running`, `chan receive (nil chan)`.
    pub state: String,
    /// Whole minutes it has waited; of less than one nothing is printed.
    pub minutes: Option<u64>,
    /// `runtime.LockOSThread`
    pub locked: bool,
    /// The collector found that nothing can wake it (Go 1.26 on).
    pub leaked: bool,
    /// The bubble of `testing/synctest` that it is in; of Go 1.24 the goroutine that made it.
    pub bubble: Option<u64>,
    /// `pprof.Do` (Go 1.26 on).
    pub labels: Vec<(String, String)>,
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame<'a> {
    /// `net/http.(*conn).serve`
    pub func: &'a str,
    /// What is printed of its arguments: words of memory, `...` of an inlined one.
    pub args: &'a str,
    /// As the linker knows it; empty where it is unknown.
    pub file: &'a str,
    /// From 1; 0 where it is unknown.
    pub line: u32,
}

/// The `go` statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Created<'a> {
    /// The function it stands in.
    pub func: &'a str,
    /// Its file.
    pub file: &'a str,
    /// Its line.
    pub line: u32,
    /// The goroutine that ran it (Go 1.21 on).
    pub by: Option<u64>,
}

/// A goroutine, or as many as have this stack.
#[derive(Clone, Copy, Debug)]
pub struct Goroutine<'a> {
    /// Its first line; an entry of a profile (`debug=1`) has none.
    pub header: Option<&'a Header>,
    /// How many.
    pub count: u64,
    /// Line of the log in which it begins, from 1.
    pub line: u64,
    /// Bytes before that line.
    pub offset: u64,
    /// Frames that are left out.
    pub elided: u64,
    /// It ran on another thread, so that its stack could not be read.
    pub unavailable: bool,
    pub(super) stack: &'a Stack,
}

impl<'a> Goroutine<'a> {
    /// From the innermost call outwards.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'a>> + use<'a> {
        let stack = self.stack;
        stack.frames.iter().map(move |raw| Frame {
            func: stack.text(&raw.func),
            args: stack.text(&raw.args),
            file: stack.text(&raw.file),
            line: raw.line,
        })
    }

    /// Where it was started; of the main goroutine that is not printed.
    pub fn created(&self) -> Option<Created<'a>> {
        let stack = self.stack;
        stack.created.as_ref().map(|raw| Created {
            func: stack.text(&raw.func),
            file: stack.text(&raw.file),
            line: raw.line,
            by: stack.by,
        })
    }
}

/// A call that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnedFrame {
    /// [`Frame::func`]
    pub func: Box<str>,
    /// [`Frame::args`]
    pub args: Box<str>,
    /// [`Frame::file`]
    pub file: Box<str>,
    /// [`Frame::line`]
    pub line: u32,
}

impl OwnedFrame {
    /// The same, borrowed.
    pub fn frame(&self) -> Frame<'_> {
        Frame { func: &self.func, args: &self.args, file: &self.file, line: self.line }
    }
}

impl From<Frame<'_>> for OwnedFrame {
    fn from(frame: Frame<'_>) -> Self {
        let Frame { func, args, file, line } = frame;
        Self { func: func.into(), args: args.into(), file: file.into(), line }
    }
}

/// A `go` statement that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnedCreated {
    /// [`Created::func`]
    pub func: Box<str>,
    /// [`Created::file`]
    pub file: Box<str>,
    /// [`Created::line`]
    pub line: u32,
    /// [`Created::by`]
    pub by: Option<u64>,
}

impl From<Created<'_>> for OwnedCreated {
    fn from(created: Created<'_>) -> Self {
        let Created { func, file, line, by } = created;
        Self { func: func.into(), file: file.into(), line, by }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Raw {
    pub(super) func: Range<usize>,
    pub(super) args: Range<usize>,
    pub(super) file: Range<usize>,
    pub(super) line: u32,
}

/// What is read of one stack, in memory that the next one uses again.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack {
    buffer: String,
    pub(super) frames: Vec<Raw>,
    pub(super) created: Option<Raw>,
    pub(super) by: Option<u64>,
}

impl Stack {
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.frames.clear();
        self.created = None;
        self.by = None;
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The innermost function.
    pub(super) fn first(&self) -> &str {
        self.frames.first().map_or("", |raw| self.text(&raw.func))
    }

    /// All functions, from the innermost outwards.
    pub(super) fn funcs(&self) -> impl Iterator<Item = &str> {
        self.frames.iter().map(|raw| self.text(&raw.func))
    }

    fn text(&self, range: &Range<usize>) -> &str {
        self.buffer.get(range.clone()).unwrap_or_default()
    }

    /// Keeps a word, cut at a limit.
    pub(super) fn keep(&mut self, word: &[u8], limit: usize) -> Range<usize> {
        let from = self.buffer.len();
        let word = word.get(..limit.min(word.len())).unwrap_or_default();
        self.buffer.push_str(&String::from_utf8_lossy(word));
        from..self.buffer.len()
    }
}
