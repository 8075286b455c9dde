//! NetworkPolicies that let through less than the pods need.

mod addresses;

use crate::case::WorkloadCase;
use crate::facts::objects::{
    NetworkPolicy, Object, PolicyDirection, PolicyPort, PolicyRule, PortRef,
};
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names::nearest;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const DNS: Variant = Variant::new(
    "egress-without-dns",
    Level::Warn,
    "egress is restricted and names cannot be resolved",
);
const SERVICE: Variant = Variant::new(
    "network-policy-blocks-service",
    Level::Warn,
    "ingress is restricted and leaves out a Service's target port",
);

const ADDRESS: Variant = Variant::new(
    "network-policy-blocks-address",
    Level::Warn,
    "egress is restricted and leaves out the port of an address that the pods are given",
);

/// What is said by its variants.
pub static RULE: Rule = Rule {
    id: "network-policy-blocks-traffic",
    group: Group::Network,
    level: Level::Warn,
    title: "a NetworkPolicy blocks traffic that the pods need",
    page: include_str!("network-policy-blocks-traffic.md"),
    needs: &[Need::Manifest],
    variants: &[DNS, SERVICE, ADDRESS],
    check: Check::Workload(check),
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let policies: Vec<(&Object, &NetworkPolicy)> = case.network_policies().collect();
    // Plugins do not agree on what a policy does to pods of the host's network.
    if policies.is_empty() || case.pod().host_network.value {
        return Err(Abstain::NotApplicable);
    }
    dns(case, &policies, out);
    services(case, &policies, out);
    addresses::check(case, &policies, out);
    if !out.found.is_empty()
        && let Some(other) = of_a_plugin(case)
    {
        out.found.clear();
        let what = format!("what {} lets through, which adds to the others", other.subject());
        return Err(Abstain::unknown(Reason::ExternalController, what));
    }
    Ok(())
}

/// A policy of Cilium, Calico or the cluster's administrator that may be for the pods: these let through, too.
fn of_a_plugin<'w>(case: &WorkloadCase<'w>) -> Option<&'w Object> {
    let namespace = &case.object.meta.namespace.value;
    case.world().objects.iter().find(|object| {
        let meta = &object.meta;
        let kind = meta.kind.value.as_str();
        let everywhere = ["Global", "Cluster", "Admin"].iter().any(|it| kind.contains(it));
        kind.ends_with("NetworkPolicy")
            && meta.group() != "networking.k8s.io"
            && (everywhere || meta.namespace.value == *namespace)
    })
}

/// Policies add up: what one of them allows is allowed.
fn rules<'w>(directions: &[&'w PolicyDirection]) -> impl Iterator<Item = &'w PolicyRule> {
    directions.iter().copied().flat_map(|direction| &direction.rules)
}

fn dns(case: &WorkloadCase<'_>, policies: &[(&Object, &NetworkPolicy)], out: &mut Findings) {
    let directions: Vec<_> = policies.iter().filter_map(|(_, p)| p.egress.as_ref()).collect();
    // Without any rule the pods are cut off, and that is what was asked for.
    let Some(first) = directions.iter().find(|d| !d.rules.is_empty()) else { return };
    let in_dns_namespace = case.object.meta.namespace.value == "kube-system";
    let allows = |protocol: &str| {
        rules(&directions).any(|rule| {
            if rule.ports.is_empty() {
                return !rule.same_namespace_only || in_dns_namespace;
            }
            rule.ports.iter().any(|port| port.protocol == protocol && is_dns(port))
        })
    };
    let (udp, tcp) = (allows("UDP"), allows("TCP"));
    let (sentence, level) = match (udp, tcp) {
        (true, true) => return,
        (true, false) => (
            "egress allows DNS by UDP only: answers that do not fit a packet are asked for again \
             by TCP 53, which is blocked",
            Level::Note,
        ),
        (false, _) => (
            "egress is restricted and no rule allows UDP port 53: no name can be resolved, and \
             every lookup ends in a timeout",
            Level::Warn,
        ),
    };
    let mut finding = Finding::new(&RULE, sentence, &first.origin, "lets no DNS through")
        .variant(&DNS)
        .also(&case.object.origin(), "its pods are selected")
        .fix(Fix::suggest(
            "add a rule to kube-system with ports {protocol: UDP, port: 53} and {protocol: TCP, port: 53}",
        ));
    if level != Level::Warn {
        finding = finding.level(level);
    }
    out.push(finding);
}

