//! What the process is held against: manifest, configuration, the defaults of Kubernetes.

use core::net::IpAddr;

use provost_check::case::Case;
use provost_check::facts::metrics::Endpoint;
use provost_check::facts::origin::Fact;
use provost_check::facts::proof::{Probe, ProbeBy, ProbeKind, Protocol, Said, Terms};
use provost_check::facts::settings::Settings;
use provost_check::facts::workload::{self, Action};
use provost_check::model::listeners::{self, Listener};

use super::environment::Given;
use crate::args::ProveArgs;

/// The terms for a container; those of Kubernetes' defaults without one.
pub(super) fn of(args: &ProveArgs, container: Option<&Case<'_>>, settings: &Settings) -> Terms {
    let propagation_ms = milliseconds(settings.endpoint_propagation());
    let mut terms = Terms { propagation_ms, ..Terms::default() };
    if let Some(case) = container {
        let termination = case.termination();
        terms.grace_ms = u64::from(termination.remaining) * 1000;
        terms.pre_stop_ms = u64::from(termination.prestop) * 1000;
        terms.probes = probes(case);
        terms.start_ms = start_ms(case).unwrap_or(0);
        terms.port = service_port(case);
        terms.memory_limit = case.memory_limit().ok().map(|limit| limit.value.0);
        // A container with CPUs of its own is not throttled, and sees these alone.
        let quota = case.cpu_quota().ok().filter(|_| !case.has_exclusive_cpus());
        terms.cpu_limit_m = quota.map(|limit| limit.value.0);
    }
    terms.port = args.port.or(terms.port);
    let readiness = terms.probe(ProbeKind::Readiness);
    // What is asked for on another port is not here.
    let is_here = |probe: &&Probe| terms.port.is_none_or(|port| port == probe.port);
    let readiness = readiness.filter(|probe| !probe.by.is_grpc()).filter(is_here);
    let readiness = readiness.map(|probe| probe.path.clone());
    terms.path = args.path.clone().or(readiness).unwrap_or(terms.path);
    let asked = terms.port.or(terms.probe(ProbeKind::Readiness).map(|probe| probe.port));
    terms.said = container.zip(asked).and_then(|(case, port)| said(case, port));
    terms.websocket.clone_from(&args.websocket);
    terms.ready_ms = args.ready_within.saturating_mul(1000).clamp(1000, MOST_READY_MS);
    terms.rate = args.rate;
    terms.slow_path.clone_from(&args.slow_path);
    terms.metrics = Some(metrics(args, container));
    terms
}

/// Its request of processor time, which is a share (`cpu.weight`) beside what else wants some: of a node where pods
/// were put by their requests that is as much as they ask for, of this machine it would be less, whenever something
/// else runs here. So it is left out, and said.
pub(super) fn request(container: &Case<'_>) -> Option<(String, String)> {
    let request = container.container.resources.effective_requests().cpu?;
    let what = format!("its CPU request, {}", request.amount?);
    Some((what, "it is a share beside other pods, and there are none here".to_owned()))
}

/// Where metrics are asked for: what is given, what a monitor or an annotation names, else `/metrics`, where it is.
fn metrics(args: &ProveArgs, container: Option<&Case<'_>>) -> Endpoint {
    let mut endpoint = Endpoint::default();
    if let Some(scraped) = container.and_then(Case::scraped) {
        endpoint.path = scraped.path;
        endpoint.port = Some(scraped.port);
        endpoint.timeout_ms = scraped.timeout.map_or(endpoint.timeout_ms, milliseconds).max(1);
        endpoint.named = true;
    } else if let Some(case) = container {
        let metrics = case.container.ports.iter().find(|port| {
            let name = port.name.as_ref();
            name.is_some_and(|name| listeners::of_port(&name.value) == Some(Listener::Metrics))
        });
        let number = metrics.and_then(|port| port.port.as_ref());
        endpoint.port = number.and_then(|number| u16::try_from(number.value).ok());
    }
    endpoint.named |= args.metrics_path.is_some();
    endpoint.path = args.metrics_path.clone().unwrap_or(endpoint.path);
    endpoint.port = args.metrics_port.or(endpoint.port);
    endpoint
}

fn milliseconds(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1000.0).round() as u64
}

