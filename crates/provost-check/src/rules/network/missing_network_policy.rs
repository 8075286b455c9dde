//! Pods that anybody in the cluster may call.

use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::Body;
use crate::facts::objects::NetworkPolicy;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const NOTHING: Variant =
    Variant::new("network-policy-selects-nothing", Level::Note, "a policy that holds for no pod");

const ONE_WAY: Variant =
    Variant::new("one-way-network-policy", Level::Note, "policies for one direction only")
        .off()
        .house(Level::Note);

/// Without a policy everything is allowed.
pub static RULE: Rule = Rule {
    id: "missing-network-policy",
    group: Group::Network,
    level: Level::Note,
    off: true,
    house: Some(Level::Note),
    title: "no NetworkPolicy selects the pods",
    page: include_str!("missing-network-policy.md"),
    needs: &[Need::Manifest],
    variants: &[NOTHING, ONE_WAY],
    check: Check::Workload(check),
    also: &[Check::Object(policy)],
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    // Policies do not hold for pods in the node's network.
    if case.pod().host_network.value {
        return Err(Abstain::NotApplicable);
    }
    let policies: Vec<&NetworkPolicy> = case.network_policies().map(|(_, it)| it).collect();
    let isolated = |of: fn(&NetworkPolicy) -> bool| policies.iter().any(|policy| of(policy));
    let (inward, outward) =
        (isolated(|it| it.ingress.is_some()), isolated(|it| it.egress.is_some()));
    if inward && outward {
        return Ok(());
    }
    case.joined
        .nothing_passed_over(case.id, |object| matches!(object.body, Body::NetworkPolicy(_)))?;
    if !policies.is_empty() {
        let message = if inward {
            "the policies that select the pods say who may call them, and nothing of what they may \
             call: they may call everything"
        } else {
            "the policies that select the pods say what they may call, and nothing of who may call \
             them: every pod of the cluster may"
        };
        let label = if inward { "no policy for Egress" } else { "no policy for Ingress" };
        out.push(Finding::new(&RULE, message, &case.object.origin(), label).variant(&ONE_WAY).fix(
            Fix::suggest("add the other direction to policyTypes, with what the service needs"),
        ));
        return Ok(());
    }
    out.push(
        Finding::new(
            &RULE,
            "no NetworkPolicy of the input selects the pods: every pod of the cluster may call them, \
             and they may call everything",
            &case.object.origin(),
            "no policy holds for it",
        )
        .fix(Fix::suggest("allow what the service needs by a NetworkPolicy, DNS included")),
    );
    Ok(())
}

fn policy(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::NetworkPolicy(policy) = &case.object.body else { return Err(Abstain::NotApplicable) };
    if policy.selector.is_empty() || case.selected().next().is_some() {
        return Ok(());
    }
    case.joined.nothing_passed_over(case.id, |_| true)?;
    // Where the namespace has no workload at all, they are simply elsewhere.
    let namespace = &case.object.meta.namespace.value;
    if case.joined.joins.workloads_in(namespace).is_empty() && !case.world().settings.closed_world {
        return Err(Abstain::NotApplicable);
    }
    out.push(
        Finding::new(
            &RULE,
            "the policy selects no pod of the input: it allows and refuses nothing",
            &policy.selector.origin,
            "matches no pod",
        )
        .variant(&NOTHING)
        .fix(Fix::suggest("select the labels of the pod template")),
    );
    Ok(())
}
