//! Whether a sink of telemetry is wanted, and which variables lead to it.

use provost_check::facts::proof::Otlp;

use super::environment::Given;
use crate::args::ProveArgs;

/// What begins the names of the exporter's settings.
const EXPORTER: &str = "OTEL_EXPORTER_OTLP_";
/// Where all kinds of telemetry go.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// `OTEL_BSP_SCHEDULE_DELAY` where nothing says it (OpenTelemetry, SDK environment variables).
const DELAY_MS: u64 = 5000;

/// A sink where the environment speaks of an exporter, or the command line does.
pub(super) fn of(args: &ProveArgs, given: &mut Given) -> Option<Otlp> {
    let speaks = given.variables.keys().any(|name| name.starts_with(EXPORTER));
    if !speaks && !args.otlp {
        return None;
    }
    // A path to a socket leads nowhere else.
    let leads = |(name, value): &(&String, &String)| {
        name.starts_with(EXPORTER) && name.ends_with("_ENDPOINT") && !value.starts_with("unix:")
            || name.as_str() == ENDPOINT
    };
    let leading = given.variables.iter().filter(leads);
    let mut endpoints: Vec<String> = leading.map(|(name, _)| name.clone()).collect();
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
    })
}
