//! Methods in lower case, which are compared as they are: clients send `GET`.
//!
//! Source: `methodGenerator` in pilot/pkg/security/authz/model/generator.go of Istio 1.31, an exact match
//! of `:method`; RFC 9110, 9.1: the method token is case-sensitive.

use super::{METHOD, MOST_VALUES, RULE};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::findings::{Abstain, Finding, Fix};
use crate::rules::rule::{Findings, Judged};

/// Those that somebody sends; others may be anybody's, in any case.
const METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let spec = case.object.node().get("spec").ok_or(Abstain::NotApplicable)?;
    if case.authorization_policy().is_ok() {
        let mut seen = 0;
        for rule in items(spec, "rules") {
            for operation in items(rule, "to").filter_map(|to| to.get("operation")) {
                for (key, negated) in [("methods", false), ("notMethods", true)] {
                    let effect = if negated { "it excludes nothing" } else { "it never matches" };
                    for value in items(operation, key) {
                        seen += 1;
                        if seen > MOST_VALUES {
                            return Ok(());
                        }
                        one(case, value, effect, out);
                    }
                }
            }
        }
        return Ok(());
    }
    if !case.is_virtual_service() {
        return Err(Abstain::NotApplicable);
    }
    // One match of several is enough for a route.
    let requests = items(spec, "http").flat_map(|route| {
        let alone = items(route, "match").take(2).count() == 1;
        items(route, "match").map(move |request| (request, alone))
    });
    for (request, alone) in requests.take(MOST_VALUES) {
        let Some(method) = request.at(&["method", "exact"]) else { continue };
        let effect = match alone {
            true => "no request comes to this route",
            false => "this match takes no request",
        };
        one(case, method, effect, out);
    }
    Ok(())
}

fn items<'d>(of: Node<'d>, key: &str) -> impl Iterator<Item = Node<'d>> + use<'d> {
    of.get(key).into_iter().flat_map(Node::items)
}

fn one(case: &ObjectCase<'_>, value: Node<'_>, effect: &str, out: &mut Findings) {
    let Some(text) = value.as_str() else { return };
    let upper = text.to_ascii_uppercase();
    if upper == text || !METHODS.contains(&upper.as_str()) {
        return;
    }
    let place = value.origin();
    // It lets in who was shut out, or shuts out who was let in, and sends requests elsewhere.
    let fix = Fix::suggest(format!("write {upper}"));
    out.push(
        Finding::new(
            &RULE,
            format!(
                "methods are sent in upper case, and compared as they are with {text}: {effect}"
            ),
            &place,
            "no request has it",
        )
        .variant(&METHOD)
        .fix(case.world().rewrite(fix, &place, text, &upper)),
    );
}
