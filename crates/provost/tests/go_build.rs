//! `--build` runs `go build` and nothing that an artifact asks for.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use support::{Dir, Run, go_env, repository, succeed};

/// A module whose folder holds a script that leaves a mark when it is run.
struct Module {
    dir: Dir,
}

impl Module {
    /// `EVIL` in the Dockerfile is the script.
    fn new(dockerfile: &str) -> Self {
        let version = succeed(Command::new("go").args(["env", "GOVERSION"]).current_dir("/"));
        let version = version.trim().trim_start_matches("go");
        let dir = Dir::new()
            .file("go.mod", format!("module example.com/shop\n\ngo {version}\n"))
            .file("cmd/shop/main.go", "package main\n\nfunc main() { println(\"shop\") }\n");
        let script = dir.path().join("evil.sh");
        let mark = dir.path().join("executed");
        let text = format!("#!/bin/sh\n: > {}\nexec \"$@\"\n", mark.display());
        let dockerfile =
            dockerfile.replace("EVIL", script.to_str().unwrap()).replace("GOVERSION", version);
        let dir = dir.file("evil.sh", text).file("Dockerfile", dockerfile);
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        // The trap works.
        succeed(Command::new(&script).arg("true"));
        assert!(mark.exists());
        fs::remove_file(&mark).unwrap();
        Self { dir }
    }

    fn mark(&self) -> PathBuf {
        self.dir.path().join("executed")
    }

    fn check(&self, args: &[&str]) -> Run {
        self.check_with(args, &go_env())
    }

    fn check_with(&self, args: &[&str], env: &[(String, String)]) -> Run {
        let args = &[&["check", "--date", "2026-11-24", "--fail-on", "never"], args].concat();
        let run = self.dir.provost_with_env(args, env);
        assert!(run.code < 3, "{run}");
        assert!(!self.mark().exists(), "the script was run: {run}");
        run
    }

    /// What the report says of the build.
    fn built(&self) -> String {
        let run = self.check(&["--build", "--format", "json"]);
        assert_eq!(run.code, 0, "{run}");
        let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(report["summary"]["binaries"], 1, "{run}");
        let lines = report["built"].as_array().unwrap();
        lines.iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect()
    }
}

