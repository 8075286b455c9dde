//! Retries of a VirtualService that Istio's webhook refuses.
//!
//! Source: `validateHTTPRetry` and `supportedRetryOnPolicies` in pkg/config/validation/validation.go of
//! istio.io/istio 1.31. istiod then reads the same text without its spaces (`parseRetryOn` in
//! pilot/pkg/networking/core/route/retry), and Envoy passes over words that it does not know.

use super::{MOST, RULE, Refusals, list};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Finding, Fix};
use crate::model::names::nearest;

const POLICIES: &[&str] = &[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

/// Codes that Go's `http.StatusText` has a text for.
fn is_status(word: &str) -> bool {
    matches!(
        word.parse::<u16>(),
        Ok(
            100..=103
            | 200..=208
            | 226
            | 300..=305
            | 307
            | 308
            | 400..=418
            | 421..=426
            | 428
            | 429
            | 431
            | 451
            | 500..=508
            | 510
            | 511,
        )
    )
}

fn is_known(word: &str) -> bool {
    is_status(word) || POLICIES.contains(&word)
}

pub(super) fn check(case: &ObjectCase<'_>, spec: Node<'_>, to: &mut Refusals<'_>) {
    for retries in list(spec, "http").filter_map(|route| route.get("retries")).take(MOST) {
        attempts(retries, to);
        if let Some(node) = retries.get("retryOn")
            && let Some(text) = node.as_str().filter(|text| !text.is_empty() && !may_be_in(text))
        {
            retry_on(case, node, text, to);
        }
    }
}

fn retry_on(case: &ObjectCase<'_>, node: Node<'_>, text: &str, to: &mut Refusals<'_>) {
    let words: Vec<&str> = text.split(',').take(MOST).collect();
    let Some(word) = words.iter().find(|word| !is_known(word)) else { return };
    let meant: Option<Vec<&str>> = words
        .iter()
        .filter(|word| !word.trim().is_empty())
        .map(|word| {
            let word = word.trim();
            let lower = word.to_ascii_lowercase();
            if is_known(word) { Some(word) } else { nearest(&lower, POLICIES.iter().copied(), 2) }
        })
        .collect();
    let refused =
        format!("Istio refuses the VirtualService, `{word:?} is not a valid retryOn policy`");
    let trimmed = word.trim();
    let message = match (trimmed.is_empty(), is_known(trimmed)) {
        (true, _) => format!("retryOn has a comma without a word beside it: {refused}"),
        (_, true) => format!("retryOn has spaces around {trimmed}: {refused}"),
        _ => format!("retryOn knows no {trimmed}: {refused}"),
    };
    let place = case.world().within(&node.origin(), trimmed);
    let finding = Finding::new(&RULE, message, &place, "refused");
    to.push(match meant.filter(|meant| !meant.is_empty() && words.len() < MOST) {
        Some(meant) => {
            let new = meant.join(",");
            let fix = Fix::suggest(format!("write {new}"));
            finding.fix(case.world().rewrite(fix, &node.origin(), text, &new))
        }
        None => finding.fix(Fix::suggest(
            "name what Envoy retries on (5xx, gateway-error, connect-failure, ...), or a status code",
        )),
    });
}

/// Attempts that are not written are none.
fn attempts(retries: Node<'_>, to: &mut Refusals<'_>) {
    let count = match retries.get("attempts") {
        Some(node) => match node.as_i64() {
            Some(count) => count,
            None => return,
        },
        // A merge may bring it.
        None if retries.has_key("<<") => return,
        None => 0,
    };
    if count != 0 {
        return;
    }
    let Some((key, field)) = ["retryOn", "perTryTimeout", "retryRemoteLocalities"]
        .iter()
        .find_map(|field| Some((retries.get_entry(field)?.0, field)))
    else {
        return;
    };
    // An empty text is none.
    if retries.get(field).is_some_and(|value| value.as_str() == Some("")) {
        return;
    }
    if retries.get("attempts").is_none() && !to.lacking.is_told() {
        return;
    }
    let said =
        if retries.get("attempts").is_some() { "are 0" } else { "are not written, which is 0" };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "attempts {said}, and {field} is set: Istio refuses the VirtualService, `http retry policy \
             configured when attempts are set to 0 (disabled)`"
        ),
        &key.origin(),
        "for no retries",
    );
    if let Some(node) = retries.get("attempts") {
        finding = finding.also(&node.origin(), "no retries");
    }
    to.push(finding.fix(Fix::suggest("set attempts, or leave the rest out")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_with_a_text_are_known_and_others_are_not() {
        for known in ["503", "511", "226", "reset"] {
            assert!(is_known(known), "{known}");
        }
        for unknown in ["306", "419", "427", "509", "600", "5XX", " 503", ""] {
            assert!(!is_known(unknown), "{unknown}");
        }
    }
}
