//! Metrics of Argo's AnalysisTemplates, which its controller refuses.

use std::collections::HashMap;

use super::{RULE, is_placeholder, is_whole, refuse};
use crate::case::ObjectCase;
use crate::facts::Origin;
use crate::facts::document::Node;
use crate::facts::rollout::{Analysis, Count, Metric};
use crate::findings::Finding;
use crate::model::goduration;
use crate::rules::rule::Findings;

/// `ValidateMetrics` of argo-rollouts v1.10.2 (utils/analysis/factory.go): the AnalysisRun is an error,
/// and a Rollout that waits for one is `InvalidSpec`.
pub(super) fn check(case: &ObjectCase<'_>, analysis: &Analysis, out: &mut Findings) {
    let mut names: HashMap<&str, &Origin> = HashMap::new();
    for metric in &analysis.metrics {
        let named = metric.name != "?" && !is_placeholder(&metric.name);
        if named && let Some(before) = names.insert(&metric.name, &metric.origin) {
            out.push(
                Finding::new(
                    &RULE,
                    format!("two metrics are named {} (duplicate name)", metric.name),
                    &metric.origin,
                    "once more",
                )
                .also(before, "and here"),
            );
        }
        let node = case.object.document.node(metric.node);
        limits(metric, out);
        durations(metric, node, out);
        providers(metric, node, out);
    }
}

fn limits(metric: &Metric, out: &mut Findings) {
    // What is filled in later may be anything; nothing is zero.
    let known = |count: &Option<Count>| count.as_ref().map_or(Some(0), |count| count.value);
    let least = [
        ("failureLimit", &metric.failure_limit, -1),
        ("inconclusiveLimit", &metric.inconclusive_limit, 0),
        ("consecutiveErrorLimit", &metric.error_limit, 0),
        ("consecutiveSuccessLimit", &metric.success_limit, 0),
    ];
    for (name, limit, least) in least {
        if let Some(limit) = limit
            && let Some(value) = limit.value.filter(|value| *value < least)
        {
            refuse(out, &limit.origin, format!("{name} {value} must be >= {least}"));
        }
    }
    if let (Some(limit), Some(0)) = (&metric.failure_limit, known(&metric.success_limit))
        && limit.value == Some(-1)
    {
        let message = "failureLimit and consecutiveSuccessLimit cannot both be disabled";
        refuse(out, &limit.origin, message);
    }
    let Some(count) = &metric.count else { return };
    let Some(times) = count.value.filter(|times| *times > 0) else { return };
    if let (Some(failures), Some(successes)) =
        (known(&metric.failure_limit), known(&metric.success_limit))
        && failures >= -1
        && successes >= 0
        && times < failures.max(0).saturating_add(successes)
    {
        // -1 is no limit of failures.
        let least = if failures < 0 {
            format!("consecutiveSuccessLimit ({successes})")
        } else {
            format!("failureLimit + consecutiveSuccessLimit ({failures} + {successes})")
        };
        let mut finding = Finding::new(
            &RULE,
            format!("count ({times}) must be >= {least}: metric {} is an error", metric.name),
            &count.origin,
            "measured so often",
        );
        for limit in [&metric.failure_limit, &metric.success_limit].into_iter().flatten() {
            finding = finding.also(&limit.origin, "the limit");
        }
        out.push(finding);
    }
    if let Some(limit) = &metric.inconclusive_limit
        && let Some(most) = limit.value.filter(|most| *most > times)
    {
        let message = format!("count ({times}) must be >= inconclusiveLimit ({most})");
        out.push(
            Finding::new(&RULE, message, &count.origin, "measured so often")
                .also(&limit.origin, "the limit"),
        );
    }
    if times > 1 && metric.interval.is_none() {
        let message = format!("interval must be specified when count > 1: metric {}", metric.name);
        refuse(out, &count.origin, message);
    }
}

fn durations(metric: &Metric, node: Node<'_>, out: &mut Findings) {
    for key in ["interval", "initialDelay"] {
        let Some((text, value)) = super::text(node, key) else { continue };
        if !text.is_empty() && goduration::parse_seconds(text).is_none() {
            let message = format!(
                "invalid {key} string: `{text}` is no duration of Go (`30s`, `5m`), and metric {} is \
                 an error",
                metric.name
            );
            refuse(out, &value.origin(), message);
        }
    }
}

/// Each plugin is a provider, and a `plugin` without any is none.
fn providers(metric: &Metric, node: Node<'_>, out: &mut Findings) {
    let Some((key, provider)) = node.get_entry("provider") else { return };
    if !is_whole(provider) {
        return;
    }
    let mut all = Vec::new();
    for (name, value) in provider.entries() {
        if name.as_str() != Some("plugin") || value.is_null() {
            all.push((name, value));
        } else if is_whole(value) {
            all.extend(value.entries());
        } else {
            return;
        }
    }
    let is_empty = all.is_empty();
    // What is null may still be filled in.
    let mut written = all.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name);
    match (written.next(), written.next()) {
        (None, _) if is_empty => {
            refuse(out, &key.origin(), format!("no provider specified for metric {}", metric.name));
        }
        (Some(first), Some(second)) => out.push(
            Finding::new(
                &RULE,
                format!("multiple providers specified for metric {}", metric.name),
                &second.origin(),
                "one of them",
            )
            .also(&first.origin(), "and the other"),
        ),
        _ => {}
    }
}
