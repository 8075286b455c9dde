//! An analysis that has no time to measure.

use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::rollout::{Canary, Measurements, Metric, Pause, StepKind};
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::goduration::shown;
use crate::model::promql::{Query, Selector};
use crate::model::quantity::counted;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const WINDOW: Variant = Variant::new(
    "window-mismatch",
    Level::Note,
    "a window too short for the scrapes, or far longer than the interval",
);

/// A background analysis is terminated with the last step. A run without a measurement is
/// Successful then (`assessMetricStatus` of analysis/analysis.go).
pub static RULE: Rule = Rule {
    id: "analysis-outlives-steps",
    group: Group::Rollout,
    level: Level::Warn,
    title: "an analysis that the rollout does not wait for",
    page: include_str!("analysis-outlives-steps.md"),
    needs: &[Need::Manifest],
    variants: &[WINDOW],
    check: Check::Workload(check),
    also: &[Check::Object(windows)],
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let canary = case.strategy().and_then(|strategy| strategy.canary.as_ref());
    let canary = canary.ok_or(Abstain::NotApplicable)?;
    let used = canary.analysis.as_ref().ok_or(Abstain::NotApplicable)?;
    let (time, last) = time_left(canary, used.starting_step).ok_or(Abstain::NotApplicable)?;
    case.as_applied()?;
    for reference in &used.templates {
        let Some(template) = case.joined.analysis_template(case.object, reference) else {
            let what = format!("{} {}", reference.kind(), reference.name.value);
            out.abstain(Abstain::unknown(Reason::ObjectNotInInput, what));
            continue;
        };
        let metrics = template.analysis().map_or(&[][..], |analysis| &analysis.metrics);
        for metric in metrics {
            outlives(metric, time, &last, &used.origin, out);
        }
    }
    Ok(())
}

/// Seconds of all pauses from the step on with which the analysis begins, and the last of them;
/// `None` where a step takes as long as it takes.
fn time_left(canary: &Canary, from: Option<i64>) -> Option<(f64, Origin)> {
    let from = usize::try_from(from.unwrap_or(0)).ok()?;
    let mut total = 0.0;
    let mut last = None;
    for step in canary.steps.iter().skip(from) {
        match &step.kind {
            StepKind::Weight(_) | StepKind::Quick => {}
            StepKind::Pause(Pause::Seconds(seconds)) => {
                total += seconds;
                last = Some(step.origin.clone());
            }
            _ => return None,
        }
    }
    Some((total, last?))
}

fn outlives(metric: &Metric, time: f64, last: &Origin, used: &Origin, out: &mut Findings) {
    let seconds = |fact: &Option<Fact<Option<f64>>>| match fact {
        Some(fact) => fact.value,
        None => Some(0.0),
    };
    let Some(delay) = seconds(&metric.initial_delay) else { return };
    let name = &metric.name;
    let steps = format!("the steps pause for {} together", shown(time));
    if let Some(place) = metric.initial_delay.as_ref().filter(|_| delay >= time) {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "metric {name} waits {} before its first measurement, and the pauses end \
                     after {}: a run without a measurement is a success",
                    shown(delay),
                    shown(time)
                ),
                &place.origin,
                "after the last step",
            )
            .also(last, steps)
            .also(used, "runs in the background, until the last step")
            .fix(Fix::suggest("shorten initialDelay, or make the analysis a step of its own")),
        );
        return;
    }
    let (Measurements::Times(count), Some(interval)) =
        (metric.measurements(), seconds(&metric.interval))
    else {
        return;
    };
    #[allow(clippy::cast_precision_loss, reason = "a few measurements")]
    let end = delay + (count - 1) as f64 * interval;
    let Some(written) = metric.count.as_ref().filter(|_| interval > 0.0 && end > time) else {
        return;
    };
    #[allow(clippy::cast_possible_truncation, reason = "between 0 and the count")]
    let taken = ((time - delay) / interval).floor() as i64 + 1;
    out.push(
        Finding::new(
            &RULE,
            format!(
                "metric {name} takes {count} measurements in {}, and the pauses end after {}: some \
                 {taken} are taken, and the rest counts as passed",
                shown(end),
                shown(time)
            ),
            &written.origin,
            "never reached",
        )
        .also(last, steps)
        .also(used, "runs in the background, until the last step")
        .fix(Fix::suggest(
            "lengthen the pauses or take fewer measurements; without count it runs until the end",
        )),
    );
}

