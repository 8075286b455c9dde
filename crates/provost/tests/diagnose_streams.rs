//! `provost diagnose` on logs of several processes in one, as tools show them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "they are tests")]

mod support;

use serde_json::Value;
use support::Dir;

/// Lines of two processes, one from each in turn, each as `with` writes it.
fn in_turn(a: &str, b: &str, with: impl Fn(usize, &str) -> String) -> String {
    let (mut a, mut b) = (a.lines(), b.lines());
    let mut text = String::new();
    loop {
        let (one, other) = (a.next(), b.next());
        if one.is_none() && other.is_none() {
            return text;
        }
        text.extend(one.map(|line| with(0, line) + "\n"));
        text.extend(other.map(|line| with(1, line) + "\n"));
    }
}

/// Each line of another pod was taken for a restart.
#[test]
fn two_pods_in_one_log_are_two_processes() {
    let folder = support::repository().join("fixtures/runtimelog");
    let read = |version: &str| std::fs::read_to_string(folder.join(version).join("basic.log"));
    let (a, b) = (read("1.22").unwrap(), read("1.27").unwrap());
    const PODS: [&str; 2] = ["checkout-7d9c5b6f4-x2x7k", "checkout-7d9c5b6f4-q9w8e"];
    const TIME: &str = "2026-11-26T10:00:00.123456789Z";
    let json = |text: &str| serde_json::to_string(text).unwrap();
    type Form<'f> = (&'f str, [String; 2], Box<dyn Fn(usize, &str) -> String + 'f>);
    let in_pod = PODS.map(|pod| format!("{pod}/app"));
    let forms: Vec<Form<'_>> = vec![
        (
            "prefix",
            in_pod.clone(),
            Box::new(|at: usize, line: &str| format!("[pod/{}/app] {line}", PODS[at])),
        ),
        (
            "prefix-timestamps",
            in_pod.clone(),
            Box::new(|at: usize, line: &str| format!("[pod/{}/app] {TIME} {line}", PODS[at])),
        ),
        (
            "stern",
            in_pod.clone(),
            Box::new(|at: usize, line: &str| format!("{} app {line}", PODS[at])),
        ),
        (
            "stern-json",
            in_pod.clone(),
            Box::new(|at: usize, line: &str| {
                format!(
                    "{{\"message\":{},\"nodeName\":\"n\",\"namespace\":\"shop\",\"podName\":\"{}\",\"containerName\":\"app\"}}",
                    json(line),
                    PODS[at]
                )
            }),
        ),
        (
            "compose",
            ["web-1", "web-2"].map(str::to_owned),
            Box::new(|at: usize, line: &str| {
                format!("\u{1b}[3{}mweb-{}  | \u{1b}[0m{line}", at + 1, at + 1)
            }),
        ),
        (
            "journal",
            ["checkout[71]", "checkout[72]"].map(str::to_owned),
            Box::new(|at: usize, line: &str| {
                format!("Nov 26 10:00:00 node-1 checkout[7{}]: {line}", at + 1)
            }),
        ),
        (
            "loki",
            in_pod.clone(),
            Box::new(|at: usize, line: &str| {
                format!("{TIME} {{container=\"app\", pod=\"{}\"}} {line}", PODS[at])
            }),
        ),
        (
            "cloud-logging",
            in_pod,
            Box::new(|at: usize, line: &str| {
                format!(
                    "{{\"insertId\":\"1\",\"resource\":{{\"labels\":{{\"container_name\":\"app\",\"pod_name\":\"{}\"}}}},\"textPayload\":{},\"timestamp\":\"{TIME}\"}}",
                    PODS[at],
                    json(line)
                )
            }),
        ),
    ];
    let alone = |text: &str| {
        let run = Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], text);
        let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{run}"));
        report["logs"].clone()
    };
    let apart = [alone(&a), alone(&b)];
    for (name, streams, with) in forms {
        let both = alone(&in_turn(&a, &b, with));
        let both = both.as_array().unwrap();
        assert_eq!(both.len(), 2, "{name}: {both:?}");
        for (at, stream) in streams.iter().enumerate() {
            assert_eq!(both[at]["subject"], format!("- ({stream})"), "{name}");
            assert!(both[at]["collections"]["cycles"].as_u64() > Some(9), "{name}");
            // What is told of each is what is told of it alone.
            for key in ["cycles", "live_mib", "per_second"] {
                let (one, other) =
                    (&both[at]["collections"][key], &apart[at][0]["collections"][key]);
                assert_eq!(one, other, "{name}: {key}");
            }
        }
    }
}

#[test]
fn crashes_of_two_pods_are_not_mixed_up() {
    let crash = |what: &str| {
        format!(
            "panic: {what}\n\ngoroutine 1 [running]:\nmain.{what}()\n\t/src/main.go:7 +0x1d\nmain.main()\n\t/src/main.go:3 +0x1d\nexit status 2\n"
        )
    };
    let log = in_turn(&crash("one"), &crash("two"), |at, line| format!("[pod/a-{at}/app] {line}"));
    let run = Dir::new().provost_with_stdin(&["diagnose", "crash", "-"], &log);
    for (at, what) in ["one", "two"].iter().enumerate() {
        assert!(run.out.contains(&format!("main.{what} (/src/main.go:7)")), "{run}");
        assert!(run.out.contains(&format!("panic: {what}")), "{at}: {run}");
    }
    assert!(run.out.contains("2 errors"), "{run}");
}

const CYCLE: &str = "gc 1 @0.100s 2%: 0.010+4.0+0.010 ms clock, 0.020+1.0/4.0/0+0.020 ms cpu, 4->4->2 MB, 5 MB goal, 0 MB stacks, 0 MB globals, 2 P";
const CRASH: &str =
    "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:3 +0x1d\nexit status 2\n";

