//! A variable that makes no difference and whose name is not in the program.

use crate::case::process::ProcessCase;
use crate::facts::program_text::TextPresence;
use crate::facts::proof::{Change, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::env::is_of_others;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What it was meant to set keeps its default.
pub static RULE: Rule = Rule {
    id: "setting-has-no-effect",
    group: Group::Environment,
    level: Level::Note,
    title: "a variable without which the process does the same",
    page: include_str!("setting-has-no-effect.md"),
    needs: &[Need::Process, Need::Binary],
    phases: &[PhaseName::Settings],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let trials = case.trials()?;
    let removed = trials.of(Change::Removed).filter(|trial| !is_of_others(&trial.variable));
    let without: Vec<_> = removed
        .filter(|trial| !trials.with(&trial.variable).any(|other| trials.differs(other)))
        .filter(|trial| !trials.worker || trials.came_as_far(trial))
        .collect();
    if without.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let program = case.program()?;
    program.reads_names_as_written()?;
    for trial in without {
        match program.text.find(&trial.variable) {
            TextPresence::Present(_) => {}
            TextPresence::Unknown(why) => {
                let what = format!("whether the program knows {}: {why}", trial.variable);
                out.abstain(Abstain::unknown(Reason::StringsUnreadable, what));
            }
            TextPresence::Absent => {
                let name = &trial.variable;
                let finding = Finding::new(
                    &RULE,
                    format!(
                        "without {name} the process does the same, and it does not hold the name"
                    ),
                    &case.last_of(trial),
                    "does the same",
                )
                .also(&program.version.origin, "does not hold it");
                out.push(case.tried(finding, trial).fix(Fix::suggest(format!("remove {name}"))));
            }
        }
    }
    Ok(())
}
