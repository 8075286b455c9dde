//! What an analysis makes of a query that returns nothing, or NaN.

use crate::case::ObjectCase;
use crate::case::rollouts::Measured;
use crate::facts::Fact;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::condition::{Condition, Phase, Value, phase};
use crate::model::promql::yields::{Yield, yields};
use crate::model::promql::{Matcher, Op, Selector, Shape};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const FAILURE_ONLY: Variant = Variant::new(
    "failure-condition-only",
    Level::Warn,
    "no data fails no failureCondition, so that it is a success",
);

const PASSES: Variant = Variant::new("no-data-passes", Level::Warn, "no data is taken for success");

const INDEX: Variant = Variant::new(
    "index-into-empty-result",
    Level::Warn,
    "no data is an error, and five in a row abort the rollout",
);

const HEALTHY: Variant = Variant::new(
    "no-errors-misjudged",
    Level::Warn,
    "a version without errors does not pass, since nothing counts them",
);

const FIRST: Variant =
    Variant::new("first-series-only", Level::Note, "one series of several is looked at");

/// A canary that gets no requests has no series, and 0/0 is NaN, which no comparison holds for.
pub static RULE: Rule = Rule {
    id: "empty-result-misjudged",
    group: Group::Rollout,
    level: Level::Warn,
    title: "an analysis that takes no data for an answer",
    page: include_str!("empty-result-misjudged.md"),
    needs: &[Need::Manifest],
    variants: &[FAILURE_ONLY, PASSES, INDEX, HEALTHY, FIRST],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    case.analysis().ok_or(Abstain::NotApplicable)?;
    let queries = case.queries();
    if queries.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    for measured in &queries {
        judge(case, measured, out);
    }
    Ok(())
}

/// Both conditions; `None` where one of them is written and not understood.
struct Conditions<'w> {
    success: Option<(&'w Fact<String>, Condition)>,
    failure: Option<(&'w Fact<String>, Condition)>,
    /// Something in them is filled in later, so that numbers prove nothing.
    open: bool,
}

impl<'w> Conditions<'w> {
    fn read(measured: &Measured<'w>) -> Option<Self> {
        let metric = measured.metric;
        let read = |fact: &'w Fact<String>| Some((fact, Condition::read(&filled(&fact.value))?));
        let one = |fact: Option<&'w Fact<String>>| match fact {
            Some(fact) => read(fact).map(Some),
            None => Some(None),
        };
        let open = [&metric.success, &metric.failure]
            .into_iter()
            .flatten()
            .any(|fact| fact.value.contains("{{"));
        let read = Self {
            success: one(metric.success.as_ref())?,
            failure: one(metric.failure.as_ref())?,
            open,
        };
        (read.success.is_some() || read.failure.is_some()).then_some(read)
    }

    fn phase(&self, result: &Value) -> Phase {
        let condition =
            |pair: &'_ Option<(&Fact<String>, Condition)>| pair.as_ref().map(|p| p.1.clone());
        let (success, failure) = (condition(&self.success), condition(&self.failure));
        phase(success.as_ref(), failure.as_ref(), result)
    }

    /// The condition that decides: the first that is there.
    fn fact(&self) -> Option<&'w Fact<String>> {
        self.success.as_ref().or(self.failure.as_ref()).map(|(fact, _)| *fact)
    }
}

/// Arguments stand for thresholds: whatever their number is, nothing and NaN compare alike.
fn filled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((_, tail)) = after.split_once("}}") else { break };
        out.push_str(before);
        out.push('1');
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn judge(case: &ObjectCase<'_>, measured: &Measured<'_>, out: &mut Findings) {
    let query = &measured.query;
    if query.selectors.is_empty() || !query.complete {
        return;
    }
    let Some(conditions) = Conditions::read(measured) else { return };
    let text = &measured.text.value;
    let empty_where =
        |is_empty: fn(&Selector) -> bool| yields(text, query, is_empty) == Yield::Empty;
    let ratio = query.divides || query.calls("histogram_quantile");
    let empty = Value::List(Vec::new());
    let nan = Value::List(vec![Value::Number(f64::NAN)]);
    // Nothing is told apart from no errors, so that the rest has nothing to say.
    if empty_where(counts_failures) && !measured.metric.is_range {
        if let Some(finding) = without_errors(case, measured, &conditions) {
            out.push(finding);
        }
        out.found.extend(first_only(case, measured, &conditions));
        return;
    }
    let on_empty = if empty_where(|_| true) { conditions.phase(&empty) } else { Phase::Unknown };
    let on_nan = if ratio { conditions.phase(&nan) } else { Phase::Unknown };
    let by = |what: &str| passes(case, measured, &conditions, what);
    if on_empty == Phase::Successful {
        out.push(by("a query that returns nothing"));
    } else if on_nan == Phase::Successful {
        out.push(by("NaN, which no requests come to,"));
    } else if let Some(finding) = fallback(case, measured, &conditions, ratio) {
        out.push(finding);
    } else if on_empty == Phase::Error {
        out.found.extend(index(case, measured, &conditions));
    }
    out.found.extend(first_only(case, measured, &conditions));
}

