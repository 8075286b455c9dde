//! Checks that answer differently when they are asked again.

use crate::case::process::ProcessCase;
use crate::findings::{Finding, Level};
use crate::rules::RULES;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What differs from run to run is a race of the process, or of whatever it runs beside.
pub static RULE: Rule = Rule {
    id: "unstable-result",
    group: Group::Termination,
    level: Level::Warn,
    title: "a check that answers differently on repetition",
    page: include_str!("unstable-result.md"),
    needs: &[Need::Process],
    check: Check::Process(check),
    ..Rule::BASE
};

/// Findings that a history shows.
const MOST_SHOWN: usize = 12;

/// What a rule said of one run.
enum Answer {
    Passes,
    Found(Box<Finding>),
    NotJudged,
}

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let runs = case.runs();
    if runs < 2 || !case.is_first_run() {
        return Err(crate::findings::Abstain::NotApplicable);
    }
    for rule in RULES.iter().filter(|rule| !rule.off && rule.id != RULE.id) {
        let Check::Process(check) = rule.check else { continue };
        let answers: Vec<Answer> = (0..runs).map(|run| answer(check, case.of_run(run))).collect();
        let found: Vec<&Finding> = answers
            .iter()
            .filter_map(|answer| match answer {
                Answer::Found(finding) => Some(&**finding),
                Answer::Passes | Answer::NotJudged => None,
            })
            .collect();
        let passes = answers.iter().any(|answer| matches!(answer, Answer::Passes));
        let Some(first) = found.first().filter(|_| passes) else { continue };
        let mut finding = Finding::new(
            &RULE,
            format!("{} is found in {} of {runs} runs", first.id(), found.len()),
            first.primary(),
            "in one of them",
        );
        for (number, answer) in answers.iter().enumerate().take(MOST_SHOWN) {
            let said = match answer {
                Answer::Passes => "passes".to_owned(),
                Answer::NotJudged => "is not judged".to_owned(),
                Answer::Found(finding) => finding.message.clone(),
            };
            finding = finding.note(format!("run {}: {said}", number + 1));
        }
        if answers.len() > MOST_SHOWN {
            finding = finding.note(format!("and {} more runs", answers.len() - MOST_SHOWN));
        }
        out.push(finding.note(case.repeat_for(rule.id, runs)));
    }
    Ok(())
}

fn answer(check: fn(&ProcessCase<'_>, &mut Findings) -> Judged, case: ProcessCase<'_>) -> Answer {
    let mut findings = Findings::default();
    let judged = check(&case, &mut findings);
    match (findings.found.into_iter().next(), judged) {
        (Some(finding), _) => Answer::Found(Box::new(finding)),
        (None, Ok(())) => Answer::Passes,
        (None, Err(_)) => Answer::NotJudged,
    }
}
