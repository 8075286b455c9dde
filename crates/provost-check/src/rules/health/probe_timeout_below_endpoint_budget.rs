//! A probe that gives up before the endpoint has to answer.

use crate::case::Case;
use crate::facts::workload::Action;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// An endpoint that may take two seconds fails a probe that waits one.
pub static RULE: Rule = Rule {
    id: "probe-timeout-below-endpoint-budget",
    group: Group::Health,
    level: Level::Warn,
    title: "a probe timeout below what the endpoint may take",
    page: include_str!("probe-timeout-below-endpoint-budget.md"),
    needs: &[Need::Manifest],
    variants: &[Variant::new(
        "probe-timeout-over-period",
        Level::Warn,
        "a probe that may wait longer than its period",
    )],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let mut asks_endpoint = false;
    for (field, probe) in case.container.probes() {
        let (timeout, period) = (&probe.timeout, &probe.period);
        if timeout.value > period.value {
            let basis = if period.is_written() { "" } else { ", the default" };
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "the {field} waits {} s for an answer and asks every {} s: a slow endpoint \
                         is asked every {} s",
                        timeout.value, period.value, timeout.value
                    ),
                    &timeout.origin,
                    "longer than the period",
                )
                .variant(&RULE.variants[0])
                .also(&period.origin, format!("periodSeconds {}{basis}", period.value))
                .fix(Fix::suggest("set timeoutSeconds to the period or less")),
            );
        }
        if !matches!(probe.handler.action, Action::HttpGet { .. } | Action::Grpc { .. }) {
            continue;
        }
        asks_endpoint = true;
        let Some(budget) = case.settings().endpoint_timeout.as_ref() else { continue };
        if timeout.value as f64 >= budget.value {
            continue;
        }
        let basis = if timeout.is_written() { "" } else { ", the default" };
        let whole = budget.value.ceil().max(1.0) as i64;
        let fix = Fix::suggest(format!("set timeoutSeconds: {whole}"));
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "the {field} waits {} s{basis}, and the endpoint may take {} s",
                    timeout.value, budget.value
                ),
                &timeout.origin,
                format!("gives up after {} s", timeout.value),
            )
            .also(&budget.origin, format!("may take {} s", budget.value))
            .fix(if timeout.is_written() {
                fix.replace(&timeout.origin, whole.to_string())
            } else {
                fix
            }),
        );
    }
    if !asks_endpoint {
        return if case.container.probes().next().is_some() {
            Ok(())
        } else {
            Err(Abstain::NotApplicable)
        };
    }
    if case.settings().endpoint_timeout.is_none() {
        let what = "endpoint_timeout of [health] in provost.toml";
        return Err(Abstain::unknown(Reason::MeasuredFactMissing, what));
    }
    Ok(())
}
