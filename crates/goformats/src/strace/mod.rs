//! System calls of a process, as `strace` and `perf trace` write them down.
//!
//! # Constraints
//!
//! - Streaming: bytes go in as they come, events come out. What is kept is one open call for each thread, of
//!   bounded size, for a bounded number of threads.
//! - Every way that strace has to begin a line is taken without being told: with and without `-f` (`[pid 7] `
//!   on a terminal, `7 ` in a file), `-t`, `-tt`, `-ttt`, `-r`, `-T`, `-y`, `-yy`, `-Y`.
//! - A call that others interrupt is two lines, `<unfinished ...>` and `<... read resumed>`; it is given twice,
//!   as [`Event::Begun`] and, with all its arguments, as [`Event::Call`].
//! - Lines may be wrapped as container runtimes keep them ([`crate::runtimelog::Envelope`]), since strace beside
//!   a program writes to its stderr; their times are those of who kept them and are not looked at.
//! - Total: a line that is none of theirs is text, however broken it is. Which end of a line is the result is
//!   looked for from the right, since arguments hold what the program wrote.
//!
//! Sources: `strace.c` (`printleader`, `print_event_exit`), `syscall.c` (`syscall_exiting_trace`, `tabto`) and
//! `signal.c` of strace 4.20 to 6.1; `tools/perf/builtin-trace.c` of Linux 6.1.

mod line;
mod perf;
mod reader;
#[cfg(test)]
mod tests;

pub use line::{End, Tool};
pub use reader::{Call, Counts, Event, Limits, Reader, Said};
