//! Whether what is live grows, and goes on growing.

use super::log::spanning;
use crate::facts::runtime_log::{Collections, Window};
use crate::model::trend::Trend;

/// Cycles without which no trend is told.
pub const LEAST_CYCLES: u64 = 10;
/// Points that a trend is told of, at most.
const MOST_POINTS: u64 = 200;
/// MB: whole ones are printed, so that less is nothing.
pub const LEAST_GROWTH: f64 = 4.0;
/// Of the live heap: what grows by less has time.
pub const LEAST_PART: f64 = 0.1;

/// By how much the live heap grew in the second half of a log, in MB and seconds; nothing where it does not grow still,
/// or there are too few collections.
pub fn grows(collections: &Collections) -> Option<Trend> {
    let whole = collections.whole().filter(|whole| whole.cycles >= LEAST_CYCLES)?;
    let windows = spanning(&collections.windows, whole.wall_ms() / MOST_POINTS);
    let half = windows.len() / 2;
    let (first, second) = windows.split_at(half);
    let all = trend(&windows).filter(Trend::rises)?;
    // What rose once and stands since, as a cache that was filled, is no growth.
    let since = trend(second).filter(Trend::rises)?;
    let grown = all.slope * whole.wall_ms() as f64 / 1000.0;
    let least = |windows: &[Window]| windows.iter().map(|w| w.live.least).min().unwrap_or_default();
    let most = |windows: &[Window]| windows.iter().map(|w| w.live.most).max().unwrap_or_default();
    let quarter = (half / 2).max(1);
    let early = most(first.get(..quarter).unwrap_or_default());
    let late = least(second.get(second.len().saturating_sub(quarter)..).unwrap_or_default());
    let much = grown >= LEAST_GROWTH && grown >= whole.mean_live() * LEAST_PART;
    (much && late > early).then_some(since)
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
