//! Requests above the limits that a LimitRange supplies.
//!
//! Admission fills the limits in before the pod is validated: the workload is taken, and its pods are
//! refused (plugin/pkg/admission/limitranger/admission.go and `ValidateResourceRequirements` in
//! pkg/apis/core/validation/validation.go of Kubernetes v1.37.2).

use super::RULE;
use crate::case::ObjectCase;
use crate::case::resources::Supplied;
use crate::facts::Fact;
use crate::findings::{Finding, Fix};
use crate::rules::rule::Findings;

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) {
    let Some(workload) = case.joined.workload(case.id) else { return };
    // Of pods with limits of their own as a whole the limits of containers are another matter.
    if workload.pod().resources.is_some() {
        return;
    }
    let limit = |resource| workload.supplied(Supplied::Limit, resource).ok().flatten();
    let (cpu, memory) = (limit("cpu"), limit("memory"));
    for container in &workload.pod().containers {
        let (asks, most) = (&container.resources.requests, &container.resources.limits);
        if let (Some(asked), None, Some(limit)) = (&asks.cpu, &most.cpu, &cpu)
            && asked.amount.is_some_and(|amount| amount > limit.value.millicores())
        {
            out.push(above("cpu", &asked.text, limit.value.millicores(), limit));
        }
        if let (Some(asked), None, Some(limit)) = (&asks.memory, &most.memory, &memory)
            && asked.amount.is_some_and(|amount| amount > limit.value.bytes())
        {
            out.push(above("memory", &asked.text, limit.value.bytes(), limit));
        }
    }
}

fn above<T>(
    resource: &str,
    asked: &Fact<String>,
    limit: impl std::fmt::Display,
    supplied: &Fact<T>,
) -> Finding {
    Finding::new(
        &RULE,
        format!(
            "{resource} request {asked} is above the limit of {limit} that the LimitRange of the \
             namespace supplies: the pods are refused, `must be less than or equal to {resource} \
             limit`"
        ),
        &asked.origin,
        "above the limit",
    )
    .also(&supplied.origin, "the limit of containers without one")
    .fix(Fix::suggest(format!("set resources.limits.{resource} of the container")))
}
