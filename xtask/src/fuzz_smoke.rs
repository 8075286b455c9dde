//! `cargo xtask fuzz-smoke`: some seconds of every fuzz target, starting from its seeds.
//!
//! With a nightly toolchain the targets run under libFuzzer. Without one the same functions get
//! the seeds and their small changes (`fuzz/src/bin/replay.rs`), and the run says so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::tally::Tally;
use crate::{cmd, paths};

/// What makes code tell libFuzzer where it comes by and what it compares; those that `cargo fuzz`
/// passes, with as many units of code as there are, which halves the build.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-sanitizer-coverage-stack-depth \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0 -Cdebug-assertions --cfg fuzzing";

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
    let began = Instant::now();
    let engine = build(&fuzz)?;
    eprintln!("fuzz-smoke: built, {:.1} s", began.elapsed().as_secs_f64());
    let is_wanted = |target: &&String| args.targets.is_empty() || args.targets.contains(target);
    let targets: Vec<&String> = targets.iter().filter(is_wanted).collect();
    // Each target keeps one core busy.
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let done = fuzz_one(&engine, &fuzz, target, args.seconds);
                    match &done {
                        Ok(()) => eprintln!("fuzz-smoke: {target} found nothing"),
                        Err(error) => eprintln!("fuzz-smoke: {target} FAILED: {error:#}"),
                    }
                    *tally.lock().unwrap_or_else(|e| e.into_inner()) += Tally::of(done.is_ok());
                }
            });
        }
    });
    Ok(tally.into_inner().unwrap_or_else(|e| e.into_inner()))
}

/// The targets in `fuzz/src/lib.rs`, which are those that have seeds: a parser without is one that
/// nobody fuzzes.
fn targets(fuzz: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(fuzz.join("seeds")).context("in fuzz/seeds")?;
    let mut seeds = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        seeds.insert(entry.file_name().to_string_lossy().into_owned(), entry.path());
    }
    let source = fs::read_to_string(fuzz.join("src/lib.rs"))?;
    let list =
        source.split_once("TARGETS: &[Target] = &[").context("no TARGETS in fuzz/src/lib.rs")?;
    let list = list.1.split_once("];").context("TARGETS has no end")?.0;
    let mut targets: Vec<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    targets.sort();
    let folders: Vec<&String> = seeds.keys().collect();
    ensure!(
        targets.iter().collect::<Vec<_>>() == folders,
        "fuzz/src/lib.rs has {targets:?}, fuzz/seeds has {folders:?}"
    );
    Ok(targets)
}

fn replay(fuzz: &Path) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--bin", "replay"]).current_dir(fuzz);
    let said = cmd::output(&mut cargo)?;
    eprint!("{said}");
    Ok(())
}

/// The executable that holds all targets.
fn build(fuzz: &Path) -> Result<PathBuf> {
    let folder = paths::target().join("fuzz");
    // Named, so that build scripts do not get the flags.
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = Command::new("rustup");
    // No sanitizer: there is no unsafe code to watch, and without it a build takes half the time.
    // The libraries of the toolchain that runs this program are not those of nightly.
    cargo.env_remove("LD_LIBRARY_PATH").env("RUSTFLAGS", INSTRUMENTED).current_dir(fuzz);
    cargo.args(["run", "nightly", "cargo", "build", "--release", "--features", "engine"]);
    cargo.args(["--bin", "any", "--target", &triple, "--target-dir"]).arg(&folder);
    cmd::output(&mut cargo)?;
    Ok(folder.join(triple).join("release/any"))
}

/// New inputs go to a folder of `target`, never among the seeds.
fn fuzz_one(engine: &Path, fuzz: &Path, target: &str, seconds: u32) -> Result<()> {
    let corpus = paths::target().join("fuzz-corpus").join(target);
    let crashes = paths::target().join("fuzz-crashes").join(target);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&crashes)?;
    let mut run = Command::new(engine);
    run.env("PROVOST_FUZZ", target).current_dir(&crashes);
    run.arg(&corpus).arg(fuzz.join("seeds").join(target));
    run.args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=0"]);
    run.arg(format!("-max_total_time={seconds}"));
    cmd::output(&mut run)
        .with_context(|| format!("the input is in {}", crashes.display()))
        .map(drop)
}
