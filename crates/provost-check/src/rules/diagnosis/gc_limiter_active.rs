//! The limiter of the collector's CPU time: the heap may pass its goal.

use goformats::counters::Counter;

use crate::case::counters::CountersCase;
use crate::case::log::{LogCase, longest_run, millis, nothing_in, percent, spanning, too_few};
use crate::facts::runtime_log::Window;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::goals::MemoryLimit;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Cycles of a run.
const LEAST_CYCLES: u64 = 10;
/// Shares of less than this many milliseconds are not told.
const SPAN_MS: u64 = 200;
/// The limiter holds collections at half of the CPU (`gcCPULimiter`, runtime/mgclimit.go). It counts
/// differently from the lines, so that they show some percent more or less.
const SHARE: f64 = 0.4;

/// What is done about it, with and without a limit.
const LESS: &str =
    "raise the limits, or keep less alive: behind GOMEMLIMIT stands the container's limit";
const OTHER: &str = "allocate less, give it more CPU, or leave the heap more room (GOGC)";

/// What comes next is the kernel's limit.
pub static RULE: Rule = Rule {
    id: "gc-limiter-active",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "collections held at half of the CPU while the heap passes its goal",
    page: include_str!("gc-limiter-active.md"),
    needs: &[Need::Log],
    after: &["memory-limit-death-spiral"],
    check: Check::Log(check),
    also: &[Check::Counters(counted)],
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let collections = case.collections()?;
    let whole = collections.whole().map_or(0, |whole| whole.cycles);
    if whole < LEAST_CYCLES {
        return Err(too_few("collections", whole, LEAST_CYCLES));
    }
    let limited = |window: &Window| {
        window.over * 2 > window.cycles && window.cpu_share().is_some_and(|share| share > SHARE)
    };
    let windows = spanning(&collections.windows, SPAN_MS);
    let Some(run) = longest_run(&windows, limited).filter(|run| run.cycles >= LEAST_CYCLES) else {
        return nothing_in(&windows);
    };
    // What goals were made by a limit of is Go 1.19 or later, which has the limiter.
    let (why, fix) = match collections.goals.told().limit {
        MemoryLimit::Decides { .. } => ("the limiter lets it grow past GOMEMLIMIT", LESS),
        _ => (
            "likely the limiter of Go 1.19 and later, which turns assists off, with or without a GOMEMLIMIT",
            OTHER,
        ),
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "for {} collections took {} of the CPU and ended with the heap up to {} MB above its goal: {why}",
                millis(run.wall_ms()),
                percent(run.cpu_share().unwrap_or_default()),
                run.end.most.saturating_sub(run.goal.least),
            ),
            &case.at(run.from),
            format!("a goal of {} MB, {} MB at the end", run.goal.first, run.end.first),
        )
        .also(
            &case.at(run.to),
            format!("a goal of {} MB, {} MB at the end", run.goal.last, run.end.last),
        )
        .fix(Fix::suggest(fix)),
    );
    Ok(())
}

/// Collections since it was enabled for which it counts as active.
const RECENT: f64 = 10.0;

/// The same by what the runtime counted: the last collection that was limited.
fn counted(case: &CountersCase<'_>, out: &mut Findings) -> Judged {
    let Some(last) = case.last() else { return Ok(()) };
    let get = |counter| last.snapshot.get(counter);
    let (Some(limited), Some(cycles)) = (get(Counter::Limited), get(Counter::Cycles)) else {
        // Before Go 1.19 there is no limiter, and MemStats does not tell.
        return Err(Abstain::NotApplicable);
    };
    let again = case.first().is_some_and(|first| {
        first.snapshot.get(Counter::Limited).is_some_and(|before| limited > before)
    });
    if limited < 1.0 || !(again || cycles - limited <= RECENT) {
        return Ok(());
    }
    // It works without any limit (`gcCPULimiter.limiting` in runtime/mgcmark.go).
    let (why, fix) = match case.limit() {
        Some(Some(_)) => ("the limiter lets the heap grow past GOMEMLIMIT", LESS),
        _ => (
            "goroutines that allocate do not help to mark then, and the heap passes its goal",
            OTHER,
        ),
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the CPU time of collections was limited in collection {limited:.0} of {cycles:.0}: {why}"
        ),
        &case.at(last),
        "/gc/limiter/last-enabled:gc-cycle",
    );
    if let Some(first) = case.first() {
        let before = first.snapshot.get(Counter::Limited).unwrap_or_default();
        finding = finding.also(&case.at(first), format!("last in collection {before:.0} then"));
    }
    out.push(finding.fix(Fix::suggest(fix)));
    Ok(())
}
