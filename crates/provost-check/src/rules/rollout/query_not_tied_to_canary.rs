//! A query that measures old and new pods alike.

use crate::case::ObjectCase;
use crate::case::rollouts::{Measured, Resolved, Use, args_in};
use crate::facts::Origin;
use crate::facts::rollout::{Analysis, Canary, UseKind};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::promql::{Op, Selector};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const RARE: Variant = Variant::new(
    "relative-threshold-on-rare-event",
    Level::Note,
    "a ratio of rare events, which a single one decides",
);

/// With 5 % of the traffic on the new version, one that fails always moves the sum by 5 %.
pub static RULE: Rule = Rule {
    id: "query-not-tied-to-canary",
    group: Group::Rollout,
    level: Level::Warn,
    title: "an analysis that measures the whole fleet instead of the new version",
    page: include_str!("query-not-tied-to-canary.md"),
    needs: &[Need::Manifest],
    variants: &[RARE],
    check: Check::Object(check),
    ..Rule::BASE
};

/// Words by which people tell versions apart, in labels, values and names of arguments.
const TIES: &[&str] = &[
    "canary",
    "preview",
    "hash",
    "version",
    "revision",
    "subset",
    "track",
    "candidate",
    "variant",
    "experiment",
    "color",
    "colour",
    "latest",
];

fn is_tie(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    TIES.iter().any(|word| lower.contains(word))
}

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let analysis = case.analysis().ok_or(Abstain::NotApplicable)?;
    let mut queries = case.queries();
    queries.retain(|measured| !measured.query.selectors.is_empty());
    if queries.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    // After a promotion all traffic is the new version's.
    let uses: Vec<Use<'_>> =
        case.uses().filter(|used| used.kind != UseKind::AfterPromotion).collect();
    for measured in &queries {
        rare(case, measured, analysis, &uses, out);
        // Before the labels of each selector: a tie anywhere makes the query one about versions.
        if is_tie(&measured.text.value) {
            continue;
        }
        if uses.is_empty() {
            if case.joined.rollouts.of(case.id).is_empty() {
                let what = format!("the Rollout that uses {}", case.object.meta.name());
                out.abstain(Abstain::unknown(Reason::ObjectNotInInput, what));
            }
            continue;
        }
        match uses.iter().find_map(|used| untied(measured, analysis, used)) {
            Some(Ok(used)) => out.push(finding(case, measured, used)),
            Some(Err(unknown)) => out.abstain(unknown),
            None => {}
        }
    }
    Ok(())
}

/// The use, where none of what it hands over ties the query; unknown where that cannot be told.
fn untied<'u, 'w>(
    measured: &Measured<'_>,
    analysis: &'w Analysis,
    used: &'u Use<'w>,
) -> Option<Result<&'u Use<'w>, Abstain>> {
    let canary = used.strategy.canary.as_ref();
    let services = services(used);
    let mut unknown = None;
    for name in args_in(&measured.text.value) {
        match used.arg(analysis, name) {
            Resolved::LatestHash => return None,
            Resolved::Text(text) => {
                // An experiment's arguments are filled in by the controller.
                let filled = text.contains("{{");
                if is_tie(text) || filled || services.iter().any(|service| text.contains(service)) {
                    return None;
                }
            }
            Resolved::StableHash => {}
            Resolved::Unknown => unknown = Some(name),
        }
    }
    let query = &measured.query;
    let by_label = |canary: &Canary| {
        query.selectors.iter().flat_map(|selector| &selector.matchers).any(|matcher| {
            let named = |name: &str| !name.is_empty() && matcher.value.contains(name);
            canary.labels.iter().any(|label| named(label))
        })
    };
    let by_service = query
        .selectors
        .iter()
        .flat_map(|s| &s.matchers)
        .any(|matcher| services.iter().any(|service| matcher.value.contains(service)));
    if by_service || canary.is_some_and(by_label) {
        return None;
    }
    Some(match unknown {
        Some(name) => {
            let what = format!("the argument {name} of {}", measured.metric.name);
            Err(Abstain::unknown(Reason::ValueFromField, what))
        }
        None => Ok(used),
    })
}

