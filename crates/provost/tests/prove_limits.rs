//! `provost prove` under the limits of a container.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/prove.rs"]
mod proving;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use proving::{each_is_found, eventually, findings, fixture, pod_with, proof, words};

/// The service in limits that it keeps.
fn pod() -> String {
    let limits = "      resources: {limits: {cpu: 200m, memory: 96Mi}}";
    pod_with(&format!("        - {{name: GOMEMLIMIT, value: 80MiB}}\n{limits}"))
}

/// What is found for each fault.
const FAULTS: &[(&str, &[&str])] = &[
    ("", &[]),
    ("many-threads", &["ignores-cgroup-limits"]),
    ("no-memory-limit", &["ignores-cgroup-limits/memory"]),
    ("large-memory-limit", &["ignores-cgroup-limits/memory"]),
    ("liveness-computes", &["probe-slower-than-its-timeout"]),
];

const PHASES: [&str; 6] = ["--phase", "start", "--phase", "throttled", "--phase", "limits"];

#[test]
fn each_fault_under_limits_is_found() {
    for go in ["1.22", "1.27"] {
        let binary = fixture("service", go);
        // One after the other: it is processor time that is measured.
        each_is_found(FAULTS, 1, |(fault, expected)| {
            let sandbox = proving::sandbox("service", &binary, &pod());
            let fault_is = format!("FAULT={fault}");
            let mut args = vec!["prove", "--binary", "service", "--manifest", "pod.yaml"];
            args.extend(["--path", "/", "--env", &fault_is, "--format", "json"]);
            args.extend(PHASES);
            let run = sandbox.provost(&args);
            ((*fault).to_owned(), expected, findings(&run), run)
        });
    }
}

#[test]
fn the_right_service_is_clean_under_its_limits_and_the_proof_tells_what_it_used() {
    for go in ["1.22", "1.27"] {
        let sandbox = proving::sandbox("service", &fixture("service", go), &pod());
        let run = sandbox.provost(&[
            "prove",
            "--binary",
            "service",
            "--manifest",
            "pod.yaml",
            "--env",
            "FAULT=",
            "--format",
            "json",
            "--write-proof",
            "proof.json",
        ]);
        assert_eq!(findings(&run), BTreeSet::new(), "{run}");
        let proof = proof(&sandbox);
        assert_eq!(proof["terms"]["cpu_limit_m"], 200);
        assert_eq!(proof["terms"]["memory_limit"], 96 << 20);
        let phases = proof["phases"].as_array().unwrap();
        let phase = |name: &str| phases.iter().find(|phase| phase["name"] == name).unwrap();
        for phase in phases {
            let used = &phase["used"];
            let peak = used["memory_peak"].as_u64().unwrap();
            assert!((1 << 16..=96 << 20).contains(&peak), "{peak} {run}");
            assert_eq!((&used["cpu_limit_m"], &used["killed"]), (&200.into(), &0.into()), "{run}");
        }
        let used = &phase("throttled")["used"];
        let number = |key: &str| used[key].as_u64().unwrap();
        // In each of some forty periods 20 ms, where this machine has as much to give: on a busy one most of them pass
        // without.
        assert!((1..=number("periods")).contains(&number("throttled")), "{used}");
        assert!(number("throttled_us") > 0, "{used}");
        let collector = &phase("limits")["collector"];
        assert_eq!(collector["memory_limit"], 80 << 20, "{collector}");
        assert!(phase("limits")["scheduler"]["gomaxprocs"].as_u64().unwrap() >= 1, "{run}");
        let reproduced = proof["stage"]["reproduced"].to_string();
        assert!(reproduced.contains("its CPU limit, 200m"), "{reproduced}");
        assert!(reproduced.contains("its memory limit, 96 MiB"), "{reproduced}");
    }
}

#[test]
fn what_needs_more_memory_than_its_limit_is_killed_by_it() {
    let sandbox = proving::sandbox("service", &fixture("service", "1.27"), &pod());
    let run = sandbox.provost(&[
        "prove",
        "--binary",
        "service",
        "--manifest",
        "pod.yaml",
        "--phase",
        "start",
        "--env",
        "FAULT=eats-memory",
        "--write-proof",
        "proof.json",
    ]);
    let proof = proof(&sandbox);
    let start = &proof["phases"][0];
    assert!(start["used"]["killed"].as_u64().unwrap() >= 1, "{start}");
    let said = words(&run.out);
    assert!(said.contains("never-listens/ends-at-once"), "{run}");
    assert!(said.contains("the kernel killed it at its memory limit of 96 MiB"), "{run}");
}

/// Control groups of any run of provost.
fn groups(at: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if entry.file_name().to_string_lossy().starts_with("provost-") {
                found.insert(entry.path());
            }
            groups(&entry.path(), found);
        }
    }
}

/// Those whose processes run what lies in that folder.
fn groups_of(folder: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    groups(Path::new("/sys/fs/cgroup"), &mut all);
    let runs_there = |group: &PathBuf| {
        let inside = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        inside.lines().any(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(folder.to_str().unwrap())
        })
    };
    all.retain(runs_there);
    all
}

#[test]
fn no_control_group_is_left_behind() {
    for (signal, code) in [("-KILL", None), ("-INT", Some(130)), ("-TERM", Some(143))] {
        let sandbox = proving::sandbox("service", &fixture("service", "1.27"), &pod());
        let folder = sandbox.path().canonicalize().unwrap().join("here");
        fs::create_dir(&folder).unwrap();
        let program = folder.join("service");
        fs::copy(fixture("service", "1.27"), &program).unwrap();
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_provost"))
            .args(["prove", "--binary", program.to_str().unwrap(), "--manifest", "pod.yaml"])
            .args(["--env", "FAULT=ignores-signal"])
            .current_dir(sandbox.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut made = BTreeSet::new();
        assert!(eventually(|| {
            made = groups_of(&folder);
            // Of version 1 memory and processor time are two.
            !made.is_empty()
        }));
        let pid = child.id().to_string();
        let killed = std::process::Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(killed.success());
        assert_eq!(child.wait().unwrap().code(), code, "{signal}");
        assert!(eventually(|| made.iter().all(|group| !group.exists())), "{signal}: {made:?}");
    }
}
