//! A VirtualService that sends to what is not there.

mod subsets;

use rustc_hash::FxHashSet;

use crate::case::mesh::{Destination, full_name, is_of_other_domain, service_of};
use crate::case::references::{Referenced, Wanted};
use crate::case::routes::{Said, hosts_meet};
use crate::case::{ObjectCase, ObjectId};
use crate::facts::document::Node;
use crate::facts::mesh::MeshPolicy;
use crate::facts::placeholders::is_placeholder;
use crate::facts::{Body, Object};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const SUBSET: Variant = Variant::new(
    "missing-subset",
    Level::Deny,
    "a VirtualService sends to a subset that no DestinationRule has",
);
const SUBSET_OF_NONE: Variant = Variant::new(
    "subset-selects-nothing",
    Level::Warn,
    "a subset of a DestinationRule that no pod of the Service is in",
);
const GATEWAY: Variant = Variant::new(
    "missing-mesh-gateway",
    Level::Deny,
    "a VirtualService is for a Gateway that does not exist, or that serves none of its hosts",
);
const WEIGHTS: Variant = Variant::new(
    "weights-are-zero",
    Level::Deny,
    "destinations that share the traffic by weights that are all 0",
);

/// Envoy answers 503 (`NC`, no cluster) for what it has no cluster of. Weights are relative: only a
/// sum of 0 is refused (`validateHTTPRouteDestinations` in pkg/config/validation/validation.go). The
/// rest is what istioctl analyze calls IST0101 and IST0132. Istio 1.31.
pub static RULE: Rule = Rule {
    id: "dangling-mesh-destination",
    group: Group::Mesh,
    level: Level::Deny,
    title: "a VirtualService sends to a host, port or subset that does not exist",
    page: include_str!("dangling-mesh-destination.md"),
    needs: &[Need::Manifest],
    variants: &[SUBSET, SUBSET_OF_NONE, GATEWAY, WEIGHTS],
    check: Check::Object(check),
    also: &[Check::Object(subsets::check)],
    ..Rule::BASE
};

/// Gateways and hosts of one VirtualService that are looked at.
const MOST: usize = 128;

/// Hosts of servers and of one VirtualService that are held against each other.
const MOST_PAIRS: usize = 1 << 14;

/// Subsets of one DestinationRule that are looked at.
const MOST_SUBSETS: usize = 1000;

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    if !case.is_virtual_service() {
        return Err(Abstain::NotApplicable);
    }
    case.joined.not_without_mesh()?;
    let routes = ["spec/http", "spec/tls", "spec/tcp", "spec/gateways", "spec/hosts"];
    case.joined.unpatched(case.object, &routes)?;
    weights(case, out);
    let own = case.object.meta.namespace.value.as_str();
    let destinations = case.destinations();
    let mut hosts: FxHashSet<(String, Option<i64>)> = FxHashSet::default();
    let mut subsets: FxHashSet<(String, &str)> = FxHashSet::default();
    for destination in &destinations {
        let full = full_name(destination.host.text, own);
        let port = destination.port.as_ref().map(|(port, _)| *port);
        if hosts.insert((full.clone(), port))
            && let Err(unknown) = host(case, destination, &full, out)
        {
            out.abstain(unknown);
        }
        if let Some(subset) = &destination.subset
            && subsets.insert((full.clone(), subset.text))
            && let Err(unknown) = has_subset(case, destination, subset, &full, out)
        {
            out.abstain(unknown);
        }
    }
    gateways(case, out);
    Ok(())
}

fn weights(case: &ObjectCase<'_>, out: &mut Findings) {
    let zero = case.shares().into_iter().filter(|list| list.count > 1 && list.total == Some(0));
    for list in zero {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "the weights of {} destinations add up to 0, and Istio refuses the \
                     VirtualService: `total destination weight = 0`",
                    list.count
                ),
                &list.at,
                "a destination without weight has 0",
            )
            .variant(&WEIGHTS)
            .fix(Fix::suggest("give each destination its weight; they need not add up to 100")),
        );
    }
}