/// 53, and 5353 where OpenShift's DNS pods listen; a port by name when the name speaks of DNS.
fn is_dns(port: &PolicyPort) -> bool {
    match port.port.as_ref().map(|p| &p.value) {
        None => true,
        Some(PortRef::Name(name)) => name.contains("dns") || name.contains("domain"),
        Some(PortRef::Number(from)) => {
            let to = port.end_port.unwrap_or(*from);
            [53, 5353].iter().any(|dns| (*from..=to).contains(dns))
        }
    }
}

fn services(case: &WorkloadCase<'_>, policies: &[(&Object, &NetworkPolicy)], out: &mut Findings) {
    let directions: Vec<_> = policies.iter().filter_map(|(_, p)| p.ingress.as_ref()).collect();
    let Some(first) = directions.iter().find(|d| !d.rules.is_empty()) else { return };
    let mut said: Vec<(i64, Origin)> = Vec::new();
    for (object, service) in case.services() {
        for port in &service.ports {
            let Some(target) = &port.target_port else { continue };
            let Some(number) = case.pod().target_number(port) else { continue };
            // A port nobody declares is unresolved-target-port's, and the cause of this one.
            if case.pod().first_number().is_some() && !case.pod().serves_number(number) {
                continue;
            }
            let protocol = port.protocol.value.as_str();
            let covers = |allowed: &PolicyPort| {
                allowed.protocol == protocol
                    && match allowed.port.as_ref().map(|p| &p.value) {
                        None => true,
                        Some(PortRef::Number(from)) => {
                            (*from..=allowed.end_port.unwrap_or(*from)).contains(&number)
                        }
                        // Every port of that name is meant, not only the first.
                        Some(PortRef::Name(name)) => case.pod().serving_ports().any(|own| {
                            own.name.as_ref().is_some_and(|n| n.value == *name)
                                && own.port.as_ref().is_some_and(|p| p.value == number)
                        }),
                    }
            };
            if rules(&directions).any(|rule| rule.ports.is_empty() || rule.ports.iter().any(covers))
                || said.iter().any(|(n, _)| *n == number)
            {
                continue;
            }
            said.push((number, target.origin.clone()));
            let message = format!(
                "ingress is restricted and no rule allows {protocol} port {number}, which Service \
                 {} sends to: connections time out",
                object.meta.name()
            );
            let allow = format!("allow port {number}, or take it out of the Service");
            let slip = rules(&directions)
                .flat_map(|rule| &rule.ports)
                .filter(|allowed| allowed.protocol == protocol)
                .find_map(|allowed| slip(case, allowed, number));
            let finding = match slip {
                Some((written, name, meant)) => {
                    let label = format!("no port of the pods has the name {name}");
                    Finding::new(&RULE, message, &written.origin, label)
                        .also(&meant.origin, format!("port {number}"))
                        .fix(Fix::suggest(format!("did you mean {meant}? Else {allow}")))
                }
                None => {
                    let label = format!("does not let {protocol} {number} in");
                    Finding::new(&RULE, message, &first.origin, label).fix(Fix::suggest(allow))
                }
            };
            out.push(finding.variant(&SERVICE).also(&target.origin, "sends there"));
        }
    }
}

/// The port of a policy by a name that none of the pods' ports has, when it is nearly that of `number`: where
/// it stands, the name, and the one that may be meant.
fn slip<'w>(
    case: &WorkloadCase<'w>,
    allowed: &'w PolicyPort,
    number: i64,
) -> Option<(&'w Fact<PortRef>, &'w str, &'w Fact<String>)> {
    let written = allowed.port.as_ref()?;
    let PortRef::Name(name) = &written.value else { return None };
    let ports = || case.pod().serving_ports();
    if ports().any(|own| own.name.as_ref().is_some_and(|own| own.value == *name)) {
        return None;
    }
    let mut named = ports()
        .filter(|own| own.port.as_ref().is_some_and(|port| port.value == number))
        .filter_map(|own| own.name.as_ref());
    let meant = named.find(|own| nearest(name, [own.value.as_str()], 2).is_some())?;
    Some((written, name, meant))
}
