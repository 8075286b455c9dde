use super::*;
use crate::artifact::ProblemKind;

#[test]
fn a_usual_service() {
    let text = r#"# syntax=docker/dockerfile:1
ARG GO_VERSION=1.22
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/root/.cache \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} \
    go build -trimpath -ldflags="-s -w" -o /out/svc ./cmd/svc

FROM gcr.io/distroless/static:nonroot
COPY --from=build /out/svc /svc
ENV GOMEMLIMIT=400MiB
EXPOSE 8080 9090/udp
HEALTHCHECK --interval=5s CMD wget -qO- http://localhost:8080/ || exit 1
ENTRYPOINT ["/svc"]
CMD ["--port", "8080"]
"#;
    insta::assert_snapshot!(config(text), @r#"
    entrypoint: exec ["/svc"]
    cmd: exec ["--port", "8080"]
    user: 65532
    workdir: /home/nonroot
    env: GOMEMLIMIT=400MiB
    expose: 8080/tcp
    expose: 9090/udp
    healthcheck: shell "wget -qO- http://localhost:8080/ || exit 1"
    "#);
    insta::assert_snapshot!(go_builds(text), @"stage 0 go build [CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH}] flags [-trimpath | -ldflags=-s -w | -o=/out/svc] packages [./cmd/svc] -> /out/svc");
    let build = build(text);
    let user = build.config().user.as_ref().unwrap();
    assert!(user.inherited);
    assert_eq!(place(text, &build.stages[0].base), "golang:${GO_VERSION}-alpine");
    assert_eq!(build.stages[0].base.value, "golang:1.22-alpine");
    assert_eq!(build.stages[0].platform.as_ref().unwrap().value, "$BUILDPLATFORM");
    assert_eq!(build.stages[0].go_tag.as_ref().unwrap().value.minor, 22);
    assert_eq!(build.copies.last().unwrap().from_stage, Some(0));
    assert_eq!(build.base_image().unwrap().name, "distroless/static");
}

/// A text by its name in `testdata/cases.txt`, where each is a JSON string below its name.
fn cases() -> Vec<(&'static str, String)> {
    let lines: Vec<&str> = include_str!("../testdata/cases.txt").lines().collect();
    lines
        .chunks(2)
        .map(|pair| (pair[0].strip_prefix("=== ").unwrap(), serde_json::from_str(pair[1]).unwrap()))
        .collect()
}

