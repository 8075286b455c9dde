//! Rules about who calls, where callers need not say who they are.

use super::COMPARED;
use crate::case::mesh::{Meshed, Mtls};
use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::Origin;
use crate::facts::mesh::{AuthorizationRule, Identity, IdentityKind};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::mtls::{Mode, ROOT_NAMESPACE};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The identity of a caller is its certificate, and without mutual TLS there is none.
pub static RULE: Rule = Rule {
    id: "authorization-without-mtls",
    group: Group::Mesh,
    level: Level::Deny,
    title: "an AuthorizationPolicy by identity on ports where callers have none",
    page: include_str!("authorization-without-mtls.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let policy = case.authorization_policy()?;
    let action = policy.action.value.as_str();
    // A dry run only counts what it would have done.
    let dry = case.object.meta.annotations.get("istio.io/dry-run");
    let dry = dry.is_some_and(|dry| dry.value == "true");
    if dry || policy.has_target || !matches!(action, "ALLOW" | "DENY") {
        return Err(Abstain::NotApplicable);
    }
    let mut rules = policy.rules.iter().filter_map(|rule| Some((rule, wanted(rule)?)));
    let (rule, identity) = rules.next().ok_or(Abstain::NotApplicable)?;
    let workloads: Vec<WorkloadCase<'_>> = match &policy.selector {
        Some(selector) if !selector.is_empty() => case.selected().take(COMPARED).collect(),
        // What holds for the mesh is said of too many to point at one.
        _ if case.object.meta.namespace.value == ROOT_NAMESPACE => Vec::new(),
        _ => {
            let ids = case.joined.joins.workloads_in(&case.object.meta.namespace.value);
            let all = ids.iter().take(COMPARED).filter_map(|id| case.joined.workload(*id));
            all.filter(|w| case.joined.together(case.object, w.object)).collect()
        }
    };
    let mut judged = false;
    let mut unknown = None;
    let mut worst: Option<Weak<'_>> = None;
    for workload in workloads {
        match weakness(&workload, rule) {
            Ok(weak) => {
                judged = true;
                let worse = |a: &Weak<'_>, b: &Weak<'_>| a.mode < b.mode;
                if let Some(weak) = weak
                    && worst.as_ref().is_none_or(|worst| worse(&weak, worst))
                {
                    worst = Some(weak);
                }
            }
            Err(Abstain::NotApplicable) => {}
            Err(abstain) => unknown = Some(abstain),
        }
    }
    let Some(weak) = worst else {
        return match unknown {
            Some(abstain) => Err(abstain),
            None if judged => Ok(()),
            None => Err(Abstain::NotApplicable),
        };
    };
    // Who may not call by name is still refused with everybody else.
    if weak.mode == Mode::Permissive && action == "DENY" && identity.negated {
        return Ok(());
    }
    out.push(finding(action, identity, &weak));
    Ok(())
}

/// The first condition on the caller's identity.
fn wanted(rule: &AuthorizationRule) -> Option<&Identity> {
    rule.identities.iter().find(|identity| !identity.value.value.is_empty())
}

/// A workload that the rule is for, at a port without certain identities.
struct Weak<'w> {
    mode: Mode,
    by: Option<&'w Origin>,
    port: Option<i64>,
    subject: String,
    /// What puts the pods into the mesh, where that is told.
    meshed: Option<Meshed>,
}

fn weakness<'w>(
    workload: &WorkloadCase<'w>,
    rule: &AuthorizationRule,
) -> Result<Option<Weak<'w>>, Abstain> {
    if workload.workload.kind.is_batch() {
        return Err(Abstain::NotApplicable);
    }
    let meshed = match workload.meshed() {
        Ok(meshed) => Some(meshed),
        // Who writes both policies has a mesh, or has neither of them in effect.
        Err(Abstain::NotApplicable) if !workload.is_outside_of_mesh() => None,
        Err(abstain) => return Err(abstain),
    };
    let mtls: Result<Mtls<'w>, Abstain> = workload.mtls();
    if meshed.is_none() && mtls.is_err() {
        return Err(Abstain::NotApplicable);
    }
    workload.as_applied()?;
    let mtls = mtls?;
    let pod = workload.pod();
    // A rule for all ports is not wrong for the sake of one that is let out of the mesh.
    let all = rule.ports.is_empty().then_some((mtls.mode, mtls.by, None));
    let named = rule.ports.iter().take(COMPARED).map(|port| {
        let (mode, by) = mtls.at(*port);
        (mode, by, Some(*port))
    });
    let weakest = named
        .chain(all)
        .filter(|(mode, ..)| *mode != Mode::Strict)
        .filter(|(_, _, port)| port.is_none_or(|port| pod.captures(port)))
        .filter(|(mode, by, _)| meshed.is_some() || (*mode == Mode::Disable && by.is_some()))
        .min_by_key(|(mode, ..)| *mode);
    Ok(weakest.map(|(mode, by, port)| Weak {
        mode,
        by,
        port,
        subject: format!("{} {}", workload.object.meta.kind.value, workload.object.meta.name()),
        meshed,
    }))
}

fn finding(action: &str, identity: &Identity, weak: &Weak<'_>) -> Finding {
    let kind = match identity.kind {
        IdentityKind::Principal => "the principal",
        IdentityKind::Namespace => "the namespace",
        IdentityKind::ServiceAccount => "the service account",
    };
    let at = weak.port.map_or_else(String::new, |port| format!(" on port {port}"));
    let off = weak.mode == Mode::Disable;
    let outcome = match (action, identity.negated) {
        ("ALLOW", false) if off => "the rule lets nobody in",
        ("ALLOW", false) => "callers in plaintext are denied, whoever they are",
        ("ALLOW", true) if off => "the rule lets everybody in",
        ("ALLOW", true) => "callers in plaintext are let in, whoever they are",
        (_, false) if off => "the rule denies nobody",
        (_, false) => "callers in plaintext are not denied, whoever they are",
        (_, true) => "the rule denies everybody",
    };
    let has = if off { "mutual TLS is off" } else { "mutual TLS is optional" };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the rule goes by {kind} of the caller, and {has} for {}{at}: {outcome}",
            weak.subject
        ),
        &identity.value.origin,
        "compared with the caller's certificate",
    );
    finding = match weak.by {
        Some(origin) => finding.also(origin, format!("mutual TLS is {}", weak.mode.name())),
        None => finding.note("no PeerAuthentication sets a mode: Istio's default is PERMISSIVE"),
    };
    finding = match &weak.meshed {
        Some(meshed) => finding.also(&meshed.origin, meshed.label()),
        None => finding.note(
            "nothing of the input says whether the pods are in the mesh; outside of it neither policy has an effect",
        ),
    };
    if !off || weak.meshed.is_none() {
        finding = finding.level(Level::Warn);
    }
    finding.fix(Fix::suggest(
        "write mode: STRICT for these pods, or compare something else than the identity",
    ))
}
