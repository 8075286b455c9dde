//! `provost diagnose` on system calls that strace and perf recorded of real programs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "they are tests")]

mod support;

use std::fs;

use serde_json::Value;
use support::{Dir, Run};

fn log(name: &str) -> String {
    let path = support::repository().join("fixtures/syscalls").join(name);
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

/// Found and not judged.
fn report(run: &Run) -> (Vec<String>, Vec<String>) {
    let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{run}"));
    let named = |of: &str, key: &str| -> Vec<String> {
        let list = report[of].as_array().unwrap();
        list.iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
    };
    (named("findings", "rule"), named("not_judged", "rule"))
}

fn diagnosed(name: &str) -> (Vec<String>, Vec<String>) {
    let run = Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], &log(name));
    report(&run)
}

#[test]
fn what_is_slow_is_found_and_what_is_not_is_not() {
    let of = [
        ("1.22/disk.strace", &["blocking-file-io"][..]),
        ("1.27/disk.strace", &["blocking-file-io"]),
        ("1.27/disk-stderr.strace", &["blocking-file-io"]),
        ("1.22/disk.perftrace", &["blocking-file-io"]),
        ("1.27/disk.perftrace", &["blocking-file-io"]),
        ("1.27/lock.strace", &["blocking-file-io"]),
        ("1.27/pipes.strace", &["thread-growth"]),
        ("1.27/serve.strace", &[]),
        ("1.27/dns-go.strace", &[]),
        ("1.27/dns-cgo.strace", &[]),
        ("1.22/dns-cgo.strace", &[]),
        ("1.27/clib.strace", &[]),
        ("1.22/clib.strace", &[]),
        ("1.27/serve-filtered.strace", &["unfit-recording"]),
        ("1.27/serve-alone.strace", &["unfit-recording"]),
        ("1.27/count.strace", &["unfit-recording"]),
        ("1.27/disk-relative.strace", &["unfit-recording"]),
        ("1.27/lock-seconds.strace", &["unfit-recording"]),
        ("1.27/disk-summary.perftrace", &["unfit-recording"]),
    ];
    for (name, expected) in of {
        assert_eq!(diagnosed(name).0, expected, "{name}");
    }
}

/// strace beside the program writes to the log of the container, and its lines were text of the program.
#[test]
fn what_is_around_lines_does_not_matter() {
    let time = "2026-11-26T10:00:00.123456789Z";
    // Every other line or so.
    let is_followed = |line: &str| line.len().is_multiple_of(2);
    let cri = |line: &str| {
        let own = format!("{time} stdout F {{\"msg\":\"request served\"}}\n");
        format!("{time} stderr F {line}\n{}", if is_followed(line) { &own } else { "" })
    };
    let docker = |line: &str| {
        let of = |text: &str, stream: &str| {
            let log = Value::from(format!("{text}\n"));
            format!("{{\"log\":{log},\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n")
        };
        let own = if is_followed(line) { of("request served", "stdout") } else { String::new() };
        of(line, "stderr") + &own
    };
    let stamped = |line: &str| format!("{time} {line}\n");
    let wraps: [&dyn Fn(&str) -> String; 3] = [&cri, &docker, &stamped];
    for (name, expected) in [
        ("1.27/disk.strace", &["blocking-file-io"][..]),
        ("1.27/disk.perftrace", &["blocking-file-io"]),
        ("1.27/serve.strace", &[]),
        ("1.27/count.strace", &["unfit-recording"]),
    ] {
        for (at, wrap) in wraps.iter().enumerate() {
            let text: String = log(name).lines().map(wrap).collect();
            let run = Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], &text);
            assert_eq!(report(&run).0, expected, "{name} {at}");
        }
    }
}

#[test]
fn what_a_recording_cannot_tell_is_not_judged() {
    for name in ["1.27/serve-filtered.strace", "1.27/disk-relative.strace", "1.27/count.strace"] {
        assert!(diagnosed(name).1.contains(&"blocking-file-io".to_owned()), "{name}");
    }
}

/// What is said above the findings.
fn summary(name: &str) -> String {
    Dir::new().provost_with_stdin(&["diagnose", "syscalls", "-"], &log(name)).out
}

