//! Triggers of KEDA's whose type of metric, or value, their scaler does not take.
//!
//! The webhook does not ask for it: the ScaledObject is taken, stays unready, and its autoscaler is not
//! made. Source: `parseResourceMetadata` in pkg/scalers/cpu_memory_scaler.go and `GetMetricTargetType`
//! in pkg/scalers/scaler.go, keda v2.10 .. v2.21.

use super::{METRIC_TYPE, RULE};
use crate::case::routes::Said;
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Finding, Fix, Level};
use crate::model::quantity::Quantity;
use crate::model::text::shown;
use crate::rules::rule::Findings;

/// Triggers that take what they are told, or do not look: their scalers never ask for the type.
const DO_NOT_LOOK: &[&str] = &["external-mock", "pulsar", "splunk-observability"];

pub(super) fn check(trigger: Node<'_>, of: &Said<'_>, out: &mut Findings) {
    let said = |path: &[&str]| {
        let node = trigger.at(path)?;
        let text = node.as_str().filter(|text| !text.is_empty())?;
        Some(Said { text, at: node.origin() })
    };
    let by = said(&["metricType"]);
    if by.as_ref().is_some_and(|by| may_be_in(by.text)) {
        return;
    }
    if !matches!(of.text, "cpu" | "memory") {
        let by = by.filter(|by| by.text == "Utilization" && !DO_NOT_LOOK.contains(&of.text));
        if let Some(by) = by {
            let why = "'Utilization' metric type is unsupported for external metrics, allowed values \
                       are 'Value' or 'AverageValue'";
            out.push(
                refused(of, &by, &format!("a share is of a request, `{why}`"))
                    .fix(Fix::suggest("write AverageValue, which is the default, or Value")),
            );
        }
        return;
    }
    // Until v2.18 the metadata said it.
    let old = said(&["metadata", "type"]).filter(|old| !may_be_in(old.text));
    let known = match (&by, old) {
        (Some(by), Some(old)) => {
            out.push(
                refused(of, &old, "the metadata says the type once more")
                    .also(&by.at, "the type of the metric")
                    .fix(Fix::suggest("remove type from the metadata")),
            );
            return;
        }
        (None, Some(old)) => {
            out.push(
                refused(of, &old, "from v2.18 on the metadata has no type, metricType has it")
                    .level(Level::Warn)
                    .fix(Fix::suggest(format!("write metricType: {} beside type", old.text))),
            );
            old
        }
        (Some(by), None) => Said { text: by.text, at: by.at.clone() },
        (None, None) => {
            if trigger.at(&["metadata", "type"]).is_none() && trigger.get("metricType").is_none() {
                let fix = "write metricType: Utilization, a share of the request, or AverageValue";
                out.push(refused(of, of, "it says no metricType").fix(Fix::suggest(fix)));
            }
            return;
        }
    };
    let value = trigger.at(&["metadata", "value"]);
    let Some(value) = value.filter(|value| value.as_str().is_some_and(|text| !may_be_in(text)))
    else {
        if value.is_none() && trigger.get("metadata").is_some_and(Node::is_mapping) {
            out.push(
                refused(of, &known, "its metadata has no value")
                    .fix(Fix::suggest("write value: the share or the amount that pods should use")),
            );
        }
        return;
    };
    let text = value.as_str().unwrap_or_default();
    let wanted = match known.text {
        "Utilization" if text.parse::<i32>().is_err() => {
            "the share is a whole number of percent without a sign behind it, \"80\""
        }
        "AverageValue" if Quantity::parse(text).is_err() => "the amount is a quantity, \"500m\"",
        "Utilization" | "AverageValue" => return,
        _ => {
            let why = "it takes Utilization or AverageValue";
            out.push(refused(of, &known, why).fix(Fix::suggest("write one of these")));
            return;
        }
    };
    let said = Said { text, at: value.origin() };
    out.push(refused(of, &said, wanted));
}

fn refused(of: &Said<'_>, said: &Said<'_>, why: &str) -> Finding {
    let what = match std::ptr::eq(of, said) {
        true => format!("trigger {}", of.text),
        false => format!("trigger {} with {}", of.text, shown(said.text)),
    };
    Finding::new(
        &RULE,
        format!("KEDA makes no autoscaler for {what}: {why}"),
        &said.at,
        "refused by the scaler",
    )
    .variant(&METRIC_TYPE)
}
