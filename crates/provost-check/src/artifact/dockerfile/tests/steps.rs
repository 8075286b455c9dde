//! Instructions in order, and the commands of RUN lines with their places.

use super::*;
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
