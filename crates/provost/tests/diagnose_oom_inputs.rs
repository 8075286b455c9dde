//! `provost diagnose oom`: forms of input that say the same as others, or more, held against those who write them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "they are tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::process::Command;

use serde_json::Value;
use support::{Dir, Run};

const CONTAINER: &str = "container-limit-oom";
const NOT: &str = "gomemlimit-would-not";
const EXIT: &str = "exit-137-without-oom";

fn recorded(path: &str) -> Vec<u8> {
    let path = support::repository().join("fixtures/oom").join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn report(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{run}"))
}

/// Rules, and what they say of whom.
fn said(run: &Run) -> BTreeSet<(String, String, String)> {
    let report = report(run);
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|it| (text(it, "rule"), text(it, "subject"), text(it, "message"))).collect()
}

fn rules(run: &Run) -> BTreeSet<String> {
    said(run).into_iter().map(|(rule, ..)| rule).collect()
}

fn of(rules: &[&str]) -> BTreeSet<String> {
    rules.iter().map(|rule| (*rule).to_owned()).collect()
}

#[test]
fn every_form_of_the_journal_tells_of_the_kill() {
    let folder = support::repository().join("fixtures/oom/journal");
    let forms = support::files_below(&folder);
    assert_eq!(forms.len(), 16, "{forms:?}");
    for form in forms {
        let text = String::from_utf8(recorded(&format!("journal/{form}"))).unwrap();
        let args = ["diagnose", "oom", "-", "--format", "json"];
        let run = Dir::new().provost_with_stdin(&args, &text);
        assert_eq!(rules(&run), of(&[CONTAINER]), "{form}: {run}");
        // Without the kill it is still the log of a kernel, and nothing that cannot be read; but not the bare
        // messages, which may be of anybody.
        let quiet: String = text
            .lines()
            .filter(|line| !line.contains("illed process") && !line.contains("oom-kill:"))
            .fold(String::new(), |text, line| text + line + "\n");
        let run = Dir::new().provost_with_stdin(&args, &quiet);
        assert_eq!(run.code, if form == "cat" { 2 } else { 0 }, "{form}: {run}");
    }
}

#[test]
fn what_is_described_says_the_same_as_the_object() {
    let dir = Dir::new()
        .file("pods.txt", recorded("describe/pods.txt"))
        .file("pods.json", recorded("describe/pods.json"));
    let described = dir.provost(&["diagnose", "oom", "pods.txt", "--format", "json"]);
    let object = dir.provost(&["diagnose", "oom", "pods.json", "--format", "json"]);
    assert_eq!(rules(&described), of(&[CONTAINER, NOT, EXIT]), "{described}");
    assert_eq!(said(&described), said(&object), "{described}\n{object}");
    assert!(described.out.contains("the liveness probe failed"), "{described}");
    // A value of a variable is nobody's business.
    assert!(!described.out.contains("two\nlines"), "{described}");
    // On standard input, and with the ends of lines of another system.
    let text = String::from_utf8(recorded("describe/pods.txt")).unwrap();
    for text in [text.replace('\n', "\r\n"), text] {
        let run = Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], &text);
        assert_eq!(rules(&run), of(&[CONTAINER, NOT, EXIT]), "{run}");
    }
}

/// It has neither the UID of the pod nor the ID of the container that ended.
#[test]
fn what_is_described_is_joined_with_a_kill_only_where_there_is_one_of_each() {
    let text = String::from_utf8(recorded("describe/pods.txt")).unwrap();
    let (first, second) = text.split_once("\n\n\n").unwrap();
    let dir = Dir::new()
        .file("first.txt", first)
        .file("second.txt", second.trim_start())
        .file("both.txt", &text)
        .file("kernel.log", recorded("v2/leak-1.27.4/kernel.log"));
    let run = dir.provost(&["diagnose", "oom", "first.txt", "kernel.log", "--format", "json"]);
    let found = said(&run);
    let kill: Vec<_> = found.iter().filter(|(rule, ..)| rule == CONTAINER).collect();
    assert!(matches!(kill.as_slice(), [(_, subject, _)] if subject.ends_with("/app")), "{run}");
    assert!(run.out.contains("taken for granted"), "{run}");
    // Whose kill it was is not known of two; and one of another limit is somebody else's.
    for file in ["both.txt", "second.txt"] {
        let run = dir.provost(&["diagnose", "oom", file, "kernel.log", "--format", "json"]);
        assert!(!rules(&run).contains(EXIT), "{file}: {run}");
        assert!(run.out.contains("kubectl describe has neither the pod's UID"), "{file}: {run}");
    }
}

