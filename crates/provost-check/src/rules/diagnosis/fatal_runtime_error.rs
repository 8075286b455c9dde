//! Fatal errors that have no page of their own, and signals that are no panic.

use goformats::crash::{Cause, Ended};

use crate::case::crash::{DumpCase, Fatal, origin_of, value};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Nothing recovers from them.
pub static RULE: Rule = Rule {
    id: "fatal-runtime-error",
    group: Group::Diagnosis,
    level: Level::Deny,
    title: "a fatal error of the runtime, or a signal, that ended the process",
    page: include_str!("fatal-runtime-error.md"),
    needs: &[Need::Log],
    check: Check::Dump(check),
    ..Rule::BASE
};

/// `EAGAIN` of `clone(2)`: the kernel has no room for another thread.
const NO_THREAD: &str = "the kernel refused a thread: compare pids.current and pids.max of the cgroup (podPidsLimit of the kubelet) and ulimit -u with the threads of the process, and find what makes so many: what blocks in files, DNS through cgo, C libraries";

/// Notes of the runtime before it ends, which say more than its last words.
const NOTED: &[(&str, &str)] = &[
    // `EINVAL`: qemu, which emulates programs of other CPUs, wants all flags of its own C library; Go passes
    // `CLONE_SYSVSEM` since 1.10 (golang.org/issue/20763).
    (
        "already; errno=22)",
        "run an image that is built for this machine's CPU: an emulated one refuses how old Go makes threads; or build with a newer Go",
    ),
    ("pthread_create failed: Resource temporarily unavailable", NO_THREAD),
    // The C library asks by clone3, which old profiles answer with EPERM instead of ENOSYS.
    (
        "pthread_create failed: Operation not permitted",
        "let the seccomp profile of the container allow clone3, which newer C libraries make threads by: Docker 20.10.10, containerd 1.5.10 or later",
    ),
];

/// What is known of what they say.
const KNOWN: &[(&str, &str)] = &[
    (
        "unlock of unlocked",
        "unlock once for each lock: a deferred call and one in the middle unlock twice, and so does a copy of the lock",
    ),
    (
        "Unlock of unlocked",
        "unlock once for each lock: a deferred call and one in the middle unlock twice, and so does a copy of the lock",
    ),
    (
        "thread exhaustion",
        "find what blocks in system calls or C, each call with a thread of its own (files, DNS through cgo, C libraries), and bound how many do so at once",
    ),
    (
        "fault",
        "see what lies at the address: a mapped file that became shorter, memory that C gave back, unsafe",
    ),
    ("go of nil func value", "see which function is nil there"),
    ("newosproc", NO_THREAD),
    (
        "unexpected signal during runtime execution",
        "see the C code behind runtime.cgocall, where the stack has one; where it has none, look for unsafe and for memory that is broken",
    ),
    (
        "invalid pointer found on stack",
        "look for unsafe and cgo that keep a number as a pointer; GODEBUG=invalidptr=0 only hides it",
    ),
    (
        "checkptr",
        "see the rules of unsafe.Pointer; the program was built with -race or -d=checkptr",
    ),
    (
        "found bad pointer in Go heap",
        "look for unsafe and cgo that keep a pointer as a number; GODEBUG=invalidptr=0 only hides it",
    ),
    ("cgo argument has Go pointer", "pass C memory, or pin what Go's points to (runtime.Pinner)"),
    ("synctest", "let channels, timers and goroutines of a bubble of testing/synctest stay in it"),
];

fn check(case: &DumpCase<'_>, out: &mut Findings) -> Judged {
    let Some(cause) = &case.dump.cause else { return Ok(()) };
    let (message, text) = match &cause.ended {
        Ended::Fatal(text) if Fatal::of(text) == Fatal::Other => {
            (format!("the process ended by a fatal error: {}", value(text)), text.as_str())
        }
        Ended::Signal => match of_signal(cause) {
            Some(message) => (message, ""),
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    let mut finding = Finding::new(&RULE, message, &case.at(cause.line), "the process ended");
    if let Some((origin, text)) = case.culprit() {
        finding = finding.also(&origin, text);
    }
    for note in &cause.notes {
        finding = finding.note(format!("the runtime says before it: {}", value(note)));
    }
    if let Some(signal) = &cause.signal
        && let Some(address) = signal.address
    {
        finding = finding.note(format!("{} at address {address:#x}", signal.name));
    }
    if let Some(first) = &case.dump.first {
        finding =
            finding.note(format!("{}; nothing recovers from a fatal error", origin_of(first)));
    }
    let is = |word: &str| if word == "fault" { text == word } else { text.contains(word) };
    let noted = |word: &str| cause.notes.iter().any(|note| note.contains(word));
    let known = NOTED.iter().find(|(word, _)| noted(word));
    let known = known.or_else(|| KNOWN.iter().find(|(word, _)| is(word)));
    let fix = match (known, &cause.ended) {
        (Some((_, fix)), _) => fix,
        (None, Ended::Signal) if cause.signal.as_ref().is_some_and(|s| s.name == "SIGABRT") => {
            "see what C wrote before it: an assertion, memory that was freed twice, an exception that nothing catches"
        }
        (None, Ended::Signal) => {
            "see the C code or the system call that the stack names: the runtime can make no panic of such a signal"
        }
        (None, _) => {
            "build and test with -race, look for unsafe and cgo on the way, and compare with the newest patch of the Go version"
        }
    };
    out.push(finding.fix(Fix::suggest(fix)));
    Ok(())
}

/// Signals that were sent to ask for a dump, or to end, are nobody's fault.
fn of_signal(cause: &Cause) -> Option<String> {
    let signal = cause.signal.as_ref()?;
    let faults = ["SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGSYS", "SIGTRAP", "SIGSTKFLT"];
    let in_c = cause.notes.iter().any(|note| note.starts_with("signal arrived during cgo"));
    // `abort` of C sends it to its own thread; `kill -ABRT`, as watchdogs do, may arrive during C as well.
    let by_runtime = cause.notes.iter().any(|note| note.starts_with("runtime/cgo: "));
    let aborted = signal.name == "SIGABRT" && signal.is_by_itself().unwrap_or(in_c || by_runtime);
    let is_one = aborted || faults.contains(&signal.name.as_str());
    let place = if in_c { " in C code" } else { "" };
    is_one.then(|| format!("the process ended by {} ({}){place}", signal.name, signal.meaning))
}
