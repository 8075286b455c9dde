//! The same input gives the same bytes, whatever the number of threads, the order of arguments or
//! of directory entries.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::fs;
use std::process::Command;

use support::{Dir, go_env, repository, succeed};

/// Twelve files with two workloads each, written in an order that differs by `step`.
fn folder(step: usize) -> Dir {
    let mut dir = Dir::new();
    for n in 0..12 {
        let n = (n * step) % 12;
        let objects: Vec<String> = ["web", "api"].iter().map(|name| deployment(name, n)).collect();
        dir = dir.file(&format!("deploy/d{}/s{n:02}.yaml", n % 3), objects.join("---\n"));
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

const FORMATS: [&str; 8] =
    ["text", "json", "sarif", "github", "gitlab", "junit", "markdown", "html"];

const CHECK: [&str; 5] = ["check", "--date", "2026-11-23", "--profile", "house"];

#[test]
fn threads_change_nothing() {
    let dir = folder(1);
    for format in FORMATS {
        let args = [&CHECK[..], &["--verbose", "--format", format]].concat();
        let one = dir.provost_with_env(&args, &[("RAYON_NUM_THREADS", "1")]);
        assert!(one.out.len() > 1000, "{one}");
        for threads in ["2", "3", "8"] {
            let many = dir.provost_with_env(&args, &[("RAYON_NUM_THREADS", threads)]);
            assert_eq!(many.out, one.out, "{format}: {threads} threads");
        }
    }
}

#[test]
fn the_order_of_files_and_arguments_changes_nothing() {
    let (first, second, third) = (folder(1), folder(5), folder(7));
    for format in FORMATS {
        let judge = |dir: &Dir, paths: [&str; 4]| {
            let run = dir.provost(&[&CHECK[..], &["--format", format], &paths].concat());
            assert!(run.out.len() > 1000, "{format}: {run}");
            run.out
        };
        let expected = judge(&first, ["deploy/d0", "deploy/d1", "deploy/d2", "Dockerfile"]);
        let second = judge(&second, ["Dockerfile", "deploy/d2", "deploy/d0", "deploy/d1"]);
        assert_eq!(second, expected, "{format}");
        let third = judge(&third, ["deploy/d1", "Dockerfile", "deploy/d2", "deploy/d0"]);
        assert_eq!(third, expected, "{format}");
    }
}

/// The program of the textbook's image, built once.
fn program() -> Vec<u8> {
    let dir = Dir::new();
    let path = dir.path().join("svc");
    let mut go = Command::new("go");
    // As its Dockerfile builds it, so that the standard library is compiled only once.
    go.args(["build", "-ldflags=-s -w", "-o"]).arg(&path).arg("./cmd/svc");
    go.env("CGO_ENABLED", "0").env("GOOS", "linux").env("GOFLAGS", "-buildvcs=false");
    succeed(go.envs(go_env()).current_dir(repository().join("examples/textbook")));
    fs::read(path).unwrap()
}

/// Both examples, a few broken files, and many services alike, written in an order.
fn tree(program: &[u8], order: fn(&mut [(String, Vec<u8>)])) -> Dir {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let examples = repository().join("examples");
    // One configuration is enough.
    let paths = support::files_below(&examples);
    for path in paths.into_iter().filter(|path| path != "checkout/provost.toml") {
        files.push((path.clone(), fs::read(examples.join(path)).unwrap()));
    }
    let orders = fs::read_to_string(examples.join("textbook/deploy/orders.yaml")).unwrap();
    for number in 0..6 {
        let text = orders.replace("orders", &format!("orders-{number}"));
        files.push((format!("many/{}/orders.yaml", number % 3 * 100 + number), text.into()));
    }
    files.push(("textbook/svc".to_owned(), program.to_vec()));
    files.push((
        "broken/a.yaml".to_owned(),
        b"apiVersion: v1\nkind: Pod\nmetadata: {name: [a}\n".to_vec(),
    ));
    files.push(("broken/b.yaml".to_owned(), b"apiVersion: v1\nkind: \"Pod\n".to_vec()));
    files.push(("broken/Dockerfile".to_owned(), b"FROM\nRUN\n".to_vec()));
    files.push(("broken/elf".to_owned(), program[..5000].to_vec()));
    order(&mut files);
    files.into_iter().fold(Dir::new(), |dir, (path, bytes)| dir.file(&path, bytes))
}

fn as_listed(_: &mut [(String, Vec<u8>)]) {}

/// An order that has nothing to do with names: by the last digits of a product.
fn shuffled(files: &mut [(String, Vec<u8>)]) {
    let mut at = 0_usize;
    files.sort_by_cached_key(|_| {
        at += 1;
        (at * 7919) % 127
    });
    assert!(!files.is_sorted_by_key(|(path, _)| path.clone()));
}

fn reversed(files: &mut [(String, Vec<u8>)]) {
    files.reverse();
}

const FOLDERS: [&str; 4] = ["textbook", "broken", "many", "checkout"];

fn reports(dir: &Dir, threads: &str, folders: &[&str]) -> [String; 3] {
    let env = [("RAYON_NUM_THREADS", threads)];
    let render = |how: &[&str]| {
        let head = ["check", "--date", "2026-11-24", "--profile", "house", "--dockerfile"];
        let dockerfile = ["textbook/Dockerfile"];
        let run = dir.provost_with_env(&[&head[..], &dockerfile, how, folders].concat(), &env);
        assert!(run.code == 1 || run.code == 2, "{run}");
        format!("exit {}\n{}{}", run.code, run.out, run.err)
    };
    let (text, all, json) =
        (render(&["--quiet"]), render(&["--verbose"]), render(&["--format", "json"]));
    // There is something to mix up.
    assert!(text.matches("\nerror[").count() >= 5, "{text}");
    assert!(json.matches("\"fingerprint\"").count() >= 50, "{json}");
    assert!(all.len() > text.len());
    [text, all, json]
}

#[track_caller]
fn same(got: &[String; 3], expected: &[String; 3]) {
    for (got, expected) in got.iter().zip(expected) {
        if got != expected {
            let differs = got.lines().zip(expected.lines()).find(|(a, b)| a != b);
            panic!("the reports differ: {differs:?}");
        }
    }
}

#[test]
fn reports_are_the_same_bytes_for_any_order_and_number_of_threads() {
    let program = program();
    let dir = tree(&program, as_listed);
    let expected = reports(&dir, "1", &FOLDERS);
    for _ in 0..2 {
        same(&reports(&dir, "4", &FOLDERS), &expected);
    }
    same(&reports(&dir, "4", &["many", "checkout", "broken", "textbook"]), &expected);
    for order in [shuffled as fn(&mut [(String, Vec<u8>)]), reversed] {
        same(&reports(&tree(&program, order), "4", &FOLDERS), &expected);
    }
}

#[test]
fn two_configurations_are_a_mistake_in_any_order() {
    let dir = Dir::new()
        .copy_of("examples", |_| ())
        .file("alone/Dockerfile", "FROM scratch\nENTRYPOINT [\"/x\"]\n");
    let one = dir.provost(&["check", "textbook", "checkout"]);
    assert_eq!((one.code, one.out.as_str()), (2, ""), "{one}");
    assert!(one.err.contains("checkout/provost.toml and textbook/provost.toml"), "{one}");
    assert_eq!(dir.provost(&["check", "checkout", "textbook"]).err, one.err);
    // A path without one takes the other's.
    let one = dir.provost(&["check", "textbook/deploy", "alone", "textbook"]);
    assert!(one.out.contains("textbook/provost.toml"), "{one}");
    assert_eq!(dir.provost(&["check", "alone", "textbook", "textbook/deploy"]).out, one.out);
}
