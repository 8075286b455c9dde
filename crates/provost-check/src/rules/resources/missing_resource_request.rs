//! Containers that the scheduler counts as nothing.

use crate::case::Case;
use crate::case::resources::Supplied;
use crate::facts::workload::{Container, ContainerRole};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::qos::Class;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Requests are what the scheduler places by and the kubelet evicts by.
pub static RULE: Rule = Rule {
    id: "missing-resource-request",
    group: Group::Resources,
    level: Level::Warn,
    title: "a container without requests",
    page: include_str!("missing-resource-request.md"),
    needs: &[Need::Manifest],
    judges_hooks: true,
    variants: &[
        Variant::new("missing-memory-request", Level::Warn, "no memory request"),
        Variant::new("missing-cpu-request", Level::Warn, "no CPU request"),
        Variant::new("best-effort-pod", Level::Warn, "a pod that asks for nothing"),
        Variant::new("not-guaranteed", Level::Warn, "requests that differ from limits")
            .off()
            .house(Level::Warn),
        Variant::new(
            "memory-request-far-below-limit",
            Level::Note,
            "a memory request below half of the limit",
        ),
    ],
    lacks: &["containers/resources", "resources"],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let judged = |c: &Container| matches!(c.role, ContainerRole::Main | ContainerRole::Sidecar);
    if !judged(case.container) {
        return Err(Abstain::NotApplicable);
    }
    let supplied = |resource| case.of.is_supplied(Supplied::Request, resource);
    let any_supplied = supplied("cpu") || supplied("memory");
    // What is true of the pod is said once, at its first container.
    let first = case.pod().containers.iter().position(judged) == Some(case.index);
    let class = case.of.qos();
    if class == Class::BestEffort && !any_supplied {
        if first {
            best_effort(case, out);
        }
        return Ok(());
    }
    if class == Class::Burstable && first && !any_supplied {
        not_guaranteed(case, out);
    }
    // Requests of the pod as a whole are shared by its containers.
    let pod = case.pod().resources.as_ref().map(|r| r.effective_requests());
    let own = case.container.resources.effective_requests();
    let cpu = own.cpu.is_some() || pod.as_ref().is_some_and(|r| r.cpu.is_some());
    let memory = own.memory.is_some() || pod.as_ref().is_some_and(|r| r.memory.is_some());
    let place = &case.container.resources.origin;
    if !memory && !supplied("memory") {
        out.push(
            Finding::new(
                &RULE,
                "no memory request: the scheduler counts it as nothing, and it is among the first \
                 to go when memory is short",
                place,
                "no request for memory",
            )
            .variant(&RULE.variants[0])
            .fix(Fix::suggest("set resources.requests.memory to what it uses under normal load")),
        );
    }
    if !cpu && !supplied("cpu") {
        out.push(
            Finding::new(
                &RULE,
                "no CPU request: on a busy node it gets the smallest share there is",
                place,
                "cpu.weight of next to nothing",
            )
            .variant(&RULE.variants[1])
            .fix(Fix::suggest("set resources.requests.cpu to what it uses under normal load")),
        );
    }
    far_below(case, out)
}

fn best_effort(case: &Case<'_>, out: &mut Findings) {
    out.push(
        Finding::new(
            &RULE,
            "the pod asks for nothing: its class is BestEffort, the first to be evicted, with \
             oom_score_adj 1000",
            &case.container.resources.origin,
            "no requests, no limits",
        )
        .variant(&RULE.variants[2])
        .fix(Fix::suggest("set requests for cpu and memory to what it uses under normal load")),
    );
}

fn not_guaranteed(case: &Case<'_>, out: &mut Findings) {
    let limits = &case.container.resources.limits;
    let requests = &case.container.resources.requests;
    let mut finding = Finding::new(
        &RULE,
        "requests and limits are not equal in every container: the class is Burstable, not \
         Guaranteed",
        &case.container.resources.origin,
        "Burstable",
    )
    .variant(&RULE.variants[3]);
    for (request, limit) in [
        (requests.cpu.as_ref().map(|c| &c.text), limits.cpu.as_ref().map(|c| &c.text)),
        (requests.memory.as_ref().map(|m| &m.text), limits.memory.as_ref().map(|m| &m.text)),
    ] {
        if let (Some(request), Some(limit)) = (request, limit)
            && request.value != limit.value
        {
            finding =
                finding.also(&request.origin, format!("{} of {}", request.value, limit.value));
        }
    }
    out.push(
        finding.fix(Fix::suggest("set the limits of every container, and requests equal to them")),
    );
}

fn far_below(case: &Case<'_>, out: &mut Findings) -> Judged {
    let Some(request) = case.container.resources.requests.memory.as_ref() else { return Ok(()) };
    let limit = match case.memory_limit() {
        Ok(limit) => limit,
        Err(Abstain::NotApplicable) => return Ok(()),
        Err(unknown) => return Err(unknown),
    };
    let Some(amount) = request.amount else {
        let what = format!("quantity {}", request.text.value);
        return Err(Abstain::unknown(crate::findings::Reason::Templated, what));
    };
    if amount.0.saturating_mul(2) >= limit.value.0 {
        return Ok(());
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the memory request ({amount}) is below half of the limit ({}): the node may promise \
                 more than it has, and GOMEMLIMIT knows nothing of that",
                limit.value
            ),
            &request.text.origin,
            "what the scheduler counts with",
        )
        .variant(&RULE.variants[4])
        .also(&limit.origin, "what it may use")
        .fix(Fix::suggest("raise the request to what it uses under normal load")),
    );
    Ok(())
}
