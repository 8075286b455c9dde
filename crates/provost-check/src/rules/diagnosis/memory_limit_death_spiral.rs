//! A limit that leaves no room: the collector does little else than look for it.

use goformats::counters::Counter;

use crate::case::counters::{CountersCase, mib};
use crate::case::growth::grows;
use crate::case::load::{self, Loads};
use crate::case::log::{LogCase, longest_run, millis, nothing_in, percent, spanning, too_few};
use crate::facts::runtime_log::Window;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::goals::MadeBy;
use crate::model::what_if::Load;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Cycles of a run.
const LEAST_CYCLES: u64 = 10;
/// Shares of less than this many milliseconds are not told.
const SPAN_MS: u64 = 200;
/// Of the CPU; a collector that is not driven aims at a quarter while it runs, and runs now and then.
const SHARE: f64 = 0.25;
/// Of the time: a collector that runs for so much of it does not rest. Its workers take a quarter of the CPU while it
/// runs (`gcBackgroundUtilization`, runtime/mgcpacer.go), so that it stays at about that share without passing it. Where
/// it takes less than that part of a quarter, there is next to nothing to mark, or others have the CPU.
const RESTLESS: f64 = 0.75;
/// Milliseconds of which that is told: some collections take one.
const RESTLESS_MS: u64 = 2000;
/// What collections may take once there is room.
const WANTED: f64 = 0.05;

/// Half of the CPU goes to collections that free next to nothing.
pub static RULE: Rule = Rule {
    id: "memory-limit-death-spiral",
    group: Group::Diagnosis,
    level: Level::Deny,
    title: "a memory limit at the live heap, and a collector that runs all the time",
    page: include_str!("memory-limit-death-spiral.md"),
    needs: &[Need::Log],
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
    let windows = spanning(&collections.windows, SPAN_MS);
    let driven = |window: &Window| {
        window.tight * 2 > window.cycles && window.cpu_share().is_some_and(|share| share > SHARE)
    };
    let restless = |window: &Window| {
        window.tight * 2 > window.cycles
            && window.busy().is_some_and(|busy| busy > RESTLESS)
            && window.cpu_share().is_some_and(|share| share > SHARE * RESTLESS)
    };
    let long = |run: &Window| run.cycles >= LEAST_CYCLES;
    let driven = longest_run(&windows, driven).filter(long);
    let restless = longest_run(&spanning(&collections.windows, RESTLESS_MS), restless).filter(long);
    // Stretches of seconds tell less well where it began and ended.
    let run = match (driven, restless) {
        (Some(driven), Some(restless)) if driven.wall_ms() * 2 < restless.wall_ms() => restless,
        (Some(run), _) | (None, Some(run)) => run,
        (None, None) => return nothing_in(&windows),
    };
    let by = collections.goals.told().tightened_by();
    // That is what frequent-gc tells of.
    if by == MadeBy::Gogc {
        return Ok(());
    }
    let (Some(share), Some(rate), Some(busy), Some(left)) =
        (run.cpu_share(), run.allocation_rate(), run.busy(), run.left_to_program())
    else {
        return nothing_in(&windows);
    };
    let each = run.cpu_ns as f64 / 1e6 / run.cycles as f64;
    let which = "see which of them is set (the environment of the process, or debug.SetGCPercent and SetMemoryLimit)";
    let fix = match (grows(collections), by) {
        // Whatever is given, it will be full again.
        (Some(_), _) => "find what keeps the heap alive that grows: more GOMEMLIMIT puts off the same, and no amount is enough; see heap-grows-without-bound".to_owned(),
        (None, MadeBy::Either) => format!("{which}: {}, or raise GOGC", enough(&run)),
        (None, _) => format!("{}, or keep less alive", enough(&run)),
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "for {} the goal left no room above the {:.0} MB that were live, a collection was under way {} of the time, and collections took {} of the CPU: {}",
                millis(run.wall_ms()),
                run.mean_live(),
                percent(busy),
                percent(share),
                driver(by),
            ),
            &case.at(run.from),
            format!("{} MB live, a goal of {} MB", run.live.first, run.goal.first),
        )
        .also(&case.at(run.to), format!("{} collections later", run.cycles - 1))
        .note(format!(
            "each collection took {each:.1} ms of CPU, and {rate:.0} MB were allocated each second with the {} of the CPU that all its workers left",
            percent(left)
        ))
        .fix(Fix::suggest(fix)),
    );
    Ok(())
}

