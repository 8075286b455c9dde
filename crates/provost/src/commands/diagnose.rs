//! `provost diagnose`: from what a runtime wrote of itself to what is wrong.

mod said;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use provost_check::artifact::{Problem, ProblemKind, Source, SourceKind, Sources, runtime_log};
use provost_check::case::log::{millis, nanos, percent};
use provost_check::case::{Joined, World};
use provost_check::facts::Origin;
use provost_check::facts::runtime_log::{Collections, Life, RuntimeLog, Scheduler, Stop};
use provost_check::pipeline;
use provost_check::report::Judged;
use provost_check::rules::RULES;
use provost_check::rules::engine::Profile;
use provost_check::rules::rule::{Need, Rule};

use crate::args::{Cli, DiagnoseArgs};
use crate::commands::check;
use crate::config::InForce;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::{config, output};

/// What a log without such lines needs.
const HOW: &str = "run the program with GODEBUG=gctrace=1 or GODEBUG=schedtrace=1000; both go to stderr, as crashes do; a process that calls os.Exit or log.Fatal, or that the kernel kills, prints no stack; kubectl logs --previous has what the one before wrote";

pub(crate) fn run(cli: &Cli, args: &DiagnoseArgs) -> Result<Exit> {
    let interrupt = Interrupt::watch().context("cannot watch for signals")?;
    let mut sources = Sources::default();
    let color = output::color_on_stderr(cli.color);
    let InForce { settings, levels, ignores } =
        config::in_force(&[], &mut sources, config::today(), color)?;
    let selection = args.rules.selection(Profile::Recommended, levels)?;
    let mut world = World::new(sources, settings);
    for path in &args.logs {
        load(cli, path, &mut world, &interrupt);
    }
    if !cli.quiet {
        let said: String = world.logs.iter().map(|log| summary(&world, log)).collect();
        output::complain(&said);
    }
    let conclusion = pipeline::conclude(&Joined::new(&world), &rules(), &selection, &ignores);
    let mut report = pipeline::report(&world, env!("CARGO_PKG_VERSION"), conclusion);
    report.fail_on = args.rules.fail_on.level();
    let processes = world.logs.iter().map(RuntimeLog::processes).sum();
    report.judged = Judged { processes, ..Judged::default() };
    check::write(cli, &args.format, false, &report)?;
    let fails = report
        .findings
        .iter()
        .any(|finding| report.fail_on.is_some_and(|from| finding.level >= from));
    if let Some(exit) = interrupt.exit() {
        output::complain("error: interrupted; the report holds what was read until then\n");
        return Ok(exit);
    }
    Ok(match (world.problems.is_empty(), fails) {
        (false, _) => Exit::Usage,
        (true, true) => Exit::Findings,
        (true, false) => Exit::Clean,
    })
}

/// Rules about logs, and that about inputs that cannot be read.
fn rules() -> Vec<&'static Rule> {
    let is_one =
        |rule: &&&'static Rule| rule.needs.contains(&Need::Log) || rule.id == "unparsable-input";
    RULES.iter().filter(is_one).copied().collect()
}

fn load(cli: &Cli, path: &str, world: &mut World, interrupt: &Interrupt) {
    let mut source = Source::opaque(path, SourceKind::Log);
    source.named = true;
    let source = world.sources.add(source);
    let mut problem = |kind, message: String, help: Option<&str>| {
        let origin = Origin::whole(source);
        world.problems.push(Problem { kind, origin, message, help: help.map(str::to_owned) });
    };
    match read(cli, path, source, interrupt) {
        Ok(log) if log.is_empty() => {
            let message = format!(
                "holds no line that the runtime's tracing writes, and neither a crash nor a dump of goroutines, in {} lines",
                log.counts.lines
            );
            problem(ProblemKind::Malformed, message, Some(HOW));
        }
        Ok(log) => world.logs.push(log),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            problem(ProblemKind::Missing, "does not exist".to_owned(), None);
        }
        Err(error) => problem(ProblemKind::Unreadable, format!("cannot be read: {error}"), None),
    }
}

fn read(
    cli: &Cli,
    path: &str,
    source: provost_check::facts::SourceId,
    interrupt: &Interrupt,
) -> io::Result<RuntimeLog> {
    let (from, size): (Box<dyn Read>, u64) = if path == "-" {
        (Box::new(io::stdin().lock()), 0)
    } else {
        let file = File::open(Path::new(path))?;
        let size = file.metadata()?.len();
        (Box::new(file), size)
    };
    let bar = match cli.quiet {
        true => ProgressBar::hidden(),
        false if size > 0 => {
            ProgressBar::new(size).with_style(style("{bytes} of {total_bytes}, {eta} left"))
        }
        false => ProgressBar::no_length().with_style(style("{bytes}")),
    };
    let stopped = interrupt.flag();
    let log = runtime_log::read(source, from, &|bytes| {
        bar.set_position(bytes);
        !stopped.load(Ordering::Relaxed)
    });
    bar.finish_and_clear();
    log
}

fn style(rest: &str) -> ProgressStyle {
    ProgressStyle::with_template(&format!("reading {rest} ({{bytes_per_sec}})"))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What a log says, in a few lines.
fn summary(world: &World, log: &RuntimeLog) -> String {
    let path = &world.sources.get(log.source).path;
    let mut text =
        format!("{}: {} lines", provost_check::report::plain::clean(path), log.counts.lines);
    if log.lives.len() > 1 {
        text.push_str(&format!(", {} processes one after the other", log.lives.len()));
    }
    text.push('\n');
    for life in &log.lives {
        text.push_str(&told(life));
    }
    text.push_str(&said::crashes(log));
    text
}

fn told(life: &Life) -> String {
    let collections = life.collections.as_ref().and_then(collected);
    let scheduler = life.scheduler.as_ref().and_then(scheduled);
    collections.into_iter().chain(scheduler).map(|line| format!("  {line}\n")).collect()
}

fn collected(of: &Collections) -> Option<String> {
    let whole = of.whole()?;
    let pause = |stop| of.quantile(stop, 0.99).map_or(String::new(), nanos);
    let share = whole.cpu_share().map_or("unknown".to_owned(), percent);
    Some(format!(
        "{} collections in {} on {} Ps: {share} of the CPU; {} MB live of a goal of {} MB at the end; 99 of 100 pauses within {} (sweep termination) and {} (mark termination)",
        whole.cycles,
        millis(whole.wall_ms()),
        of.procs.last().map_or(0, |change| change.to),
        whole.live.last,
        whole.goal.last,
        pause(Stop::SweepTermination),
        pause(Stop::MarkTermination),
    ))
}

fn scheduled(of: &Scheduler) -> Option<String> {
    let whole = of.whole()?;
    Some(format!(
        "{} samples of the scheduler in {}: {} to {} threads for {} Ps, up to {} goroutines waiting for one",
        whole.count,
        millis(whole.to.at_ms.saturating_sub(whole.from.at_ms)),
        whole.threads.least,
        whole.threads.most,
        whole.procs.most,
        whole.runnable.most,
    ))
}
