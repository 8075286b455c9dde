//! `provost diagnose` on logs that real processes wrote.

#![allow(clippy::unwrap_used, clippy::panic, reason = "they are tests")]

mod support;

use std::fs;

use serde_json::Value;
use support::{Dir, Run};

fn log(name: &str) -> String {
    fs::read_to_string(support::repository().join("fixtures/runtimelog").join(name)).unwrap()
}

fn found(run: &Run) -> Vec<String> {
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_limit_without_room_is_the_one_cause_that_is_told() {
    let dir = Dir::new().file("checkout.log", log("spiral.log"));
    let run = dir.provost(&["diagnose", "checkout.log", "--format", "json"]);
    assert_eq!(run.code, 1, "{run}");
    // What follows from it is not told beside it; that the machine was busy is.
    assert_eq!(found(&run), ["memory-limit-death-spiral", "long-pause"], "{run}");
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let place = &report["findings"][0]["evidence"][0];
    assert_eq!((&place["origin"], &place["start"]["line"]), (&"log".into(), &6.into()), "{run}");
}

#[test]
fn what_is_around_lines_does_not_matter() {
    let plain = log("spiral.log");
    let wrapped = |line: fn(&str) -> String| plain.lines().map(line).collect::<String>();
    let cri = wrapped(|line| format!("2026-11-26T10:00:00.123456789Z stderr F {line}\n"));
    let stamped = wrapped(|line| format!("2026-11-26T10:00:00.123456789Z {line}\n"));
    let docker = wrapped(|line| {
        let line = line.replace('>', "\\u003e");
        format!(
            "{{\"log\":\"{line}\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-26T10:00:00Z\"}}\n"
        )
    });
    let crlf = wrapped(|line| format!("{line}\r\n"));
    for text in [cri, stamped, docker, crlf] {
        let run = Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], &text);
        assert_eq!(found(&run), ["memory-limit-death-spiral", "long-pause"], "{run}");
    }
}

#[test]
fn processes_of_one_log_are_told_apart() {
    let text = format!("{}starting\n{}", log("spiral.log"), log("steady.log"));
    let dir = Dir::new().file("two.log", text);
    let run = dir.provost(&["diagnose", "two.log"]);
    assert!(run.out.contains("two.log (process 1): memory-limit-death-spiral: "), "{run}");
    assert!(run.out.contains("two.log (process 2): nothing is wrong"), "{run}");
}

#[test]
fn a_process_that_is_well_has_no_finding() {
    let run = Dir::new().provost_with_stdin(&["diagnose", "-"], &log("steady.log"));
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.contains("no findings in 1 process"), "{run}");
}

#[test]
fn logs_of_every_version_end_well() {
    for version in ["1.19", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27"] {
        for kind in ["basic", "detail", "pacer"] {
            let text = log(&format!("{version}/{kind}.log"));
            let run = Dir::new().provost_with_stdin(&["diagnose", "-"], &text);
            assert_eq!(run.code, 0, "{version} {kind}: {run}");
        }
    }
}