/// With something before each line.
fn each(text: &str, before: &str) -> String {
    text.lines().map(|line| format!("{before}{line}\n")).collect()
}

/// From the 257th process of a machine on nothing was read, and a panic was `no findings in 1 process`.
#[test]
fn a_crash_behind_hundreds_of_other_processes_is_told() {
    let line = |who: &str, pid: usize| format!("Nov 26 10:00:00 node-1 {who}[{pid}]: ");
    let mut log = each(CYCLE, &line("checkout", 7));
    log.extend((1000..1300).map(|pid| line("cron", pid) + "(root) CMD (run-parts)\n"));
    log.push_str(&each(CRASH, &line("checkout", 8)));
    let run = Dir::new().provost_with_stdin(&["diagnose", "-"], &log);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("error[unrecovered-panic]"), "{run}");
}

/// The limit was reached in silence.
#[test]
fn a_log_of_more_processes_than_are_told_apart_says_what_is_left_out() {
    let of = |pods: usize| -> String {
        (0..pods).map(|pod| each(CYCLE, &format!("[pod/a-{pod}/app] "))).collect()
    };
    for (log, left_out) in [(of(256), None), (of(257), Some("1 line")), (of(300), Some("44 lines"))]
    {
        let run = Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], &log);
        let told = run.out.contains("processes by name");
        assert_eq!(told, left_out.is_some(), "{run}");
        // Of as many processes only the first are kept, which is said as well.
        assert!(run.code == 2 && run.out.contains("of more than 64 processes"), "{run}");
        if let Some(lines) = left_out {
            let said = format!("of more than 256 processes by name: left out are {lines} of");
            assert!(run.out.contains(&said) && run.out.contains("journalctl -u UNIT"), "{run}");
        }
    }
    // What was read is judged.
    let log = each(CRASH, "[pod/first/app] ") + &of(300);
    let run = Dir::new().provost_with_stdin(&["diagnose", "-"], &log);
    assert!(run.out.contains("unrecovered-panic") && run.code == 2, "{run}");
}

/// `holds no line`: one bare line of the runtime's before it, and no name was learned any more.
#[test]
fn a_log_of_compose_behind_a_bare_line_of_the_runtimes_is_read() {
    let lines = [CYCLE; 5].join("\n");
    for bare in ["gc 12 @1", CYCLE] {
        let log = format!("{bare}\n{}{}", each(&lines, "web-1  | "), each(CRASH, "web-1  | "));
        let run = Dir::new().provost_with_stdin(&["diagnose", "-"], &log);
        assert_eq!(run.code, 1, "{run}");
        assert!(run.out.contains("error[unrecovered-panic]"), "{run}");
    }
}

/// A log in which nothing names the processes, of two that collect with another heap, and of twins.
fn unnamed(live: [u64; 2]) -> String {
    let line = |at: usize, n: u64| {
        let (live, goal) = (live[at], live[at] * 2);
        format!(
            "gc {n} @{n}.{at}50s 1%: 0.010+1.0+0.010 ms clock, 0.020+0/1.0/0+0.020 ms cpu, {}->{goal}->{live} MB, {goal} MB goal, 0 MB stacks, 0 MB globals, 2 P\n",
            goal - 1
        )
    };
    (1..60).flat_map(|n| [line(0, n), line(1, n)]).collect()
}

/// Each line of another pod was a restart, and of more than 64 of these nothing was said.
#[test]
fn processes_that_nothing_names_are_told_apart_or_not_told() {
    let dir = Dir::new().file("two.log", unnamed([10, 50])).file("twins.log", unnamed([10, 10]));
    let two = dir.provost(&["diagnose", "two.log", "--format", "json"]);
    let report: Value = serde_json::from_str(&two.out).unwrap();
    let logs = report["logs"].as_array().unwrap();
    let cycles: Vec<_> =
        logs.iter().map(|it| it["collections"]["cycles"].as_u64().unwrap()).collect();
    assert_eq!(cycles, [59, 59], "{two}");
    let twins = dir.provost(&["diagnose", "twins.log"]);
    assert_eq!(twins.code, 2, "{twins}");
    let said = twins.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("of Go's runtime of 2 processes at once that cannot be told apart"),
        "{twins}"
    );
    assert!(said.contains("kubectl logs -l LABEL --prefix"), "{twins}");
}

#[test]
fn processes_beyond_the_limit_are_counted() {
    let life = "gc 1 @0.100s 1%: 0.010+1.0+0.010 ms clock, 0.020+0/1.0/0+0.020 ms cpu, 3->4->2 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P\n";
    let dir = Dir::new().file("crashes.log", life.repeat(70));
    let all = dir.provost(&["diagnose", "crashes.log"]);
    assert_eq!(all.code, 2, "{all}");
    let said = all.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("of more than 64 processes: left out are 6 further ones"), "{all}");
}

/// The newest record stands first in the file, and each of them on several of its lines.
#[test]
fn a_place_in_the_document_of_a_store_counts_its_records() {
    let lines = [
        "starts",
        "panic: boom",
        "",
        "goroutine 1 [running]:",
        "main.main()",
        "\t/src/main.go:7 +0x1d",
    ];
    let records: Vec<Value> = lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            serde_json::json!({
                "textPayload": line,
                "timestamp": format!("2026-11-26T10:00:0{at}.000000Z"),
            })
        })
        .rev()
        .collect();
    let text = serde_json::to_string_pretty(&records).unwrap();
    let run = Dir::new().file("log.json", text).provost(&["diagnose", "log.json"]);
    assert!(run.out.contains("log.json#records:2"), "{run}");
}
