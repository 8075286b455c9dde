//! `provost diagnose oom` under cgroup v2: kills in a virtual machine, whatever version this one has.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "they are tests")]

#[path = "support/guest.rs"]
mod guest;
#[path = "support/prove.rs"]
mod proving;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use guest::Left;
use proving::{findings, fixture};
use serde_json::{Value, json};
use support::Dir;

const CONTAINER: &str = "container-limit-oom";
const CHILD: &str = "child-killed";
const PARENT: &str = "limit-in-parent";
const NODE: &str = "node-pressure-oom";
const CACHE: &str = "page-cache-not-heap";
const SAVED: &str = "gomemlimit-would-have-saved";
const NOT: &str = "gomemlimit-would-not";

const MIB: u64 = 1 << 20;
const LIMIT: (&str, u64) = ("memory.max", 64 * MIB);
const TRACE: &str = "GODEBUG=gctrace=1";

type Ids = &'static [&'static str];

/// What runs, in which limits, and what is said of it: with all that is left, by the kernel's log alone, by the
/// cgroup alone.
struct Scenario {
    name: &'static str,
    program: &'static [&'static str],
    env: &'static [&'static str],
    container: &'static [(&'static str, u64)],
    pod: &'static [(&'static str, u64)],
    all: Ids,
    kernel: Ids,
    cgroup: Ids,
}

const PLAIN: Scenario = Scenario {
    name: "",
    program: &[],
    env: &[],
    container: &[LIMIT],
    pod: &[],
    all: &[],
    kernel: &[],
    cgroup: &[],
};

const LEAK: Scenario = Scenario {
    name: "leak",
    program: &["leak"],
    env: &[TRACE],
    all: &[CONTAINER, NOT],
    kernel: &[CONTAINER],
    cgroup: &[CONTAINER],
    ..PLAIN
};
const BURST: Scenario = Scenario {
    name: "burst",
    program: &["burst", "20", "36"],
    env: &[TRACE],
    all: &[CONTAINER, SAVED],
    kernel: &[CONTAINER],
    cgroup: &[CONTAINER],
    ..PLAIN
};
/// Of the kernel's log alone nobody knows whether the container lived on.
const OF_CHILD: Scenario = Scenario {
    name: "child",
    program: &["child", "leak"],
    all: &[CHILD],
    kernel: &[CONTAINER],
    cgroup: &[CHILD],
    ..PLAIN
};
const OTHERS: &[Scenario] = &[
    // The value that is advised for the burst.
    Scenario {
        name: "saved",
        env: &[TRACE, "GOMEMLIMIT=57MiB"],
        all: &[],
        kernel: &[],
        cgroup: &[],
        ..BURST
    },
    Scenario {
        name: "group",
        program: &["child", "leak"],
        env: &[TRACE],
        container: &[LIMIT, ("memory.oom.group", 1)],
        all: &[CONTAINER, NOT],
        cgroup: &[CONTAINER],
        ..OF_CHILD
    },
    Scenario {
        name: "cache",
        program: &["file", "/data/filler", "100"],
        all: &[CACHE],
        cgroup: &[CACHE],
        ..PLAIN
    },
    Scenario {
        name: "shm",
        program: &["file", "/dev/shm/filler", "100"],
        all: &[CONTAINER, CACHE],
        kernel: &[CONTAINER, CACHE],
        cgroup: &[CONTAINER],
        ..PLAIN
    },
    Scenario {
        name: "parent",
        container: &[("memory.max", 128 * MIB)],
        pod: &[("memory.max", 96 * MIB)],
        all: &[PARENT, NOT],
        // By its words alone it may be the limit of the pod's only container.
        kernel: &[CONTAINER],
        cgroup: &[PARENT],
        ..LEAK
    },
    // It is held back and not killed.
    Scenario {
        name: "high",
        program: &["leak", "28"],
        env: &[TRACE],
        container: &[LIMIT, ("memory.high", 48 * MIB)],
        ..PLAIN
    },
    Scenario { name: "stacks", program: &["stacks"], env: &[], all: &[CONTAINER], ..LEAK },
    Scenario {
        name: "global",
        container: &[],
        all: &[NODE],
        kernel: &[NODE],
        cgroup: &[NODE],
        ..LEAK
    },
];

/// Container and pod, as in the paths of the kubelet.
fn ids(name: &str) -> (String, String) {
    let sum = name.bytes().fold(7_u64, |sum, b| sum.wrapping_mul(31).wrapping_add(u64::from(b)));
    (format!("{sum:0>64x}"), format!("8f2c6f0e-3b0e-4a57-9a52-{:012x}", sum & 0xffff_ffff_ffff))
}

fn told(scenario: &Scenario, go: &str) -> Value {
    let (id, uid) = ids(scenario.name);
    let program = [format!("/memory-{go}")];
    let program: Vec<String> =
        program.into_iter().chain(scenario.program.iter().map(|word| (*word).to_owned())).collect();
    let files = |files: &[(&str, u64)]| -> BTreeMap<String, String> {
        files.iter().map(|(file, value)| ((*file).to_owned(), value.to_string())).collect()
    };
    json!({
        "Name": scenario.name, "Program": program, "Env": scenario.env, "ID": id, "UID": uid,
        "Container": files(scenario.container), "Pod": files(scenario.pod), "Adj": 900,
    })
}

