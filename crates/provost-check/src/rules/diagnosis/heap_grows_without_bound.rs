//! What is live after each collection grows, and goes on growing.

use crate::case::log::{LogCase, millis, spanning, too_few};
use crate::facts::runtime_log::Window;
use crate::findings::{Finding, Fix, Level};
use crate::model::trend::Trend;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Cycles without which no trend is told.
const LEAST_CYCLES: u64 = 10;
/// Points that a trend is told of, at most.
const MOST_POINTS: u64 = 200;
/// MB: whole ones are printed, so that less is nothing.
const LEAST_GROWTH: f64 = 4.0;
/// Of the live heap: what grows by less has time.
const LEAST_PART: f64 = 0.1;

/// The end is an out-of-memory kill.
pub static RULE: Rule = Rule {
    id: "heap-grows-without-bound",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "a live heap that grows with every collection",
    page: include_str!("heap-grows-without-bound.md"),
    needs: &[Need::Log],
    check: Check::Log(check),
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let collections = case.collections()?;
    let Some(whole) = collections.whole().filter(|whole| whole.cycles >= LEAST_CYCLES) else {
        let has = collections.whole().map_or(0, |whole| whole.cycles);
        return Err(too_few("collections", has, LEAST_CYCLES));
    };
    let windows = spanning(&collections.windows, whole.wall_ms() / MOST_POINTS);
    let half = windows.len() / 2;
    let (first, second) = windows.split_at(half);
    let Some(all) = trend(&windows).filter(Trend::rises) else { return Ok(()) };
    // What rose once and stands since, as a cache that was filled, is no growth.
    let Some(since) = trend(second).filter(Trend::rises) else { return Ok(()) };
    let grown = all.slope * whole.wall_ms() as f64 / 1000.0;
    let least = |windows: &[Window]| windows.iter().map(|w| w.live.least).min().unwrap_or_default();
    let most = |windows: &[Window]| windows.iter().map(|w| w.live.most).max().unwrap_or_default();
    let quarter = (half / 2).max(1);
    let early = most(first.get(..quarter).unwrap_or_default());
    let late = least(second.get(second.len().saturating_sub(quarter)..).unwrap_or_default());
    if grown < LEAST_GROWTH || grown < whole.mean_live() * LEAST_PART || late <= early {
        return Ok(());
    }
    let rate = since.slope * 60.0;
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the live heap grew from {} to {} MB in {}, by {rate:.1} MB a minute (95 %: {:.1} to {:.1}), and it grows still",
                whole.live.first,
                whole.live.last,
                millis(whole.wall_ms()),
                (since.slope - since.margin) * 60.0,
                (since.slope + since.margin) * 60.0,
            ),
            &case.at(whole.to),
            format!("{} MB live", whole.live.last),
        )
        .also(&case.at(whole.from), format!("{} MB live", whole.live.first))
        .note("what is live is what can still be reached: no GOGC and no GOMEMLIMIT makes it less")
        .fix(Fix::suggest(
            "compare two heap profiles some minutes apart: go tool pprof -diff_base first.pb.gz second.pb.gz",
        )),
    );
    Ok(())
}

fn trend(windows: &[Window]) -> Option<Trend> {
    let points: Vec<(f64, f64)> = windows
        .iter()
        .map(|window| {
            let middle = window.from.at_ms.midpoint(window.to.at_ms);
            (middle as f64 / 1000.0, window.mean_live())
        })
        .collect();
    Trend::of(&points)
}
