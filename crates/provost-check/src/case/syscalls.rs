//! A log of system calls.

use super::Joined;
use crate::facts::Origin;
use crate::facts::runtime_log::Mark;
use crate::facts::syscall_log::{Process, SyscallLog};
use crate::findings::{Abstain, Reason};

/// A log.
#[derive(Clone, Copy, Debug)]
pub struct SyscallCase<'w> {
    /// Everything.
    pub joined: &'w Joined<'w>,
    /// The log.
    pub log: &'w SyscallLog,
}

/// How to record what everything about threads can be told from.
pub const RECORD: &str = "strace -f -T -ttt -yy -o FILE -p PID (or the program and its arguments in place of -p PID); `provost diagnose syscalls --how` says what this machine and its containers need for it";

impl<'w> SyscallCase<'w> {
    /// The log.
    pub fn subject(&self) -> String {
        self.joined.world.sources.get(self.log.source).path.clone()
    }

    /// A line of it. A log without times has none.
    pub fn at(&self, mark: Mark) -> Origin {
        let at_ms = (self.log.counts.stamped > 0).then_some(mark.at_ms);
        Origin::log(self.log.source, mark.line, at_ms)
    }

    /// The processes that may be Go programs: those have several threads. The only one is taken for one whatever
    /// it has.
    pub fn programs(&self) -> impl Iterator<Item = &'w Process> {
        let processes = &self.log.processes;
        processes.iter().filter(move |process| processes.len() == 1 || process.threads > 1)
    }

    /// Whether shares of time can be told.
    pub fn timed(&self) -> Result<(), Abstain> {
        match self.log.fitness().into_iter().next() {
            None => Ok(()),
            Some(missing) => Err(Abstain::unknown(Reason::UnfitRecording, missing)),
        }
    }
}
