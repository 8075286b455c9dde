//! What became of connections and requests that began around SIGTERM, by how long before or after it
//! they began.

use super::{Phase, Purpose, Request};

/// The first begins that long before the signal, the last as long after it.
pub const WIDE_US: u64 = 50_000;
/// Between two of them, over all runs.
pub const STEP_US: u64 = 2500;
/// How many there are.
pub const STEPS: u32 = 40;
/// Runs that they are divided among.
pub const RUNS: u32 = 4;
/// Width of a point of the curve.
pub const POINT_US: i64 = 5000;

/// A stretch of time around SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Where it begins, from SIGTERM.
    pub from_us: i64,
    /// Requests that began in it,
    pub asked: u32,
    /// and of these, those that were lost.
    pub lost: u32,
}

/// A request and when it began, from SIGTERM.
#[derive(Clone, Copy, Debug)]
pub struct Begun<'p> {
    /// Microseconds, negative before the signal.
    pub offset_us: i64,
    /// In which run.
    pub run: &'p Phase,
    /// The request.
    pub request: &'p Request,
}

impl Begun<'_> {
    /// Whether whoever asked was left without an answer.
    pub fn is_lost(&self) -> bool {
        self.request.is_lost()
    }
}

/// All requests around the signal, of every run.
pub fn begun(phase: &Phase) -> impl Iterator<Item = Begun<'_>> {
    phase.runs().flat_map(|run| {
        let told = run.told_us();
        let near = run
            .requests
            .iter()
            .filter(|request| matches!(request.purpose, Purpose::Near | Purpose::Opened));
        near.filter_map(move |request| {
            let offset_us = i64::try_from(request.at_us).ok()? - i64::try_from(told?).ok()?;
            Some(Begun { offset_us, run, request })
        })
    })
}

/// The share of losses over time; what a busy machine began too late or too early is in its outermost
/// points.
pub fn curve(phase: &Phase) -> Vec<Point> {
    let wide = WIDE_US as i64;
    let starts = (-wide..wide).step_by(POINT_US as usize);
    let mut points: Vec<Point> =
        starts.map(|from_us| Point { from_us, asked: 0, lost: 0 }).collect();
    let last = points.len().saturating_sub(1);
    for it in begun(phase) {
        let place = (it.offset_us + wide).div_euclid(POINT_US);
        let place = usize::try_from(place.max(0)).unwrap_or(0).min(last);
        if let Some(point) = points.get_mut(place) {
            point.asked += 1;
            point.lost += u32::from(it.is_lost());
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_all_runs_are_counted_by_their_distance_from_the_signal() {
        let run = |told: u64, requests: &[(u64, &str)]| {
            let requests: Vec<String> = requests
                .iter()
                .map(|(at, outcome)| {
                    format!(
                        r#"{{"purpose": "near", "path": "/", "at_us": {at}, "end_us": {at}, "outcome": {{"is": "{outcome}"}}}}"#
                    )
                })
                .collect();
            let text = format!(
                r#"{{"name": "storm", "signals": [{{"at_us": {told}, "signal": "TERM"}}], "requests": [{}]}}"#,
                requests.join(",")
            );
            serde_json::from_str::<Phase>(&text).unwrap()
        };
        let mut phase =
            run(100_000, &[(50_000, "refused"), (99_999, "refused"), (100_000, "reset")]);
        phase.repeats.push(run(70_000, &[(72_000, "timed-out"), (190_000, "refused")]));
        let curve = curve(&phase);
        let of = |from_us: i64| curve.iter().find(|point| point.from_us == from_us).unwrap();
        assert_eq!(curve.len(), 20);
        assert_eq!((of(-50_000).lost, of(-5000).lost), (1, 1));
        assert_eq!((of(0).asked, of(0).lost, of(45_000).lost), (2, 2, 1));
        // What the rule counts is what is drawn.
        let lost = begun(&phase).filter(Begun::is_lost).count();
        assert_eq!(lost, curve.iter().map(|point| point.lost as usize).sum::<usize>());
    }
}
