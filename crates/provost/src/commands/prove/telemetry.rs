//! Whether a sink of telemetry is wanted, and which variables lead to it.

use provost_check::facts::proof::telemetry::DEFAULT_PORTS;
use provost_check::facts::proof::{Dependency, Otlp};

use super::environment::Given;
use super::settings::names_port;
use crate::args::ProveArgs;

/// What begins the names of the exporter's settings.
const EXPORTER: &str = "OTEL_EXPORTER_OTLP_";
/// Where all kinds of telemetry go.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// `OTEL_BSP_SCHEDULE_DELAY` where nothing says it (OpenTelemetry, SDK environment variables).
const DELAY_MS: u64 = 5000;

/// A sink where the environment speaks of an exporter, or the command line does. What is named as a
/// dependency is left to it: a collector may be one.
pub(super) fn of(args: &ProveArgs, dependencies: &[Dependency], given: &mut Given) -> Option<Otlp> {
    let speaks = given.variables.keys().any(|name| name.starts_with(EXPORTER));
    if !speaks && !args.otlp {
        return None;
    }
    for dependency in dependencies.iter().filter(|it| DEFAULT_PORTS.contains(&it.port)) {
        given.said.push(format!(
            "port {} is that of --dependency, and no sink of telemetry takes it",
            dependency.port
        ));
    }
    // A path to a socket leads nowhere else.
    let leads = |(name, value): &(&String, &String)| {
        name.starts_with(EXPORTER) && name.ends_with("_ENDPOINT") && !value.starts_with("unix:")
            || name.as_str() == ENDPOINT
    };
    let leading = given.variables.iter().filter(leads);
    let is_of = |value: &str| dependencies.iter().find(|it| is_address_of(value, it));
    let (there, free): (Vec<_>, Vec<_>) = leading.partition(|(_, value)| is_of(value).is_some());
    let mut endpoints: Vec<String> = free.into_iter().map(|(name, _)| name.clone()).collect();
    let there: Vec<String> = there.into_iter().map(|(name, _)| name.clone()).collect();
    if !there.is_empty() {
        given.said.push(format!(
            "{} {} to what --dependency names, and not to a sink of telemetry",
            there.join(", "),
            if there.len() == 1 { "leads" } else { "lead" }
        ));
        if endpoints.is_empty() {
            return None;
        }
    }
    if endpoints.is_empty() {
        // The exporter would send to its own default.
        given.variables.insert(ENDPOINT.to_owned(), String::new());
        endpoints.push(ENDPOINT.to_owned());
    }
    given.said.push(format!(
        "{} {} to a sink on loopback, which takes OTLP by gRPC and HTTP",
        endpoints.join(", "),
        if endpoints.len() == 1 { "leads" } else { "lead" }
    ));
    let value = |name: &str| given.variables.get(name).map(|value| value.trim().to_lowercase());
    let sampler = value("OTEL_TRACES_SAMPLER").filter(|it| !it.is_empty());
    let exporters = value("OTEL_TRACES_EXPORTER").filter(|it| !it.is_empty());
    let off = match exporters {
        _ if value("OTEL_SDK_DISABLED").as_deref() == Some("true") => Some("OTEL_SDK_DISABLED"),
        Some(names) if !names.split(',').any(|it| it.trim() == "otlp") => {
            Some("OTEL_TRACES_EXPORTER")
        }
        _ => None,
    };
    let by_parent = sampler.as_ref().is_none_or(|it| it.starts_with("parentbased_"));
    Some(Otlp {
        endpoints,
        sampled_by: (!by_parent).then(|| "OTEL_TRACES_SAMPLER".to_owned()),
        off: off.map(str::to_owned),
        delay_ms: value("OTEL_BSP_SCHEDULE_DELAY")
            .and_then(|it| it.parse().ok())
            .unwrap_or(DELAY_MS),
        // One below one is ignored by the SDK.
        queue: value("OTEL_BSP_MAX_QUEUE_SIZE")
            .and_then(|it| it.parse().ok())
            .filter(|queue| *queue > 0),
    })
}

/// Whether an endpoint is that of a dependency: its port, and its name where it has one.
fn is_address_of(value: &str, dependency: &Dependency) -> bool {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let is_local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let named = dependency.name.as_ref().is_none_or(|name| name == host);
    names_port(authority, dependency.port) && (is_local || named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_dependency_by_its_port_and_its_name() {
        let name = Some("collector".to_owned());
        let named = Dependency { port: 4317, name, target: None, variables: vec![] };
        let any = Dependency { name: None, ..named.clone() };
        for (value, by_name, by_port) in [
            ("http://collector:4317", true, true),
            ("collector:4317", true, true),
            ("http://localhost:4317/v1/traces", true, true),
            ("http://other:4317", false, true),
            ("http://collector:4318", false, false),
            ("http://collector/4317", false, false),
            ("", false, false),
        ] {
            let is = (is_address_of(value, &named), is_address_of(value, &any));
            assert_eq!(is, (by_name, by_port), "{value}");
        }
    }
}
