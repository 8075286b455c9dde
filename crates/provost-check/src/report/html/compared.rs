//! Two logs of the collector on one page: curves over each other, histograms, and what the tests say.

use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;

use super::super::compared::summary;
use super::super::traced::{facts, numbers};
use super::charts::{Bars, Chart, Data, Series, bars, rounded};
use super::text;
use crate::case::compared::Comparison;
use crate::case::traced::{Gc, GcCurves, Traced};

/// One of the two.
pub struct Side<'a> {
    /// Its path.
    pub name: &'a str,
    /// What [`crate::case::traced::first_collections`] has of it.
    pub gc: &'a Gc,
}

#[derive(Serialize)]
struct Row {
    what: &'static str,
    a: String,
    b: String,
    verdict: &'static str,
    said: String,
}

#[derive(Serialize)]
struct Named {
    letter: &'static str,
    class: &'static str,
    name: String,
    numbers: Vec<(String, &'static str)>,
    facts: Vec<(&'static str, String)>,
}

/// The comparison as a page.
pub fn page(sides: [&Side<'_>; 2], comparisons: &[Comparison], version: &str) -> String {
    let mut environment = Environment::new();
    environment
        .add_template(
            "compared.html",
            concat!(include_str!("head.html"), include_str!("compared.html")),
        )
        .expect("the template is part of the program, and a test renders it");
    let cell = |of: &Option<String>| of.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Row> = comparisons
        .iter()
        .map(|it| Row {
            what: it.what,
            a: cell(&it.a),
            b: cell(&it.b),
            verdict: it.verdict,
            said: it.said.clone(),
        })
        .collect();
    let [a, b] = sides;
    let histograms: Vec<(&'static str, String)> = PHASES
        .iter()
        .map(|(phase, title)| (*title, histogram(phase, a.gc, b.gc)))
        .filter(|(_, svg)| !svg.is_empty())
        .collect();
    let template = environment.get_template("compared.html").expect("added above");
    template
        .render(context! {
            version,
            title => summary(comparisons),
            summary => summary(comparisons),
            sides => Serde([named("A", "of-a", a), named("B", "of-b", b)]),
            rows => Serde(rows),
            histograms => Serde(histograms),
            data => data(&a.gc.curves, &b.gc.curves),
            chart_style => include_str!("uplot/uPlot.min.css"),
            chart_library => include_str!("uplot/uPlot.iife.min.js"),
            chart_license => include_str!("uplot/LICENSE"),
            chart_script => include_str!("charts.js"),
            style => include_str!("report.css"),
        })
        .expect("every value is a string, a number or a list of them")
}

/// Phases as [`Gc::pauses`] calls them, and as people do.
const PHASES: [(&str, &str); 2] = [
    ("sweep termination", "Stops before marking (sweep termination)"),
    ("mark termination", "Stops behind marking (mark termination)"),
];

fn named(letter: &'static str, class: &'static str, side: &Side<'_>) -> Named {
    let of = Traced {
        subject: side.name.to_owned(),
        lines: 0,
        processes: 1,
        collections: Some(side.gc.clone()),
        scheduler: None,
    };
    Named {
        letter,
        class,
        name: text(side.name),
        numbers: numbers(&of),
        facts: facts(&of).into_iter().map(|(name, fact)| (name, text(&fact))).collect(),
    }
}

fn histogram(phase: &str, a: &Gc, b: &Gc) -> String {
    let of = |class, gc: &'_ Gc| {
        let at = gc.pauses.iter().position(|pauses| pauses.phase == phase)?;
        Some((class, at))
    };
    let columns: Vec<Bars<'_>> = [("of-a", a), ("of-b", b)]
        .into_iter()
        .filter_map(|(class, gc)| {
            let (class, at) = of(class, gc)?;
            Some((class, gc.pauses.get(at)?))
        })
        .collect();
    bars(&format!("Pauses of {phase} by length, of both logs"), &columns, true)
}

/// Seconds since the first collection of each: processes that are compared were started at different times, and
/// logs may begin in the middle.
fn since_first(curves: &GcCurves) -> Vec<f64> {
    let first = curves.at.first().copied().unwrap_or(0.0);
    curves.at.iter().map(|at| rounded(at - first)).collect()
}

/// Points of both in one order, and where in the two each is.
fn merged(a: &[f64], b: &[f64]) -> Vec<(f64, Option<usize>, Option<usize>)> {
    let (mut of_a, mut of_b) = (a.iter().enumerate().peekable(), b.iter().enumerate().peekable());
    let mut all = Vec::with_capacity(a.len() + b.len());
    // In the order of all numbers, in which each has its place.
    let is_due = |at: &f64, next: f64| at.total_cmp(&next).is_le();
    loop {
        let next = match (of_a.peek(), of_b.peek()) {
            (Some((_, a)), Some((_, b))) if is_due(a, **b) => **a,
            (_, Some((_, b))) => **b,
            (Some((_, a)), None) => **a,
            (None, None) => return all,
        };
        let a = of_a.next_if(|(_, at)| is_due(at, next)).map(|(index, _)| index);
        let b = of_b.next_if(|(_, at)| is_due(at, next)).map(|(index, _)| index);
        all.push((next, a, b));
    }
}

/// A curve of either, by point.
type Curve<'a> = Box<dyn Fn(usize) -> Option<f64> + 'a>;

fn data(a: &GcCurves, b: &GcCurves) -> String {
    let points = merged(&since_first(a), &since_first(b));
    let x: Vec<f64> = points.iter().map(|(at, ..)| *at).collect();
    let line = |name: &str, color, dashed, values: Vec<Option<f64>>| Series {
        name: name.to_owned(),
        color,
        dashed,
        wide: false,
        spans: true,
        values,
    };
    let both = |name: &str, dashed: bool, of_a: Curve<'_>, of_b: Curve<'_>| {
        let of_a = points.iter().map(|(_, at, _)| (*at).and_then(&of_a).map(rounded)).collect();
        let of_b = points.iter().map(|(_, _, at)| (*at).and_then(&of_b).map(rounded)).collect();
        [
            line(&format!("A {name}"), "--note", dashed, of_a),
            line(&format!("B {name}"), "--warning", dashed, of_b),
        ]
    };
    fn all(values: &[f64]) -> Curve<'_> {
        Box::new(|at| values.get(at).copied())
    }
    fn some(values: &[Option<f64>]) -> Curve<'_> {
        Box::new(|at| values.get(at).copied().flatten())
    }
    let heap = both("live", false, all(&a.live), all(&b.live));
    let goals = both("goal", true, all(&a.goal), all(&b.goal));
    let chart = |name, unit, series| Chart { name, unit, x: &x, kind: "time", series };
    let charts = vec![
        chart("Heap", "MB", heap.into_iter().chain(goals).collect()),
        chart(
            "Collections",
            "% of the CPU",
            both("of the CPU", false, some(&a.cpu), some(&b.cpu)).into(),
        ),
        chart(
            "Longest pause",
            "ms",
            both("longest pause", false, all(&a.pause_ms), all(&b.pause_ms)).into(),
        ),
        chart("Allocation", "MB/s", both("allocated", false, some(&a.rate), some(&b.rate)).into()),
    ];
    Data { marks: &[], charts }.json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_two_logs_stand_in_one_order_and_keep_whose_they_are() {
        let all = merged(&[0.0, 1.0, 1.0, 4.0], &[0.0, 2.0]);
        let expected = [
            (0.0, Some(0), Some(0)),
            (1.0, Some(1), None),
            (1.0, Some(2), None),
            (2.0, None, Some(1)),
            (4.0, Some(3), None),
        ];
        assert_eq!(all, expected);
        assert_eq!(merged(&[], &[]), []);
        // Numbers that are none cannot hold it up.
        assert_eq!(merged(&[f64::NAN], &[1.0]).len(), 2);
    }

    #[test]
    fn logs_begin_at_their_first_collection() {
        let curves = GcCurves { at: vec![3600.5, 3601.0], ..GcCurves::default() };
        assert_eq!(since_first(&curves), [0.0, 0.5]);
    }
}
