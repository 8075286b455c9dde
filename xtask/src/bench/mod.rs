//! `cargo xtask bench`: Provost against its peers, as whole processes on the same input.
//!
//! The two of a pair run in turns, so that whatever else the machine does hits both alike; the
//! medians are compared and, because a quotient of two noisy numbers deceives, so is the median
//! of the quotients of each turn. The table goes to `docs/performance.md`.

mod manifests;
mod pairs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::toolchain::hermetic;
use crate::{cmd, paths, tools};
use pairs::{Outcome, Pair};

#[derive(clap::Args)]
pub struct Args {
    /// Turns of each pair; half as many where one takes more than five seconds
    #[arg(long, default_value_t = 15)]
    turns: usize,
    /// Show the table without writing docs/performance.md
    #[arg(long)]
    dry: bool,
}

pub fn run(args: &Args) -> Result<()> {
    tools::run()?;
    let (provost, build_time) = provost()?;
    let kube = go_program("kube", "k8s.io/kubernetes/cmd/kube-apiserver")?;
    let reader = go_program("goreader", ".")?;
    let [small, large] = [1_000, 10_000].map(manifests::folder);
    let (small, large) = (small?, large?);

    let mut outcomes = Vec::new();
    let mut row = |work: &str,
                   budget,
                   ours: &mut dyn FnMut() -> Command,
                   peer: (&str, &mut dyn FnMut() -> Command)|
     -> Result<()> {
        let pair = Pair { work, budget, peer: peer.0 };
        let outcome = pair.run(args.turns, ours, peer.1)?;
        eprintln!("bench: {}", outcome.line());
        outcomes.push(outcome);
        Ok(())
    };
    let check = |path: &Path| {
        let mut command = Command::new(&provost);
        command.arg("check").arg(path).current_dir(path.parent().unwrap_or(path));
        command
    };
    let size = fs::metadata(&kube)?.len() / 1_000_000;
    row(
        &format!("facts of kube-apiserver, {size} MB"),
        "<= 1",
        // One rule that needs what the reader reads; others recover the program's text as well.
        &mut || {
            let mut facts = check(&kube);
            facts.args(["--only", "end-of-life-toolchain"]);
            facts
        },
        ("Go's debug/buildinfo, debug/elf and debug/gosym", &mut || {
            let mut command = Command::new(&reader);
            command.arg(&kube);
            command
        }),
    )?;
    row(
        &format!("every rule on kube-apiserver, {size} MB"),
        "-",
        &mut || check(&kube),
        ("Go's debug/buildinfo, debug/elf and debug/gosym", &mut || {
            let mut command = Command::new(&reader);
            command.arg(&kube);
            command
        }),
    )?;
    for (folder, count) in [(&small, 1_000), (&large, 10_000)] {
        let work = format!("{count} manifests");
        row(
            &work,
            "<= 0.1",
            &mut || check(folder),
            ("kubeconform -strict", &mut || kubeconform(folder)),
        )?;
        row(&work, "<= 0.1", &mut || check(folder), ("kube-score", &mut || kube_score(folder)))?;
    }

    let mut text = page(&outcomes, build_time, fs::metadata(&provost)?.len());
    println!("{text}");
    if args.dry {
        return Ok(());
    }
    // What is not measured here stays.
    let path = paths::root().join("docs/performance.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    if let Some(at) = before.find(KEPT) {
        text += "\n";
        text += &before[at..];
    }
    paths::write(&path, text.as_bytes())
}

/// Where the part of the page begins that is written by hand.
const KEPT: &str = "## How it grows";

/// The release build, and how long it took from nothing where it was not there.
fn provost() -> Result<(PathBuf, Duration)> {
    // A folder of its own, removed first: the time is that of a clean build.
    let target = paths::target().join("bench");
    if target.exists() {
        fs::remove_dir_all(&target)?;
    }
    let began = Instant::now();
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--quiet", "--package", "provost"]);
    cmd::output(cargo.env("CARGO_TARGET_DIR", &target).current_dir(paths::root()))?;
    Ok((target.join("release/provost"), began.elapsed()))
}

/// A program of `xtask/bench`, built into the cache.
fn go_program(module: &str, package: &str) -> Result<PathBuf> {
    let name = package.rsplit('/').next().filter(|name| *name != ".").unwrap_or(module);
    let folder = paths::cache()?.join("bench").join(module);
    fs::create_dir_all(&folder)?;
    let binary = folder.join(name);
    let source = paths::root().join("xtask/bench").join(module);
    // The go command knows itself when nothing has to be done.
    eprintln!("bench: building {name}");
    let mut go = hermetic("go");
    go.env_remove("GOTOOLCHAIN").env("CGO_ENABLED", "0").current_dir(&source);
    go.args(["build", "-trimpath", "-buildvcs=false", "-o"]).arg(&binary).arg(package);
    cmd::output(&mut go)?;
    Ok(binary)
}

fn kubeconform(folder: &Path) -> Command {
    let schemas = tools::path("kubernetes-schemas").unwrap_or_default();
    let mut command = Command::new(tools::path("kubeconform").unwrap_or_default());
    let template = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", schemas.display());
    command.args(["-strict", "-n", "8", "-schema-location", &template]).arg(folder);
    command
}

fn kube_score(folder: &Path) -> Command {
    let mut command = Command::new(tools::path("kube-score").unwrap_or_default());
    let files = paths::files_below(folder).unwrap_or_default();
    command.current_dir(folder).arg("score").args(files);
    command
}

fn page(outcomes: &[Outcome], build_time: Duration, size: u64) -> String {
    let mut text = String::from(
        "# Performance\n\n\
         <!-- Written by `cargo xtask bench`. -->\n\n\
         Whole processes on the same input, warm, in turns; medians. A quotient below 1 means that Provost is faster; \
         it is the median over the turns, with the smallest and the largest in brackets.\n\n\
         | work | peer | provost | peer takes | quotient | budget |\n|---|---|---:|---:|---:|---:|\n",
    );
    for outcome in outcomes {
        text += &outcome.row();
    }
    text += &format!(
        "\nA clean release build of `provost` took {:.0} s, and the executable has {:.1} MB.\n\n{}\n",
        build_time.as_secs_f64(),
        size as f64 / 1e6,
        machine()
    );
    text
}

/// What the numbers were measured on.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unnamed processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let go = cmd::output(hermetic("go").arg("version")).unwrap_or_default();
    let rust = cmd::output(Command::new("rustc").arg("--version")).unwrap_or_default();
    format!("Measured on {cores} threads of {model}; {}; {}.", rust.trim(), go.trim())
}

/// Fails with the program's own words when it does not run at all; findings are no failure.
fn runs(command: &mut Command) -> Result<()> {
    let shown = cmd::show(command);
    let done = command.output().with_context(|| format!("cannot run {shown:.80}"))?;
    let good = matches!(done.status.code(), Some(0 | 1));
    anyhow::ensure!(
        good,
        "{shown:.80}: {}\n{}",
        done.status,
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(())
}
