//! An analysis that says yes whatever it measures.

use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::rollout::{Analysis, Measurements, Metric};
use crate::facts::{Fact, Object};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::condition::Condition;
use crate::model::quantity::counted;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const LIMIT: Variant = Variant::new(
    "failure-limit-not-below-count",
    Level::Deny,
    "as many failures are allowed as there are measurements",
);

const GARBAGE: Variant = Variant::new(
    "web-metric-passes-on-garbage",
    Level::Warn,
    "a web metric that takes an answer which is no JSON for success",
);

const DRY_RUN: Variant =
    Variant::new("dry-run-analysis", Level::Warn, "a metric that is measured and decides nothing");

/// `EvaluateResult` of utils/evaluate/evaluate.go: without conditions `Always return success unless
/// there is an error`. The documentation says Inconclusive.
pub static RULE: Rule = Rule {
    id: "analysis-that-cannot-fail",
    group: Group::Rollout,
    level: Level::Deny,
    title: "an analysis that succeeds whatever it measures",
    page: include_str!("analysis-that-cannot-fail.md"),
    needs: &[Need::Manifest],
    variants: &[LIMIT, GARBAGE, DRY_RUN],
    check: Check::Object(check),
    also: &[Check::Workload(dry_run_of_rollout)],
    ..Rule::BASE
};

/// Providers that come to a verdict without conditions.
const JUDGE_THEMSELVES: &[&str] = &["job", "kayenta", "plugin"];

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let analysis = case.analysis().ok_or(Abstain::NotApplicable)?;
    if analysis.metrics.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    for metric in &analysis.metrics {
        if !conditions(metric, out) {
            always(metric, out);
            limit(metric, out);
            garbage(metric, out);
        }
    }
    dry_run_of_template(case, analysis, out);
    Ok(())
}

/// Whether it has none.
fn conditions(metric: &Metric, out: &mut Findings) -> bool {
    let Some(provider) = &metric.provider else { return false };
    let none = metric.success.is_none() && metric.failure.is_none();
    if !none || JUDGE_THEMSELVES.contains(&provider.value.as_str()) {
        return false;
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "metric {} has neither successCondition nor failureCondition: every answer of {} \
                 is a success",
                metric.name, provider.value
            ),
            &metric.origin,
            "compared with nothing",
        )
        .also(&provider.origin, "asked, and whatever it answers is fine")
        .fix(Fix::suggest(
            "say what is good in successCondition and what is bad in failureCondition",
        )),
    );
    true
}

/// Conditions that say yes to every answer that they can be evaluated for.
fn always(metric: &Metric, out: &mut Findings) {
    let constant = |condition: &Option<Fact<String>>| {
        condition.as_ref().map(|text| Condition::read(&text.value).and_then(|c| c.constant()))
    };
    let (success, failure) = (constant(&metric.success), constant(&metric.failure));
    // A failure is looked at first, and without a condition there is none.
    let never_fails = matches!(failure, None | Some(Some(false)));
    let succeeds = matches!(success, None | Some(Some(true)));
    let (Some(condition), true) =
        (metric.success.as_ref().or(metric.failure.as_ref()), never_fails && succeeds)
    else {
        return;
    };
    let which = if metric.success.is_some() { "successCondition" } else { "failureCondition" };
    let says = if metric.success.is_some() { "true" } else { "false" };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the {which} of metric {} is {says} for every answer: none fails the analysis",
            metric.name
        ),
        &condition.origin,
        format!("always {says}"),
    );
    if let Some(other) = metric.failure.as_ref().filter(|_| metric.success.is_some()) {
        finding = finding.also(&other.origin, "always false");
    }
    let conditions = [&metric.success, &metric.failure];
    if conditions.into_iter().flatten().any(|condition| condition.value.contains("result")) {
        // `consecutiveErrorLimit`, 4 by default.
        finding = finding.note(
            "an answer for which it cannot be evaluated is an error; only several in a row end the analysis",
        );
    }
    out.push(finding.fix(Fix::suggest("compare the result with what is still good")));
}

