//! What the runtime itself ends processes with, by its words: where no goroutine follows (GOTRACEBACK=none),
//! nothing else tells its lines from those of a program.

/// Texts of `throw` and `fatal`, by how they begin, of Go 1.18 to 1.27: those that programs run into.
const FATAL: &[&str] = &[
    "all goroutines are asleep",
    "bad sweepgen in refill",
    "cgo argument has Go pointer",
    "checkptr: ",
    "concurrent map ",
    "exitsyscall: syscall frame is no longer valid",
    "found bad pointer in Go heap",
    "go of nil func value",
    "invalid pointer found on stack",
    "malloc deadlock",
    "morestack on g",
    "newosproc",
    "no goroutines (main called runtime.Goexit)",
    "non-Go code ",
    "removed GODEBUG ",
    "runtime.newosproc",
    "runtime.semasleep",
    "runtime: ",
    "runtime\u{b7}",
    "semacquire not on the G stack",
    "signal arrived on non-Go thread",
    "sync: ",
    "unexpected signal during runtime execution",
    "workbuf is ",
];

/// The same, whole: their first words are anybody's.
const FATAL_WHOLE: &[&str] = &[
    "bad pointer in write barrier",
    "fault",
    "out of memory",
    "out of memory (stack)",
    "self deadlock",
    "stack overflow",
    "thread exhaustion",
];

/// Panics of the runtime's own.
const PANIC: &[&str] = &[
    "runtime error: ",
    "interface conversion: ",
    "assignment to entry in nil map",
    "close of closed channel",
    "close of nil channel",
    "send on closed channel",
    "all goroutines in bubble are blocked",
];

pub(super) fn is_fatal(text: &str) -> bool {
    FATAL.iter().any(|known| text.starts_with(known)) || FATAL_WHOLE.contains(&text)
}

/// Nothing is left to run: what stands behind it in a log is of another process.
pub(super) fn is_deadlock(text: &str) -> bool {
    text.starts_with("all goroutines are asleep")
        || text.starts_with("no goroutines (main called runtime.Goexit)")
}

pub(super) fn is_panic(value: &str) -> bool {
    PANIC.iter().any(|known| value.starts_with(known))
}
