//! Argo's Rollout, which its controller refuses as `InvalidSpec`.

use super::refuse;
use crate::case::ObjectCase;
use crate::facts::rollout::{Canary, StepKind};
use crate::facts::workload::Workload;
use crate::rules::rule::Findings;

/// `ValidateRolloutStrategy` and `ValidateRolloutStrategyCanary` of argo-rollouts v1.10.2
/// (pkg/apis/rollouts/validation/validation.go).
pub(super) fn check(case: &ObjectCase<'_>, workload: &Workload, out: &mut Findings) {
    let Some(rollout) = &workload.rollout else { return };
    let whole = case.joined.workload(case.id).is_some_and(|case| case.is_whole_rollout());
    match (&rollout.canary, &rollout.blue_green) {
        (Some(canary), Some(blue_green)) => {
            let origin = &blue_green.origin;
            let finding = crate::findings::Finding::new(
                &super::RULE,
                "Multiple Strategies can not be listed: canary and blueGreen are both written",
                origin,
                "one of them",
            );
            out.push(finding.also(&canary.origin, "and the other"));
        }
        (None, None) if whole && !rollout.other => refuse(
            out,
            &rollout.origin,
            "a Rollout needs .spec.strategy.canary or .spec.strategy.blueGreen",
        ),
        _ => {}
    }
    if let Some(canary) = &rollout.canary {
        steps(canary, whole, out);
    }
}

fn steps(canary: &Canary, whole: bool, out: &mut Findings) {
    let most = canary.routing.as_ref().map_or(Some(100), |routing| routing.max_weight);
    for step in &canary.steps {
        if let (StepKind::Weight(weight), Some(most)) = (&step.kind, most)
            && !(0..=most).contains(&weight.value)
        {
            refuse(
                out,
                &weight.origin,
                format!("SetWeight needs to be between 0 and {most}, and is {weight}"),
            );
        }
        let names: Vec<&str> = step.fields.iter().map(|field| field.value.as_str()).collect();
        // Only these exclude each other.
        let one_of = ["setWeight", "pause", "experiment", "analysis"];
        let several = names.iter().filter(|name| one_of.contains(name)).count() > 1;
        if several {
            refuse(
                out,
                &step.origin,
                format!("a step does one thing, and this one has {}", names.join(" and ")),
            );
        } else if names.is_empty() {
            refuse(
                out,
                &step.origin,
                "Step must have one of the following set: experiment, setWeight, setCanaryScale, \
                 plugin or pause",
            );
        }
        let scales = step.fields.iter().find(|field| field.value == "setCanaryScale");
        if let Some(field) = scales.filter(|_| canary.routing.is_none() && whole) {
            refuse(out, &field.origin, "SetCanaryScale requires TrafficRouting to be set");
        }
    }
}
