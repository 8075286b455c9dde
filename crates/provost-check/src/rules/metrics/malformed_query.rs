//! Queries that are none.

use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::facts::placeholders::{is_open_code, may_be_in};
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Level};
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

/// Queries of one object that are looked at.
const MOST: usize = 1000;

/// Findings of one object.
const MOST_SAID: usize = 50;

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let queries = queries(case);
    if queries.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    case.joined.unpatched(case.object, &["spec"])?;
    let known = queries.into_iter().take(MOST).filter(|(query, _)| !is_open_code(&query.value));
    let broken = known.filter_map(|(query, effect)| {
        let wrong = syntax::error(&query.value)?;
        Some(broken(&query.origin, &wrong, effect))
    });
    broken.take(MOST_SAID).for_each(|finding| out.push(finding));
    Ok(())
}

fn broken(at: &Origin, wrong: &str, effect: &str) -> Finding {
    Finding::new(&RULE, format!("the query does not parse: {wrong}; {effect}"), at, "no query")
}

/// The queries of an object, each with what comes of it when it is none.
fn queries(case: &ObjectCase<'_>) -> Vec<(Fact<String>, &'static str)> {
    let meta = &case.object.meta;
    let spec = case.object.node().get("spec");
    let text = |node: Option<Node<'_>>| {
        let node = node?;
        Some(Fact::written(node.as_str()?.to_owned(), node.origin()))
    };
    match (meta.group(), meta.kind.value.as_str()) {
        ("keda.sh", "ScaledObject" | "ScaledJob") => {
            let triggers = spec.and_then(|spec| spec.get("triggers"));
            let triggers = triggers.into_iter().flat_map(Node::items).take(MOST);
            let of_prometheus = triggers
                .filter(|trigger| trigger.get("type").and_then(Node::as_str) == Some("prometheus"));
            let queries = of_prometheus.filter_map(|it| text(it.at(&["metadata", "query"])));
            let effect = "Prometheus refuses it, and KEDA scales nothing by it";
            queries.map(|query| (query, effect)).collect()
        }
        ("flagger.app", "MetricTemplate") => {
            let of = |path: &[&str]| spec.and_then(|spec| spec.at(path));
            let prometheus = of(&["provider", "type"]).and_then(Node::as_str) == Some("prometheus");
            let query = text(of(&["query"])).filter(|_| prometheus);
            let effect = "Prometheus refuses it, and the canary is not promoted";
            query.map(|query| (query, effect)).into_iter().collect()
        }
        ("monitoring.coreos.com", _) => {
            let asked = case.asked().into_iter().map(|(query, _)| query);
            let asked = asked.filter(|query| !may_be_in(&query.value));
            asked.map(|query| (query, "Prometheus does not load the rules")).collect()
        }
        _ => {
            let asked = case.asked().into_iter().map(|(query, _)| query);
            let effect = "Prometheus refuses it, and every measurement is an error";
            asked.map(|query| (query, effect)).collect()
        }
    }
}
