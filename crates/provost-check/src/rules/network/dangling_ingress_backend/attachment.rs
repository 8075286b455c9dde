//! Whether the Gateways that a route names have a listener for it.
//!
//! Source: `ParentReference` in apis/v1/shared_types.go, `Listener` and `AllowedRoutes` in
//! gateway_types.go and `Hostnames` in httproute_types.go of sigs.k8s.io/gateway-api v1.6.3. A route
//! that no listener takes is told so in its status (`NoMatchingParent`, `NotAllowedByListeners`,
//! `NoMatchingListenerHostname`), and by nothing else.

use super::{NOT_ATTACHED, RULE};
use crate::case::ObjectCase;
use crate::case::references::Wanted;
use crate::case::routes::{Listener, Parent, RoutesFrom, Said, hosts_meet, selects_namespace};
use crate::facts::document::Node;
use crate::facts::placeholders::is_placeholder;
use crate::facts::{Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Findings, Judged};

/// Hosts of one route: the CRD takes no more than 16.
const MOST_HOSTS: usize = 64;

/// Listeners that a message shows.
const SHOWN: usize = 3;

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let kind = case.route_kind().ok_or(Abstain::NotApplicable)?;
    let parents = case.parents();
    if parents.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    case.joined.unpatched(case.object, &["spec/parentRefs", "spec/hostnames"])?;
    let names = match kind {
        "HTTPRoute" | "GRPCRoute" | "TLSRoute" => case.object.node().at(&["spec", "hostnames"]),
        _ => None,
    };
    let names = names.into_iter().flat_map(Node::items).take(MOST_HOSTS);
    let names = names.filter_map(|node| Some(Said { text: node.as_str()?, at: node.origin() }));
    let route = Route { case, kind, hosts: names.collect() };
    // Which of the hosts some Gateway serves.
    let mut served = vec![false; route.hosts.len()];
    // What has no name, or listeners of its own kind, may serve the rest of the hosts.
    let named = case.object.node().at(&["spec", "parentRefs"]);
    let mut all_judged = named.into_iter().flat_map(Node::items).count() == parents.len();
    let mut some_attached = false;
    for parent in &parents {
        match route.attach(parent, out) {
            Ok(Some(of_parent)) => {
                some_attached = true;
                served.iter_mut().zip(of_parent).for_each(|(served, here)| *served |= here);
            }
            Ok(None) => {}
            Err(unknown) => {
                all_judged = false;
                out.abstain(unknown);
            }
        }
    }
    if all_judged && some_attached {
        for (host, _) in route.hosts.iter().zip(served).filter(|(_, served)| !served) {
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "no listener of the route's Gateways serves {}: requests for it do not \
                         come here",
                        host.text
                    ),
                    &host.at,
                    "no listener has this host",
                )
                .variant(&NOT_ATTACHED)
                .level(Level::Warn),
            );
        }
    }
    Ok(())
}

/// A route as listeners see it.
struct Route<'c, 'w> {
    case: &'c ObjectCase<'w>,
    kind: &'static str,
    hosts: Vec<Said<'w>>,
}

