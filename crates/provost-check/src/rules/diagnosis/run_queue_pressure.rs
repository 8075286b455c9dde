//! Goroutines that wait for a P.

use crate::case::log::{LogCase, millis};
use crate::facts::runtime_log::PRESSED;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::gomaxprocs::{Fit, container_aware, fit};
use crate::model::quantity::counted;
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
    // A sample stands for the time until the next one.
    let stood = took.saturating_add(took / run.count.saturating_sub(1).max(1));
    if stood < LEAST_MS || run.count < LEAST_SAMPLES {
        let whole = scheduler.whole();
        let log = whole.map_or(0, |whole| {
            let log = whole.to.at_ms.saturating_sub(whole.from.at_ms);
            log.saturating_add(log / whole.count.saturating_sub(1).max(1))
        });
        let pressed = whole.map_or(0, |whole| whole.pressed);
        // A moment of it is nothing, unless the log has no more than that.
        return match pressed * 2 >= whole.map_or(0, |whole| whole.count) && log < LEAST_MS {
            true if pressed > 0 => Err(Abstain::unknown(
                Reason::LogTooShort,
                format!(
                    "samples of {}, and the log has {}: in {pressed} of its {} no P was idle and more than {PRESSED} goroutines waited for each",
                    millis(LEAST_MS),
                    millis(log),
                    counted(whole.map_or(0, |whole| whole.count), "sample")
                ),
            )),
            _ => Ok(()),
        };
    }
    let procs = scheduler.procs.last().map_or(0, |change| change.to);
    let finding =
        Finding::new(
            &RULE,
            format!(
                "for {} no P was idle and more than {} goroutines waited for one, up to {} for {procs} Ps",
                millis(took),
                PRESSED.saturating_mul(procs),
                run.runnable,
            ),
            &case.at(run.from),
            "from here",
        )
        .also(&case.at(run.to), format!("{} samples later", run.count - 1));
    out.push(explained(case, procs, finding));
    Ok(())
}

/// What holds them up, as far as the files of a cgroup tell.
fn explained(case: &LogCase<'_>, procs: u64, finding: Finding) -> Finding {
    let more = "give the container more CPU or the service more pods, or bound how many goroutines work at once";
    let threads = u32::try_from(procs).unwrap_or(u32::MAX);
    match case.quota() {
        Ok(Some(quota)) if quota.holds_back() => quota.shown(finding).note(format!(
            "it is the CPU quota of {} that they wait for: Ps whose threads are held back look busy",
            quota.limit
        ))
        .fix(Fix::suggest(
            "raise the CPU limit of the container, or take it away where the node has CPUs to spare; or bound how many goroutines work at once",
        )),
        Ok(Some(quota)) if quota.throttled().is_ok() => {
            let finding = quota.shown(finding);
            match fit(threads, quota.limit) {
                Fit::Below => finding.fix(Fix::suggest(format!(
                    "let it use its quota of {}: raise GOMAXPROCS, which is {procs}, to {}",
                    quota.limit,
                    container_aware(quota.limit)
                ))),
                _ => finding
                    .note("it is not the CPU quota that holds them up, which is hardly ever used up: it is GOMAXPROCS, or a node without free CPUs")
                    .fix(Fix::suggest(more)),
            }
        }
        Ok(None) => finding
            .note("its cgroup has no CPU quota: there are as many Ps as GOMAXPROCS says, or the node has no more free CPUs")
            .fix(Fix::suggest(more)),
        Ok(Some(_)) | Err(_) => finding
            .note("with a CPU quota, Ps that are throttled look busy: nr_throttled in cpu.stat tells; give the files of its cgroup beside the log")
            .fix(Fix::suggest(more)),
    }
}
