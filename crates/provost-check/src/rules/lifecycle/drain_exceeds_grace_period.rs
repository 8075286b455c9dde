//! A drain that does not fit into the grace period.

use crate::case::Case;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::grace::Verdict;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Requests that the service would have finished are cut by SIGKILL.
pub static RULE: Rule = Rule {
    id: "drain-exceeds-grace-period",
    group: Group::Lifecycle,
    level: Level::Deny,
    title: "a drain that does not fit into the grace period",
    page: include_str!("drain-exceeds-grace-period.md"),
    needs: &[Need::Manifest],
    variants: &[Variant::new(
        "liveness-during-drain",
        Level::Note,
        "a liveness kill leaves less time than the drain takes",
    )],
    after: &["prestop-exhausts-grace-period"],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    case.not_batch()?;
    if !case.is_target() {
        return Err(Abstain::NotApplicable);
    }
    let service = case.service_settings();
    let drain = service.and_then(|service| service.drain.as_ref()).ok_or_else(|| {
        Abstain::unknown(Reason::MeasuredFactMissing, "how long the service drains (drain)")
    })?;
    liveness_during_drain(case, drain, out);
    let termination = case.termination();
    if termination.verdict != Verdict::DrainExceeds {
        return Ok(());
    }
    let grace = &case.pod().grace_period;
    let lame_duck = service.and_then(|service| service.lame_duck.as_ref());
    let flush = service.and_then(|service| service.flush.as_ref());
    let part = |name: &str, fact: Option<&crate::facts::Fact<f64>>| {
        fact.map_or_else(String::new, |fact| format!(" + {name} {} s", fact.value))
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "after SIGTERM the service takes {} s to drain and exit, and {} of {} s are left for it",
            termination.need.saturating_add(2),
            termination.remaining,
            termination.grace
        ),
        &grace.origin,
        if grace.is_written() {
            format!("SIGKILL at {} s", termination.grace)
        } else {
            format!("terminationGracePeriodSeconds is not set: SIGKILL at {} s", termination.grace)
        },
    )
    .also(&drain.origin, format!("waits up to {} s for requests in flight", drain.value));
    if let Some(origin) = case.pre_stop_origin().filter(|_| termination.prestop > 0) {
        finding = finding.also(
            origin,
            format!("{} s before SIGTERM, counted against the period", termination.prestop),
        );
    }
    finding = finding
        .note(format!(
            "preStop {} s{} + drain {} s{} + 2 s to exit must fit into the grace period",
            termination.prestop,
            part("lame duck", lame_duck),
            drain.value,
            part("flush", flush)
        ))
        .fix(case.set_grace_period(termination.suggested));
    out.push(finding);
    Ok(())
}

/// A liveness probe may bring a grace period of its own, which a liveness kill then uses.
fn liveness_during_drain(case: &Case<'_>, drain: &crate::facts::Fact<f64>, out: &mut Findings) {
    let Some(probe) = &case.container.liveness else { return };
    let Some(grace) = &probe.grace_period else { return };
    if grace.value as f64 >= drain.value {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "a liveness kill leaves {} s, and the drain takes {} s",
                grace.value, drain.value
            ),
            &grace.origin,
            "from SIGTERM to SIGKILL after a failed liveness probe",
        )
        .variant(&RULE.variants[0])
        .also(&drain.origin, format!("waits up to {} s for requests in flight", drain.value))
        .fix(Fix::suggest("remove the probe's terminationGracePeriodSeconds, or accept the cut")),
    );
}
