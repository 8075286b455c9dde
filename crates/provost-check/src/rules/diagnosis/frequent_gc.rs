//! More than ten collections a second.

use goformats::counters::Counter;

use crate::case::counters::CountersCase;
use crate::case::log::{LogCase, longest_run, millis, percent, spanning};
use crate::facts::runtime_log::Window;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::goals::MadeBy;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Collections a second.
const RATE: f64 = 10.0;
/// For so long.
const LEAST_MS: u64 = 10_000;
/// Milliseconds of which a rate is told.
const SPAN_MS: u64 = 1000;
/// MB: the smallest heap that is collected at GOGC=100 has four.
const TINY: u64 = 5;

/// Collections of a run of which GOGC is told.
const LEAST_CYCLES: u64 = 10;
/// Shares of less than this many milliseconds are not told.
const SHARE_MS: u64 = 200;

/// Each one stops the world twice and empties caches.
pub static RULE: Rule = Rule {
    id: "frequent-gc",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "more than ten collections a second, or a GOGC that leaves no room",
    page: include_str!("frequent-gc.md"),
    needs: &[Need::Log],
    after: &["memory-limit-death-spiral"],
    check: Check::Log(check),
    also: &[Check::Counters(counted)],
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let collections = case.collections()?;
    if low(case, out)? {
        return Ok(());
    }
    let whole = collections.whole().map_or(0, |whole| whole.wall_ms());
    if whole < LEAST_MS {
        let needs = format!("{} of collections", millis(LEAST_MS));
        return Err(Abstain::unknown(Reason::LogTooShort, needs));
    }
    let windows = spanning(&collections.windows, SPAN_MS);
    let often = |window: &Window| window.rate().is_some_and(|rate| rate > RATE);
    let Some(run) = longest_run(&windows, often).filter(|run| run.wall_ms() >= LEAST_MS) else {
        return Ok(());
    };
    let (why, fix) = reason(&run, collections.goals.told().tightened_by());
    out.push(
        Finding::new(
            &RULE,
            format!(
                "{:.0} collections a second for {}, {} of the CPU: {why}",
                run.rate().unwrap_or_default(),
                millis(run.wall_ms()),
                run.cpu_share().map_or("an unknown part".to_owned(), percent),
            ),
            &case.at(run.from),
            format!("{} MB live, a goal of {} MB", run.live.first, run.goal.first),
        )
        .also(&case.at(run.to), format!("{} collections later", run.cycles - 1))
        .note(match run.allocation_rate() {
            Some(rate) => format!(
                "{rate:.0} MB were allocated each second, and there was room for {:.0} MB",
                room(&run)
            ),
            None => format!("the lines of {} collections are not in the log", run.missing),
        })
        .fix(Fix::suggest(fix)),
    );
    Ok(())
}

/// A GOGC that leaves no room, whatever the rate: what `memory-limit-death-spiral` leaves to this rule.
fn low(case: &LogCase<'_>, out: &mut Findings) -> Result<bool, Abstain> {
    let collections = case.collections()?;
    if collections.goals.told().tightened_by() != MadeBy::Gogc {
        return Ok(false);
    }
    let windows = spanning(&collections.windows, SHARE_MS);
    let driven = |window: &Window| {
        window.tight * 2 > window.cycles && window.cpu_share().is_some_and(|share| share > SHARE)
    };
    let Some(run) = longest_run(&windows, driven).filter(|run| run.cycles >= LEAST_CYCLES) else {
        return Ok(false);
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "for {} collections took {} of the CPU: GOGC is below 10, as its goals tell, and each begins when the heap has grown by less than a tenth",
                millis(run.wall_ms()),
                run.cpu_share().map_or("an unknown part".to_owned(), percent),
            ),
            &case.at(run.from),
            format!("{} MB live, a goal of {} MB", run.live.first, run.goal.first),
        )
        .also(&case.at(run.to), format!("{} collections later", run.cycles - 1))
        .fix(Fix::suggest("raise GOGC: room for the heap is time between collections")),
    );
    Ok(true)
}

/// MB between what was live and the goal, on average.
fn room(run: &Window) -> f64 {
    run.goal.sum.saturating_sub(run.live.sum) as f64 / run.cycles.max(1) as f64
}

fn reason(run: &Window, by: MadeBy) -> (String, &'static str) {
    let (least, most) = run.gogc;
    if run.tight * 2 > run.cycles && by == MadeBy::Either {
        return (
            "GOMEMLIMIT leaves the heap no room, or a GOGC below 10".to_owned(),
            "see which of them is set: raise GOMEMLIMIT and the container's limit, or GOGC",
        );
    }
    if run.tight * 2 > run.cycles && by == MadeBy::Limit {
        return (
            "GOMEMLIMIT leaves the heap no room".to_owned(),
            "raise GOMEMLIMIT and the container's limit, or keep less alive",
        );
    }
    if run.goal.most <= TINY {
        return (
            "the heap is as small as one that is collected can be".to_owned(),
            "a small heap that is used up quickly wants a higher GOGC, or GOGC=off with a GOMEMLIMIT that fits the container",
        );
    }
    if least <= most && most < 90 {
        let gogc = match least {
            _ if least == most => format!("{least}"),
            0 => format!("{most} or less"),
            _ => format!("{least} to {most}"),
        };
        return (
            format!("GOGC is {gogc}, as its goals tell"),
            "raise GOGC: room for the heap is time between collections",
        );
    }
    (
        "it is used up that quickly".to_owned(),
        "allocate less (go tool pprof -sample_index=alloc_space), or raise GOGC within what GOMEMLIMIT allows",
    )
}

/// Of the CPU, since the start or between the snapshots.
const SHARE: f64 = 0.25;

/// A GOGC that leaves no room, by what the runtime counted.
fn counted(case: &CountersCase<'_>, out: &mut Findings) -> Judged {
    let Some(last) = case.last() else { return Ok(()) };
    let Some(gogc) = last.snapshot.get(Counter::Gogc) else {
        // Before Go 1.21, and in what expvar publishes, it is not said.
        return Err(Abstain::NotApplicable);
    };
    let Some(share) = case.gc_share().filter(|share| *share > SHARE) else { return Ok(()) };
    if !(0.0..10.0).contains(&gogc) || case.limit().flatten().is_some() {
        return Ok(());
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "collections took {} of the CPU: GOGC is {gogc:.0}, so that each begins when the heap has grown by {gogc:.0} %",
                percent(share)
            ),
            &case.at(last),
            "/gc/gogc:percent",
        )
        .fix(Fix::suggest("raise GOGC: room for the heap is time between collections")),
    );
    Ok(())
}
