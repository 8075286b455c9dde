//! Addresses that pods are given, at ports that no policy lets out.

use std::collections::BTreeSet;

use super::{ADDRESS, RULE, rules};
use crate::case::network::is_loopback;
use crate::case::references::Wanted;
use crate::case::{Case, WorkloadCase};
use crate::facts::objects::{NetworkPolicy, Object, PolicyPort, PortRef};
use crate::facts::{Body, Origin};
use crate::findings::{Abstain, Finding, Fix, Reason};
use crate::model::addresses::{Address, Place, addresses};
use crate::rules::rule::Findings;

/// Variables of one container, and pods behind one Service, that are looked at.
const VARIABLES: usize = 1000;
const PODS: usize = 16;

/// Where ambient meshes bring what is sent inside of the cluster (`HBONE`, istio.io/docs/ops/deployment/application-requirements).
const TUNNEL: i64 = 15008;

pub(super) fn check(
    case: &WorkloadCase<'_>,
    policies: &[(&Object, &NetworkPolicy)],
    out: &mut Findings,
) {
    let directions: Vec<_> = policies.iter().filter_map(|(_, p)| p.egress.as_ref()).collect();
    // Without any rule the pods are cut off, and that is what was asked for.
    let Some(first) = directions.iter().find(|direction| !direction.rules.is_empty()) else {
        return;
    };
    let mut open = Vec::new();
    for rule in rules(&directions) {
        // Of a rule for all ports it is the peers that count, and a name is that of a port of theirs.
        let Some(ports) = numbers(&rule.ports) else { return };
        open.extend(ports);
    }
    let open = Open(open);
    if open.has(TUNNEL) {
        return;
    }
    let mut said = BTreeSet::new();
    for container in case.into_containers().filter(|container| container.main_only().is_ok()) {
        let environment = container.environment();
        for (name, variable) in environment.iter().take(VARIABLES) {
            let Ok(value) = &variable.value else { continue };
            for address in addresses(name, value) {
                let own = is_loopback(&address.host) || open.has(address.port.into());
                if own || said.contains(&address) || container.is_unread(name) {
                    continue;
                }
                match is_let_out(&container, &address, &open) {
                    Ok(true) => {}
                    Ok(false) => {
                        said.insert(address.clone());
                        out.push(told(name, &variable.origin, &address, &first.origin));
                    }
                    Err(unknown) => out.abstain(unknown),
                }
            }
        }
    }
}

/// The ranges of TCP that the ports of a rule are; none where they are not known by number.
fn numbers(ports: &[PolicyPort]) -> Option<Vec<(i64, i64)>> {
    if ports.is_empty() {
        return None;
    }
    let mut ranges = Vec::new();
    for port in ports.iter().filter(|port| port.protocol == "TCP") {
        let PortRef::Number(from) = port.port.as_ref()?.value else { return None };
        ranges.push((from, port.end_port.unwrap_or(from)));
    }
    Some(ranges)
}

/// Ports that are let out, to whomever.
struct Open(Vec<(i64, i64)>);

impl Open {
    fn has(&self, port: i64) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&port))
    }

    /// Whether nothing but names is asked for.
    fn is_for_dns_alone(&self) -> bool {
        self.0.iter().all(|range| matches!(range, (53, 53) | (5353, 5353)))
    }
}

/// A policy sees the port of the pod behind a Service, not the Service's; of a host outside of the cluster it is the
/// same.
fn is_let_out(case: &Case<'_>, address: &Address, open: &Open) -> Result<bool, Abstain> {
    let own = case.of.object.meta.namespace.value.as_str();
    let missing = || {
        let what = format!("the port of the pods behind {}:{}", address.host, address.port);
        Abstain::unknown(Reason::ObjectNotInInput, what)
    };
    // Nothing else has the port of the cluster's DNS.
    let unknown = || if open.is_for_dns_alone() { Ok(false) } else { Err(missing()) };
    let (name, namespace) = match address.place(own) {
        Place::Outside => return Ok(false),
        Place::Unknown => return unknown(),
        Place::Service { name, namespace } => (name, namespace),
    };
    let joined = case.of.joined;
    let wanted = Wanted::service(namespace, name);
    let Ok(Ok(object)) = joined.referenced_one(case.of.object, wanted) else { return unknown() };
    let Body::Service(service) = &object.body else { return Err(missing()) };
    let port = service.ports.iter().find(|port| {
        port.port.as_ref().is_some_and(|number| number.value == i64::from(address.port))
    });
    // Without a selector somebody else says where it leads, and of a headless one the port is the pods'.
    let Some(port) = port.filter(|_| service.selector.is_some() && !service.headless) else {
        return Err(missing());
    };
    match port.target_port.as_ref().map(|target| &target.value) {
        None => Ok(false),
        Some(PortRef::Number(number)) => Ok(open.has(*number)),
        Some(PortRef::Name(_)) => {
            let ids = joined.joins.named(namespace, "Service", name).iter();
            let is_it = |id: &&usize| {
                joined.world.objects.get(**id).is_some_and(|found| std::ptr::eq(found, object))
            };
            let selected = ids.filter(is_it).flat_map(|id| joined.joins.selected_by(*id));
            let pods = selected.take(PODS).filter_map(|id| joined.workload(*id));
            let numbers: Vec<i64> = pods.filter_map(|pod| pod.pod().target_number(port)).collect();
            match numbers.is_empty() {
                true => Err(missing()),
                false => Ok(numbers.iter().any(|number| open.has(*number))),
            }
        }
    }
}

fn told(name: &str, at: &Origin, address: &Address, egress: &Origin) -> Finding {
    let Address { host, port } = address;
    Finding::new(
        &RULE,
        format!(
            "egress is restricted and no rule allows TCP port {port}, where {name} has the pods ask \
             {host}: connections time out"
        ),
        at,
        format!("{host}:{port}"),
    )
    .variant(&ADDRESS)
    .also(egress, format!("does not let TCP {port} out"))
    .fix(Fix::suggest(format!("add a rule for it with ports {{protocol: TCP, port: {port}}}")))
}
