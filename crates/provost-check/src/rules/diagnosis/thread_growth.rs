//! Threads beyond what GOMAXPROCS needs.

use crate::case::log::{LogCase, millis, spanning_samples};
use crate::case::syscalls::SyscallCase;
use crate::facts::syscall_log::{AtOnce, Process};
use crate::findings::{Finding, Fix, Level};
use crate::model::quantity::counted;
use crate::model::syscalls::Holder;
use crate::model::trend::Trend;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Threads beyond GOMAXPROCS, and one more for each P: where there are many, as many calls may be open for a moment.
const MANY: u64 = 50;
/// What a rise is worth a word from.
const LEAST_RISE: u64 = 10;
/// Samples that a rise is told of.
const LEAST_SAMPLES: u64 = 10;
/// Points of a trend.
const MOST_POINTS: u64 = 200;
/// Descriptors that are named.
const TOLD: usize = 3;
/// `runtime.sched.maxmcount`, at which the runtime ends the process (`debug.SetMaxThreads`).
const MOST_THREADS: u64 = 10_000;

/// Each is a goroutine that blocks in the kernel or in C.
pub static RULE: Rule = Rule {
    id: "thread-growth",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "threads that pile up in blocking calls",
    page: include_str!("thread-growth.md"),
    needs: &[Need::Log],
    check: Check::Log(check),
    also: &[Check::Syscalls(called)],
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let scheduler = case.scheduler()?;
    let Some(whole) = scheduler.whole() else { return Ok(()) };
    let many = whole.threads.most >= whole.procs.most.saturating_mul(2).saturating_add(MANY);
    let points: Vec<(f64, f64)> = spanning_samples(&scheduler.windows, whole.count / MOST_POINTS)
        .iter()
        .map(|window| {
            let threads = window.threads.sum as f64 / window.count.max(1) as f64;
            (window.from.at_ms as f64 / 1000.0, threads)
        })
        .collect();
    let later = points.get(points.len() / 2..).unwrap_or_default();
    // A process that comes up makes the threads it needs.
    let rises = whole.count >= LEAST_SAMPLES
        && whole.threads.last >= whole.threads.first.saturating_add(LEAST_RISE)
        && [points.as_slice(), later]
            .iter()
            .all(|p| Trend::of(p).is_some_and(|trend| trend.rises()));
    if !many && !rises {
        return Ok(());
    }
    let took = millis(whole.to.at_ms.saturating_sub(whole.from.at_ms));
    let message = match rises {
        true => format!(
            "threads grew from {} to {} in {took}, for {} Ps",
            whole.threads.first, whole.threads.last, whole.procs.last
        ),
        false => format!("{} threads for {} Ps", whole.threads.most, whole.procs.most),
    };
    let idle = whole.idle_threads.last;
    let last = format!("{} threads, {idle} of them idle", whole.threads.last);
    let mut finding = Finding::new(&RULE, message, &case.at(whole.to), last)
        .also(&case.at(whole.from), format!("{} threads", whole.threads.first))
        .note(format!(
            "the runtime makes a thread when all others are in system calls or C, keeps it, and ends the process at {MOST_THREADS}"
        ));
    finding = match (scheduler.details, scheduler.in_calls) {
        (0, _) => finding,
        (_, 0) => finding.note("in the last sample with details no goroutine was in a system call or in C (status=3): the threads are kept from before"),
        (_, calls) => finding.note(format!(
            "in the last sample with details {} in system calls or in C (status=3)",
            if calls == 1 { "1 goroutine was".to_owned() } else { format!("{calls} goroutines were") }
        )),
    };
    // What was recorded of the same service tells what the log of the scheduler cannot.
    let held = case.world().syscalls.iter().flat_map(|log| &log.processes).filter_map(most_held);
    if let Some((holder, at_once)) = held.max_by_key(|(_, at_once)| at_once.count) {
        finding = finding.note(format!(
            "in the log of system calls up to {} threads at once are in {}",
            at_once.count,
            holder.name()
        ));
    }
    out.push(finding.fix(Fix::suggest(
        "find what blocks: files, DNS through cgo, C libraries (a goroutine dump shows `syscall`, strace which one: provost diagnose syscalls --how); bound how many do so at once",
    )));
    Ok(())
}

/// What holds most threads at once.
fn most_held(process: &Process) -> Option<(Holder, AtOnce)> {
    let held = process.at_once.iter().map(|(holder, at_once)| (*holder, *at_once));
    held.max_by_key(|(_, at_once)| at_once.count)
}

/// The same by system calls: which ones, and on what.
fn called(case: &SyscallCase<'_>, out: &mut Findings) -> Judged {
    if case.log.counts.threaded == 0 {
        return case.timed();
    }
    for process in case.programs() {
        let Some((holder, at_once)) = most_held(process) else { continue };
        // How many Ps there are is not in the log; that many threads that are held at once are no Ps.
        let many =
            process.cpus.is_some_and(|cpus| process.alive.count >= cpus.saturating_add(MANY));
        if at_once.count < MANY && !many {
            continue;
        }
        let cpus = process.cpus.map(|cpus| format!(" for {cpus} CPUs")).unwrap_or_default();
        let message = format!(
            "{} threads{cpus}, up to {} of them at once in {}",
            process.alive.count,
            at_once.count,
            holder.name()
        );
        let now = format!("{} threads at once", at_once.count);
        let mut finding = Finding::new(&RULE, message, &case.at(at_once.mark), now)
            .also(&case.at(process.alive.mark), format!("{} threads", process.alive.count));
        let on = process.on(holder).take(TOLD).filter(|on| !on.name.is_empty());
        let on: Vec<String> = on
            .map(|on| {
                let calls = counted(on.sum.calls, "call");
                format!("{} on {} ({calls})", on.sum.main(), on.name)
            })
            .collect();
        if !on.is_empty() {
            finding = finding.note(on.join(", "));
        }
        let made: u64 = process.made.values().sum();
        let because = process.made.get(&Some(holder)).copied().unwrap_or_default();
        if made > 0 {
            finding = finding.note(format!(
                "{because} of {made} threads were made while others were in such calls"
            ));
        }
        let advice = match holder {
            Holder::Resolver => {
                "let Go resolve names: GODEBUG=netdns=go, or build with the tag netgo; its resolver waits in the poller"
            }
            _ => "bound how many goroutines do so at once (a semaphore, a pool)",
        };
        out.push(
            finding
                .note(format!("threads are kept when the calls are over, and the runtime ends the process at {MOST_THREADS}"))
                .fix(Fix::suggest(advice)),
        );
    }
    Ok(())
}
