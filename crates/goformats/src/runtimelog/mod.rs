//! What the runtime prints about itself: `GODEBUG=gctrace=1`, `schedtrace`, `scheddetail`, `inittrace`,
//! `scavtrace` and `gcpacertrace`.
//!
//! # Constraints
//!
//! - Streaming: bytes go in as they come, entries come out; memory does not grow with the log.
//! - The runtime prints a line with one `write(2)` for each word and number of it (`runtime/print.go`,
//!   `gwrite`), so that whatever else is written to the same pipe lands in the middle of it. [`Reader`] puts
//!   such lines together again, says of each entry how it was had ([`How`]), and gives none that could have
//!   been another one.
//! - Total: a line that is none of the runtime's is text of the program, however broken it is.
//!
//! Sources: `runtime/mgc.go` (`gcMarkTermination`), `runtime/proc.go` (`schedtrace`), `runtime/mgcpacer.go`,
//! `runtime/mgcscavenge.go` (`printScavTrace`) and `runtime/proc.go` (`doInit1`) of Go 1.18 to 1.27.

mod gc;
mod join;
mod kind;
mod other;
mod reader;
mod scan;
mod sched;
#[cfg(test)]
mod tests;

pub use crate::container::Envelope;
pub use gc::{Clock, Cpu, GcCycle, Heap, Term};
pub(crate) use kind::is_traced;
pub use other::{Class, InitTask, Pacer, Scanned, Scavenge};
pub use reader::{Counts, Entry, How, Limits, Line, MOST_STREAMS, Reader, Runtime};
pub use sched::{Goroutine, Processor, SchedSample, Thread};
