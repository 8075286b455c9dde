//! Garbage, floods and traps: a message with a place, the rest still read, bounded work.

use proptest::prelude::*;

use super::super::load_bytes;
use super::*;
use crate::artifact::ProblemKind;

fn bytes(input: &[u8]) -> (Option<Build>, Vec<Problem>) {
    load_bytes(SourceId(0), input, None, &Limits::DEFAULT)
}

#[test]
fn nothing_and_garbage() {
    insta::assert_snapshot!(problems(""), @"file: the file is empty: a Dockerfile starts with FROM");
    insta::assert_snapshot!(problems("\n\n# only a comment\n"), @"file: no FROM: this is no Dockerfile that could be built");
    insta::assert_snapshot!(problems("\u{1b}[31mred\nhello world\n"), @r#"
    file: no FROM: this is no Dockerfile that could be built
    1: `[31mred`: unknown instruction [31mred
    2: `hello`: unknown instruction hello (did you mean SHELL?)
    "#);
    let (build, found) = bytes(b"\x7fELF\x02\x01\x01\0\0\0");
    assert!(build.is_none());
    insta::assert_snapshot!(found[0].message, @"a NUL byte: this is no Dockerfile");
    let (build, found) = bytes(b"FROM scratch\nUSER a\xff\xfeb\nENTRYPOINT [\"/svc\"]\n");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].origin.span(), Some(Span::new(19, 20)));
    let build = build.unwrap();
    assert_eq!(build.config().user.as_ref().unwrap().value.value, "a??b");
    assert!(build.config().entrypoint.is_some());
}

