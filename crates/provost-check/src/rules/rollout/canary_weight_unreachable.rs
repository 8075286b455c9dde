//! A share of the traffic that so few pods cannot make.

use crate::case::WorkloadCase;
use crate::case::scale::pods;
use crate::facts::Fact;
use crate::facts::rollout::StepKind;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::pdb::Replicas;
use crate::model::rolling::canary_share;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Without a traffic router the weight is a number of pods (utils/replicaset/canary.go).
pub static RULE: Rule = Rule {
    id: "canary-weight-unreachable",
    group: Group::Rollout,
    level: Level::Warn,
    title: "a canary weight that the number of pods cannot come near",
    page: include_str!("canary-weight-unreachable.md"),
    needs: &[Need::Manifest],
    check: Check::Workload(check),
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let canary = case.strategy().and_then(|strategy| strategy.canary.as_ref());
    let canary = canary.filter(|canary| canary.routing.is_none()).ok_or(Abstain::NotApplicable)?;
    let weights: Vec<&Fact<i64>> = canary
        .steps
        .iter()
        .filter_map(|step| match &step.kind {
            StepKind::Weight(weight) if (1..100).contains(&weight.value) => Some(weight),
            _ => None,
        })
        .collect();
    if weights.is_empty() || !case.is_whole_rollout() {
        return Err(Abstain::NotApplicable);
    }
    case.as_applied()?;
    let written = case.workload.replicas.as_ref().ok_or(Abstain::NotApplicable)?;
    // At its largest: what no number of pods comes near is wrong at all of them.
    let (replicas, origin, label) = match case.scale()? {
        Replicas::Scaled { max, .. } => {
            let scaler = case.scaler()?.ok_or(Abstain::NotApplicable)?;
            let most = scaler.max.ok_or(Abstain::NotApplicable)?;
            (max, most.origin.clone(), format!("{} at most", pods(u64::from(max))))
        }
        Replicas::Fixed(_) if !written.is_written() => {
            let what = format!("the number of pods of {}", case.object.subject());
            return Err(Abstain::unknown(Reason::ExternalController, what));
        }
        Replicas::Fixed(n) => (n, written.origin.clone(), pods(u64::from(n))),
    };
    if replicas == 0 {
        return Err(Abstain::NotApplicable);
    }
    let surge = case.workload.strategy.as_ref().and_then(|s| s.max_surge.value.known());
    let surges = surge.is_none_or(|surge| surge.up(replicas) > 0);
    let missed = |weight: &&&Fact<i64>| {
        let wanted = u32::try_from(weight.value).unwrap_or(0);
        let share = canary_share(replicas, wanted, surges);
        (share.percent() - f64::from(wanted)).abs() > f64::from(wanted) / 2.0
    };
    let Some(weight) = weights.iter().find(missed) else { return Ok(()) };
    let wanted = u32::try_from(weight.value).unwrap_or(0);
    let share = canary_share(replicas, wanted, surges);
    let percent = format!("{:.0} %", share.percent());
    out.push(
        Finding::new(
            &RULE,
            format!(
                "{wanted} % with {} is {percent}: without trafficRouting a weight is a number of \
                 pods, {} of {} here",
                pods(u64::from(replicas)),
                share.canary,
                share.total
            ),
            &weight.origin,
            format!("becomes {percent}"),
        )
        .also(&origin, label)
        .fix(Fix::suggest(format!(
            "configure trafficRouting, run at least {} replicas, or write the weight that is meant",
            100_u32.div_ceil(wanted.max(1))
        ))),
    );
    Ok(())
}