#[test]
fn a_log_of_something_else_is_refused_with_the_way_to_record_one() {
    let dir = Dir::new().file("other.log", "hello\n");
    let run = dir.provost(&["diagnose", "other.log"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.out.contains("holds no line that the runtime's tracing writes"), "{run}");
    assert!(run.out.contains("GODEBUG=gctrace=1"), "{run}");
    let run = dir.provost(&["diagnose", "missing.log"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.out.contains("does not exist") || run.err.contains("does not exist"), "{run}");
}

fn crash(name: &str) -> String {
    fs::read_to_string(support::repository().join("fixtures/crash").join(name)).unwrap()
}

#[test]
fn a_crash_is_told_with_the_place_in_the_programs_own_code() {
    let log = format!("starting\n{}", crash("1.22/again.log"));
    let run = Dir::new().provost_with_stdin(&["diagnose", "-"], &log);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("error[unrecovered-panic]"), "{run}");
    assert!(run.out.contains("at example.com/checkout/work.Nil (/src/work/work.go:19)"), "{run}");
    // The verdict comes before the stack.
    let (verdict, stack) = (run.out.find("line 3: panic: "), run.out.find("main.again.func1"));
    assert!(verdict.is_some() && verdict < stack, "{run}");
}

#[test]
fn crashes_of_every_kind_have_one_cause_each() {
    for (log, rule) in [
        ("1.27/nil.log", "unrecovered-panic"),
        ("1.18/mutex.log", "deadlock"),
        ("1.22/writes.log", "concurrent-map-access"),
        ("1.27/overflow.log", "stack-overflow"),
        ("1.22/memory.log", "out-of-memory-panic"),
        ("1.27/godebug.log", "removed-godebug-at-start"),
        ("1.18/threads.log", "fatal-runtime-error"),
        ("1.27/handler.log", "recovered-panic"),
    ] {
        let run =
            Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], &crash(log));
        assert_eq!(found(&run), [rule], "{log}: {run}");
    }
    let run = Dir::new().provost_with_stdin(&["diagnose", "-"], &crash("1.27/quit-no.log"));
    assert_eq!(run.code, 0, "SIGQUIT was asked for: {run}");
    assert!(run.out.contains("SIGQUIT: quit"), "{run}");
    // os.Exit leaves no word of the runtime's.
    let run = Dir::new().provost_with_stdin(&["diagnose", "-"], &crash("1.27/exit.log"));
    assert_eq!(run.code, 2, "{run}");
    assert!(run.out.contains("os.Exit"), "{run}");
}

#[test]
fn two_dumps_show_what_leaks_in_whatever_order_they_are_given() {
    let (first, second) = (crash("1.22/leak-first.log"), crash("1.22/leak-second.log"));
    let dir = Dir::new().file("a.txt", first).file("b.txt", second);
    for order in [["a.txt", "b.txt"], ["b.txt", "a.txt"]] {
        let run = dir.provost(&["diagnose", order[0], order[1], "--format", "json"]);
        assert_eq!(found(&run), ["goroutine-leak"], "{run}");
        let report: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(report["findings"][0]["evidence"][0]["path"], "b.txt", "{run}");
    }
}

#[test]
fn a_process_whose_log_has_a_trace_and_a_crash_is_one() {
    let log = format!("{}{}", log("steady.log"), crash("1.27/nil.log"));
    let run = Dir::new().provost_with_stdin(&["diagnose", "-"], &log);
    assert!(run.out.contains("unrecovered-panic"), "{run}");
    assert!(run.out.contains("  collections: "), "{run}");
    assert!(run.out.contains("1 process") && !run.out.contains("processes"), "{run}");
}

fn counters(name: &str) -> String {
    counters_of("1.27", name)
}

fn counters_of(version: &str, name: &str) -> String {
    let folder = support::repository().join("fixtures/counters");
    fs::read_to_string(folder.join(version).join(name)).unwrap()
}

/// Go 1.18 counts neither what is live nor the time of collections, and has no limit.
#[test]
fn what_runtimes_before_count_is_diagnosed_as_far_as_it_goes() {
    for version in ["1.18", "1.22", "1.25"] {
        for form in [".txt", ".json", ".prom", "-usual.prom"] {
            let text = counters_of(version, &format!("steady-6{form}"));
            let run = Dir::new().provost_with_stdin(&["diagnose", "-"], &text);
            assert_eq!(run.code, 0, "{version} {form}: {run}");
            assert!(run.out.contains("no findings in 1 process"), "{version} {form}: {run}");
        }
        let dir = Dir::new().file("6.txt", counters_of(version, "spiral-6.txt"));
        let run = dir.provost(&["diagnose", "6.txt", "--format", "json"]);
        let expected: &[&str] =
            if version == "1.18" { &[] } else { &["memory-limit-death-spiral"] };
        assert_eq!(found(&run), expected, "{version}: {run}");
    }
}

