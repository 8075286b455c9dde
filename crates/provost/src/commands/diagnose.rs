//! `provost diagnose`: from what a runtime wrote of itself to what is wrong.

mod collect;
mod inputs;
mod said;

use anyhow::{Context as _, Result};
use provost_check::artifact::Sources;
use provost_check::case::log::{millis, nanos, percent};
use provost_check::case::{Joined, World, counters, memory};
use provost_check::facts::runtime_log::{Collections, Life, RuntimeLog, Scheduler, Stop};
use provost_check::pipeline;
use provost_check::report::Judged;
use provost_check::rules::RULES;
use provost_check::rules::engine::Profile;
use provost_check::rules::rule::{Check, Group, Rule};

use crate::args::{About, Cli, DiagnoseArgs, Shown};
use crate::commands::check;
use crate::config::InForce;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::{config, output};

/// What goroutines do while they live; the other rules about dumps are about ends.
const OF_GOROUTINES: &str = "goroutine-leak";

pub(crate) fn run(cli: &Cli, args: &DiagnoseArgs) -> Result<Exit> {
    let of_dumps = |rule: &Rule| {
        rule.checks().any(|check| matches!(check, Check::Dump(_) | Check::Recovered(_)))
    };
    match &args.about {
        None => diagnose(cli, &args.files, &args.shown, &rules(|_| true)),
        Some(About::Oom(args)) if args.collect => collect::run(args),
        Some(About::Oom(args)) => {
            let is_memory = |rule: &Rule| rule.checks().any(|it| matches!(it, Check::Memory(_)));
            diagnose(cli, &args.files, &args.shown, &rules(is_memory))
        }
        Some(About::Crash(args)) => {
            let wanted = rules(|rule| of_dumps(rule) && rule.id != OF_GOROUTINES);
            diagnose(cli, &args.files, &args.shown, &wanted)
        }
        Some(About::Goroutines(args)) => {
            diagnose(cli, &args.files, &args.shown, &rules(|rule| rule.id == OF_GOROUTINES))
        }
    }
}

fn diagnose(cli: &Cli, files: &[String], args: &Shown, rules: &[&'static Rule]) -> Result<Exit> {
    let interrupt = Interrupt::watch().context("cannot watch for signals")?;
    let mut sources = Sources::default();
    let color = output::color_on_stderr(cli.color);
    let InForce { settings, levels, ignores } =
        config::in_force(&[], &mut sources, config::today(), color)?;
    let selection = args.rules.selection(Profile::Recommended, levels)?;
    let mut world = World::new(sources, settings);
    let mut loader = inputs::Loader { cli, world: &mut world, interrupt: &interrupt };
    files.iter().for_each(|path| loader.load(path));
    let joined = Joined::new(&world);
    let counted = counters::cases(&joined);
    if !cli.quiet {
        let mut said: String = world.logs.iter().map(|log| summary(&world, log)).collect();
        said.extend(counted.iter().map(said::counters));
        said.push_str(&killed(&world));
        output::complain(&said);
    }
    let conclusion = pipeline::conclude(&joined, rules, &selection, &ignores);
    let mut report = pipeline::report(&world, env!("CARGO_PKG_VERSION"), conclusion);
    report.fail_on = args.rules.fail_on.level();
    let lives: usize = world.logs.iter().map(RuntimeLog::processes).sum();
    // A process and the container that it ran in are one.
    let processes = lives.max(memory::cases(&joined).len()).max(counted.len());
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

/// Rules that diagnose, and that about inputs that cannot be read.
fn rules(wanted: impl Fn(&Rule) -> bool) -> Vec<&'static Rule> {
    let is_one = |rule: &&&'static Rule| {
        (rule.group == Group::Diagnosis && wanted(rule)) || rule.id == "unparsable-input"
    };
    RULES.iter().filter(is_one).copied().collect()
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

/// What kernels' logs say, in a line each.
fn killed(world: &World) -> String {
    let lines = world.memory.logs.iter().map(|log| {
        let path = provost_check::report::plain::clean(&world.sources.get(log.source).path);
        let kills = match log.counts.reports {
            0 => "nothing was killed for memory".to_owned(),
            1 => "memory ran out once".to_owned(),
            times => format!("memory ran out {times} times"),
        };
        format!("{path}: {} lines of a kernel: {kills}\n", log.counts.lines)
    });
    lines.collect()
}
