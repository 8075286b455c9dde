//! Two logs side by side: what differs, by how much, and how much would have to for these to show it.
//!
//! Collections that follow each other are alike, and what else a machine does lasts longer than many of them: single
//! ones are no sample of anything. Stretches of a run are compared, and count for less where neighbours are alike; but
//! runs of one program differ as well, which no single run can show. Pauses are compared by their ranks, as many of them
//! as their stretches let count: a few are a hundred times as long as all others, and any mean is theirs. Where both logs
//! are of several runs (one process behind the other), the runs are what is compared.

use serde::Serialize;

use super::log::{nanos, percent, spanning};
use crate::facts::runtime_log::{Collections, RuntimeLog, Stop, Window};
use crate::model::statistics::{Estimate, Mean, POWER, shift};

/// What is compared: each with that part of a chance in twenty, so that all together have one.
const COMPARISONS: f64 = 7.0;
/// Confidence of each interval.
const CONFIDENCE: f64 = 1.0 - 0.05 / COMPARISONS;
/// Stretches that a log is cut into, at least so long each: milliseconds.
const STRETCHES: u64 = 60;
const LEAST_MS: u64 = 200;
/// Runs of each from which on runs are compared.
const LEAST_RUNS: usize = 3;

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
    /// `stretches` of one run of each, which tells of these two runs and not of the programs, or `runs`.
    pub of: &'static str,
    /// In words.
    pub said: String,
    /// How much larger the second is: how many times as long pauses are, or the difference.
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
}

impl Effect {
    fn of(estimate: &Estimate, none: f64, detectable: f64) -> Self {
        let Estimate { value, low, high } = *estimate;
        Self { value, low, high, confidence: CONFIDENCE, none, detectable }
    }

    fn verdict(&self) -> &'static str {
        match (self.low > self.none, self.high < self.none) {
            (true, _) => "larger",
            (_, true) => "smaller",
            _ => "no-difference-shown",
        }
    }
}

/// A log, as what it is compared by.
struct Side<'l>(Vec<&'l Collections>);

impl<'l> Side<'l> {
    fn of(log: &'l RuntimeLog) -> Option<Self> {
        let all: Vec<_> = log.lives.iter().filter_map(|life| life.collections.as_ref()).collect();
        (!all.is_empty()).then_some(Self(all))
    }

    /// The mean of a property, over runs or over stretches of the first.
    fn mean(&self, by_run: bool, value: &dyn Fn(&Window) -> Option<f64>) -> Option<Mean> {
        if by_run {
            let values: Vec<f64> = self.0.iter().filter_map(|of| value(&settled(of)?)).collect();
            return Mean::of_independent(&values);
        }
        Mean::of(&stretches(self.0.first()?, value))
    }

    /// The values of the first run's collections (of neighbours, of a long log), in stretches.
    fn each(&self, value: &dyn Fn(&Window) -> Option<f64>) -> Vec<Vec<f64>> {
        let Some(of) = self.0.first() else { return Vec::new() };
        let mut rest = of.windows.get(of.windows.len() / 4..).unwrap_or_default();
        let of_stretch = |stretch: &Window| {
            let (own, others) =
                rest.split_at(rest.partition_point(|w| w.to.line <= stretch.to.line));
            rest = others;
            own.iter().filter_map(value).collect::<Vec<f64>>()
        };
        long_enough(of).iter().map(of_stretch).filter(|of| !of.is_empty()).collect()
    }

    /// How long half of the pauses are at most, of all runs that are compared.
    fn half(&self, by_run: bool, stop: Option<Stop>) -> Option<String> {
        let runs = self.0.iter().take(if by_run { usize::MAX } else { 1 });
        let mut counts = std::collections::BTreeMap::<u64, u64>::new();
        for ((of, nanos), count) in runs.flat_map(|of| &of.pauses) {
            if stop.is_none_or(|stop| stop == *of) {
                *counts.entry(*nanos).or_default() += count;
            }
        }
        let counts = counts.iter().map(|(value, count)| (*value, *count));
        let half = crate::model::statistics::quantile(counts, 0.5)?;
        Some(format!("half within {}", nanos(half)))
    }
}

/// All properties of two logs.
pub fn compare(a: &RuntimeLog, b: &RuntimeLog) -> Option<Vec<Comparison>> {
    let (a, b) = (Side::of(a)?, Side::of(b)?);
    let both = Both { by_run: a.0.len().min(b.0.len()) >= LEAST_RUNS, a, b };
    let one = |value: f64| format!("{value:.1}");
    let live = |window: &Window| Some(window.mean_live());
    Some(vec![
        both.pauses("all pauses", None),
        both.pauses("pauses before marking", Some(Stop::SweepTermination)),
        both.pauses("pauses behind marking", Some(Stop::MarkTermination)),
        both.means("CPU for collections", "", &Window::cpu_share, &points, 0.0),
        both.means("collections a second", "", &Window::rate, &one, 0.0),
        both.means("MB allocated a second", "MB", &Window::allocation_rate, &one, 0.0),
        both.means("MB live", "MB", &live, &one, 1.0),
    ])
}

