//! What BuildKit warns of and builds all the same, against the cases of its own tests
//! (`frontend/dockerfile/dockerfile_check_test.go`, v0.34).

use super::*;

/// Check, line and text of each place.
fn warned(text: &str) -> String {
    let line = |at: u32| 1 + text[..at as usize].matches('\n').count();
    build(text)
        .warnings
        .iter()
        .map(|warning| {
            let span = warning.origin.span().unwrap();
            format!("{} {}: {}", line(span.start), warning.check, warning.message)
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn an_empty_line_inside_an_instruction() {
    insta::assert_snapshot!(
        warned("FROM scratch\nCOPY Dockerfile \\\n\n.\nCOPY Dockerfile \\\n# a comment\n.\n"),
        @"3 NoEmptyContinuation: an empty line inside an instruction, which a later release of BuildKit refuses"
    );
    // Several are one, and a here-document may hold as many as it likes.
    assert_eq!(warned("FROM scratch\nRUN a \\\n\n\n b\n").lines().count(), 1);
    assert_eq!(warned("FROM scratch\nRUN <<EOF\na\n\nb\nEOF\n"), "");
}

#[test]
fn cases_of_instructions() {
    let told = |text: &str| {
        let warned = warned(text);
        warned.lines().filter(|line| line.contains("ConsistentInstructionCasing")).count()
    };
    assert_eq!(told("FROM scratch AS base\nCOPY a /foo\nCOPY a /bar\n"), 0);
    assert_eq!(told("from scratch as base\ncopy a /foo\ncopy a /bar\n"), 0);
    assert_eq!(told("FROM scratch AS base\ncopy a /foo\nCOPY a /bar\n"), 1);
    assert_eq!(told("from scratch as base\nCOPY a /foo\ncopy a /bar\n"), 1);
    assert_eq!(told("from scratch as base\nCOPY a /foo\nCOPY a /bar\nCOPY a /baz\n"), 1);
    assert_eq!(told("From scratch as base\nFROM scratch AS base2\n"), 1);
    assert_eq!(told("frOM scratch as base\nfrom scratch as base2\n"), 1);
    // ARG in front of the first FROM is of no stage.
    assert_eq!(told("arg A\nFROM scratch\nCOPY a /foo\n"), 0);
}

#[test]
fn names_platforms_and_pairs() {
    insta::assert_snapshot!(
        warned(
            "FROM scratch AS BadStageName\nFROM --platform=${TARGETPLATFORM} scratch as base2\n\
             FROM --platform=$BUILDPLATFORM scratch AS base3\nENV testkey value\nLABEL key value\n\
             ENV testkey=value\nEXPOSE 80/TcP 8080/udp\n"
        ),
        @r"
    1 StageNameCasing: the stage's name BadStageName has capitals
    2 FromAsCasing: as is written in another case than FROM
    2 RedundantTargetPlatform: the target's platform is what a stage has without --platform
    4 LegacyKeyValueFormat: ENV testkey and its value are parted by a blank, as was done before there was =
    5 LegacyKeyValueFormat: LABEL key and its value are parted by a blank, as was done before there was =
    7 ExposeProtoCasing: the protocol of 80/TcP has capitals
    "
    );
    // A keyword of two cases is told for itself, whatever AS is.
    assert_eq!(warned("From scratch aS base\n").lines().count(), 1);
}

#[test]
fn options_stand_on_the_first_lines_alone() {
    let skips = |text: &str| build(text).checks.skips("FromAsCasing");
    assert!(skips("# syntax=docker/dockerfile:1\n# check=skip=FromAsCasing\nFROM scratch\n"));
    assert!(!skips("# a comment\n# check=skip=FromAsCasing\nFROM scratch\n"));
}