#[test]
fn what_a_runtime_counts_is_read_in_each_form() {
    for (form, told) in [
        (".txt", "snapshot of runtime/metrics"),
        (".json", "snapshot of expvar"),
        (".prom", "snapshot of Prometheus"),
    ] {
        let text = counters(&format!("spiral-6{form}"));
        let run = Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], &text);
        assert!(run.err.contains(told), "{form}: {run}");
        // MemStats says neither what was marked nor what was limited.
        match form {
            ".json" => assert_eq!(found(&run), ["long-pause"], "{run}"),
            _ => assert_eq!(found(&run), ["memory-limit-death-spiral"], "{form}: {run}"),
        }
        let run = Dir::new()
            .provost_with_stdin(&["diagnose", "-"], &counters(&format!("steady-12{form}")));
        assert_eq!(run.code, 0, "{form}: {run}");
        assert!(run.out.contains("no findings in 1 process"), "{form}: {run}");
    }
    let usual = counters("spiral-6-usual.prom");
    let run = Dir::new().provost_with_stdin(&["diagnose", "-"], &usual);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.contains("GOMEMLIMIT 52.0 MiB"), "{run}");
    // A scrape of several processes is nobody's.
    let several = "# TYPE go_goroutines gauge\ngo_goroutines{pod=\"a\"} 5\n";
    let run = Dir::new().provost_with_stdin(&["diagnose", "-"], several);
    assert_eq!(run.code, 2, "{run}");
}

#[test]
fn a_heap_that_grows_over_snapshots_is_told_whatever_their_order() {
    for form in ["json", "txt"] {
        let mut dir = Dir::new();
        let mut args = vec!["diagnose".to_owned(), "--format".to_owned(), "json".to_owned()];
        for at in (1..=16).rev() {
            let name = format!("leak-{at}.{form}");
            dir = dir.file(&name, counters(&name));
            args.push(name);
        }
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let run = dir.provost(&words);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        if form == "txt" {
            // Nothing in them tells one process from several.
            let not_judged = report["not_judged"].to_string();
            assert!(not_judged.contains("snapshots are of the same process"), "{run}");
            continue;
        }
        assert_eq!(found(&run), ["heap-grows-without-bound"], "{form}: {run}");
        let newest = &report["findings"][0]["evidence"][0]["path"];
        assert_eq!(*newest, format!("leak-16.{form}"), "{run}");
    }
}

/// Numbers of the goroutines whose stacks a log has.
fn headers(log: &str) -> Vec<u64> {
    let ids = log.lines().filter_map(|line| {
        let (id, rest) = line.strip_prefix("goroutine ")?.split_once(' ')?;
        (rest.contains('[') && rest.ends_with(':')).then(|| id.parse().unwrap())
    });
    ids.collect()
}

