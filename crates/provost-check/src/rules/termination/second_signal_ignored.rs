//! A second SIGTERM that changes nothing.

use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::{Exit, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Somebody in a hurry is heard within that.
const HEARD: u64 = 2_000_000;

/// SIGTERM on Linux.
const TERM: i32 = 15;

/// Whoever waits for the drain can only kill it.
pub static RULE: Rule = Rule {
    id: "second-signal-ignored",
    group: Group::Termination,
    level: Level::Warn,
    title: "a second SIGTERM does not end the process",
    page: include_str!("second-signal-ignored.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::SecondSignal],
    after: &["no-termination-handler-seen", "second-signal-panics"],
    check: Check::Process(check),
    ..Rule::BASE
};

/// No signal ends process 1 that it does not handle: Go's runtime, which raises it anew, ends with a code then (2 up to
/// Go 1.26, 143 from 1.27 on; `dieFromSignal` in `runtime/signal_unix.go`). It says so where the process ends with
/// another one when it drains.
fn by_signal(case: &ProcessCase<'_>, exit: &Exit) -> bool {
    let drained = case.ended_idle().ok().and_then(|(phase, _)| phase.exit.as_ref());
    matches!(exit.code, Some(2 | 143)) && drained.is_some_and(|idle| idle.code != exit.code)
}

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, told) = case.ended_up(PhaseName::SecondSignal)?;
    let Some(again) = phase.told_again_us() else {
        // It had ended before: nothing held it up.
        return Err(Abstain::NotApplicable);
    };
    let Some(exit) = &phase.exit else { return Ok(()) };
    let took = exit.at_us.saturating_sub(again);
    // What SIGTERM ends heard it, however long it took.
    if !exit.killed && (took <= HEARD || exit.signal == Some(TERM) || by_signal(case, exit)) {
        return Ok(());
    }
    if phase.is_starved() {
        let what = "whether a second SIGTERM is heard: the machine was too busy for it";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    out.push(
        Finding::new(
            &RULE,
            format!("the process went on for {} after a second SIGTERM", duration(took)),
            &case.moment(phase, exit.at_us),
            if exit.killed { "killed" } else { "ended" },
        )
        .also(&case.moment(phase, told), "SIGTERM")
        .also(&case.moment(phase, again), "SIGTERM again")
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "call the stop function of signal.NotifyContext after the first signal: a second one then ends the process",
        )),
    );
    Ok(())
}
