//! A setting without which the process comes up all the same, and does not do its work.

use crate::case::process::ProcessCase;
use crate::case::trials::{Trials, answers};
use crate::facts::proof::{Change, PhaseName, Trial};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// What is missing shows when it is asked for, instead of in the deployment that forgot it.
pub static RULE: Rule = Rule {
    id: "starts-without-required-setting",
    group: Group::Environment,
    level: Level::Warn,
    title: "a missing setting that the process does not refuse to start without",
    page: include_str!("starts-without-required-setting.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Settings],
    variants: &[Variant::new(
        "not-named",
        Level::Note,
        "an end that does not name what is missing",
    )
    .strict(Level::Warn)],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let trials = case.trials()?;
    for trial in trials.of(Change::Removed) {
        // Its work may have stopped without it, of which nothing is seen.
        let in_doubt = trials.worker && trial.goes_on() && !trials.came_as_far(trial);
        if in_doubt && !trials.says(trial) {
            let name = &trial.variable;
            let what = format!(
                "how far a process that opens no port came without {name}: nothing that it prints shows it"
            );
            out.abstain(Abstain::unknown(Reason::NotMeasured, what));
            continue;
        }
        let Some((message, unnamed)) = wrong(&trials, trial) else { continue };
        if !trial.had_its_time() {
            let name = &trial.variable;
            let what = format!("a start without {name}: the machine was too busy for it");
            out.abstain(Abstain::unknown(Reason::NotMeasured, what));
            continue;
        }
        let label = match trial.run.exit.as_ref().filter(|exit| !exit.killed) {
            Some(exit) => format!("ended with exit code {}", exit.shown()),
            None => "still runs".to_owned(),
        };
        let mut finding = Finding::new(&RULE, message, &case.last_of(trial), label);
        if unnamed {
            finding = finding.variant(&RULE.variants[0]);
        }
        if let Some(line) = trial.last_line() {
            finding = finding.note(format!("its last line: {line}"));
        }
        let name = &trial.variable;
        out.push(case.tried(finding, trial).fix(Fix::suggest(format!(
            "check {name} before anything else, and end with an error that says \"{name} is not set\""
        ))));
    }
    Ok(())
}

/// What is wrong with a start without the variable, and whether it is only what it says. One that does
/// as well without it has a default.
fn wrong(trials: &Trials<'_>, trial: &Trial) -> Option<(String, bool)> {
    let (name, run) = (&trial.variable, &trial.run);
    if !trial.goes_on() {
        let exit = run.exit.as_ref()?;
        return if exit.code == Some(0) {
            let what = format!("without {name} the process ends as if all were well");
            Some((what, false))
        } else if run.output.more == 0 && !trials.says(trial) {
            Some((format!("without {name} the process ends, and does not say why"), true))
        } else {
            None
        };
    }
    if trials.worker {
        return None;
    }
    if run.ready_us.is_some() {
        let fails = answers(trials.control) == Some(true) && answers(run) == Some(false);
        return fails.then(|| {
            let what = format!("without {name} the process becomes ready, and fails its requests");
            (what, false)
        });
    }
    // Elsewhere nobody asked whether it is ready: the default may be another port.
    let elsewhere = !run.listeners.is_empty() && !trials.ports().is_subset(&trial.ports());
    if elsewhere || run.output.more > 0 || trials.says(trial) {
        return None;
    }
    let what = match run.listeners.is_empty() {
        true => "goes on, never listens, and does not say why",
        false => "listens, never becomes ready, and does not say why",
    };
    Some((format!("without {name} the process {what}"), false))
}