#[test]
fn a_log_that_looks_like_a_description_is_a_log() {
    let crash = "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:7 +0x1d\nexit status 2\n";
    let log = format!("Name: x\nnamespace\n{crash}");
    let run = Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], &log);
    assert!(rules(&run).contains("unrecovered-panic"), "{run}");
    let run = Dir::new()
        .provost_with_stdin(&["diagnose", "oom", "-"], "Name: x\nNamespace: y\nNode: z\n");
    assert!(run.code == 2 && run.to_string().contains("describes no pod"), "{run}");
}

/// `41231687B 84.03% 84.03% 41231687B 84.03%  main.order (inline)`
fn top(profile: &str) -> BTreeMap<String, u64> {
    let dir = Dir::new();
    let mut go = Command::new("go");
    go.args([
        "tool",
        "pprof",
        "-top",
        "-sample_index=inuse_space",
        "-unit=B",
        "-nodefraction=0",
        "-nodecount=1000",
    ])
    .arg(support::repository().join("fixtures/oom/heap").join(profile))
    .envs(support::go_env())
    .env("PPROF_TMPDIR", dir.path())
    .env("HOME", dir.path());
    let said = support::succeed(&mut go);
    let (_, rows) = said.split_once("cum%\n").expect("it has a table");
    let rows = rows.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let flat: f64 = words[0].trim_end_matches('B').parse().unwrap();
        (flat > 0.0).then(|| (words[5].to_owned(), flat as u64))
    });
    rows.collect()
}

#[test]
fn heap_profiles_are_read_as_go_tool_pprof_reads_them() {
    for profile in ["go1.22.0.pb.gz", "go1.27.4.pb.gz"] {
        let packed = recorded(&format!("heap/{profile}"));
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
        let heap = goformats::pprof::heap(&bytes).unwrap();
        let found: BTreeMap<String, u64> =
            heap.functions.iter().map(|it| (it.name.clone(), it.in_use)).collect();
        assert_eq!(found, top(profile), "{profile}");
        assert_eq!(heap.in_use, found.values().sum::<u64>());
        assert_eq!((heap.rate, heap.functions[0].name.as_str()), (512 << 10, "main.order"));
        assert!(heap.time_ns.is_some() && heap.allocated > heap.in_use, "{heap:?}");
    }
}

#[test]
fn a_heap_profile_says_what_the_memory_was() {
    let mut torn = recorded("heap/go1.27.4.pb.gz");
    torn.truncate(400);
    let dir = Dir::new()
        .file("kernel.log", recorded("v2/leak-1.27.4/kernel.log"))
        .file("heap.pb.gz", recorded("heap/go1.27.4.pb.gz"))
        .file("torn.pb.gz", torn)
        // Kinds of samples are all that it has, and none is of the heap.
        .file(
            "cpu.pb",
            [&[0x0a, 4, 0x08, 1, 0x10, 2][..], b"\x32\x00\x32\x03cpu\x32\x05count"].concat(),
        );
    let run = dir.provost(&["diagnose", "oom", "kernel.log", "heap.pb.gz", "--format", "json"]);
    assert_eq!(rules(&run), of(&[CONTAINER]), "{run}");
    assert!(
        run.out.contains("alive at the collection before it") && run.out.contains("main.order"),
        "{run}"
    );
    assert!(run.err.contains("heap.pb.gz: a heap profile: "), "{run}");
    // Alone it is no finding, and read.
    let run = dir.provost(&["diagnose", "heap.pb.gz"]);
    assert!(run.code == 0 && run.out.contains("allocated by main.order"), "{run}");
    assert!(run.out.contains("no findings in 1 input"), "{run}");
    let run = dir.provost(&["diagnose", "oom", "torn.pb.gz"]);
    assert_eq!(run.code, 2, "{run}");
    let run = dir.provost(&["diagnose", "oom", "cpu.pb"]);
    assert!(run.code == 2 && run.to_string().contains("not of the heap"), "{run}");
}