/// Eight groups of twelve calls were all that was told.
#[test]
fn json_has_the_whole_dump() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../docs/report-v1.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let many: String = (2..400)
        .map(|id| {
            let calls: String =
                (0..20).map(|at| format!("main.f{at}(0x1)\n\t/src/{}.go:7 +0x1\n", id % 40)).collect();
            let minutes = if id % 2 == 0 { ", 6 minutes" } else { "" };
            format!("goroutine {id} [select{minutes}]:\n{calls}created by main.main in goroutine 1\n\t/src/main.go:9 +0x1\n\n")
        })
        .collect();
    let asked = format!("goroutine 1 [running]:\nmain.main()\n\t/src/main.go:3 +0x1\n\n{many}");
    let token = format!("ghp_{}", "a1B2c3D4e5F6".repeat(3));
    let ended = format!("panic: no answer to {token}\n\n{asked}");
    let logs = ["1.18/quit-no.log", "1.27/quit-labels.log", "1.22/again.log", "1.27/overflow.log"];
    let logs = logs.map(crash).into_iter().chain([asked, ended]);
    for (log, verb) in logs.flat_map(|log| [(log.clone(), "crash"), (log, "goroutines")]) {
        let args = ["diagnose", verb, "-", "--format", "json"];
        let run = Dir::new().provost_with_stdin(&args, &log);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        let problems: Vec<String> =
            validator.iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(problems.is_empty(), "{problems:#?}");
        assert!(!run.out.contains(&token), "{run}");
        let [dump] = report["dumps"][0]["dumps"].as_array().unwrap().as_slice() else {
            panic!("{run}")
        };
        let stacks = dump["stacks"].as_array().unwrap();
        let ids = stacks.iter().flat_map(|stack| stack["ids"].as_array().unwrap());
        let mut ids: Vec<u64> = ids.map(|id| id.as_u64().unwrap()).collect();
        let mut expected = headers(&log);
        ids.sort_unstable();
        expected.sort_unstable();
        assert_eq!(ids, expected, "{run}");
        let counts: u64 = stacks.iter().map(|stack| stack["count"].as_u64().unwrap()).sum();
        assert_eq!(dump["goroutines"], counts, "{run}");
        assert_eq!(dump["more_goroutines"], 0, "{run}");
        if expected.len() > 300 {
            // Of each the last call, too, and who started it.
            let largest = &stacks[0];
            assert_eq!((stacks.len(), &largest["count"]), (41, &10.into()), "{run}");
            assert_eq!(largest["frames"].as_array().unwrap().len(), 20, "{run}");
            assert_eq!(largest["frames"][19]["func"], "main.f19", "{run}");
            assert_eq!(largest["created_by"]["line"], 9, "{run}");
            let waits: u64 = stacks
                .iter()
                .flat_map(|stack| stack["waits"].as_array().unwrap())
                .filter(|wait| wait["minutes"] == 5)
                .map(|wait| wait["count"].as_u64().unwrap())
                .sum();
            assert_eq!(waits, 199, "{run}");
            let panics = &dump["cause"]["panics"];
            if log.contains("panic: ") {
                assert_eq!(panics[0]["value"], "no answer to ***", "{run}");
            }
            assert!(run.err.contains("and 33 further stacks; --format json has them all"), "{run}");
        }
    }
}

#[test]
fn crash_and_goroutines_by_name() {
    let dir = Dir::new()
        .file("crash.log", crash("1.27/nil.log"))
        .file("first.txt", crash("1.27/leak-first.log"))
        .file("second.txt", crash("1.27/leak-second.log"));
    let run = dir.provost(&[
        "diagnose",
        "crash",
        "crash.log",
        "first.txt",
        "second.txt",
        "--format",
        "json",
    ]);
    assert_eq!(found(&run), ["unrecovered-panic"], "{run}");
    let files =
        ["diagnose", "goroutines", "crash.log", "first.txt", "second.txt", "--format", "json"];
    let run = dir.provost(&files);
    assert_eq!(found(&run), ["goroutine-leak"], "{run}");
    assert!(run.err.contains("90 chan send in example.com/checkout/work.Ask.func1"), "{run}");
    let run = dir.provost(&["diagnose", "goroutines"]);
    assert_eq!(run.code, 2, "{run}");
}

/// Twelve profiles of two thousand stacks took 14 s and had two thousand warnings.
#[test]
fn goroutines_of_many_stacks_are_told_in_few_findings() {
    let profile = |nth: u64| {
        let record = |line: u64| {
            let count = nth * 20 + line % 7 * nth;
            format!("{count} @ 0x486c6a\n#\t0x68ef94\tmain.f+0x14\t/src/main.go:{line}\n\n")
        };
        let records: String = (1..=2000).map(record).collect();
        format!("goroutine profile: total 99\n{records}")
    };
    let names: Vec<String> = (1..=12).map(|nth| format!("p{nth:02}.log")).collect();
    let mut dir = Dir::new();
    for (nth, name) in (1..).zip(&names) {
        dir = dir.file(name, profile(nth));
    }
    let args: Vec<&str> = names.iter().map(String::as_str).collect();
    let run = dir.provost(&[&["diagnose"][..], &args, &["--format", "json"]].concat());
    assert_eq!(found(&run), ["goroutine-leak"; 16], "{}", run.err);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    // The largest are told, and the others counted once.
    for finding in findings {
        let message = finding["message"].as_str().unwrap();
        assert!(message.starts_with("312 goroutines have one stack, 286 more"), "{message}");
    }
    assert_eq!(run.out.matches("in 1984 further stacks").count(), 1);
}