/// Labels that say how a request ended.
const OUTCOMES: &[&str] = &[
    "code",
    "status",
    "status_code",
    "http_code",
    "http_status",
    "http_status_code",
    "http_response_status_code",
    "response_code",
    "response_code_class",
    "envoy_response_code",
    "envoy_response_code_class",
    "status_class",
    "result",
    "outcome",
];

/// Whether a selector has series of failed requests alone: the first of them is there with the first failure, as
/// `CounterVec` of client_golang makes it. Those of go-grpc-middleware are there from the beginning
/// (`InitializeMetrics`), and their label is none of these.
fn counts_failures(selector: &Selector) -> bool {
    selector
        .matchers
        .iter()
        .any(|matcher| OUTCOMES.contains(&matcher.label.as_str()) && names_failures(matcher))
}

fn names_failures(matcher: &Matcher) -> bool {
    let value = matcher.value.to_ascii_lowercase();
    if value.contains("{{") || value.contains('$') && matches!(matcher.op, Op::Equal | Op::NotEqual)
    {
        return false;
    }
    let list = value.trim_start_matches('^').trim_end_matches('$');
    let list = list.strip_prefix('(').and_then(|list| list.strip_suffix(')')).unwrap_or(list);
    let class = |part: &str, classes: &str| {
        let first = part.chars().next().filter(|first| classes.contains(*first));
        let set = part.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let of_set =
            set.is_some_and(|(set, _)| !set.is_empty() && set.chars().all(|c| classes.contains(c)));
        first.is_some() && part.len() > 1 || of_set
    };
    let words = |part: &str, words: &[&str]| words.contains(&part);
    let fails = |part: &str| {
        class(part, "45")
            || words(part, &["error", "errors", "fail", "failed", "failure", "4", "5"])
    };
    let succeeds = |part: &str| {
        class(part, "123") || words(part, &["ok", "success", "succeeded", "successful", "2", "3"])
    };
    match matcher.op {
        Op::Equal | Op::Regex => list.split('|').all(fails),
        Op::NotEqual | Op::NotRegex => list.split('|').all(succeeds),
    }
}

/// What the conditions make of a version that has no errors, where the query counts nothing but errors: it returns
/// nothing, as it does while nobody calls the version.
fn without_errors(
    case: &ObjectCase<'_>,
    measured: &Measured<'_>,
    conditions: &Conditions<'_>,
) -> Option<Finding> {
    let name = &measured.metric.name;
    let selector = measured.query.selectors.iter().find(|selector| counts_failures(selector))?;
    let matcher = selector.matchers.iter().find(|matcher| names_failures(matcher))?;
    let text = measured.text.value.get(matcher.place.clone()).unwrap_or_default();
    let (variant, message, label, level) = match conditions.phase(&Value::List(Vec::new())) {
        Phase::Successful => (
            if conditions.success.is_some() { &PASSES } else { &FAILURE_ONLY },
            format!(
                "metric {name} takes no result for a success: a version without errors has none, and one that nobody \
                 calls looks the same"
            ),
            "holds for no result",
            Some(Level::Note),
        ),
        Phase::Error => (
            &HEALTHY,
            format!(
                "a version without errors has no series for metric {name}, unless the program makes it beforehand, and the \
                 query returns nothing: each look is \
                 an error, retried after 10 s, and five in a row abort the rollout"
            ),
            "an error where the query returns nothing",
            None,
        ),
        Phase::Failed => (
            &HEALTHY,
            format!(
                "a version without errors has no series for metric {name}, unless the program makes it beforehand, and the \
                 query returns nothing: each look is \
                 a failure"
            ),
            "does not hold for no result",
            None,
        ),
        Phase::Inconclusive => (
            &HEALTHY,
            format!(
                "a version without errors has no series for metric {name}, unless the program makes it beforehand, and the \
                 query returns nothing: each look is \
                 inconclusive, and the rollout pauses until somebody comes"
            ),
            "does not hold for no result",
            None,
        ),
        Phase::Unknown => return None,
    };
    let fact = conditions.fact()?;
    let finding = Finding::new(&RULE, message, &fact.origin, label)
        .variant(variant)
        .also(&case.world().within(&measured.text.origin, text), "born with the first of them")
        .fix(Fix::suggest(
            "count no errors as 0 beside the requests: `(sum(...) or vector(0)) / sum(...)`; what returns nothing then \
             has no requests",
        ));
    Some(match level {
        Some(level) => finding.level(level),
        None => finding,
    })
}

