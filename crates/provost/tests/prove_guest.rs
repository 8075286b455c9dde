//! `provost prove` under cgroup v2: in a virtual machine, whatever version this one has.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/guest.rs"]
mod guest;
#[path = "support/prove.rs"]
mod proving;
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use guest::Left;
use proving::{fixture, pod_with, words};
use serde_json::{Value, json};
use support::{Dir, succeed};

/// What the machine has, in MiB: more than the program asks the kernel for, which is killed for taking it.
const MEMORY: &str = "640";

const ID: &str = "cri-containerd-5e1f.scope";

/// The service in limits that it keeps.
fn pod(cpu: &str) -> String {
    let limits = format!("      resources: {{limits: {{cpu: {cpu}, memory: 96Mi}}}}");
    pod_with(&format!("        - {{name: GOMEMLIMIT, value: 80MiB}}\n{limits}"))
}

/// Copies a file into a root, under the same path.
fn place(root: &Path, path: &str) {
    let to = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(path, to).unwrap();
}

/// A root with Provost, the service, and what both need.
fn root(dir: &Dir) -> std::path::PathBuf {
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("tmp")).unwrap();
    let provost = env!("CARGO_BIN_EXE_provost");
    // What debuggers read of it is more than the machine has in memory.
    succeed(Command::new("strip").arg("-o").arg(root.join("provost")).arg(provost));
    for line in succeed(Command::new("ldd").arg(provost)).lines() {
        // `libc.so.6 => /lib/libc.so.6 (0x7f)`, `/lib64/ld-linux-x86-64.so.2 (0x7f)`
        if let Some(path) = line.split_ascii_whitespace().find(|word| word.starts_with('/')) {
            place(&root, path);
        }
    }
    fs::copy(fixture("service", "1.27"), root.join("service")).unwrap();
    fs::write(root.join("right.yaml"), pod("200m")).unwrap();
    // It is to be killed soon.
    fs::write(root.join("eats.yaml"), pod("1")).unwrap();
    fs::write(root.join("provost.toml"), proving::CONFIG).unwrap();
    root
}

fn scenario(name: &str, arguments: &[&str]) -> Value {
    let pod = format!("{name}.yaml");
    let prove = ["/provost", "prove", "--binary", "service", "--manifest", &pod, "--path", "/"];
    let program: Vec<&str> = prove.iter().chain(arguments).copied().collect();
    json!({
        "Name": name, "Program": program, "Env": ["PATH=/", "TMPDIR=/tmp", "HOME=/tmp"],
        "ID": "5e1f", "UID": "8f2c6f0e", "Root": "/data", "Keep": ["proof.json"],
    })
}

fn proof(left: &Left) -> Value {
    serde_json::from_str(&left["proof.json"]).unwrap()
}

#[test]
fn a_service_has_the_limits_of_its_container_under_cgroup_v2() {
    let dir = Dir::new();
    let root = root(&dir);
    let programs = [("init".to_owned(), fixture("guest", "1.27"))];
    let right = ["--phase", "start", "--phase", "throttled", "--phase", "limits"];
    let write = ["--write-proof", "proof.json", "--env"];
    let left = guest::run_with_disk(
        &programs,
        (MEMORY, Some(&root)),
        &[
            scenario("right", &[&right[..], &write, &["FAULT="]].concat()),
            scenario("eats", &[&right[..2], &write, &["FAULT=eats-memory"]].concat()),
        ],
    );
    for (name, left) in &left {
        // The group of the container alone: those of the runs are gone.
        let groups: Vec<&str> = left["groups.txt"].lines().collect();
        assert!(groups.iter().any(|group| group.ends_with(ID)), "{name}: {groups:?}");
        assert!(!groups.iter().any(|group| group.contains("provost-")), "{name}: {groups:?}");
        let stage = &proof(left)["stage"];
        let (reproduced, missing) = (stage["reproduced"].to_string(), stage["missing"].to_string());
        let cpu = if name == "right" { "its CPU limit, 200m" } else { "its CPU limit, 1" };
        assert!(reproduced.contains(cpu), "{name}: {reproduced}");
        assert!(reproduced.contains("its memory limit, 96 MiB"), "{name}: {reproduced}");
        // The machine's are there already, and of the same file system.
        assert!(!missing.contains("/sys/fs/cgroup"), "{name}: {missing}");
    }
    let said = &left["right"]["process.log"];
    let proof_of = proof(&left["right"]);
    let phases = proof_of["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 3, "{said}");
    for phase in phases {
        assert!(phase["ready_us"].is_u64(), "{said}");
        let used = &phase["used"];
        let peak = used["memory_peak"].as_u64().unwrap_or(0);
        // Linux counts it since 5.19.
        assert!((1 << 16..=96 << 20).contains(&peak), "{used} {said}");
        assert_eq!((&used["cpu_limit_m"], &used["killed"]), (&200.into(), &0.into()), "{said}");
    }
    let throttled = phases.iter().find(|phase| phase["name"] == "throttled").unwrap();
    let throttled = &throttled["used"];
    assert!(throttled["throttled"].as_u64().unwrap() > 0, "{throttled} {said}");
    assert!(throttled["throttled_us"].as_u64().unwrap() > 0, "{throttled} {said}");
    // What needs more is killed by the kernel of the machine, and that is told.
    let said = &left["eats"]["process.log"];
    let start = &proof(&left["eats"])["phases"][0];
    assert!(start["used"]["killed"].as_u64().unwrap() >= 1, "{start}");
    assert!(words(said).contains("the kernel killed it at its memory limit of 96 MiB"), "{said}");
    let kernel = &left["eats"]["kernel.log"];
    assert!(kernel.contains("memory.oom.group set") && kernel.contains("/provost-"), "{kernel}");
}