/// Whether somebody has the host, and the port of it.
fn host(
    case: &ObjectCase<'_>,
    destination: &Destination<'_>,
    full: &str,
    out: &mut Findings,
) -> Judged {
    let host = &destination.host;
    if is_placeholder(host.text) {
        return Err(Abstain::unknown(Reason::Templated, format!("host {}", host.text)));
    }
    if case.joined.hosts.has_entry(full) || host.text.contains(['*', '/', ':']) {
        return Ok(());
    }
    let Some((name, namespace)) = service_of(full) else {
        return short_name(case, host, out);
    };
    match case.joined.referenced(case.object, Wanted::service(namespace, name))? {
        Referenced::Made => Ok(()),
        Referenced::Missing(missing) => {
            let finding = Finding::new(
                &RULE,
                format!(
                    "the VirtualService sends to {}, and namespace {namespace} has no Service \
                     {name}: requests get 503",
                    host.text
                ),
                &host.at,
                "no Service or ServiceEntry has this host",
            );
            // The name of the Service is the whole of the text only when it is short.
            let short = host.text == name;
            let finding = match missing.near.filter(|_| !short) {
                Some(near) => finding.also(&near.origin(), "perhaps this one"),
                None => finding,
            };
            let missing = match short {
                true => missing,
                false => missing.unless(|_| true),
            };
            out.push(missing.tell(case.world(), finding, &host.at, host.text));
            Ok(())
        }
        Referenced::There(services) => port(case, destination, &services, out),
    }
}

fn port(
    case: &ObjectCase<'_>,
    destination: &Destination<'_>,
    services: &[&Object],
    out: &mut Findings,
) -> Judged {
    let Some((port, at)) = &destination.port else { return Ok(()) };
    for service in services {
        case.joined.unpatched(service, &["spec/ports"])?;
    }
    let of = |object: &&Object| match &object.body {
        Body::Service(service) => {
            service.ports.iter().any(|own| own.port.as_ref().is_some_and(|own| own.value == *port))
        }
        _ => true,
    };
    if services.iter().any(of) {
        return Ok(());
    }
    let Some(first) = services.first() else { return Ok(()) };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "Service {} has no port {port}: Envoy knows no such cluster, and requests get 503",
            first.meta.name()
        ),
        at,
        "no such port",
    );
    if let Body::Service(service) = &first.body {
        for own in service.ports.iter().take(3) {
            finding = finding.also(&own.origin, "a port it has");
        }
        if let [only] = service.ports.as_slice()
            && let Some(own) = &only.port
        {
            let fix = Fix::suggest(format!("write {}, the Service's own port", own.value));
            finding = finding.fix(fix.replace(at, own.value.to_string()));
        }
    }
    out.push(finding);
    Ok(())
}

/// A host with dots that is no full name: that of a Service of another namespace, or one outside.
fn short_name(case: &ObjectCase<'_>, host: &Said<'_>, out: &mut Findings) -> Judged {
    let joined = case.joined;
    let parts: Vec<&str> = host.text.split('.').collect();
    if let [name, namespace] | [name, namespace, "svc"] = parts.as_slice() {
        let ids = joined.joins.named(namespace, "Service", name);
        let service = ids.first().and_then(|id| case.world().objects.get(*id));
        let service = service.filter(|object| matches!(object.body, Body::Service(_)));
        if let Some(service) = service.filter(|object| joined.may_be_together(case.object, object))
        {
            let full = format!("{name}.{namespace}.svc.cluster.local");
            let fix = Fix::suggest(format!("write {full}"));
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "{} is no host of the mesh: Istio completes names without dots only, and \
                         requests get 503",
                        host.text
                    ),
                    &host.at,
                    "taken as it is",
                )
                .level(Level::Warn)
                .also(&service.origin(), format!("its host is {full}"))
                .fix(case.world().rewrite(fix, &host.at, host.text, &full)),
            );
            return Ok(());
        }
    }
    let own = case.object.meta.namespace.value.as_str();
    if case.joined.some_is_declared("ServiceEntry", own) || !case.world().settings.closed_world {
        let what = format!("ServiceEntry of {}", host.text);
        return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
    }
    if is_of_other_domain(&host.text.to_ascii_lowercase()) {
        let what = format!("whether {} ends in the cluster's domain", host.text);
        return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
    }
    let message =
        format!("no Service or ServiceEntry has the host {}: requests get 503", host.text);
    out.push(Finding::new(&RULE, message, &host.at, "nobody has this host"));
    Ok(())
}

fn objects<'w>(case: &ObjectCase<'w>, ids: &[ObjectId]) -> Vec<&'w Object> {
    let world = case.joined.world;
    ids.iter().filter_map(|id| world.objects.get(*id)).collect()
}

