//! Goroutines that wait for a P.

use crate::case::log::{LogCase, millis};
use crate::facts::runtime_log::PRESSED;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Milliseconds.
const LEAST_MS: u64 = 5000;
/// Samples.
const LEAST_SAMPLES: u64 = 3;

/// Everything is late by that.
pub static RULE: Rule = Rule {
    id: "run-queue-pressure",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "more than eight goroutines waiting for each P",
    page: include_str!("run-queue-pressure.md"),
    needs: &[Need::Log],
    check: Check::Log(check),
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let scheduler = case.scheduler()?;
    let run = scheduler.pressed;
    let took = run.to.at_ms.saturating_sub(run.from.at_ms);
    if took < LEAST_MS || run.count < LEAST_SAMPLES {
        return Ok(());
    }
    let procs = scheduler.procs.last().map_or(0, |change| change.to);
    out.push(
        Finding::new(
            &RULE,
            format!(
                "for {} no P was idle and more than {} goroutines waited for one, up to {} for {procs} Ps",
                millis(took),
                PRESSED * procs,
                run.runnable,
            ),
            &case.at(run.from),
            "from here",
        )
        .also(&case.at(run.to), format!("{} samples later", run.count - 1))
        .note("with a CPU quota, Ps that are throttled look busy: nr_throttled in cpu.stat tells")
        .fix(Fix::suggest("give the container more CPU or the service more pods, or bound how many goroutines work at once")),
    );
    Ok(())
}
