//! Curves of a log: what the script draws, and the histogram of pauses, which needs none.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::traced::{HEADINGS, advice, cells, facts, heading, numbers};
use super::super::view::{LogView, TimeMark};
use super::text;
use crate::case::traced::{Gc, Pauses, Sched};
use crate::model::gogc::Gogc as SetGogc;
use crate::model::what_if::ROOM;

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
    heading: String,
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
        heading: what_if.map(heading).unwrap_or_default(),
        rows: rows.iter().filter(|row| row.rate == 1.0).map(cells).collect(),
        advice: what_if.map(advice).unwrap_or_default().iter().map(|line| text(line)).collect(),
        histogram: gc.map_or(String::new(), |gc| histogram(&gc.pauses)),
        data: data(log),
    }
}

/// What the script draws.
#[derive(Serialize)]
pub(super) struct Data<'a> {
    pub(super) marks: &'a [TimeMark],
    pub(super) charts: Vec<Chart<'a>>,
}

impl Data<'_> {
    /// As it may stand on the page.
    pub(super) fn json(&self) -> String {
        // It stands in an element that its own end tag would close.
        serde_json::to_string(self).unwrap_or_default().replace('<', "\\u003c")
    }
}

#[derive(Serialize)]
pub(super) struct Chart<'a> {
    pub(super) name: &'a str,
    pub(super) unit: &'a str,
    pub(super) x: &'a [f64],
    /// `time`, `queues` (a heat map), or `room` (no curve over time).
    pub(super) kind: &'a str,
    pub(super) series: Vec<Series<'a>>,
}

#[derive(Serialize)]
pub(super) struct Series<'a> {
    pub(super) name: String,
    /// A colour of the page's style.
    pub(super) color: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) dashed: bool,
    /// Another curve is drawn over it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) wide: bool,
    /// Points between which others have none are joined.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) spans: bool,
    pub(super) values: Vec<Option<f64>>,
}

fn series<'a>(name: &str, color: &'a str, values: &[f64]) -> Series<'a> {
    let values = values.iter().map(|value| Some(rounded(*value))).collect();
    Series { name: name.to_owned(), color, dashed: false, wide: false, spans: false, values }
}

fn gaps<'a>(name: &str, color: &'a str, values: &[Option<f64>]) -> Series<'a> {
    let values = values.iter().map(|value| value.map(rounded)).collect();
    Series { name: name.to_owned(), color, dashed: false, wide: false, spans: false, values }
}

pub(super) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn data(log: &LogView<'_>) -> String {
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
    Data { marks: &log.marks, charts }.json()
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
        spans: false,
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
    let (least, most) = (load.live.max(1.0) * ROOM, load.live.max(1.0) * 6.0 + 8.0);
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
    let class = |of: &Pauses| if of.phase.starts_with("sweep") { "sweep" } else { "mark" };
    let all: Vec<Bars<'_>> = pauses.iter().map(|of| (class(of), of)).collect();
    bars("Pauses by length", &all, false)
}

/// As many digits as a bar has room for: `45`, `9.1`.
fn percents(share: f64) -> String {
    if share < 0.0995 { format!("{:.1}", share * 100.0) } else { format!("{:.0}", share * 100.0) }
}

/// A class of the page's style, and the pauses that are drawn in it.
pub(super) type Bars<'a> = (&'static str, &'a Pauses);

/// How many pauses took how long, or, of logs of different lengths, which part of each.
pub(super) fn bars(label: &str, pauses: &[Bars<'_>], relative: bool) -> String {
    let Some(most) = pauses.iter().map(|(_, of)| of.longest).max() else { return String::new() };
    let bins = bins(most);
    let count = |of: &Pauses, low: u64, high: u64| -> u64 {
        let within = of.counts.iter().filter(|(nanos, _)| (low..high).contains(nanos));
        within.map(|(_, count)| count).sum()
    };
    // The longest ones stand alone; what is shorter than all of them is left out.
    let least = pauses.iter().filter_map(|(_, of)| of.counts.iter().map(|(nanos, _)| *nanos).min());
    let least = least.min().unwrap_or(0);
    let first = bins.iter().position(|end| *end > least).unwrap_or(0);
    let columns: Vec<Vec<u64>> = (first..bins.len())
        .map(|at| {
            let low = at.checked_sub(1).and_then(|before| bins.get(before)).copied().unwrap_or(0);
            pauses.iter().map(|(_, of)| count(of, low, bins[at])).collect()
        })
        .collect();
    let highest = columns.iter().flatten().copied().max().unwrap_or(0).max(1);
    let totals: Vec<u64> = (0..pauses.len())
        .map(|of| columns.iter().filter_map(|column| column.get(of)).sum::<u64>().max(1))
        .collect();
    let part = |of: usize, count: u64| count as f64 / totals.get(of).copied().unwrap_or(1) as f64;
    let largest = columns
        .iter()
        .flat_map(|column| column.iter().enumerate().map(|(of, count)| part(of, *count)));
    let largest = largest.fold(f64::MIN_POSITIVE, f64::max);
    let (width, height) = (56, 120);
    let mut svg = format!(
        "<svg class=\"bars\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{label}\">",
        columns.len() * width + 8,
        height + 44
    );
    for (at, (column, end)) in columns.iter().zip(bins.iter().skip(first)).enumerate() {
        let left = at * width + 4;
        for (of, count) in column.iter().enumerate().filter(|(_, count)| **count > 0) {
            let share = match relative {
                true => part(of, *count) / largest,
                false => *count as f64 / highest as f64,
            };
            // A single one is seen beside thousands.
            let tall = ((share * height as f64) as u64).max(2);
            let (x, y) = (left + 4 + of * 24, height as u64 + 14 - tall);
            let shown = match relative {
                true => percents(part(of, *count)),
                false => count.to_string(),
            };
            let _ = write!(
                svg,
                "<rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"22\" height=\"{tall}\"><title>{count}</title></rect><text x=\"{}\" y=\"{}\">{shown}</text>",
                pauses.get(of).map_or("", |(class, _)| class),
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
    fn pauses_of_two_logs_are_parts_of_each() {
        let of = |counts: &[(u64, u64)]| Pauses {
            phase: "sweep termination",
            p50: 0,
            p90: 0,
            p99: 0,
            longest: counts.last().map_or(0, |(nanos, _)| *nanos),
            counts: counts.to_vec(),
        };
        let (long, short) = (of(&[(1_500, 900), (4_000, 100)]), of(&[(4_000, 3)]));
        let svg = bars("both", &[("of-a", &long), ("of-b", &short)], true);
        for shown in [">90<", ">10<", ">100<", "<title>3</title>"] {
            assert!(svg.contains(shown), "{shown}: {svg}");
        }
        // The tallest is the largest part, and nothing is shorter than what is shorter than all.
        assert!(svg.contains("class=\"of-b\"") && svg.contains("height=\"120\""), "{svg}");
        assert!(!svg.contains("&lt; 1 us"), "{svg}");
        assert_eq!([percents(0.09), percents(0.0996), percents(1.0)], ["9.0", "10", "100"]);
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
