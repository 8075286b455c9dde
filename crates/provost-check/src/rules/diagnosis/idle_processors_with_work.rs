//! Ps without work beside goroutines that wait for one.

use crate::case::log::{LogCase, too_few};
use crate::findings::{Finding, Fix, Level};
use crate::model::quantity::counted;
use crate::model::trend::least_share;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Samples that a share is told of.
const LEAST_SAMPLES: u64 = 20;
/// Share of the samples, at the lower end of its interval. One sample is an accident: to wake a thread takes
/// microseconds, in which a goroutine stands in a queue beside an idle P.
const LEAST_SHARE: f64 = 0.2;
/// Of those samples, the part that is as good as all.
const MOST: f64 = 0.8;

/// Work is there and capacity is, and they do not meet.
pub static RULE: Rule = Rule {
    id: "idle-processors-with-work",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "Ps without work while goroutines wait for one",
    page: include_str!("idle-processors-with-work.md"),
    needs: &[Need::Log],
    check: Check::Log(check),
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let scheduler = case.scheduler()?;
    let Some(whole) = scheduler.whole() else { return Ok(()) };
    let seen = whole.idle_with_work;
    if seen == 0 {
        return Ok(());
    }
    if whole.count < LEAST_SAMPLES {
        return Err(too_few("samples of the scheduler", whole.count, LEAST_SAMPLES));
    }
    if least_share(seen, whole.count) < LEAST_SHARE {
        return Ok(());
    }
    let run = scheduler.idle_with_work;
    let message = format!(
        "in {seen} of {} samples goroutines waited for a P while some of {} Ps had no work",
        whole.count, whole.procs.last
    );
    let from = format!("up to {} waited", run.runnable);
    let mut finding = Finding::new(&RULE, message, &case.at(run.from), from);
    if run.count > 1 {
        finding =
            finding.also(&case.at(run.to), format!("{} later", counted(run.count - 1, "sample")));
    }
    let watched = (seen - whole.unwatched) as f64 / seen as f64;
    let advice = if watched >= MOST {
        finding = finding.note(format!(
            "in {} of them a thread was awake to take the work and had not come to it: threads wait for a CPU (more Ps than CPUs, a quota that throttles, neighbours), or all of the work comes in bursts shorter than a wake-up",
            seen - whole.unwatched
        ));
        "compare gomaxprocs with the CPUs and the CPU limit of the container, and look at nr_throttled in cpu.stat; if neither is it, start fewer and longer goroutines"
    } else {
        finding = finding.note(format!(
            "in {} of them no thread was looking for work either: something keeps the scheduler from waking one",
            whole.unwatched
        ));
        "take a trace of some seconds (runtime/trace, or /debug/pprof/trace): it shows what each P does meanwhile"
    };
    finding = match (scheduler.details, scheduler.locked_runnable) {
        (0, _) => finding.note(
            "whether the waiting ones are locked to threads is in GODEBUG=schedtrace=1000,scheddetail=1, which stops the scheduler while it prints",
        ),
        (_, 0) => finding.note("none of the waiting ones was locked to a thread (lockedm)"),
        (_, locked) => finding.note(format!(
            "up to {locked} of the waiting ones were locked to a thread (runtime.LockOSThread): each runs on its own thread only",
        )),
    };
    out.push(finding.fix(Fix::suggest(advice)));
    Ok(())
}