/// Counts of a profile are numbers that somebody wrote: sums of them went over.
#[test]
fn goroutines_beyond_all_numbers_are_no_overflow() {
    let most = "9999999999999999999";
    let record = |func: &str, line: u32| {
        format!("{most} @ 0x1\n#\t0x1\t{func}+0x1\t/src/main.go:{line}\n\n")
    };
    let polls = "internal/poll.runtime_pollWait";
    let all = [record("main.f", 1), record("main.f", 2), record(polls, 3), record(polls, 4)];
    let head = format!("goroutine profile: total {most}\n");
    let small = format!("{head}1 @ 0x1\n#\t0x1\tmain.f+0x1\t/src/main.go:1\n\n");
    let dir = Dir::new()
        .file("a.log", &small)
        .file("b.log", small.replace("\n1 @", "\n2 @"))
        .file("c.log", head + &all.concat());
    let run = dir.provost(&["diagnose", "a.log", "b.log", "c.log", "--format", "json"]);
    assert_eq!(found(&run), [""; 0], "{run}");
    let stack = "goroutine 1 [running]:\nmain.f(...)\n\t/src/main.go:1 +0x1\n";
    let elided = format!("...{most} frames elided...\n").repeat(2);
    let overflow = format!("fatal error: stack overflow\n\n{stack}{elided}");
    let run = Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], &overflow);
    assert_eq!(found(&run), ["stack-overflow"], "{run}");
}

/// Sizes that no runtime prints went over where they were counted in bytes.
#[test]
fn sizes_beyond_all_memory_are_none_of_the_runtime() {
    let most = u64::MAX;
    let line = |number: u32, size: u64| {
        format!(
            "gc {number} @{number}.0s 0%: 0.1+1.0+0.1 ms clock, 0.2+0.1/0.9/0.2+0.1 ms cpu, {size}->{size}->{size} MB, {size} MB goal, {size} MB stacks, 0 MB globals, 2 P\n"
        )
    };
    for size in [most, most >> 20, (most >> 20) + 1] {
        let text: String = (1..20).map(|number| line(number, size)).collect();
        let run = Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], &text);
        assert!(run.code < 3, "{run}");
        assert!(!run.to_string().contains("panicked"), "{run}");
    }
}

/// With more dumps than are compared the one that is judged was left out, and a leak of sixty was no finding.
#[test]
fn the_newest_of_many_dumps_is_judged() {
    let dump = |minutes: u64, others: u64| {
        let worker = |id: u64, minutes: u64| {
            format!(
                "\ngoroutine {id} [chan receive, {minutes} minutes]:\nmain.worker(0xc000)\n\t/src/main.go:50 +0x1\ncreated by main.pool\n\t/src/main.go:40 +0x1\n"
            )
        };
        let head = "goroutine 1 [running]:\nmain.dump()\n\t/src/main.go:5 +0x1\n".to_owned();
        // Two that came later than the process: that they wait on makes the dumps of one.
        let own = worker(101, minutes + 5) + &worker(102, minutes) + &worker(103, minutes);
        (0..others).fold(head + &own, |text, n| text + &worker(9000 + n, 20))
    };
    let mut dir = Dir::new().file("last.txt", dump(400, 60));
    let mut args = vec!["diagnose".to_owned(), "--format".to_owned(), "json".to_owned()];
    for at in 1..=300 {
        let name = format!("{at}.txt");
        dir = dir.file(&name, dump(at, 0));
        args.push(name);
    }
    args.push("last.txt".to_owned());
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let run = dir.provost(&words);
    assert_eq!(found(&run), ["goroutine-leak"], "{run}");
}

