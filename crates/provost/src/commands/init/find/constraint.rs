//! Which files of a package are built for Linux: file names and `//go:build` lines (`go help
//! buildconstraint`, Go 1.27).

use provost_check::model::platforms::{PROCESSORS, SYSTEMS};

/// Parentheses and `!` inside each other in a constraint.
const DEEPEST: usize = 64;

/// Whether a file of this name is part of a program for Linux.
pub(super) fn name_is_for_linux(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".go") else { return false };
    let hidden = stem.starts_with(['_', '.']) || stem.ends_with("_test");
    // The last part counts, and the one before it where the last is a processor (goodOSArchFile of
    // go/build/build.go). What is before the first `_` is a name, whatever it is.
    let plain = stem.split('.').next().unwrap_or_default();
    let mut ends = plain.split('_').skip(1).collect::<Vec<_>>().into_iter().rev();
    let (last, before) = (ends.next().unwrap_or_default(), ends.next().unwrap_or_default());
    let is_processor = PROCESSORS.contains(&last);
    // Images are built for amd64 and arm64.
    let other_processor = is_processor && !matches!(last, "amd64" | "arm64");
    let other = |system: &str| SYSTEMS.contains(&system) && system != "linux";
    let other_system = other(last) || (is_processor && other(before));
    !hidden && !other_system && !other_processor
}

/// Whether its `//go:build` line, if it has one, holds for a plain build for Linux.
pub(super) fn text_is_for_linux(source: &str) -> bool {
    for line in source.lines() {
        let line = line.trim();
        if let Some(expression) = line.strip_prefix("//go:build ") {
            return holds(expression);
        }
        if !(line.is_empty() || line.starts_with("//")) {
            break;
        }
    }
    true
}

/// A tag of a plain build; each release of Go has one.
fn is_set(tag: &str) -> bool {
    matches!(tag, "linux" | "unix" | "amd64" | "arm64" | "gc" | "cgo") || tag.starts_with("go1.")
}

/// The value of an expression; what cannot be read is taken to hold.
fn holds(expression: &str) -> bool {
    let spaced = ["(", ")", "!", "&&", "||"]
        .iter()
        .fold(expression.to_owned(), |text, mark| text.replace(mark, &format!(" {mark} ")));
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any(&words, &mut at, 0).unwrap_or(true)
}

fn any(words: &[&str], at: &mut usize, depth: usize) -> Option<bool> {
    let mut value = all(words, at, depth)?;
    while words.get(*at) == Some(&"||") {
        *at += 1;
        value |= all(words, at, depth)?;
    }
    Some(value)
}

fn all(words: &[&str], at: &mut usize, depth: usize) -> Option<bool> {
    let mut value = one(words, at, depth)?;
    while words.get(*at) == Some(&"&&") {
        *at += 1;
        value &= one(words, at, depth)?;
    }
    Some(value)
}

fn one(words: &[&str], at: &mut usize, depth: usize) -> Option<bool> {
    if depth > DEEPEST {
        return None;
    }
    let word = *words.get(*at)?;
    *at += 1;
    match word {
        "!" => one(words, at, depth + 1).map(|value| !value),
        "(" => {
            let value = any(words, at, depth + 1)?;
            (words.get(*at) == Some(&")")).then(|| *at += 1)?;
            Some(value)
        }
        ")" | "&&" | "||" => None,
        tag => Some(is_set(tag)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_systems_and_tests_are_left_out() {
        for name in [
            "main.go",
            "linux.go",
            "windows.go",
            "a_linux.go",
            "a_amd64.go",
            "a_linux_arm64.go",
            "a_b.go",
            "a_windows_service.go",
            "js_api.go",
            "a_js_api.go",
            "arm.go",
        ] {
            assert!(name_is_for_linux(name), "{name}");
        }
        for name in [
            "a_test.go",
            "a_windows.go",
            "a_darwin_arm64.go",
            "a_s390x.go",
            "a_linux_386.go",
            "a_windows.pb.go",
            "_a.go",
            ".a.go",
            "a.txt",
        ] {
            assert!(!name_is_for_linux(name), "{name}");
        }
    }

    #[test]
    fn constraints_are_computed() {
        for (line, value) in [
            ("ignore", false),
            ("linux && !windows", true),
            ("(darwin||linux)&&go1.21", true),
            ("!(linux || darwin)", false),
            ("integration", false),
            ("linux && (", true),
        ] {
            let source = format!("// Copyright\n\n//go:build {line}\n\npackage main\n");
            assert_eq!(text_is_for_linux(&source), value, "{line}");
        }
        assert!(text_is_for_linux("package main\n//go:build ignore\n"));
        assert!(text_is_for_linux(&format!("//go:build {}linux", "!(".repeat(100_000))));
    }
}
