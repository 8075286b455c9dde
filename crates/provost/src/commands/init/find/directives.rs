//! Whether a `go.mod` can be read, and if not, where and what `go` expects there.

use goformats::version::GoVersion;

/// Directives of `go.mod` (Go modules reference, "go.mod files"; `tool` since Go 1.24, `ignore`
/// since 1.25).
const DIRECTIVES: &[&str] = &[
    "module",
    "go",
    "toolchain",
    "godebug",
    "require",
    "exclude",
    "replace",
    "retract",
    "tool",
    "ignore",
];

/// Characters of a line that are quoted.
const QUOTED: usize = 60;

/// What is wrong with a `go.mod`, with its line from 1; `None` when it names a module and nothing
/// hides that.
pub(super) fn problem(text: &str) -> Option<(usize, String)> {
    let mut module = None;
    // The line of the block that is open, and its directive.
    let mut block: Option<(usize, &str)> = None;
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        let line = line.split("//").next().unwrap_or_default().trim();
        let (word, rest) = match line.split_once(|c: char| c.is_whitespace() || c == '(') {
            Some((word, rest)) => (word, rest.trim()),
            None => (line, ""),
        };
        if let Some((_, directive)) = block {
            match line {
                "" => {}
                ")" => block = None,
                _ if directive == "module" => module = Some(line),
                _ => {}
            }
            continue;
        }
        if word.is_empty() {
            continue;
        }
        if !DIRECTIVES.contains(&word) {
            let shown: String = line.chars().take(QUOTED).collect();
            return Some((
                number,
                format!("`{shown}` is no directive; expected one such as module, go or require"),
            ));
        }
        if line.ends_with('(') {
            block = Some((number, word));
            continue;
        }
        match word {
            "module" if rest.is_empty() => {
                return Some((number, "module without a path; expected module PATH".to_owned()));
            }
            "module" => module = Some(rest),
            "go" if GoVersion::parse(rest).is_none() => {
                return Some((
                    number,
                    format!("`{line}` is no version of Go; expected one such as go 1.27.0"),
                ));
            }
            _ => {}
        }
    }
    match (block, module) {
        (Some((number, directive)), _) => {
            Some((number, format!("the block of {directive} is not closed; expected )")))
        }
        (None, None) => {
            let what = "go.mod names no module; expected module PATH, as go mod init writes it";
            Some((1, what.to_owned()))
        }
        (None, Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, expected) in [
            ("module a\n\ngo 1.27.0\nrequire (\n\tb v1.0.0 // indirect\n)\ntool b/cmd\n", None),
            ("// a comment\nmodule \"a\" // this one\ngo 1.21\nretract [v1.0.0, v1.1.0]\n", None),
            ("module (\n\ta\n)\n", None),
            ("", Some((1, "names no module"))),
            ("go 1.27\n", Some((1, "names no module"))),
            ("\nmodul a\n", Some((2, "`modul a` is no directive"))),
            ("<<<<<<< HEAD\nmodule a\n", Some((1, "`<<<<<<< HEAD` is no directive"))),
            ("module\n", Some((1, "expected module PATH"))),
            ("module a\ngo banana\n", Some((2, "expected one such as go 1.27.0"))),
            ("module a\nrequire (\n\tb v1.0.0\n", Some((2, "is not closed"))),
        ] {
            let found = problem(text);
            match (&found, expected) {
                (None, None) => {}
                (Some((line, what)), Some((number, part))) => {
                    assert_eq!(*line, number, "{text}");
                    assert!(what.contains(part), "{what}");
                }
                _ => panic!("{text:?}: {found:?}"),
            }
        }
    }
}
