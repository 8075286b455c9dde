//! Why a process ended, as it says itself.

/// A value that was given to `panic`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panicked {
    /// As it was printed, cut at a limit.
    pub value: String,
    /// A deferred call had recovered from it.
    pub recovered: bool,
    /// The same value was given to `panic` again (Go 1.25 on; before it is printed twice).
    pub repanicked: bool,
}

/// A signal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signalled {
    /// `SIGSEGV`
    pub name: String,
    /// `segmentation violation`
    pub meaning: String,
    /// The address, of those that have one.
    pub address: Option<u64>,
    /// `sigcode`: who sent it (`si_code` of `sigaction(2)`), of one that is no panic.
    pub code: Option<i32>,
}

impl Signalled {
    /// Whether the thread sent it to itself or to another of its process (`SI_TKILL`), as `abort` of C does, and
    /// nobody outside of it by `kill` (`SI_USER`) or `sigqueue` (`SI_QUEUE`). Of one whose code was not printed
    /// that is unknown.
    pub fn is_by_itself(&self) -> Option<bool> {
        const SI_TKILL: i32 = -6;
        self.code.map(|code| code == SI_TKILL)
    }
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// `panic:`, the first one first; each that follows was raised while deferred calls of the one before ran.
    Panic(Vec<Panicked>),
    /// `fatal error:`, which nothing recovers from.
    Fatal(String),
    /// A signal that is no panic: SIGQUIT from outside, SIGSEGV in C, SIGABRT.
    Signal,
    /// A panic that the process survived: `http: panic serving`, by which servers of `net/http` say that they
    /// recovered, or `panic:` in front of a stack that the program printed itself (`debug.PrintStack`).
    Recovered(String),
}

/// The end of a process, or a panic that it survived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// How.
    pub ended: Ended,
    /// `[signal SIGSEGV: ...]` of a panic, or the signal that ended it.
    pub signal: Option<Signalled>,
    /// `runtime: ...` and other lines that the runtime prints before.
    pub notes: Vec<String>,
    /// Line of the log in which it begins, from 1.
    pub line: u64,
    /// Bytes before that line.
    pub offset: u64,
    /// When it was written, by the clock of whoever kept the log.
    pub time: Option<String>,
}

impl Cause {
    /// Whether the process lived on.
    pub fn is_survived(&self) -> bool {
        matches!(self.ended, Ended::Recovered(_))
    }

    /// The fatal error, where it is one.
    pub fn fatal(&self) -> Option<&str> {
        match &self.ended {
            Ended::Fatal(text) => Some(text),
            _ => None,
        }
    }
}
