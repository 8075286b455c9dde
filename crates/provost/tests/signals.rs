//! Which signals a real program handles, from the binary to the report.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::fs;

use serde_json::Value;
use support::{Dir, Run, repository};

/// The program by every Go version, machine and variant that it was built for, each judged with a
/// Deployment that runs it.
fn each_build(program: &str, check: impl Fn(&str, &Run)) {
    let index = fs::read_to_string(repository().join("target/fixtures.json"))
        .expect("cargo xtask fixtures writes it");
    let all: Value = serde_json::from_str(&index).unwrap();
    let mut judged = 0;
    for fixture in all.as_array().unwrap().iter().filter(|f| f["program"] == program) {
        let path = fixture["path"].as_str().unwrap();
        let dir = Dir::new().file("bin/app", fs::read(path).unwrap()).file(
            "deploy.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec:\n  selector: \
             {matchLabels: {app: app}}\n  template:\n    metadata: {labels: {app: app}}\n    spec:\n      \
             containers: [{name: app, image: \"registry.example/app:1\"}]\n",
        );
        let rule = "no-termination-handler";
        check(path, &dir.provost(&["check", "--only", rule, "--fail-on", "warn", "."]));
        judged += 1;
    }
    assert!(judged > 3, "run `cargo xtask fixtures`");
}

#[test]
fn a_handler_of_interrupts_alone_is_none() {
    each_build("interrupt", |path, run| {
        assert_eq!(run.code, 1, "{path}: {run}");
        let text: String = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("the program handles SIGINT only, and SIGTERM ends it"), "{run}");
        assert!(text.contains("main.main asks for SIGINT, nobody for SIGTERM"), "{run}");
    });
}

#[test]
fn a_handler_of_both_is_one() {
    each_build("server", |path, run| assert_eq!(run.code, 0, "{path}: {run}"));
}
