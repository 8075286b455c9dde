//! A port below 1024 without the right to open it.

use super::root_user;
use crate::case::Case;
use crate::facts::objects::PortRef;
use crate::facts::workload::ContainerRole;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `listen tcp :80: bind: permission denied`, on some nodes.
pub static RULE: Rule = Rule {
    id: "privileged-port",
    group: Group::Security,
    level: Level::Warn,
    title: "a port below 1024 for a program that is not root",
    page: include_str!("privileged-port.md"),
    needs: &[Need::Manifest, Need::Dockerfile],
    check: Check::Container(check),
    ..Rule::BASE
};

/// The first port that everybody may open, unless the sysctl below says otherwise.
const FIRST_FREE: i64 = 1024;

/// Safe for pods since Kubernetes 1.22 (pkg/kubelet/sysctl/safe_sysctls.go).
const SYSCTL: &str = "net.ipv4.ip_unprivileged_port_start";

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    if case.container.role == ContainerRole::Ephemeral {
        return Err(Abstain::NotApplicable);
    }
    let low = |port: &i64| (1..FIRST_FREE).contains(port);
    let ports = case.container.ports.iter().filter_map(|port| port.port.as_ref());
    let mut ports = ports.filter(|port| low(&port.value)).peekable();
    if ports.peek().is_none() {
        return Err(Abstain::NotApplicable);
    }
    case.confinable()?;
    let security = case.security();
    let host = case.pod().host_network.value;
    let settings = &case.world().settings.cluster;
    let allowed = settings.unprivileged_ports.as_ref().is_some_and(|fact| fact.value);
    let sysctl = security.sysctls.iter().chain(&case.pod().security.sysctls);
    if case.is_privileged()
        || case.adds_capability("NET_BIND_SERVICE")
        || (!host && (allowed || sysctl.into_iter().any(|name| name.value == SYSCTL)))
    {
        return Ok(());
    }
    let (uid, origin) = root_user::user(case)?;
    let dropped = case.drops_all_capabilities();
    if uid == 0 && !dropped {
        return Ok(());
    }
    let who = match uid {
        0 => "root without capabilities".to_owned(),
        uid => format!("uid {uid}"),
    };
    for port in ports {
        // A program that is known to listen elsewhere does not open it, and the port itself is wrong then.
        if let Some(number) =
            u16::try_from(port.value).ok().filter(|_| case.known_program().is_some())
            && let Some(who) = case.container.listener_of(&PortRef::Number(port.value))
            && matches!(case.listens_elsewhere(number, who), Ok(Some(_)))
        {
            continue;
        }
        let where_ = match host {
            true => "in the node's network it is refused",
            false => {
                "containerd 2 lets it by default, containerd 1 and CRI-O refuse it \
                 (`bind: permission denied`)"
            }
        };
        out.push(
            Finding::new(
                &RULE,
                format!("{who} opens port {}, which is below 1024: {where_}", port.value),
                &port.origin,
                "below 1024",
            )
            .also(&origin, who.clone())
            .fix(Fix::suggest(
                "listen on a port from 1024 up and let the Service's targetPort name it, or set the \
                 sysctl net.ipv4.ip_unprivileged_port_start to 0 for the pod",
            )),
        );
    }
    Ok(())
}
