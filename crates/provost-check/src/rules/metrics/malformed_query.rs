//! Queries that are none.

use crate::case::ObjectCase;
use crate::case::queried::Asker;
use crate::facts::Origin;
use crate::findings::{Finding, Level};
use crate::model::promql::syntax;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `Parse` of promql/parser of Prometheus v3.5: `400 Bad Request`, `bad_data: invalid parameter "query"`.
pub static RULE: Rule = Rule {
    id: "malformed-query",
    group: Group::Metrics,
    level: Level::Deny,
    title: "a query of an analysis, an alert or an autoscaler that does not parse",
    page: include_str!("malformed-query.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let known = super::queries(case)?;
    let broken = known.filter_map(|(query, asker)| {
        let wrong = syntax::error(&query.value)?;
        Some(broken(&query.origin, &wrong, effect(asker)))
    });
    broken.take(super::MOST_SAID).for_each(|finding| out.push(finding));
    Ok(())
}

fn broken(at: &Origin, wrong: &str, effect: &str) -> Finding {
    Finding::new(&RULE, format!("the query does not parse: {wrong}; {effect}"), at, "no query")
}

/// What comes of a query that is none.
fn effect(asker: Asker) -> &'static str {
    match asker {
        Asker::Keda => "Prometheus refuses it, and KEDA scales nothing by it",
        Asker::Flagger => "Prometheus refuses it, and the canary is not promoted",
        Asker::Rule => "Prometheus does not load the rules",
        Asker::Analysis => "Prometheus refuses it, and every measurement is an error",
    }
}
