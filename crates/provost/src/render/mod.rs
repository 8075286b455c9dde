//! `--chart` and `--kustomize`: has charts and kustomizations rendered by the tools that own them.
//!
//! The tool runs without a shell, on files that are there: addresses and repositories are refused
//! before it starts, since rendering must not fetch anything. Its time, memory and output are
//! bounded; a chart can loop.

mod helm;
mod kustomize;
mod set;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use provost_check::artifact::discover;
use provost_check::artifact::render::{Hidden, Renderer, Rendering};
use provost_check::model::secret;
use provost_check::report::plain::clean;

use crate::args::CheckArgs;
use crate::process::{Done, Limits, Stopped, Tool};

/// Time for one chart. The largest public ones take two seconds.
const TIME: Duration = Duration::from_secs(60);

/// Bytes of manifests of one chart.
const OUTPUT: usize = 64 << 20;

/// Time for all of them, and bytes of their manifests: none is begun beyond.
const ALL_TIME: Duration = Duration::from_secs(600);
const ALL_OUTPUT: usize = 512 << 20;

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
    let started = Instant::now();
    let (mut printed, count) = (0, all.len());
    for (number, (by, root)) in all.into_iter().enumerate() {
        if let Some(why) = no_more(started.elapsed(), printed, interrupted) {
            let left = count - number;
            let what = clean(&root);
            let others = match left {
                1 => what.into_owned(),
                _ => format!("{what} and {} more to be rendered", left - 1),
            };
            outcome.failed.push(format!("{others}: not judged, because {why}"));
            break;
        }
        let rendered = match by {
            Renderer::Helm => helm::render(args, &root, oldest, interrupted)?,
            Renderer::Kustomize => kustomize::render(&root, interrupted)?,
        };
        match rendered {
            Ok(rendered) => {
                printed += rendered.rendering.text.len();
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

/// Why no further one is begun.
fn no_more(spent: Duration, printed: usize, interrupted: &AtomicBool) -> Option<String> {
    if interrupted.load(Ordering::SeqCst) {
        Some("the run was interrupted".to_owned())
    } else if spent > ALL_TIME {
        Some(format!("those before took more than {} s", ALL_TIME.as_secs()))
    } else if printed > ALL_OUTPUT {
        Some(format!("those before printed more than {} MiB", ALL_OUTPUT >> 20))
    } else {
        None
    }
}

/// Why a tool printed nothing that can be used.
struct Failure {
    /// A sentence.
    why: String,
    /// It does not know a flag that it was given, and did nothing.
    unknown_flag: bool,
}

/// What one chart or kustomization may take.
const ONE: Limits = Limits { time: Some(TIME), output: Some(OUTPUT), memory: Some(MEMORY) };

/// Runs the tool. The sentence that says why there is nothing names `what` was to be rendered, and
/// shows nothing that is `hidden`, which is asked for when there is something to say.
fn output(
    tool: Tool,
    what: &str,
    hidden: &dyn Fn() -> Hidden,
    interrupted: &AtomicBool,
) -> Result<Result<Vec<u8>, Failure>> {
    within(ONE, tool, what, hidden, interrupted)
}

fn within(
    limits: Limits,
    mut tool: Tool,
    what: &str,
    hidden: &dyn Fn() -> Hidden,
    interrupted: &AtomicBool,
) -> Result<Result<Vec<u8>, Failure>> {
    let known = |why| Ok(Err(Failure { why, unknown_flag: false }));
    if interrupted.load(Ordering::SeqCst) {
        return known(format!("{what}: not judged, because the run was interrupted"));
    }
    tool.command.stdout(Stdio::piped());
    let name = tool.name.clone();
    let is_script = tool.is_script();
    let done = match tool.run(limits, interrupted) {
        Ok(done) => done?,
        Err(error) => return known(format!("{what}: {name} cannot be run: {error}")),
    };
    Ok(match failure(&name, is_script, &done, limits, hidden) {
        Some(why) => Err(Failure {
            why: format!("{what}: not judged, because {why}"),
            unknown_flag: done.stopped.is_none() && is_unknown_flag(&done.stderr),
        }),
        None => Ok(done.stdout),
    })
}

/// Whether a program of Go's cobra says so. Nothing but Helm's warning about the permissions of the
/// file of KUBECONFIG may stand before it: what a chart says is no word of Helm's.
fn is_unknown_flag(stderr: &[u8]) -> bool {
    let said = String::from_utf8_lossy(stderr);
    let is_warning = |line: &&str| line.starts_with("WARNING: Kubernetes configuration file is ");
    let first = said.lines().find(|line| !line.trim().is_empty() && !is_warning(line));
    first.is_some_and(|line| line.starts_with("Error: unknown flag: --"))
}

/// Why the output is not to be used.
fn failure(
    tool: &str,
    is_script: bool,
    done: &Done,
    limits: Limits,
    hidden: &dyn Fn() -> Hidden,
) -> Option<String> {
    match done.stopped {
        Some(Stopped::Interrupted) => return Some("the run was interrupted".to_owned()),
        Some(Stopped::Time) => {
            let most = limits.time.unwrap_or_default().as_secs();
            return Some(format!("{tool} took longer than {most} s and was stopped"));
        }
        Some(Stopped::Output) => {
            let most = limits.output.unwrap_or_default() >> 20;
            return Some(format!("{tool} printed more than {most} MiB and was stopped"));
        }
        Some(Stopped::Held) => {
            return Some(format!("{tool} left a process behind that holds its output"));
        }
        Some(Stopped::Unreadable(why)) => {
            return Some(format!("the output of {tool} cannot be read: {why}"));
        }
        None => {}
    }
    if done.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let hidden = hidden();
    let masker = hidden.masker();
    let shown = masker.masked(&said);
    let shown = secret::masked(&shown);
    // Warnings of a chart come before the error.
    let lines: Vec<&str> = shown.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.iter().position(|line| line.starts_with("Error")).unwrap_or(0);
    let lines = lines[from..].iter().take(LINES);
    let lines: Vec<String> = lines.map(|line| clean(line.trim()).into_owned()).collect();
    let mut why = match lines.is_empty() {
        true => format!("{tool} failed: {}", done.status),
        false => format!("{tool} failed: {}", lines.join(" ")),
    };
    if shown != said {
        why.push_str(" (*** stands for what may be a secret)");
    }
    if is_script {
        let hint = format!(" ({tool} is a script here and finds no other program: PATH is empty)");
        why.push_str(&hint);
    }
    Some(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why nothing came of a tool that runs this script.
    fn stopped(script: &str, limits: Limits) -> String {
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", script]);
        let tool = Tool::made_up("helm", command).unwrap();
        let go_on = AtomicBool::new(false);
        let done = within(limits, tool, "web", &Hidden::default, &go_on).unwrap();
        done.expect_err("it is stopped").why
    }

    #[test]
    fn a_chart_without_an_end_is_stopped_and_told() {
        let limits = Limits { time: Some(Duration::from_secs(1)), ..ONE };
        // Helm that is busy in a template answers no signal either.
        let why = stopped("trap '' TERM; while :; do :; done", limits);
        assert_eq!(why, "web: not judged, because helm took longer than 1 s and was stopped");
        let limits = Limits { output: Some(1 << 20), ..ONE };
        let why = stopped("while :; do echo 'a: b'; done", limits);
        assert_eq!(why, "web: not judged, because helm printed more than 1 MiB and was stopped");
    }

    #[test]
    fn no_tool_starts_after_an_interrupt_or_beyond_what_all_may_take() {
        let (go_on, stop) = (AtomicBool::new(false), AtomicBool::new(true));
        assert_eq!(no_more(ALL_TIME, ALL_OUTPUT, &go_on), None);
        let why = |spent, printed, flag| no_more(spent, printed, flag).unwrap();
        assert_eq!(why(Duration::ZERO, 0, &stop), "the run was interrupted");
        let second = Duration::from_secs(1);
        assert_eq!(why(ALL_TIME + second, 0, &go_on), "those before took more than 600 s");
        let printed = why(Duration::ZERO, ALL_OUTPUT + 1, &go_on);
        assert_eq!(printed, "those before printed more than 512 MiB");
    }
}