/// What to set. Allocation that the collector holds back comes back when it lets go.
fn enough(run: &Window) -> String {
    let Some(Loads { now, free }) = load::of(run) else {
        return "raise GOMEMLIMIT and the container's limit".to_owned();
    };
    let of = |load: Load| Load { live: run.live.most as f64, ..load }.limit_for(WANTED).ceil();
    let (least, enough) = (of(Load { reach: 1.0, ..now }), of(free));
    format!(
        "set GOMEMLIMIT to about {enough:.0}MiB and the container's limit to what fits that: collections then take {} or less even where it allocates the {:.0} MB a second that it would without them; {least:.0}MiB are the least that may do, where it allocates no more than now",
        percent(WANTED),
        free.rate
    )
}

/// Who leaves no room. Goals that stand at what is live tell a limit from a tiny GOGC only where some did not.
fn driver(by: MadeBy) -> &'static str {
    match by {
        MadeBy::Limit => "GOMEMLIMIT drives them, not GOGC",
        _ => "GOMEMLIMIT drives them, or a GOGC below 10",
    }
}

/// The same by what the runtime counted: between two moments, or since the start.
fn counted(case: &CountersCase<'_>, out: &mut Findings) -> Judged {
    let Some(last) = case.last() else { return Ok(()) };
    let get = |counter| last.snapshot.get(counter);
    if let (Some(None), _) | (_, Some(false)) = (case.limit(), case.is_tight()) {
        return Ok(());
    }
    let unknown = |needs: &'static str| Abstain::unknown(Reason::LogTooShort, needs);
    let Some(share) = case.gc_share() else {
        return Err(unknown(
            "/cpu/classes/gc/total:cpu-seconds and /cpu/classes/total:cpu-seconds (Go 1.20 on)",
        ));
    };
    if share <= SHARE {
        return Ok(());
    }
    if case.is_tight().is_none() {
        return Err(unknown("/gc/heap/live:bytes (Go 1.21 on), or four snapshots"));
    }
    let (goal, heap) = (get(Counter::Goal), get(Counter::Live).or(get(Counter::Heap)));
    let (Some(goal), Some(heap)) = (goal, heap) else { return Ok(()) };
    let is_low = get(Counter::Gogc).map(|percent| (0.0..10.0).contains(&percent));
    let by = match (case.limit().flatten(), is_low) {
        (Some(limit), Some(false) | None) => {
            format!("GOMEMLIMIT of {} drives them, not GOGC", mib(limit))
        }
        (None, Some(false)) => driver(MadeBy::Limit).to_owned(),
        (Some(limit), Some(true)) => {
            format!("GOMEMLIMIT of {} drives them, or a GOGC below 10", mib(limit))
        }
        // That is what frequent-gc tells of.
        (None, Some(true)) => return Ok(()),
        (None, None) => driver(MadeBy::Either).to_owned(),
    };
    let since = match case.first() {
        Some(_) => "between the snapshots",
        None => "since the start",
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "collections took {} of the CPU {since}, and the goal leaves no room: {by}",
            percent(share)
        ),
        &case.at(last),
        format!("{} of objects, a goal of {}", mib(heap), mib(goal)),
    );
    if let Some(first) = case.first() {
        let cycles = case.grown(Counter::Cycles).unwrap_or_default();
        finding = finding.also(&case.at(first), format!("{cycles:.0} collections before"));
    }
    out.push(finding.fix(Fix::suggest(
        "give the container and GOMEMLIMIT more, or keep less alive; a log with GODEBUG=gctrace=1 tells how much is enough",
    )));
    Ok(())
}
