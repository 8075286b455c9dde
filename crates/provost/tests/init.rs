//! `provost init`: what it writes has nothing that provost or the tools of today object to.

#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "init/shutdown.rs"]
mod shutdown;
mod support;
#[path = "init/tools.rs"]
mod tools;
#[path = "init/users.rs"]
mod users;
#[path = "init/values.rs"]
mod values;

use std::fs;
use std::process::Command;

use provost_check::artifact::{SourceKind, sound};
use serde_json::Value;
use support::{Dir, Run, files_below, go_env, succeed, tool};

/// What a finding is judged by; `init` itself goes by today.
const DATE: [&str; 2] = ["--date", "2026-11-26"];

fn git(dir: &Dir, args: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=Example", "-c", "user.email=example@example.com"]);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    succeed(git.args(args).current_dir(dir.path()));
}

/// A module of the fixtures in a repository of its own.
fn module(name: &str) -> Dir {
    let dir = Dir::new().copy_of(&format!("fixtures/init/{name}"), |_| ());
    git(&dir, &["init", "--quiet", "--initial-branch=main"]);
    dir
}

fn init(dir: &Dir, args: &[&str]) -> Run {
    let run = dir.provost(&[&["init"], args].concat());
    assert_eq!(run.code, 0, "{run}");
    run
}

fn commit(dir: &Dir) {
    git(dir, &["add", "--all"]);
    git(dir, &["commit", "--quiet", "--message", "The service"]);
}

/// The report of `check` in a clean clone, with helm and git on PATH.
fn report(dir: &Dir, args: &[&str]) -> Value {
    let home = Dir::new();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(tool("helm"), bin.join("helm")).unwrap();
    let mut env = go_env();
    env.push(("GOFLAGS".to_owned(), "-buildvcs=true".to_owned()));
    env.push(("HOME".to_owned(), home.path().to_str().unwrap().to_owned()));
    let path = std::env::var("PATH").unwrap();
    env.push(("PATH".to_owned(), format!("{}:{path}", bin.display())));
    let all =
        [&["check", "--format", "json", "--fail-on", "note", DATE[0], DATE[1]], args].concat();
    let run = dir.provost_with_env(&all, &env);
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}\n{run}"))
}

/// No finding of any level, and nothing passed over that could have been judged.
fn assert_clean(report: &Value, what: &str, services: u64) {
    assert_eq!(report["findings"], serde_json::json!([]), "{what}\n{report:#}");
    assert_eq!(report["summary"]["dockerfiles"], services, "{what}\n{report:#}");
    assert!(report["summary"]["binaries"].as_u64().unwrap() >= services, "{what}\n{report:#}");
    assert!(report["summary"]["objects"].as_u64().unwrap() >= 3 * services, "{what}\n{report:#}");
    for suppressed in report["suppressed"].as_array().unwrap() {
        // A worker has nobody to be ready for.
        assert_eq!(
            suppressed["finding"]["rule"].as_str().or(suppressed["rule"].as_str()),
            Some("missing-readiness-probe"),
            "{what}\n{suppressed:#}"
        );
    }
}

fn has(dir: &Dir, path: &str, lines: &[&str]) {
    let text = dir.read(path);
    for line in lines {
        assert!(
            text.lines().any(|found| found.trim() == *line),
            "{line:?} is not in {path}:\n{text}"
        );
    }
}

