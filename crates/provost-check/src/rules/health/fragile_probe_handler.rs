//! Probes and hooks that ask the wrong host, cost too much, or prove too little.

use crate::case::Case;
use crate::facts::Fact;
use crate::facts::symbols;
use crate::facts::workload::{Action, Probe};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// The check works in a test and fails, or says nothing, in a cluster.
pub static RULE: Rule = Rule {
    id: "fragile-probe-handler",
    group: Group::Health,
    level: Level::Warn,
    title: "a probe handler that asks the wrong thing",
    page: include_str!("fragile-probe-handler.md"),
    needs: &[Need::Manifest],
    variants: &[
        Variant::new("probe-host-set", Level::Warn, "a probe or hook of another host than the pod"),
        Variant::new("exec-probe-cost", Level::Note, "a program started every few seconds"),
        Variant::new("tcp-readiness", Level::Note, "readiness that only the kernel answers"),
    ],
    check: Check::Container(check),
    ..Rule::BASE
};

/// Seconds between two exec probes below which they are counted as frequent.
const FREQUENT: i64 = 10;

/// Millicores below which starting a program is felt.
const LITTLE_CPU: u64 = 500;

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    if case.container.handlers().next().is_none() {
        return Err(Abstain::NotApplicable);
    }
    // Hooks are requests of the kubelet's as probes are.
    for (field, handler) in case.container.handlers() {
        if let Action::HttpGet { host: Some(host), .. }
        | Action::TcpSocket { host: Some(host), .. } = &handler.action
        {
            host_set(case, field, host, out);
        }
    }
    for (field, probe) in case.container.probes() {
        if let Action::Exec(_) = &probe.handler.action {
            exec_cost(case, field, probe, out);
        }
    }
    let readiness = case.container.readiness.as_ref();
    match readiness.map(|probe| (probe, &probe.handler.action)) {
        Some((probe, Action::TcpSocket { .. })) => tcp_readiness(case, probe, out),
        _ => Ok(()),
    }
}

fn host_set(case: &Case<'_>, field: &str, host: &Fact<String>, out: &mut Findings) {
    let node = matches!(host.value.as_str(), "localhost" | "127.0.0.1" | "::1" | "[::1]");
    // A pod in the node's network has the node's loopback for its own; a program that listens
    // there alone can be asked nowhere else.
    if node && case.pod().host_network.value {
        return;
    }
    let message = if node {
        format!("the {field} asks {}, which is the node and not the pod", host.value)
    } else {
        format!("the {field} asks {} from the node, whatever the pod does", host.value)
    };
    out.push(
        Finding::new(&RULE, message, &host.origin, "the kubelet connects from the node")
            .variant(&RULE.variants[0])
            .level(if node { Level::Deny } else { Level::Warn })
            .fix(Fix::suggest("remove host: the default is the pod's address")),
    );
}

fn exec_cost(case: &Case<'_>, field: &str, probe: &Probe, out: &mut Findings) {
    if probe.period.value >= FREQUENT {
        return;
    }
    let Ok(limit) = case.cpu_limit() else { return };
    if limit.value.0 >= LITTLE_CPU {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the {field} starts a program every {} s inside a CPU limit of {}",
                probe.period.value, limit.value
            ),
            &probe.period.origin,
            format!("every {} s", probe.period.value),
        )
        .variant(&RULE.variants[1])
        .also(&limit.origin, "shared with the service")
        .fix(Fix::suggest("probe with httpGet or grpc, or every 10 s or less often")),
    );
}

fn tcp_readiness(case: &Case<'_>, probe: &Probe, out: &mut Findings) -> Judged {
    case.main_only()?;
    let Some(server) = case.program()?.links(symbols::HTTP_SERVE)? else { return Ok(()) };
    out.push(
        Finding::new(
            &RULE,
            "readiness only opens a connection: the kernel accepts it before any handler works",
            &probe.handler.origin,
            "ready as soon as it listens",
        )
        .variant(&RULE.variants[2])
        .also(server, "serves HTTP, and could be asked")
        .fix(Fix::suggest("probe a readiness path with httpGet")),
    );
    Ok(())
}
