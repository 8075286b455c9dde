//! Exporters that are gone upstream.

use crate::case::ProgramCase;
use crate::case::env::Lookup;
use crate::facts::Origin;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const CONVENTIONS: Variant = Variant::new(
    "legacy-semantic-conventions",
    Level::Note,
    "the program's own code writes attributes by names that OpenTelemetry has given up",
);

/// Removed, archived, and without security fixes.
pub static RULE: Rule = Rule {
    id: "obsolete-telemetry",
    group: Group::Telemetry,
    level: Level::Warn,
    title: "a telemetry library that its makers have given up",
    page: include_str!("obsolete-telemetry.md"),
    needs: &[Need::Binary],
    variants: &[CONVENTIONS],
    check: Check::Program(check),
    also: &[Check::Program(conventions)],
    ..Rule::BASE
};

/// Package, what became of it, what to use.
const GONE: &[(&str, &str, &str)] = &[
    (
        "go.opentelemetry.io/otel/exporters/jaeger",
        "OpenTelemetry removed it in 2023",
        "send OTLP, which Jaeger takes since 1.35 (otlptracegrpc, port 4317)",
    ),
    (
        "github.com/uber/jaeger-client-go",
        "it was archived in 2022",
        "use OpenTelemetry's SDK and send OTLP",
    ),
    (
        "go.opencensus.io/trace",
        "OpenCensus was archived in 2023",
        "use OpenTelemetry's SDK; its bridge takes what a library still records",
    ),
];

/// Attributes of go.opentelemetry.io/otel/semconv up to v1.25.0 (`deployment.environment` up to v1.26.0)
/// that no version has had since, and what they are called now, as the registry of the semantic
/// conventions says of what is deprecated. Those that are likely keys of a configuration,
/// too (`http.url`, `db.name`), are not among them.
const RENAMED: &[(&str, &str)] = &[
    ("http.status_code", "http.response.status_code"),
    ("http.method", "http.request.method"),
    ("http.target", "url.path and url.query"),
    ("http.flavor", "network.protocol.version"),
    ("http.user_agent", "user_agent.original"),
    ("http.client_ip", "client.address"),
    ("net.peer.ip", "network.peer.address"),
    ("net.peer.name", "server.address, or client.address in a server's span"),
    ("net.peer.port", "server.port, or client.port in a server's span"),
    ("net.host.ip", "network.local.address"),
    ("net.host.name", "server.address"),
    ("net.host.port", "server.port"),
    ("net.sock.peer.addr", "network.peer.address"),
    ("net.transport", "network.transport"),
    ("deployment.environment", "deployment.environment.name"),
    ("db.statement", "db.query.text"),
];

/// Packages with conventions of their own, of which `http.status_code` is one.
const OTHER_CONVENTIONS: &[&str] =
    &["gopkg.in/DataDog/dd-trace-go.v1", "github.com/DataDog/dd-trace-go"];

/// Chooses the names that instrumentation writes.
const OPT_IN: &str = "OTEL_SEMCONV_STABILITY_OPT_IN";

/// Containers of one program that are asked for their environment.
const CONTAINERS: usize = 64;

fn check(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let program = case.program()?;
    for (package, fate, instead) in GONE {
        if !program.links_package(package) {
            continue;
        }
        // Libraries of Google's clouds link OpenCensus and nobody exports it.
        let opencensus = package.starts_with("go.opencensus.io");
        let exported =
            program.packages.iter().any(|p| p.starts_with("contrib.go.opencensus.io/exporter"));
        if opencensus && !exported {
            continue;
        }
        let dep = program.deps.iter().find(|dep| {
            package
                .strip_prefix(dep.value.path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        let place = dep.map_or(&program.version.origin, |dep| &dep.origin);
        out.push(
            Finding::new(&RULE, format!("{package} is linked: {fate}"), place, "has no maintainer")
                .fix(Fix::suggest(*instead)),
        );
    }
    Ok(())
}

/// Names in the program's own code. What its libraries write changes with their versions.
fn conventions(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let program = case.program()?;
    if !program.links_package("go.opentelemetry.io/otel")
        || OTHER_CONVENTIONS.iter().any(|package| program.links_package(package))
    {
        return Err(Abstain::NotApplicable);
    }
    let mut found: Vec<(&str, &str, Origin)> = Vec::new();
    for (name, new) in RENAMED {
        let place = program.text.own_constant(name);
        let unread = |why| {
            Abstain::unknown(Reason::StringsUnreadable, format!("names of attributes: {why}"))
        };
        if let Some(place) = place.map_err(unread)? {
            found.push((name, new, place));
        }
    }
    let Some((first, new, place)) = found.first() else { return Ok(()) };
    // Who has chosen between the old names and the new knows of both.
    for container in case.cases().take(CONTAINERS) {
        match container.environment().lookup(OPT_IN) {
            Lookup::Set(_) => return Ok(()),
            Lookup::Unknown(why) => return Err(why),
            Lookup::Unset => {}
        }
    }
    let more = match found.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the program's own code has the attribute {first}{more}, which OpenTelemetry has \
             renamed: what reads the new names finds nothing"
        ),
        place,
        format!("now {new}"),
    )
    .variant(&RULE.variants[0]);
    for (name, new, place) in found.iter().skip(1).take(4) {
        finding = finding.also(place, format!("{name} is now {new}"));
    }
    out.push(finding.fix(Fix::suggest(
        "use the keys of a newer go.opentelemetry.io/otel/semconv, and change dashboards with them",
    )));
    Ok(())
}
