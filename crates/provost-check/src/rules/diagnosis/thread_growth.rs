//! Threads beyond what GOMAXPROCS needs.

use crate::case::log::{LogCase, millis, spanning_samples};
use crate::findings::{Finding, Fix, Level};
use crate::model::trend::Trend;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Threads beyond GOMAXPROCS.
const MANY: u64 = 50;
/// What a rise is worth a word from.
const LEAST_RISE: u64 = 10;
/// Samples that a rise is told of.
const LEAST_SAMPLES: u64 = 10;
/// Points of a trend.
const MOST_POINTS: u64 = 200;
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
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let scheduler = case.scheduler()?;
    let Some(whole) = scheduler.whole() else { return Ok(()) };
    let many = whole.threads.most >= whole.procs.most.saturating_add(MANY);
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
    out.push(
        Finding::new(&RULE, message, &case.at(whole.to), format!("{} threads, {idle} of them idle", whole.threads.last))
            .also(&case.at(whole.from), format!("{} threads", whole.threads.first))
            .note(format!(
                "the runtime makes a thread when all others are in system calls or C, keeps it, and ends the process at {MOST_THREADS}"
            ))
            .fix(Fix::suggest(
                "find what blocks: files, DNS through cgo, C libraries (a goroutine dump shows `syscall`); bound how many do so at once",
            )),
    );
    Ok(())
}
