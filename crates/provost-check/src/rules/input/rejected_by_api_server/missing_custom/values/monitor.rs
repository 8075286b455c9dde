//! Monitors that the operator of Prometheus leaves out.
//!
//! Source: `CompareScrapeTimeoutToScrapeInterval` in pkg/prometheus/promcfg.go of prometheus-operator v0.65 .. v0.94,
//! which `validateScrapeIntervalAndTimeout` calls for each endpoint; one of them is enough for the whole object.

use super::RULE;
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Finding, Fix};
use crate::model::promql::seconds;
use crate::rules::rule::Findings;

/// Endpoints of one monitor that are looked at.
const MOST: usize = 1000;

pub(super) fn check(kind: &str, spec: Node<'_>, out: &mut Findings) {
    let list = |key: &str| spec.get(key).into_iter().flat_map(Node::items).take(MOST);
    match kind {
        "ServiceMonitor" => list("endpoints").for_each(|it| timeout(it, "interval", kind, out)),
        "PodMonitor" => {
            list("podMetricsEndpoints").for_each(|it| timeout(it, "interval", kind, out))
        }
        "Probe" => timeout(spec, "interval", kind, out),
        "ScrapeConfig" => timeout(spec, "scrapeInterval", kind, out),
        _ => {}
    }
}

/// What has no interval of its own has the server's, which is not known here.
fn timeout(endpoint: Node<'_>, key: &str, kind: &str, out: &mut Findings) {
    let read = |key: &str| {
        let node = endpoint.get(key)?;
        let text = node.as_str().filter(|text| !may_be_in(text))?;
        Some((node, text, seconds(text)?))
    };
    let (Some((at, timeout, wait)), Some((every, interval, period))) =
        (read("scrapeTimeout"), read(key))
    else {
        return;
    };
    if wait <= period {
        return;
    }
    let message = format!(
        "the operator leaves out the {kind}, and nothing is scraped by it: `scrapeTimeout \"{timeout}\" greater than \
         scrapeInterval \"{interval}\"`"
    );
    let finding = Finding::new(&RULE, message, &at.origin(), "longer than the interval");
    let finding = finding.also(&every.origin(), "asks this often");
    out.push(finding.fix(Fix::suggest("wait no longer than the interval")));
}