/// A folder with a `go` that runs a script, and the environment that finds it first.
fn go_that_runs(script: &str) -> (Dir, Vec<(String, String)>) {
    let tools = Dir::new().file("go", format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(tools.path().join("go"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut env = go_env();
    let path = std::env::var("PATH").unwrap();
    env.push(("PATH".to_owned(), format!("{}:{path}", tools.path().display())));
    (tools, env)
}

const REST: &str = "
FROM gcr.io/distroless/static-debian12
COPY --from=build /shop /shop
ENTRYPOINT [\"/shop\"]
";

#[test]
fn only_harmless_flags_and_variables_reach_go_and_the_others_are_named() {
    let dockerfile = format!(
        "FROM golang:GOVERSION AS build
ENV GOFLAGS=-toolexec=EVIL CC=EVIL GOTOOLDIR=/tmp
ARG VERSION=$(EVIL)
WORKDIR /src
COPY . .
RUN EVIL true && CGO_ENABLED=0 CXX=EVIL go build -trimpath -toolexec=EVIL -overlay=o.json \
-gcflags=all=-l -asmflags=-D=EVIL -compiler gccgo -modfile=other.mod -C /tmp -ldflags=-extld=EVIL \
-o /shop ./cmd/shop{REST}"
    );
    let built = Module::new(&dockerfile).built();
    let command = built.lines().next().unwrap();
    assert!(command.ends_with("CGO_ENABLED=0 go build -trimpath ./cmd/shop"), "{built}");
    for refused in [
        "-toolexec",
        "-overlay",
        "-gcflags",
        "-asmflags",
        "-compiler",
        "-modfile",
        "-C",
        "-extld",
        "GOFLAGS",
        "CC",
        "CXX",
    ] {
        let named = built.lines().any(|line| {
            line.strip_prefix("not reproduced: ").is_some_and(|rest| rest.contains(refused))
        });
        assert!(named, "{refused} is not named:\n{built}");
    }
}

#[test]
fn substitutions_are_text() {
    let dockerfile = format!(
        "FROM golang:GOVERSION AS build\nWORKDIR /src\nCOPY . .\n\
         RUN CGO_ENABLED=0 go build -ldflags=\"-s -X main.version=$(EVIL true)\" -tags \"$(EVIL)\" -o /shop ./cmd/shop{REST}"
    );
    let built = Module::new(&dockerfile).built();
    assert!(built.contains("go build -ldflags=-s ./cmd/shop\n"), "{built}");
    assert!(built.contains("not reproduced: -ldflags -X main.version=$("), "{built}");
    for package in ["'./cmd/$(EVIL)'", "\"./cmd/`EVIL`\"", "./cmd/shop;EVIL"] {
        let dockerfile = format!(
            "FROM golang:GOVERSION AS build\nWORKDIR /src\nCOPY . .\nRUN go build -o /shop {package}{REST}"
        );
        Module::new(&dockerfile).check(&["--build"]);
    }
}

#[test]
fn a_package_is_never_a_flag() {
    for package in ["-- -toolexec=EVIL", "'-toolexec=EVIL' ./cmd/shop", "$PACKAGE ./cmd/shop"] {
        let dockerfile = format!(
            "FROM golang:GOVERSION AS build\nARG PACKAGE=-toolexec=EVIL\nWORKDIR /src\nCOPY . .\n\
             RUN go build -o /shop {package}{REST}"
        );
        let run = Module::new(&dockerfile).check(&["--build", "--verbose"]);
        let command = run.out.lines().find(|line| line.contains("built by"));
        assert!(!command.is_some_and(|line| line.contains("toolexec")), "{run}");
    }
}

/// A workload that is put on nodes of one architecture.
fn pinned_to(arch: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: shop}}\nspec:\n  nodeSelector: {{kubernetes.io/arch: {arch}}}\n  \
         containers: [{{name: shop, image: \"ghcr.io/acme/shop:1\"}}]\n"
    )
}

#[test]
fn the_architecture_is_judged_when_the_dockerfile_says_which() {
    let other = if std::env::consts::ARCH == "aarch64" { "amd64" } else { "arm64" };
    let own = if other == "arm64" { "amd64" } else { "arm64" };
    let judged = |from: &str, env: &str, nodes: &str| {
        let dockerfile = format!(
            "FROM {from}golang:GOVERSION AS build\nWORKDIR /src\nCOPY . .\nRUN {env}go build -o /shop ./cmd/shop{REST}"
        );
        let mut module = Module::new(&dockerfile);
        module.dir = module.dir.file("pod.yaml", pinned_to(nodes));
        let run = module.check(&["--build", "--only", "architecture-mismatch"]);
        run.out.contains("error[architecture-mismatch]")
    };
    assert!(judged("", &format!("GOARCH={other} "), own));
    assert!(!judged("", &format!("GOARCH={other} "), other));
    assert!(judged(&format!("--platform=linux/{other} "), "", own));
    // Whatever machine runs this test.
    assert!(!judged("", "", other));
    assert!(!judged("--platform=$BUILDPLATFORM ", "GOARCH=$TARGETARCH ", other));
}

#[test]
fn every_program_of_the_image_is_built() {
    let dockerfile = "FROM golang:GOVERSION AS build\nWORKDIR /src\nCOPY . .\nRUN go build -o /out/server ./cmd/shop\n\
                      RUN go build -o /out/migrator ./cmd/migrate && go build -o /tmp/tool ./cmd/broken\n\
                      FROM gcr.io/distroless/static-debian12\nCOPY --from=build /out/server /out/migrator /bin/\n\
                      ENTRYPOINT [\"/bin/server\"]\n";
    let mut module = Module::new(dockerfile);
    module.dir = module
        .dir
        .file("cmd/migrate/main.go", "package main\n\nfunc main() { println(\"migrate\") }\n")
        .file("cmd/broken/main.go", "package main\n\nfunc main() { nonsense }\n")
        .file(
            "pods.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: migrate}\nspec:\n  containers: [{name: web, image: \"ghcr.io/acme/x:1\"}]\n---\n\
             apiVersion: v1\nkind: Pod\nmetadata: {name: other}\nspec:\n  containers: [{name: main, image: \"ghcr.io/acme/x:1\", command: [/bin/migrator]}]\n",
        );
    let run = module.check(&["--build", "--format", "json"]);
    assert_eq!(run.code, 0, "{run}");
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["summary"]["binaries"], 2, "{run}");
    let subject = |name: &str| {
        let all = report["subjects"].as_array().unwrap();
        let subject = all.iter().find(|s| s["name"].as_str().unwrap().contains(name)).unwrap();
        subject["binary"].as_str().unwrap_or("none").to_owned()
    };
    assert!(subject("/migrate/web").contains("cmd/shop"), "{run}");
    assert!(subject("/other/main").contains("cmd/migrate"), "{run}");
    let found = report["findings"].as_array().unwrap();
    assert!(found.iter().all(|f| f["rule"] != "ambiguous-binding"), "{run}");
}

#[test]
fn a_dockerfile_that_says_nothing_of_the_build_is_named() {
    let dockerfile = "FROM golang:GOVERSION AS build\nCOPY . .\nRUN make\nFROM scratch\nCOPY --from=build /shop /shop\nENTRYPOINT [\"/shop\"]\n";
    let built = Module::new(dockerfile).built();
    assert!(built.contains("not as in ./Dockerfile: no go build"), "{built}");
}

/// A `go` that starts a child and waits for it.
#[test]
fn nothing_of_go_outlives_an_interrupted_run() {
    let module = Module::new("FROM scratch\n");
    let tools = Dir::new()
        .file("go", "#!/bin/sh\nsleep 1000 &\necho $! > child.new\nmv child.new child\nwait\n");
    fs::set_permissions(tools.path().join("go"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", tools.path().display());
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_provost"))
            .args(["check", "--build", "."])
            .current_dir(module.dir.path())
            .env("PATH", &path)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mark = module.dir.path().join("child");
        while !mark.exists() {
            assert!(run.try_wait().unwrap().is_none(), "provost ended before go ran");
            std::thread::yield_now();
        }
        let child = fs::read_to_string(&mark).unwrap();
        succeed(Command::new("kill").args([signal, &run.id().to_string()]));
        assert_eq!(run.wait().unwrap().code(), Some(code));
        // Gone, or waiting for somebody to take note.
        let status = fs::read_to_string(format!("/proc/{}/status", child.trim()));
        let gone = status.is_err() || status.is_ok_and(|s| s.contains("State:\tZ"));
        assert!(gone, "sleep still runs");
        fs::remove_file(&mark).unwrap();
    }
}

#[test]
fn without_build_nothing_runs() {
    let dockerfile = format!(
        "FROM golang:GOVERSION AS build\nWORKDIR /src\nCOPY . .\nRUN go build -o /shop ./cmd/shop{REST}"
    );
    let module = Module::new(&dockerfile);
    let tools = Dir::new();
    for name in ["go", "git", "helm", "kustomize", "kubectl", "docker", "sh"] {
        fs::copy(module.dir.path().join("evil.sh"), tools.path().join(name)).unwrap();
    }
    let path = tools.path().to_str().unwrap();
    let run = module.dir.provost_with_env(&["check", "."], &[("PATH", path)]);
    assert_eq!(run.code, 0, "{run}");
    assert!(!module.mark().exists(), "{run}");
    // The trap works.
    let run = module.dir.provost_with_env(&["check", "--build", "."], &[("PATH", path)]);
    assert!(module.mark().exists(), "{run}");
}

#[test]
fn without_go_there_is_a_message() {
    let dockerfile = format!(
        "FROM golang:GOVERSION AS build\nWORKDIR /src\nCOPY . .\nRUN go build -o /shop ./cmd/shop{REST}"
    );
    let module = Module::new(&dockerfile);
    let run = module.dir.provost_with_env(&["check", "--build"], &[("PATH", "/nowhere")]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("--build needs the Go toolchain on PATH"), "{run}");
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  hostPID: true\n  containers: [{name: a, image: \"a:1\"}]\n";

#[test]
fn a_build_that_fails_hides_nothing_else() {
    let module = Module::new("FROM scratch\n");
    let module = Module {
        dir: module
            .dir
            .file("cmd/shop/main.go", "package main\n\nfunc main() { undefined() }\n")
            .file("deploy/pod.yaml", POD),
    };
    let run = module.check(&["--build", "."]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.out.contains("error[host-namespace]"), "{run}");
    assert!(run.err.contains("undefined: undefined"), "what go said: {run}");
    let json = module.check(&["--build", "--format", "json", "."]);
    let report: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let notice = &report["notices"][0];
    assert_eq!(notice["kind"], "build-failed", "{json}");
    assert!(notice["message"].as_str().unwrap().contains("cmd/shop failed"), "{json}");
}

#[test]
fn paths_that_overlap_build_once() {
    let dockerfile = format!(
        "FROM golang:GOVERSION AS build\nWORKDIR /src\nCOPY . .\nRUN go build -o /shop ./cmd/shop{REST}"
    );
    let module = Module::new(&dockerfile);
    let go = succeed(Command::new("sh").args(["-c", "command -v go"]));
    let calls = module.dir.path().join("calls");
    let script = format!("echo \"$*\" >> '{}'\nexec '{}' \"$@\"", calls.display(), go.trim());
    let (_tools, env) = go_that_runs(&script);
    let paths = [".", "./cmd", "./cmd/shop", "cmd"];
    let run = module.check_with(&[&["--build", "--format", "json"], &paths[..]].concat(), &env);
    let calls = fs::read_to_string(&calls).unwrap();
    let builds: Vec<&str> = calls.lines().filter(|call| call.starts_with("build ")).collect();
    // As the Dockerfile says, and as `go` builds it where no Dockerfile is seen.
    assert_eq!(builds.len(), 2, "{calls}");
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let built = report["built"].as_array().unwrap();
    let lines = built.iter().filter(|line| line.as_str().unwrap().starts_with("built by"));
    assert_eq!(lines.count(), 2, "{run}");
}

/// A program by Go 1.22.0 from the fixtures.
fn program_of_go_1_22() -> PathBuf {
    let index = fs::read_to_string(repository().join("target/fixtures.json"))
        .expect("target/fixtures.json is there: run `cargo xtask fixtures`");
    let fixtures: serde_json::Value = serde_json::from_str(&index).unwrap();
    let fits = |fixture: &&serde_json::Value| {
        fixture["program"] == "plain" && fixture["go"] == "1.22.0" && fixture["goarch"] == "amd64"
    };
    let fixture = fixtures.as_array().unwrap().iter().find(fits).unwrap();
    PathBuf::from(fixture["path"].as_str().unwrap())
}

#[test]
fn an_old_toolchain_is_shown_where_go_mod_chose_it() {
    let program = program_of_go_1_22();
    // A `go` that knows one package and makes the program of it.
    let script = format!(
        "case $1 in\nlist) echo \"$PWD/cmd/shop\"; exit;;\nesac\nwhile [ $# -gt 0 ]; do\n  \
         if [ \"$1\" = -o ]; then exec cp '{}' \"$2\"; fi\n  shift\ndone\nexit 1",
        program.display()
    );
    let (_tools, env) = go_that_runs(&script);
    let places = |dir: &Dir, paths: &[&str]| -> Vec<String> {
        let fixed = ["check", "--date", "2026-11-24", "--fail-on", "never", "--format", "github"];
        let more = ["--build", "--only", "end-of-life-toolchain"];
        let run = dir.provost_with_env(&[&fixed[..], &more, paths].concat(), &env);
        assert_eq!(run.code, 0, "{run}");
        let lines = run.out.lines().filter(|line| line.starts_with("::"));
        lines.map(|line| line.split(",title=").next().unwrap().to_owned()).collect()
    };
    let module = "module example.com/shop\n\ngo 1.21\n\ntoolchain go1.22.0\n";
    let dir = Dir::new().file("go.mod", module).file("cmd/shop/main.go", "package main\n");
    let expected = ["::warning file=go.mod,line=5,endLine=5,col=11,endColumn=19"];
    // However the module is found.
    for paths in [&["."][..], &["cmd/shop"], &["cmd", "."]] {
        assert_eq!(places(&dir, paths), expected, "{paths:?}");
    }
    // Another Go than the one that go.mod asks for happens to be at hand.
    let dir = dir.file("go.mod", module.replace("go1.22.0", "go1.27.4"));
    assert_eq!(places(&dir, &["."]), [""; 0]);
    // The image is built by its builder's Go.
    let dir = dir.file("go.mod", module).file(
        "Dockerfile",
        format!("FROM golang:1.27 AS build\nCOPY . .\nRUN go build -o /shop ./cmd/shop{REST}"),
    );
    assert_eq!(places(&dir, &["."]), [""; 0]);
}

#[test]
fn a_folder_without_a_program_is_not_the_module_above_it() {
    let module = Module::new("FROM scratch\n");
    let module = Module { dir: module.dir.file("docs/pod.yaml", POD) };
    let run = module.check(&["--build", "docs"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.out.contains("no main package in docs or below it"), "{run}");
    assert!(run.out.contains("error[host-namespace]"), "the rest is judged: {run}");
}

#[test]
fn a_program_at_the_root_is_named_by_its_module() {
    let module = Module::new("FROM scratch\n");
    fs::remove_dir_all(module.dir.path().join("cmd")).unwrap();
    let module = Module { dir: module.dir.file("main.go", "package main\n\nfunc main() {}\n") };
    let run = module.check(&["--build", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let inputs = report["inputs"].as_array().unwrap();
    let paths: Vec<&str> = inputs.iter().map(|input| input["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"example.com/shop (go build)"), "{paths:?}");
}
