//! `cargo xtask test`: everything, from a clean checkout, in one go.
//!
//! Each step says how long it took, a step that fails does not stop those after it, and the last
//! line is `N passed, N failed` over all of them: every Rust test and fuzz target counts by
//! itself, every other step counts one. A component that cannot be had makes its step fail.

mod libtest;

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::tally::Tally;
use crate::{apis, cmd, dist, docs, fixtures, fuzz_smoke, godebug, paths, schema, tools};

type Step = (&'static str, fn() -> Result<Tally>);

/// Those of a round run side by side: what is fetched, linked and waited for leaves cores to the
/// others.
const ROUNDS: &[&[Step]] = &[
    &[
        ("fixtures", || one(fixtures::run(&fixtures::Args::default()))),
        ("tools", || one(tools::run())),
        ("fmt", fmt),
        ("clippy", clippy),
        ("static", statically),
    ],
    &[("tests", libtest::run)],
    &[
        ("docs --check", || one(docs::run(&docs::Args { check: true }))),
        ("godebug --check", || one(godebug::run(&godebug::Args { check: true }))),
        ("apis --check", || one(apis::run(&apis::Args { check: true }))),
        ("schema --check", || one(schema::run(&schema::Args { check: true }))),
    ],
    &[("fuzz-smoke", || fuzz_smoke::run(&fuzz_smoke::Args::default()))],
];

/// What a step took, and how it went.
type Cost = (&'static str, Duration, Tally);

/// Fails when anything failed, and when nothing ran.
pub fn run() -> ExitCode {
    let began = Instant::now();
    let mut costs: Vec<Cost> = Vec::new();
    for round in ROUNDS {
        std::thread::scope(|scope| {
            let running: Vec<_> = round.iter().map(|step| scope.spawn(|| timed(*step))).collect();
            for (step, (name, _)) in running.into_iter().zip(*round) {
                // A step that panics has failed, and said why.
                let none = (*name, Duration::ZERO, Tally::of(false));
                costs.push(step.join().unwrap_or(none));
            }
        });
    }
    let mut total = Tally::default();
    costs.iter().for_each(|(_, _, tally)| total += *tally);
    println!("\n{}", table(&costs, began.elapsed()));
    println!("{total}");
    if total.failed == 0 && total.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn timed((name, step): Step) -> Cost {
    eprintln!("== {name}");
    let began = Instant::now();
    let tally = step().unwrap_or_else(|error| {
        eprintln!("{name}: {error:#}");
        Tally::of(false)
    });
    let took = began.elapsed();
    let verdict = if tally.failed == 0 { "ok" } else { "FAILED" };
    eprintln!("== {name}: {verdict}, {}", shown(took));
    (name, took, tally)
}

fn one(done: Result<()>) -> Result<Tally> {
    done.map(|()| Tally::of(true))
}

fn fmt() -> Result<Tally> {
    let mut cargo = Command::new("cargo");
    cmd::output(cargo.args(["fmt", "--all", "--check"]).current_dir(paths::root()))?;
    let mut cargo = Command::new("cargo");
    cmd::output(cargo.args(["fmt", "--all", "--check"]).current_dir(paths::root().join("fuzz")))?;
    Ok(Tally::of(true))
}

fn clippy() -> Result<Tally> {
    let mut cargo = Command::new("cargo");
    cargo.args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    one(cmd::output(cargo.current_dir(paths::root())).map(drop))
}

/// That the release can be built: musl's C library differs from the one that tests run with.
fn statically() -> Result<Tally> {
    let target = dist::TARGET;
    if !dist::has_library(target)? {
        eprintln!("static: NOT CHECKED, since the standard library for {target} is not installed");
        return Ok(Tally::default());
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["check", "--quiet", "--package", "provost", "--target", target]);
    one(cmd::output(cargo.current_dir(paths::root())).map(drop))
}

fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

/// What each part costs, as CONTRIBUTING.md quotes it; those of a round overlap.
fn table(costs: &[Cost], all: Duration) -> String {
    let mut text = String::from("| step | time | passed | failed |\n|---|---:|---:|---:|\n");
    for (name, took, tally) in costs {
        text += &format!("| {name} | {} | {} | {} |\n", shown(*took), tally.passed, tally.failed);
    }
    text + &format!("| all | {} | | |\n", shown(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_unit_that_reads_best() {
        assert_eq!(shown(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(shown(Duration::from_secs(125)), "2 min 05 s");
    }

    #[test]
    fn the_table_ends_with_the_whole() {
        let costs = [
            ("fmt", Duration::from_secs(1), Tally::of(true)),
            ("tests", Duration::from_secs(2), Tally { passed: 40, failed: 1 }),
        ];
        let text = table(&costs, Duration::from_secs(2));
        assert!(text.contains("| tests | 2.0 s | 40 | 1 |\n"), "{text}");
        assert!(text.ends_with("| all | 2.0 s | | |\n"), "{text}");
    }
}
