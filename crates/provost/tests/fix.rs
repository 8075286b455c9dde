//! `--fix` changes the bytes that are wrong and no others.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::process::Command;

use support::{Dir, Run, files_below, succeed};

const CANARY: &str = "kanarie-7Qx9vW2m";

/// Comments, anchors, quotes, odd indentation and line ends around what is wrong.
const DEPLOYMENT: &str = "\
# Deployed by the shop team.\r
---
apiVersion: apps/v1   # keep
kind: Deployment
metadata:
    name: shop
spec:
    selector: {matchLabels: &labels {app: shop}}
    template:
        metadata: {labels: *labels}
        spec:
            terminationGracePeriodSeconds:   0   # too fast
            containers:
            -   name: shop
                image: 'registry.example/shop:1.2.3'
                env:
                -   {name: GOMEMLIMIT, value: \"2GiB\"}   # much
                -   {name: DB_PASSWORD, value: kanarie-7Qx9vW2m}
                -   name: GODEBUG
                    value: 'madvdontneed=1;http2client=0'
                resources: {limits: {memory: 512Mi}}
";

const RULES: &str = "gomemlimit-above-memory-limit,malformed-godebug,extreme-grace-period";

fn check(dir: &Dir, more: &[&str]) -> Run {
    let args = ["check", "--date", "2026-11-24", "--only", RULES, "shop.yaml"];
    dir.provost(&[&args[..], more].concat())
}

#[test]
fn only_the_bytes_that_are_wrong_change() {
    let dir = Dir::new().file("shop.yaml", DEPLOYMENT);
    assert_eq!(check(&dir, &[]).code, 1);
    let run = check(&dir, &["--fix"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.err.contains("fixed 3 findings in 1 file"), "{run}");
    let expected = DEPLOYMENT
        .replace("Seconds:   0 ", "Seconds:   30 ")
        .replace("\"2GiB\"", "\"460MiB\"")
        .replace("1;http2client", "1,http2client");
    assert_eq!(dir.read("shop.yaml"), expected);

    // A second run has nothing to do.
    let again = check(&dir, &["--fix"]);
    assert_eq!(again.code, 0, "{again}");
    assert!(again.err.contains("fixed 0 findings"), "{again}");
    assert_eq!(dir.read("shop.yaml"), expected);
}

#[test]
fn a_diff_changes_nothing_and_applies() {
    let plain = DEPLOYMENT.replace(CANARY, "$(FROM_ELSEWHERE)");
    let dir = Dir::new().file("deploy/shop.yaml", &plain);
    let args = ["check", "--date", "2026-11-24", "--only", RULES, "deploy", "--fix"];
    let run = dir.provost(&[&args[..], &["--diff"]].concat());
    assert_eq!(run.code, 1, "{run}");
    assert_eq!(dir.read("deploy/shop.yaml"), plain);
    assert!(run.out.starts_with("--- a/deploy/shop.yaml\n+++ b/deploy/shop.yaml\n@@"), "{run}");
    assert!(run.err.contains("would fix 3 findings in 1 file"), "{run}");

    // git applies it, and comes to the same bytes as --fix.
    let dir = dir.file("fix.diff", &run.out);
    succeed(Command::new("git").args(["apply", "--check", "fix.diff"]).current_dir(dir.path()));
    succeed(Command::new("git").args(["apply", "fix.diff"]).current_dir(dir.path()));
    let applied = dir.read("deploy/shop.yaml");
    let dir = dir.file("deploy/shop.yaml", &plain);
    dir.provost(&args);
    assert_eq!(dir.read("deploy/shop.yaml"), applied);
}

/// The diff is what was asked for, and so is why there is none.
#[test]
fn quiet_hides_neither_the_diff_nor_why_it_is_empty() {
    let dir = Dir::new().file("shop.yaml", DEPLOYMENT);
    let loud = check(&dir, &["--fix", "--diff"]);
    for quiet in ["-q", "--quiet"] {
        let run = check(&dir, &["--fix", "--diff", quiet]);
        assert_eq!((run.code, &run.out), (1, &loud.out), "{run}");
        assert!(run.out.starts_with("--- a/shop.yaml\n+++ b/shop.yaml\n@@"), "{run}");
        assert_eq!(run.err, loud.err, "{run}");
        assert!(run.err.contains("2 findings of level deny or above before any fix"), "{run}");
    }
    // Beside a report in a file.
    let run = check(&dir, &["--fix", "--diff", "-q", "--format", "json=report.json"]);
    assert_eq!(run.out, loud.out, "{run}");
    assert!(dir.read("report.json").contains("gomemlimit-above-memory-limit"));
    // Nothing that is safe: the diff is empty, and that is said.
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  hostNetwork: true\n  containers: [{name: a, image: a:1}]\n";
    let dir = Dir::new().file("pod.yaml", pod);
    let warn =
        ["check", "--only", "host-namespace", "--fail-on", "warn", "pod.yaml", "--fix", "-q"];
    let args = [&warn[..], &["--diff"]].concat();
    let run = dir.provost(&args);
    assert_eq!((run.code, run.out.as_str()), (1, ""), "{run}");
    assert!(
        run.err.contains("would fix 0 findings in 0 files; --unsafe-fixes has 1 more"),
        "{run}"
    );
    assert!(run.err.contains("1 finding of level warn or above before any fix"), "{run}");
    let run = dir.provost(&[&args[..], &["--unsafe-fixes"]].concat());
    assert!(run.out.contains("+  hostNetwork: false"), "{run}");
    // Without a diff, what went well is no answer that -q would have to give.
    let run = dir.provost(&[&warn[..], &["--unsafe-fixes"]].concat());
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{run}");
}

#[test]
fn secrets_are_neither_shown_nor_lost() {
    let dir = Dir::new().file("shop.yaml", DEPLOYMENT);
    let run = check(&dir, &["--fix", "--diff"]);
    assert!(run.out.contains("value: ****"), "{run}");
    assert!(!run.to_string().contains(CANARY), "{run}");
    check(&dir, &["--fix"]);
    assert!(dir.read("shop.yaml").contains(CANARY), "the file keeps it");
}

#[test]
fn what_a_person_decides_waits_for_unsafe_fixes() {
    let dir = Dir::new().file(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  hostNetwork: true # for now\n  containers: [{name: a, image: a:1}]\n",
    );
    let args = ["check", "--only", "host-namespace", "--date", "2026-11-24", "--fix", "pod.yaml"];
    let before = dir.read("pod.yaml");
    let run = dir.provost(&args);
    assert!(run.err.contains("--unsafe-fixes has 1 more"), "{run}");
    assert_eq!(dir.read("pod.yaml"), before);
    dir.provost(&[&args[..], &["--unsafe-fixes"]].concat());
    assert_eq!(dir.read("pod.yaml"), before.replace("true #", "false #"));
}

#[test]
fn every_fix_of_the_textbook_leaves_files_that_can_be_read() {
    let dir = Dir::new().copy_of("examples/textbook", |_| {});
    let args = ["check", "--date", "2026-11-24", ".", "--format", "json", "--fail-on", "never"];
    let count = |run: &Run| {
        let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let of = |key: &str, value: &str| findings.iter().filter(|f| f[key] == value).count();
        (findings.len(), of("group", "input"))
    };
    let (before, input) = count(&dir.provost(&args));
    let fixed = dir.provost(&[&args[..], &["--fix", "--unsafe-fixes"]].concat());
    let (after, input_after) = count(&fixed);
    assert!(after < before, "{before} findings before, {after} after\n{}", fixed.err);
    assert!(input_after <= input, "{fixed}");
    let texts = |dir: &Dir| -> Vec<String> {
        files_below(dir.path()).iter().map(|file| dir.read(file)).collect()
    };
    let settled = texts(&dir);
    let again = dir.provost(&[&args[..], &["--fix", "--unsafe-fixes"]].concat());
    assert!(again.err.contains("fixed 0 findings"), "{}", again.err);
    assert_eq!(texts(&dir), settled);
}

#[cfg(unix)]
#[test]
fn links_and_modes_stay() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let dir = Dir::new().file("real/shop.yaml", DEPLOYMENT);
    let real = dir.path().join("real/shop.yaml");
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real/shop.yaml", dir.path().join("shop.yaml")).unwrap();
    check(&dir, &["--fix"]);
    assert!(dir.path().join("shop.yaml").symlink_metadata().unwrap().is_symlink());
    assert!(dir.read("real/shop.yaml").contains("460MiB"));
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn standard_input_is_not_fixed() {
    let dir = Dir::new();
    let run = dir.provost_with_stdin(
        &["check", "--only", RULES, "--date", "2026-11-24", "--fix", "-"],
        DEPLOYMENT,
    );
    assert!(run.err.contains("warning: - was not fixed: it is not a file"), "{run}");
    assert!(run.err.contains("fixed 0 findings"), "{run}");
}

/// A link in a folder may point at any file of the machine.
#[test]
fn a_file_behind_a_link_is_written_only_when_it_is_named() {
    let outside = Dir::new().file("deploy.yaml", DEPLOYMENT);
    let dir =
        Dir::new().file("here.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
    let target = outside.path().join("deploy.yaml");
    std::os::unix::fs::symlink(&target, dir.path().join("link.yaml")).unwrap();
    let run = dir.provost(&["check", "--fix", "."]);
    assert_eq!(outside.read("deploy.yaml"), DEPLOYMENT, "{run}");
    let run = dir.provost(&["check", "--fix", "link.yaml"]);
    assert_ne!(outside.read("deploy.yaml"), DEPLOYMENT, "named: {run}");
    assert!(dir.path().join("link.yaml").is_symlink(), "the link stays a link");
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_others_fixed_and_counted() {
    // The file beside it that would take its name has a longer one, and 255 bytes is the most.
    let long = format!("{}.yaml", "a".repeat(245));
    let dir = Dir::new().file(&long, DEPLOYMENT).file("shop.yaml", DEPLOYMENT);
    let args = ["check", "--date", "2026-11-24", "--only", RULES, "--fix", "."];
    let run = dir.provost(&args);
    assert_eq!(dir.read(&long), DEPLOYMENT, "{run}");
    assert!(dir.read("shop.yaml").contains("460MiB"), "{run}");
    assert!(
        run.err.contains(&format!("warning: {long} was not fixed: File name too long")),
        "{run}"
    );
    assert!(run.err.contains("fixed 3 findings in 1 file\n"), "{run}");
    assert_eq!(run.code, 1, "its findings stay: {run}");
    assert_eq!(files_below(dir.path()), [long.as_str(), "shop.yaml"]);
}