fn passes(
    case: &ObjectCase<'_>,
    measured: &Measured<'_>,
    conditions: &Conditions<'_>,
    what: &str,
) -> Finding {
    let metric = &measured.metric.name;
    let (variant, message, label, fix) = if conditions.success.is_none() {
        (
            &RULE.variants[0],
            format!(
                "metric {metric} has a failureCondition only: {what} fails it not, and is a success"
            ),
            "does not hold for no data",
            "add a successCondition: what meets neither is inconclusive, and pauses",
        )
    } else {
        (
            &RULE.variants[1],
            format!("metric {metric} takes {what} for a success"),
            "holds for no data",
            "let no data meet neither condition: it is inconclusive then, and pauses",
        )
    };
    // One of the two is there.
    let origin = conditions.fact().map_or(&measured.metric.origin, |fact| &fact.origin);
    Finding::new(&RULE, message, origin, label)
        .variant(variant)
        .also(&query_place(case, measured), "nothing, or NaN, while nobody calls the new version")
        .fix(Fix::suggest(fix))
}

/// `or vector(1)` behind a ratio: without requests it says that all went well.
fn fallback(
    case: &ObjectCase<'_>,
    measured: &Measured<'_>,
    conditions: &Conditions<'_>,
    ratio: bool,
) -> Option<Finding> {
    // For a count, nothing and zero are often the same: a counter of errors is born with the first.
    let (value, place) = measured.query.fallback.clone().filter(|_| ratio)?;
    let value = value?;
    let result = Value::List(vec![Value::Number(value)]);
    if conditions.open || conditions.phase(&result) != Phase::Successful {
        return None;
    }
    let text = measured.text.value.get(place).unwrap_or_default();
    let condition = conditions.fact()?;
    Some(
        Finding::new(
            &RULE,
            format!(
                "metric {} takes no data for {value}, which is a success: a version that nobody \
                 calls is promoted",
                measured.metric.name
            ),
            &case.world().within(&measured.text.origin, text),
            "stands in for no data",
        )
        .variant(&RULE.variants[1])
        .also(&condition.origin, format!("is content with {value}"))
        .fix(Fix::suggest("leave it out, and let no data be inconclusive: `len(result) > 0 && ...` in both conditions")),
    )
}

fn index(
    case: &ObjectCase<'_>,
    measured: &Measured<'_>,
    conditions: &Conditions<'_>,
) -> Option<Finding> {
    let metric = measured.metric;
    let delayed = metric.initial_delay.as_ref().is_some_and(|delay| delay.value != Some(0.0));
    // Who waits for the first requests, or says how many errors are too many, has thought of it.
    if delayed || metric.error_limit.is_some() {
        return None;
    }
    let pairs = [&conditions.success, &conditions.failure];
    let (fact, _) = pairs.into_iter().flatten().find(|(fact, _)| fact.value.contains("result["))?;
    let at = fact.value.find("result[")?;
    let length = fact.value[at..].find(']').map_or(fact.value.len() - at, |n| n + 1);
    Some(
        Finding::new(
            &RULE,
            format!(
                "metric {} looks at the first value of a result that may have none: each look is \
                 an error then, retried after 10 s, and five in a row abort the rollout",
                metric.name
            ),
            &case.world().part(&fact.origin, &fact.value, at..at + length),
            "an error where the query returns nothing",
        )
        .variant(&RULE.variants[2])
        .also(&query_place(case, measured), "nothing, until the new version is called")
        .fix(Fix::suggest(
            "begin both conditions with `len(result) > 0 &&`, so that no data is inconclusive, or \
             set initialDelay",
        )),
    )
}

fn first_only(
    case: &ObjectCase<'_>,
    measured: &Measured<'_>,
    conditions: &Conditions<'_>,
) -> Option<Finding> {
    if measured.query.shape != Shape::Several || measured.metric.is_range {
        return None;
    }
    let pairs = [&conditions.success, &conditions.failure];
    if !pairs.into_iter().flatten().all(|(_, condition)| condition.reads_first_only()) {
        return None;
    }
    let fact = conditions.fact()?;
    Some(
        Finding::new(
            &RULE,
            format!(
                "metric {} looks at one series, and the query returns as many as there are: which \
                 one comes first says nothing",
                measured.metric.name
            ),
            &fact.origin,
            "the first of them",
        )
        .variant(&FIRST)
        .also(&query_place(case, measured), "one series for each set of labels")
        .fix(Fix::suggest(
            "aggregate in the query, or look at all: `len(result) > 0 && all(result, # <= 0.05)`",
        )),
    )
}

/// The first metric of the query, else the query.
fn query_place(case: &ObjectCase<'_>, measured: &Measured<'_>) -> crate::facts::Origin {
    let name = measured.query.selectors.iter().find_map(|selector| selector.name.as_deref());
    match name {
        Some(name) => case.world().within(&measured.text.origin, name),
        None => measured.text.origin.clone(),
    }
}