/// Where requests of others arrive: the first port of the container that a Service sends to, else the
/// first that it declares, those aside whose names say that they are for something else.
fn service_port(case: &Case<'_>) -> Option<u16> {
    let declared = case.container.ports.iter().filter(|port| port.protocol.value == "TCP");
    let own: Vec<(i64, bool)> = declared
        .filter_map(|port| {
            let listener = port.name.as_ref().map(|name| listeners::of_port(&name.value));
            let serves = !matches!(listener, Some(Some(other)) if other != Listener::Service);
            Some((port.port.as_ref()?.value, serves))
        })
        .collect();
    let is_side = |number: i64| own.iter().any(|(own, serves)| *own == number && !serves);
    let is_own = |number: i64| own.is_empty() || own.iter().any(|(own, _)| *own == number);
    let mut targets = case.of.service_targets().map(|(_, _, number)| number);
    let sent = targets.find(|number| is_own(*number) && !is_side(*number));
    let named = own.iter().find(|(_, serves)| *serves).or(own.first()).map(|(number, _)| *number);
    u16::try_from(sent.or(named)?).ok()
}

/// What is waited for at most: an hour.
const MOST_READY_MS: u64 = 3_600_000;

/// What the manifest says is spoken on a port: how probes ask there, what a Service's `appProtocol` or
/// the name of a port says.
fn said(case: &Case<'_>, port: u16) -> Option<Said> {
    let probes = probes(case);
    let mut there = probes.iter().filter(|probe| probe.port == port);
    if let Some(probe) = there.find(|probe| probe.by != ProbeBy::Http) {
        let (protocol, how) = match probe.by {
            ProbeBy::Grpc => (Protocol::Grpc, "asks by gRPC"),
            ProbeBy::Grpcs => (Protocol::Grpcs, "asks by gRPC with TLS"),
            ProbeBy::H2c => (Protocol::H2c, "asks by HTTP/2 without TLS"),
            ProbeBy::Http | ProbeBy::Https => (Protocol::H2, "asks by TLS"),
        };
        return Some(Said { protocol, by: format!("the {} probe {how}", probe.kind.name()) });
    }
    let targets = case.of.service_targets().filter(|(_, _, number)| *number == i64::from(port));
    let written = targets.flat_map(|(_, port, _)| {
        let named = |fact: &Option<Fact<String>>| fact.as_ref().map(|fact| fact.value.clone());
        let app = named(&port.app_protocol).map(|app| (app, "the Service's appProtocol is"));
        // What is said outranks what a name suggests.
        app.or_else(|| named(&port.name).map(|name| (name, "the Service's port is named")))
    });
    let own = case
        .container
        .ports
        .iter()
        .filter(|own| own.port.as_ref().is_some_and(|number| number.value == i64::from(port)));
    let own = own.filter_map(|own| own.name.as_ref());
    let own = own.map(|name| (name.value.clone(), "the container's port is named"));
    written.chain(own).find_map(|(word, what)| {
        let protocol = of_word(&word)?;
        Some(Said { protocol, by: format!("{what} {word}") })
    })
}

/// Names of ports begin with their protocol, as `appProtocol` is one (Istio's protocol selection; KEP-3726).
fn of_word(word: &str) -> Option<Protocol> {
    let word = word.to_ascii_lowercase();
    if word.starts_with("grpc-web") {
        return Some(Protocol::Http);
    }
    match word.strip_prefix("kubernetes.io/").unwrap_or(&word).split('-').next()? {
        "grpc" => Some(Protocol::Grpc),
        "grpcs" => Some(Protocol::Grpcs),
        "h2c" | "http2" => Some(Protocol::H2c),
        "https" | "tls" | "wss" | "h2" => Some(Protocol::H2),
        _ => None,
    }
}

