//! Several objects that claim the same traffic.

mod listeners;

use std::collections::BTreeMap;

use crate::case::{Joined, ObjectCase};
use crate::facts::objects::{Ingress, IngressBackend, Object, Service};
use crate::facts::workload::WorkloadKind;
use crate::facts::{Body, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const LISTENERS: Variant = Variant::new(
    "conflicting-gateway-listeners",
    Level::Deny,
    "listeners of a Gateway that claim one port and cannot be told apart",
);

/// Which of them gets the traffic depends on the controller.
pub static RULE: Rule = Rule {
    id: "ambiguous-routing",
    group: Group::Network,
    level: Level::Warn,
    title: "two Ingresses or Services claim the same traffic",
    page: include_str!("ambiguous-routing.md"),
    needs: &[Need::Manifest],
    variants: &[LISTENERS],
    check: Check::Object(ingress),
    also: &[Check::Run(pairs), Check::Object(listeners::check)],
    ..Rule::BASE
};

/// Hosts of certificates times hosts of rules that are compared.
const MOST_PAIRS: usize = 1_000_000;

fn ingress(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::Ingress(ingress) = &case.object.body else { return Err(Abstain::NotApplicable) };
    let hosts: Vec<&str> =
        ingress.backends.iter().filter_map(|b| b.host.as_ref()).map(|h| h.value.as_str()).collect();
    // A rule without a host takes every host, those of the certificates too.
    let every = ingress.backends.iter().any(|b| b.host.is_none());
    if ingress.tls_hosts.len().saturating_mul(hosts.len()) > MOST_PAIRS {
        let what = "certificates times hosts of an Ingress";
        return Err(Abstain::unknown(Reason::LimitReached, what));
    }
    for tls in &ingress.tls_hosts {
        let covers = |host: &&&str| {
            **host == tls.value.as_str()
                || tls.value.strip_prefix('*').is_some_and(|suffix| {
                    host.strip_suffix(suffix).is_some_and(|l| !l.is_empty() && !l.contains('.'))
                })
        };
        if every
            || hosts.is_empty()
            || hosts.iter().any(|host| covers(&host))
            || wild(&hosts, &tls.value)
        {
            continue;
        }
        out.push(
            Finding::new(
                &RULE,
                format!("there is a certificate for {}, and no rule routes that host", tls.value),
                &tls.origin,
                "no rule has this host",
            )
            .also(&case.object.origin(), "this Ingress")
            .fix(Fix::suggest("write the host as in the rule, or take it out")),
        );
    }
    if let Some(open) = ingress.backends.iter().find(|b| b.host.is_none() && b.path.is_some()) {
        let path = open.path.as_ref().map_or(&open.service.origin, |path| &path.origin);
        out.push(
            Finding::new(
                &RULE,
                "a rule without a host answers for every host name that points at the controller",
                path,
                "for every host",
            )
            .level(Level::Note)
            .fix(Fix::suggest("write the host")),
        );
    }
    Ok(())
}

fn wild(hosts: &[&str], tls: &str) -> bool {
    hosts.iter().any(|host| host.strip_prefix('*').is_some_and(|suffix| tls.ends_with(suffix)))
}

fn pairs(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    ingresses(joined, out);
    services(joined, out);
    Ok(())
}

/// Annotations by which several Ingresses share a host and path on purpose.
const SHARING: &[&str] = &[
    "nginx.ingress.kubernetes.io/canary",
    "nginx.org/mergeable-ingress-type",
    "traefik.ingress.kubernetes.io/router.entrypoints",
    "traefik.ingress.kubernetes.io/router.priority",
    "alb.ingress.kubernetes.io/group.order",
    "alb.ingress.kubernetes.io/group.name",
    "haproxy.org/route-acl",
];

/// Claims of one path, or Services of one shape, in folders that have nothing to do with each
/// other, so that the work stays linear.
const COMPARED: usize = 64;

/// An Ingress that claims a path of a host, and where.
type Claim<'w> = (&'w Object, &'w IngressBackend, &'w Origin);

