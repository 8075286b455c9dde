//! Logs of system calls: `strace` and `perf trace`. They are read piece by piece, and of what a program read and
//! wrote nothing is kept.

mod collector;
mod descriptors;

use std::io::{self, Read};

use goformats::strace::{Event, Reader, Tool};

use super::pieces;
use crate::facts::SourceId;
use crate::facts::syscall_log::SyscallLog;
use collector::Collector;

/// Whether an input that begins like this is such a log: most of its lines are calls, or it is a table of them.
pub fn is_log(head: &[u8]) -> bool {
    let mut reader = Reader::default();
    let mut calls = 0_u64;
    let mut each = |said: goformats::strace::Said<'_>| {
        // Anybody may write `name(…) = …`; a program without a thread and without a duration is believed less.
        let is_call = match said.event {
            Event::Call(call) => is_known(call.name),
            Event::Begun { name, .. } => is_known(name),
            _ => false,
        };
        calls += u64::from(is_call);
    };
    reader.push(head, &mut each);
    let counts = reader.counts();
    match reader.tool() {
        Some(Tool::StraceSummary | Tool::PerfSummary) => true,
        _ => {
            calls > 0
                && calls.saturating_mul(2) >= counts.lines.saturating_sub(counts.text)
                && calls > counts.text
        }
    }
}

/// Some call that every recording has one of.
fn is_known(name: &str) -> bool {
    use crate::model::syscalls::{Doing, Holder, Known, Target, doing};
    let known = Known {
        name,
        args: b"",
        target: Target::File,
        polled: false,
        before: None,
        yields_recorded: false,
    };
    doing(&known) != Doing::Held(Holder::Other)
}

/// Reads a log to its end, or until `go_on` says no.
///
/// # Errors
/// When it cannot be read.
pub fn read(
    source: SourceId,
    from: impl Read,
    go_on: &dyn Fn(u64) -> bool,
) -> io::Result<SyscallLog> {
    let mut reader = Reader::default();
    let mut collector = Collector::default();
    pieces::each(from, |piece| {
        reader.push(piece, &mut |said| collector.take(&said));
        go_on(reader.counts().bytes)
    })?;
    reader.finish(&mut |said| collector.take(&said));
    Ok(collector.finish(source, reader.tool(), reader.counts()))
}
