//! Curves of a log: what the script draws, and the histogram of pauses, which needs none.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::traced::{HEADINGS, advice, cells, facts, numbers};
use super::super::view::{LogView, TimeMark};
use super::text;
use crate::case::traced::{Gc, Pauses, Sched};
use crate::model::gogc::Gogc as SetGogc;

/// Points of a curve of what would be.
const POINTS: usize = 120;
/// Shares of what is allocated now.
const RATES: [f64; 4] = [0.5, 1.0, 2.0, 4.0];

/// A log on the page.
#[derive(Serialize)]
pub(super) struct LogRow {
    id: usize,
    subject: String,
    verdict: String,
    numbers: Vec<(String, &'static str)>,
    facts: Vec<(&'static str, String)>,
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    advice: Vec<String>,
    histogram: String,
    /// What the script draws.
    data: String,
}

pub(super) fn row(id: usize, log: &LogView<'_>) -> LogRow {
    let gc = log.of.collections.as_ref();
    let what_if = gc.and_then(|gc| gc.what_if.as_ref());
    let rows = what_if.map_or(&[][..], |what_if| &what_if.rows);
    LogRow {
        id,
        subject: text(&log.of.subject),
        verdict: text(&log.verdict),
        numbers: numbers(log.of),
        facts: facts(log.of).into_iter().map(|(name, fact)| (name, text(&fact))).collect(),
        headings: HEADINGS.to_vec(),
        rows: rows.iter().filter(|row| row.rate == 1.0).map(cells).collect(),
        advice: what_if.map(advice).unwrap_or_default(),
        histogram: gc.map_or(String::new(), |gc| histogram(&gc.pauses)),
        data: data(log),
    }
}

#[derive(Serialize)]
struct Chart<'a> {
    name: &'a str,
    unit: &'a str,
    x: &'a [f64],
    /// `time`, `queues` (a heat map), or `room` (no curve over time).
    kind: &'a str,
    series: Vec<Series<'a>>,
}

#[derive(Serialize)]
struct Series<'a> {
    name: String,
    /// A colour of the page's style.
    color: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dashed: bool,
    /// Another curve is drawn over it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    wide: bool,
    values: Vec<Option<f64>>,
}

fn series<'a>(name: &str, color: &'a str, values: &[f64]) -> Series<'a> {
    let values = values.iter().map(|value| Some(rounded(*value))).collect();
    Series { name: name.to_owned(), color, dashed: false, wide: false, values }
}

fn gaps<'a>(name: &str, color: &'a str, values: &[Option<f64>]) -> Series<'a> {
    let values = values.iter().map(|value| value.map(rounded)).collect();
    Series { name: name.to_owned(), color, dashed: false, wide: false, values }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn data(log: &LogView<'_>) -> String {
    #[derive(Serialize)]
    struct Data<'a> {
        marks: &'a [TimeMark],
        charts: Vec<Chart<'a>>,
    }
    let room = log.of.collections.as_ref().map(foretold);
    let mut charts = Vec::new();
    if let Some(gc) = &log.of.collections {
        collections(gc, &mut charts);
    }
    if let Some(scheduler) = &log.of.scheduler {
        scheduled(scheduler, &mut charts);
    }
    if let Some(Some((heaps, curves))) = &room {
        charts.push(Chart {
            name: "What collections would cost with a heap of that size",
            unit: "% of the CPU",
            x: heaps,
            kind: "room",
            series: curves
                .iter()
                .zip(["--ok", "--note", "--warning", "--error"])
                .map(|((name, values), color)| series(name, color, values))
                .collect(),
        });
    }
    let data = Data { marks: &log.marks, charts };
    // It stands in an element that its own end tag would close.
    serde_json::to_string(&data).unwrap_or_default().replace('<', "\\u003c")
}

fn collections<'a>(gc: &'a Gc, charts: &mut Vec<Chart<'a>>) {
    let curves = &gc.curves;
    let mut chart = |name, unit, series| {
        charts.push(Chart { name, unit, x: &curves.at, kind: "time", series });
    };
    let mut heap = vec![
        series("live", "--ok", &curves.live),
        series("when marking ended", "--faint", &curves.end),
        Series { wide: true, ..series("goal", "--note", &curves.goal) },
    ];
    if curves.predicted.iter().any(Option::is_some) {
        let predicted = gaps("goal by the model", "--error", &curves.predicted);
        heap.push(Series { dashed: true, ..predicted });
    }
    chart("Heap", "MB", heap);
    chart("Collections", "% of the CPU", vec![gaps("of the CPU", "--warning", &curves.cpu)]);
    chart("Longest pause", "ms", vec![series("longest pause", "--error", &curves.pause_ms)]);
    chart("Allocation", "MB/s", vec![gaps("allocated", "--note", &curves.rate)]);
}

