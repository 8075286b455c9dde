//! What a Go process writes when it ends of itself, and the stacks of its goroutines: panics, fatal errors,
//! signals, what SIGQUIT, `debug.Stack` and `/debug/pprof/goroutine` (`debug=1` and `debug=2`) print.
//!
//! # Constraints
//!
//! - Streaming: lines go in, one goroutine comes out at a time; memory does not grow with their number.
//! - A stack may stand in lines of the program's own, as loggers write them (`within.rs`, `parser/inline.rs`).
//! - Lines of others stand between (a log has many writers), and a word such as `panic:` is not yet a crash:
//!   only what the runtime prints behind it makes it one.
//! - Total: what fits nothing is a line of the program's.
//!
//! Sources, of Go 1.18 to 1.27: `runtime/panic.go` (`printpanics`, `dopanic_m`, `throw`, `fatal`),
//! `runtime/traceback.go` (`goroutineheader`, `traceback1`, `traceback2`, `printcreatedby1`,
//! `printAncestorTraceback`), `runtime/signal_unix.go` (`fatalsignal`, `sighandler`), `runtime/error.go`
//! (`printpanicval`), `runtime/pprof/pprof.go` (`printCountProfile`, `printStackRecord`).

mod cause;
mod code;
mod ended;
mod group;
mod line;
mod parser;
mod stack;
#[cfg(test)]
mod tests;
mod thrown;
mod within;

pub use cause::{Cause, Ended, Panicked, Signalled};
pub use code::{Code, Main, package, place_of_panic};
pub use ended::{place_of_end, places_of_chain};
pub use group::{Group, Groups, WAITS};
pub use parser::{Limits, Parser, Said};
pub use stack::{Created, Frame, Goroutine, Header, OwnedCreated, OwnedFrame};

pub(crate) use line::{FATAL, PANIC, begins, opens};
