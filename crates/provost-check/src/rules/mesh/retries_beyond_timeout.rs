//! Retries of a route for which its timeout leaves no time.

use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::goduration;
use crate::model::retries::{Fit, after_timeouts, fit};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const NEVER_BEGUN: Variant = Variant::new(
    "retries-never-begun",
    Level::Note,
    "a timeout that is over before all retries of slow tries are begun",
);

/// Envoy takes the timeout of a try for none where it is not below that of the route.
pub static RULE: Rule = Rule {
    id: "retries-beyond-timeout",
    group: Group::Mesh,
    level: Level::Warn,
    title: "a timeout of a try that is not below the route's",
    page: include_str!("retries-beyond-timeout.md"),
    needs: &[Need::Manifest],
    variants: &[NEVER_BEGUN],
    check: Check::Object(check),
    ..Rule::BASE
};

/// Routes of one object that are looked at.
const MOST: usize = 1000;

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.group() != "networking.istio.io" || meta.kind.value != "VirtualService" {
        return Err(Abstain::NotApplicable);
    }
    let routes = case.object.node().at(&["spec", "http"]).ok_or(Abstain::NotApplicable)?;
    case.joined.unpatched(case.object, &["spec/http"])?;
    for route in routes.items().take(MOST) {
        one(route, out);
    }
    Ok(())
}

/// A duration in milliseconds, with its place and text.
fn duration<'d>(of: Node<'d>, key: &str) -> Option<(u64, Node<'d>, &'d str)> {
    let node = of.get(key)?;
    let text = node.as_str()?;
    let seconds = goduration::parse_seconds(text).filter(|seconds| *seconds > 0.0)?;
    // Saturates: a duration of Go's is below 2^63 ns.
    Some(((seconds * 1000.0).round() as u64, node, text))
}

fn one(route: Node<'_>, out: &mut Findings) {
    let Some(retries) = route.get("retries") else { return };
    let (Some((timeout_ms, timeout, whole)), Some((try_ms, of_try, part))) =
        (duration(route, "timeout"), duration(retries, "perTryTimeout"))
    else {
        return;
    };
    let attempts = retries.get("attempts").and_then(Node::as_i64).unwrap_or(0);
    let Ok(attempts) = u64::try_from(attempts) else { return };
    let retry_on = retries.get("retryOn").and_then(Node::as_str).unwrap_or_default();
    let again = after_timeouts(retry_on);
    let enough = try_ms.saturating_mul(attempts.saturating_add(1));
    let fix = Fix::suggest(format!(
        "set perTryTimeout to {} or less, or timeout to {} or more",
        shown(timeout_ms / attempts.saturating_add(1)),
        shown(enough)
    ));
    match (fit(timeout_ms, try_ms, attempts), again) {
        (Fit::LeftOut, Some(word)) => out.push(
            Finding::new(
                &RULE,
                format!(
                    "perTryTimeout {part} is not below the route's timeout of {whole}, and Envoy leaves it \
                     out: a try that hangs takes all the time, and is not retried, though retryOn has {word}"
                ),
                &of_try.origin(),
                "as if it were not set",
            )
            .also(&timeout.origin(), "of all tries together")
            .fix(fix),
        ),
        // Where a slow try is not retried, both end it at the same time.
        (Fit::LeftOut, None) if try_ms > timeout_ms => out.push(
            Finding::new(
                &RULE,
                format!(
                    "perTryTimeout {part} is above the route's timeout of {whole}, and Envoy leaves it out"
                ),
                &of_try.origin(),
                "as if it were not set",
            )
            .also(&timeout.origin(), "of all tries together")
            .fix(fix),
        ),
        (Fit::Some(begun), Some(word)) => {
            let place = retries.get("attempts").unwrap_or(of_try);
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "of {attempts} retries {begun} {} begun when each try takes its {part}: the route's \
                         timeout of {whole} is over before the others",
                        if begun == 1 { "is" } else { "are" }
                    ),
                    &place.origin(),
                    format!("with retryOn {word} slow tries are retried"),
                )
                .variant(&NEVER_BEGUN)
                .also(&of_try.origin(), "of each try")
                .also(&timeout.origin(), "of all tries together")
                .fix(fix),
            );
        }
        _ => {}
    }
}

/// `6s`, `1500ms`
fn shown(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
}
