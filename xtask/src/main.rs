//! `cargo xtask`: everything about this repository that is done twice.
//!
//! One module per verb. Progress goes to stderr, results to stdout, and what is costly to make
//! is kept in one cache (see [`paths::cache`]) that several checkouts share.

mod apis;
mod bench;
mod cmd;
mod dist;
mod docs;
mod fixtures;
mod fuzz_smoke;
mod godebug;
mod paths;
mod releases;
mod schema;
mod tally;
mod test;
mod toolchain;
mod tools;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Do everything: fixtures, tools, checks and all tests; ends with `N passed, N failed`
    Test,
    /// Build the Go fixture binaries and write target/fixtures.json
    Fixtures(fixtures::Args),
    /// Fetch the tools that tests compare with and write target/tools.json
    Tools,
    /// Write the table of GODEBUG keys, or check it against the toolchains that are there
    Godebug(godebug::Args),
    /// Write the table of API versions that Kubernetes took away, or check it
    Apis(apis::Args),
    /// Write the table of the fields of Kubernetes' objects, or check it
    Schema(schema::Args),
    /// Look up the newest patch of each Go release
    Releases,
    /// Write docs/rules and docs/cli.md, or check them
    Docs(docs::Args),
    /// Measure Provost against its peers and write docs/performance.md
    Bench(bench::Args),
    /// Build the static executable, and pack it with completions, man pages and checksum
    Dist(dist::Args),
    /// Run every fuzz target for some seconds
    FuzzSmoke(fuzz_smoke::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Test => return test::run(),
        Verb::Fixtures(args) => fixtures::run(&args),
        Verb::Tools => tools::run(),
        Verb::Godebug(args) => godebug::run(&args),
        Verb::Apis(args) => apis::run(&args),
        Verb::Schema(args) => schema::run(&args),
        Verb::Releases => releases::run(),
        Verb::Docs(args) => docs::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Dist(args) => dist::run(&args),
        Verb::FuzzSmoke(args) => fuzz_smoke(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn fuzz_smoke(args: &fuzz_smoke::Args) -> Result<()> {
    let tally = fuzz_smoke::run(args)?;
    ensure!(tally.failed == 0, "{} of the targets failed", tally.failed);
    Ok(())
}
