//! Pods that anybody in the cluster may call.

use crate::case::near::Near;
use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::Body;
use crate::facts::document::Node;
use crate::facts::objects::{NetworkPolicy, Selector};
use crate::facts::placeholders::may_be_in;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const NOTHING: Variant =
    Variant::new("network-policy-selects-nothing", Level::Note, "a policy that holds for no pod");

const ONE_WAY: Variant =
    Variant::new("one-way-network-policy", Level::Note, "policies for one direction only")
        .off()
        .house(Level::Note);

const PEER: Variant =
    Variant::new("peer-selects-nothing", Level::Note, "a peer of a policy that is no pod");

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
    variants: &[NOTHING, ONE_WAY, PEER],
    check: Check::Workload(check),
    also: &[Check::Object(policy), Check::Object(peers)],
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

/// Workloads of a namespace that peers are compared with.
const COMPARED: usize = 2000;

/// Peers of one policy that are looked at.
const MOST_PEERS: usize = 256;

/// Peers that are pods of the policy's own namespace, and of which there are none. Only what the input
/// shows to be a slip, or all of them where nothing but the input is there.
fn peers(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::NetworkPolicy(_) = &case.object.body else { return Err(Abstain::NotApplicable) };
    let peers: Vec<(&str, Node<'_>)> = [("ingress", "from"), ("egress", "to")]
        .into_iter()
        .flat_map(|(way, list)| {
            let rules = case.object.node().at(&["spec", way]).into_iter().flat_map(Node::items);
            let peers =
                rules.flat_map(move |rule| rule.get(list).into_iter().flat_map(Node::items));
            let own = peers.filter(|peer| peer.get("namespaceSelector").is_none());
            own.filter_map(move |peer| Some((way, peer.get("podSelector")?)))
        })
        .take(MOST_PEERS)
        .collect();
    if peers.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    case.joined.unpatched(case.object, &["spec/ingress", "spec/egress"])?;
    case.joined.nothing_passed_over(case.id, |_| true)?;
    let namespace = &case.object.meta.namespace.value;
    let ids = case.joined.joins.workloads_in(namespace);
    if ids.len() > COMPARED {
        return Err(Abstain::unknown(Reason::LimitReached, "the pods that its peers are"));
    }
    let workloads: Vec<WorkloadCase<'_>> =
        ids.iter().filter_map(|id| case.joined.workload(*id)).collect();
    let closed = case.joined.pods_are_known(namespace);
    let mut unknown = None;
    for (way, node) in peers {
        let selector = Selector::at(node);
        let open = selector.labels.iter().any(|(k, v)| may_be_in(k) || may_be_in(v));
        let matches = |it: &WorkloadCase<'_>| selector.matches(&it.template().pod().labels);
        if open || selector.is_empty() || workloads.iter().any(matches) {
            continue;
        }
        let near = workloads.iter().find_map(|workload| {
            let object = workload.template().object;
            let near = Near::of(&selector, object)?;
            case.joined.may_be_together(case.object, object).then_some((workload, near))
        });
        if !closed && near.is_none() {
            unknown =
                Some(Abstain::unknown(Reason::ObjectNotInInput, "the pods that its peers are"));
            continue;
        }
        let effect = if way == "ingress" { "lets nobody in" } else { "lets nothing out" };
        let why = near.as_ref().map(|(_, near)| format!(", since {}", near.told()));
        let message =
            format!("the peer is no pod of the namespace{}: it {effect}", why.unwrap_or_default());
        let mut finding =
            Finding::new(&RULE, message, &selector.origin, "matches no pod").variant(&PEER);
        if let Some((workload, _)) = near {
            finding = finding.also(&workload.object.origin(), "perhaps this one");
        }
        out.push(finding.fix(Fix::suggest("select labels of the pod template")));
    }
    unknown.map_or(Ok(()), Err)
}