fn points(share: f64) -> String {
    let sign = if share < 0.0 { "-" } else { "" };
    format!("{sign}{}", percent(share.abs()))
}

/// What it does once it has come up: all but the first quarter.
fn settled(of: &Collections) -> Option<Window> {
    let settled = of.windows.get(of.windows.len() / 4..).unwrap_or_default();
    settled.iter().copied().reduce(Window::then)
}

/// Values of stretches that are long enough for one, of a process that has come up.
fn stretches(of: &Collections, value: &dyn Fn(&Window) -> Option<f64>) -> Vec<f64> {
    long_enough(of).iter().filter_map(value).collect()
}

/// Stretches of a process that has come up.
fn long_enough(of: &Collections) -> Vec<Window> {
    let windows = of.windows.get(of.windows.len() / 4..).unwrap_or_default();
    let wall = settled(of).map_or(0, |whole| whole.wall_ms());
    spanning(windows, LEAST_MS.max(wall / STRETCHES))
}

/// Two logs.
struct Both<'l> {
    a: Side<'l>,
    b: Side<'l>,
    by_run: bool,
}

impl Both<'_> {
    fn basis(&self) -> &'static str {
        if self.by_run { "runs" } else { "stretches" }
    }

    /// Where, in words: of one run of each nothing is said of others.
    fn place(&self) -> &'static str {
        if self.by_run { "in B" } else { "in this run of B" }
    }

    /// Pauses, by their mean over a stretch or a run: how many times as long they are, which is a difference of
    /// logarithms. Of runs, which are few, that of means: ranks of three and three tell nothing.
    fn pauses(&self, what: &'static str, stop: Option<Stop>) -> Comparison {
        let value = |window: &Window| {
            let [sweep, mark] = window.stopped_ns;
            let (sum, each) = match stop {
                Some(Stop::SweepTermination) => (sweep, 1),
                Some(Stop::MarkTermination) => (mark, 1),
                None => (sweep.saturating_add(mark), 2),
            };
            let mean = sum as f64 / (window.cycles * each) as f64;
            (mean > 0.0).then(|| mean.ln())
        };
        let between = match self.by_run {
            true => {
                let (a, b) = (self.a.mean(true, &value), self.b.mean(true, &value));
                a.zip(b).map(|(a, b)| a.to(&b, CONFIDENCE))
            }
            false => shift(&self.a.each(&value), &self.b.each(&value), CONFIDENCE),
        };
        let (text_a, text_b) = (self.a.half(self.by_run, stop), self.b.half(self.by_run, stop));
        let Some((ratio, detectable)) = between else {
            return self.too_few(what, text_a, text_b);
        };
        let ratio =
            Estimate { value: ratio.value.exp(), low: ratio.low.exp(), high: ratio.high.exp() };
        let effect = Effect::of(&ratio, 1.0, detectable.exp() - 1.0);
        let times = format!(
            "{} times as long ({:.1} %: {} to {})",
            times(effect.value),
            CONFIDENCE * 100.0,
            times(effect.low),
            times(effect.high)
        );
        let verdict = effect.verdict();
        let place = self.place();
        let typical = if self.by_run { "on average" } else { "typically" };
        let said = match verdict {
            "larger" => format!("longer {place}: {typical} {times}"),
            "smaller" => format!("shorter {place}: {typical} {times}"),
            _ => format!(
                "no difference that this much data could show: {place} they are {times}; {} times as long would be seen {} times of 10",
                self::times(1.0 + effect.detectable),
                POWER * 10.0
            ),
        };
        let of = self.basis();
        Comparison { what, a: text_a, b: text_b, verdict, of, said, effect: Some(effect) }
    }

    fn too_few(&self, what: &'static str, a: Option<String>, b: Option<String>) -> Comparison {
        let said = match self.by_run {
            true => "cannot tell: one of the logs is too short",
            false => {
                "cannot tell: one of the logs is too short, or each of its stretches too much like the one before"
            }
        };
        let said = said.to_owned();
        Comparison { what, a, b, verdict: "cannot-tell", of: self.basis(), said, effect: None }
    }

    /// Of what is printed in whole numbers, up to `cut` is cut off of either.
    fn means(
        &self,
        what: &'static str,
        unit: &str,
        value: &dyn Fn(&Window) -> Option<f64>,
        shown: &dyn Fn(f64) -> String,
        cut: f64,
    ) -> Comparison {
        let (of_a, of_b) = (self.a.mean(self.by_run, value), self.b.mean(self.by_run, value));
        let text = |of: &Option<Mean>| {
            of.map(|of| format!("{} {unit}", shown(of.value)).trim_end().to_owned())
        };
        let (text_a, text_b) = (text(&of_a), text(&of_b));
        let (Some(a), Some(b)) = (of_a, of_b) else { return self.too_few(what, text_a, text_b) };
        let (mut difference, mut detectable) = a.to(&b, CONFIDENCE);
        difference.low -= cut;
        difference.high += cut;
        detectable += cut;
        let effect = Effect::of(&difference, 0.0, detectable);
        let between = format!(
            "{} ({:.1} %: {} to {})",
            shown(effect.value),
            CONFIDENCE * 100.0,
            shown(effect.low),
            shown(effect.high)
        );
        let verdict = effect.verdict();
        let place = self.place();
        let said = match verdict {
            "larger" => format!("more {place} by {between}"),
            "smaller" => format!("less {place}: {between}"),
            _ => format!(
                "no difference that this much data could show: {between}; one of {} would be seen {} times of 10",
                shown(detectable),
                POWER * 10.0
            ),
        };
        let of = self.basis();
        Comparison { what, a: text_a, b: text_b, verdict, of, said, effect: Some(effect) }
    }
}

