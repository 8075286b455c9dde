//! `provost diagnose`: from what a runtime wrote of itself to what is wrong.

mod called;
mod collect;
mod compare;
mod follow;
mod how;
mod inputs;
mod judged;
mod said;
mod scheduled;
mod tables;

use std::collections::HashSet;

use anyhow::{Context as _, Result, bail};
use provost_check::artifact::Sources;
use provost_check::case::counters::CountersCase;
use provost_check::case::{Joined, World, counters, memory, traced};
use provost_check::facts::runtime_log::RuntimeLog;
use provost_check::model::Bytes;
use provost_check::model::quantity::counted;
use provost_check::pipeline;
use provost_check::report::plain;
use provost_check::rules::RULES;
use provost_check::rules::engine::Profile;
use provost_check::rules::rule::{Check, Group, Rule};

use judged::Asked;

use crate::args::{About, Cli, DiagnoseArgs, Format, Shown, Tracing};
use crate::commands::check;
use crate::config::{InForce, Paths};
use crate::exit::{Exit, Mistake};
use crate::interrupt::Interrupt;
use crate::{config, output};

/// What goroutines do while they live; the other rules about dumps are about ends. Of one that was made to end by SIGQUIT
/// because it hung, the second says why.
const OF_GOROUTINES: [&str; 2] = ["goroutine-leak", "stuck-goroutines"];

pub(crate) fn run(cli: &Cli, args: &DiagnoseArgs) -> Result<Exit> {
    let of_dumps = |rule: &Rule| {
        rule.checks().any(|check| matches!(check, Check::Dump(_) | Check::Recovered(_)))
    };
    let plain = Tracing::default();
    match &args.about {
        None => diagnose(cli, &args.files, &args.tracing, &args.shown, &rules(|_| true), None),
        Some(About::Gc(args)) => match args.compare.as_slice() {
            [a, b] => compare::run(cli, &args.shown, [a, b]),
            _ => {
                let is_log = |rule: &Rule| rule.checks().any(|it| matches!(it, Check::Log(_)));
                diagnose(
                    cli,
                    &args.files,
                    &args.tracing,
                    &args.shown,
                    &rules(is_log),
                    Some("diagnose gc"),
                )
            }
        },
        Some(About::Oom(args)) if args.collect => collect::run(args),
        Some(About::Oom(args)) => {
            let is_memory = |rule: &Rule| rule.checks().any(|it| matches!(it, Check::Memory(_)));
            diagnose(cli, &args.files, &plain, &args.shown, &rules(is_memory), Some("diagnose oom"))
        }
        Some(About::Syscalls(args)) => {
            if let Some(pid) = args.how {
                output::print(&how::how(pid))?;
                return Ok(Exit::Clean);
            }
            let is_call = |rule: &Rule| rule.checks().any(|it| matches!(it, Check::Syscalls(_)));
            let calls = Tracing { calls: true, ..Tracing::default() };
            diagnose(
                cli,
                &args.files,
                &calls,
                &args.shown,
                &rules(is_call),
                Some("diagnose syscalls"),
            )
        }
        Some(About::Crash(args)) => {
            let wanted = rules(|rule| of_dumps(rule) && rule.id != OF_GOROUTINES[0]);
            diagnose(cli, &args.files, &plain, &args.shown, &wanted, Some("diagnose crash"))
        }
        Some(About::Goroutines(args)) => {
            let wanted = rules(|rule| OF_GOROUTINES.contains(&rule.id));
            diagnose(cli, &args.files, &plain, &args.shown, &wanted, Some("diagnose goroutines"))
        }
    }
}