/// Services that get the new version's requests alone.
fn services<'w>(used: &Use<'w>) -> Vec<&'w str> {
    let mut found: Vec<&str> = Vec::new();
    let mut add = |fact: &'w Option<crate::facts::Fact<String>>| {
        found.extend(fact.as_ref().map(|fact| fact.value.as_str()));
    };
    if let Some(canary) = &used.strategy.canary {
        add(&canary.canary_service);
        if let Some(pair) = &canary.ping_pong {
            add(&pair.ping);
            add(&pair.pong);
        }
    }
    if let Some(blue_green) = &used.strategy.blue_green {
        add(&blue_green.preview);
    }
    found
}

fn finding(case: &ObjectCase<'_>, measured: &Measured<'_>, used: &Use<'_>) -> Finding {
    let rollout = used.rollout.object.meta.name();
    let first = measured.query.selectors.first();
    let place = first
        .map_or_else(|| measured.text.origin.clone(), |selector| place(case, measured, selector));
    Finding::new(
        &RULE,
        format!(
            "metric {} measures old and new pods together: nothing in its query tells the new \
             version of {rollout} from the stable one",
            measured.metric.name
        ),
        &place,
        "matches the stable version too",
    )
    .also(&used.used.origin, format!("decides whether {rollout} goes on"))
    .fix(Fix::suggest(
        "hand over the hash (valueFrom.podTemplateHashValue: Latest) and match it, or match the \
         canary Service",
    ))
}

fn place(case: &ObjectCase<'_>, measured: &Measured<'_>, selector: &Selector) -> Origin {
    let text = measured.text.value.get(selector.place.clone()).unwrap_or_default();
    case.world().within(&measured.text.origin, text)
}

/// Errors of the new version over those of the stable one: of a rare event there is one or none.
fn rare(
    case: &ObjectCase<'_>,
    measured: &Measured<'_>,
    analysis: &Analysis,
    uses: &[Use<'_>],
    out: &mut Findings,
) {
    let query = &measured.query;
    let text = measured.text.value.as_str();
    let guarded = query.calls("clamp_min")
        || ["and", "unless"].iter().any(|word| text.split_whitespace().any(|w| w == *word));
    let counts = query.selectors.iter().all(|selector| {
        matches!(selector.function.as_deref(), Some("rate" | "irate" | "increase"))
    });
    if !query.divides || guarded || !counts || query.calls("histogram_quantile") {
        return;
    }
    let stable = |selector: &Selector| about(selector, analysis, uses) == Some(Arm::Stable);
    let fresh = |selector: &Selector| about(selector, analysis, uses) == Some(Arm::New);
    let selectors = &query.selectors;
    let (Some(new), Some(old)) =
        (selectors.iter().find(|s| fresh(s)), selectors.iter().find(|s| stable(s)))
    else {
        return;
    };
    // Both arms count the same event, and nothing brings in how many requests there were.
    let same = selectors.iter().all(|s| s.name.is_some() && s.name == new.name);
    if !same || selectors.len() != 2 {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "metric {} compares counts of the new version with counts of the stable one: of a \
                 rare event there is often none, which divides by 0, and one alone is many times \
                 as much",
                measured.metric.name
            ),
            &place(case, measured, new),
            "none or one, most of the time",
        )
        .variant(&RULE.variants[0])
        .also(&place(case, measured, old), "divides by what may be 0")
        .note(
            "with 500 and 9500 requests a minute and 0.1 % errors in both, a threshold of three \
             times as much aborts 94 % of all rollouts within 20 looks",
        )
        .fix(Fix::suggest(
            "ask for a minimum of events besides (`and sum(increase(...)) > 20`), or compare rates \
             of failure with a difference",
        )),
    );
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Arm {
    New,
    Stable,
}

fn about(selector: &Selector, analysis: &Analysis, uses: &[Use<'_>]) -> Option<Arm> {
    let mut found = None;
    for matcher in &selector.matchers {
        if matches!(matcher.op, Op::NotEqual | Op::NotRegex) {
            continue;
        }
        let lower = matcher.value.to_ascii_lowercase();
        if lower.contains("stable") || lower.contains("baseline") {
            return Some(Arm::Stable);
        }
        if lower.contains("canary") {
            found = Some(Arm::New);
        }
        for name in args_in(&matcher.value) {
            let resolved = uses.first().map(|used| used.arg(analysis, name));
            match resolved {
                Some(Resolved::StableHash) => return Some(Arm::Stable),
                Some(Resolved::LatestHash) => found = Some(Arm::New),
                _ => {}
            }
        }
    }
    found
}