/// It was said of whatever profile there was beside the only kill: one of another service, too.
#[test]
fn a_heap_profile_that_was_written_behind_the_kill_is_of_another_process() {
    let dir = Dir::new()
        .file("kernel.log", recorded("v2/leak-1.27.4/kernel.log"))
        // The same kill, with the date of a year before the profile.
        .file("journal.log", recorded("journal/short-full"))
        .file("heap.pb.gz", recorded("heap/go1.27.4.pb.gz"));
    let run = dir.provost(&["diagnose", "oom", "kernel.log", "heap.pb.gz", "--format", "json"]);
    assert!(run.out.contains("that it is of this container is taken for granted"), "{run}");
    let run = dir.provost(&["diagnose", "oom", "journal.log", "heap.pb.gz", "--format", "json"]);
    assert_eq!(rules(&run), of(&[CONTAINER]), "{run}");
    assert!(!run.out.contains("alive at the collection before it"), "{run}");
}

/// dmesg and the journal of one node have the same kills, and a console has the last line of one once more.
#[test]
fn a_kill_in_two_logs_is_one() {
    let whole = String::from_utf8(recorded("v2/leak-1.27.4/kernel.log")).unwrap();
    let last = whole.lines().find(|line| line.contains("Killed process")).unwrap();
    let dir = Dir::new()
        .file("dmesg.log", whole.clone())
        .file("copy.log", whole.clone())
        .file("console.log", format!("{last}\n"));
    let run = dir.provost(&["diagnose", "oom", "console.log", "dmesg.log", "copy.log"]);
    assert_eq!(run.out.matches("[container-limit-oom]").count(), 1, "{run}");
    assert!(!run.out.contains("it is the last of"), "{run}");
}

#[test]
fn a_heap_profile_for_people_is_read_as_the_other_form() {
    let text = recorded("heap/go1.27.4.txt");
    let heap = goformats::pprof::heap(&text).unwrap();
    let packed = recorded("heap/go1.27.4-both.pb.gz");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
    let other = goformats::pprof::heap(&bytes).unwrap();
    // Each is written while the program runs, and writes allocate a little.
    let most = |heap: &goformats::pprof::Heap| heap.functions[0].clone();
    assert_eq!((most(&heap), heap.rate), (most(&other), other.rate));
    assert!(heap.in_use.abs_diff(other.in_use) < 4 << 20, "{heap:?} {other:?}");
    let dir = Dir::new().file("heap.txt", text.clone()).file("torn.txt", &text[..text.len() / 2]);
    let run = dir.provost(&["diagnose", "heap.txt"]);
    assert!(run.code == 0 && run.out.contains("allocated by main.order"), "{run}");
    let run = dir.provost(&["diagnose", "torn.txt"]);
    assert!(run.code == 2 && run.out.contains("is a torn profile"), "{run}");
}

/// `kubectl get` of a pod that was evicted before anything of it was started.
fn evicted(name: &str, message: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{containers: [{{name: app, image: x, resources: {{limits: {{memory: 512Mi}}}}}}]}}\nstatus:\n  phase: Failed\n  reason: Evicted\n  message: '{message}'\n"
    )
}

