//! Conditions between which there is no room for doubt.

use crate::case::ObjectCase;
use crate::facts::rollout::Metric;
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::condition::Condition;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A rollout pauses on Inconclusive and aborts on Failed (rollout/analysis.go). Inconclusive is what
/// meets neither condition, so that it takes both, and room between them.
pub static RULE: Rule = Rule {
    id: "no-inconclusive-band",
    group: Group::Rollout,
    level: Level::Note,
    title: "an analysis that is never inconclusive, so that nothing pauses the rollout",
    page: include_str!("no-inconclusive-band.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let analysis = case.analysis().ok_or(Abstain::NotApplicable)?;
    let conditioned = |metric: &&Metric| metric.success.is_some() || metric.failure.is_some();
    let mut metrics = analysis.metrics.iter().filter(conditioned).peekable();
    metrics.peek().ok_or(Abstain::NotApplicable)?;
    for metric in metrics {
        match (&metric.success, &metric.failure) {
            (Some(success), Some(failure)) => complements(metric, success, failure, out),
            (Some(only), None) | (None, Some(only)) => alone(case, metric, only, out),
            (None, None) => {}
        }
    }
    Ok(())
}

fn complements(
    metric: &Metric,
    success: &Fact<String>,
    failure: &Fact<String>,
    out: &mut Findings,
) {
    let (Some(good), Some(bad)) =
        (Condition::read(&success.value), Condition::read(&failure.value))
    else {
        return;
    };
    if !good.is_complement_of(&bad) {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "metric {}: what is no success is a failure, which aborts; only NaN is \
                 inconclusive, and pauses",
                metric.name
            ),
            &failure.origin,
            "begins where success ends",
        )
        .also(&success.origin, "ends where failure begins")
        .fix(Fix::suggest("leave room between them: success below 1 %, failure above 5 %")),
    );
}

/// One condition, where something says that a pause was meant.
fn alone(case: &ObjectCase<'_>, metric: &Metric, only: &Fact<String>, out: &mut Findings) {
    let limit =
        metric.inconclusive_limit.as_ref().filter(|limit| limit.value.is_some_and(|n| n > 0));
    let (origin, label): (Origin, &str) = match limit {
        Some(limit) => (limit.origin.clone(), "no measurement is ever inconclusive"),
        None => match comment(case, metric) {
            Some(origin) => (origin, "says otherwise"),
            None => return,
        },
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "metric {} has one condition: what does not meet it is the opposite, a failure \
                 aborts, and nothing pauses",
                metric.name
            ),
            &only.origin,
            "the only condition",
        )
        .also(&origin, label)
        .fix(Fix::suggest("write both conditions, with room between them")),
    );
}

/// A comment in the entry that speaks of a pause.
fn comment(case: &ObjectCase<'_>, metric: &Metric) -> Option<Origin> {
    let document = &case.object.document;
    let span = document.node(metric.node).span();
    let text = case.world().sources.get(document.source).shown()?;
    let first = document.comments.partition_point(|comment| comment.span.start < span.start);
    let inside = document.comments.iter().skip(first).take_while(|c| c.span.start <= span.end);
    let found = inside.into_iter().find(|comment| {
        let lower = text.get(comment.span.range()).unwrap_or_default().to_ascii_lowercase();
        ["pause", "inconclusive"].iter().any(|word| lower.contains(word))
    })?;
    Some(Origin::text(document.source, found.span))
}