#[test]
fn what_the_source_says_is_in_the_files() {
    let dir = module("http");
    let run = init(&dir, &[]);
    has(
        &dir,
        "Dockerfile",
        &["FROM --platform=$BUILDPLATFORM golang:1.27.4-trixie AS build", "EXPOSE 8085"],
    );
    has(
        &dir,
        "deploy/deployment.yaml",
        &[
            "image: ghcr.io/example/greeter:0.1.0",
            "- name: LISTEN_ADDR",
            "value: \":8085\"",
            "containerPort: 8085",
            "path: /livez",
            "path: /readyz",
            "key: UPSTREAM_TOKEN",
            "# - name: GREETING",
            "#   value: \"hello\"",
            "value: 460MiB",
            // 5 s preStop + 15 s drain + 5 s.
            "terminationGracePeriodSeconds: 25",
        ],
    );
    has(&dir, "provost.toml", &["drain = \"15s\""]);
    assert!(!run.out.contains("lacks"), "{run}");

    let old = "module gitlab.com/example/mailer\n\ngo 1.24.0\n";
    let dir = module("worker").file("go.mod", old);
    init(&dir, &[]);
    // Go 1.24 gets no fixes any more, and its language does not follow the CPU limit.
    has(
        &dir,
        "deploy/deployment.yaml",
        &[
            "replicas: 1",
            "- name: SHUTDOWN_TIMEOUT",
            "value: \"20s\"",
            "resource: limits.cpu",
            "image: registry.gitlab.com/example/mailer:0.1.0",
        ],
    );
    assert!(!dir.read("Dockerfile").contains("golang:1.24"), "{}", dir.read("Dockerfile"));
    assert!(!dir.path().join("deploy/service.yaml").exists());

    let dir = module("grpc");
    init(&dir, &["--image", "registry.example.org/team/rates"]);
    has(
        &dir,
        "deploy/deployment.yaml",
        &["grpc:", "port: 9000", "image: registry.example.org/team/rates:0.1.0"],
    );
    has(&dir, "deploy/service.yaml", &["clusterIP: None"]);
    has(&dir, "Dockerfile", &["go mod download"]);

    let dir = module("cgo");
    init(&dir, &[]);
    has(
        &dir,
        "Dockerfile",
        &["FROM gcr.io/distroless/base-debian13:nonroot", "FROM golang:1.27.4-trixie AS build"],
    );
    has(
        &dir,
        "deploy/deployment.yaml",
        &["path: /healthz", "path: /ready", "value: 384MiB", "- name: PORT"],
    );
}

/// The annotation becomes the variable, so that what is wrong with it is found where it stands.
#[test]
fn godebug_is_judged_in_its_annotation() {
    let dir = module("http");
    init(&dir, &[]);
    let deployment = dir.read("deploy/deployment.yaml");
    let wrong = deployment.replace("godebug: \"\"", "godebug: gctrace=1;schedtrace=1000");
    let dir = dir.file("deploy/deployment.yaml", wrong);
    commit(&dir);
    let report = report(&dir, &["--build"]);
    let findings = report["findings"].as_array().unwrap();
    let [finding] = &findings[..] else { panic!("{report:#}") };
    assert_eq!(finding["rule"], "malformed-godebug");
    assert_eq!(finding["evidence"][0]["path"], "deploy/deployment.yaml");
}

/// What a program lacks is said, and what is written works without it.
#[test]
fn a_program_without_health_and_signals_is_told_so() {
    let dir = module("bare");
    let run = init(&dir, &[]);
    let said = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in [
        "bare handles no SIGTERM",
        "Serve GET /livez",
        "bare listens on port 80, which",
        "registry.example.com stands for it",
        "how long a shutdown takes. 20 s are assumed",
    ] {
        assert!(said.contains(sentence), "{sentence}\n{run}");
    }
    let deployment = dir.read("deploy/deployment.yaml");
    assert!(!deployment.contains("httpGet"), "{deployment}");
    assert_eq!(deployment.matches("tcpSocket:").count(), 3, "{deployment}");
    // The gate says the same, and nothing else.
    commit(&dir);
    let report = report(&dir, &["--build"]);
    let findings = report["findings"].as_array().unwrap();
    let mut rules: Vec<&str> = findings.iter().map(|f| f["rule"].as_str().unwrap()).collect();
    rules.sort_unstable();
    rules.dedup();
    assert_eq!(
        rules,
        ["fragile-probe-handler", "no-termination-handler", "privileged-port"],
        "{report:#}"
    );
}