fn event(reason: &str, message: &str) -> String {
    format!(
        "- apiVersion: v1\n  kind: Event\n  metadata: {{name: a, namespace: shop}}\n  involvedObject: {{kind: Pod, name: checkout-a, namespace: shop}}\n  reason: {reason}\n  message: '{message}'\n  lastTimestamp: \"2026-11-26T10:00:00Z\"\n"
    )
}

const LOW: &str = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi. Container app was using 400Mi, request is 100Mi, has larger consumption of memory. ";
const NODE: &str = "node-pressure-oom";

/// They were told that there was "no Kubernetes manifest, Dockerfile or Go binary".
#[test]
fn what_is_left_of_a_pod_that_was_evicted_is_judged() {
    let list = |items: &str| format!("apiVersion: v1\nkind: List\nitems:\n{items}");
    let dir = Dir::new()
        .file("pod.yaml", evicted("checkout-a", LOW))
        .file("event.yaml", list(&event("Evicted", LOW)))
        .file(
            "volume.yaml",
            evicted("checkout-b", "Usage of EmptyDir volume \"tmp\" exceeds the limit \"64Mi\". "),
        )
        .file(
            "two.yaml",
            list(
                &(event("Unhealthy", "Liveness probe failed")
                    + &event("Killing", "Container app failed liveness probe, will be restarted")),
            ),
        );
    for verb in [&["diagnose"] as &[&str], &["diagnose", "oom"]] {
        for file in ["pod.yaml", "event.yaml"] {
            let run = dir.provost(&[verb, &[file, "--format", "json"]].concat());
            let found = said(&run);
            let [(rule, subject, _)] = Vec::from_iter(found).try_into().unwrap();
            assert_eq!((rule.as_str(), subject.as_str()), (NODE, "shop/Pod/checkout-a"), "{run}");
            assert!(run.out.contains("app used 400 MiB, 300 MiB more than the 100 MiB"), "{run}");
        }
        // Both are of one pod.
        let run = dir.provost(&[verb, &["pod.yaml", "event.yaml", "--format", "json"]].concat());
        assert_eq!(said(&run).len(), 1, "{run}");
        for (file, told) in [
            (
                "volume.yaml",
                "shop/Pod/checkout-b: was evicted, and not for memory of its node: Usage of EmptyDir volume",
            ),
            ("two.yaml", "two.yaml: 2 events and no pod: nothing to conclude from"),
        ] {
            let run = dir.provost(&[verb, &[file]].concat());
            assert_eq!(run.code, 0, "{run}");
            assert!(run.out.contains(told) && run.out.contains("no findings in 1"), "{run}");
            assert!(!run.out.contains("Dockerfile"), "{run}");
        }
    }
}

/// tar stores as many bytes as the kernel says that such a file has, and it says none.
#[test]
fn archives_with_nothing_in_them_say_so() {
    let mut live = Vec::new();
    for name in ["memory.usage_in_bytes", "memory.limit_in_bytes", "cgroup.procs", "tasks"] {
        let mut header = [0u8; 512];
        let path = format!("app/{name}");
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(b"00000000000");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar  \0");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        live.extend_from_slice(&header);
    }
    live.extend_from_slice(&[0; 1024]);
    let dir = Dir::new().file("live.tar", live).file("empty.tar", vec![0u8; 10_240]);
    for (file, told) in [
        ("live.tar", "holds files of a cgroup, and all 3 are empty"),
        ("empty.tar", "holds nothing that is diagnosed"),
    ] {
        let run = dir.provost(&["diagnose", file]);
        assert_eq!(run.code, 2, "{run}");
        assert!(run.out.contains(told), "{run}");
        assert!(!run.out.contains("runtime's tracing"), "{run}");
    }
}

