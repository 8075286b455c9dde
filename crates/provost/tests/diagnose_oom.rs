//! `provost diagnose oom`: on what kernels wrote when real processes were killed, and on kills that are made here.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "they are tests")]

#[path = "support/prove.rs"]
mod proving;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proving::{findings, fixture};
use support::{Dir, Run};

const CONTAINER: &str = "container-limit-oom";
const CHILD: &str = "child-killed";
const PARENT: &str = "limit-in-parent";
const NODE: &str = "node-pressure-oom";
const CACHE: &str = "page-cache-not-heap";
const SAVED: &str = "gomemlimit-would-have-saved";
const NOT: &str = "gomemlimit-would-not";

fn recorded(name: &str) -> PathBuf {
    support::repository().join("fixtures/oom").join(name)
}

/// What is found in those of the files of a scenario that are there.
fn diagnosed(name: &str, files: &[&str]) -> (BTreeSet<String>, Run) {
    let folder = recorded(name);
    let paths = files.iter().map(|file| folder.join(file)).filter(|path| path.exists());
    let paths: Vec<String> = paths.map(|path| path.to_str().unwrap().to_owned()).collect();
    let mut args = vec!["diagnose", "oom", "--format", "json"];
    args.extend(paths.iter().map(String::as_str));
    let run = Dir::new().provost(&args);
    (findings(&run), run)
}

const ALL: [&str; 3] = ["kernel.log", "cgroup.txt", "process.log"];

type Ids = &'static [&'static str];

/// Every scenario that was recorded, with all of its files, and with the kernel's log or the cgroup alone.
const RECORDED: &[(&str, Ids, Ids, Ids)] = &[
    ("v1/leak-1.22.0", &[CONTAINER, NOT], &[CONTAINER], &[CONTAINER]),
    ("v1/leak-1.27.4", &[CONTAINER, NOT], &[CONTAINER], &[CONTAINER]),
    ("v1/burst-1.22.0", &[CONTAINER, SAVED], &[CONTAINER], &[CONTAINER]),
    ("v1/burst-1.27.4", &[CONTAINER, SAVED], &[CONTAINER], &[CONTAINER]),
    ("v1/cache-1.27.4", &[CACHE], &[], &[CACHE]),
    ("v1/map-1.27.4", &[CONTAINER], &[CONTAINER], &[CONTAINER]),
    ("v1/shm-1.27.4", &[CONTAINER, CACHE], &[CONTAINER, CACHE], &[CONTAINER]),
    // The log alone does not tell whether the pod has other containers.
    ("v1/parent-1.27.4", &[PARENT, NOT], &[CONTAINER], &[PARENT]),
    ("v2/leak-1.22.0", &[CONTAINER, NOT], &[CONTAINER], &[CONTAINER]),
    ("v2/leak-1.27.4", &[CONTAINER, NOT], &[CONTAINER], &[CONTAINER]),
    ("v2/group-1.27.4", &[CONTAINER, NOT], &[CONTAINER], &[CONTAINER]),
    ("v2/burst-1.27.4", &[CONTAINER, SAVED], &[CONTAINER], &[CONTAINER]),
    ("v2/shm-1.27.4", &[CONTAINER, CACHE], &[CONTAINER, CACHE], &[CONTAINER]),
    // The log alone does not tell whether the pod has other containers.
    ("v2/parent-1.27.4", &[PARENT, NOT], &[CONTAINER], &[PARENT]),
    // Its counters alone say nothing: the limit of the pod had been reached before.
    ("v2/global-1.27.4", &[NODE], &[NODE], &[]),
    ("v2/saved-1.27.4", &[], &[], &[]),
    ("v2/high-1.27.4", &[], &[], &[]),
];