/// Those of the manifest.
fn written<'w>(case: &Case<'w>) -> [(ProbeKind, &'w Option<Box<workload::Probe>>); 3] {
    let container = case.container;
    [
        (ProbeKind::Startup, &container.startup),
        (ProbeKind::Readiness, &container.readiness),
        (ProbeKind::Liveness, &container.liveness),
    ]
}

/// Probes of the pod itself that ask over the network and get an answer.
fn probes(case: &Case<'_>) -> Vec<Probe> {
    let found = written(case).into_iter().filter_map(|(kind, probe)| {
        let probe: &workload::Probe = probe.as_ref()?;
        let (by, path) = match &probe.handler.action {
            Action::HttpGet { path, scheme, protocol, .. } => {
                let slash = if path.value.starts_with('/') { "" } else { "/" };
                let tls = scheme.value.eq_ignore_ascii_case("https");
                let h2c = protocol.as_ref().is_some_and(|protocol| protocol.value == "HTTP2");
                let by = match (tls, h2c) {
                    (true, _) => ProbeBy::Https,
                    (false, true) => ProbeBy::H2c,
                    (false, false) => ProbeBy::Http,
                };
                (by, format!("{slash}{}", path.value))
            }
            Action::Grpc { service, mode, .. } => {
                let service = service.as_ref().map(|service| service.value.clone());
                let tls = mode.as_ref().is_some_and(|mode| mode.value == "TLS");
                let by = if tls { ProbeBy::Grpcs } else { ProbeBy::Grpc };
                (by, service.unwrap_or_default())
            }
            _ => return None,
        };
        let port = case.asked_port(&own(case, &probe.handler.action))?;
        let timeout_ms = u64::from(probe.timing().timeout.max(1)) * 1000;
        let headers = match &probe.handler.action {
            Action::HttpGet { headers, .. } => {
                headers.iter().map(|(name, _)| name.value.clone()).collect()
            }
            _ => Vec::new(),
        };
        Some(Probe { kind, by, path, port, timeout_ms, headers })
    });
    found.collect()
}

/// The action without a host that is the pod's own: in the network of its node the loopback address is.
fn own(case: &Case<'_>, action: &Action) -> Action {
    let mut action = action.clone();
    if let Action::HttpGet { host, .. } = &mut action
        && case.pod().host_network.value
        && host.as_ref().is_some_and(|host| is_local(&host.value))
    {
        *host = None;
    }
    action
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What probes send, with the values, which no proof holds. A probe that the kubelet could not make is left out, as
/// is one of another host.
pub(super) fn headers(
    container: Option<&Case<'_>>,
    terms: &mut Terms,
    given: &mut Given,
) -> Vec<(ProbeKind, Vec<(String, String)>)> {
    let Some(case) = container else { return Vec::new() };
    let mut found = Vec::new();
    for probe in &terms.probes {
        let (field, gate) = match probe.by {
            ProbeBy::H2c => ("protocol: HTTP2", "H2CContainerProbe"),
            ProbeBy::Grpcs => ("mode: TLS", "GRPCContainerProbeTLS"),
            ProbeBy::Http | ProbeBy::Https | ProbeBy::Grpc => continue,
        };
        given.said.push(format!(
            "the {} probe was made by {field}, as from Kubernetes 1.37 on where {gate} is turned on; elsewhere the field is dropped",
            probe.kind.name()
        ));
    }
    for (kind, probe) in written(case) {
        let Some(Action::HttpGet { host, headers, .. }) =
            probe.as_ref().map(|it| &it.handler.action)
        else {
            continue;
        };
        if let Some(host) = host.as_ref().filter(|_| terms.probe(kind).is_none()) {
            given.said.push(format!(
                "the {} probe asks {}, which is not the pod, and was not made",
                kind.name(),
                host.value
            ));
        }
        // As net/http has it (`httpguts.ValidHeaderFieldValue`).
        let broken = |value: &str| value.chars().any(|c| c.is_ascii_control() && c != '\t');
        if let Some((name, _)) = headers.iter().find(|(_, value)| broken(&value.value)) {
            given.said.push(format!(
                "the {} probe was not made: the value of its header {} is none that can be sent",
                kind.name(),
                name.value
            ));
            terms.probes.retain(|probe| probe.kind != kind);
            continue;
        }
        let all: Vec<(String, String)> =
            headers.iter().map(|(name, value)| (name.value.clone(), value.value.clone())).collect();
        for (name, value) in &all {
            given.sends(name, value);
        }
        if !all.is_empty() {
            found.push((kind, all));
        }
    }
    found
}

/// The time after which whoever watches the start gives up.
fn start_ms(case: &Case<'_>) -> Option<u64> {
    let container = case.container;
    let watching = container.startup.as_ref().or(container.liveness.as_ref())?;
    Some(watching.timing().latest().clamp(1, 600) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ports_say_what_is_spoken() {
        let words = [
            ("grpc", Some(Protocol::Grpc)),
            ("grpc-api", Some(Protocol::Grpc)),
            ("grpc-web", Some(Protocol::Http)),
            ("kubernetes.io/h2c", Some(Protocol::H2c)),
            ("http2-shop", Some(Protocol::H2c)),
            ("HTTPS", Some(Protocol::H2)),
            ("http", None),
            ("kubernetes.io/ws", None),
            ("grpcurl", None),
            ("", None),
        ];
        for (word, expected) in words {
            assert_eq!(of_word(word), expected, "{word}");
        }
    }
}