/// The names of the subsets of some DestinationRules.
fn subsets<'w>(case: &ObjectCase<'w>, rules: &[&'w Object]) -> Result<Vec<Said<'w>>, Abstain> {
    let mut names = Vec::new();
    for rule in rules {
        case.joined.unpatched(rule, &["spec/subsets", "spec/host"])?;
        let list = rule.node().at(&["spec", "subsets"]);
        let list = list.into_iter().flat_map(Node::items).take(MOST_SUBSETS);
        names.extend(list.filter_map(|node| Said::at(node, "name")));
    }
    Ok(names)
}

/// Whether a DestinationRule of the host has the subset: one with the most specific host. A rule for
/// all hosts of the mesh says nothing of subsets while the host's own may be elsewhere.
fn has_subset(
    case: &ObjectCase<'_>,
    destination: &Destination<'_>,
    subset: &Said<'_>,
    full: &str,
    out: &mut Findings,
) -> Judged {
    let unknown = |reason| {
        Err(Abstain::unknown(reason, format!("the DestinationRules of {full} for {}", subset.text)))
    };
    if is_placeholder(subset.text) || is_placeholder(full) {
        return unknown(Reason::Templated);
    }
    let hosts = &case.joined.hosts;
    let Some(of) = hosts.rules_of(full) else {
        return unknown(Reason::LimitReached);
    };
    let own = case.object.meta.namespace.value.as_str();
    let declared = case.joined.some_is_declared("DestinationRule", own);
    let closed = case.world().settings.closed_world && !declared;
    let rules = objects(case, &of.nearest);
    let names = subsets(case, &rules)?;
    let has = |names: &[Said<'_>]| {
        names.iter().any(|name| name.text == subset.text || is_placeholder(name.text))
    };
    if has(&names) {
        return Ok(());
    }
    // Istio looks into the caller's namespace first, then into the Service's (`destinationRule` in
    // pilot/pkg/model/push_context.go): a less specific rule may come first in another one.
    let own: FxHashSet<&str> = rules.iter().map(|it| it.meta.namespace.value.as_str()).collect();
    let mut others = objects(case, &of.others);
    others.retain(|rule| !own.contains(rule.meta.namespace.value.as_str()));
    let apart = rules.iter().any(|rule| !case.joined.may_be_together(case.object, rule));
    if (apart && !closed) || has(&subsets(case, &others)?) {
        return unknown(Reason::Alternatives);
    }
    if !of.exact {
        let follows =
            !destination.host.text.contains('.') && !case.object.meta.namespace.is_written();
        if hosts.may_have_rule(full, follows) {
            return unknown(Reason::Alternatives);
        }
        if !closed || is_of_other_domain(full) {
            return unknown(Reason::ObjectNotInInput);
        }
    }
    let Some(first) = rules.first() else {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "no DestinationRule is for {full}: there is no subset {}, and requests get 503",
                    subset.text
                ),
                &subset.at,
                "no such subset",
            )
            .variant(&SUBSET),
        );
        return Ok(());
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "DestinationRule {} has no subset {}: Envoy knows no such cluster, and requests get \
             503",
            first.meta.name(),
            subset.text
        ),
        &subset.at,
        "no such subset",
    )
    .variant(&SUBSET);
    finding = match names.is_empty() {
        true => finding.also(&host_of(first), "has no subsets"),
        false => names
            .iter()
            .take(3)
            .fold(finding, |finding, name| finding.also(&name.at, "a subset it has")),
    };
    out.push(finding);
    Ok(())
}

fn host_of(object: &Object) -> crate::facts::Origin {
    match &object.body {
        Body::Mesh(policy) => match &**policy {
            MeshPolicy::DestinationRule(rule) => {
                rule.host.as_ref().map_or_else(|| object.origin(), |host| host.origin.clone())
            }
            _ => object.origin(),
        },
        _ => object.origin(),
    }
}

