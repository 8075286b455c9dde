//! A process that opens no port.

use crate::case::process::{Fails, ProcessCase, duration};
use crate::facts::proof::{Phase, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Nothing can be asked of it.
pub static RULE: Rule = Rule {
    id: "never-listens",
    group: Group::Start,
    level: Level::Deny,
    title: "a process that opens no port",
    page: include_str!("never-listens.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    variants: &[Variant::new(
        "ends-at-once",
        Level::Deny,
        "a process that ends before anybody told it to",
    )],
    after: &["needs-root-user", "needs-writable-root"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    if case.has_done_its_work(phase) {
        return Err(Abstain::NotApplicable);
    }
    if phase.ended_by_itself() {
        if phase.ready_us.is_some() {
            // It had come up: its end is none of a start.
            return Ok(());
        }
        case.end_is_its_own(phase)?;
        out.push(ends_at_once(case, phase));
        return Ok(());
    }
    let terms = case.terms();
    // A worker has nothing to listen for.
    if terms.is_worker() {
        return Err(Abstain::NotApplicable);
    }
    if phase.listens_us().is_some() {
        return Ok(());
    }
    case.was_given_what_it_needs(Fails::Waits)?;
    let waited = duration(phase.told_us().unwrap_or(terms.ready_ms * 1000));
    let mut finding = Finding::new(
        &RULE,
        format!("the process opened no port within {waited}"),
        &case.run(phase),
        "no listening socket was seen",
    );
    if let Some(port) = case.container().and_then(|case| case.container.ports.first()) {
        finding = finding.also(&port.origin, "the port that is promised");
    }
    out.push(finding.note(last_words(phase)).note(case.repeat(phase)));
    Ok(())
}

fn ends_at_once(case: &ProcessCase<'_>, phase: &Phase) -> Finding {
    let (at, code) = match &phase.exit {
        Some(exit) => (exit.at_us, exit.shown()),
        None => (0, "unknown".to_owned()),
    };
    Finding::new(
        &RULE,
        format!("the process ended by itself after {}, with exit code {code}", duration(at)),
        &case.moment(phase, at),
        "it had not been told to",
    )
    .variant(&RULE.variants[0])
    .note(phase.killed_at_limit().unwrap_or_else(|| last_words(phase)))
    .note(case.repeat(phase))
    .fix(Fix::suggest(
        "give it what it needs to start: --env NAME=VALUE, --env-file FILE, or the manifest with --manifest; other machines, and files of /tmp, are out of its reach",
    ))
}

/// The last line that it printed.
fn last_words(phase: &Phase) -> String {
    match phase.output.last_since(0) {
        Some(line) => format!("it printed last: {}", line.shown()),
        None => "it printed nothing".to_owned(),
    }
}
