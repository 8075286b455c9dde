//! Any path is answered well.

use crate::case::process::ProcessCase;
use crate::facts::proof::{Outcome, PhaseName, Purpose};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A probe of a path that does not exist passes, too.
pub static RULE: Rule = Rule {
    id: "catch-all-success",
    group: Group::Serving,
    level: Level::Warn,
    title: "a path that nobody serves is answered with success",
    page: include_str!("catch-all-success.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let Some(asked) = phase.of(Purpose::UnknownPath).last() else {
        return Err(Abstain::NotApplicable);
    };
    let Outcome::Answered { status: status @ 200..=299, .. } = asked.outcome else { return Ok(()) };
    out.push(
        Finding::new(
            &RULE,
            format!("a path that nobody serves, {}, is answered {status}", asked.path),
            &case.moment(phase, asked.at_us),
            format!("answered {status}"),
        )
        .note("a probe with a misspelt path would pass, whatever the state of the service")
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "answer 404 for what is not served; \"/{$}\" is the root alone (Go 1.22)",
        )),
    );
    Ok(())
}
