//! Mistakes of callers that count as the server's.

use std::collections::BTreeMap;

use crate::case::process::ProcessCase;
use crate::facts::proof::PhaseName;
use crate::facts::proof::telemetry::{ERROR, SERVER, Span};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Error rates and tail samplers go by it.
pub static RULE: Rule = Rule {
    id: "wrong-span-status",
    group: Group::Traces,
    level: Level::Warn,
    title: "a server's span that is an error for a 4xx",
    page: include_str!("wrong-span-status.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Telemetry],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let sent = case.spans()?;
    // Of two in one trace the first.
    let asked = sent.telemetry.asked.iter().rev();
    let statuses: BTreeMap<&str, Option<u16>> =
        asked.map(|asked| (asked.trace.as_str(), asked.status)).collect();
    let answered = |span: &Span| {
        span.http_status.or_else(|| statuses.get(span.trace.as_str()).copied().flatten())
    };
    let wrong: Vec<(&Span, u16)> = sent
        .telemetry
        .spans
        .iter()
        .filter(|span| span.kind == SERVER && span.status == ERROR)
        .filter_map(|span| Some((span, answered(span)?)))
        .filter(|(_, status)| (400..500).contains(status))
        .collect();
    let Some((first, status)) = wrong.first() else { return Ok(()) };
    out.push(
        Finding::new(
            &RULE,
            format!("the span of an answer {status} has the status Error"),
            &case.moment(sent.phase, first.at_us),
            format!("the span {:?}", first.name),
        )
        .note(format!("of servers' spans that were answered with 4xx, {} in all", wrong.len()))
        .note(case.repeat(sent.phase))
        .fix(Fix::suggest("leave the status of a server's span unset below 500")),
    );
    Ok(())
}