/// The image configuration in the form that `testdata/buildkit.go` prints it.
fn as_buildkit_prints(text: &str) -> String {
    let (build, problems) = load(SourceId(0), text, None, &Limits::DEFAULT);
    let taken = problems.iter().all(|problem| problem.kind == ProblemKind::Doubtful);
    let (Some(build), true) = (build, taken) else { return "refused\n".to_owned() };
    let config = build.config();
    let mut out = String::new();
    let mut line = |key: &str, words: &[&str]| {
        let json = match (key, words) {
            ("entrypoint" | "cmd" | "healthcheck" | "shell", words) => serde_json::to_string(words),
            (_, words) => serde_json::to_string(&words.concat()),
        };
        writeln!(out, "{key} {}", json.unwrap()).unwrap();
    };
    let words = |words: &'_ [Fact<String>]| -> Vec<String> {
        words.iter().map(|w| w.value.clone()).collect()
    };
    // BuildKit resolves shell form when it reads it, with the SHELL in force there.
    let shell_before = |origin: u32| {
        let mut shell = vec!["/bin/sh".to_owned(), "-c".to_owned()];
        if let Some(set) = &config.shell
            && set[0].origin.span().unwrap().start < origin
        {
            shell = words(set);
        }
        shell
    };
    let argv = |form: &CommandForm| match form {
        CommandForm::Exec(exec) => words(exec),
        CommandForm::Shell(text) => {
            let mut argv = shell_before(text.origin.span().unwrap().start);
            argv.push(text.value.clone());
            argv
        }
    };
    let borrowed = |words: &[String]| words.iter().map(|w| w.to_owned()).collect::<Vec<_>>();
    let mut print = |key: &str, words: Vec<String>| {
        line(key, &borrowed(&words).iter().map(String::as_str).collect::<Vec<_>>());
    };
    if let Some(entrypoint) = &config.entrypoint {
        print("entrypoint", argv(&entrypoint.value));
    }
    if let Some(cmd) = &config.cmd {
        print("cmd", argv(&cmd.value));
    }
    if let Some(user) = &config.user {
        print("user", vec![user.value.value.clone()]);
    }
    if let Some(dir) = &config.workdir
        && dir.value != "/"
    {
        print("workdir", vec![dir.value.clone()]);
    }
    for (name, value) in &config.env {
        if name.value != "PATH" {
            print("env", vec![format!("{}={}", name.value, value.value)]);
        }
    }
    let mut ports: Vec<String> =
        config.exposed.iter().map(|p| format!("{}/{}", p.value.0, p.value.1)).collect();
    ports.sort();
    for port in ports {
        print("expose", vec![port]);
    }
    if let Some(check) = &config.healthcheck {
        print(
            "healthcheck",
            match &check.value {
                None => vec!["NONE".to_owned()],
                Some(CommandForm::Exec(exec)) => [vec!["CMD".to_owned()], words(exec)].concat(),
                Some(CommandForm::Shell(text)) => vec!["CMD-SHELL".to_owned(), text.value.clone()],
            },
        );
    }
    if let Some(signal) = &config.stop_signal {
        print("stopsignal", vec![signal.value.clone()]);
    }
    if let Some(shell) = &config.shell {
        print("shell", words(shell));
    }
    out
}

#[test]
fn buildkit_agrees() {
    let expected = include_str!("../testdata/buildkit.txt");
    let mut expected = expected.split("=== ").skip(1);
    let mut different = String::new();
    for (name, text) in cases() {
        let (theirs_name, theirs) = expected.next().unwrap().split_once('\n').unwrap();
        assert_eq!(theirs_name, name);
        let ours = as_buildkit_prints(&text);
        if ours != theirs {
            writeln!(different, "--- {name}\n{text}\nBuildKit:\n{theirs}\nours:\n{ours}").unwrap();
        }
    }
    assert!(different.is_empty(), "{different}");
    assert!(expected.next().is_none());
}