/// A worker that woke between two dumps and waits again has waited for less than what passed: all had to agree, and the
/// leak was not judged.
#[test]
fn a_worker_that_woke_between_two_dumps_hides_no_leak() {
    let goroutine = |id: u64, wait: &str, func: &str, line: u32| {
        format!("goroutine {id} [{wait}]:\nmain.{func}()\n\t/src/main.go:{line} +0x1d\n\n")
    };
    // The main goroutine and twenty that leaked have waited for so much longer than in the first dump, the worker not.
    let dump = |passed: u64, worker: u64, new: u64| {
        let mut text = goroutine(500 + passed, "running", "dump", 99);
        let wait = |minutes: u64| format!("chan receive, {minutes} minutes");
        text.push_str(&goroutine(1, &wait(10 + passed), "main", 12));
        text.push_str(&goroutine(7, &format!("select, {worker} minutes"), "worker", 30));
        let old = (0..20).map(|id| goroutine(100 + id, &wait(6 + passed), "ask", 44));
        let new = (0..new).map(|id| goroutine(1000 + id, &wait(12), "ask", 44));
        text.extend(old.chain(new));
        text
    };
    let dir = Dir::new()
        .file("first.txt", dump(0, 2, 0))
        .file("second.txt", dump(30, 7, 60))
        // Nobody waits longer than what passed: these had waited before the first.
        .file("other.txt", dump(2, 3, 60));
    let run = dir.provost(&["diagnose", "first.txt", "second.txt"]);
    assert!(run.out.contains("warning[goroutine-leak]"), "{run}");
    assert!(run.out.contains("1 warning in 2 dumps"), "{run}");
    // What there is stands on stdout, beside the findings.
    let alone = dir.provost(&["diagnose", "goroutines", "second.txt"]);
    assert!(alone.out.contains("80 chan receive in main.ask"), "{alone}");
    assert!(alone.err.is_empty(), "{alone}");
    let run = dir.provost(&["diagnose", "first.txt", "other.txt"]);
    assert!(!run.out.contains("[goroutine-leak]"), "{run}");
}

