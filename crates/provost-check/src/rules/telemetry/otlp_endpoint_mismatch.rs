//! An OTLP endpoint of the other protocol.

use crate::case::Case;
use crate::case::env::Variable;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const NO_SCHEME: Variant = Variant::new(
    "otlp-endpoint-without-scheme",
    Level::Warn,
    "an OTLP endpoint that is no URL, so that the default is used",
);

/// gRPC to the HTTP port, or the reverse.
pub static RULE: Rule = Rule {
    id: "otlp-endpoint-mismatch",
    group: Group::Telemetry,
    level: Level::Warn,
    title: "the OTLP endpoint's port is that of a protocol the program does not speak",
    page: include_str!("otlp-endpoint-mismatch.md"),
    needs: &[Need::Manifest, Need::Binary],
    variants: &[NO_SCHEME],
    check: Check::Container(check),
    ..Rule::BASE
};

/// The variables, and the part of the exporters' package names for what each is about.
const ENDPOINTS: &[(&str, &[&str])] = &[
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        &["otlptrace/otlptrace", "otlpmetric/otlpmetric", "otlplog/otlplog"],
    ),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &["otlptrace/otlptrace"]),
    ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &["otlpmetric/otlpmetric"]),
    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &["otlplog/otlplog"]),
];

const MODULE: &str = "go.opentelemetry.io/otel/exporters/otlp/";

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let program = case.program()?;
    if !program.packages.iter().any(|package| package.starts_with(MODULE)) {
        return Err(Abstain::NotApplicable);
    }
    let env = case.environment();
    for (name, signals) in ENDPOINTS {
        let Some(variable) = env.get(name)? else { continue };
        let Ok(value) = &variable.value else { continue };
        let links = |protocol: &str| {
            signals
                .iter()
                .any(|signal| program.links_package(&format!("{MODULE}{signal}{protocol}")))
        };
        let (grpc, http) = (links("grpc"), links("http"));
        if without_scheme(value) {
            out.push(
                Finding::new(
                    &RULE,
                    format!("{name} is {value}, which is no URL: the exporter reports a parse error once and sends to localhost"),
                    &variable.origin,
                    "begins with an address, not with a scheme",
                )
                .variant(&NO_SCHEME)
                .fix(Fix::suggest(format!("write http://{value}"))),
            );
            continue;
        }
        let (wrong, right, port, other) = match port_of(value) {
            Some(4318) if grpc && !http => ("HTTP", "gRPC", 4318, 4317),
            Some(4317) if http && !grpc => ("gRPC", "HTTP", 4317, 4318),
            _ => continue,
        };
        out.push(
            mismatch(name, variable, (wrong, right, port, other))
                .also(&program.version.origin, format!("links the exporter for {right} only")),
        );
    }
    Ok(())
}

fn mismatch(
    name: &str,
    variable: &Variable,
    (wrong, right, port, other): (&str, &str, u16, u16),
) -> Finding {
    Finding::new(
        &RULE,
        format!("{name} names port {port}, where collectors take OTLP over {wrong}; the program sends it over {right}"),
        &variable.origin,
        format!("the port for {wrong}"),
    )
    .fix(Fix::suggest(format!("name port {other}")))
}

/// `10.0.0.7:4317`: Go's url.Parse refuses what begins with a digit and has a colon
/// (`first path segment in URL cannot contain colon`).
fn without_scheme(value: &str) -> bool {
    let (host, port) = value.split_once(':').unwrap_or((value, ""));
    host.split('.').count() == 4
        && host.split('.').all(|part| part.parse::<u8>().is_ok())
        && port.bytes().all(|b| b.is_ascii_digit() || b == b'/')
}

fn port_of(value: &str) -> Option<u16> {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let authority = rest.split('/').next()?;
    authority.rsplit_once(':')?.1.parse().ok()
}
