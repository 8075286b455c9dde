//! A Gateway of Istio whose port no Service of its proxies has.

use crate::case::{Joined, WorkloadCase};
use crate::facts::Object;
use crate::facts::document::Node;
use crate::facts::objects::{PortRef, Service, StringMap};
use crate::facts::placeholders::may_be_in;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `IngressGatewayPortAnalyzer` of istioctl analyze (IST0104); a server's port is one of the Service, or
/// the port of the pods behind it (`GetInstancesByPort` and `MergeGateways` in
/// pilot/pkg/model/gateway.go). Istio 1.31.
pub static RULE: Rule = Rule {
    id: "unopened-gateway-port",
    group: Group::Mesh,
    level: Level::Warn,
    title: "a Gateway opens a port that no Service of its proxies has",
    page: include_str!("unopened-gateway-port.md"),
    needs: &[Need::Manifest],
    check: Check::Run(check),
    ..Rule::BASE
};

/// Gateways and workloads that are held against each other.
const MOST_PAIRS: usize = 1 << 16;

/// Labels, servers and proxies of one Gateway that are looked at.
const MOST: usize = 128;

fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    joined.not_without_mesh()?;
    let is_gateway = |object: &&Object| {
        object.meta.kind.value == "Gateway" && object.meta.group() == "networking.istio.io"
    };
    let mut gateways = joined.world.objects.iter().filter(is_gateway).peekable();
    gateways.peek().ok_or(Abstain::NotApplicable)?;
    let workloads: Vec<WorkloadCase<'_>> = joined.workloads().collect();
    let mut pairs = MOST_PAIRS;
    for gateway in gateways {
        let Some(left) = pairs.checked_sub(workloads.len()) else {
            let what = "which of thousands of workloads are a Gateway's proxies";
            return Err(Abstain::unknown(Reason::LimitReached, what));
        };
        pairs = left;
        if let Err(unknown) = one(joined, gateway, &workloads, out) {
            out.abstain(unknown);
        }
    }
    Ok(())
}

fn one<'w>(
    joined: &Joined<'w>,
    gateway: &Object,
    workloads: &[WorkloadCase<'w>],
    out: &mut Findings,
) -> Judged {
    let Some(spec) = gateway.node().get("spec") else { return Ok(()) };
    let Some(selector) = spec.get("selector") else { return Ok(()) };
    let mut labels = Vec::new();
    for (key, value) in selector.entries().take(MOST) {
        let (Some(key), Some(value)) = (key.as_str(), value.as_str()) else { return Ok(()) };
        if may_be_in(key) || may_be_in(value) {
            return Err(Abstain::unknown(Reason::Templated, format!("label {key}: {value}")));
        }
        labels.push((key, value));
    }
    let selects = |of: &StringMap| {
        labels.iter().all(|(key, value)| of.get(key).is_some_and(|has| has.value == *value))
    };
    let proxies: Vec<&WorkloadCase<'_>> = workloads
        .iter()
        .filter(|proxy| selects(&proxy.pod().labels) && joined.together(gateway, proxy.object))
        .take(MOST)
        .collect();
    // The proxies are most often of another release.
    if labels.is_empty() || proxies.is_empty() {
        return Ok(());
    }
    joined.unpatched(gateway, &["spec/selector", "spec/servers"])?;
    let mut services: Vec<(&Object, &Service)> = Vec::new();
    for proxy in &proxies {
        joined.selection_is_known(proxy.id)?;
        // Ports of the node need no Service.
        let pod = proxy.pod();
        let on_node = pod.containers.iter().flat_map(|c| &c.ports).any(|p| p.host_port.is_some());
        if pod.host_network.value || on_node {
            return Ok(());
        }
        services.extend(proxy.services().take(MOST));
    }
    for (object, _) in &services {
        joined.unpatched(object, &["spec/ports"])?;
    }
    let Some((first, service)) = services.first() else { return Ok(()) };
    let opens = |number: i64| {
        services.iter().flat_map(|(_, service)| &service.ports).any(|port| {
            port.port.as_ref().is_none_or(|own| own.value == number)
                || match port.target_port.as_ref().map(|target| &target.value) {
                    Some(PortRef::Number(target)) => *target == number,
                    Some(PortRef::Name(name)) => named(&proxies, name, number),
                    None => false,
                }
        })
    };
    let servers = spec.get("servers").into_iter().flat_map(Node::items).take(MOST);
    for at in servers.filter_map(|server| server.at(&["port", "number"])) {
        let Some(number) = at.as_i64().filter(|number| !opens(*number)) else { continue };
        let mut finding = Finding::new(
            &RULE,
            format!(
                "the Gateway has its proxies listen on port {number}, and Service {} has no such \
                 port: no request comes there",
                first.meta.name()
            ),
            &at.origin(),
            "nobody sends here",
        );
        for port in service.ports.iter().take(3) {
            finding = finding.also(&port.origin, "a port it has");
        }
        finding.subject = gateway.subject();
        out.push(finding.fix(Fix::suggest(format!(
            "add port {number} to the Service of the proxies, or use one that it has"
        ))));
    }
    Ok(())
}

/// Whether a port of that name is the number, in some proxy; one that is not written may be any.
fn named(proxies: &[&WorkloadCase<'_>], name: &str, number: i64) -> bool {
    let ports = proxies.iter().flat_map(|proxy| &proxy.pod().containers).flat_map(|c| &c.ports);
    let mut own = ports
        .filter(|port| port.name.as_ref().is_some_and(|own| own.value == name))
        .map(|port| port.port.as_ref().map(|port| port.value))
        .peekable();
    own.peek().is_none() || own.any(|port| port.is_none_or(|port| port == number))
}
