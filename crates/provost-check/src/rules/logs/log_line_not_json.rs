//! Lines that are no JSON among lines that are.

use crate::case::process::ProcessCase;
use crate::facts::proof::{Line, Phase, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// A collector that expects JSON loses them, or their fields.
pub static RULE: Rule = Rule {
    id: "log-line-not-json",
    group: Group::Logs,
    level: Level::Warn,
    title: "lines that are no JSON in a log of JSON",
    page: include_str!("log-line-not-json.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    // What a panic prints is no line of its log.
    after: &["log-injection", "ends-by-itself"],
    variants: &[
        Variant::new("plain-text", Level::Note, "a log without structure").strict(Level::Warn)
    ],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let lines: Vec<&Line> =
        phase.output.lines.iter().filter(|line| !line.text.trim().is_empty()).collect();
    if lines.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let plain: Vec<&Line> = lines.iter().filter(|line| !is_object(&line.text)).copied().collect();
    let Some(first) = plain.first() else { return Ok(()) };
    if plain.len() == lines.len() {
        let message = format!("none of the {} lines that the process prints is JSON", lines.len());
        out.push(finding(case, phase, first, message).variant(&RULE.variants[0]));
        return Ok(());
    }
    let message =
        format!("{} of {} lines are no JSON, and the others are", plain.len(), lines.len());
    out.push(finding(case, phase, first, message).fix(Fix::suggest(
        "send the standard log package through the same handler: slog.SetDefault; http.Server.ErrorLog has to be set by itself",
    )));
    Ok(())
}

fn finding(case: &ProcessCase<'_>, phase: &Phase, first: &Line, message: String) -> Finding {
    let text = first.shown();
    let stream = first.stream();
    Finding::new(&RULE, message, &case.moment(phase, first.at_us), stream)
        .note(format!("the first: {text}"))
        .note(case.repeat(phase))
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
        && serde_json::from_str::<serde::de::IgnoredAny>(text.trim()).is_ok()
}
