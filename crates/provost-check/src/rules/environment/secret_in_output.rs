//! A secret that the process prints.

use crate::case::process::ProcessCase;
use crate::facts::proof::Shown;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Logs are read by more people than Secrets, and kept longer.
pub static RULE: Rule = Rule {
    id: "secret-in-output",
    group: Group::Environment,
    level: Level::Deny,
    title: "a value of a Secret in what the process prints",
    page: include_str!("secret-in-output.md"),
    needs: &[Need::Process],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phases = case.phases();
    if phases.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    // What is printed of a setting that is wrong is printed of one that is right, by accident.
    let trials = phases.iter().flat_map(|phase| phase.trials.iter().map(|trial| &trial.run));
    let lines = phases
        .iter()
        .chain(trials)
        .flat_map(|phase| phase.output.lines.iter().map(move |line| (phase, line)));
    scraped(case, out);
    elsewhere(case, out);
    let mut printed = lines.filter(|(_, line)| line.secret).peekable();
    let Some(&(phase, line)) = printed.peek() else { return Ok(()) };
    let stream = line.stream();
    let text = line.shown();
    out.push(
        Finding::new(
            &RULE,
            format!("the process prints a value that it was given as a secret, in {} of its lines", printed.count()),
            &case.moment(phase, line.at_us),
            stream,
        )
        .note(format!("the first: {text}"))
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "leave it out of what is logged: a slog.LogValuer that answers REDACTED, no %+v of the configuration",
        )),
    );
    Ok(())
}

/// The same on its metrics endpoint, which whoever reaches the port may ask.
fn scraped(case: &ProcessCase<'_>, out: &mut Findings) {
    for phase in case.phases() {
        let Some(metrics) = &phase.metrics else { continue };
        let Some(scrape) = metrics.scrapes.iter().find(|scrape| scrape.secret) else { continue };
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "the process shows a value that it was given as a secret at {}",
                    metrics.path
                ),
                &case.moment(phase, scrape.at_us),
                format!("port {}", metrics.port),
            )
            .note(case.repeat(phase))
            .fix(Fix::suggest("leave it out of names, labels and help of metrics")),
        );
    }
}

/// In what it answers, and on the command line that all processes of the node may read.
fn elsewhere(case: &ProcessCase<'_>, out: &mut Findings) {
    let mut known: Vec<&str> = Vec::new();
    for phase in case.phases() {
        let argument = phase.shown.iter().any(|shown| shown.argument);
        // The command line is shown by it as it is.
        let repeats = |shown: &Shown| argument && shown.place.ends_with("/debug/pprof/cmdline");
        for shown in phase.shown.iter().filter(|shown| !repeats(shown)) {
            if known.contains(&shown.place.as_str()) {
                continue;
            }
            known.push(&shown.place);
            let (message, fix) = match shown.argument {
                true => (
                    "a value that was given as a secret stands on the command line of the process"
                        .to_owned(),
                    "give it as a variable or a file: whoever may look at processes of the node, or at /debug/pprof/cmdline, reads arguments",
                ),
                false => (
                    format!(
                        "the process shows a value that it was given as a secret {}",
                        shown.place
                    ),
                    "leave it out of what is answered, and serve what is there for debugging on a port that nobody else reaches",
                ),
            };
            let mut finding =
                Finding::new(&RULE, message, &case.moment(phase, shown.at_us), shown.place.clone());
            if !shown.text.is_empty() {
                finding = finding.note(format!("around it: {}", shown.text));
            }
            out.push(finding.note(case.repeat(phase)).fix(Fix::suggest(fix)));
        }
    }
}
