//! The variables that real binaries ask for, against their sources (`fixtures/go/environ/main.go` and others).

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;

use common::{Fixture, fixtures};
use goformats::binary::read;
use goformats::gostrings::{Strings, VariableReads};
use goformats::limits::Limits;
use goformats::pclntab::Presence;

fn of_program(
    program: &str,
    check: impl Fn(&Fixture, &VariableReads<'_>) -> Result<(), String> + Sync,
) {
    common::of_program(program, |fixture, strings| {
        check(fixture, &strings.variable_reads().ok_or("older than Go 1.18")?)
    });
}

/// Which name each function asks for.
#[test]
fn each_name_is_read() {
    let expected: BTreeSet<(&str, &str)> = [
        ("plainRead", "PLAIN_READ"),
        ("lookedUp", "LOOKED_UP"),
        ("bySyscall", "BY_SYSCALL"),
        ("inlined", "INLINED_NAME"),
        ("two", "FIRST_OF_TWO"),
        ("two", "SECOND_OF_TWO"),
        ("inBranch", "IN_BRANCH"),
        ("part", "PLAIN_READ"),
    ]
    .into();
    // Nobody knows their names, and they may not be taken for known ones.
    let unclear: BTreeSet<&str> = ["ofCaller", "either", "composed", "inLoop", "ofVariable"].into();
    of_program("environ", |fixture, found| {
        // The race detector's code keeps the helper out of line.
        let fallback = found.unclear.contains(&"main.fallback");
        let expected: BTreeSet<(&str, &str)> = expected
            .iter()
            .copied()
            .filter(|(_, name)| !(fallback && *name == "INLINED_NAME"))
            .collect();
        let reads: BTreeSet<(&str, &str)> = found
            .reads
            .iter()
            .map(|read| (read.function.strip_prefix("main.").unwrap_or(read.function), read.name))
            .collect();
        let open: BTreeSet<&str> = found
            .unclear
            .iter()
            .map(|name| name.strip_prefix("main.").unwrap_or(name))
            .filter(|name| *name != "fallback")
            .collect();
        let plain = matches!(fixture.variant.as_str(), "plain" | "stripped" | "pie");
        if fallback && plain {
            return Err("the helper was not inlined".to_owned());
        }
        if reads != expected || open != unclear || found.limited || found.handed_on {
            return Err(format!("{found:?}"));
        }
        Ok(())
    });
}

/// Whoever calls it through a variable may ask for any name.
#[test]
fn a_function_in_a_variable_is_handed_on() {
    let programs = fixtures().into_iter().filter(|f| f.program == "environ");
    for fixture in programs.filter(|f| f.variant == "plain") {
        let mut bytes = fixture.bytes();
        let binary = read(&bytes, &Limits::DEFAULT);
        let Presence::Linked(function) =
            binary.functions.as_ref().unwrap().find(&["os.Getenv"]).found[0]
        else {
            panic!("{}", fixture.name())
        };
        let data = binary.elf.as_ref().unwrap().section(".data").unwrap();
        // Sections of a Go program begin at words.
        let last = usize::try_from(data.offset + data.size - data.size % 8).unwrap() - 8;
        bytes[last..last + 8].copy_from_slice(&function.to_le_bytes());
        let binary = read(&bytes, &Limits::DEFAULT);
        let strings = Strings::read(&binary, &Limits::DEFAULT).unwrap();
        assert!(strings.variable_reads().unwrap().handed_on, "{}", fixture.name());
    }
}

#[test]
fn a_service_that_reads_its_settings() {
    of_program("grpc-service", |_, found| {
        let names: BTreeSet<&str> = found.reads.iter().map(|read| read.name).collect();
        if !["FAULT", "PORT", "LAME_DUCK"].iter().all(|name| names.contains(name)) {
            return Err(format!("{found:?}"));
        }
        // What the libraries and the standard library ask for is not the program's.
        if names.iter().any(|name| name.starts_with("GRPC") || *name == "TMPDIR") {
            return Err(format!("{names:?}"));
        }
        Ok(())
    });
}
