//! Grace periods that are too short to end in, or too long to wait for.

use crate::case::WorkloadCase;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Longer than the cluster autoscaler waits for a node to drain (`--max-graceful-termination-sec`,
/// 600 s by default).
const AUTOSCALER_WAIT: i64 = 600;

/// A grace period outside of what termination can work with.
pub static RULE: Rule = Rule {
    id: "extreme-grace-period",
    group: Group::Lifecycle,
    level: Level::Warn,
    title: "a grace period too short to end in, or too long to wait for",
    page: include_str!("extreme-grace-period.md"),
    needs: &[Need::Manifest],
    variants: &[
        Variant::new("zero-grace-period", Level::Deny, "SIGKILL without SIGTERM"),
        Variant::new(
            "long-grace-period",
            Level::Note,
            "a node drain waits longer than the autoscaler",
        ),
    ],
    check: Check::Workload(check),
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let grace = &case.pod().grace_period;
    if !grace.is_written() {
        return Ok(());
    }
    let service = case.first_service();
    match grace.value {
        0 => {
            let mut finding = Finding::new(
                &RULE,
                "a grace period of 0 s: SIGKILL without SIGTERM, and preStop does not run",
                &grace.origin,
                "SIGKILL at once",
            )
            .variant(&RULE.variants[0])
            .level(if service.is_some() { Level::Deny } else { Level::Warn });
            if let Some((object, _)) = service {
                finding = finding.also(&object.origin(), "requests in flight from here are cut");
            }
            let values = case.world().computed_from(&grace.origin);
            out.push(finding.fix(match values.is_empty() {
                true => Fix::safe("set it to the default of 30").replace(&grace.origin, "30"),
                false => Fix::suggest(format!("raise {}, of which it is computed", values.join(" or "))),
            }));
        }
        1..=4 if service.is_some() => {
            let mut finding = Finding::new(
                &RULE,
                format!("a grace period of {} s leaves no time to finish requests", grace.value),
                &grace.origin,
                format!("SIGKILL {} s after SIGTERM", grace.value),
            );
            if let Some((object, _)) = service {
                finding = finding.also(&object.origin(), "sends it requests");
            }
            out.push(finding.fix(Fix::suggest("set it to what preStop and the drain need, 30 by default")));
        }
        long if long > AUTOSCALER_WAIT => out.push(
            Finding::new(
                &RULE,
                format!(
                    "a grace period of {long} s is longer than the cluster autoscaler waits ({AUTOSCALER_WAIT} s)"
                ),
                &grace.origin,
                "a node that is scaled down is deleted before",
            )
            .variant(&RULE.variants[1])
            .fix(Fix::suggest("shorten the drain, or mark the pods cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\"")),
        ),
        _ => {}
    }
    Ok(())
}
