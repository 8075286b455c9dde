//! Profiling handlers on the port that serves traffic.

use std::collections::BTreeSet;

use crate::case::{Case, ObjectId};
use crate::facts::objects::{Body, Object, PortRef, Service, ServicePort};
use crate::facts::program_text::TextOwner;
use crate::facts::symbols;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::ports::CLIENTS;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Importing net/http/pprof registers its handlers on DefaultServeMux.
pub static RULE: Rule = Rule {
    id: "debug-endpoint-exposed",
    group: Group::Network,
    level: Level::Warn,
    strict: Some(Level::Deny),
    title: "pprof is linked and the only port is one that a Service sends to",
    page: include_str!("debug-endpoint-exposed.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let reached = targets(case)?;
    let (object, _, port, number) = *reached.first().ok_or(Abstain::NotApplicable)?;
    let program = case.program()?;
    let pprof = program.links_any(&[symbols::PPROF, symbols::PPROF_0])?;
    // client_golang registers expvar's collector, so that most programs link it.
    let prometheus = program.links_package("github.com/prometheus/client_golang");
    let expvar = if prometheus { None } else { program.links(symbols::EXPVAR)? };
    let (linked, paths, level) = match (pprof, expvar) {
        (Some(linked), _) => {
            (linked, "/debug/pprof: heap contents, command line, CPU profiles of 30 s", None)
        }
        (None, Some(linked)) => {
            (linked, "/debug/vars: command line and memory statistics", Some(Level::Note))
        }
        (None, None) => return Ok(()),
    };
    if has_listener_of_its_own(case, &reached) {
        return Ok(());
    }
    let Some(target) = &port.target_port else { return Ok(()) };
    let package = if pprof.is_some() { "net/http/pprof" } else { "expvar" };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{package} is linked and no other listener is known than port {number}, which Service \
             {} sends to: whoever reaches it may ask for {paths}",
            object.meta.name()
        ),
        &target.origin,
        "reaches what DefaultServeMux serves",
    )
    .also(linked, "registers handlers on http.DefaultServeMux");
    if let Some(level) = level {
        finding = finding.level(level);
    }
    for (ingress, origin) in ingresses(case, &reached) {
        finding = finding.also(&origin, format!("Ingress {ingress} lets every path in"));
    }
    out.push(
        finding
            .note("not so when the server has a mux of its own: then suppress this with that reason")
            .fix(Fix::suggest(
                "serve the handlers on a listener of their own, on localhost:6060, and the traffic on a mux of its own",
            )),
    );
    Ok(())
}

/// A port of a Service, and the number it arrives at.
type Target<'w> = (&'w Object, &'w Service, &'w ServicePort, u16);

/// Service ports that arrive at this container.
fn targets<'w>(case: &Case<'w>) -> Result<Vec<Target<'w>>, Abstain> {
    let pod = case.pod();
    let mut all = Vec::new();
    for (object, service) in case.services()? {
        let ports: Vec<_> = if pod.declares_ports() {
            service.ports_to(case.container)
        } else {
            service.ports.iter().filter(|port| port.target_port.is_some()).collect()
        };
        all.extend(ports.into_iter().filter_map(|port| {
            let number = u16::try_from(pod.target_number(port)?).ok()?;
            Some((object, service, port, number))
        }));
    }
    Ok(all)
}

/// Whether the program listens, by what its settings and its strings say, on a port that no
/// Service sends to: an admin port, the usual place for these handlers.
fn has_listener_of_its_own(case: &Case<'_>, reached: &[Target<'_>]) -> bool {
    let hidden = |port: u16| reached.iter().all(|(.., number)| *number != port);
    // Addresses of others, such as a database's on localhost, are no listeners.
    let told = case.told();
    if told.iter().any(|t| hidden(t.setting.port) || t.setting.is_loopback()) {
        return true;
    }
    if case
        .container
        .ports
        .iter()
        .filter_map(|p| u16::try_from(p.port.as_ref()?.value).ok())
        .any(hidden)
    {
        return true;
    }
    let Some(listens) = case.known_program().and_then(|p| p.text.listens().ok()) else {
        return false;
    };
    let given = case.listener_settings();
    listens
        .texts
        .iter()
        // A library's address is that of what it talks to.
        .filter(|text| matches!(text.owner, TextOwner::Main | TextOwner::Unknown))
        .filter(|text| match &text.name {
            // A setting that is given says more than its default, and one of another program is none.
            Some(name) => match given(name) {
                Some(is_given) => !is_given,
                None => false,
            },
            None => text.text.contains(':') && !CLIENTS.contains(&text.port),
        })
        .any(|text| {
            let host = text.text.rsplit_once(':').map_or("", |(host, _)| host);
            crate::case::network::is_loopback(host) || hidden(text.port)
        })
}

/// Ingresses that are looked at for one container, and backends of each.
const INGRESSES: usize = 16;
const BACKENDS: usize = 1024;

/// Ingresses that send every path of a host to one of the Services.
fn ingresses<'c>(
    case: &'c Case<'_>,
    reached: &'c [Target<'_>],
) -> impl Iterator<Item = (&'c str, crate::facts::Origin)> {
    let namespace = &case.of.object.meta.namespace.value;
    let services: BTreeSet<&str> =
        reached.iter().map(|(service, ..)| service.meta.name()).collect();
    let joins = &case.of.joined.joins;
    let ids = services.iter().flat_map(|service| joins.ingresses_to(namespace, service));
    let ids: BTreeSet<ObjectId> = ids.copied().take(INGRESSES).collect();
    let objects = ids.into_iter().filter_map(|id| case.world().objects.get(id));
    objects.filter_map(move |object| {
        let Body::Ingress(ingress) = &object.body else { return None };
        let backend = ingress.backends.iter().take(BACKENDS).find(|backend| {
            let open = backend.path.as_ref().is_none_or(|path| path.value == "/");
            open && reached.iter().any(|(service, _, port, _)| {
                service.meta.name() == backend.service.value
                    && backend.port.as_ref().is_some_and(|p| names(&p.value, port))
            })
        })?;
        Some((object.meta.name(), backend.service.origin.clone()))
    })
}

fn names(backend: &PortRef, port: &ServicePort) -> bool {
    match backend {
        PortRef::Number(n) => port.port.as_ref().is_some_and(|p| p.value == *n),
        PortRef::Name(name) => port.name.as_ref().is_some_and(|n| n.value == *name),
    }
}
