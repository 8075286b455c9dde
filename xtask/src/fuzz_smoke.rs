//! `cargo xtask fuzz-smoke`: some seconds of every fuzz target, starting from its seeds.
//!
//! With a nightly toolchain the targets run under libFuzzer. Without one the same functions get
//! the seeds and their small changes (`fuzz/src/bin/replay.rs`), and the run says so.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::tally::Tally;
use crate::{cmd, paths};

const CARGO_FUZZ: &str = "^0.13";

#[derive(clap::Args)]
pub struct Args {
    /// Seconds for each target
    #[arg(long, default_value_t = 5)]
    pub seconds: u32,
    /// Only these targets
    #[arg(long = "target", value_name = "NAME")]
    pub targets: Vec<String>,
    /// Replay the seeds even where nightly is there
    #[arg(long)]
    pub replay: bool,
}

impl Default for Args {
    fn default() -> Args {
        Args { seconds: 5, targets: Vec::new(), replay: false }
    }
}

pub fn run(args: &Args) -> Result<Tally> {
    let fuzz = paths::root().join("fuzz");
    let targets = targets(&fuzz)?;
    let nightly = cmd::answers("rustup", &["run", "nightly", "cargo", "--version"]);
    if args.replay || !nightly {
        let why = if args.replay { "asked for" } else { "there is no nightly toolchain" };
        eprintln!("fuzz-smoke: a replay of the seeds ({why})");
        replay(&fuzz)?;
        return Ok(Tally::passed(targets.len()));
    }
    let engine = engine()?;
    let mut tally = Tally::default();
    for target in &targets {
        if !args.targets.is_empty() && !args.targets.contains(target) {
            continue;
        }
        let began = Instant::now();
        let done = fuzz_one(&engine, &fuzz, target, args.seconds);
        let seconds = began.elapsed().as_secs_f64();
        match done {
            Ok(()) => eprintln!("fuzz-smoke: {target} found nothing, {seconds:.1} s"),
            Err(ref error) => eprintln!("fuzz-smoke: {target} FAILED: {error:#}"),
        }
        tally += Tally::of(done.is_ok());
    }
    Ok(tally)
}

/// The files of `fuzz/targets`. A folder of seeds without a target, or the reverse, is an error:
/// it would be a parser that nobody fuzzes.
fn targets(fuzz: &Path) -> Result<Vec<String>> {
    let names = |folder: &str| -> Result<Vec<String>> {
        let folder = fuzz.join(folder);
        let entries = fs::read_dir(&folder).with_context(|| format!("in {}", folder.display()))?;
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
        names.sort();
        Ok(names)
    };
    let (targets, seeds) = (names("targets")?, names("seeds")?);
    ensure!(targets == seeds, "fuzz/targets has {targets:?}, fuzz/seeds has {seeds:?}");
    Ok(targets)
}

fn replay(fuzz: &Path) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--bin", "replay"]).current_dir(fuzz);
    let said = cmd::output(&mut cargo)?;
    eprint!("{said}");
    Ok(())
}

/// The folder with the `cargo-fuzz` executable, installed into the cache where it is missing.
fn engine() -> Result<std::path::PathBuf> {
    let root = paths::cache()?.join("cargo-fuzz");
    let bin = root.join("bin");
    if !bin.join("cargo-fuzz").exists() {
        eprintln!("fuzz-smoke: installing cargo-fuzz {CARGO_FUZZ}");
        let mut cargo = Command::new("cargo");
        cargo.args(["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ, "--root"]);
        cmd::output(cargo.arg(&root))?;
    }
    Ok(bin)
}

/// New inputs go to a folder of `target`, never among the seeds.
fn fuzz_one(engine: &Path, fuzz: &Path, target: &str, seconds: u32) -> Result<()> {
    let corpus = paths::target().join("fuzz-corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        std::iter::once(engine.to_path_buf()).chain(std::env::split_paths(&path)),
    )?;
    let mut cargo = Command::new("rustup");
    // No sanitizer: there is no unsafe code to watch, and without it a build takes half the time.
    // The libraries of the toolchain that runs this program are not those of nightly.
    cargo.env_remove("LD_LIBRARY_PATH").env("PATH", path);
    cargo.current_dir(fuzz.parent().unwrap_or(fuzz)).args([
        "run",
        "nightly",
        "cargo",
        "fuzz",
        "run",
        "--sanitizer",
        "none",
        "--features",
        "engine",
        target,
    ]);
    cargo.arg(&corpus).arg(fuzz.join("seeds").join(target));
    cargo.args(["--", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=0"]);
    cmd::output(cargo.arg(format!("-max_total_time={seconds}"))).map(drop)
}