/// `0.84`, `12`; what says nothing any more is `over 1000`.
fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 1000.0 => "over 1000".to_owned(),
        ratio if ratio >= 10.0 => format!("{ratio:.0}"),
        _ => format!("{ratio:.2}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "they are tests")]

    use super::{Comparison, compare};
    use crate::artifact::runtime_log::read;
    use crate::artifact::source::{Source, SourceKind, Sources};
    use crate::facts::runtime_log::RuntimeLog;

    /// Collections 10 ms apart whose pauses are those, in hundredths of a millisecond: two digits, as they are printed.
    fn run(pauses: impl Iterator<Item = u64>) -> String {
        let line = |(number, pause): (usize, u64)| {
            let at = number * 10;
            format!(
                "gc {} @{}.{:03}s 1%: 0.010+1.0+0.{pause:02} ms clock, 0.020+0.10/0.10/0+0.010 ms cpu, 7->7->4 MB, 8 MB goal, 0 MB stacks, 0 MB globals, 2 P\n",
                number + 1,
                at / 1000,
                at % 1000
            )
        };
        pauses.enumerate().map(line).collect()
    }

    fn log(text: &str) -> RuntimeLog {
        let source = Sources::default().add(Source::opaque("a.log", SourceKind::Log));
        read(source, text.as_bytes(), &|_| true).unwrap()
    }

    fn behind(a: &str, b: &str) -> Comparison {
        let all = compare(&log(a), &log(b)).unwrap();
        all.into_iter().find(|it| it.what == "pauses behind marking").unwrap()
    }

    /// A load that lasts for seconds, of which one run has more than the other by chance.
    fn loaded(from: usize) -> String {
        run((0..1500).map(|n| {
            if ((n + from) / 400).is_multiple_of(2) { 11 + n as u64 % 2 } else { 31 + n as u64 % 2 }
        }))
    }

    /// Each pause was taken for a value of its own: runs of one binary differed with p = 2e-16.
    #[test]
    fn neighbours_that_are_alike_are_no_sample() {
        let of = behind(&loaded(0), &loaded(250));
        assert!(!["larger", "smaller"].contains(&of.verdict) && of.of == "stretches", "{of:?}");
    }

    /// Two pauses of 23 and 14 ms hid that all of them were exactly ten times as long.
    #[test]
    fn two_long_pauses_hide_no_difference() {
        let pauses = |times: u64| {
            (0..300).map(move |n| match n {
                80 | 200 => 99,
                n => (11 + n % 3) * times,
            })
        };
        let of = behind(&run(pauses(1)), &run(pauses(5)));
        assert_eq!((of.verdict, of.of), ("larger", "stretches"), "{of:?}");
        let same = behind(&run(pauses(2)), &run(pauses(2)));
        assert_eq!(same.verdict, "no-difference-shown", "{same:?}");
    }

    #[test]
    fn a_difference_that_is_there_all_along_is_told_of_these_runs() {
        let a = run((0..1500).map(|n| 11 + n % 2));
        let b = run((0..1500).map(|n| 32 + n % 2));
        let of = behind(&a, &b);
        assert_eq!(of.verdict, "larger", "{of:?}");
        assert!(of.said.starts_with("longer in this run of B: typically 2.75 times"), "{of:?}");
    }

    /// They were "longer in 100 % of pairs", with p = 0.33.
    #[test]
    fn two_collections_of_each_cannot_tell() {
        let of = behind(&run([11, 12].into_iter()), &run([31, 32].into_iter()));
        assert_eq!(of.verdict, "cannot-tell", "{of:?}");
    }

    #[test]
    fn several_runs_of_each_are_compared_run_by_run() {
        let runs = |of: [u64; 4]| -> String {
            of.iter().map(|base| run((0..200).map(|n| base + n % 2))).collect()
        };
        // They differ among themselves by more than the sides do.
        let of = behind(&runs([11, 31, 15, 22]), &runs([33, 12, 17, 24]));
        assert_eq!((of.verdict, of.of), ("no-difference-shown", "runs"), "{of:?}");
        let of = behind(&runs([11, 12, 11, 12]), &runs([31, 32, 31, 32]));
        assert_eq!(of.verdict, "larger", "{of:?}");
        assert!(of.said.starts_with("longer in B: on average 2.6"), "{of:?}");
    }
}
