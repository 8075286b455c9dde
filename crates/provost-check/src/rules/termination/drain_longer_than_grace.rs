//! A drain that SIGKILL ends.

use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::{Phase, PhaseName, Purpose};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A connection is seen to end a little before or after its process.
const AT_ITS_END: u64 = 50_000;

/// What is not done by then is lost.
pub static RULE: Rule = Rule {
    id: "drain-longer-than-grace",
    group: Group::Termination,
    level: Level::Deny,
    title: "a drain that takes longer than the grace period leaves",
    page: include_str!("drain-longer-than-grace.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start, PhaseName::Drain],
    after: &["no-termination-handler-seen"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    // The manifest at hand may grant another time than the one that was measured against.
    let left = case.container().map(|case| u64::from(case.termination().remaining) * 1_000_000);
    let left = left.unwrap_or(case.terms().grace_ms * 1000);
    let late = |(phase, told): (&Phase, u64)| {
        let mut exit = phase.exit.iter();
        exit.any(|exit| exit.killed || exit.at_us.saturating_sub(told) > left)
    };
    let (phase, told) = match case.ended(PhaseName::Drain) {
        Ok(drain) if late(drain) => drain,
        drain => match case.ended_idle() {
            // Of a worker nothing else is known; and who is late without any load is late under it.
            Ok(idle) if idle.0.is_killed() && idle.0.heard().is_some() => idle,
            _ => {
                drain?;
                return Ok(());
            }
        },
    };
    let Some(exit) = &phase.exit else { return Ok(()) };
    if phase.is_starved() {
        let what = "how long the process drains: the machine was too busy for it";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let took = phase.given_up_us().unwrap_or(exit.at_us).saturating_sub(told);
    if exit.killed && took < left {
        let what = format!(
            "how long it drains: it was killed after {}, and now has {}",
            duration(took),
            duration(left)
        );
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let idle = if phase.name == PhaseName::Start { ", idle as it was" } else { "" };
    let message = match exit.killed {
        true => format!(
            "the process had not drained when {} of its grace period were over{idle}",
            duration(took)
        ),
        false => format!(
            "the process drains for {}, and {} are left for it",
            duration(took),
            duration(left)
        ),
    };
    let mut finding = Finding::new(
        &RULE,
        message,
        &case.moment(phase, exit.at_us),
        if exit.killed { "killed" } else { "ended" },
    )
    .also(&case.moment(phase, told), "SIGTERM");
    if let Some(case) = case.container() {
        let grace = &case.pod().grace_period;
        let said = if grace.is_written() { "" } else { "not set: " };
        finding = finding.also(&grace.origin, format!("{said}SIGKILL at {} s", grace.value));
        finding = case.show_pre_stop(finding);
    }
    if let Some(how) = case.heard() {
        finding = finding.note(format!("it heard SIGTERM: {how}"));
    }
    if phase.of(Purpose::WebSocket).any(|open| open.end_us + AT_ITS_END >= exit.at_us) {
        finding =
            finding.note("a WebSocket was open until then, whose client was not told to close it");
    }
    let fix = match phase.is_grpc() {
        true => "call Server.Stop when GracefulStop takes longer than that",
        false => {
            "give Server.Shutdown a context with a deadline that is shorter, then Server.Close"
        }
    };
    finding = case.show_spoken(phase, finding).note(case.repeat(phase));
    let enough = case.container().filter(|_| !exit.killed);
    let raise = match enough.map(|case| case.termination_of(took).suggested) {
        Some(enough) => format!("set terminationGracePeriodSeconds to {enough}"),
        None => "raise terminationGracePeriodSeconds".to_owned(),
    };
    out.push(finding.fix(Fix::suggest(format!("{fix}; or {raise}"))));
    Ok(())
}