/// What is found in those of these files that are there and say something.
fn diagnosed(
    dir: &Dir,
    scenario: &str,
    left: &Left,
    files: &[&str],
) -> Option<(BTreeSet<String>, String)> {
    // A program without a collection says nothing.
    let speaks = |file: &&&str| {
        left.get(**file).is_some_and(|text| **file != "process.log" || text.contains("\ngc "))
    };
    let paths: Vec<String> =
        files.iter().filter(speaks).map(|file| format!("{scenario}/{file}")).collect();
    if paths.is_empty() {
        return None;
    }
    let mut arguments = vec!["diagnose", "oom", "--format", "json"];
    arguments.extend(paths.iter().map(String::as_str));
    let run = dir.provost(&arguments);
    Some((findings(&run), run.to_string()))
}

/// Does scenarios in a machine and holds what is said of each against what is expected.
fn verdicts(go: &str, scenarios: &[&Scenario]) -> BTreeMap<String, Left> {
    let programs = [
        ("init".to_owned(), fixture("guest", "1.27")),
        (format!("memory-{go}"), fixture("memory", go)),
    ];
    let asked: Vec<Value> = scenarios.iter().map(|scenario| told(scenario, go)).collect();
    let left = guest::run(&programs, &asked);
    let dir = left.iter().fold(Dir::new(), |dir, (scenario, files)| {
        files.iter().fold(dir, |dir, (file, text)| dir.file(&format!("{scenario}/{file}"), text))
    });
    let mut wrong = String::new();
    for scenario in scenarios {
        let files = left.get(scenario.name).expect("a scenario leaves something");
        let was_killed = files.get("kernel.log").is_some_and(|log| log.contains("Killed process"));
        assert_eq!(was_killed, !scenario.kernel.is_empty(), "{}: {files:?}", scenario.name);
        let given: [(&[&str], Ids); 4] = [
            (&["kernel.log", "cgroup.txt", "process.log"], scenario.all),
            (&["kernel.log", "cgroup.txt", "process.log", "proc.txt"], scenario.all),
            (&["kernel.log"], scenario.kernel),
            (&["cgroup.txt"], scenario.cgroup),
        ];
        for (names, expected) in given {
            let expected: BTreeSet<String> = expected.iter().map(|id| (*id).to_owned()).collect();
            match diagnosed(&dir, scenario.name, files, names) {
                Some((found, run)) if found != expected => wrong.push_str(&format!(
                    "{} {names:?}: {found:?}, not {expected:?}\n{run}\n",
                    scenario.name
                )),
                Some(_) => {}
                None => assert!(expected.is_empty(), "{} left no {names:?}", scenario.name),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    left
}

#[test]
fn kills_under_cgroup_v2_get_their_verdicts_with_go_1_22() {
    verdicts("1.22", &[&LEAK, &BURST, &OF_CHILD]);
}

#[test]
fn kills_under_cgroup_v2_get_their_verdicts_with_go_1_27() {
    let first = [&LEAK, &BURST, &OF_CHILD];
    let all: Vec<&Scenario> = first.into_iter().chain(OTHERS).collect();
    let left = verdicts("1.27", &all);
    // They were what they are called.
    let of = |scenario: &str, file: &str| left[scenario][file].as_str();
    assert!(of("group", "kernel.log").contains("memory.oom.group set"), "{left:?}");
    // The container's own files stand first.
    let events = "memory.events.local <==\nlow 0\nhigh ";
    let (_, high) = of("high", "cgroup.txt").split_once(events).unwrap();
    assert!(!high.starts_with("0\n"), "{left:?}");
    assert!(of("global", "kernel.log").contains("global_oom"), "{left:?}");
    // A machine has one log, and all of its containers are in it: each kill is still told of its own.
    let mut dir = Dir::new();
    let killed: Vec<&&Scenario> = all.iter().filter(|it| !it.kernel.is_empty()).collect();
    let log: String = killed.iter().map(|scenario| of(scenario.name, "kernel.log")).collect();
    dir = dir.file("kernel.log", log);
    let groups: String = all.iter().map(|scenario| of(scenario.name, "cgroup.txt")).collect();
    dir = dir.file("cgroup.txt", groups);
    let run = dir.provost(&["diagnose", "oom", "--format", "json", "kernel.log", "cgroup.txt"]);
    let report: Value = serde_json::from_str(&run.out).expect("a report");
    let count = |id: &str| {
        let found = report["findings"].as_array().unwrap().iter();
        found.filter(|finding| finding["rule"] == id).count()
    };
    // Leak, burst, group, shm and stacks; child and global and parent by themselves; cache twice.
    assert_eq!(count(CONTAINER), 5, "{run}");
    assert_eq!([count(CHILD), count(PARENT), count(NODE)], [1, 1, 1], "{run}");
    assert_eq!(count(CACHE), 2, "{run}");
}