/// The Gateways that the VirtualService is for.
fn gateways(case: &ObjectCase<'_>, out: &mut Findings) {
    let spec = case.object.node().get("spec");
    let list = |key: &str| {
        let list = spec.and_then(|spec| spec.get(key));
        let texts = list.into_iter().flat_map(Node::items).take(MOST + 1);
        texts.filter_map(|node| Some(Said { text: node.as_str()?, at: node.origin() }))
    };
    let own = case.object.meta.namespace.value.as_str();
    // Istio completes them before it compares (`resolveVirtualServiceShortnames` in
    // pilot/pkg/model/virtualservice.go).
    let hosts: Vec<(Said<'_>, String)> = list("hosts")
        .map(|host| {
            let full = full_name(host.text, own);
            (host, full)
        })
        .collect();
    let mut seen: FxHashSet<&str> = FxHashSet::default();
    let mut pairs = MOST_PAIRS;
    for gateway in list("gateways").take(MOST).filter(|gateway| seen.insert(gateway.text)) {
        if let Err(unknown) = one_gateway(case, &gateway, &hosts, &mut pairs, out) {
            out.abstain(unknown);
        }
    }
}

fn one_gateway(
    case: &ObjectCase<'_>,
    said: &Said<'_>,
    hosts: &[(Said<'_>, String)],
    pairs: &mut usize,
    out: &mut Findings,
) -> Judged {
    let own = case.object.meta.namespace.value.as_str();
    let (namespace, name) = said.text.split_once('/').unwrap_or((".", said.text));
    let namespace = if namespace == "." { own } else { namespace };
    // The sidecars themselves, an old form with the whole name, and what Istio makes of Gateways of
    // the Gateway API (`IsInternalGatewayReference` in pkg/config/kube).
    if said.text == "mesh"
        || name.contains(['.', '/'])
        || name.ends_with("-istio-autogenerated-k8s-gateway")
    {
        return Ok(());
    }
    let wanted = Wanted { group: "networking.istio.io", kind: "Gateway", namespace, name };
    let gateway = match case.joined.referenced_one(case.object, wanted)? {
        Ok(gateway) => gateway,
        Err(None) => return Ok(()),
        Err(Some(missing)) => {
            let finding = Finding::new(
                &RULE,
                format!(
                    "there is no Gateway {name} of Istio's in namespace {namespace}: the \
                     VirtualService serves nobody from outside"
                ),
                &said.at,
                "no such Gateway",
            )
            .variant(&GATEWAY);
            let written = if said.text == name { name } else { "" };
            out.push(missing.tell(case.world(), finding, &said.at, written));
            return Ok(());
        }
    };
    case.joined.unpatched(gateway, &["spec/servers"])?;
    let meets = |server: &Said<'_>, (host, full): &(Said<'_>, String)| {
        let (of, server) = server.text.split_once('/').unwrap_or(("*", server.text));
        let of = if of == "." { gateway.meta.namespace.value.as_str() } else { of };
        let unclear = is_placeholder(server) || is_placeholder(host.text) || is_placeholder(of);
        let meet = || hosts_meet(server, host.text) || hosts_meet(server, full);
        unclear || ((of == "*" || of == own) && meet())
    };
    let servers = gateway.node().at(&["spec", "servers"]);
    let mut served: Option<Said<'_>> = None;
    for server in servers.into_iter().flat_map(Node::items) {
        spend(pairs, 1, said)?;
        for host in server.get("hosts").into_iter().flat_map(Node::items) {
            spend(pairs, 1 + hosts.len(), said)?;
            let Some(text) = host.as_str() else { continue };
            let server = Said { text, at: host.origin() };
            if hosts.iter().any(|host| meets(&server, host)) {
                return Ok(());
            }
            served = served.or(Some(server));
        }
    }
    if hosts.len() > MOST {
        return Err(Abstain::unknown(Reason::LimitReached, "the hosts of the VirtualService"));
    }
    if let (Some((first, _)), Some(server)) = (hosts.first(), served) {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "Gateway {name} serves none of the VirtualService's hosts: nothing from \
                     outside comes here"
                ),
                &first.at,
                "no server of the Gateway has this host",
            )
            .variant(&GATEWAY)
            .level(Level::Warn)
            .also(&server.at, "a host that is served")
            .also(&said.at, "the Gateway"),
        );
    }
    Ok(())
}

/// Takes from what may still be compared.
fn spend(pairs: &mut usize, count: usize, gateway: &Said<'_>) -> Judged {
    let left = pairs.checked_sub(count);
    let what = || format!("the hosts of Gateway {}", gateway.text);
    *pairs = left.ok_or_else(|| Abstain::unknown(Reason::LimitReached, what()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::case::Joined;

    #[test]
    fn hosts_that_are_held_against_each_other_are_bounded() {
        let mut text = String::new();
        let list =
            |of: &str| (0..100).map(|n| format!("{of}{n}.example.com, ")).collect::<String>();
        let head = "apiVersion: networking.istio.io/v1\nkind:";
        for name in ["a", "b", "c"] {
            let hosts = list("server");
            let _ = writeln!(
                text,
                "{head} Gateway\nmetadata: {{name: {name}}}\nspec: {{servers: [{{hosts: [{hosts}]}}]}}\n---"
            );
        }
        let hosts = list("service");
        let _ = writeln!(
            text,
            "{head} VirtualService\nmetadata: {{name: v}}\nspec: {{hosts: [{hosts}], gateways: [a, a, b, c]}}"
        );
        let world = crate::case::sample::world(text);
        let joined = Joined::new(&world);
        let (id, object) = (3, &world.objects[3]);
        let mut out = Findings::default();
        check(&ObjectCase::new(&joined, id, object), &mut out).unwrap();
        // `a`, once.
        assert_eq!(out.found.len(), 1);
        let is_limit =
            |it: &Abstain| matches!(it, Abstain::Unknown { reason: Reason::LimitReached, .. });
        assert_eq!(out.abstained.iter().filter(|it| is_limit(it)).count(), 2);
    }
}
