//! The signals of real binaries, against their sources (`fixtures/go/signals/main.go` and others).

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;

use common::of_program;
use goformats::gostrings::{Asked, Ignored, Signals};

const INT: u8 = 2;
const TERM: u8 = 15;

/// What each function asks for. Those that nobody can know may not be taken for known ones.
#[test]
fn each_call_is_read() {
    let known = |numbers: &[u8]| Asked::Numbers(numbers.to_vec());
    let expected = [
        ("interrupt", known(&[INT])),
        ("interruptAndTerm", known(&[INT, TERM])),
        ("term", known(&[TERM])),
        ("intAndHup", known(&[INT, 1])),
        ("interruptAndKill", known(&[INT, 9])),
        ("four", known(&[1, INT, TERM, 3])),
        ("every", Asked::All),
        ("ofVariable", Asked::Unknown),
        ("ofVariableWithTerm", known(&[TERM])),
        ("ofCaller", Asked::Unknown),
        ("either", Asked::Unknown),
        ("changed", Asked::Unknown),
        ("changedElsewhere", Asked::Unknown),
        ("inLoop", Asked::Unknown),
        ("inLoopSame", known(&[INT])),
        ("contextInterrupt", known(&[INT])),
        ("contextThree", known(&[INT, TERM, 3])),
        ("contextEvery", Asked::All),
    ];
    of_program("signals", |_, strings| {
        let calls = strings.signal_calls().ok_or("not linked")?;
        let mut wrong = String::new();
        for (name, asked) in &expected {
            let found: Vec<&Asked> = calls
                .iter()
                .filter(|c| c.function.strip_prefix("main.") == Some(*name))
                .map(|c| &c.asked)
                .collect();
            if found != [asked] {
                wrong += &format!("\n  {name}: {found:?}, expected {asked:?}");
            }
        }
        let names: BTreeSet<&str> = calls.iter().map(|c| c.function).collect();
        if names.len() != expected.len() {
            wrong += &format!("\n  callers: {names:?}");
        }
        if strings.signals() != Some(Signals::Termination) {
            wrong += "\n  SIGTERM is asked for";
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    });
}

/// `signal.Ignore` is found where its body was put in its place, and told from `signal.Reset`.
#[test]
fn each_signal_that_is_ignored_is_read() {
    let known = |numbers: &[u8]| Asked::Numbers(numbers.to_vec());
    let expected = [
        ("ignoreTerm", known(&[TERM])),
        ("ignoreHupAndPipe", known(&[1, 13])),
        ("ignoreEvery", Asked::All),
        ("ignoreOfCaller", Asked::Unknown),
    ];
    of_program("signals", |_, strings| {
        let calls = strings.ignore_calls().ok_or("not linked")?;
        let mut found: Vec<(&str, &Asked)> = calls
            .iter()
            .filter_map(|call| Some((call.function.strip_prefix("main.")?, &call.asked)))
            .collect();
        found.sort_by_key(|(name, _)| expected.iter().position(|(known, _)| known == name));
        let expected: Vec<(&str, &Asked)> =
            expected.iter().map(|(name, asked)| (*name, asked)).collect();
        // What one function takes from its caller leaves the whole open.
        let open = Some(Ignored::Unknown { function: Some("main.ignoreOfCaller") });
        match found == expected && strings.ignored() == open {
            true => Ok(()),
            false => Err(format!("{found:?}, {:?}", strings.ignored())),
        }
    });
}

/// A server that asks for Ctrl-C only, and has SIGTERM ignored.
#[test]
fn a_server_that_has_sigterm_ignored() {
    of_program("ignore", |_, strings| match (strings.signals(), strings.ignored()) {
        (
            Some(Signals::Others { .. }),
            Some(Ignored::Termination { function: "main.main", .. }),
        ) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// Neither of these links `signal.Ignore`.
#[test]
fn programs_that_ignore_nothing() {
    for program in ["server", "interrupt", "tool"] {
        of_program(program, |_, strings| match strings.ignored() {
            None => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }
}

#[test]
fn a_server_that_hears_sigterm() {
    of_program("server", |_, strings| match strings.signals() {
        Some(Signals::Termination) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn a_server_that_hears_interrupts_only() {
    of_program("interrupt", |_, strings| match strings.signals() {
        Some(Signals::Others { numbers, function: "main.main", .. }) if numbers == [INT] => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn a_program_without_signals() {
    of_program("tool", |_, strings| match strings.signals() {
        None => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
