//! `cargo xtask`: everything about this repository that is done twice.
//!
//! One module per verb. Progress goes to stderr, results to stdout, and what is costly to make
//! is kept in one cache (see [`paths::cache`]) that several checkouts share.

mod cmd;
mod fixtures;
mod godebug;
mod paths;
mod toolchain;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build the Go fixture binaries and write target/fixtures.json
    Fixtures(fixtures::Args),
    /// Fetch the tools that tests compare with and write target/tools.json
    Tools,
    /// Write the table of GODEBUG keys, or check it against the toolchains of the fixtures
    Godebug(godebug::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Fixtures(args) => fixtures::run(&args),
        Verb::Tools => tools::run(),
        Verb::Godebug(args) => godebug::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
