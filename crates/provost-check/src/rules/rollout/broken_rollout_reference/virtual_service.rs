//! What a VirtualService has to have whose weights a Rollout sets.

use super::invalid;
use crate::case::WorkloadCase;
use crate::case::references::{Referenced, Wanted};
use crate::facts::placeholders::is_placeholder;
use crate::facts::rollout::{Canary, Routing, VirtualServiceUse};
use crate::facts::{Node, Object};
use crate::findings::Fix;
use crate::rules::rule::{Findings, Judged};

/// `ValidateHTTPRoutes`: routes by name, or one alone.
pub(super) fn routes(used: &VirtualServiceUse, object: &Object, out: &mut Findings) {
    let spec = object.node().get("spec");
    let http: Vec<Node<'_>> =
        spec.and_then(|spec| spec.get("http")).into_iter().flat_map(Node::items).collect();
    let others = spec.is_some_and(|spec| spec.get("tls").is_some() || spec.get("tcp").is_some());
    if http.is_empty() && others {
        return;
    }
    let names: Vec<&str> = http.iter().filter_map(|route| route.get("name")?.as_str()).collect();
    for route in &used.routes {
        if is_placeholder(&route.value) || names.contains(&route.value.as_str()) {
            continue;
        }
        out.push(
            invalid(
                format!(
                    "VirtualService {} has no HTTP route {}: the Rollout is InvalidSpec",
                    used.name.value, route.value
                ),
                &route.origin,
                "no such route",
            )
            .also(
                &object.origin(),
                match names.as_slice() {
                    [] => "its routes have no names".to_owned(),
                    some => {
                        format!(
                            "has {}",
                            some.iter().take(8).copied().collect::<Vec<_>>().join(", ")
                        )
                    }
                },
            ),
        );
    }
    if used.routes.is_empty() && http.len() > 1 {
        out.push(
            invalid(
                format!(
                    "VirtualService {} has {} HTTP routes, and the Rollout names none: it is \
                     InvalidSpec",
                    used.name.value,
                    http.len()
                ),
                &used.name.origin,
                "which of them?",
            )
            .also(&object.origin(), "several routes")
            .fix(Fix::suggest("give the routes names, and list them in routes")),
        );
    }
}

/// `validateVirtualServiceRouteDestinations` in rollout/trafficrouting/istio/istio.go: a route whose weights are set has
/// both Services, unless subsets tell the versions apart. A host is its name up to the first dot.
pub(super) fn destinations(
    case: &WorkloadCase<'_>,
    canary: &Canary,
    routing: &Routing,
    used: &VirtualServiceUse,
    object: &Object,
    out: &mut Findings,
) -> Judged {
    let (Some(canary_service), Some(stable)) = (&canary.canary_service, &canary.stable_service)
    else {
        return Ok(());
    };
    if routing.destination_rule || canary.ping_pong.is_some() {
        return Ok(());
    }
    case.joined.unpatched(object, &["spec/http"])?;
    let http = object.node().at(&["spec", "http"]);
    let http: Vec<Node<'_>> = http.into_iter().flat_map(Node::items).take(ROUTES).collect();
    let named = |route: &Node<'_>| {
        let name = route.get("name").and_then(Node::as_str);
        name.is_some_and(|name| used.routes.iter().any(|wanted| wanted.value == name))
    };
    let only = used.routes.is_empty() && http.len() == 1;
    for route in http.iter().filter(|route| only || named(route)) {
        let hosts = route.get("route").into_iter().flat_map(Node::items).take(ROUTES);
        let hosts = hosts.filter_map(|share| share.at(&["destination", "host"])?.as_str());
        let hosts: Vec<&str> = hosts.collect();
        if hosts.iter().any(|host| is_placeholder(host)) {
            continue;
        }
        for (name, role) in [(canary_service, "canary"), (stable, "stable")] {
            let has = hosts.iter().any(|host| host.split('.').next() == Some(name.value.as_str()));
            // One that is not there is told of by itself.
            let wanted = Wanted::service(&case.object.meta.namespace.value, &name.value);
            let missing =
                matches!(case.joined.referenced(case.object, wanted), Ok(Referenced::Missing(_)));
            if has || missing || is_placeholder(&name.value) {
                continue;
            }
            let place = route.get("route").unwrap_or(*route);
            out.push(
                invalid(
                    format!(
                        "the route of VirtualService {} does not send to the {role} Service {}: \
                         its weights are not set, and the Rollout is InvalidSpec",
                        used.name.value, name.value
                    ),
                    &used.name.origin,
                    "its weights are to be set",
                )
                .also(&place.start(), format!("no destination is {}", name.value))
                .also(&name.origin, format!("the {role} Service"))
                .fix(Fix::suggest(format!(
                    "add a destination with host {} and weight {}",
                    name.value,
                    if role == "canary" { 0 } else { 100 }
                ))),
            );
        }
    }
    Ok(())
}

/// Routes, and destinations of one, that are looked at.
const ROUTES: usize = 256;
