//! `provost prove --dependency` on a real service that breaks one clause about what it depends on.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/prove.rs"]
mod proving;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use proving::{each_is_found, findings, fixture, pod_with, words};
use support::{Dir, Run};

/// Its environment says where the store is.
const STORE: &str = r#"        - {name: STORE, value: "store.shop:5433"}"#;

/// Runs side by side: they mostly wait.
const AT_ONCE: usize = 2;

/// What is found for each fault.
const FAULTS: &[(&str, &[&str])] = &[
    ("", &[]),
    ("liveness-needs-store", &["liveness-follows-dependency"]),
    ("ready-without-store", &["readiness-ignores-dependency"]),
    ("crashes-without-store", &["crash-loops-without-dependency"]),
    ("ready-before-useful", &["ready-before-useful"]),
    // What still arrives is answered with errors, too.
    (
        "closes-store-first",
        &["closes-dependency-before-last-response", "refuses-during-endpoint-removal"],
    ),
];

/// A store as the service wants it: it answers each line. It is there as long as the test.
fn store() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().is_some_and(|line| line.is_ok()) {
                    if (&stream).write_all(b"got\n").is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn prove(go: &str, dependency: &str, fault: &str, more: &[&str]) -> Run {
    let sandbox = proving::sandbox("service", &fixture("service", go), &pod_with(STORE));
    let fault = format!("FAULT={fault}");
    let mut args = vec!["prove", "--binary", "service", "--manifest", "pod.yaml"];
    args.extend(["--env", &fault, "--dependency", dependency]);
    args.extend(["--path", "/stored", "--slow-path", "/slowly-stored"]);
    args.extend(more);
    sandbox.provost(&args)
}

fn each_fault_is_found(go: &str) {
    let real = store();
    let dependency = format!("tcp:5433=store.shop={real}");
    let more = ["start", "drain", "without-dependency", "outage"].map(|phase| ["--phase", phase]);
    let mut more = more.concat();
    more.extend(["--format", "json"]);
    each_is_found(FAULTS, AT_ONCE, |(fault, expected)| {
        let run = prove(go, &dependency, fault, &more);
        ((*fault).to_owned(), expected, findings(&run), run)
    });
}

#[test]
fn each_fault_about_a_dependency_of_a_go_1_22_service_is_found() {
    each_fault_is_found("1.22");
}

#[test]
fn each_fault_about_a_dependency_of_a_go_1_27_service_is_found() {
    each_fault_is_found("1.27");
}

#[test]
fn of_two_dependencies_each_fails_by_itself_and_is_named() {
    let (store, cache) = (store(), store());
    let cached = format!("        - {{name: CACHE, value: \"cache.shop:6379\"}}\n{STORE}");
    let pod = pod_with(&cached);
    let of = |fault: &str, phase: &str| {
        let sandbox = proving::sandbox("service", &fixture("service", "1.27"), &pod);
        let fault = format!("FAULT={fault}");
        let (store, cache) =
            (format!("tcp:5433=store.shop={store}"), format!("tcp:6379=cache.shop={cache}"));
        let run = sandbox.provost(&[
            "prove",
            "--binary",
            "service",
            "--manifest",
            "pod.yaml",
            "--env",
            &fault,
            "--dependency",
            &store,
            "--dependency",
            &cache,
            "--path",
            "/stored",
            "--phase",
            "start",
            "--phase",
            phase,
        ]);
        words(&run.out)
    };
    let said = of("liveness-needs-cache", "outage");
    assert!(
        said.contains("the liveness probe of /livez fails while cache.shop:6379 answers"),
        "{said}"
    );
    assert!(said.contains("1 error in 1 process"), "{said}");
    let said = of("crashes-without-cache", "without-dependency");
    assert!(
        said.contains("when cache.shop:6379 refuses connections, and does not say so"),
        "{said}"
    );
    assert!(said.contains("1 warning in 1 process"), "{said}");
}

#[test]
fn a_stub_answers_nothing_and_that_is_said() {
    let run = prove("1.27", "tcp:5433=store.shop", "", &["--ready-within", "3"]);
    let said = words(&run.err);
    assert!(said.contains("store.shop:5433 was spoken to on"), "{run}");
    assert!(said.contains("--dependency tcp:5433=127.0.0.1:5433"), "{run}");
    // What only waits for it is judged, and not for what the stub cannot do.
    assert!(!run.out.contains("ready-before-useful"), "{run}");
}

#[test]
fn what_is_not_on_loopback_is_no_dependency() {
    let run = prove("1.27", "tcp:5433=192.0.2.1:5433", "", &[]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("loopback address of this machine"), "{run}");
    let run = prove("1.27", "tcp:8080", "", &[]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("port 8080 is one that the process itself opens"), "{run}");
}

/// The inodes of sockets that a process which runs `program` has open; none while there is no such.
fn sockets_of(program: &Path) -> Option<BTreeSet<String>> {
    let runs = |folder: &Path| {
        let command = fs::read(folder.join("cmdline")).unwrap_or_default();
        command.split(|byte| *byte == 0).next() == Some(program.as_os_str().as_encoded_bytes())
    };
    let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let of_program = all.into_iter().find(|folder| runs(folder))?;
    let open = fs::read_dir(of_program.join("fd")).ok()?.flatten();
    let targets = open.filter_map(|fd| fs::read_link(fd.path()).ok());
    let inode = |target: std::path::PathBuf| {
        let target = target.to_string_lossy().into_owned();
        Some(target.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    Some(targets.filter_map(inode).collect())
}

/// Those of Unix sockets in the network outside; the program is in another.
fn outside() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    let inodes = table.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().nth(6));
    inodes.map(str::to_owned).collect()
}

#[test]
fn the_program_does_not_inherit_the_way_out_of_its_network() {
    let sandbox = Dir::new();
    let program = sandbox.path().canonicalize().unwrap().join("service");
    let service = fixture("service", "1.27");
    fs::hard_link(&service, &program).or_else(|_| fs::copy(&service, &program).map(drop)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_provost"))
        .args(["prove", "--binary", program.to_str().unwrap(), "--phase", "start"])
        .args(["--env", "PORT=8080", "--env", "TOKEN=x", "--env", "LAME_DUCK=1s"])
        .args(["--env", "STORE=store.shop:5433", "--path", "/stored"])
        .args(["--dependency", &format!("tcp:5433=store.shop={}", store())])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut seen = BTreeSet::new();
    let mut inherited = BTreeSet::new();
    while child.try_wait().unwrap().is_none() {
        if let Some(sockets) = sockets_of(&program) {
            inherited.extend(sockets.intersection(&outside()).cloned());
            seen.extend(sockets);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // It listens, so that it was looked at while it ran.
    assert!(!seen.is_empty());
    assert!(inherited.is_empty(), "{inherited:?} of {seen:?}");
}
