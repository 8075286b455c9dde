//! Pods that share what belongs to the node.

use crate::case::WorkloadCase;
use crate::facts::Fact;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const PORT: Variant = Variant::new("host-port", Level::Warn, "a port of the node is taken");
const PROCESSES: Variant = Variant::new(
    "shared-process-namespace",
    Level::Note,
    "the containers of a pod see each other's processes",
);

/// The node's processes, memory or network are the pod's.
pub static RULE: Rule = Rule {
    id: "host-namespace",
    group: Group::Security,
    level: Level::Deny,
    title: "hostPID, hostIPC or hostNetwork",
    page: include_str!("host-namespace.md"),
    needs: &[Need::Manifest],
    variants: &[PORT, PROCESSES],
    judges_hooks: true,
    check: Check::Workload(check),
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let pod = case.pod();
    let mut share = |fact: &Fact<bool>, what: &str, level| {
        if fact.value {
            let finding = Finding::new(&RULE, what, &fact.origin, "the node's own");
            out.push(
                finding
                    .level(level)
                    .fix(Fix::suggest("leave it out").replace(&fact.origin, "false")),
            );
        }
    };
    share(
        &pod.host_pid,
        "hostPID: the containers see every process of the node, with its environment, and may signal it",
        Level::Deny,
    );
    share(
        &pod.host_ipc,
        "hostIPC: the containers read and write the shared memory of every process of the node",
        Level::Deny,
    );
    share(
        &pod.host_network,
        "hostNetwork: the program listens on the node's addresses, NetworkPolicies mostly do not \
         apply, and it reaches what listens on the node's localhost",
        Level::Warn,
    );
    if pod.share_process_namespace.value {
        out.push(
            Finding::new(
                &RULE,
                "shareProcessNamespace: the containers see each other's processes and, through \
                 /proc, files; PID 1 is the pause container",
                &pod.share_process_namespace.origin,
                "one process namespace",
            )
            .variant(&PROCESSES),
        );
    }
    // On the host's network every port is one of the node.
    if !pod.host_network.value {
        for port in pod.containers.iter().flat_map(|c| &c.ports) {
            let Some(host) = port.host_port.as_ref().filter(|p| p.value != 0) else { continue };
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "hostPort {}: one such pod fits on a node, and the port is open on the \
                         node's addresses",
                        host.value
                    ),
                    &host.origin,
                    "a port of the node",
                )
                .variant(&PORT)
                .fix(Fix::suggest("let a Service send to the container's port")),
            );
        }
    }
    Ok(())
}