fn scheduled<'a>(of: &'a Sched, charts: &mut Vec<Chart<'a>>) {
    let curves = &of.curves;
    let mut chart = |name, unit, kind, series| {
        charts.push(Chart { name, unit, x: &curves.at, kind, series });
    };
    let runnable = series("waiting for a P", "--warning", &curves.runnable);
    chart("Goroutines that wait for a P", "", "time", vec![runnable]);
    let threads = series("threads", "--note", &curves.threads);
    let idle = series("idle Ps", "--ok", &curves.idle);
    chart("Threads and idle Ps", "", "time", vec![threads, idle]);
    let most = curves.queues.iter().map(Vec::len).max().unwrap_or(0);
    let of_p = |p: usize| Series {
        name: format!("P{p}"),
        color: "--warning",
        dashed: false,
        wide: false,
        values: curves.queues.iter().map(|of| of.get(p).copied().map(rounded)).collect(),
    };
    if most > 0 {
        chart("Queue of each P", "goroutines", "queues", (0..most).map(of_p).collect());
    }
}

/// The name of a line, and its values.
type Line = (String, Vec<f64>);

/// Of heap sizes, what collections take of the CPU at several rates of allocation.
fn foretold(gc: &Gc) -> Option<(Vec<f64>, Vec<Line>)> {
    let load = gc.what_if.as_ref()?.load;
    let (least, most) = (load.live.max(1.0) * 1.01, load.live.max(1.0) * 6.0 + 8.0);
    let step = (most - least) / POINTS as f64;
    let heaps: Vec<f64> = (0..=POINTS).map(|n| rounded(least + step * n as f64)).collect();
    let curve = |rate: f64| {
        let load = load.times(rate);
        let share = |heap: &f64| load.under(SetGogc::Off, Some(*heap)).share * 100.0;
        (format!("{:.0} MB/s", load.rate), heaps.iter().map(share).collect())
    };
    let curves = RATES.map(curve).to_vec();
    Some((heaps, curves))
}

/// Upper ends of bins: 1, 2 and 5 of each power of ten, from a microsecond on.
fn bins(most: u64) -> Vec<u64> {
    let mut bins = Vec::new();
    let mut unit = 1_000;
    while bins.last().is_none_or(|last| *last <= most) && unit < u64::MAX / 100 {
        bins.extend([unit, unit * 2, unit * 5]);
        unit *= 10;
    }
    let needed = bins.iter().position(|end| *end > most).map_or(bins.len(), |at| at + 1);
    bins.truncate(needed);
    bins
}

/// How many pauses took how long.
fn histogram(pauses: &[Pauses]) -> String {
    let Some(most) = pauses.iter().map(|of| of.longest).max() else { return String::new() };
    let bins = bins(most);
    let count = |of: &Pauses, low: u64, high: u64| -> u64 {
        let within = of.counts.iter().filter(|(nanos, _)| (low..high).contains(nanos));
        within.map(|(_, count)| count).sum()
    };
    let columns: Vec<Vec<u64>> = (0..bins.len())
        .map(|at| {
            let low = at.checked_sub(1).and_then(|before| bins.get(before)).copied().unwrap_or(0);
            pauses.iter().map(|of| count(of, low, bins[at])).collect()
        })
        .collect();
    let highest = columns.iter().flatten().copied().max().unwrap_or(0).max(1);
    let (width, height) = (56, 120);
    let mut svg = format!(
        "<svg class=\"bars\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"Pauses by length\">",
        bins.len() * width + 8,
        height + 44
    );
    for (at, (column, end)) in columns.iter().zip(&bins).enumerate() {
        let left = at * width + 4;
        for (phase, count) in column.iter().enumerate().filter(|(_, count)| **count > 0) {
            // A single one is seen beside thousands.
            let tall = (count * height as u64 / highest).max(2);
            let (x, y) = (left + 4 + phase * 24, height as u64 + 14 - tall);
            let _ = write!(
                svg,
                "<rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"22\" height=\"{tall}\"/><text x=\"{}\" y=\"{}\">{count}</text>",
                if phase == 0 { "sweep" } else { "mark" },
                x + 11,
                y - 3
            );
        }
        let _ = write!(
            svg,
            "<text class=\"scale\" x=\"{}\" y=\"{}\">&lt; {}</text>",
            left + width / 2,
            height + 32,
            crate::case::log::nanos(*end)
        );
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_reach_as_far_as_pauses() {
        assert_eq!(bins(999), [1_000]);
        assert_eq!(bins(1_000), [1_000, 2_000]);
        assert_eq!(bins(18_000_000).last(), Some(&20_000_000));
        assert!(bins(u64::MAX).len() < 60);
    }

    #[test]
    fn every_pause_is_in_a_bin() {
        let pauses = Pauses {
            phase: "sweep termination",
            p50: 0,
            p90: 0,
            p99: 0,
            longest: 5_000_000,
            counts: vec![(0, 3), (999, 1), (1_000, 2), (5_000_000, 7)],
        };
        let svg = histogram(&[pauses]);
        for count in [">4<", ">2<", ">7<"] {
            assert!(svg.contains(count), "{svg}");
        }
    }
}
