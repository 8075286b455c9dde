//! A rollout whose new pod waits for what the old one holds.

use crate::case::WorkloadCase;
use crate::facts::workload::WorkloadKind;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::pdb::Replicas;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The new pod comes first and cannot start; the old one goes only when the new one is ready.
pub static RULE: Rule = Rule {
    id: "surge-with-exclusive-volume",
    group: Group::Availability,
    level: Level::Warn,
    title: "a surge pod that needs what the old pod holds",
    page: include_str!("surge-with-exclusive-volume.md"),
    needs: &[Need::Manifest],
    check: Check::Workload(check),
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    if !matches!(case.workload.kind, WorkloadKind::Deployment | WorkloadKind::Rollout)
        || case.rollout().is_some()
    {
        return Err(Abstain::NotApplicable);
    }
    let strategy = case.workload.strategy.as_ref().ok_or(Abstain::NotApplicable)?;
    let n = match case.scale()? {
        Replicas::Fixed(n) => n,
        // What runs at times has one pod at least while it does.
        scaled @ Replicas::Scaled { .. } => scaled.fewest().max(1),
    };
    let rolled = case.rolling(n)?;
    // With a pod that may be missing the controller takes the old one away first.
    if n == 0 || rolled.surge == 0 || rolled.unavailable > 0 {
        return Ok(());
    }
    host_port(case, n.saturating_add(rolled.surge), out);
    let Some(claim) = case.exclusive_claim()? else { return Ok(()) };
    let consequence = if claim.name == "ReadWriteOncePod" {
        "the new pod stays Pending until the old one is gone, which waits for the new one"
    } else {
        "on another node the new pod waits with \"Multi-Attach error\" for the volume of the old \
         one, which waits for the new one"
    };
    out.push(
        Finding::new(
            &RULE,
            format!("the rollout can stop half way: {consequence}"),
            &claim.volume,
            "both pods mount it",
        )
        .also(&claim.mode, format!("{} at a time", only(claim.name)))
        .also(
            &strategy.max_unavailable.origin,
            format!("{} of {n} may be missing", rolled.unavailable),
        )
        .fix(Fix::suggest("use strategy Recreate, or a StatefulSet with a claim for each pod")),
    );
    Ok(())
}

fn only(mode: &str) -> &'static str {
    if mode == "ReadWriteOncePod" { "one pod" } else { "one node" }
}

fn host_port(case: &WorkloadCase<'_>, most: u32, out: &mut Findings) {
    let containers = &case.template().pod().containers;
    let Some((port, host)) = containers
        .iter()
        .flat_map(|c| &c.ports)
        .find_map(|port| Some((port, port.host_port.as_ref().filter(|h| h.value != 0)?)))
    else {
        return;
    };
    let Some(nodes) = case.world().settings.cluster.nodes.as_ref() else {
        out.abstain(Abstain::unknown(
            Reason::NodeUnknown,
            "cluster.nodes: a host port is one per node",
        ));
        return;
    };
    if most <= nodes.value {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "host port {} is one per node: a rollout needs {most} nodes of {}, and the new pod stays \
                 Pending (\"didn't have free ports\")",
                host.value, nodes.value
            ),
            &host.origin,
            "one pod per node",
        )
        .also(&nodes.origin, format!("{} nodes", nodes.value))
        .also(&port.origin, "of this container port")
        .fix(Fix::suggest("drop hostPort and use a Service, or set maxSurge: 0, maxUnavailable: 1")),
    );
}
