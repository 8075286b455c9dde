//! A process that cannot be stopped while it starts.

use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::PhaseName;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What has not begun to serve has nothing to drain.
const ENOUGH: u64 = 5_000_000;

/// A rollout that is taken back waits for it.
pub static RULE: Rule = Rule {
    id: "ignores-signal-while-starting",
    group: Group::Termination,
    level: Level::Warn,
    title: "a process that SIGTERM does not end while it starts",
    page: include_str!("ignores-signal-while-starting.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start, PhaseName::EarlySignal],
    after: &["no-termination-handler-seen", "drain-longer-than-grace"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::EarlySignal)?;
    let (Some(told), Some(exit)) = (phase.told_us(), &phase.exit) else {
        return Err(Abstain::NotApplicable);
    };
    if phase.listens_us().is_some_and(|listens| listens <= told) {
        // It was quicker than the signal.
        return Err(Abstain::NotApplicable);
    }
    let took = exit.at_us.saturating_sub(told);
    // It may have come to listen meanwhile, and ends then as it does when it is up.
    let as_ever = case
        .ended_idle()
        .ok()
        .and_then(|(start, told)| start.exit.as_ref().map(|exit| exit.at_us.saturating_sub(told)));
    let listened = phase.listens_us().unwrap_or(told).saturating_sub(told);
    if took <= ENOUGH + as_ever.unwrap_or(0) && listened <= ENOUGH && !exit.killed {
        return Ok(());
    }
    out.push(
        Finding::new(
            &RULE,
            format!("told to end before it listened, the process went on for {}", duration(took)),
            &case.moment(phase, exit.at_us),
            if exit.killed { "killed" } else { "ended" },
        )
        .also(&case.moment(phase, told), "SIGTERM")
        .note(case.repeat(phase))
        .fix(Fix::suggest("make what is done at the start (migrations, connecting) depend on the context that SIGTERM ends")),
    );
    Ok(())
}