#[test]
fn every_recorded_kill_gets_its_verdict() {
    let mut wrong = String::new();
    for (name, all, kernel, cgroup) in RECORDED {
        assert!(recorded(name).is_dir(), "{name}");
        let given: [(&[&str], &[&str]); 3] =
            [(&ALL, all), (&["kernel.log"], kernel), (&["cgroup.txt"], cgroup)];
        for (files, expected) in given {
            if !files.iter().any(|file| recorded(name).join(file).exists()) {
                continue;
            }
            let (found, run) = diagnosed(name, files);
            let expected: BTreeSet<String> = expected.iter().map(|id| (*id).to_owned()).collect();
            if found != expected {
                wrong.push_str(&format!(
                    "{name} {files:?}: {found:?}, not {expected:?}\n{}\n",
                    run.err
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn a_child_that_is_killed_is_not_the_container() {
    for name in ["v1/child-1.27.4", "v2/child-1.27.4"] {
        let (found, run) = diagnosed(name, &["kernel.log", "cgroup.txt"]);
        assert_eq!(found, BTreeSet::from([CHILD.to_owned()]), "{name}: {run}");
        // Without the cgroup nobody knows whether the container lived on.
        let (found, run) = diagnosed(name, &["kernel.log"]);
        assert_eq!(found, BTreeSet::from([CONTAINER.to_owned()]), "{name}: {run}");
    }
}

#[test]
fn forms_of_input_are_told_apart_without_a_name() {
    let read = |file: &str| fs::read_to_string(recorded("v2/leak-1.27.4").join(file)).unwrap();
    let dir = Dir::new()
        .file("a", read("kernel.log"))
        .file("b", read("cgroup.txt"))
        .file("c", read("process.log"));
    let run = dir.provost(&["diagnose", "a", "b", "c", "--format", "json"]);
    let found = findings(&run);
    for id in [CONTAINER, NOT, "heap-grows-without-bound"] {
        assert!(found.contains(id), "{id}: {run}");
    }
    // Everything in one stream, as the journal of a node has it.
    let all = format!("{}{}", read("process.log"), read("kernel.log"));
    let run = dir.provost_with_stdin(&["diagnose", "-", "--format", "json"], &all);
    assert_eq!(findings(&run), found, "{run}");
}

fn gzip(text: &str) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut out, text.as_bytes()).unwrap();
    out.finish().unwrap()
}

#[test]
fn a_log_that_was_rotated_is_unpacked() {
    let text = fs::read_to_string(recorded("v2/leak-1.27.4/kernel.log")).unwrap();
    let dir = Dir::new().file("kern.log.1.gz", gzip(&text)).file("torn.gz", &gzip(&text)[..200]);
    let run = dir.provost(&["diagnose", "oom", "kern.log.1.gz", "--format", "json"]);
    assert_eq!(findings(&run), BTreeSet::from([CONTAINER.to_owned()]), "{run}");
    let run = dir.provost(&["diagnose", "oom", "torn.gz"]);
    assert!(run.code != 0 && run.to_string().contains("cannot be read"), "{run}");
}

#[test]
fn a_log_that_quotes_an_object_is_a_log() {
    let crash = "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:7 +0x1d\nexit status 2\n";
    for before in [
        "loaded:\napiVersion: v1\nkind: Config\n",
        "apiVersion: v1\nkind: Config\n",
        "2026/11/26 10:00:00 settings\napiVersion: v1\nkind: Pod\n",
    ] {
        let log = format!("{before}{crash}");
        let run = Dir::new().provost_with_stdin(&["diagnose", "-", "--format", "json"], &log);
        assert!(findings(&run).contains("unrecovered-panic"), "{before}: {run}");
    }
}

/// Numbers and paths that nobody wrote by accident.
#[test]
fn a_hostile_log_or_listing_does_not_take_the_reader_down() {
    let machine = "\
[ 1.0] a invoked oom-killer: gfp_mask=0x0, order=0, oom_score_adj=0
[ 1.0] Total swap = 18446744073709551615kB
[ 1.0] 18446744073709551615 pages RAM
[ 1.0] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
[ 1.0] [      7]     0     7        1        1        0        0             0 a
[ 1.0] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/a,task=a,pid=7,uid=0
[ 1.0] Out of memory: Killed process 7 (a) total-vm:4kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:0kB oom_score_adj:0
";
    let run = Dir::new().provost_with_stdin(&["diagnose", "oom", "-", "--format", "json"], machine);
    assert_eq!(findings(&run), BTreeSet::from([NODE.to_owned()]), "{run}");
    let deep = format!("==> {}memory.max <==\n1\n", "a/".repeat(1_000_000));
    let begun = Instant::now();
    let run = Dir::new().provost_with_stdin(&["diagnose", "oom", "-"], &deep);
    assert!(begun.elapsed() < Duration::from_secs(20) && run.code == 1 || run.code == 2, "{run}");
}

#[test]
fn a_kernel_that_killed_nobody_is_no_bad_input() {
    let log =
        "[    0.000000] Linux version 6.1.0\n[    1.250000] EXT4-fs (vda): mounted filesystem\n";
    let run = Dir::new().provost_with_stdin(&["diagnose", "-"], log);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.contains("2 lines of a kernel: nothing was killed for memory"), "{run}");
    // It was that nothing was judged, and to name the directory with the manifests.
    assert!(run.out.contains("no findings in 1 input"), "{run}");
}

/// A hierarchy of memory cgroups of our own, removed when it is dropped, with whatever runs in it.
struct Lab {
    top: PathBuf,
    container: PathBuf,
}

impl Lab {
    const ROOT: &'static str = "/sys/fs/cgroup/memory";

    /// Nothing is passed over in silence: where there is no such hierarchy the test fails and says so.
    fn new(name: &str, limit: u64, of_pod: Option<u64>) -> Self {
        let root = Path::new(Self::ROOT);
        assert!(
            root.join("memory.limit_in_bytes").is_file(),
            "{} is no hierarchy of cgroup version 1: kills were not made here, and this test has not run",
            Self::ROOT
        );
        let top = root.join(format!("provost-test-{}-{name}", std::process::id()));
        let id = format!("{:0>64x}", name.bytes().fold(7_u64, |sum, b| sum * 31 + u64::from(b)));
        let pod = top.join("kubepods/burstable/pod8f2c6f0e-3b0e-4a57-9a52-8d7e3a1c5b11");
        let lab = Self { top, container: pod.join(id) };
        fs::create_dir_all(&lab.container).expect("root may make cgroups; this test has not run");
        let set =
            |at: &Path, limit: u64| fs::write(at.join("memory.limit_in_bytes"), limit.to_string());
        of_pod.into_iter().for_each(|limit| set(&pod, limit).unwrap());
        set(&lab.container, limit).unwrap();
        lab
    }

    fn processes(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.container.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for _ in 0..200 {
            for pid in self.processes() {
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            }
            let mut at = Some(self.container.as_path());
            while let Some(folder) = at.filter(|at| at.starts_with(&self.top)) {
                let _ = fs::remove_dir(folder);
                at = folder.parent();
            }
            if !self.top.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn dmesg() -> String {
    support::succeed(&mut Command::new("dmesg"))
}

/// Runs `memory` in a cgroup until it is killed, or has what it wanted, and what is said of that.
fn live(lab: &Lab, go: &str, args: &[&str], env: &[(&str, &str)]) -> (BTreeSet<String>, Run) {
    let mark = lab.top.file_name().unwrap().to_str().unwrap();
    fs::write("/dev/kmsg", format!("{mark} begins\n")).expect("root may write to the kernel's log");
    let dir = Dir::new();
    let log = dir.path().join("process.log");
    let file = || fs::File::options().append(true).create(true).open(&log).unwrap();
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", lab.container.display());
    let mut child: Child = Command::new("sh")
        .args(["-c", &enter, "sh", &fixture("memory", go)])
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(file())
        .stderr(file())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(120);
    let settled = || fs::read_to_string(&log).unwrap().contains("settled");
    while child.try_wait().unwrap().is_none() && !settled() {
        assert!(Instant::now() < until, "{}", fs::read_to_string(&log).unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = dmesg();
    let (_, kernel) = said.rsplit_once(&format!("{mark} begins\n")).unwrap();
    let dir = dir.file("kernel.log", kernel);
    let mut inputs = vec!["kernel.log", lab.container.to_str().unwrap()];
    // A program without a collection says nothing.
    if fs::read_to_string(&log).unwrap().contains("\ngc ") {
        inputs.push("process.log");
    }
    if kernel.trim().is_empty() {
        inputs.remove(0);
    }
    let mut arguments = vec!["diagnose", "oom", "--format", "json"];
    arguments.extend(inputs);
    let run = dir.provost(&arguments);
    for pid in lab.processes() {
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
    }
    let _ = child.wait();
    (findings(&run), run)
}

const MIB: u64 = 1 << 20;
const TRACE: (&str, &str) = ("GODEBUG", "gctrace=1");

/// A kernel has one log: tests that make kills go one after the other.
static KERNEL: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    KERNEL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn kills_that_are_made_here_get_their_verdicts() {
    let _alone = alone();
    let expect = |name: &str, ids: &[&str], (found, run): (BTreeSet<String>, Run)| {
        let ids: BTreeSet<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(found, ids, "{name}: {run}");
        run
    };
    for go in ["1.22", "1.27"] {
        let lab = Lab::new("leak", 64 * MIB, None);
        expect("leak", &[CONTAINER, NOT], live(&lab, go, &["leak"], &[TRACE]));
        drop(lab);
        let lab = Lab::new("burst", 64 * MIB, None);
        let burst = ["burst", "20", "36"];
        let run = expect("burst", &[CONTAINER, SAVED], live(&lab, go, &burst, &[TRACE]));
        drop(lab);
        // What it says is tried.
        let (_, set) = run.out.split_once("\"title\": \"set GOMEMLIMIT=").unwrap();
        let value = set.split('"').next().unwrap();
        let lab = Lab::new("saved", 64 * MIB, None);
        expect("saved", &[], live(&lab, go, &burst, &[TRACE, ("GOMEMLIMIT", value)]));
        drop(lab);
        let lab = Lab::new("child", 64 * MIB, None);
        expect("child", &[CHILD], live(&lab, go, &["child", "leak"], &[]));
    }
    let folder = Dir::new();
    let file = folder.path().join("filler");
    let lab = Lab::new("cache", 64 * MIB, None);
    expect("cache", &[CACHE], live(&lab, "1.27", &["file", file.to_str().unwrap(), "200"], &[]));
    drop(lab);
    let lab = Lab::new("shm", 64 * MIB, None);
    let file = format!("/dev/shm/provost-test-{}", std::process::id());
    let said = live(&lab, "1.27", &["file", &file, "200"], &[]);
    let _ = fs::remove_file(&file);
    expect("shm", &[CONTAINER, CACHE], said);
    drop(lab);
    let lab = Lab::new("parent", 128 * MIB, Some(96 * MIB));
    expect("parent", &[PARENT, NOT], live(&lab, "1.27", &["leak"], &[TRACE]));
}

/// A folder that is removed when it is dropped.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_collected_is_diagnosed_without_a_secret() {
    let _alone = alone();
    let lab = Lab::new("collected", 64 * MIB, None);
    fs::write("/dev/kmsg", "<6>worker: password=hunter2-of-the-kernel\n").unwrap();
    let (found, run) = live(&lab, "1.27", &["child", "leak"], &[]);
    assert_eq!(found, BTreeSet::from([CHILD.to_owned()]), "{run}");
    // As the kubelet keeps them.
    let name = lab.top.file_name().unwrap().to_str().unwrap();
    let pods = Path::new("/var/log/pods");
    let existed = pods.exists();
    let folder = pods.join(format!("provost-test_{name}_8f2c6f0e-3b0e-4a57-9a52-8d7e3a1c5b11"));
    let kept = Removed(if existed { folder.clone() } else { pods.to_owned() });
    let trace = fs::read_to_string(recorded("v1/leak-1.27.4/process.log")).unwrap();
    let trace: String = trace
        .lines()
        .map(|line| format!("2026-11-26T10:00:00.123456789Z stderr F {line}\n"))
        .collect();
    fs::create_dir_all(folder.join("app")).unwrap();
    let secret = "2026-11-26T10:00:00.1Z stdout F DB_PASSWORD=correct-horse-battery token ghp_0123456789abcdefghijABCDEFGHIJ012345\n";
    fs::write(folder.join("app/0.log"), format!("{secret}{trace}")).unwrap();
    let dir = Dir::new();
    let pod = format!("provost-test/{name}");
    let run = dir.provost(&["diagnose", "oom", "--collect", "--pod", &pod, "--out", "pod.tar"]);
    drop(kept);
    assert_eq!(run.code, 0, "{run}");
    let bytes = fs::read(dir.path().join("pod.tar")).unwrap();
    for secret in ["hunter2", "correct-horse", "ghp_0123"] {
        let found = memchr(&bytes, secret.as_bytes());
        assert!(!found, "{secret} is in the archive");
    }
    assert!(memchr(&bytes, b"oom_kill 1") && memchr(&bytes, b"gc 31 @"), "{run}");
    let run = dir.provost(&["diagnose", "oom", "pod.tar", "--format", "json"]);
    assert!(findings(&run).contains(CONTAINER) || findings(&run).contains(CHILD), "{run}");
    assert!(run.out.contains(name), "{run}");
}

fn memchr(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[test]
fn a_process_is_collected_with_its_cgroup_and_those_above_it() {
    let dir = Dir::new();
    let pid = std::process::id().to_string();
    let run = dir.provost(&["diagnose", "oom", "--collect", "--pid", &pid, "--out", "own.tar"]);
    assert_eq!(run.code, 0, "{run}");
    let bytes = fs::read(dir.path().join("own.tar")).unwrap();
    assert!(memchr(&bytes, format!("proc/{pid}/smaps_rollup").as_bytes()), "{run}");
    let run = dir.provost(&["diagnose", "oom", "--collect", "--pid", "4194304"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("there is no process 4194304"), "{run}");
    let run = dir.provost(&["diagnose", "oom", "--collect", "--pod", "checkout"]);
    assert!(run.code == 2 && run.err.contains("--pod takes NAMESPACE/NAME"), "{run}");
}