impl<'w> Route<'_, 'w> {
    /// Which of the hosts a parent serves; none when the route does not attach to it, which was
    /// said.
    fn attach(
        &self,
        parent: &Parent<'w>,
        out: &mut Findings,
    ) -> Result<Option<Vec<bool>>, Abstain> {
        let (joined, name) = (self.case.joined, &parent.name);
        let namespace = parent.namespace;
        let unknown = || {
            let what = format!("the listeners of {}", name.text);
            Abstain::unknown(Reason::ExternalController, what)
        };
        let (group, kind) = parent.kind.ok_or_else(unknown)?;
        let wanted = Wanted { group, kind, namespace, name: name.text };
        let gateway = match joined.referenced_one(self.case.object, wanted)? {
            Ok(gateway) => gateway,
            // It is there, and may have any.
            Err(None) => return Err(unknown()),
            Err(Some(missing)) => {
                let finding = Finding::new(
                    &RULE,
                    format!(
                        "there is no {kind} {} in namespace {namespace}: the {} is attached to \
                         nothing, and serves nobody",
                        name.text, self.kind
                    ),
                    &name.at,
                    format!("no such {kind}"),
                )
                .variant(&NOT_ATTACHED);
                out.push(missing.tell(self.case.world(), finding, &name.at, name.text));
                return Ok(None);
            }
        };
        joined.unpatched(gateway, &["spec/listeners"])?;
        let listeners = Listener::of(gateway)?;
        if listeners.is_empty() {
            return Ok(None);
        }
        let mut open: Vec<&Listener<'_>> = listeners.iter().collect();
        // The first condition that leaves no listener is what is wrong.
        let by_name = |listener: &&Listener<'_>| match (&parent.section, &listener.name) {
            (Some(section), Some(name)) => name.text == section.text || is_placeholder(name.text),
            _ => true,
        };
        let by_port = |listener: &&Listener<'_>| match (&parent.port, listener.port) {
            (Some((port, _)), Some(own)) => *port == own,
            _ => true,
        };
        if let Some(section) = &parent.section
            && !open.iter().any(by_name)
        {
            let what = format!("{kind} {} has no listener {}", name.text, section.text);
            out.push(self.refused(&what, &section.at, "no such listener", gateway, &open));
            return Ok(None);
        }
        open.retain(by_name);
        if let Some((port, at)) = &parent.port
            && !open.iter().any(by_port)
        {
            let what = format!("{kind} {} has no such listener at port {port}", name.text);
            out.push(self.refused(&what, at, "no listener at this port", gateway, &open));
            return Ok(None);
        }
        open.retain(by_port);
        let own = &self.case.object.meta.namespace;
        // Without a namespace of its own an object goes where the other goes.
        let known = own.is_written() && gateway.meta.namespace.is_written();
        let apart = own.value != gateway.meta.namespace.value && known;
        let home = self.case.own_namespace();
        let takes_namespace = |listener: &&Listener<'_>| match listener.from {
            RoutesFrom::Same => !apart,
            RoutesFrom::None => false,
            // Without a selector the CRD's own words are another rule's business.
            RoutesFrom::Selector => match (&listener.selector, home) {
                (Some(selector), Some(home)) => selects_namespace(selector, home),
                _ => true,
            },
            RoutesFrom::All | RoutesFrom::Other => true,
        };
        if !open.iter().any(takes_namespace) {
            let what = format!(
                "no listener of {kind} {} takes routes of namespace {}",
                name.text, own.value
            );
            let mut finding =
                self.refused(&what, &name.at, "does not take this route", gateway, &[]);
            let mut by_labels = false;
            for it in open.iter().take(SHOWN) {
                finding = match (&it.selector, it.from) {
                    (Some(selector), RoutesFrom::Selector) => {
                        by_labels = true;
                        finding.also(&selector.origin, "takes namespaces with these labels")
                    }
                    (_, RoutesFrom::None) => finding.also(&it.at, "takes no routes"),
                    _ => finding.also(&it.at, "takes routes of its own namespace only"),
                };
            }
            let fix = match home.filter(|_| by_labels) {
                Some(home) => {
                    finding = finding.also(&home.origin(), "has other labels");
                    "give the Namespace the labels that the listener selects"
                }
                None => "set allowedRoutes.namespaces of the listener to All, or to a selector",
            };
            out.push(finding.fix(Fix::suggest(fix)));
            return Ok(None);
        }
        open.retain(takes_namespace);
        if !open.iter().any(|listener| listener.takes(self.kind)) {
            let what = format!("no listener of {kind} {} takes a {}", name.text, self.kind);
            out.push(self.refused(&what, &name.at, "does not take this route", gateway, &open));
            return Ok(None);
        }
        open.retain(|listener| listener.takes(self.kind));
        let serves = |host: &Said<'_>| {
            is_placeholder(host.text)
                || open.iter().any(|listener| match &listener.hostname {
                    Some(own) => is_placeholder(own.text) || hosts_meet(own.text, host.text),
                    None => true,
                })
        };
        let served: Vec<bool> = self.hosts.iter().map(serves).collect();
        if let Some(first) = self.hosts.first().filter(|_| served.iter().all(|served| !served)) {
            let what = match self.hosts.len() {
                1 => format!("no listener of {kind} {} serves {}", name.text, first.text),
                _ => format!("no listener of {kind} {} serves any host of the route", name.text),
            };
            let mut finding =
                self.refused(&what, &first.at, "no listener has this host", gateway, &[]);
            for own in open.iter().filter_map(|it| it.hostname.as_ref()).take(SHOWN) {
                finding = finding.also(&own.at, "a host that is served");
            }
            out.push(finding);
            return Ok(None);
        }
        Ok(Some(served))
    }

    fn refused(
        &self,
        what: &str,
        at: &Origin,
        label: &str,
        gateway: &Object,
        listeners: &[&Listener<'_>],
    ) -> Finding {
        let message =
            format!("{what}: the {} is attached to nothing, and serves nobody", self.kind);
        let mut finding = Finding::new(&RULE, message, at, label).variant(&NOT_ATTACHED);
        let names = listeners.iter().filter_map(|listener| listener.name.as_ref());
        let mut shown = false;
        for name in names.take(SHOWN) {
            shown = true;
            finding = finding.also(&name.at, "a listener it has");
        }
        match shown {
            true => finding,
            false => finding.also(&gateway.origin(), format!("the {}", gateway.meta.kind.value)),
        }
    }
}
