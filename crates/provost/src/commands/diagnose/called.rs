//! What a log of system calls says, in a few lines.

use std::fmt::Write as _;

use goformats::strace::Tool;
use provost_check::case::log::{millis, nanos, percent};
use provost_check::facts::syscall_log::{Process, SyscallLog};
use provost_check::model::quantity::counted;
use provost_check::model::secret::masked;
use provost_check::report::plain::clean;

/// Kinds of calls, descriptors and threads that are told.
const TOLD: usize = 3;

pub(super) fn summary(path: &str, log: &SyscallLog) -> String {
    let counts = &log.counts;
    let tool = match log.tool {
        Some(Tool::Perf | Tool::PerfSummary) => "perf trace",
        _ => "strace",
    };
    let mut text =
        format!("{}: {} lines of {tool}, {} calls", clean(path), counts.lines, counts.calls);
    if counts.text > 0 {
        let _ = write!(text, ", {} lines of something else", counts.text);
    }
    if counts.cut > 0 {
        let _ = write!(text, ", {} lines cut off", counts.cut);
    }
    text.push('\n');
    let several = log.processes.len() > 1;
    let shown = log.processes.iter().filter(|process| !several || process.threads > 1);
    for process in shown {
        told(&mut text, process, several);
    }
    let left = log.processes.iter().filter(|process| several && process.threads < 2).count();
    let left = left as u64 + log.more_processes;
    if left > 0 {
        let _ = writeln!(text, "  {left} further processes, of one thread each, are left out");
    }
    text
}

fn told(text: &mut String, process: &Process, several: bool) {
    let who =
        process.id.filter(|_| several).map(|id| format!("process {id}: ")).unwrap_or_default();
    let cpus = process.cpus.map(|cpus| format!(" for {cpus} CPUs")).unwrap_or_default();
    let _ = write!(text, "  {who}{} threads{cpus}", process.threads);
    if process.thread_ns > 0 {
        let parked = (process.parked_ns as f64 / process.thread_ns as f64).min(1.0);
        let _ = write!(
            text,
            " in {}, {} of their time without work",
            millis(process.wall_ms()),
            percent(parked)
        );
    }
    text.push('\n');
    let mut kinds: Vec<_> = process.held.iter().filter(|(_, sum)| sum.ns > 0).collect();
    kinds.sort_by_key(|(holder, sum)| (std::cmp::Reverse(sum.ns), **holder));
    for (holder, sum) in kinds.into_iter().take(TOLD) {
        let share = process
            .share(*holder)
            .map(|share| format!(", {} of their work", percent(share)))
            .unwrap_or_default();
        let at_once = process.at_once.get(holder).map_or(0, |at_once| at_once.count);
        let _ = writeln!(
            text,
            "  held in {}: {} in {}{share}, longest {}, up to {} at once",
            holder.name(),
            nanos(sum.ns),
            counted(sum.calls, "call"),
            nanos(sum.longest_ns),
            counted(at_once, "thread"),
        );
        for target in process.on(*holder).take(TOLD).filter(|target| !target.name.is_empty()) {
            let _ = writeln!(
                text,
                "    {}: {} in {}, most of it {}",
                clean(&masked(&target.name)),
                nanos(target.sum.ns),
                counted(target.sum.calls, "call"),
                clean(target.sum.main()),
            );
        }
    }
    let quick = &process.quick;
    if quick.calls > 0 {
        let _ = writeln!(
            text,
            "  not held: {} in {} calls that do not block",
            nanos(quick.ns),
            quick.calls
        );
    }
    let busiest: Vec<String> = process
        .busiest
        .iter()
        .filter(|thread| thread.held_ns > 0)
        .take(TOLD)
        .filter_map(|thread| {
            Some(format!("{} {} of {}", thread.id?, nanos(thread.held_ns), nanos(thread.ns)))
        })
        .collect();
    if !busiest.is_empty() {
        let _ = writeln!(text, "  threads held longest: {}", busiest.join(", "));
    }
    let made: u64 = process.made.values().sum();
    let mut causes: Vec<String> = process
        .made
        .iter()
        .filter_map(|(holder, count)| {
            Some(format!("{count} while others were in {}", (*holder)?.name()))
        })
        .collect();
    if made > 0 && !causes.is_empty() {
        causes.truncate(TOLD);
        let _ = writeln!(text, "  {made} threads made: {}", causes.join(", "));
    }
}
