//! One slow client that holds the end up.

use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::{PhaseName, Purpose};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// SIGKILL ends it, and whatever else was still to be done.
pub static RULE: Rule = Rule {
    id: "hangs-on-long-request",
    group: Group::Termination,
    level: Level::Deny,
    title: "a request without an end keeps the process from ending",
    page: include_str!("hangs-on-long-request.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Stuck],
    after: &["no-termination-handler-seen"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, told) = case.ended(PhaseName::Stuck)?;
    let mut held = phase.of(Purpose::Endless).filter(|request| request.end_us > told).peekable();
    let Some(first) = held.peek().copied() else { return Err(Abstain::NotApplicable) };
    let Some(exit) = phase.exit.as_ref().filter(|exit| exit.killed) else { return Ok(()) };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "a request that never ends kept the process from ending, until it was killed {} after SIGTERM",
                duration(exit.at_us.saturating_sub(told))
            ),
            &case.moment(phase, exit.at_us),
            "killed",
        )
        .also(&case.moment(phase, first.at_us), "a client begins a request and does not send its body")
        .also(&case.moment(phase, told), "SIGTERM")
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "give Server.Shutdown a context with a deadline, and call Server.Close when it is over",
        )),
    );
    Ok(())
}
