//! Exporters that are gone upstream.

use crate::case::ProgramCase;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Removed, archived, and without security fixes.
pub static RULE: Rule = Rule {
    id: "obsolete-telemetry",
    group: Group::Telemetry,
    level: Level::Warn,
    title: "a telemetry library that its makers have given up",
    page: include_str!("obsolete-telemetry.md"),
    needs: &[Need::Binary],
    check: Check::Program(check),
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