/// The quota of a proxy was blamed on the service beside it, as if it were known to be its own.
#[test]
fn a_quota_that_is_joined_by_the_pod_alone_is_taken_for_granted_and_by_the_pods_only_container_known()
 {
    const UID: &str = "8f2c6f0e-3b0e-4a57-9a52-8d7e3a1c5b11";
    let log = format!("var/log/pods/shop_b_{UID}/app/0.log");
    let busy = "SCHED 0ms: gomaxprocs=8 idleprocs=7 threads=3 spinningthreads=0 needspinning=0 idlethreads=0 runqueue=0 [ 0 0 0 0 0 0 0 0 ] schedticks=[ 0 0 0 0 0 0 0 0 ]\nSCHED 1000ms: gomaxprocs=8 idleprocs=0 threads=12 spinningthreads=0 needspinning=1 idlethreads=1 runqueue=2 [ 0 1 0 0 0 2 0 0 ] schedticks=[ 1 1 1 1 1 1 1 1 ]\n";
    let group = format!("/sys/fs/cgroup/kubepods/pod{UID}/{}", "1".repeat(64));
    let files = format!(
        "==> {group}/cpu.max <==\n50000 100000\n==> {group}/cpu.stat <==\nnr_periods 1200\nnr_throttled 930\nthrottled_usec 3124005\n"
    );
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: b, namespace: shop, uid: {UID}}}\nspec:\n  containers:\n  - {{name: app, image: x}}\nstatus:\n  containerStatuses:\n  - {{name: app, restartCount: 0, state: {{running: {{startedAt: \"2026-11-26T10:00:10Z\"}}}}}}\n"
    );
    let dir = Dir::new().file(&log, busy).file("cgroup.txt", files).file("pod.yaml", pod);
    let run = dir.provost(&["diagnose", &log, "cgroup.txt"]);
    let out = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(out.contains("warning[gomaxprocs-above-quota-seen]"), "{run}");
    assert!(out.contains("taken for granted: both are of one pod"), "{run}");
    let run = dir.provost(&["diagnose", &log, "cgroup.txt", "pod.yaml"]);
    assert!(run.out.contains("warning[gomaxprocs-above-quota-seen]"), "{run}");
    assert!(!run.out.contains("taken for granted"), "{run}");
}

/// Of goroutines at one lock nothing was said until some had waited for five minutes: three dumps within seconds show
/// that nobody gave it back.
#[test]
fn a_crowd_at_a_lock_is_told_from_three_dumps_and_from_sigquit() {
    let whole = crash("1.27/held.log").replace(", 2 minutes", "");
    let blocks: Vec<&str> = whole.split("\n\n").collect();
    let waits = |block: &&&str| block.contains("[sync.Mutex.Lock]");
    let dump = |count: usize| {
        let waiters = blocks.iter().filter(waits).take(count);
        let others = blocks.iter().filter(|block| !waits(block));
        let (first, rest) = (blocks.iter().take(1), others.skip(1));
        first.chain(waiters).chain(rest).map(|block| format!("{block}\n\n")).collect::<String>()
    };
    let dir =
        Dir::new().file("1.txt", dump(10)).file("2.txt", dump(11)).file("3.txt", dump(12)).file(
            "quit.log",
            format!("SIGQUIT: quit\nPC=0x46de21 m=0 sigcode=0\n\n{}", crash("1.27/held.log")),
        );
    let three = dir.provost(&["diagnose", "goroutines", "1.txt", "2.txt", "3.txt"]);
    let said = three.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("in all 3 dumps the same 10, and 2 more have come since"), "{three}");
    assert!(said.contains("goroutine 20, in select, is behind that Lock"), "{three}");
    assert!(said.contains("1 warning"), "{three}");
    // Two are not enough, nor three that do not grow.
    for files in [["1.txt", "2.txt"], ["2.txt", "2.txt"]] {
        let few = dir.provost(&["diagnose", "goroutines", files[0], files[1]]);
        assert!(few.out.contains("no findings"), "{few}");
    }
    for verb in [&["diagnose", "crash", "quit.log"][..], &["diagnose", "quit.log"]] {
        let quit = dir.provost(verb);
        assert!(quit.out.contains("warning[stuck-goroutines]: 12 goroutines wait for"), "{quit}");
    }
}

/// A channel as a semaphore looks alike: that nobody receives is known of those alone that two dumps have.
#[test]
fn a_crowd_that_waits_to_send_is_a_note_until_it_has_stayed() {
    let dump = |minutes: u64| {
        let waiting = (10..130).map(|id| {
            format!(
                "goroutine {id} [chan send, {minutes} minutes]:\nmain.ask(0x1)\n\t/src/main.go:9 +0x25\n\
                 created by main.serve in goroutine 1\n\t/src/main.go:5 +0x1d\n\n"
            )
        });
        format!(
            "goroutine 1 [select, {minutes} minutes]:\nmain.main()\n\t/src/main.go:3 +0x1d\n\n{}",
            waiting.collect::<String>()
        )
    };
    let dir = Dir::new().file("a.log", dump(6)).file("b.log", dump(16));
    let told = |files: &[&str]| {
        let run = dir.provost(&[&["diagnose"][..], files, &["--format", "json"]].concat());
        let report: Value = serde_json::from_str(&run.out).unwrap();
        let all = report["findings"].as_array().unwrap().clone();
        let stuck = all.into_iter().find(|finding| finding["rule"] == "stuck-goroutines");
        let stuck = stuck.unwrap_or_else(|| panic!("{run}"));
        (stuck["level"].clone(), stuck["message"].as_str().unwrap().to_owned())
    };
    let (level, message) = told(&["a.log"]);
    assert_eq!(level, "note", "{message}");
    assert!(message.ends_with("nobody receives, or seldom"), "{message}");
    let (level, message) = told(&["a.log", "b.log"]);
    assert_eq!(level, "warning", "{message}");
    assert!(message.ends_with("nobody receives"), "{message}");
}
