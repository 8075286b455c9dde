//! What `init` writes, as the tools of today judge it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::support::{self, Dir, files_below, succeed, tool};
use super::{assert_clean, commit, init, module, report};

fn kubeconform(manifests: &[PathBuf]) {
    let valid = support::kubeconform(manifests);
    assert!(valid >= 3, "{valid}");
}

/// Every check of kube-score that applies has its best grade.
fn kube_score(manifests: &[PathBuf]) {
    let checks = support::kube_score(manifests);
    for (object, check) in &checks {
        // Whether a worker may run twice is not known.
        if check["check"]["id"] == "deployment-replicas" {
            assert!(check["grade"].as_i64().unwrap() >= 5, "{check:#}");
            continue;
        }
        assert_eq!(check["grade"], 10, "{object}\n{check:#}");
    }
    assert!(checks.len() >= 10, "kube-score made {} checks", checks.len());
}

fn hadolint(dir: &Dir, files: &[&str]) {
    let out = succeed(
        Command::new(tool("hadolint"))
            .args(["--no-fail", "--format", "json"])
            .args(files)
            .current_dir(dir.path()),
    );
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), serde_json::json!([]));
}

/// Everything about one module, as manifests and as a chart.
fn judged(name: &str, services: &[&str]) {
    let count = services.len() as u64;
    let dir = module(name);
    init(&dir, &[]);
    commit(&dir);
    assert_clean(&report(&dir, &["--build"]), &format!("{name}, manifests"), count);
    let deploy = dir.path().join("deploy");
    let manifests: Vec<_> = files_below(&deploy).iter().map(|file| deploy.join(file)).collect();
    kubeconform(&manifests);
    kube_score(&manifests);
    let dockerfiles: Vec<String> = match services {
        [_] => vec!["Dockerfile".to_owned()],
        many => many.iter().map(|service| format!("Dockerfile.{service}")).collect(),
    };
    hadolint(&dir, &dockerfiles.iter().map(String::as_str).collect::<Vec<_>>());

    let dir = module(name);
    init(&dir, &["--helm"]);
    commit(&dir);
    let mut args = vec!["--build".to_owned()];
    for service in services {
        args.extend(["--chart".to_owned(), format!("charts/{service}")]);
    }
    args.push(".".to_owned());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    assert_clean(&report(&dir, &args), &format!("{name}, chart"), count);
    for service in services {
        for helm in ["helm", "helm4"] {
            let helm = || {
                let mut command = Command::new(tool(helm));
                command.current_dir(dir.path()).env("HOME", dir.path());
                command
            };
            let chart = format!("charts/{service}");
            succeed(helm().args(["lint", "--strict", &chart]));
            let rendered = succeed(helm().args([
                "template",
                "prod",
                &chart,
                "--namespace",
                "prod",
                "--kube-version",
                "1.35.0",
            ]));
            let file = Dir::new().file("rendered.yaml", &rendered);
            let file = [file.path().join("rendered.yaml")];
            kubeconform(&file);
            kube_score(&file);
            assert!(rendered.contains(&format!("prod-{service}")), "{rendered}");
        }
    }
}

#[test]
fn an_http_service_has_no_findings() {
    judged("http", &["greeter"]);
}

#[test]
fn a_grpc_service_has_no_findings() {
    judged("grpc", &["rates"]);
}

#[test]
fn a_worker_has_no_findings() {
    judged("worker", &["worker"]);
}

#[test]
fn a_service_with_c_has_no_findings() {
    judged("cgo", &["measure"]);
}

#[test]
fn a_service_with_a_debug_listener_has_no_findings() {
    judged("debug", &["ledger"]);
}

#[test]
fn a_worker_with_a_debug_listener_has_no_findings() {
    judged("profiled", &["sweeper"]);
}

#[test]
fn a_worker_with_a_port_for_its_metrics_has_no_findings() {
    judged("metered", &["settler"]);
}

#[test]
fn a_service_of_both_protocols_has_no_findings() {
    judged("both", &["quotes"]);
}

#[test]
fn several_services_have_no_findings() {
    judged("several", &["api", "worker"]);
}
