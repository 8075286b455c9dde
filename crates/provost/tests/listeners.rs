//! What a real program listens on, against its manifest.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::fs;

use serde_json::Value;
use support::{Dir, Run};

/// The server of `fixtures/go/server`, which reads `LISTEN_ADDR` and listens on `:8080` without it.
fn check(env: &str) -> Run {
    let sandbox = Dir::new();
    let index = fs::read_to_string(support::repository().join("target/fixtures.json"))
        .expect("cargo xtask fixtures writes it");
    let index: Value = serde_json::from_str(&index).unwrap();
    let fits = |f: &&Value| {
        f["program"] == "server" && f["goarch"] == "amd64" && f["variant"] == "stripped"
    };
    let program = index.as_array().unwrap().iter().rfind(fits).unwrap()["path"].clone();
    fs::copy(program.as_str().unwrap(), sandbox.path().join("server")).unwrap();
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: server, labels: {{app: server}}}}\nspec:\n  \
         containers:\n    - name: server\n      image: registry.example/shop/server:1\n      env: \
         [{env}]\n      ports: [{{name: http, containerPort: 8080}}]\n      readinessProbe: {{httpGet: \
         {{path: /healthz, port: http}}}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: \
         server}}\nspec: {{selector: {{app: server}}, ports: [{{name: http, port: 80, targetPort: \
         http}}]}}\n"
    );
    fs::write(sandbox.path().join("pod.yaml"), manifest).unwrap();
    let only = "unresolved-probe-port,unresolved-target-port,conflicting-listeners";
    let args = ["check", "pod.yaml", "--binary", "server", "--only", only, "--format", "json"];
    sandbox.provost(&args)
}

fn findings(run: &Run) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|f| (text(&f["rule"]), text(&f["level"]))).collect()
}

#[test]
fn a_default_that_a_value_overrides_is_no_evidence() {
    let run = check("{name: LISTEN_ADDR, value: \":9090\"}");
    assert_eq!(findings(&run), [("unresolved-probe-port".to_owned(), "error".to_owned())], "{run}");
    assert_eq!(run.code, 1, "{run}");
    for part in [
        "the program listens on :9090",
        ":8080 is its default only",
        "the default of LISTEN_ADDR",
        "Service server sends to it",
    ] {
        assert!(run.out.contains(part), "{part}: {run}");
    }
}

#[test]
fn the_default_and_a_value_that_agrees_are() {
    for env in ["", "{name: LISTEN_ADDR, value: \"0.0.0.0:8080\"}", "{name: PORT, value: \"9090\"}"]
    {
        let run = check(env);
        assert_eq!(findings(&run), [], "{env} {run}");
        assert_eq!(run.code, 0, "{env} {run}");
    }
}