#[test]
fn what_holds_threads_is_told_by_kind_and_by_descriptor() {
    let disk = summary("1.27/disk.strace");
    assert!(disk.contains("held in file calls"), "{disk}");
    assert!(disk.contains("/var/lib/journal/journal-0: "), "{disk}");
    assert!(disk.contains("most of it fsync"), "{disk}");
    assert!(disk.contains("threads held longest: "), "{disk}");
    for version in ["1.22", "1.27"] {
        let names = summary(&format!("{version}/dns-cgo.strace"));
        assert!(names.contains("held in name lookups by the C library"), "{names}");
        assert!(names.contains("->127.0.0.77:53]"), "{names}");
        let c = summary(&format!("{version}/clib.strace"));
        assert!(c.contains("held in waits of C code"), "{c}");
    }
    // The same lookups by Go wait in the poller.
    let go = summary("1.27/dns-go.strace");
    assert!(!go.contains("name lookups"), "{go}");
    assert!(go.contains("calls that do not block"), "{go}");
    let pipes = summary("1.27/pipes.strace");
    assert!(pipes.contains("threads made: "), "{pipes}");
    assert!(
        pipes.contains("while others were in pipes, terminals and sockets that block"),
        "{pipes}"
    );
}

#[test]
fn a_log_that_is_named_one_of_system_calls_and_is_none_is_refused() {
    let dir = Dir::new().file("other.log", "hello\n");
    let run = dir.provost(&["diagnose", "syscalls", "other.log"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.out.contains("holds no line that strace or perf trace writes"), "{run}");
    assert!(run.out.contains("strace -f -T -ttt -yy"), "{run}");
}

#[test]
fn lines_that_look_like_calls_in_the_log_of_a_service_are_no_recording() {
    let text = "starting\nconnect(db) = ok\nread(3, 7) = 4\nlistening on :8080\nserving\nserving\n";
    let run = Dir::new().provost_with_stdin(&["diagnose", "-"], text);
    assert!(run.out.contains("holds no line that the runtime's tracing writes"), "{run}");
}

#[test]
fn how_to_record_is_told_for_this_machine() {
    let run = Dir::new().provost(&["diagnose", "syscalls", "--how"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.contains("strace -f -T -ttt -yy -o checkout.strace -p PID"), "{run}");
    assert!(run.out.contains("kubectl debug"), "{run}");
    let run = Dir::new().provost(&["diagnose", "syscalls", "--how", "1"]);
    assert!(run.out.contains("-p 1\n"), "{run}");
    let run = Dir::new().provost(&["diagnose", "syscalls"]);
    assert_eq!(run.code, 2, "{run}");
}

/// Descriptors by `dup`, children, threads that come before the call that makes them, binary junk.
#[test]
fn processes_that_a_program_starts_are_not_its_threads() {
    let text = "\
100 1795709190.000000 clone(child_stack=0x1, flags=CLONE_VM|CLONE_FILES|CLONE_THREAD, tls=0x2) = 101 <0.000040>
101 1795709190.000100 futex(0xc000058548, FUTEX_WAIT_PRIVATE, 0, NULL <unfinished ...>
100 1795709190.000200 clone(child_stack=NULL, flags=CLONE_VM|CLONE_VFORK|SIGCHLD <unfinished ...>
200 1795709190.000300 execve(\"/usr/bin/git\", [\"git\"], 0x7ffc) = 0 <0.000100>
100 1795709190.000500 <... clone resumed>) = 200 <0.000300>
200 1795709190.000600 fsync(3</srv/repository/index>) = 0 <0.500000>
200 1795709190.500700 +++ exited with 0 +++
\u{0}\u{1}\u{2}
101 1795709190.600000 <... futex resumed>) = 0 <0.599900>
";
    let run = Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], text);
    assert_eq!(report(&run).0, [""; 0], "{run}");
    assert!(run.err.contains("1 further processes, of one thread each, are left out"), "{run}");
    assert!(run.err.contains("process 100: 2 threads"), "{run}");
}