#[test]
fn a_cgroup_in_which_nothing_was_killed_says_what_it_has() {
    let listing = "==> memory.current <==\n33554432\n==> memory.max <==\n67108864\n==> memory.events.local <==\noom 0\noom_kill 0\n==> memory.stat <==\nanon 31457280\nfile 2097152\n";
    let run = Dir::new().file("cgroup.txt", listing).provost(&["diagnose", "oom", "cgroup.txt"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.contains("cgroup.txt: 32 MiB of the 64 MiB that are its limit"), "{run}");
    assert!(run.out.contains("nothing was killed in it"), "{run}");
}

/// They said "nothing is wrong" of what their rules had not looked at.
#[test]
fn verbs_say_what_they_judged_and_what_they_did_not() {
    let log = fs::read(support::repository().join("fixtures/runtimelog/1.22/basic.log"));
    let log = log.unwrap_or_else(|error| panic!("{error}"));
    let crash = "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:7 +0x1d\nexit status 2\n";
    let dir = Dir::new()
        .file("gc.log", log)
        .file("crash.log", crash)
        .file("pod.yaml", evicted("checkout-a", LOW));
    for verb in ["oom", "crash", "goroutines"] {
        let run = dir.provost(&["diagnose", verb, "gc.log"]);
        assert!(!run.out.contains("nothing is wrong"), "{run}");
        let told = format!(
            "samples of the scheduler not judged by diagnose {verb}; provost diagnose judges all"
        );
        assert!(run.out.contains(&told) && run.out.contains("no findings in 1"), "{run}");
    }
    let run = dir.provost(&["diagnose", "crash", "gc.log"]);
    assert!(
        run.out.contains("gc.log: no panic, no fatal error and no dump of goroutines in"),
        "{run}"
    );
    for (verb, file, left) in [
        ("gc", "crash.log", "1 crash not judged by diagnose gc"),
        ("oom", "crash.log", "1 crash not judged by diagnose oom"),
        ("crash", "pod.yaml", "1 pod not judged by diagnose crash"),
    ] {
        let run = dir.provost(&["diagnose", verb, file]);
        assert!(run.out.contains(left) && run.out.contains("no findings in 1 input"), "{run}");
    }
    // What the collector logged says what the memory was of which a kernel tells.
    let dir = dir.file("kernel.log", recorded("v2/leak-1.27.4/kernel.log"));
    let run = dir.provost(&["diagnose", "oom", "kernel.log", "gc.log"]);
    assert!(!run.out.contains("not judged by"), "{run}");
    // Who asks for everything is told of everything.
    let run = dir.provost(&["diagnose", "gc.log"]);
    assert!(!run.out.contains("not judged by"), "{run}");
}

/// With the newest line first (`journalctl -k -r`) a kill had no cgroup, and the log ended before it began.
#[test]
fn a_kernels_log_that_runs_backwards_is_read_by_its_stamps() {
    let turned =
        |text: &str| text.lines().rev().map(|line| format!("{line}\n")).collect::<String>();
    for form in ["short", "short-iso", "short-precise", "short-monotonic", "short-unix", "json"] {
        let text = String::from_utf8(recorded(&format!("journal/{form}"))).unwrap();
        let args = ["diagnose", "oom", "-", "--format", "json"];
        let run = Dir::new().provost_with_stdin(&args, &turned(&text));
        let forward = Dir::new().provost_with_stdin(&args, &text);
        assert_eq!(said(&run), said(&forward), "{form}: {run}");
        let line = |run: &Run| {
            let report = report(run);
            report["findings"][0]["evidence"][0]["start"]["line"].as_u64().unwrap()
        };
        let lines = text.lines().count() as u64;
        assert_eq!(line(&run), lines + 1 - line(&forward), "{form}: {run}");
    }
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: checkout-a, namespace: shop, uid: 8f2c6f0e-3b0e-4a57-9a52-8d7e3a1c5b11}\nspec: {containers: [{name: app, image: x}]}\nstatus:\n  phase: Running\n  containerStatuses:\n  - name: app\n    restartCount: 1\n    state: {running: {startedAt: \"2026-11-26T10:00:40Z\"}}\n    lastState: {terminated: {exitCode: 137, reason: Error, finishedAt: \"2026-11-26T10:00:31Z\"}}\n";
    let log = "2026-11-26T11:00:00+0000 node-1 kernel: eth0: link is up\n2026-11-26T10:30:00+0000 node-1 kernel: eth0: link is down\n2026-11-26T09:00:00+0000 node-1 kernel: Linux version 6.1.0\n";
    let dir = Dir::new().file("pod.yaml", pod).file("up.log", turned(log)).file("down.log", log);
    for file in ["up.log", "down.log"] {
        let run = dir.provost(&["diagnose", "oom", "pod.yaml", file, "--format", "json"]);
        assert!(run.out.contains("reaches over its end"), "{file}: {run}");
    }
}

/// A console over a reboot was turned around: the kill had no cgroup.
#[test]
fn a_console_over_a_reboot_is_read_as_it_stands() {
    let group = "/kubepods/burstable/pod0123abcd-0000-0000-0000-000000000001/0123";
    let boot = format!(
        "[    0.000000] Linux version 6.1.0\n[    1.000000] Memory: 1000K\n[  300.100001] checkout invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=936\n[  300.100101] memory: usage 262144kB, limit 262144kB, failcnt 90\n[  300.100201] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=cri-a,mems_allowed=0,oom_memcg={group},task_memcg={group},task=checkout,pid=4711,uid=65532\n[  300.100301] Memory cgroup out of memory: Killed process 4711 (checkout) total-vm:1500000kB, anon-rss:250000kB, file-rss:1000kB, shmem-rss:0kB, UID:65532 pgtables:700kB oom_score_adj:936\n"
    );
    let before = "[ 9120.101001] nfs: server not responding\n[ 9121.000101] usb 1-1: reset\n";
    let args = ["diagnose", "oom", "-", "--format", "json"];
    let alone = Dir::new().provost_with_stdin(&args, &boot);
    let run = Dir::new().provost_with_stdin(&args, &format!("{before}{boot}"));
    assert_eq!(said(&run), said(&alone), "{run}");
    let line =
        |run: &Run| report(run)["findings"][0]["evidence"][0]["start"]["line"].as_u64().unwrap();
    assert_eq!(line(&run), line(&alone) + 2, "{run}");
}

/// What people paste was a log without anything in it.
#[test]
fn a_part_of_a_description_is_enough_and_a_table_is_told_what_says_more() {
    let whole = String::from_utf8(recorded("describe/pods.txt")).unwrap();
    let part = "    State:          Waiting\n      Reason:       CrashLoopBackOff\n    Last State:     Terminated\n      Reason:       OOMKilled\n      Exit Code:    137\n    Limits:\n      memory:  256Mi\n";
    let flat: String = part.lines().map(|line| format!("{}\n", line.trim())).collect();
    let table = "NAME     READY   STATUS      RESTARTS      AGE\nledger   0/1     OOMKilled   7 (12s ago)   3h\n";
    let dir = Dir::new()
        .file("part.txt", part)
        .file("flat.txt", flat)
        .file("table.txt", table)
        .file("whole.txt", whole)
        .file("empty.log", "");
    for (verb, file) in [("oom", "part.txt"), ("oom", "flat.txt"), ("", "part.txt")] {
        let args: Vec<&str> =
            ["diagnose", verb, file].into_iter().filter(|it| !it.is_empty()).collect();
        let run = dir.provost(&args);
        let said = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected = "error[container-limit-oom]: the container ended with exit code 137 as OOMKilled; its limit is 256 MiB";
        assert!(said.contains(expected), "{run}");
    }
    let table = dir.provost(&["diagnose", "oom", "table.txt"]);
    assert_eq!(table.code, 2, "{table}");
    let said = table.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("is a table of pods") && said.contains("kubectl get pod ledger -o yaml"),
        "{table}"
    );
    assert!(dir.provost(&["diagnose", "empty.log"]).out.contains("is empty"));
}