#[test]
fn nothing_is_written_while_a_file_is_in_the_way() {
    let dir =
        module("http").file("Dockerfile", "FROM scratch\n").file("deploy/mine.yaml", "a: 1\n");
    let before = files_below(dir.path());
    let run = dir.provost(&["init"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(
        run.err.contains("a file is in the way, so nothing is written:\n  Dockerfile\n"),
        "{run}"
    );
    assert_eq!(files_below(dir.path()), before);
    assert_eq!(dir.read("Dockerfile"), "FROM scratch\n");

    let run = init(&dir, &["--force"]);
    assert!(run.out.contains("replaced       Dockerfile"), "{run}");
    assert!(run.out.contains("written        deploy/deployment.yaml"), "{run}");
    assert!(dir.read("Dockerfile").contains("golang:1.27.4-trixie"));
    assert_eq!(dir.read("deploy/mine.yaml"), "a: 1\n");
    // No leftovers.
    let written = files_below(dir.path());
    // Twice is the same, without --force.
    let run = init(&dir, &[]);
    assert!(!run.out.contains("written") && run.out.contains("unchanged"), "{run}");
    assert_eq!(files_below(dir.path()), written);
    // A change of the user's is in the way.
    let dir = dir.file("provost.toml", "[cluster]\nnode_cpus = 8\n");
    let run = dir.provost(&["init"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("written:\n  provost.toml\n"), "{run}");
}

#[test]
fn a_dry_run_is_a_diff_that_git_applies() {
    let dir = module("http").file("Dockerfile", "# mine\nFROM scratch\n");
    let before = files_below(dir.path());
    let run = init(&dir, &["--dry-run"]);
    assert_eq!(files_below(dir.path()), before, "{run}");
    assert!(run.err.contains("in the way     Dockerfile"), "{run}");
    let dir = dir.file("changes.patch", &run.out);
    git(&dir, &["apply", "changes.patch"]);
    let other = module("http");
    init(&other, &[]);
    for file in files_below(other.path()).iter().filter(|file| !file.starts_with(".git/")) {
        assert_eq!(dir.read(file), other.read(file), "{file}");
    }
}

/// A folder that leads elsewhere is no place to write to.
#[test]
fn links_are_not_followed() {
    let elsewhere = Dir::new();
    let dir = module("http");
    std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("deploy")).unwrap();
    for args in [&["init"][..], &["init", "--force"]] {
        let run = dir.provost(args);
        assert_eq!(run.code, 2, "{run}");
        assert!(run.err.contains("is no plain folder"), "{run}");
        assert!(files_below(elsewhere.path()).is_empty());
        assert!(!dir.path().join("Dockerfile").exists());
    }
}

#[test]
fn pipelines_are_those_of_the_remote_and_read_as_yaml() {
    let names = |dir: &Dir| -> Vec<String> {
        let files = files_below(dir.path());
        files.into_iter().filter(|f| f.starts_with(".github/") || f == ".gitlab-ci.yml").collect()
    };
    let both = [".github/workflows/provost.yaml", ".gitlab-ci.yml"];
    for (remote, expected) in [
        ("https://user:t0psecret@github.com/example/greeter.git", &both[..1]),
        ("git@gitlab.com:example/greeter.git", &both[1..]),
        ("ssh://git@git.example.org/greeter", &both[..]),
    ] {
        let dir = module("http");
        git(&dir, &["remote", "add", "origin", remote]);
        let run = init(&dir, &[]);
        assert_eq!(names(&dir), expected, "{run}");
        assert!(said(&run).contains("from the variable PROVOST_RELEASES"), "{run}");
        if expected.contains(&both[0]) {
            has(
                &dir,
                both[0],
                &[
                    "actions: read # of a private repository the upload asks for its workflow run",
                    "continue-on-error: true",
                ],
            );
        }
        for file in files_below(dir.path()).iter().filter(|file| !file.starts_with(".git/")) {
            let text = dir.read(file);
            assert!(!text.contains("t0psecret"), "{file}");
            // The name is nobody's on crates.io, or a stranger's.
            assert!(!text.contains("cargo install"), "{file}:\n{text}");
            if file.ends_with(".yaml") || file.ends_with(".yml") {
                assert!(sound(SourceKind::Values, &text).is_some(), "{file}:\n{text}");
            }
        }
    }
    let dir = module("http");
    init(&dir, &["--ci", "none"]);
    assert!(names(&dir).is_empty());
    // Of a module below the top of its repository the pipeline lies at the top.
    let dir = Dir::new().copy_of("fixtures/init", |files| files.retain(|f| f.starts_with("http/")));
    git(&dir, &["init", "--quiet"]);
    let run = dir.provost(&["init", "http"]);
    assert_eq!(run.code, 0, "{run}");
    has(
        &dir,
        ".github/workflows/provost-http.yaml",
        &["working-directory: http", "go-version-file: http/go.mod"],
    );
    has(&dir, ".gitlab-ci.yml", &["- cd http"]);
}

#[test]
fn a_mistake_says_what_to_do() {
    for (files, args, message) in [
        (&[][..], &[][..], "no go.mod in or above"),
        (
            &[("go.mod", "module a\ngo 1.27\n"), ("a.go", "package a\n")][..],
            &[][..],
            "has no main package",
        ),
        (&[("go.mod", "go 1.27\n")][..], &[][..], "go.mod names no module"),
        (
            &[("go.mod", "module a\n"), ("x/m.go", "package main\n"), ("y/m.go", "package main\n")]
                [..],
            &[][..],
            "no program of the module listens or waits for a signal: ./x, ./y",
        ),
        (
            &[("go.mod", "module a\n"), ("x/m.go", "package main\n")][..],
            &["--package", "./z"][..],
            "./z is no main package",
        ),
        (
            &[("go.mod", "module a\n"), ("x/m.go", "package main\n")][..],
            &["--image", "a:1"][..],
            "without a tag",
        ),
    ] {
        let dir = files.iter().fold(Dir::new(), |dir, (path, text)| dir.file(path, text));
        let run = dir.provost(&[&["init"], args].concat());
        assert_eq!(run.code, 2, "{run}");
        assert!(run.err.contains(message), "{message}\n{run}");
        assert_eq!(files_below(dir.path()).len(), files.len(), "{run}");
    }
}

/// A module that speaks to whoever reads what is written about it.
#[test]
fn hostile_source_gets_into_no_file() {
    let source = "package main\n/*\n#cgo LDFLAGS: -lfoo$(evil) -l`evil`\n*/\nimport \"C\"\nimport \"net/http\"\nfunc main() {\n\
        http.HandleFunc(\"/livez {{ .Evil }}\", f)\nhttp.HandleFunc(\"/readyz\\n  privileged: true\", f)\n\
        env(\"A_SETTING\", \"x{{ .Evil }}\")\nenv(\"B_SETTING\", \"x\\\"\\n      hostPID: true\")\nenv(\"C_KEY\", \"AKIAIOSFODNN7EXAMPLE\")\n\
        http.ListenAndServe(\":8080\", nil)\n}\n";
    for args in [&["--helm"][..], &[]] {
        let dir = Dir::new()
            .file("go.mod", "module example.com/{{evil}}\ngo 1.27.0\n")
            .file("main.go", source);
        init(&dir, args);
        for file in files_below(dir.path()).iter().filter(|f| *f != "main.go" && *f != "go.mod") {
            let text = dir.read(file);
            for evil in ["Evil", "evil}}", "$(evil", "`evil", "privileged", "hostPID", "AKIA"] {
                assert!(!text.contains(evil), "{evil} in {file}:\n{text}");
            }
        }
    }
    // Names that a shell would take apart are refused.
    let dir = Dir::new().file("go.mod", "module example.com/a\n").file(
        "cmd/x;y/main.go",
        "package main\nimport \"net/http\"\nfunc main() { http.ListenAndServe(\":8080\", nil) }\n",
    );
    let run = dir.provost(&["init"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("cannot be written into a Dockerfile"), "{run}");
}

#[test]
fn the_example_done_right_would_be_found_so() {
    let dir = Dir::new().copy_of("examples/checkout", |files| {
        files.retain(|file| file.ends_with(".go") || file == "go.mod");
    });
    init(&dir, &[]);
    has(
        &dir,
        "deploy/deployment.yaml",
        &[
            "- name: LISTEN_ADDR",
            "- name: DRAIN_TIMEOUT",
            "- name: LAME_DUCK",
            "value: \"5s\"",
            "path: /livez",
            "path: /readyz",
            "# - name: STOCK_URL",
        ],
    );
}

/// What a run says, on one line.
fn said(run: &Run) -> String {
    run.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A module of one file, which nobody builds here.
fn program(source: &str) -> Dir {
    Dir::new()
        .file("go.mod", "module example.com/shop/parcel\n\ngo 1.27.0\n")
        .file("main.go", format!("package main\n{source}"))
}

#[test]
fn who_listens_somewhere_may_be_called() {
    let dir = program("import \"net\"\nfunc main() { net.Listen(\"tcp\", os.Args[1]) }\n");
    let run = init(&dir, &["--ci", "none"]);
    let text = said(&run);
    assert!(text.contains("parcel: listens on a port that its source does not say"), "{run}");
    assert!(text.contains("parcel listens, and its source does not say where"), "{run}");
    has(&dir, "deploy/network.yaml", &["ingress:", "- {}"]);
    assert!(!dir.read("deploy/network.yaml").contains("ingress: []"), "{run}");
    // Who does not is called by nobody.
    let dir = module("worker");
    init(&dir, &["--ci", "none"]);
    has(&dir, "deploy/network.yaml", &["ingress: []"]);
}

#[test]
fn probes_do_not_ask_in_plain_text_where_tls_is_spoken() {
    let health = "http.HandleFunc(\"/readyz\", f); http.HandleFunc(\"/livez\", f)";
    let of = |servers: &str| {
        let source = format!("import \"net/http\"\nfunc main() {{ {health}; {servers} }}\n");
        let dir = program(&source);
        let run = init(&dir, &["--ci", "none"]);
        (dir.read("deploy/deployment.yaml"), dir.read("deploy/service.yaml"), said(&run))
    };
    let (deployment, service, _) = of("s.ListenAndServeTLS(a, b)");
    assert_eq!(deployment.matches("scheme: HTTPS").count(), 3, "{deployment}");
    assert!(service.contains("port: 443") && service.contains("appProtocol: https"), "{service}");

    let (deployment, service, _) = of("go adminServer.ListenAndServe(); s.ListenAndServeTLS(a, b)");
    assert!(deployment.contains("scheme: HTTPS"), "{deployment}");
    assert!(service.contains("appProtocol: https"), "{service}");

    let (deployment, service, text) = of("go s.ListenAndServe(); t.ListenAndServeTLS(a, b)");
    assert!(!deployment.contains("httpGet"), "{deployment}");
    assert_eq!(deployment.matches("tcpSocket:").count(), 3, "{deployment}");
    assert!(!service.contains("appProtocol"), "{service}");
    assert!(text.contains("with TLS and without, and which of them port 8080 is"), "{text}");
    assert!(!text.contains("Serve GET /livez"), "{text}");

    // The kubelet's gRPC probe has no TLS.
    let dir = module("grpc");
    let main = dir.read("main.go").replace("grpc.NewServer()", "grpc.NewServer(grpc.Creds(c))");
    let dir = dir.file("main.go", main);
    let run = init(&dir, &["--ci", "none"]);
    let deployment = dir.read("deploy/deployment.yaml");
    assert!(!deployment.contains("grpc:"), "{deployment}");
    assert_eq!(deployment.matches("tcpSocket:").count(), 3, "{deployment}");
    assert!(said(&run).contains("the kubelet's gRPC probe speaks no TLS"), "{run}");
    assert!(!said(&run).contains("serves no gRPC health"), "{run}");
}

/// `go mod download` reads the `go.mod` of a replacement, which is not there yet.
#[test]
fn a_replacement_in_a_folder_has_no_layer_of_downloads() {
    let dir = module("grpc");
    let go_mod = dir.read("go.mod") + "\nreplace example.com/units => ./units\n";
    let dir = dir.file("go.mod", go_mod).file("units/go.mod", "module example.com/units\n");
    init(&dir, &["--ci", "none"]);
    assert!(!dir.read("Dockerfile").contains("go mod download"), "{}", dir.read("Dockerfile"));
}

#[test]
fn metrics_are_scraped_from_the_port_of_their_router() {
    let dir = program(
        "import (\n\"net/http\"\n\"github.com/prometheus/client_golang/prometheus/promhttp\"\n)\nfunc main() {\n\
         adminMux.Handle(\"/metrics\", promhttp.Handler())\ngo http.ListenAndServe(env(\"ADMIN_ADDR\", \":8081\"), adminMux)\n\
         http.ListenAndServe(env(\"HTTP_ADDR\", \":8080\"), nil)\n}\n",
    );
    init(&dir, &["--ci", "none"]);
    has(&dir, "deploy/deployment.yaml", &["prometheus.io/port: \"8081\""]);
    has(&dir, "deploy/service.yaml", &["port: 8081"]);
}

/// Modules of one repository share its name and its pipeline.
#[test]
fn modules_beside_each_other_do_not_take_each_others_place() {
    let dir = Dir::new().copy_of("fixtures/init", |files| {
        files.retain(|file| file.starts_with("http/") || file.starts_with("bare/"));
    });
    git(&dir, &["init", "--quiet"]);
    git(&dir, &["remote", "add", "origin", "https://gitlab.com/example/shop.git"]);
    let of = |folder: &str| {
        let run = dir.provost(&["init", folder]);
        assert_eq!(run.code, 0, "{run}");
        said(&run)
    };
    let text = of("http");
    assert!(!text.contains("include:"), "{text}");
    has(&dir, "http/provost.toml", &["image = \"registry.gitlab.com/example/shop/greeter\""]);
    let first = dir.read(".gitlab-ci.yml");
    let text = of("bare");
    assert!(text.contains("include: [{local: /bare/.gitlab-ci.yml}]"), "{text}");
    has(&dir, "bare/provost.toml", &["image = \"registry.gitlab.com/example/shop/bare\""]);
    has(&dir, "bare/.gitlab-ci.yml", &["- cd bare", "bare-test:", "bare-provost:", "rules:"]);
    // What is included holds for every job of the repository.
    for whole in ["\nworkflow:", "\nstages:", "\ndefault:"] {
        assert!(!dir.read("bare/.gitlab-ci.yml").contains(whole), "{whole}");
    }
    assert!(first.contains("\nworkflow:"), "{first}");
    assert_eq!(dir.read(".gitlab-ci.yml"), first);
    // Again is the same, for both.
    for folder in ["http", "bare"] {
        let text = of(folder);
        assert!(!text.contains("written"), "{text}");
    }
}
