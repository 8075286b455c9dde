//! Rules that Prometheus does not load, for another reason than their query.

use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::facts::placeholders::is_open_code;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::alert_template;
use crate::model::promql::seconds;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `ValidateRule` of pkg/operator/rules.go of prometheus-operator v0.94 calls `Parse` of model/rulefmt/rulefmt.go
/// of Prometheus v3.5: with one error no rule of the object is loaded.
pub static RULE: Rule = Rule {
    id: "malformed-prometheus-rule",
    group: Group::Metrics,
    level: Level::Deny,
    title: "a rule of Prometheus' for whose sake none of the object is loaded",
    page: include_str!("malformed-prometheus-rule.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

/// Rules of one object that are looked at.
const MOST: usize = 2000;

/// Findings of one object.
const MOST_SAID: usize = 50;

const EFFECT: &str = "the operator leaves out the PrometheusRule, and none of its rules is loaded";

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.group() != "monitoring.coreos.com" || meta.kind.value != "PrometheusRule" {
        return Err(Abstain::NotApplicable);
    }
    case.joined.unpatched(case.object, &["spec"])?;
    let groups = case.object.node().at(&["spec", "groups"]).into_iter().flat_map(Node::items);
    let rules = groups.filter_map(|group| group.get("rules")).flat_map(Node::items).take(MOST);
    let found = rules.flat_map(|rule| judge(case, rule)).take(MOST_SAID);
    found.for_each(|finding| out.push(finding));
    Ok(())
}

fn judge(case: &ObjectCase<'_>, rule: Node<'_>) -> Vec<Finding> {
    let text =
        |key: &str| rule.get(key).filter(|node| node.as_str().is_some_and(|it| !it.is_empty()));
    match (text("record"), text("alert")) {
        (Some(record), Some(alert)) => {
            let message = format!("only one of `record` and `alert` must be set: {EFFECT}");
            let finding = Finding::new(&RULE, message, &record.origin(), "records")
                .also(&alert.origin(), "alerts")
                .fix(Fix::suggest("make two rules of it"));
            vec![finding]
        }
        (Some(_), None) => recording(rule),
        (None, Some(_)) => ["labels", "annotations"]
            .into_iter()
            .filter_map(|key| rule.get(key))
            .flat_map(Node::entries)
            .filter_map(|(key, value)| template(case, key.as_str()?, value))
            .collect(),
        // A key that is filled in otherwise, or is no text.
        (None, None) if rule.get("record").is_some() || rule.get("alert").is_some() => Vec::new(),
        (None, None) => {
            let message = format!("one of `record` or `alert` must be set: {EFFECT}");
            vec![Finding::new(&RULE, message, &rule.origin(), "neither of them")]
        }
    }
}

/// What a recording rule may not have.
fn recording(rule: Node<'_>) -> Vec<Finding> {
    let keys = ["for", "keep_firing_for", "annotations"];
    let refused = keys.into_iter().filter_map(|key| {
        let (name, value) = rule.get_entry(key)?;
        let there = match key {
            "annotations" => value.entries().next().is_some(),
            _ => value.as_str().and_then(seconds).is_some(),
        };
        let message = format!("invalid field '{key}' in recording rule: {EFFECT}");
        there.then(|| {
            Finding::new(&RULE, message, &name.origin(), "of alerts alone")
                .fix(Fix::suggest("remove it, or write `alert` for `record`"))
        })
    });
    refused.collect()
}

fn template(case: &ObjectCase<'_>, key: &str, value: Node<'_>) -> Option<Finding> {
    let text = value.as_str().filter(|text| !is_open_code(text))?;
    let fault = alert_template::fault(text)?;
    let place = case.world().part(&value.origin(), text, fault.place);
    let message = format!("the template of {key} does not parse: {}; {EFFECT}", fault.what);
    let finding = Finding::new(&RULE, message, &place, "no template");
    // A server that is newer, or another one, may define it.
    let finding = if fault.sure { finding } else { finding.level(Level::Warn) };
    Some(match fault.meant {
        Some(meant) => {
            let fix = Fix::suggest(format!("did you mean {meant}?"));
            // The whole text where the word is not written as it is read.
            let edits = place != value.origin();
            finding.fix(if edits { fix.replace(&place, meant) } else { fix })
        }
        None => finding,
    })
}
