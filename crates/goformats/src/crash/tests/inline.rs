//! Stacks as pages, terminals and loggers leave them.

use super::said;

const STACK: &str = "main.a(0x1)\n\t/src/a.go:3 +0x1\nmain.main()\n\t/src/main.go:9 +0x2";

/// A terminal copies blanks up to its edge, pages drop what a line is indented by and put empty lines between.
#[test]
fn a_stack_is_read_as_pages_and_terminals_leave_it() {
    let bare = STACK.replace('\t', "");
    let padded = STACK.replace('\n', "     \n");
    let parted = STACK.replace("\n\t", "\n\n\t");
    for stack in [STACK, &bare, &padded, &parted] {
        let log = format!("fatal error: fault   \n   \ngoroutine 7 [running]:   \n{stack}   \n");
        let all = said(&log);
        assert_eq!(all, [r#"1: Fatal("fault")"#, "3: 7 2 frames main.a"], "{log}");
        let dump = format!("goroutine 7 [select]:\n{stack}\n\n");
        assert_eq!(said(&dump), ["1: begins 7 2 frames main.a"], "{dump}");
    }
}

/// Loggers put a time and a level before each line, or make it a field.
#[test]
fn a_stack_behind_a_prefix_is_one() {
    let lines: Vec<&str> = ["fatal error: fault", "", "goroutine 7 [running]:"]
        .into_iter()
        .chain(STACK.lines())
        .collect();
    let log = |of: &dyn Fn(usize, &str) -> String| -> String {
        lines.iter().enumerate().map(|(n, line)| of(n, line) + "\n").collect()
    };
    let all = [
        log(&|n, line| format!("2026/11/26 10:00:0{n} {line}")),
        log(&|_, line| format!("DEBUG [job] {line}").trim_end().to_owned()),
        log(&|n, line| {
            format!("time=\"2026-11-26T10:00:0{n}Z\" msg=\"{}\"", line.replace('\t', "\\t"))
        }),
        log(&|n, line| {
            format!("{{\"n\":{n},\"msg\":\"{}\",\"l\":\"x\"}}", line.replace('\t', "\\t"))
        }),
    ];
    for log in &all {
        let expected = [r#"1: Fatal("fault")"#, "3: 7 2 frames main.a"];
        assert_eq!(said(log), expected, "{log}");
    }
    // Another's line is none of it.
    let other = "10:00:01 fatal error: fault\nDEBUG goroutine 7 [running]:\nDEBUG main.main()\n";
    assert_eq!(said(other), ["2: begins 7 1 frames main.main"]);
}

/// The stack of a panic that was logged is one line of a record.
#[test]
fn a_stack_with_escaped_ends_of_lines_is_one() {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n");
    let stack = escaped(&format!("goroutine 7 [running]:\n{STACK}\n"));
    let crash = escaped(&format!("panic: boom\n\ngoroutine 7 [running]:\n{STACK}\n"));
    for (log, expected) in [
        (format!(r#"{{"level":"error","stack":"{stack}","n":1}}"#), "1: begins 7 2 frames main.a"),
        (format!(r#"level=error msg="Stack: {stack}""#), "1: begins 7 2 frames main.a"),
        (format!(r#"{{"a":"{{\"b\":\"{}\"}}"}}"#, escaped(&stack)), "1: begins 7 2 frames main.a"),
        (format!(r#"{{"message":"{crash}"}}"#), "1: 7 2 frames main.a"),
        // Cut, within an escape as well.
        (
            format!(r#"{{"stack":"{}\"#, stack.trim_end_matches("\\n")),
            "1: begins 7 2 frames main.a",
        ),
    ] {
        let all = said(&log);
        assert_eq!(all.last().map(String::as_str), Some(expected), "{log}: {all:?}");
        let is_crash = log.contains("boom");
        assert_eq!(all.len(), if is_crash { 2 } else { 1 }, "{log}: {all:?}");
    }
}

/// People copy the stack and leave the line above it.
#[test]
fn an_end_whose_first_line_was_cut_off_is_known_by_what_is_left() {
    let throw =
        "goroutine 7 [running]:\nruntime.throw(0x1, 0x5)\n\t/go/src/runtime/panic.go:596 +0x95\n";
    for (func, words) in [
        ("runtime.sigpanic()", "fault"),
        (
            "runtime.sigpanic()\n\t/go/src/runtime/x.go:1 +0x1\nruntime.mallocgc(0x1)",
            "unexpected signal during runtime execution",
        ),
        ("internal/sync.(*Mutex).unlockSlow(0x1)", "sync: unlock of unlocked mutex"),
        ("runtime.mapassign_faststr(0x1)", "concurrent map writes"),
    ] {
        let log = format!("{throw}{func}\n\t/go/src/runtime/x.go:1 +0x1\n{STACK}\n");
        assert_eq!(said(&log)[0], format!("1: Fatal({words:?})"));
    }
    let near = "[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x1]\n\ngoroutine 7 [running]:\n";
    assert!(said(&format!("{near}{STACK}\n"))[0].contains("nil pointer dereference"));
    let old = "[signal 0xa code=0x2 addr=0xcb1e0f5520 pc=0x4004794]\n\ngoroutine 7 [syscall]:\nruntime.cgocall(0x1)\n\t/x.go:1\n";
    assert_eq!(said(old)[0], "1: Signal");
}

/// Text that follows hid a fatal error that only the runtime words so.
#[test]
fn a_fatal_error_of_the_runtimes_own_words_needs_no_stack() {
    for line in [
        "fatal error: thread exhaustion",
        "runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow",
    ] {
        let log = format!("{line}\n\nThis does not always happen.\n");
        assert_eq!(said(&log).len(), 1, "{log}");
    }
    assert_eq!(said("fatal error: out of memory\nretrying\n"), [""; 0]);
}
