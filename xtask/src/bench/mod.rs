//! `cargo xtask bench`: Provost against its peers, as whole processes on the same input.
//!
//! The two of a pair run in turns, so that whatever else the machine does hits both alike; the
//! medians are compared and, because a quotient of two noisy numbers deceives, so is the median
//! of the quotients of each turn. The table goes to `docs/performance.md`.

mod dockerfiles;
mod harness;
mod image;
mod logs;
mod manifests;
mod page;
mod pairs;
mod peak;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::toolchain::hermetic;
use crate::{cmd, paths, tools};
use page::Page;

#[derive(clap::Args)]
pub struct Args {
    /// Turns of each pair; half as many where one takes more than five seconds
    #[arg(long, default_value_t = 15)]
    turns: usize,
    /// Show the table without writing docs/performance.md
    #[arg(long)]
    dry: bool,
    /// Only what the harness of `provost prove` adds, by the executable at that path; a table for the
    /// part of the page that is written by hand
    #[arg(long, value_name = "PATH")]
    harness: Option<PathBuf>,
    /// Only logs of the runtime, read by the executable at that path
    #[arg(long, value_name = "PATH")]
    logs: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    if let Some(provost) = &args.harness {
        println!("{}", harness::table(provost)?);
        return Ok(());
    }
    if let Some(provost) = &args.logs {
        println!("{}", logs::table(&provost.canonicalize()?)?);
        return Ok(());
    }
    tools::run()?;
    let (provost, build_time) = provost()?;
    let mut page = Page::new(args.turns);
    binaries(&mut page, &provost)?;
    manifests(&mut page, &provost)?;
    dockerfiles(&mut page, &provost)?;
    growth(&mut page, &provost)?;
    page.logs(logs::table(&provost)?);
    let text = page.text(build_time, fs::metadata(&provost)?.len());
    println!("{text}");
    if args.dry {
        return Ok(());
    }
    // What is not measured here stays.
    let path = paths::root().join("docs/performance.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    let kept = before.find(page::KEPT).map_or("", |at| &before[at..]);
    paths::write(&path, format!("{text}\n{kept}").as_bytes())
}

fn check(provost: &Path, path: &Path) -> Command {
    let mut command = Command::new(provost);
    command.arg("check").arg(path).current_dir(path.parent().unwrap_or(path));
    command
}

/// A large program, alone and in an image.
fn binaries(page: &mut Page, provost: &Path) -> Result<()> {
    let kube = go_program("kube", "k8s.io/kubernetes/cmd/kube-apiserver")?;
    let reader = go_program("goreader", ".")?;
    let size = fs::metadata(&kube)?.len() / 1_000_000;
    let peer = "Go's debug/buildinfo, debug/elf and debug/gosym";
    let read = || {
        let mut command = Command::new(&reader);
        command.arg(&kube);
        command
    };
    page.pair(
        &format!("facts of kube-apiserver, {size} MB"),
        "<= 1",
        // One rule that needs what the reader reads; others recover the program's text as well.
        &mut || {
            let mut facts = check(provost, &kube);
            facts.args(["--only", "end-of-life-toolchain"]);
            facts
        },
        (peer, &mut || read()),
    )?;
    let work = format!("every rule on kube-apiserver, {size} MB");
    page.pair(&work, "-", &mut || check(provost, &kube), (peer, &mut || read()))?;

    let image = image::layout(&kube)?;
    let gzip = || {
        let mut command = Command::new("gzip");
        command.arg("-t").arg(&image.layer);
        command
    };
    let judged = || {
        let mut command = Command::new(provost);
        command.args(["check", "--image"]);
        command.arg(format!("oci:{}", image.layout.display()));
        // Nothing but the image is judged; settings could lie here.
        command.current_dir(&image.nothing);
        command
    };
    page.pair(
        &format!("layers of an image of 500 MB with a program of {size} MB"),
        "<= 1.5",
        // The layers are read whole for any rule on files.
        &mut || {
            let mut files = judged();
            files.args(["--only", "missing-entrypoint-file"]);
            files
        },
        ("gzip -t of its layer", &mut || gzip()),
    )?;
    let work = "every rule on the same image";
    page.pair(work, "-", &mut || judged(), ("gzip -t of its layer", &mut || gzip()))
}

fn manifests(page: &mut Page, provost: &Path) -> Result<()> {
    for count in [100, 1_000, 10_000] {
        let folder = manifests::folder(count)?;
        let work = format!("{count} manifests");
        let mut ours = || check(provost, &folder);
        let mut kubeconform = || kubeconform(&folder);
        page.pair(&work, "<= 0.1", &mut ours, ("kubeconform -strict", &mut kubeconform))?;
        page.pair(&work, "<= 0.1", &mut ours, ("kube-score", &mut || kube_score(&folder)))?;
    }
    Ok(())
}

fn dockerfiles(page: &mut Page, provost: &Path) -> Result<()> {
    let folder = dockerfiles::folder(500)?;
    let hadolint = tools::path("hadolint").unwrap_or_default();
    page.pair(
        "500 Dockerfiles",
        "<= 0.1",
        &mut || check(provost, &folder),
        ("hadolint", &mut || {
            let mut command = Command::new(&hadolint);
            command.current_dir(&folder).args(paths::files_below(&folder).unwrap_or_default());
            command
        }),
    )
}

/// The same manifests in growing numbers.
fn growth(page: &mut Page, provost: &Path) -> Result<()> {
    for count in [100, 1_000, 10_000, 50_000] {
        let folder = manifests::folder(count)?;
        page.alone(&format!("{count} manifests"), &mut || check(provost, &folder))?;
    }
    Ok(())
}

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
