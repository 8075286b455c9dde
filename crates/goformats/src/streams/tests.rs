//! Lines as each tool shows them, and lines of programs that look alike.

#![allow(clippy::unwrap_used, reason = "they are tests")]

use super::*;

fn is_line(line: &[u8]) -> bool {
    line.starts_with(b"gc 1") || line.starts_with(b"panic: ")
}

fn took(tags: &mut Tags, line: &str) -> Option<(String, String)> {
    // Colors are taken off before.
    let plain = crate::posted::uncolored(line.as_bytes());
    let found = tags.take(&plain, is_line)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Some((text(&found.name), text(&found.text)))
}

#[track_caller]
fn check(lines: &[(&str, Option<(&str, &str)>)]) {
    let mut tags = Tags::default();
    for (line, expected) in lines {
        let found = took(&mut tags, line);
        let found = found.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
        assert_eq!(found, *expected, "{line}");
    }
}

const POD: &str = "checkout-7d9c5b6f4-x2x7k/app";

#[test]
fn kubectl_names_pod_and_container() {
    check(&[
        ("[pod/checkout-7d9c5b6f4-x2x7k/app] gc 1 @0.1s", Some((POD, "gc 1 @0.1s"))),
        ("[pod/checkout-7d9c5b6f4-x2x7k/app] \tmain.go:1", Some((POD, "\tmain.go:1"))),
        ("[pod/checkout-7d9c5b6f4-x2x7k/app] ", Some((POD, ""))),
        ("[pod/what/ever it is] said", None),
        ("[INFO] gc 1 @0.1s", None),
    ]);
}

#[test]
fn compose_pads_and_colors_names() {
    let web = |text| Some(("web-1", text));
    check(&[
        // Before it is known what the bar is.
        ("web-1    | listening", None),
        ("web-1    | gc 1 @0.1s", web("gc 1 @0.1s")),
        ("\x1b[36mweb-1    | \x1b[0mgoroutine 1 [running]:", web("goroutine 1 [running]:")),
        ("web-1    | ", web("")),
        ("web-1    |", web("")),
        ("worker-1 | ready", None),
        ("worker-1 | panic: boom", Some(("worker-1", "panic: boom"))),
        ("a | b", None),
    ]);
    check(&[("\x1b[33mweb_1  |\x1b[0m gc 1 @0.1s", Some(("web_1", "gc 1 @0.1s")))]);
}

#[test]
fn stern_parts_pod_and_container_by_spaces() {
    check(&[
        ("checkout-7d9c5b6f4-x2x7k app gc 1 @0.1s", Some((POD, "gc 1 @0.1s"))),
        ("checkout-7d9c5b6f4-x2x7k app \tmain.go", Some((POD, "\tmain.go"))),
        ("re-read the file", None),
    ]);
    check(&[
        ("shop checkout-7d9c5b6f4-x2x7k app panic: boom", Some((POD, "panic: boom"))),
        ("shop checkout-7d9c5b6f4-x2x7k app x", Some((POD, "x"))),
    ]);
    check(&[(
        "\x1b[31mcheckout-7d9c5b6f4-x2x7k\x1b[0m \x1b[32mapp\x1b[0m gc 1 @",
        Some((POD, "gc 1 @")),
    )]);
    check(&[(
        r#"{"message":"gc 1 @0.1s","nodeName":"n","namespace":"shop","podName":"checkout-7d9c5b6f4-x2x7k","containerName":"app"}"#,
        Some((POD, "gc 1 @0.1s")),
    )]);
}