fn diagnose(
    cli: &Cli,
    files: &[String],
    tracing: &Tracing,
    args: &Shown,
    rules: &[&'static Rule],
    verb: Option<&str>,
) -> Result<Exit> {
    let (follow, calls) = (tracing.follow, tracing.calls);
    if follow && files.len() > 1 {
        bail!(Mistake::new("one file can be followed at a time"));
    }
    let interrupt = Interrupt::watch().context("cannot watch for signals")?;
    let mut sources = Sources::default();
    let color = output::color_on_stderr(cli.color);
    let InForce { settings, levels, ignores } =
        config::in_force(&Paths::default(), &mut sources, config::today(), color)?;
    let selection = args.rules.selection(Profile::Recommended, levels)?;
    let mut world = World::new(sources, settings);
    let mut loader =
        inputs::Loader { cli, world: &mut world, interrupt: &interrupt, follow, calls };
    files.iter().for_each(|path| loader.load(path));
    let joined = Joined::new(&world);
    let counted = counters::cases(&joined);
    let containers = memory::cases(&joined);
    let asked = Asked::of(rules);
    let said = [
        said(&world, &counted, asked),
        judged::without(&world, asked),
        if asked.memory { judged::alive(&world, &containers) } else { String::new() },
        verb.map_or(String::new(), |verb| judged::left(&world, &containers, asked, verb)),
    ]
    .concat();
    let judged = asked.judged(&world, &containers, counted.len());
    let conclusion = pipeline::conclude(&joined, rules, &selection, &ignores);
    let mut report = pipeline::report(&world, env!("CARGO_PKG_VERSION"), conclusion);
    report.fail_on = args.rules.fail_on.level();
    // Where no rule asked about them, nothing says whether anything is wrong with them.
    if asked.logs {
        report.traced = traced::all(&world, &joined, tracing.place());
    }
    report.judged = judged;
    // It is a result as findings are, and stands where the text for people does.
    match args.format.is_empty() || args.format.iter().any(|it| it.format == Format::Text) {
        true => report.said = said,
        false if cli.quiet => {}
        false => output::complain(&said),
    }
    check::write(cli, &args.format, false, &report)?;
    let fails = report
        .findings
        .iter()
        .any(|finding| report.fail_on.is_some_and(|from| finding.level >= from));
    // Who follows a file ends it so.
    let ended = |exit: &Exit| follow && *exit == Exit::Interrupted;
    if let Some(exit) = interrupt.exit().filter(|exit| !ended(exit)) {
        output::complain("error: interrupted; the report holds what was read until then\n");
        return Ok(exit);
    }
    Ok(match (world.problems.is_empty(), fails) {
        (false, _) => Exit::Usage,
        (true, true) => Exit::Findings,
        (true, false) => Exit::Clean,
    })
}

/// What was read, in a few lines of each input.
fn said(world: &World, counted: &[CountersCase<'_>], asked: Asked) -> String {
    let mut said: String = world.logs.iter().map(|log| crashes(world, log, asked)).collect();
    if asked.counters {
        said.extend(counted.iter().map(said::counters));
    }
    if asked.memory {
        said.push_str(&killed(world));
        said.push_str(&profiled(world));
    }
    for log in world.syscalls.iter().filter(|_| asked.calls) {
        said.push_str(&called::summary(&world.sources.get(log.source).path, log));
    }
    said
}

/// Rules that diagnose, and that about inputs that cannot be read.
fn rules(wanted: impl Fn(&Rule) -> bool) -> Vec<&'static Rule> {
    let is_one = |rule: &&&'static Rule| {
        (rule.group == Group::Diagnosis && wanted(rule)) || rule.id == "unparsable-input"
    };
    RULES.iter().filter(is_one).copied().collect()
}

/// What of a log is no tracing, and of the scheduler what the report has no room for, in a few lines.
fn crashes(world: &World, log: &RuntimeLog, asked: Asked) -> String {
    let lives = log.lives.iter().filter(|_| asked.logs);
    let mut said: String = lives.map(scheduled::lines).collect();
    if asked.logs && log.at_once {
        said.push_str("  several processes wrote it at once; what names no process is told apart by the numbers, times and heaps of collections\n");
    }
    if asked.dumps {
        said.push_str(&said::crashes(log));
    }
    if said.is_empty() {
        return said;
    }
    let path = &world.sources.get(log.source).path;
    format!("{}: {}\n{said}", plain::clean(path), counted(log.counts.lines, "line"))
}

/// What kernels' logs say, in a line each.
fn killed(world: &World) -> String {
    let lines = world.memory.logs.iter().map(|log| {
        let path = plain::clean(&world.sources.get(log.source).path);
        // One that a console wrote into has the last line of a kill once more.
        let mut told = HashSet::new();
        let again = log.reports.iter().filter_map(memory::identity).filter(|it| !told.insert(*it));
        let kills = match log.counts.reports.saturating_sub(again.count() as u64) {
            0 => "nothing was killed for memory".to_owned(),
            1 => "memory ran out once".to_owned(),
            times => format!("memory ran out {times} times"),
        };
        format!("{path}: {} of a kernel: {kills}\n", counted(log.counts.lines, "line"))
    });
    lines.collect()
}

/// What heap profiles say, in a line each.
fn profiled(world: &World) -> String {
    let lines = world.memory.heaps.iter().map(|profile| {
        let path = plain::clean(&world.sources.get(profile.source).path);
        let heap = &profile.heap;
        let most = heap.functions.first().map_or(String::new(), |most| {
            format!(", {} of it allocated by {}", Bytes(most.in_use), plain::clean(&most.name))
        });
        format!("{path}: a heap profile: {} alive{most}\n", Bytes(heap.in_use))
    });
    lines.collect()
}
