//! A port that is written into the program, beside a variable that says which it is.

use crate::case::process::ProcessCase;
use crate::case::trials::Trials;
use crate::facts::proof::{Change, PhaseName, Trial};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Whoever changes the manifest changes the probes, the Service and the variable, and gets a pod that
/// is never ready.
pub static RULE: Rule = Rule {
    id: "ignores-port-setting",
    group: Group::Environment,
    level: Level::Deny,
    title: "a variable for the port that does not move it",
    page: include_str!("ignores-port-setting.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Settings],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let trials = case.trials()?;
    for trial in trials.of(Change::Other).filter(|trial| is_ignored(&trials, trial)) {
        let ports: Vec<String> = trial.ports().iter().map(u16::to_string).collect();
        let ports = ports.join(", ");
        let finding = Finding::new(
            &RULE,
            format!("with {} the process listens on {ports} as before", trial.shown()),
            &case.last_of(trial),
            format!("listens on {ports}"),
        );
        out.push(case.tried(finding, trial).fix(Fix::suggest(format!(
            "listen on what {} says, or take it out of the manifest",
            trial.variable
        ))));
    }
    Ok(())
}

/// Whether another port was set, and the process runs and listens where it did before.
pub(super) fn is_ignored(trials: &Trials<'_>, trial: &Trial) -> bool {
    let value = trial.value.as_deref().unwrap_or_default();
    let port = value.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    let (before, now) = (trials.ports(), trial.ports());
    trial.change == Change::Other
        && trial.goes_on()
        && port.is_some_and(|port| !now.contains(&port))
        && !before.is_empty()
        && before == now
}