/// `assessMetricFailureInconclusiveOrError`: failed when there are *more* failures than
/// failureLimit.
fn limit(metric: &Metric, out: &mut Findings) {
    let Some(limit) = &metric.failure_limit else { return };
    let other = metric.success_limit.as_ref().is_some_and(|limit| limit.value != Some(0));
    let (Some(allowed), Measurements::Times(count), false) =
        (limit.value, metric.measurements(), other)
    else {
        return;
    };
    // More than a written count is refused by the controller.
    let refused = metric.count.as_ref().is_some_and(|n| n.value != Some(0)) && allowed > count;
    if allowed < count || count < 1 || refused {
        return;
    }
    let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
    let failures = counted(u64::try_from(allowed).unwrap_or(0), "failure");
    let are = if allowed == 1 { "is" } else { "are" };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "metric {} is measured {times}, and {failures} {are} allowed: it cannot fail",
            metric.name
        ),
        &limit.origin,
        format!("{failures} allowed"),
    )
    .variant(&RULE.variants[0]);
    finding = match &metric.count {
        Some(count) => finding.also(&count.origin, "and there are no more measurements"),
        None => finding.also(&metric.origin, "without interval and count: one measurement"),
    };
    out.push(finding.fix(Fix::suggest(format!("set failureLimit below {count}"))));
}

/// `parseResponse` of metricproviders/webmetric: `non JSON body return as string`, Successful.
fn garbage(metric: &Metric, out: &mut Findings) {
    let Some(provider) = metric.provider.as_ref().filter(|_| metric.is_from("web")) else { return };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "metric {} takes an answer of 200 that is no JSON for a success: a login page, or \
             nothing at all, promotes the release",
            metric.name
        ),
        &provider.origin,
        "Argo Rollouts up to 1.10.2 does not look at the conditions then",
    )
    .variant(&RULE.variants[1]);
    if let Some(condition) = metric.success.as_ref().or(metric.failure.as_ref()) {
        finding = finding.also(&condition.origin, "not evaluated");
    }
    out.push(finding.fix(Fix::suggest(
        "ask an endpoint that answers JSON or an error status, and nothing in between",
    )));
}

/// Names of what is no production.
const TRIALS: &[&str] = &["test", "stag", "dev", "demo", "sandbox", "example", "qa", "preview"];

fn is_trial(object: &Object) -> bool {
    let names = [object.meta.name(), object.meta.namespace.value.as_str()];
    names.iter().any(|name| TRIALS.iter().any(|trial| name.contains(trial)))
}

fn dry_run(rule: &Fact<String>) -> Finding {
    Finding::new(
        &RULE,
        format!(
            "metrics that match `{}` run dry: their failures are counted and stop nothing",
            rule.value
        ),
        &rule.origin,
        "measured, and not heard",
    )
    .variant(&RULE.variants[2])
    .fix(Fix::suggest("remove the dryRun entry once the metric has proved itself"))
}

fn dry_run_of_template(case: &ObjectCase<'_>, analysis: &Analysis, out: &mut Findings) {
    let mut uses = case.uses().filter(|used| !is_trial(used.rollout.object));
    let Some(used) = uses.next() else { return };
    for rule in &analysis.dry_run {
        out.push(dry_run(rule).also(
            &used.used.origin,
            format!("decides about Rollout {}", used.rollout.object.meta.name()),
        ));
    }
}

fn dry_run_of_rollout(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let strategy = case.strategy().ok_or(Abstain::NotApplicable)?;
    if is_trial(case.object) {
        return Err(Abstain::NotApplicable);
    }
    for (used, _) in strategy.uses() {
        for rule in &used.dry_run {
            out.push(dry_run(rule).also(&used.origin, "this analysis"));
        }
    }
    Ok(())
}