#[test]
fn places_are_tight() {
    let text = "ARG G=1\nFROM alpine AS base\nENV A=\"one two\" B=x\\\ny \\\n# c\n  C='z'\nUSER  app:app  \nWORKDIR /a/b\nEXPOSE 80 90/udp\nSTOPSIGNAL SIGINT\nENTRYPOINT [ \"/svc\",\\\n \"-a\" ]\nCMD echo  \"hi\" \\\n  there\nHEALTHCHECK --interval=1s CMD [\"/svc\"]\nCOPY --chmod=755 a b /c/\n";
    let build = build(text);
    let config = build.config();
    let env: Vec<(&str, &str)> =
        build.envs.iter().map(|(n, v, _)| (place(text, n), place(text, v))).collect();
    assert_eq!(env, [("A", "one two"), ("B", "x\\\ny"), ("C", "z")]);
    assert_eq!(build.envs[1].1.value, "xy");
    assert_eq!(place(text, &config.user.as_ref().unwrap().value), "app:app");
    assert_eq!(place(text, config.workdir.as_ref().unwrap()), "/a/b");
    assert_eq!(place(text, &config.exposed[1]), "90/udp");
    assert_eq!(place(text, config.stop_signal.as_ref().unwrap()), "SIGINT");
    assert_eq!(place(text, build.stages[0].name.as_ref().unwrap()), "base");
    let Some(Instruction { value: CommandForm::Exec(words), origin, .. }) = &config.entrypoint
    else {
        panic!("exec form")
    };
    assert_eq!(words.iter().map(|w| place(text, w)).collect::<Vec<_>>(), ["/svc", "-a"]);
    assert_eq!(at(text, origin.span().unwrap()), "ENTRYPOINT [ \"/svc\",\\\n \"-a\" ]");
    let Some(Instruction { value: CommandForm::Shell(shell), .. }) = &config.cmd else {
        panic!("shell form")
    };
    assert_eq!(shell.value, "echo  \"hi\"   there");
    assert_eq!(place(text, shell), "echo  \"hi\" \\\n  there");
    assert_eq!(place(text, &config.healthcheck_flags[0]), "--interval=1s");
    let copy = &build.copies[0];
    assert_eq!(place(text, &copy.flags[0]), "--chmod=755");
    assert_eq!(copy.sources.iter().map(|s| place(text, s)).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(place(text, &copy.destination), "/c/");
    assert_eq!(place(text, &build.args[0].0), "G");
    assert_eq!(place(text, build.args[0].1.as_ref().unwrap()), "1");
}

#[test]
fn what_only_the_build_knows_stays_as_written() {
    let text = "FROM alpine\nARG TARGETARCH\nARG V\nENV A=x-$TARGETARCH B=${TARGETARCH:-amd64} C=$V D=${V:-d} E=${V:+e}f P=/x:$PATH\n";
    insta::assert_snapshot!(config(text), @r#"
    entrypoint: none
    cmd: exec ["/bin/sh"] (inherited)
    env: A=x-$TARGETARCH
    env: B=${TARGETARCH:-amd64}
    env: C=$V
    env: D=d
    env: E=f
    env: P=/x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    "#);
    let text = "FROM example.com/base\nENV P=/x:$PATH\n";
    insta::assert_snapshot!(config(text), @r#"
    entrypoint: none
    cmd: none
    env: P=/x:$PATH
    "#);
}

#[test]
fn base_images() {
    use crate::artifact::dockerfile::base_images::{go_tag, lookup};
    let mut out = String::new();
    for image in [
        "scratch",
        "gcr.io/distroless/static",
        "gcr.io/distroless/static:nonroot",
        "gcr.io/distroless/static-debian12:debug-nonroot",
        "gcr.io/distroless/static-debian12:nonroot-amd64",
        "gcr.io/distroless/base-debian11",
        "gcr.io/distroless/base-nossl-debian12:latest",
        "mirror.example.com:5000/gcr/distroless/cc-debian13:nonroot@sha256:00",
        "gcr.io/distroless/java21-debian12",
        "gcr.io/distroless/java-base",
        "gcr.io/distroless/python3",
        "gcr.io/distroless/static-debian10",
        "alpine",
        "docker.io/library/alpine:3.20@sha256:00",
        "public.ecr.aws/docker/library/alpine:3",
        "alpine/git",
        "me/alpine",
        "busybox:1.36-musl",
        "busybox",
        "debian:bookworm-20240904-slim",
        "debian:11",
        "debian",
        "ubuntu:22.04",
        "ubuntu:noble",
        "golang:1.22",
        "golang:1.22.3-alpine3.20",
        "golang:latest",
        "golang:1.22-windowsservercore",
        "registry.access.redhat.com/ubi9/ubi-minimal:9.4",
        "registry.access.redhat.com/ubi8-micro",
        "redhat/ubi10",
        "registry.access.redhat.com/ubi9/go-toolset:1.22",
        "amazonlinux:2",
        "amazonlinux:2023",
        "cgr.dev/chainguard/static:latest",
        "cgr.dev/chainguard/glibc-dynamic:latest-dev",
        "chainguard/wolfi-base",
        "cgr.dev/example.com/go:1.23",
        "${BASE}",
        "a:b:c/d:e",
        "",
    ] {
        write!(out, "{image}: ").unwrap();
        match lookup(image) {
            Some(base) => write!(
                out,
                "{}, {:?}, sh {:?}, ca {:?}, zones {:?}, user {:?}",
                base.name, base.libc, base.shell, base.ca_bundle, base.zoneinfo, base.user
            ),
            None => write!(out, "unknown"),
        }
        .unwrap();
        if let Some(tag) = go_tag(image) {
            write!(out, ", {tag}").unwrap();
        }
        out.push('\n');
    }
    insta::assert_snapshot!(out, @r#"
    scratch: scratch, None, sh None, ca Some(false), zones Some(false), user None
    gcr.io/distroless/static: distroless/static, None, sh None, ca Some(true), zones Some(true), user Some("0")
    gcr.io/distroless/static:nonroot: distroless/static, None, sh None, ca Some(true), zones Some(true), user Some("65532")
    gcr.io/distroless/static-debian12:debug-nonroot: distroless/static, None, sh None, ca Some(true), zones Some(true), user Some("65532")
    gcr.io/distroless/static-debian12:nonroot-amd64: distroless/static, None, sh None, ca Some(true), zones Some(true), user Some("65532")
    gcr.io/distroless/base-debian11: distroless/base, Glibc(Some(31)), sh None, ca Some(true), zones Some(true), user Some("0")
    gcr.io/distroless/base-nossl-debian12:latest: distroless/base-nossl, Glibc(Some(36)), sh None, ca Some(true), zones Some(true), user Some("0")
    mirror.example.com:5000/gcr/distroless/cc-debian13:nonroot@sha256:00: distroless/cc, Glibc(Some(41)), sh None, ca Some(true), zones Some(true), user Some("65532")
    gcr.io/distroless/java21-debian12: distroless/java, Glibc(Some(36)), sh None, ca Some(true), zones Some(true), user Some("0")
    gcr.io/distroless/java-base: distroless/java, Glibc(None), sh None, ca Some(true), zones Some(true), user Some("0")
    gcr.io/distroless/python3: distroless/python, Glibc(None), sh None, ca Some(true), zones Some(true), user Some("0")
    gcr.io/distroless/static-debian10: unknown
    alpine: alpine, Musl, sh Some(BusyboxAsh), ca Some(true), zones Some(false), user None
    docker.io/library/alpine:3.20@sha256:00: alpine, Musl, sh Some(BusyboxAsh), ca Some(true), zones Some(false), user None
    public.ecr.aws/docker/library/alpine:3: alpine, Musl, sh Some(BusyboxAsh), ca Some(true), zones Some(false), user None
    alpine/git: unknown
    me/alpine: unknown
    busybox:1.36-musl: busybox, Musl, sh Some(BusyboxAsh), ca Some(false), zones Some(false), user None
    busybox: busybox, Glibc(None), sh Some(BusyboxAsh), ca Some(false), zones Some(false), user None
    debian:bookworm-20240904-slim: debian, Glibc(Some(36)), sh Some(Dash), ca Some(false), zones Some(true), user None
    debian:11: debian, Glibc(Some(31)), sh Some(Dash), ca Some(false), zones Some(true), user None
    debian: debian, Glibc(None), sh Some(Dash), ca Some(false), zones Some(true), user None
    ubuntu:22.04: ubuntu, Glibc(Some(35)), sh Some(Dash), ca Some(false), zones Some(false), user None
    ubuntu:noble: ubuntu, Glibc(Some(39)), sh Some(Dash), ca Some(false), zones Some(false), user None
    golang:1.22: golang, Glibc(None), sh Some(Dash), ca Some(true), zones Some(true), user None, go1.22
    golang:1.22.3-alpine3.20: golang (alpine), Musl, sh Some(BusyboxAsh), ca Some(true), zones Some(false), user None, go1.22.3
    golang:latest: golang, Glibc(None), sh Some(Dash), ca Some(true), zones Some(true), user None
    golang:1.22-windowsservercore: unknown, go1.22
    registry.access.redhat.com/ubi9/ubi-minimal:9.4: ubi-minimal, Glibc(Some(34)), sh Some(Bash), ca Some(true), zones None, user None
    registry.access.redhat.com/ubi8-micro: ubi-micro, Glibc(Some(28)), sh Some(Bash), ca None, zones None, user None
    redhat/ubi10: ubi, Glibc(Some(39)), sh Some(Bash), ca Some(true), zones None, user None
    registry.access.redhat.com/ubi9/go-toolset:1.22: unknown, go1.22
    amazonlinux:2: amazonlinux, Glibc(Some(26)), sh Some(Bash), ca Some(true), zones None, user None
    amazonlinux:2023: amazonlinux, Glibc(Some(34)), sh Some(Bash), ca Some(true), zones None, user None
    cgr.dev/chainguard/static:latest: chainguard/static, None, sh None, ca Some(true), zones Some(true), user Some("65532")
    cgr.dev/chainguard/glibc-dynamic:latest-dev: chainguard/wolfi-base, Glibc(None), sh Some(BusyboxAsh), ca Some(true), zones None, user None
    chainguard/wolfi-base: chainguard/wolfi-base, Glibc(None), sh Some(BusyboxAsh), ca Some(true), zones None, user None
    cgr.dev/example.com/go:1.23: chainguard/go, Glibc(None), sh Some(BusyboxAsh), ca Some(true), zones None, user None, go1.23
    ${BASE}: unknown
    a:b:c/d:e: unknown
    : unknown
    "#);
}

/// What the sources of the images say: the package lists of debuerreotype, busybox's defconfig,
/// distroless' build files.
#[test]
fn tools_of_base_images() {
    use crate::artifact::dockerfile::base_images::lookup;
    let has = |image: &str, tool: &str| lookup(image).unwrap().tools.contains(&tool);
    for tool in ["httpd", "telnet", "wget", "nc", "getconf", "sh"] {
        assert!(has("busybox:1.36", tool), "{tool}");
        assert!(has("gcr.io/distroless/static-debian12:debug", tool), "{tool}");
    }
    assert!(has("alpine:3.20", "wget") && !has("alpine:3.20", "curl"));
    // What busybox never has is known not to be there.
    for image in ["busybox", "gcr.io/distroless/base:debug-nonroot"] {
        let base = lookup(image).unwrap();
        assert!(base.tools_complete && !base.tools.contains(&"curl"), "{image}");
    }
    // A list that is not complete says nothing about what it lacks.
    for image in [
        "debian:bookworm-slim",
        "ubuntu:24.04",
        "redhat/ubi9",
        "golang:1.27",
        "chainguard/wolfi-base",
    ] {
        assert!(!lookup(image).unwrap().tools_complete, "{image}");
    }
    assert_eq!(lookup("gcr.io/distroless/static:nonroot").unwrap().workdir, Some("/home/nonroot"));
}

/// Variables that are read and that nothing sets: name, stage, reader.
fn undefined(text: &str) -> String {
    let build = build(text);
    let shown = build.undefined.iter().map(|read| {
        assert_eq!(place(text, &read.name), read.name.value);
        let reader = if read.by_shell { "shell" } else { "builder" };
        format!("{} in {} by the {reader}", read.name.value, read.stage)
    });
    shown.collect::<Vec<_>>().join("\n")
}

#[test]
fn variables_that_nothing_sets() {
    let text = "ARG G=1
FROM a AS one
ARG D
ENV E=$G F=${D}x H=$E
LABEL l=\"$L\" m='$M'
COPY --chown=$O $C /x/${E}
WORKDIR /w/$W\\$ESCAPED
RUN A=1 && echo $A $B \\
  ${E} ${N:-x} '$Q' \"$P\"
RUN [\"echo\", \"$EXEC\"]
FROM one
USER ${U:-1}$V
RUN echo $D $A
";
    insta::assert_snapshot!(undefined(text), @r"
    G in 0 by the builder
    L in 0 by the builder
    C in 0 by the builder
    O in 0 by the builder
    W in 0 by the builder
    B in 0 by the shell
    P in 0 by the shell
    V in 1 by the builder
    A in 1 by the shell
    ");
}
