//! Rolling updates that take away too many pods at once.

use crate::case::WorkloadCase;
use crate::case::scale::pods;
use crate::facts::workload::WorkloadKind;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// What is left while a rollout runs has to carry all requests.
pub static RULE: Rule = Rule {
    id: "rolling-update-drops-capacity",
    group: Group::Availability,
    level: Level::Warn,
    title: "a rollout that leaves half of the pods or fewer",
    page: include_str!("rolling-update-drops-capacity.md"),
    needs: &[Need::Manifest],
    variants: &[
        Variant::new("recreate-strategy", Level::Warn, "all pods stop before a new one starts"),
        Variant::new(
            "zero-min-ready-seconds",
            Level::Note,
            "one successful check counts as available",
        ),
    ],
    check: Check::Workload(check),
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    use WorkloadKind::{Deployment, Rollout, StatefulSet};
    let kind = case.workload.kind;
    if !matches!(kind, Deployment | Rollout | StatefulSet) || case.rollout().is_some() {
        return Err(Abstain::NotApplicable);
    }
    let strategy = case.workload.strategy.as_ref().ok_or(Abstain::NotApplicable)?;
    min_ready(case, out);
    if kind == Deployment && strategy.strategy_type.value == "Recreate" {
        return recreate(case, out);
    }
    // One by one is the least a StatefulSet can do.
    if kind == StatefulSet && !strategy.max_unavailable.is_written() {
        return Ok(());
    }
    // The API server refuses it: rejected-by-api-server.
    if case.workload.stands_still() {
        return Ok(());
    }
    for n in case.scale()?.judged().into_iter().filter(|n| *n > 0) {
        let rolled = case.rolling(n)?;
        if u64::from(rolled.floor) * 2 > u64::from(n) {
            continue;
        }
        let service = case.first_service();
        let deny = rolled.floor == 0 && n >= 2 && service.is_some();
        // No pod with surge to replace it is a choice only where pods cannot overlap.
        let claim = case.exclusive_claim();
        if !deny && claim.as_ref().is_ok_and(Option::is_some) {
            return Ok(());
        }
        let left = match rolled.floor {
            0 => "no pod".to_owned(),
            floor => format!("{floor} of {n} pods"),
        };
        let mut finding = Finding::new(
            &RULE,
            format!(
                "a rollout leaves {left}: maxUnavailable {} of {} is {}",
                strategy.max_unavailable.value,
                pods(u64::from(n)),
                rolled.unavailable
            ),
            &strategy.max_unavailable.origin,
            format!("{} may be missing", rolled.unavailable),
        )
        .level(if deny { Level::Deny } else { Level::Warn });
        if let Some((origin, text)) = case.scale_evidence() {
            finding = finding.also(&origin, text);
        }
        if let Some((object, _)) = service {
            finding = finding.also(&object.origin(), "goes on sending requests");
        }
        if rolled.fencepost {
            finding = finding
                .note("both shares come out as 0, and the controller makes maxUnavailable 1");
        }
        let fix = if kind == StatefulSet {
            Fix::suggest("set maxUnavailable: 1").replace(&strategy.max_unavailable.origin, "1")
        } else {
            let fix = Fix::suggest("set maxUnavailable: 0 and maxSurge: 1");
            if strategy.max_unavailable.is_written() && strategy.max_surge.is_written() {
                fix.replace(&strategy.max_unavailable.origin, "0")
                    .replace(&strategy.max_surge.origin, "1")
            } else {
                fix
            }
        };
        out.push(finding.fix(fix));
        return Ok(());
    }
    Ok(())
}

fn recreate(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let Some((service, _)) = case.first_service() else { return Ok(()) };
    if case.exclusive_claim()?.is_some() {
        return Ok(());
    }
    let strategy = case.workload.strategy.as_ref().ok_or(Abstain::NotApplicable)?;
    let most = case.scale()?.judged().last().copied().unwrap_or(1);
    if most == 0 {
        return Ok(());
    }
    let mut finding = Finding::new(
        &RULE,
        "Recreate behind a Service: every rollout is an outage from the end of the last old pod \
         to the readiness of the first new one",
        &strategy.strategy_type.origin,
        "stops all pods first",
    )
    .variant(&RULE.variants[0])
    .level(if most >= 2 { Level::Deny } else { Level::Warn })
    .also(&service.origin(), "has no endpoint meanwhile");
    if let Some((origin, text)) = case.scale_evidence() {
        finding = finding.also(&origin, text);
    }
    out.push(
        finding.fix(
            Fix::suggest("use RollingUpdate with maxUnavailable: 0 and maxSurge: 1")
                .replace(&strategy.strategy_type.origin, "RollingUpdate"),
        ),
    );
    Ok(())
}

fn min_ready(case: &WorkloadCase<'_>, out: &mut Findings) {
    let seconds = &case.workload.min_ready_seconds;
    let Some((service, _)) = case.first_service() else { return };
    let rolls = case.workload.strategy.as_ref().is_some_and(|strategy| {
        matches!(strategy.strategy_type.value.as_str(), "RollingUpdate" | "Canary")
    });
    // The one pod of a StatefulSet stops first: there is no rollout to go on.
    let alone = case.workload.kind == WorkloadKind::StatefulSet
        && case.replica_counts().last().is_none_or(|most| *most <= 1);
    if seconds.value != 0 || !rolls || alone {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            "minReadySeconds is 0: a new pod that answers one check and crashes counts as available",
            &seconds.origin,
            "the rollout goes on at the first success",
        )
        .variant(&RULE.variants[1])
        .also(&service.origin(), "sends it requests at once")
        .fix(Fix::suggest("set minReadySeconds to 10 or more")),
    );
}
