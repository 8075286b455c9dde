//! Traces of an unknown service.

use crate::case::Case;
use crate::case::env::Lookup;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `unknown_service:checkout`
pub static RULE: Rule = Rule {
    id: "missing-service-name",
    group: Group::Telemetry,
    level: Level::Note,
    title: "OpenTelemetry's SDK is linked and no service name is set",
    page: include_str!("missing-service-name.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Container(check),
    ..Rule::BASE
};

/// Source: `defaultServiceNameDetector` of go.opentelemetry.io/otel/sdk/resource (v1.38).
fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let program = case.program()?;
    if !program.links_package("go.opentelemetry.io/otel/sdk") {
        return Err(Abstain::NotApplicable);
    }
    let env = case.environment();
    match env.lookup("OTEL_SERVICE_NAME") {
        Lookup::Set(_) => return Ok(()),
        Lookup::Unknown(why) => return Err(why),
        Lookup::Unset => {}
    }
    match env.lookup("OTEL_RESOURCE_ATTRIBUTES") {
        // A value that is not known may hold it.
        Lookup::Set(variable)
            if variable.value.as_ref().is_ok_and(|v| !v.contains("service.name=")) => {}
        Lookup::Unset => {}
        Lookup::Set(_) => return Ok(()),
        Lookup::Unknown(why) => return Err(why),
    }
    // Code that names the service has the attribute's key as text, as has the SDK itself, so that
    // nothing can be told from it.
    let labels = &case.pod().labels;
    let label = labels.get("app.kubernetes.io/name").or_else(|| labels.get("app"));
    let mut finding = Finding::new(
        &RULE,
        "nothing sets OTEL_SERVICE_NAME: unless the code does, traces and metrics come from \
         `unknown_service`",
        case.container_origin(),
        "sets no service name",
    )
    .also(&program.version.origin, "links OpenTelemetry's SDK");
    if let Some(label) = label {
        finding = finding.also(&label.origin, "what it might be");
    }
    out.push(finding.fix(Fix::suggest(match label {
        Some(label) => format!("set OTEL_SERVICE_NAME to {}", label.value),
        None => "set OTEL_SERVICE_NAME".to_owned(),
    })));
    Ok(())
}
