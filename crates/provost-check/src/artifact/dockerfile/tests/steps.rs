//! Instructions in order, and the commands of RUN lines with their places.

use super::*;
use crate::facts::build_files::Presence;
use crate::facts::build_steps::{RunCommand, Within};

/// The commands of every RUN: where they stand, environment, words as they stand in the file.
fn commands(text: &str) -> String {
    let mut out = String::new();
    for run in &build(text).runs {
        let lists = run.lists().unwrap();
        for list in &lists {
            let place = match list.within {
                Within::Text => "",
                Within::Assignment => "assigned ",
                Within::Argument => "inside ",
            };
            for command in &list.commands {
                writeln!(out, "{place}{}", shown(text, command)).unwrap();
            }
        }
        writeln!(out, "-- {:?}", run.shell).unwrap();
    }
    out
}

fn shown(text: &str, command: &RunCommand) -> String {
    let mut out = format!("{:?}", command.joined);
    for (name, value) in &command.env {
        write!(out, " {}={}", name.value, value.value).unwrap();
        assert_eq!(place(text, name), name.value);
    }
    for word in &command.words {
        write!(out, " `{}`", place(text, word)).unwrap();
    }
    if command.piped {
        out.push_str(" |");
    }
    out
}

#[test]
fn simple_commands_with_their_places() {
    let text = r#"FROM alpine
RUN A=1 B="x y" apk add \
    # a comment
    --no-cache \
  'curl' && sudo -u app env C=2 go build -o /a . || true
RUN curl -s "https://a/$V" | tar xz; VERSION=$(curl x | cut -d: -f2) make "n $(id -u)"
RUN ["curl", "-k", "https://a"]
RUN ["/bin/bash", "-o", "pipefail", "-c", "curl a | sh"]
RUN <<EOF
set -e
curl a | sh
EOF
RUN cat <<EOF >/etc/a && echo done
curl -k
EOF
RUN <<EOF
#!/usr/bin/env python3
print(1)
EOF
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN a | b
SHELL ["powershell", "-Command"]
RUN Get-Item | Select
"#;
    insta::assert_snapshot!(commands(text), @r#"
    Sequence A=1 B=x y `apk` `add` `--no-cache` `'curl'`
    And `sudo` `-u` `app` `env` `C=2` `go` `build` `-o` `/a` `.`
    Or `true`
    -- Posix { pipefail: false }
    Sequence `curl` `-s` `"https://a/$V"` |
    Pipe `tar` `xz`
    Sequence VERSION=$(curl x | cut -d: -f2) `make` `"n $(id -u)"`
    inside Sequence `curl` `x` |
    inside Pipe `cut` `-d:` `-f2`
    inside Sequence `id` `-u`
    -- Posix { pipefail: false }
    Sequence `curl` `-k` `https://a`
    -- Posix { pipefail: false }
    Sequence `curl` `a` |
    Pipe `sh`
    -- Posix { pipefail: true }
    Sequence `set` `-e`
    Sequence `curl` `a` |
    Pipe `sh`
    -- Posix { pipefail: false }
    Sequence `cat`
    And `echo` `done`
    -- Posix { pipefail: false }
    -- Other
    Sequence `a` |
    Pipe `b`
    -- Posix { pipefail: true }
    -- Other
    "#);
}

#[test]
fn documents_inside_a_script_are_data() {
    let text = "FROM alpine
RUN <<EOF
cat <<inner > /a && echo 1
curl -k 'x
inner
tar x
EOF
";
    insta::assert_snapshot!(commands(text), @r"
    Sequence `cat`
    And `echo` `1`
    Sequence `tar` `x`
    -- Posix { pipefail: false }
    ");
}

#[test]
fn what_runs_a_program_is_stepped_over() {
    let text =
        "FROM alpine\nRUN sudo -u app env -i C=2 nice -n 10 /usr/bin/curl -k x\nRUN $CMD x\n";
    let build = build(text);
    let all = build.runs[0].commands().unwrap();
    let (name, arguments) = all[0].program().unwrap();
    assert_eq!((name, arguments.len()), ("curl", 2));
    assert_eq!(build.runs[1].commands().unwrap()[0].program(), None);
}

#[test]
fn instructions_know_their_stage() {
    let text = "ARG A\nFROM a AS x\nRUN y\nfrom b\nCMD z\n";
    let build = build(text);
    let all: Vec<_> = build.instructions.iter().map(|i| (i.name, i.stage)).collect();
    assert_eq!(
        all,
        [("ARG", None), ("FROM", Some(0)), ("RUN", Some(0)), ("FROM", Some(1)), ("CMD", Some(1))]
    );
    let from = &build.instructions[3];
    assert_eq!(at(text, from.keyword.span().unwrap()), "from");
    assert_eq!(at(text, from.origin.span().unwrap()), "from b");
}

#[test]
fn stages_that_the_image_needs() {
    let text = "FROM a AS unused
FROM b AS copied
FROM c AS mounted
FROM copied AS base
FROM scratch AS numbered
FROM base
COPY --from=4 / /
RUN --mount=type=bind,from=mounted,target=/m true
";
    assert_eq!(build(text).reached(), [false, true, true, true, true, true]);
    assert_eq!(build(text).root_of(5).unwrap().base.value, "b");
}

#[test]
fn more_instructions_than_the_limit() {
    let limits = Limits { instructions: 3, ..Limits::DEFAULT };
    let text = "FROM scratch\nUSER a\nUSER b\nUSER c\nNOPE\n";
    let (build, found) = load(SourceId(0), text, None, &limits);
    assert_eq!(build.unwrap().config().user.as_ref().unwrap().value.value, "b");
    insta::assert_snapshot!(super::shown(text, &found), @"4: `USER`: more than 3 instructions: the rest was not read");
}

#[test]
fn caches_of_a_run() {
    let text = "FROM a\nRUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=bind,target=/x true\n";
    let run = &build(text).runs[0];
    assert!(run.caches("/var/cache/apt"));
    assert!(run.caches("/var/cache/apt/archives"));
    assert!(!run.caches("/var/cache/apt-x"));
    assert!(!run.caches("/x"));
}

#[test]
fn onbuild_runs_in_stages_of_the_file_that_are_based_on_its_own() {
    let text = "FROM golang:1.27 AS base
ONBUILD COPY go.mod /src/
ONBUILD RUN go build -o /out/x .
ONBUILD ENV MODE=fast
ONBUILD USER 1000
FROM base AS child
FROM child
";
    let build = build(text);
    let copied: Vec<_> = build.copies.iter().map(|copy| copy.stage).collect();
    let built: Vec<_> = build.go_builds.iter().map(|go| go.stage).collect();
    assert_eq!((copied, built), (vec![1], vec![1]));
    let user = |stage: usize| {
        build.stages[stage].config.user.as_ref().map(|user| user.value.value.clone())
    };
    assert_eq!((user(0), user(1)), (None, Some("1000".to_owned())));
    // They are not passed on, what they set is.
    assert_eq!(build.config().env.last().unwrap().0.value, "MODE");
    assert_eq!(place(text, &build.copies[0].sources[0]), "go.mod");
}

#[test]
fn an_onbuild_of_one_stage_alone_runs_nothing() {
    let build = build("FROM alpine\nONBUILD USER 1000\nONBUILD COPY a /b\n");
    assert!(build.config().user.is_none() && build.copies.is_empty());
}

/// Paths that a stage on golang cannot have after those lines.
fn impossible(lines: &str, paths: &str) -> String {
    let build = build(&format!("FROM golang:1.27\nWORKDIR /src\n{lines}\n"));
    let lacks = |path: &&str| build.stage_has(0, path) == Presence::Impossible;
    paths.split(' ').filter(lacks).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_go_command_writes_where_variables_say() {
    for (lines, path) in [
        ("ENV GOPATH=/gopath\nRUN go mod download", "/gopath"),
        ("ENV GOPATH=/a:/gopath\nRUN go mod download", "/gopath/pkg"),
        ("ENV GOMODCACHE=/modcache\nRUN go mod download", "/modcache/cache"),
        ("ENV GOCACHE=/cache\nRUN go build -o /out/app .", "/cache"),
        ("ENV HOME=/house\nRUN go build -o /out/app .", "/house/.cache/go-build"),
        ("ARG GOCACHE\nRUN go build -o /out/app .", "/cache"),
        ("RUN GOPATH=/x go mod download", "/x"),
        ("RUN export GOPATH=/x && go mod download", "/x"),
        ("RUN GOPATH=$(mktemp -d) go mod download", "/x"),
        ("ENV GOPATH=/x\nRUN GOOS=windows go install ./cmd/app", "/x/bin/windows_amd64/app.exe"),
        ("RUN go mod vendor -o /vendored", "/vendored"),
        ("RUN go mod vendor -o=/vendored", "/vendored"),
        ("RUN go env -w GOBIN=/x\nRUN go install ./cmd/app", "/x/app"),
        ("RUN go build -buildmode=c-shared -o /out/lib.so .", "/out/lib.h"),
        ("RUN go build -buildmode c-archive -o /out/lib.a .", "/out/lib.h"),
        ("ENV GOFLAGS=-toolexec=/t\nRUN go build -o /out/app .", "/x"),
    ] {
        assert_eq!(impossible(lines, path), "", "{lines}");
        assert_eq!(impossible("RUN go build -o /other/app .", path), path, "{lines}");
    }
    let both = "/cache /out/other";
    assert_eq!(impossible("RUN GOCACHE=/cache go build -o /out/app .", both), "/out/other");
}

#[test]
fn copies_and_links_that_a_shell_makes() {
    for (run, path) in [
        ("install -d /a /b /c", "/a"),
        ("install -Dt /out a b", "/out/a"),
        ("cp -rt /out a b", "/out/a"),
        ("cp --parents a/b /out", "/out/a/b"),
        ("cp {a,b} /out/", "/out/a"),
        ("touch /out/{a,b}", "/out/a"),
        ("cp a ~/x", "/house/x"),
        ("ln -s /real /link && cd /link && go build -o app .", "/real/app"),
        ("ln -s real /link && cd /link && go build -o app .", "/real/app"),
        ("usermod -md /home2 app", "/home2"),
        ("for x in a b; do go build -o /out/$x ./$x; done", "/out/a"),
        ("env -C /dir go build -o app .", "/dir/app"),
    ] {
        let lines = format!("ENV x=1\nRUN {run}");
        assert_eq!(impossible(&lines, path), "", "{run}");
    }
    assert_eq!(impossible("RUN ln -s /real /link && cp a /out/", "/a /out/a"), "/a");
    // Several programs make a directory of what `-o` names.
    let text = "FROM golang:1.27 AS a
RUN mkdir /out && go build -o /out ./cmd/app
FROM golang:1.27
COPY --from=a /out /x/
RUN --mount=type=bind,source=a,target=here go build -o /bin/a .
";
    assert_eq!(has(text, 1, &["/x/app", "/here"]), "/x/app Possibly\n/here Possibly");
    let text = "FROM golang:1.27\nARG A\nWORKDIR /$A\nRUN touch file\n";
    assert_eq!(has(text, 0, &["/a/file"]), "/a/file Possibly");
    let text = "FROM golang:1.27\nSHELL [\"/entry\"]\nRUN echo a\n";
    assert_eq!(has(text, 0, &["/file"]), "/file Possibly");
}

/// What a stage has: paths and how sure it is.
fn has(text: &str, stage: usize, paths: &[&str]) -> String {
    let build = build(text);
    let answers = paths.iter().map(|path| format!("{path} {:?}", build.stage_has(stage, path)));
    answers.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_a_stage_has() {
    let text = "FROM golang:1.27
WORKDIR /src/app
COPY . .
COPY a.yaml b.yaml /conf/x/
RUN mkdir -p /data/cache \"/lib x\" && adduser -h /srv/app app
RUN --mount=type=cache,target=/cache go build -o /out/svc ./cmd/svc && cp /out/svc /tools/
RUN go build -o /many/ ./a ./b
";
    insta::assert_snapshot!(has(text, 0, &[
        "/out/svc", "/out", "/out/other", "/src", "/src/app/x", "/src/other", "/conf", "/conf/x/c.yaml",
        "/conf/y", "/data", "/data/cache", "/data/other", "/srv/app/.profile", "/srv/other", "/cache/x",
        "/tools/svc", "/tools/other", "/many/b", "/usr", "/etc/passwd", "/go/bin/x", "/nowhere",
    ]), @r"
    /out/svc Possibly
    /out Possibly
    /out/other Impossible
    /src Certainly
    /src/app/x Possibly
    /src/other Impossible
    /conf Certainly
    /conf/x/c.yaml Possibly
    /conf/y Impossible
    /data Possibly
    /data/cache Possibly
    /data/other Impossible
    /srv/app/.profile Possibly
    /srv/other Possibly
    /cache/x Possibly
    /tools/svc Possibly
    /tools/other Impossible
    /many/b Possibly
    /usr Possibly
    /etc/passwd Possibly
    /go/bin/x Possibly
    /nowhere Impossible
    ");
}
