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

/// One fix makes room for another: the diff has what all passes write.
#[test]
fn a_diff_is_what_fix_writes() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  containers:\n    - name: x\n      image: a/b:1\n      securityContext: {privileged: true, allowPrivilegeEscalation: true}\n";
    let args = ["check", "--date", "2026-11-24", "--fix", "--unsafe-fixes", "--profile", "house"];
    let dir =
        Dir::new().file("a/pod.yaml", pod).file("a/Dockerfile", "from alpine:3.20\nUSER root\n");
    let run = dir.provost(&[&args[..], &["--diff", "a"]].concat());
    assert_eq!(dir.read("a/pod.yaml"), pod, "{run}");
    let would = run.err.lines().find(|line| line.starts_with("would fix")).unwrap().to_owned();
    let dir = dir.file("fix.diff", &run.out);
    let written = Dir::new().file("a/pod.yaml", pod).file("a/Dockerfile", dir.read("a/Dockerfile"));
    let run = written.provost(&[&args[..], &["a"]].concat());
    let did = run.err.lines().find(|line| line.starts_with("fixed")).unwrap();
    assert_eq!(would.trim_start_matches("would fix"), did.trim_start_matches("fixed"));
    assert!(written.read("a/pod.yaml").contains("allowPrivilegeEscalation: false"), "{run}");
    succeed(Command::new("git").args(["apply", "fix.diff"]).current_dir(dir.path()));
    for file in ["a/pod.yaml", "a/Dockerfile"] {
        assert_eq!(dir.read(file), written.read(file), "{file}");
    }
}

/// A fix in a file that is wrong elsewhere is no fault of ours.
#[test]
fn what_cannot_be_read_as_it_is_is_said_so() {
    let text = "ARG GO=1.27\nFROM golang:${GO} AS build   # x\nWORKDIR /src\nCOPY . .\n\
        RUN CGO_ENABLED=0 go build -a -installsuffix cgo -o /out/shop .\n\n\
        FROM gcr.io/distroless/static-debian12\nCOPY --from=build /out/shop /shop\nuser nonroot\n\
        ENTRYPOINT /shop --listen :8080\nHEALTHCHECK CMD curl -f http://localhost:8080/ || exit 1\n";
    let dir = Dir::new().file("Dockerfile", text);
    let run =
        dir.provost(&["check", "--fix", "--unsafe-fixes", "--profile", "house", "Dockerfile"]);
    assert!(!run.err.contains("please report"), "{run}");
    assert!(run.err.contains("it cannot be read whole as it is"), "{run}");
    assert_eq!(dir.read("Dockerfile"), text);
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

fn pod(name: &str, memory: &str, more: &str) -> String {
    format!(
        "        - {{name: {name}, image: 'r/{name}:1.2.3', resources: {{limits: {{memory: {memory}}}}}, {more}}}\n"
    )
}

fn deployment(name: &str, containers: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  \
         template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      containers:\n{containers}"
    )
}

/// `--fix` and `--unsafe-fixes` leave the file; the report says why.
#[track_caller]
fn not_fixed(text: &str, why: &str) {
    let dir = Dir::new().file("shop.yaml", text);
    let run = check(&dir, &["--fix", "--unsafe-fixes", "--only", "gomemlimit-above-memory-limit"]);
    assert_eq!(dir.read("shop.yaml"), text, "{run}");
    assert_eq!(run.code, 1, "{run}");
    // As it is wrapped for a terminal.
    let words = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.replace(" = ", " ").contains(why), "{why}\n{run}");
    assert!(!run.out.contains("fix (safe)"), "{run}");
}

#[track_caller]
fn fixed(text: &str, expected: &str) {
    let dir = Dir::new().file("shop.yaml", text);
    let run = check(&dir, &["--fix", "--only", "gomemlimit-above-memory-limit"]);
    assert_eq!(dir.read("shop.yaml"), expected, "{run}");
    assert_eq!(run.code, 0, "{run}");
}

