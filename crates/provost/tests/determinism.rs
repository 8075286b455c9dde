//! The same input gives the same bytes, whatever the number of threads, the order of arguments or
//! of directory entries.

mod support;

use support::Dir;

/// Twelve files with two workloads each, written in an order that differs by `step`.
fn folder(step: usize) -> Dir {
    let mut dir = Dir::new();
    for n in 0..12 {
        let n = (n * step) % 12;
        let objects: Vec<String> = ["web", "api"].iter().map(|name| deployment(name, n)).collect();
        dir = dir.file(&format!("deploy/d{}/s{n:02}.yaml", n % 3), &objects.join("---\n"));
    }
    dir.file("Dockerfile", "FROM debian:12\nCOPY web /web\nENTRYPOINT /web\n")
        .file("deploy/broken.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: [a}\n")
}

fn deployment(name: &str, n: usize) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}-{n}}}
spec:
  selector: {{matchLabels: {{app: {name}-{n}}}}}
  template:
    metadata: {{labels: {{app: {name}-{n}}}}}
    spec:
      containers:
        - name: {name}
          image: ghcr.io/acme/{name}:1.{n}
          env:
            - {{name: GOMEMLIMIT, value: {n}GiB}}
          resources:
            limits: {{cpu: 1500m, memory: 512Mi}}
"
    )
}

const CHECK: [&str; 5] = ["check", "--date", "2026-11-23", "--profile", "house"];

#[test]
fn threads_change_nothing() {
    let dir = folder(1);
    for format in ["text", "json"] {
        let args = [&CHECK[..], &["--verbose", "--format", format]].concat();
        let one = dir.provost_with_env(&args, &[("RAYON_NUM_THREADS", "1")]);
        assert!(one.out.len() > 1000, "{one}");
        for threads in ["2", "3", "8"] {
            let many = dir.provost_with_env(&args, &[("RAYON_NUM_THREADS", threads)]);
            assert_eq!(many.out, one.out, "{threads} threads");
        }
    }
}

#[test]
fn the_order_of_files_and_arguments_changes_nothing() {
    let args = |paths: &[&'static str]| [&CHECK[..], &["--format", "json"], paths].concat();
    let first = folder(1).provost(&args(&["deploy/d0", "deploy/d1", "deploy/d2", "Dockerfile"]));
    assert!(first.out.len() > 1000, "{first}");
    let second = folder(5).provost(&args(&["Dockerfile", "deploy/d2", "deploy/d0", "deploy/d1"]));
    assert_eq!(second.out, first.out);
    let third = folder(7).provost(&args(&["deploy/d1", "Dockerfile", "deploy/d2", "deploy/d0"]));
    assert_eq!(third.out, first.out);
}
