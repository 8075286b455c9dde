//! A value that is none, taken without a word.

use crate::case::process::ProcessCase;
use crate::case::trials::Trials;
use crate::facts::proof::{Change, PhaseName, Trial};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::environment::ignores_port_setting;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A slip in the manifest becomes the zero value, or a failure hours later.
pub static RULE: Rule = Rule {
    id: "accepts-malformed-setting",
    group: Group::Environment,
    level: Level::Warn,
    title: "a malformed setting that the process starts with",
    page: include_str!("accepts-malformed-setting.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Settings],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let trials = case.trials()?;
    for trial in trials.of(Change::Malformed) {
        let accepted = trial.goes_on() && (trials.worker || !trial.run.listeners.is_empty());
        if !accepted || trial.run.output.more > 0 || trials.says(trial) {
            continue;
        }
        let mut all = trials.with(&trial.variable);
        if all.any(|other| ignores_port_setting::is_ignored(&trials, other))
            || !is_read(case, &trials, trial)
        {
            continue;
        }
        if !trial.had_its_time() {
            let what = format!("a start with {}: the machine was too busy for it", trial.shown());
            out.abstain(Abstain::unknown(Reason::NotMeasured, what));
            continue;
        }
        if trials.worker && !trials.came_as_far(trial) {
            let what = format!(
                "how far a process that opens no port came with {}: nothing that it prints shows it",
                trial.shown()
            );
            out.abstain(Abstain::unknown(Reason::NotMeasured, what));
            continue;
        }
        let ports: Vec<String> = trial.ports().iter().map(u16::to_string).collect();
        let label = match trials.worker {
            true => "goes on as it does otherwise".to_owned(),
            false => format!("listens on {}", ports.join(", ")),
        };
        let message = format!("the process starts with {}, and says nothing of it", trial.shown());
        let finding = Finding::new(&RULE, message, &case.last_of(trial), label);
        let name = &trial.variable;
        out.push(case.tried(finding, trial).fix(Fix::suggest(format!(
            "read {name} once, at the start, and end with an error that names it and its value"
        ))));
    }
    Ok(())
}

/// Whether the program is known to read the variable: one of its values makes a difference, or its name
/// is a text of the program's own code.
fn is_read(case: &ProcessCase<'_>, trials: &Trials<'_>, trial: &Trial) -> bool {
    let known = case.program().is_ok_and(|program| {
        program.text.constant(&trial.variable).is_ok_and(|place| place.is_some())
    });
    known || trials.with(&trial.variable).any(|other| trials.differs(other))
}