/// `GOMEMLIMIT` was lowered through the anchor, and another variable with it.
#[test]
fn what_stands_behind_an_anchor_is_fixed_for_all_its_users_or_not_at_all() {
    let other = "env: [{name: OTHER, value: &v 2GiB}, {name: GOMEMLIMIT, value: *v}]";
    not_fixed(&deployment("a", &pod("web", "512Mi", other)), "2 places use what stands behind");
    // A whole list: the second container has the memory.
    let list = |memory: &str| {
        let first = pod("web", "512Mi", "env: &e [{name: GOMEMLIMIT, value: 2GiB}]");
        deployment("a", &(first + &pod("other", memory, "env: *e")))
    };
    not_fixed(&list("4Gi"), "2 places use what stands behind");
    // Both want the same.
    fixed(&list("512Mi"), &list("512Mi").replace("2GiB", "460MiB"));
    // They have different limits, and would want different numbers.
    not_fixed(&list("256Mi"), "2 places use what stands behind");
    // Merged, and what only lies beside an anchor.
    let merged = deployment(
        "a",
        "        - &base\n          name: web\n          image: r/web:1.2.3\n          env:\n            - {name: GOMEMLIMIT, value: 2GiB}\n          \
         resources: {limits: {memory: 512Mi}}\n        - <<: *base\n          name: big\n          resources: {limits: {memory: 4Gi}}\n",
    );
    not_fixed(&merged, "2 places use what stands behind");
    let beside = deployment(
        "a",
        &pod(
            "web",
            "512Mi",
            "env: [{name: GOMEMLIMIT, value: 2GiB}, {name: A, value: &a x}, {name: B, value: *a}]",
        ),
    );
    fixed(&beside, &beside.replace("2GiB", "460MiB"));
}

/// ENV of an image is the environment of every container that runs it.
#[test]
fn a_dockerfile_is_fixed_for_all_containers_of_its_image_or_not_at_all() {
    let dockerfile = "FROM gcr.io/distroless/static:nonroot\nENV GOMEMLIMIT=2GiB\nCOPY web /web\nENTRYPOINT [\"/web\"]\n";
    let manifest = |memory: &str| {
        let image = |name: &str, memory: &str| {
            deployment(
                name,
                &format!(
                    "        - {{name: web, image: 'r/web:1', resources: {{limits: {{memory: {memory}}}}}}}\n"
                ),
            )
        };
        format!("{}---\n{}", image("a", "512Mi"), image("b", memory))
    };
    let args = ["check", "--only", "gomemlimit-above-memory-limit", "--fix", "."];
    for (memory, expected) in [("4Gi", "2GiB"), ("512Mi", "460MiB")] {
        let dir =
            Dir::new().file("web/Dockerfile", dockerfile).file("web/a.yaml", manifest(memory));
        let run = dir.provost(&args);
        let found = run.out.contains("GOMEMLIMIT") || expected == "460MiB";
        assert!(found, "nothing was found, so that nothing is tested: {run}");
        assert!(dir.read("web/Dockerfile").contains(expected), "{memory}: {run}");
    }
}

#[test]
fn a_config_map_is_fixed_for_all_its_users_or_not_at_all() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\ndata:\n  GOMEMLIMIT: 2GiB\n---\n";
    let from = "envFrom: [{configMapRef: {name: shared}}]";
    let key =
        "env: [{name: GOMEMLIMIT, valueFrom: {configMapKeyRef: {name: shared, key: GOMEMLIMIT}}}]";
    let two = |memory: &str, how: &str| {
        let a = deployment("a", &pod("web", "512Mi", from));
        format!("{map}{a}---\n{}", deployment("b", &pod("web", memory, how)))
    };
    for how in [from, key] {
        not_fixed(&two("4Gi", how), "default/Deployment/b/web takes the value from there");
        fixed(&two("512Mi", how), &two("512Mi", how).replace("2GiB", "460MiB"));
    }
    // It has a value of its own.
    let own = "envFrom: [{configMapRef: {name: shared}}], env: [{name: GOMEMLIMIT, value: 3GiB}]";
    fixed(&two("4Gi", own), &two("4Gi", own).replace("2GiB", "460MiB"));
    // Another variable is made of it, an argument is, a file is.
    let under =
        "env: [{name: CACHE, valueFrom: {configMapKeyRef: {name: shared, key: GOMEMLIMIT}}}]";
    not_fixed(&two("4Gi", under), "default/Deployment/b/web takes the value from there");
    let one = |more: &str| {
        format!("{map}{}", deployment("a", &pod("web", "512Mi", &format!("{from}, {more}"))))
    };
    not_fixed(&one("args: ['--cache=$(GOMEMLIMIT)']"), "the command line takes $(GOMEMLIMIT)");
    not_fixed(&one("env: [{name: A, value: 'x$(GOMEMLIMIT)'}]"), "A is made of $(GOMEMLIMIT)");
    let volume = "      volumes: [{name: v, configMap: {name: shared}}]\n";
    let mounted = one("volumeMounts: [{name: v, mountPath: /c}]") + volume;
    not_fixed(&mounted, "default/Deployment/a/web reads what is changed as a file");
    fixed(&one("args: [a]"), &one("args: [a]").replace("2GiB", "460MiB"));
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