/// What a program prints without an end of its line stands before the runtime's, and is nobody's name.
#[test]
fn words_of_a_program_are_no_names() {
    check(&[
        ("gc 1 @0.1s 0%", None),
        ("pre-warmed cache gc 1 @0.2s", None),
        ("cache | gc 1 @0.3s", None),
        (r#"{"level":"error","message":"gc 1 @0.1s"}"#, None),
        (r#"{"line":12,"labels":{},"message":"gc 1 @0.1s"}"#, None),
    ]);
    check(&[("listening on gc 1 @0.2s", None)]);
    // A level, and lines between which the runtime writes its own.
    let plain = ("gc 1 @0.1s 0%", None);
    let level = ("ERROR    | panic: refused", None);
    check(&[plain, level, level, level, level]);
    let said = ("cache  | warmed", None);
    check(&[plain, said, said, plain, ("cache  | gc 1 @0.2s", None)]);
    check(&[plain, said, said, ("listening on :80", None), ("cache  | gc 1 @0.2s", None)]);
    let bar = ("cache | gc 1 @0.3s", None);
    check(&[plain, bar, bar, bar, bar]);
    let words = ("pre-warmed cache", None);
    check(&[plain, words, words, words, ("pre-warmed cache gc 1 @0.2s", None)]);
}

/// One bare line of the runtime's, and no name was learned in all that followed.
#[test]
fn names_behind_a_bare_line_of_the_runtimes_are_learned_from_several_lines() {
    let bare = ("gc 12 @1", None);
    let web = |text| Some(("web-1", text));
    check(&[
        bare,
        ("web-1     | listening", None),
        ("worker-1  | ready", None),
        ("web-1     | served", None),
        ("worker-1  | panic: boom", None),
        ("web-1     | gc 1 @0.1s", web("gc 1 @0.1s")),
        ("web-1     | panic: boom", web("panic: boom")),
        ("worker-1  | panic: boom", Some(("worker-1", "panic: boom"))),
        ("web-1     | ", web("")),
        ("web-1     |", web("")),
        ("gc 13 @2", None),
        ("web-1     | gc 2 @0.2s", web("gc 2 @0.2s")),
    ]);
    let colored = "\x1b[36mweb-1  | \x1b[0mgc 1 @0.1s";
    check(&[bare, (colored, None), (colored, None), (colored, web("gc 1 @0.1s"))]);
    let stern = "checkout-7d9c5b6f4-x2x7k app gc 1 @0.1s";
    check(&[bare, (stern, None), (stern, None), (stern, Some((POD, "gc 1 @0.1s")))]);
    let many: Vec<String> = (0..200).map(|n| format!("re-read file{n} again")).collect();
    let mut lines: Vec<_> = many.iter().map(|line| (line.as_str(), None)).collect();
    lines.insert(0, bare);
    let web_1 = "web-1  | gc 1 @0.1s";
    lines.extend([(web_1, None), (web_1, None), (web_1, web("gc 1 @0.1s"))]);
    check(&lines);
}

#[test]
fn the_journal_names_the_process() {
    // `short`, `short-precise`, `short-iso` of older and newer systemd, `short-iso-precise`, `short-full`, `short-unix`,
    // `short-monotonic` and `short-delta`: only the first three were known.
    for stamp in [
        "Nov 26 10:00:00",
        "Nov  6 10:00:00.123456",
        "2026-11-26T10:00:00+0000",
        "2026-11-26T10:00:00+01:00",
        "2026-11-26T10:00:00.605563+01:00",
        "Thu 2026-11-26 10:00:00 CET",
        "Thu 2026-11-26 10:00:00.605563 UTC",
        "1764151200.605563",
        "[ 9120.101001]",
        "[12345.000001]",
        "[ 9120.101001 <    0.000012 >]",
        "[ 9120.101001                ]",
    ] {
        check(&[
            (&format!("{stamp} node-1 systemd[1]: Started."), None),
            (&format!("{stamp} node-1 kernel: gc 1 @"), None),
            (
                &format!("{stamp} node-1 checkout[7]: gc 1 @0.1s"),
                Some(("checkout[7]", "gc 1 @0.1s")),
            ),
            (&format!("{stamp} node-1 checkout[8]: main.f()"), Some(("checkout[8]", "main.f()"))),
        ]);
        // `--no-hostname`, and `with-unit`, which has the unit for the name.
        check(&[
            (&format!("{stamp} checkout[7]: gc 1 @0.1s"), Some(("checkout[7]", "gc 1 @0.1s"))),
            (&format!("{stamp} checkout[8]: a: b"), Some(("checkout[8]", "a: b"))),
        ]);
        let unit = "user@1000.service/app-shop\\x2dcheckout@3.service[7]";
        check(&[(&format!("{stamp} node-1 {unit}: gc 1 @0.1s"), Some((unit, "gc 1 @0.1s")))]);
    }
    check(&[(
        r#"{"_PID":"7","SYSLOG_IDENTIFIER":"checkout","MESSAGE":"panic: \"x\"","__REALTIME_TIMESTAMP":"1"}"#,
        Some(("checkout[7]", "panic: \"x\"")),
    )]);
}

#[test]
fn stores_of_logs_name_what_they_have_by_labels() {
    let loki = r#"2026-11-26T10:00:00Z {app="a}b", container="app", pod="checkout-7d9c5b6f4-x2x7k"}   gc 1 @0.1s"#;
    check(&[(loki, Some((POD, "gc 1 @0.1s")))]);
    for line in [
        r#"{"labels":{"pod":"checkout-7d9c5b6f4-x2x7k","container":"app"},"line":"gc 1 @0.1s","timestamp":"2026-11-26T10:00:00Z"}"#,
        r#"{"insertId":"1","textPayload":"gc 1 @0.1s\n","resource":{"type":"k8s_container","labels":{"pod_name":"checkout-7d9c5b6f4-x2x7k","container_name":"app"}},"timestamp":"2026-11-26T10:00:00Z"}"#,
        r#"{"log":"gc 1 @0.1s\n","stream":"stderr","time":"2026-11-26T10:00:00Z","kubernetes":{"pod_name":"checkout-7d9c5b6f4-x2x7k","container_name":"app"}}"#,
    ] {
        check(&[(line, Some((POD, "gc 1 @0.1s")))]);
    }
    check(&[(
        "2026-11-26T10:00:00.123000+00:00 app/checkout/0a1b gc 1 @0.1s",
        Some(("app/checkout/0a1b", "gc 1 @0.1s")),
    )]);
}

#[test]
fn what_is_cut_anywhere_is_taken_or_left() {
    let lines = [
        "[pod/a/b] gc 1 @",
        "\x1b[36mweb-1    | \x1b[0mgc 1 @",
        "a-1 b gc 1 @",
        r#"{"message":"gc 1\n","podName":"a","containerName":"b"}"#,
        r#"2026-11-26T10:00:00Z {app="a\"b"} gc 1 @"#,
        "Nov 26 10:00:00 node-1 checkout[7]: gc 1 @",
    ];
    for line in lines {
        for end in 0..=line.len() {
            for from in [0, end / 2] {
                let part = line.as_bytes().get(from..end).unwrap_or_default();
                Tags::default().take(part, is_line);
            }
        }
    }
}