#[test]
fn one_bad_line_hides_no_other() {
    let text = "FORM x
FROM scratch
ENTRYPONT [\"/a\"]
ENV A
ENV B=${
COPY x
COPY --owner=me x /x
HEALTHCHECK curl localhost
SHELL /bin/bash
EXPOSE http 99999 80/icmp
ONBUILD FROM x
CMD [1]
FROM a b c
FROM scratch AS 1st
LABEL x
USER
ARG =1
USER ok
";
    insta::assert_snapshot!(problems(text), @r#"
    1: `FORM`: unknown instruction FORM (did you mean FROM?)
    3: `ENTRYPONT`: unknown instruction ENTRYPONT (did you mean ENTRYPOINT?)
    4: `A`: ENV needs a name and a value
    5: `${`: bad substitution after $
    6: `COPY`: COPY needs a source and a destination
    7: `--owner=me`: COPY has no flag --owner
    8: `curl`: HEALTHCHECK is followed by CMD or NONE
    9: `SHELL`: SHELL takes a JSON array of at least one string
    10: `http`: http is no port, range of ports or port/protocol
    10: `99999`: 99999 is no port, range of ports or port/protocol
    10: `80/icmp`: 80/icmp is no port, range of ports or port/protocol
    11: `FROM`: ONBUILD does not take FROM
    12: `[1]`: the JSON array holds more than strings
    13: `a b c`: FROM takes an image, or an image, AS and a name
    14: `1st`: 1st is no stage name: it starts with a letter and holds letters, digits, - _ .
    15: `x`: LABEL needs a name and a value
    16: `USER`: USER has no arguments
    17: `=1`: ARG without a name
    "#);
    let (build, _) = load(SourceId(0), text, None, &Limits::DEFAULT);
    assert_eq!(build.unwrap().config().user.as_ref().unwrap().value.value, "ok");
}

#[test]
fn an_unterminated_heredoc_takes_the_rest() {
    let text = "FROM scratch\nUSER a\nRUN <<EOF\nUSER b\n";
    insta::assert_snapshot!(problems(text), @"3: `<<EOF`: the here-document EOF does not end");
}

#[test]
fn a_line_without_end() {
    let text = format!("FROM scratch\nUSER a\nENV A={}\nUSER b\n", "x".repeat(10 << 20));
    let (build, found) = load(SourceId(0), &text, None, &Limits::DEFAULT);
    assert_eq!(build.unwrap().config().user.as_ref().unwrap().value.value, "b");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, ProblemKind::Limit);
    insta::assert_snapshot!(shown(&text, &found), @"3: `ENV A=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`: a line longer than 65535 bytes was left out; BuildKit refuses it");

    let long = "x".repeat(50 << 20);
    let (build, found) = load(SourceId(0), &long, None, &Limits::DEFAULT);
    assert!(build.is_none());
    assert!(found.iter().any(|p| p.kind == ProblemKind::Limit), "{found:?}");
}

#[test]
fn many_instructions() {
    let mut text = String::from("FROM golang:1.22\n");
    for i in 0..100_000 {
        writeln!(text, "ENV V{i}=$V{} W=$W", i / 2).unwrap();
    }
    text.push_str("USER last\n");
    let (build, _) = load(SourceId(0), &text, None, &Limits::DEFAULT);
    assert_eq!(build.unwrap().config().user.as_ref().unwrap().value.value, "last");
}

#[test]
fn many_problems_are_counted() {
    let text = format!("FROM scratch\n{}", "NOPE\n".repeat(1000));
    let (build, found) = load(SourceId(0), &text, None, &Limits::DEFAULT);
    assert!(build.is_some());
    assert_eq!(found.len(), Limits::DEFAULT.problems + 1);
    assert_eq!(found.last().unwrap().message, "936 more problems in this file");
}

#[test]
fn values_that_double() {
    let mut text = String::from("FROM scratch\nENV A=aaaaaaaaaaaaaaaa\n");
    for _ in 0..64 {
        text.push_str("ENV A=$A$A$A$A\n");
    }
    let (build, found) = load(SourceId(0), &text, None, &Limits::DEFAULT);
    let longest = build.unwrap().envs.iter().map(|(_, v, _)| v.value.len()).max().unwrap();
    assert!(longest <= 64 << 10, "{longest}");
    assert!(found.iter().any(|p| p.kind == ProblemKind::Limit));
}

#[test]
fn stages_that_inherit_much() {
    let mut text = String::from("FROM scratch AS s0\n");
    for i in 0..5000 {
        writeln!(text, "ENV V{i}={}", "x".repeat(100)).unwrap();
    }
    for i in 1..2000 {
        writeln!(text, "FROM s{} AS s{i}", i - 1).unwrap();
    }
    let (build, found) = load(SourceId(0), &text, None, &Limits::DEFAULT);
    let build = build.unwrap();
    assert_eq!(build.stages.len(), Limits::DEFAULT.stages);
    let kept: usize = build.stages.iter().map(|s| s.config.env.len()).sum();
    assert!(kept < 1_000_000, "{kept}");
    assert!(found.iter().any(|p| p.kind == ProblemKind::Limit));
}

#[test]
fn ports_by_the_thousand() {
    let text = format!("FROM scratch\n{}", "EXPOSE 0-65535\n".repeat(1000));
    let (build, found) = load(SourceId(0), &text, None, &Limits::DEFAULT);
    assert!(build.unwrap().config().exposed.len() <= Limits::DEFAULT.expanded_bytes / 64);
    assert!(found.iter().any(|p| p.kind == ProblemKind::Limit));
}

#[test]
fn nesting() {
    let deep = |open: &str, n: usize| open.repeat(n);
    for text in [
        format!("FROM scratch\nENV A={}\nUSER u\n", deep("${A:-", 10_000)),
        format!("FROM scratch\nRUN {}\nUSER u\n", deep("$(", 20_000)),
        format!("FROM scratch\nRUN {}\nUSER u\n", deep("\"$(", 20_000)),
        format!("FROM scratch\nRUN {}\nUSER u\n", deep("(", 60_000)),
        format!("FROM scratch\nCMD {}\nUSER u\n", deep("[", 60_000)),
        format!("FROM scratch\nRUN {}\nUSER u\n", deep("<<A ", 16_000)),
        format!("FROM scratch\nENV B=b A={}\nUSER u\n", deep("${B%*}", 10_000)),
        format!("FROM golang\nRUN {}\nUSER u\n", deep("cd a;", 13_000)),
        format!(
            "FROM golang\nRUN export {} && {}\nUSER u\n",
            deep("A=b ", 5000),
            deep("go build .;", 3000)
        ),
        format!(
            "FROM golang\nRUN <<X\n{}\nX\nUSER u\n",
            deep("export A=b;go build . && cp a b\n", 50_000)
        ),
    ] {
        let (build, _) = load(SourceId(0), &text, None, &Limits::DEFAULT);
        let build = build.unwrap();
        build.entrypoint_source();
        build.certain_files();
    }
}

#[test]
fn a_maze_of_copies() {
    let mut text = String::from("FROM scratch AS s0\nCOPY x /a/\n");
    for i in 1..200 {
        writeln!(text, "FROM scratch AS s{i}").unwrap();
        for _ in 0..20 {
            writeln!(text, "COPY --from=s{} /a /b /a/", i - 1).unwrap();
        }
    }
    text.push_str("ENTRYPOINT [\"/a/a/a/a\"]\n");
    let build = build(&text);
    // Ends, whatever the answer.
    build.entrypoint_source();
    assert_eq!(build.stages.len(), 200);
}

/// Pieces that Dockerfiles are made of, so that random texts come near to real ones.
fn piece() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "FROM scratch\n",
        "FROM golang:1.22 AS a\n",
        "FROM a\n",
        "RUN go build -o /x .\n",
        "RUN ",
        "COPY ",
        "--from=a ",
        "ENV A=",
        "ARG B=",
        "ARG ",
        "$A",
        "${A:-",
        "${B##*/",
        "}",
        "\"",
        "'",
        "\\\n",
        "\\",
        "`",
        "# escape=`\n",
        "<<EOF ",
        "<<-'E' ",
        "EOF\n",
        "E\n",
        "[\"",
        "\"]",
        "CMD ",
        "ENTRYPOINT ",
        "HEALTHCHECK CMD ",
        "EXPOSE 80-90/udp ",
        "WORKDIR ",
        "ONBUILD ",
        "&& ",
        "| ",
        "; ",
        "'",
        "`",
        "X=",
        "<<- x",
        "--mount=type=cache,from=a ",
        "curl ",
        "cd ",
        "( ",
        ") ",
        "> ",
        "$(",
        "#",
        "\r\n",
        "\n",
        " ",
        "\t",
        "\u{feff}",
        "é",
        "/",
        "cp /x /y\n",
        "export A=",
    ]);
    prop_oneof![6 => known.prop_map(str::to_owned), 1 => "\\PC{0,4}", 1 => any::<char>().prop_map(String::from)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the text: no panic, and every place is one of characters inside the text.
    #[test]
    fn any_text_is_read(pieces in prop::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        let (build, found) = load(SourceId(0), &text, Some("a"), &Limits::DEFAULT);
        let inside = |span: Span| text.get(span.range()).is_some();
        for problem in &found {
            prop_assert!(problem.origin.span().is_none_or(inside), "{problem:?}");
        }
        if let Some(build) = build {
            for (name, value, _) in &build.envs {
                prop_assert!(inside(name.origin.span().unwrap()));
                prop_assert!(inside(value.origin.span().unwrap()));
            }
            for go in &build.go_builds {
                for fact in go.flags.iter().chain(&go.packages).chain(&go.output) {
                    prop_assert!(inside(fact.origin.span().unwrap()), "{fact:?}");
                }
            }
            for copy in &build.copies {
                for fact in copy.sources.iter().chain([&copy.destination]) {
                    prop_assert!(inside(fact.origin.span().unwrap()));
                }
            }
            for run in &build.runs {
                for command in run.commands().into_iter().flatten() {
                    let env = command.env.iter().flat_map(|(name, value)| [name, value]);
                    for fact in env.chain(&command.words) {
                        prop_assert!(inside(fact.origin.span().unwrap()), "{fact:?}");
                    }
                }
            }
            for written in &build.instructions {
                prop_assert!(inside(written.keyword.span().unwrap()), "{written:?}");
            }
            for line in &build.same_line {
                prop_assert!(inside(line.reads.span().unwrap()), "{line:?}");
            }
            let _ = build.reached();
            let _ = build.entrypoint_source();
            let _ = build.certain_files();
            let _ = build.presence("/x");
        }
    }

    #[test]
    fn any_bytes_are_read(input in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = bytes(&input);
    }
}
