//! Queries that parse, and measure something else than what is meant, or nothing.

use crate::case::ObjectCase;
use crate::facts::{Fact, Origin};
use crate::findings::{Finding, Fix, Level};
use crate::model::goduration::shown;
use crate::model::promql::calls::{Call, Calls};
use crate::model::promql::{Query, Selector, is_gauge};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const QUANTILE: Variant =
    Variant::new("quantile-out-of-range", Level::Warn, "a quantile that is not between 0 and 1");

const WINDOW: Variant = Variant::new(
    "window-below-two-scrapes",
    Level::Warn,
    "a rate over a window that has no two samples",
);

const GAUGE: Variant =
    Variant::new("rate-of-gauge", Level::Warn, "a rate of what goes up and down");

/// promql/functions.go and promql/quantile.go of Prometheus v3.5.
pub static RULE: Rule = Rule {
    id: "unsound-query",
    group: Group::Metrics,
    level: Level::Warn,
    title: "a quantile of a histogram whose buckets the query has added up",
    page: include_str!("unsound-query.md"),
    needs: &[Need::Manifest],
    variants: &[QUANTILE, WINDOW, GAUGE],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let known = super::queries(case)?;
    let found = known.flat_map(|(text, _)| judge(case, &text)).take(super::MOST_SAID);
    found.for_each(|finding| out.push(finding));
    Ok(())
}

fn judge(case: &ObjectCase<'_>, text: &Fact<String>) -> Vec<Finding> {
    let calls = Calls::read(&text.value);
    let query = Query::read(&text.value);
    if !query.complete {
        return Vec::new();
    }
    let asked = Asked { case, text };
    let of_calls = calls.all().iter().flat_map(|call| {
        [asked.out_of_range(&calls, call), asked.without_buckets(&calls, &query, call)]
    });
    let of_selectors = query
        .selectors
        .iter()
        .flat_map(|selector| [asked.of_gauge(selector), asked.too_short(selector)]);
    of_calls.chain(of_selectors).flatten().collect()
}

/// Functions that take a quantile first.
const QUANTILES: &[&str] = &["histogram_quantile", "quantile", "quantile_over_time"];

/// Functions that count how far a counter rose, and take a fall for a restart.
const RISES: &[&str] = &["rate", "irate", "increase"];

struct Asked<'a, 'w> {
    case: &'a ObjectCase<'w>,
    text: &'a Fact<String>,
}

impl Asked<'_, '_> {
    /// Where a part of the query stands.
    fn place(&self, part: std::ops::Range<usize>) -> Origin {
        let world = self.case.world();
        let (origin, text) = (&self.text.origin, &self.text.value);
        let place = world.part(origin, text, part.clone());
        // A block of lines is not written as it is read, but its lines are.
        if place == *origin {
            world.within(origin, text.get(part).unwrap_or_default())
        } else {
            place
        }
    }

    fn out_of_range(&self, calls: &Calls<'_>, call: &Call) -> Option<Finding> {
        if !QUANTILES.contains(&call.name.as_str()) || call.arguments.len() != 2 {
            return None;
        }
        let quantile = calls.number(call, 0).filter(|number| !(0.0..=1.0).contains(number))?;
        let end = if quantile > 1.0 { "+Inf" } else { "-Inf" };
        let place = self.place(call.place.start..call.arguments.first()?.end);
        let message = format!(
            "{} of {quantile} is {end}, whatever is measured: a quantile is between 0 and 1",
            call.name
        );
        let finding = Finding::new(&RULE, message, &place, "no quantile").variant(&QUANTILE);
        Some(finding.fix(Fix::suggest(match quantile {
            q if q > 1.0 && q <= 100.0 => format!("write {}", q / 100.0),
            _ => "write it as a part of 1: 0.99".to_owned(),
        })))
    }

    /// Of classic histograms alone, whose buckets are series: native ones have theirs in each sample.
    fn without_buckets(&self, calls: &Calls<'_>, query: &Query, call: &Call) -> Option<Finding> {
        if call.name != "histogram_quantile" || call.arguments.len() != 2 {
            return None;
        }
        let lost = calls.loses_buckets(call, 1)?;
        let within = call.arguments.get(1)?;
        let mut selectors = query.selectors.iter().filter(|selector| {
            within.start <= selector.place.start && selector.place.end <= within.end
        });
        let name = selectors.next()?.name.as_deref().filter(|name| name.ends_with("_bucket"))?;
        if selectors.next().is_some() {
            return None;
        }
        let message = format!(
            "histogram_quantile finds no buckets: {} of {name} drops the label le, and the result is empty \
             whatever is measured",
            lost.name
        );
        let fix = match &lost.grouping {
            Some(grouping) if !grouping.by => "leave le out of the labels of `without`".to_owned(),
            Some(grouping) if !grouping.labels.is_empty() => {
                format!("write {} by (le, {})", lost.name, grouping.labels.join(", "))
            }
            _ => format!("write {} by (le) (...)", lost.name),
        };
        let place = self.place(lost.place.clone());
        Some(Finding::new(&RULE, message, &place, "drops le").fix(Fix::suggest(fix)))
    }

    fn of_gauge(&self, selector: &Selector) -> Option<Finding> {
        let function = selector.function.as_deref().filter(|name| RISES.contains(name))?;
        let name = selector.name.as_deref().filter(|name| is_gauge(name))?;
        let message = format!(
            "{name} goes up and down, and {function} takes each fall for a restart that it counts on from"
        );
        let place = self.place(selector.place.clone());
        let finding = Finding::new(&RULE, message, &place, "a gauge").variant(&GAUGE);
        Some(finding.fix(Fix::suggest(match function {
            "increase" => "write delta, or max_over_time",
            _ => "write deriv, or avg_over_time",
        })))
    }

    fn too_short(&self, selector: &Selector) -> Option<Finding> {
        // `analysis-outlives-steps/window-mismatch` looks at the windows of analyses.
        if self.case.analysis().is_some() {
            return None;
        }
        let function = selector.over_time()?;
        let window = selector.window?;
        let target = self.case.seems_asked_of(selector)?.target()?;
        let (interval, monitor) = target.scrape_interval()?;
        if window >= 2.0 * interval {
            return None;
        }
        let (window_text, interval_text) = (shown(window), shown(interval));
        let message = if window > interval {
            format!(
                "{function} needs two samples, and {window_text} often has one: it is scraped each {interval_text}, \
                 and the result has gaps"
            )
        } else {
            format!(
                "{function} needs two samples, and {window_text} has one: it is scraped each {interval_text}, and \
                 the result is empty"
            )
        };
        let place = self.place(selector.place.clone());
        let fix = format!("look back four scrapes: [{}]", in_words(4.0 * interval));
        let finding = Finding::new(&RULE, message, &place, format!("looks back {window_text}"));
        let finding = finding.variant(&WINDOW).also(&monitor, "how often it is scraped");
        Some(finding.fix(Fix::suggest(fix)))
    }
}

/// A duration as PromQL has it, in whole seconds or minutes.
fn in_words(seconds: f64) -> String {
    let whole = seconds.ceil();
    if whole % 60.0 == 0.0 { format!("{}m", whole / 60.0) } else { format!("{whole}s") }
}
