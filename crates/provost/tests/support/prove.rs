//! What tests of `provost prove` share: the programs, the sandbox, the loop over faults.

#![allow(dead_code, unreachable_pub, reason = "each test file is a crate and uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "it is a test's own tool"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Mutex;

use serde_json::Value;

use crate::support::{self, Dir, Run};

/// New connections come for that long: a drain is over soon.
pub const CONFIG: &str = "[cluster]\nendpoint_propagation = \"600ms\"\n";

/// The service of `fixtures/go/service` as a pod runs it. Five seconds to end, of which it goes on serving for
/// 0.6 and drains for two.
pub const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: service, namespace: shop, labels: {app.kubernetes.io/name: service}}
spec:
  terminationGracePeriodSeconds: 5
  containers:
    - name: service
      image: registry.example/shop/service:1
      env:
        - {name: PORT, value: "8080"}
        - {name: LAME_DUCK, value: 600ms}
        - {name: TOKEN, valueFrom: {secretKeyRef: {name: service, key: token}}}
      ports: [{name: http, containerPort: 8080}]
      startupProbe: {httpGet: {path: /livez, port: http}, periodSeconds: 1, failureThreshold: 30}
      readinessProbe: {httpGet: {path: /readyz, port: http}}
      livenessProbe: {httpGet: {path: /livez, port: http}}
"#;

/// The same with further entries of `env`, then fields of the container.
pub fn pod_with(lines: &str) -> String {
    let ports = "      ports:";
    POD.replacen(ports, &format!("{lines}\n{ports}"), 1)
}

/// The path of a program of `fixtures/go`, built by that version of Go for this machine.
pub fn fixture(program: &str, go: &str) -> String {
    let index = fs::read_to_string(support::repository().join("target/fixtures.json"))
        .expect("cargo xtask fixtures writes it");
    let index: Value = serde_json::from_str(&index).unwrap();
    let fits = |f: &&Value| {
        f["program"] == program
            && f["goarch"] == "amd64"
            && f["go"].as_str().unwrap().starts_with(go)
    };
    let found = index.as_array().unwrap().iter().find(fits);
    found.expect("it is among the fixtures")["path"].as_str().unwrap().to_owned()
}

/// A folder with the program under its name, and the manifest that runs it.
pub fn sandbox(program: &str, binary: &str, pod: &str) -> Dir {
    let sandbox = Dir::new();
    // A copy could be held open for writing by whatever another thread starts meanwhile.
    symlink(binary, sandbox.path().join(program)).unwrap();
    sandbox.file("pod.yaml", pod).file("provost.toml", CONFIG)
}

/// What `--write-proof proof.json` kept.
pub fn proof(sandbox: &Dir) -> Value {
    serde_json::from_str(&sandbox.read("proof.json")).unwrap()
}

/// A text without its line breaks.
pub fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Waits for something that has to come, and gives up after a time in which it surely would have.
pub fn eventually(mut what: impl FnMut() -> bool) -> bool {
    (0..400).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(25));
        what()
    })
}

/// `rule` or `rule/variant` of each finding.
pub fn findings(run: &Run) -> BTreeSet<String> {
    let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{run}"));
    let name = |finding: &Value| match finding["variant"].as_str() {
        Some(variant) => format!("{}/{variant}", finding["rule"].as_str().unwrap()),
        None => finding["rule"].as_str().unwrap().to_owned(),
    };
    report["findings"].as_array().unwrap().iter().map(name).collect()
}

/// Every fault is found by its own check and by no other: `run` gives the name of a fault, what is expected,
/// what was found, and the run. So many go side by side; they mostly wait.
pub fn each_is_found<F: Sync>(
    faults: &[F],
    at_once: usize,
    run: impl Fn(&F) -> (String, &'static [&'static str], BTreeSet<String>, Run) + Sync,
) {
    let waiting = Mutex::new(faults.iter());
    let wrong = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let Some(fault) = waiting.lock().unwrap().next() else { return };
                    let (name, expected, found, run) = run(fault);
                    let expected: BTreeSet<String> =
                        expected.iter().map(|&id| id.to_owned()).collect();
                    if found != expected {
                        let told = format!("{found:?}, not {expected:?}\n{}", run.err);
                        wrong.lock().unwrap().insert(name, told);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let told: Vec<String> = wrong.iter().map(|(fault, run)| format!("{fault}: {run}")).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}
