//! Two logs side by side: what differs, by how much, and how much would have to for these to show it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::log::{nanos, percent, spanning};
use crate::facts::runtime_log::{Collections, RuntimeLog, Stop, Window};
use crate::model::statistics::{Counts, Estimate, Mean, POWER, Ranks, quantile};

/// What is compared: each with that part of a chance in twenty, so that all together have one.
const COMPARISONS: f64 = 7.0;
/// Confidence of each interval.
const CONFIDENCE: f64 = 1.0 - 0.05 / COMPARISONS;
/// Stretches that a log is cut into, at least so long each: milliseconds.
const STRETCHES: u64 = 60;
const LEAST_MS: u64 = 200;

/// One property of both.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Of what: `all pauses`.
    pub what: &'static str,
    /// What it is in the first log, in words; none when there is too little.
    pub a: Option<String>,
    /// The same of the second.
    pub b: Option<String>,
    /// `larger`, `smaller`, `no-difference-shown` or `cannot-tell`: of the second.
    pub verdict: &'static str,
    /// In words.
    pub said: String,
    /// How much larger the second is: the part of pairs in which it is (0.5 when neither is), or the difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
}

/// An effect with its interval.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Effect {
    /// As it was measured.
    pub value: f64,
    /// The least that it may be.
    pub low: f64,
    /// The most.
    pub high: f64,
    /// How sure it is that it lies between them, from 0 to 1.
    pub confidence: f64,
    /// What it would be if there were no difference.
    pub none: f64,
    /// The least distance from that which such data show, four times of five.
    pub detectable: f64,
    /// How likely such data are where there is no difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
}

impl Effect {
    fn of(estimate: &Estimate, none: f64, detectable: f64, p: Option<f64>) -> Self {
        let Estimate { value, low, high } = *estimate;
        Self { value, low, high, confidence: CONFIDENCE, none, detectable, p }
    }

    fn verdict(&self) -> &'static str {
        match (self.low > self.none, self.high < self.none) {
            (true, _) => "larger",
            (_, true) => "smaller",
            _ => "no-difference-shown",
        }
    }
}

/// All properties of two logs, of the first process of each that has collections.
pub fn compare(a: &RuntimeLog, b: &RuntimeLog) -> Option<Vec<Comparison>> {
    let of = |log: &'_ RuntimeLog| -> Option<Collections> {
        log.lives.iter().find_map(|life| life.collections.clone())
    };
    let (a, b) = (of(a)?, of(b)?);
    let stop = |of: Stop, what| pauses(what, &by_stop(&a, Some(of)), &by_stop(&b, Some(of)));
    let one = |value: f64| format!("{value:.1}");
    Some(vec![
        pauses("all pauses", &by_stop(&a, None), &by_stop(&b, None)),
        stop(Stop::SweepTermination, "pauses before marking"),
        stop(Stop::MarkTermination, "pauses behind marking"),
        means("CPU for collections", "", &a, &b, Window::cpu_share, points, 0.0),
        means("collections a second", "", &a, &b, Window::rate, one, 0.0),
        means("MB allocated a second", "MB", &a, &b, Window::allocation_rate, one, 0.0),
        means("MB live", "MB", &a, &b, |window| Some(window.mean_live()), one, 1.0),
    ])
}

fn points(share: f64) -> String {
    let sign = if share < 0.0 { "-" } else { "" };
    format!("{sign}{}", percent(share.abs()))
}

/// Times of pauses. What a process does while it comes up is among them: pauses are not kept in order.
fn by_stop(of: &Collections, wanted: Option<Stop>) -> Counts {
    let mut counts = BTreeMap::new();
    for ((stop, nanos), count) in &of.pauses {
        if wanted.is_none_or(|wanted| wanted == *stop) {
            *counts.entry(*nanos).or_default() += count;
        }
    }
    counts
}

