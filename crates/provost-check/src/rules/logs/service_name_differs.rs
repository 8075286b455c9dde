//! A log that goes by another name than the traces and the pods.

use crate::case::logged::Logged;
use crate::case::process::ProcessCase;
use crate::facts::proof::PhaseName;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Logs, traces and metrics are joined by the name of the service.
pub static RULE: Rule = Rule {
    id: "service-name-differs",
    group: Group::Logs,
    level: Level::Warn,
    title: "a service that its log calls by another name than its traces or labels",
    page: include_str!("service-name-differs.md"),
    needs: &[Need::Process, Need::Manifest],
    check: Check::Process(check),
    ..Rule::BASE
};

/// Where the name of the service stands in a line.
const NAMES: &[&str] =
    &["service.name", "service_name", "serviceName", "service", "resource.service.name"];

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
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
    let variable = container.environment().literal("OTEL_SERVICE_NAME")?;
    let label = container.pod().labels.get("app.kubernetes.io/name");
    let (expected, origin, what) = match (&variable, label) {
        (Some(variable), _) => (&variable.value, &variable.origin, "OTEL_SERVICE_NAME"),
        (None, Some(label)) => (&label.value, &label.origin, "the label app.kubernetes.io/name"),
        (None, None) => return Err(Abstain::NotApplicable),
    };
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
        .also(origin, format!("says {expected}"))
        .note(case.repeat(phase))
        .fix(Fix::suggest(format!("give the logger the name {expected}, or all of them another"))),
    );
    Ok(())
}
