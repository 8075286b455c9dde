//! A log that goes by another name than the traces and the pods.

use crate::case::Case;
use crate::case::logged::Logged;
use crate::case::process::ProcessCase;
use crate::facts::Origin;
use crate::facts::proof::PhaseName;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Logs, traces and metrics are joined by the name of the service.
pub static RULE: Rule = Rule {
    id: "service-name-differs",
    group: Group::Logs,
    level: Level::Warn,
    title: "a service that its log or its telemetry calls by another name than its labels",
    page: include_str!("service-name-differs.md"),
    needs: &[Need::Process, Need::Manifest],
    phases: &[PhaseName::Start, PhaseName::Telemetry],
    check: Check::Process(check),
    ..Rule::BASE
};

/// Where the name of the service stands in a line.
const NAMES: &[&str] =
    &["service.name", "service_name", "serviceName", "service", "resource.service.name"];

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let traces = in_traces(case, out);
    let log = in_log(case, out);
    // Either is enough.
    if traces.is_ok() { traces } else { log }
}

/// Where the name is written that all are to have, and what says it.
fn expected(case: &Case<'_>) -> Result<(String, Origin, &'static str), Abstain> {
    let variable = case.environment().literal("OTEL_SERVICE_NAME")?;
    let label = case.pod().labels.get("app.kubernetes.io/name");
    match (variable, label) {
        (Some(variable), _) => Ok((variable.value.clone(), variable.origin, "OTEL_SERVICE_NAME")),
        (None, Some(label)) => {
            Ok((label.value.clone(), label.origin.clone(), "the label app.kubernetes.io/name"))
        }
        (None, None) => Err(Abstain::NotApplicable),
    }
}

/// `service.name` of the resources that arrived.
fn in_traces(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let sent = case.sent()?;
    let container = case.container().ok_or(Abstain::NotApplicable)?;
    // What the SDK calls a service that has no name is another rule's.
    let named = sent.telemetry.services.iter().find(|it| !it.starts_with("unknown_service"));
    let name = named.ok_or(Abstain::NotApplicable)?;
    let (expected, origin, what) = expected(&container)?;
    if *name == expected {
        return Ok(());
    }
    let at_us = sent.telemetry.exports.first().map_or(0, |export| export.at_us);
    out.push(
        Finding::new(
            &RULE,
            format!("its telemetry calls the service {name}, and {what} says {expected}"),
            &case.moment(sent.phase, at_us),
            format!("says {name}"),
        )
        .also(&origin, format!("says {expected}"))
        .note(case.repeat(sent.phase))
        .fix(Fix::suggest(
            "leave service.name out of the resource of the code: OTEL_SERVICE_NAME says it",
        )),
    );
    Ok(())
}

fn in_log(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let lines: Vec<Logged<'_>> = phase.logged().collect();
    let mut named: Vec<(&Logged<'_>, &str)> =
        lines.iter().filter_map(|line| Some((line, line.field(NAMES)?.as_str()?))).collect();
    // What only some lines have, or what differs among them, is about something else.
    if named.len() * 2 <= lines.len() {
        return Err(Abstain::NotApplicable);
    }
    let Some((first, name)) = named.pop() else { return Err(Abstain::NotApplicable) };
    if named.iter().any(|(_, other)| *other != name) {
        return Err(Abstain::NotApplicable);
    }
    let Some(container) = case.container() else { return Err(Abstain::NotApplicable) };
    let (expected, origin, what) = expected(&container)?;
    if expected == name {
        return Ok(());
    }
    let moment = case.moment(phase, first.line.at_us);
    out.push(
        Finding::new(
            &RULE,
            format!("the log calls the service {name}, and {what} says {expected}"),
            &moment,
            format!("says {name}"),
        )
        .also(&origin, format!("says {expected}"))
        .note(case.repeat(phase))
        .fix(Fix::suggest(format!("give the logger the name {expected}, or all of them another"))),
    );
    Ok(())
}
