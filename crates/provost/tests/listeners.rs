//! What a real program listens on, against its manifest.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::fs;

use serde_json::Value;
use support::{Dir, Run};

/// The server of `fixtures/go/server`, which reads `LISTEN_ADDR` and listens on `:8080` without it.
fn check(env: &str) -> Run {
    let only = "unresolved-probe-port,unresolved-target-port,conflicting-listeners";
    let container = format!(
        "env: [{env}], ports: [{{name: http, containerPort: 8080}}], readinessProbe: {{httpGet: \
         {{path: /healthz, port: http}}}}"
    );
    judge("server", only, &container, "http")
}

/// A program of the fixtures in a container that says `container`, behind a Service that sends to `target`.
fn judge(program: &str, only: &str, container: &str, target: &str) -> Run {
    let sandbox = Dir::new();
    let index = fs::read_to_string(support::repository().join("target/fixtures.json"))
        .expect("cargo xtask fixtures writes it");
    let index: Value = serde_json::from_str(&index).unwrap();
    let fits = |f: &&Value| {
        f["program"] == program && f["goarch"] == "amd64" && f["variant"] == "stripped"
    };
    let program = index.as_array().unwrap().iter().rfind(fits).unwrap()["path"].clone();
    fs::copy(program.as_str().unwrap(), sandbox.path().join("server")).unwrap();
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: server, labels: {{app: server}}}}\nspec: \
         {{containers: [{{name: server, image: \"registry.example/shop/server:1\", {container}}}]}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: server}}\nspec: {{selector: {{app: server}}, \
         ports: [{{name: http, port: 80, targetPort: {target}}}]}}\n"
    );
    fs::write(sandbox.path().join("pod.yaml"), manifest).unwrap();
    let dockerfile = "FROM gcr.io/distroless/static-debian12:nonroot\nCOPY server /server\nENTRYPOINT \
                      [\"/server\"]\n";
    fs::write(sandbox.path().join("Dockerfile"), dockerfile).unwrap();
    let inputs = ["check", "pod.yaml", "Dockerfile", "--binary", "server"];
    let options = ["--only", only, "--format", "json"];
    sandbox.provost(&[&inputs[..], &options[..]].concat())
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

/// `/health` is no path of a program that serves `/healthz`.
#[test]
fn a_path_that_begins_like_another_is_not_served() {
    let judge = |path: &str| {
        let probe = format!("readinessProbe: {{httpGet: {{path: {path}, port: 8080}}}}");
        findings(&judge("server", "probe-path-not-served", &probe, "8080"))
    };
    assert_eq!(judge("/healthz"), []);
    let warning = ("probe-path-not-served".to_owned(), "warning".to_owned());
    assert_eq!(judge("/health"), [warning]);
}

/// `:8080` is no text of port 80: the port is wrong, and nobody opens a privileged one.
#[test]
fn a_container_port_of_80_beside_a_default_of_8080_is_a_mismatch() {
    let only = "unresolved-probe-port,unresolved-target-port,privileged-port";
    let container = "ports: [{name: http, containerPort: 80}], readinessProbe: {httpGet: {path: /healthz, \
                     port: http}}";
    let run = judge("server", only, container, "http");
    let warning = ("unresolved-probe-port".to_owned(), "warning".to_owned());
    assert_eq!(findings(&run), [warning], "{run}");
    assert!(run.out.contains("nothing sets LISTEN_ADDR, whose default is :8080"), "{run}");
}

/// `fixtures/go/hosts` joins `127.0.0.1:` with `JOINED_PORT`, and no other host with anything.
#[test]
fn a_host_that_the_code_puts_in_front_of_a_port_stays() {
    let container = |name: &str| {
        format!(
            "env: [{{name: {name}, value: \"9000\"}}], readinessProbe: {{tcpSocket: {{port: 9000}}}}"
        )
    };
    let run = judge("hosts", "loopback-listener", &container("JOINED_PORT"), "9000");
    let warning = ("loopback-listener".to_owned(), "warning".to_owned());
    assert_eq!(findings(&run), [warning], "{run}");
    assert!(run.out.contains("puts 127.0.0.1: in front of JOINED_PORT"), "{run}");
    // It is read by another function, too.
    let run = judge("hosts", "loopback-listener", &container("TWICE_PORT"), "9000");
    assert_eq!(findings(&run), [], "{run}");
}

/// `fixtures/go/hosts` holds 29001 to 29007 in code, data and texts, and 29030 nowhere.
#[test]
fn a_port_that_nothing_opens() {
    let judge = |port: u16| {
        let container = format!("ports: [{{name: metrics, containerPort: {port}}}]");
        judge("hosts", "unresolved-target-port", &container, "8081")
    };
    for port in 29001..=29007 {
        let run = judge(port);
        assert!(!run.out.contains("container-port-not-listened-on"), "{run}");
    }
    let run = judge(29030);
    assert!(run.out.contains("container-port-not-listened-on"), "{run}");
}