/// The interval at which Prometheus' operator scrapes by default.
const SCRAPE: f64 = 30.0;

/// Samples that a window has room for.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few scrapes")]
fn samples(window: f64, scrape: f64) -> u64 {
    (window / scrape).floor() as u64
}

/// How often the series of a query are scraped, where a monitor says so, and its place.
fn scraped(case: &ObjectCase<'_>, query: &Query) -> Option<(f64, Origin)> {
    let of = |selector: &Selector| case.seems_asked_of(selector)?.target()?.scrape_interval();
    let intervals = query.selectors.iter().take(MOST_SELECTORS).map(of);
    // What one of them is asked of may be asked more often than the others.
    let intervals: Option<Vec<(f64, Origin)>> = intervals.collect();
    intervals?.into_iter().min_by(|(a, _), (b, _)| a.total_cmp(b))
}

/// Selectors of one query whose workloads are looked for.
const MOST_SELECTORS: usize = 16;

fn windows(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    case.analysis().ok_or(Abstain::NotApplicable)?;
    let queries = case.queries();
    if queries.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    for measured in &queries {
        let metric = measured.metric;
        let over_time = measured.query.selectors.iter().filter(|it| it.over_time().is_some());
        let windows: Vec<f64> = over_time.filter_map(|selector| selector.window).collect();
        let shortest = windows.iter().copied().reduce(f64::min);
        let longest = windows.iter().copied().reduce(f64::max);
        let known = scraped(case, &measured.query);
        let scrape = known.as_ref().map_or(SCRAPE, |(interval, _)| *interval);
        if let Some(window) = shortest.filter(|window| *window < 4.0 * scrape) {
            let mut finding = Finding::new(
                &RULE,
                format!(
                    "metric {} looks at {} at a time: at a scrape each {} that is {}, and a rate \
                     needs two",
                    metric.name,
                    shown(window),
                    shown(scrape),
                    counted(samples(window, scrape), "sample")
                ),
                &bracket(case, &measured.text.origin, &measured.text.value),
                "shorter than four scrapes",
            )
            .variant(&RULE.variants[0]);
            if let Some((_, monitor)) = &known {
                finding = finding.also(monitor, "how often it is scraped");
            }
            out.push(
                finding
                    .fix(Fix::suggest("look at four scrapes at least: `[2m]` where one is 30 s")),
            );
            continue;
        }
        let interval = metric.interval.as_ref().and_then(|fact| Some((fact, fact.value?)));
        let tolerant = metric.failure_limit.as_ref().filter(|l| l.value.is_some_and(|n| n > 0));
        if let (Some(window), Some((place, interval)), Some(limit)) = (longest, interval, tolerant)
            && interval > 0.0
            && interval < window / 2.0
        {
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "metric {} looks back {} each {}: consecutive looks see mostly the same \
                         requests, so that one bad minute counts as several failures",
                        metric.name,
                        shown(window),
                        shown(interval)
                    ),
                    &place.origin,
                    "less than half of the window",
                )
                .variant(&RULE.variants[0])
                .also(&limit.origin, "counts them as if they were independent")
                .also(&bracket(case, &measured.text.origin, &measured.text.value), "the window")
                .fix(Fix::suggest("make the interval as long as the window")),
            );
        }
    }
    Ok(())
}

/// The first range of the query, as it is written.
fn bracket(case: &ObjectCase<'_>, origin: &Origin, query: &str) -> Origin {
    let text = query.find('[').and_then(|at| {
        let end = query[at..].find(']')?;
        query.get(at..=at + end)
    });
    case.world().within(origin, text.unwrap_or(query))
}