fn pauses(what: &'static str, a: &Counts, b: &Counts) -> Comparison {
    let half = |of: &Counts| {
        let median = quantile(of.iter().map(|(value, count)| (*value, *count)), 0.5);
        median.map(|value| format!("half within {}", nanos(value)))
    };
    let (of_a, of_b) = (half(a), half(b));
    let Some(ranks) = Ranks::of(a, b, CONFIDENCE) else {
        return too_few(what, of_a, of_b);
    };
    let effect = Effect::of(&ranks.larger, 0.5, ranks.detectable, Some(ranks.p));
    let share = |value: f64| format!("{:.0}", value * 100.0);
    let pairs = format!(
        "longer in {} % of pairs ({:.1} %: {} to {})",
        share(effect.value),
        CONFIDENCE * 100.0,
        share(effect.low),
        share(effect.high)
    );
    let verdict = effect.verdict();
    let said = match verdict {
        "larger" => format!("longer in B: {pairs}, {}", chance(ranks.p)),
        "smaller" => format!("shorter in B: {pairs}, {}", chance(ranks.p)),
        _ => format!(
            "no difference that this much data could show: B is {pairs}; {} % or more, or {} % or less, would be seen {} times of 10",
            share(0.5 + effect.detectable),
            share(0.5 - effect.detectable),
            POWER * 10.0
        ),
    };
    Comparison { what, a: of_a, b: of_b, verdict, said, effect: Some(effect) }
}

/// Below what a number of a computer tells from nothing, it is no number any more.
fn chance(p: f64) -> String {
    if p < 1e-15 { "p < 1e-15".to_owned() } else { format!("p = {p:.2e}") }
}

fn too_few(what: &'static str, a: Option<String>, b: Option<String>) -> Comparison {
    let said = "cannot tell: one of the logs is too short".to_owned();
    Comparison { what, a, b, verdict: "cannot-tell", said, effect: None }
}

/// Values of stretches that are long enough for one, without the first quarter, in which a process comes up.
fn stretches(of: &Collections, value: impl Fn(&Window) -> Option<f64>) -> Option<Mean> {
    let settled = of.windows.get(of.windows.len() / 4..).unwrap_or_default();
    let whole = settled.iter().copied().reduce(Window::then)?;
    let windows = spanning(settled, LEAST_MS.max(whole.wall_ms() / STRETCHES));
    let values: Vec<f64> = windows.iter().filter_map(value).collect();
    Mean::of(&values)
}

/// Of what is printed in whole numbers, up to `cut` is cut off of either.
fn means(
    what: &'static str,
    unit: &str,
    a: &Collections,
    b: &Collections,
    value: impl Fn(&Window) -> Option<f64>,
    shown: impl Fn(f64) -> String,
    cut: f64,
) -> Comparison {
    let (of_a, of_b) = (stretches(a, &value), stretches(b, &value));
    let text = |of: &Option<Mean>| {
        of.map(|of| format!("{} {unit}", shown(of.value)).trim_end().to_owned())
    };
    let (text_a, text_b) = (text(&of_a), text(&of_b));
    let (Some(a), Some(b)) = (of_a, of_b) else { return too_few(what, text_a, text_b) };
    let (mut difference, mut detectable) = a.to(&b, CONFIDENCE);
    difference.low -= cut;
    difference.high += cut;
    detectable += cut;
    let effect = Effect::of(&difference, 0.0, detectable, None);
    let between = format!(
        "{} ({:.1} %: {} to {})",
        shown(effect.value),
        CONFIDENCE * 100.0,
        shown(effect.low),
        shown(effect.high)
    );
    let verdict = effect.verdict();
    let said = match verdict {
        "larger" => format!("more in B by {between}"),
        "smaller" => format!("less in B: {between}"),
        _ => format!(
            "no difference that this much data could show: {between}; one of {} would be seen {} times of 10",
            shown(detectable),
            POWER * 10.0
        ),
    };
    Comparison { what, a: text_a, b: text_b, verdict, said, effect: Some(effect) }
}
