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

/// Texts, whole, that nobody else writes: they are believed whatever stands behind them.
const CERTAIN: &[&str] = &[
    "checkptr: converted pointer straddles multiple allocations",
    "checkptr: misaligned pointer conversion",
    "checkptr: pointer arithmetic result points to invalid allocation",
    "concurrent map iteration and map write",
    "concurrent map read and map write",
    "concurrent map writes",
    "found bad pointer in Go heap (incorrect use of unsafe or cgo?)",
    "invalid pointer found on stack",
    "runtime: cannot allocate memory",
    "runtime: out of memory",
    "sync: RUnlock of unlocked RWMutex",
    "sync: Unlock of unlocked RWMutex",
    "sync: unlock of unlocked mutex",
    "thread exhaustion",
    "unexpected signal during runtime execution",
];

/// What the runtime throws in which of its functions, by how their names begin.
const THROWN_IN: &[(&str, &str)] = &[
    ("runtime.mapaccess", "concurrent map read and map write"),
    ("runtime.mapassign", "concurrent map writes"),
    ("runtime.mapclear", "concurrent map writes"),
    ("runtime.mapdelete", "concurrent map writes"),
    ("runtime.mapiter", "concurrent map iteration and map write"),
    ("runtime.newosproc", "newosproc"),
    ("sync.(*Mutex).Unlock", "sync: unlock of unlocked mutex"),
    ("sync.(*Mutex).unlockSlow", "sync: unlock of unlocked mutex"),
    ("internal/sync.(*Mutex).Unlock", "sync: unlock of unlocked mutex"),
    ("internal/sync.(*Mutex).unlockSlow", "sync: unlock of unlocked mutex"),
    ("sync.(*RWMutex).Unlock", "sync: Unlock of unlocked RWMutex"),
    ("sync.(*RWMutex).rUnlockSlow", "sync: RUnlock of unlocked RWMutex"),
    ("sync.(*RWMutex).RUnlock", "sync: RUnlock of unlocked RWMutex"),
];

pub(super) fn is_certain(text: &str) -> bool {
    CERTAIN.contains(&text)
}

/// Whether that is how the runtime, or a package of Go's through it, ends a process.
pub(super) fn is_throw(func: &str) -> bool {
    let name = func.strip_suffix(".throw").or_else(|| func.strip_suffix(".fatal"));
    name.is_some_and(|package| {
        matches!(package, "runtime" | "sync") || package.starts_with("internal/")
    })
}

/// The words of a fatal error of which only the stack is left, where its functions tell.
pub(super) fn by<'f>(funcs: impl IntoIterator<Item = &'f str>) -> Option<&'static str> {
    let mut funcs = funcs.into_iter();
    if !funcs.next().is_some_and(is_throw) {
        return None;
    }
    let thrower = funcs.find(|func| !is_throw(func))?;
    // `sigpanic` of runtime/signal_unix.go: first of all it asks whether the runtime itself was at work.
    if thrower == "runtime.sigpanic" {
        let at = funcs.next()?;
        let own = at.starts_with("runtime.");
        return Some(if own { "unexpected signal during runtime execution" } else { "fault" });
    }
    THROWN_IN.iter().find(|(name, _)| thrower.starts_with(name)).map(|(_, words)| *words)
}

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
