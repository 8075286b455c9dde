//! Logs of system calls: `strace` and `perf trace`. They are read piece by piece, and of what a program read and
//! wrote nothing is kept.

mod collector;
mod descriptors;

use std::io::{self, Read};

use goformats::strace::{Event, Reader, Tool};

use crate::facts::SourceId;
use crate::facts::syscall_log::SyscallLog;
use collector::Collector;

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

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
    mut from: impl Read,
    go_on: &dyn Fn(u64) -> bool,
) -> io::Result<SyscallLog> {
    let mut reader = Reader::default();
    let mut collector = Collector::default();
    let mut piece = vec![0; PIECE];
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        reader.push(piece.get(..read).unwrap_or_default(), &mut |said| collector.take(&said));
        if !go_on(reader.counts().bytes) {
            break;
        }
    }
    reader.finish(&mut |said| collector.take(&said));
    Ok(collector.finish(source, reader.tool(), reader.counts()))
}