fn ingresses(joined: &Joined<'_>, out: &mut Findings) {
    let mut seen: BTreeMap<(&str, &str, &str), Vec<Claim<'_>>> = BTreeMap::new();
    for object in &joined.world.objects {
        let Body::Ingress(ingress) = &object.body else { continue };
        let shares = SHARING.iter().any(|key| object.meta.annotations.get(key).is_some());
        if object.is_helm_hook() || shares || is_solver(ingress) {
            continue;
        }
        let class = ingress.class.as_ref().map_or("", |class| class.value.as_str());
        for backend in &ingress.backends {
            let (Some(host), Some(path)) = (&backend.host, &backend.path) else { continue };
            // A name of no DNS stands for one that somebody fills in.
            if host.value.contains(['{', '$', '_']) {
                continue;
            }
            let key = (class, host.value.as_str(), path.value.as_str());
            // Examples in folders of their own claim the same host, and are never applied together.
            let earlier = seen.entry(key).or_default();
            let found = earlier.iter().find(|(first, ..)| joined.together(first, object)).copied();
            let Some((first, other, origin)) = found else {
                if earlier.len() < COMPARED {
                    earlier.push((object, backend, &path.origin));
                }
                continue;
            };
            let same_object = first.meta.name() == object.meta.name();
            let same_namespace = first.meta.namespace.value == object.meta.namespace.value;
            let same_backend = other.service.value == backend.service.value
                && other.port.as_ref().map(|p| &p.value) == backend.port.as_ref().map(|p| &p.value);
            // One object twice is two variants of it; the same backend is harmless.
            if same_object || same_namespace && same_backend {
                continue;
            }
            let mut finding = Finding::new(
                &RULE,
                format!(
                    "Ingress {} and Ingress {} both claim {}{}: the controller refuses one or \
                     sends to either",
                    first.meta.name(),
                    object.meta.name(),
                    host.value,
                    path.value
                ),
                &path.origin,
                "claimed a second time",
            )
            .level(Level::Deny)
            .also(origin, "claimed here")
            .fix(Fix::suggest("keep one of the two rules"));
            finding.subject = object.subject();
            out.push(finding);
        }
    }
}

/// cert-manager's own Ingress for an ACME challenge.
fn is_solver(ingress: &Ingress) -> bool {
    ingress.backends.iter().all(|b| {
        b.path.as_ref().is_some_and(|path| path.value.starts_with("/.well-known/acme-challenge"))
    })
}

type Shape<'w> = (&'w str, Vec<(&'w str, &'w str)>, Vec<(i64, String)>, bool, &'w str);

/// What makes two Services the same: headless or not, and the type, tell them apart.
fn shape<'w>(object: &'w Object, service: &'w Service) -> Option<Shape<'w>> {
    let selector = service.selector.as_ref().filter(|s| !s.is_empty())?;
    let mut labels: Vec<_> = selector.labels.iter().collect();
    labels.sort_unstable();
    let mut ports: Vec<(i64, String)> = Vec::new();
    for port in &service.ports {
        let number = port.port.as_ref()?.value;
        let target = port.target_port.as_ref().map(|t| format!("{:?}", t.value));
        ports.push((number, format!("{}{}", port.protocol.value, target.unwrap_or_default())));
    }
    ports.sort_unstable();
    let namespace = object.meta.namespace.value.as_str();
    Some((namespace, labels, ports, service.headless, service.service_type.value.as_str()))
}

fn services(joined: &Joined<'_>, out: &mut Findings) {
    let mut seen: BTreeMap<Shape<'_>, Vec<&Object>> = BTreeMap::new();
    for (id, object) in joined.world.objects.iter().enumerate() {
        let Body::Service(service) = &object.body else { continue };
        let case = ObjectCase::new(joined, id, object);
        // Argo Rollouts adds a hash to the selectors of its stable and canary Services; a second
        // Service of a StatefulSet has its name for a reason.
        let by_controller = case
            .selected()
            .any(|w| matches!(w.workload.kind, WorkloadKind::Rollout | WorkloadKind::StatefulSet));
        if object.is_helm_hook() || by_controller || case.selected().next().is_none() {
            continue;
        }
        let Some(shape) = shape(object, service) else { continue };
        let earlier = seen.entry(shape).or_default();
        let found = earlier.iter().find(|first| joined.together(first, object)).copied();
        let Some(first) = found else {
            if earlier.len() < COMPARED {
                earlier.push(object);
            }
            continue;
        };
        if first.meta.name() == object.meta.name() {
            continue;
        }
        let mut finding = Finding::new(
            &RULE,
            format!(
                "Services {} and {} select the same pods and have the same ports",
                first.meta.name(),
                object.meta.name()
            ),
            &object.origin(),
            "the same once more",
        )
        .level(Level::Note)
        .also(&first.origin(), "the first");
        finding.subject = object.subject();
        out.push(finding);
    }
}
