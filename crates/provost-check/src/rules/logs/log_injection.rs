//! A request that writes lines of its own into the log.

use crate::case::logged::Logged;
use crate::case::process::ProcessCase;
use crate::facts::proof::{INJECTED, Line, PhaseName, Purpose};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Whoever may send a request writes what the log says.
pub static RULE: Rule = Rule {
    id: "log-injection",
    group: Group::Logs,
    level: Level::Deny,
    title: "a request that can write lines or fields into the log",
    page: include_str!("log-injection.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let Some(begun) = phase.of(Purpose::Hostile).map(|request| request.at_us).min() else {
        return Err(Abstain::NotApplicable);
    };
    let broken =
        phase.output.lines.iter().find(|line| line.text.trim_start().starts_with(INJECTED));
    if let Some(line) = broken {
        let message = "a line break in a request begins a line of the log that the request wrote";
        push(case, out, line, message);
        return Ok(());
    }
    let fields: Vec<Logged<'_>> = phase.logged().filter(|line| line.has(INJECTED)).collect();
    if let Some(line) = fields.first() {
        let message = "a quote in a request ends the text that it stands in, and the request adds a field to the log";
        push(case, out, line.line, message);
        return Ok(());
    }
    // Nothing of a request is logged as far as was seen.
    let mut later = phase.output.lines.iter().filter(|line| line.at_us >= begun);
    match later.any(|line| line.text.contains("provost")) {
        true => Ok(()),
        false => Err(Abstain::NotApplicable),
    }
}

fn push(case: &ProcessCase<'_>, out: &mut Findings, line: &Line, message: &str) {
    let Ok(phase) = case.phase(PhaseName::Start) else { return };
    let text = line.shown();
    let stream = line.stream();
    out.push(
        Finding::new(&RULE, message, &case.moment(phase, line.at_us), stream)
            .note(format!("the line: {text}"))
            .note(case.repeat(phase))
            .fix(Fix::suggest(
                "log by a handler that quotes (log/slog), or print what comes from outside with %q",
            )),
    );
}
