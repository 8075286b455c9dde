//! `cargo test`, counted.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::paths;
use crate::tally::Tally;

/// Runs all tests of the workspace and shows what is not a passing test.
pub fn run() -> Result<Tally> {
    let mut child = Command::new("cargo")
        .args(["test", "--workspace", "--no-fail-fast"])
        .current_dir(paths::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo test")?;
    let lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
    let mut seen = Seen::default();
    for line in lines {
        let line = line?;
        if seen.read(&line) {
            eprintln!("{line}");
        }
    }
    let status = child.wait()?;
    ensure!(seen.ignored == 0, "{} tests are ignored; none may be", seen.ignored);
    ensure!(seen.tally.passed + seen.tally.failed > 0, "cargo test ran no test: {status}");
    let mut tally = seen.tally;
    // A crate that does not compile, or a test program that dies, shows in no count.
    if !status.success() && tally.failed == 0 {
        eprintln!("cargo test: {status}");
        tally += Tally::of(false);
    }
    Ok(tally)
}

#[derive(Default)]
struct Seen {
    tally: Tally,
    ignored: usize,
}

impl Seen {
    /// Takes one line of libtest's output in; says whether it is worth showing.
    fn read(&mut self, line: &str) -> bool {
        if let Some(rest) = line.strip_prefix("test result: ") {
            for part in rest.split([';', '.']) {
                let mut words = part.split_whitespace();
                let Some(count) = words.next().and_then(|word| word.parse::<usize>().ok()) else {
                    continue;
                };
                match words.next() {
                    Some("passed") => self.tally.passed += count,
                    Some("failed") => self.tally.failed += count,
                    Some("ignored") => self.ignored += count,
                    _ => {}
                }
            }
            return false;
        }
        let dull = line.is_empty()
            || line.starts_with("running ")
            || (line.starts_with("test ") && line.ends_with(" ok"));
        !dull
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summaries_of_all_test_programs_are_added() {
        let mut seen = Seen::default();
        seen.read("test result: ok. 26 passed; 0 failed; 0 ignored; 0 measured; 11 filtered out; finished in 0.26s");
        seen.read("test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.00s");
        assert_eq!(seen.tally, Tally { passed: 29, failed: 2 });
        assert_eq!(seen.ignored, 1);
    }

    #[test]
    fn only_what_went_wrong_is_shown() {
        let mut seen = Seen::default();
        assert!(!seen.read("test pclntab::tests::finds ... ok"));
        assert!(!seen.read("running 3 tests"));
        assert!(seen.read("test pclntab::tests::finds ... FAILED"));
        assert!(seen.read("thread 'x' panicked at src/lib.rs:1:1:"));
    }
}
