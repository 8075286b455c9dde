//! `--chart` and `--kustomize`: has charts and kustomizations rendered by the tools that own them.
//!
//! The tool runs without a shell, on files that are there: addresses and repositories are refused
//! before it starts, since rendering must not fetch anything. Its time, memory and output are
//! bounded; a chart can loop.

mod helm;
mod kustomize;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;
use provost_check::artifact::discover;
use provost_check::artifact::render::{Renderer, Rendering};
use provost_check::report::plain::clean;

use crate::args::CheckArgs;
use crate::process::{self, Done, Limits, Stopped};

/// Time for one chart. The largest public ones take two seconds.
const TIME: Duration = Duration::from_secs(60);

/// Bytes of manifests of one chart.
const OUTPUT: usize = 64 << 20;

/// Bytes of address space. Go reserves more than it uses: helm starts with about 1.5 GiB.
const MEMORY: u64 = 8 << 30;

/// Lines of what a tool says that are passed on.
const LINES: usize = 4;

/// What became of the charts and kustomizations.
#[derive(Default)]
pub(crate) struct Outcome {
    /// What was printed.
    pub(crate) renderings: Vec<Rendering>,
    /// How, for the report.
    pub(crate) said: Vec<String>,
    /// Why others were not rendered, a sentence each. The rest of the run is judged all the same.
    pub(crate) failed: Vec<String>,
}

/// Renders what the command line names, and with `found` what walking its paths finds, for the
/// oldest of the releases of Kubernetes that are judged for.
pub(crate) fn run(
    args: &CheckArgs,
    found: bool,
    (oldest, _): (u16, u16),
    interrupted: &AtomicBool,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut all: Vec<(Renderer, String)> = Vec::new();
    all.extend(args.chart.iter().map(|path| (Renderer::Helm, path.clone())));
    all.extend(args.kustomize.iter().map(|path| (Renderer::Kustomize, path.clone())));
    if found {
        let paths: Vec<&String> = args.paths.iter().filter(|path| *path != "-").collect();
        let limits = discover::Limits::default();
        for (by, path) in discover::discover(&paths, &limits).renderable {
            let path = path.to_string_lossy().into_owned();
            let same = |(_, known): &(Renderer, String)| same_path(known, &path);
            if !all.iter().any(same) {
                all.push((by, path));
            }
        }
    }
    for (by, root) in all {
        let rendered = match by {
            Renderer::Helm => helm::render(args, &root, oldest, interrupted)?,
            Renderer::Kustomize => kustomize::render(&root, interrupted)?,
        };
        match rendered {
            Ok(rendered) => {
                outcome.said.push(rendered.said);
                outcome.renderings.push(rendered.rendering);
            }
            Err(why) => outcome.failed.push(why),
        }
    }
    Ok(outcome)
}

/// What a tool printed, and the command as a person would type it.
struct Rendered {
    rendering: Rendering,
    said: String,
}

fn same_path(a: &str, b: &str) -> bool {
    let real = |path: &str| Path::new(path).canonicalize().unwrap_or_else(|_| PathBuf::from(path));
    a == b || real(a) == real(b)
}

/// A path that no tool takes for a flag, a repository or an address.
fn as_argument(path: &str) -> String {
    match path.starts_with(['/', '.']) {
        true => path.to_owned(),
        false => format!("./{path}"),
    }
}

/// Runs the tool. The sentence that says why there is nothing names `what` was to be rendered.
fn output(
    mut command: Command,
    what: &str,
    interrupted: &AtomicBool,
) -> Result<Result<Vec<u8>, String>> {
    let tool = command.get_program().to_string_lossy().into_owned();
    command.stdout(Stdio::piped());
    let limits = Limits { time: Some(TIME), output: Some(OUTPUT), memory: Some(MEMORY) };
    let done = match process::run(command, limits, interrupted) {
        Ok(done) => done?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Err(format!("{what}: not judged, because {tool} is not on PATH")));
        }
        Err(error) => return Ok(Err(format!("{what}: {tool} cannot be run: {error}"))),
    };
    Ok(match failure(&tool, &done) {
        Some(why) => Err(format!("{what}: not judged, because {why}")),
        None => Ok(done.stdout),
    })
}

/// Why the output is not to be used.
fn failure(tool: &str, done: &Done) -> Option<String> {
    match done.stopped {
        Some(Stopped::Interrupted) => return Some("the run was interrupted".to_owned()),
        Some(Stopped::Time) => {
            return Some(format!("{tool} took longer than {} s and was stopped", TIME.as_secs()));
        }
        Some(Stopped::Output) => {
            return Some(format!("{tool} printed more than {} MiB and was stopped", OUTPUT >> 20));
        }
        None => {}
    }
    if done.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&done.stderr);
    // Warnings of a chart come before the error.
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.iter().position(|line| line.starts_with("Error")).unwrap_or(0);
    let lines = lines[from..].iter().take(LINES);
    let lines: Vec<String> = lines.map(|line| clean(line.trim()).into_owned()).collect();
    Some(match lines.is_empty() {
        true => format!("{tool} failed: {}", done.status),
        false => format!("{tool} failed: {}", lines.join(" ")),
    })
}
