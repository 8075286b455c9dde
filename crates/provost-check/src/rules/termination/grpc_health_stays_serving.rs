//! A health service that says nothing of the drain.

use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::PhaseName;
use crate::facts::proof::health::{SERVING, serving_name};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What is said at the same time may arrive in either order.
const AT_ONCE: u64 = 50_000;

/// Clients that ask for it go on until they are cut.
pub static RULE: Rule = Rule {
    id: "grpc-health-stays-serving",
    group: Group::Termination,
    level: Level::Warn,
    title: "the health service says SERVING while the process drains",
    page: include_str!("grpc-health-stays-serving.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Drain],
    after: &["no-termination-handler-seen"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, told) = case.ended(PhaseName::Drain)?;
    let Some(watched) = &phase.watched else { return Err(Abstain::NotApplicable) };
    let before = watched.states.iter().rfind(|state| state.at_us <= told);
    let Some(before) = before else {
        let what = "the health of the server: Watch said nothing before SIGTERM";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    };
    if before.serving != SERVING {
        let what = format!("health in the drain: it was {} before", serving_name(before.serving));
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let end = watched.goaway_us.unwrap_or(watched.end_us);
    // GOAWAY at once says it, too.
    let slack = AT_ONCE + phase.lateness_us;
    if end <= told + slack {
        return Ok(());
    }
    let in_time = |at_us: u64| at_us > told && at_us <= end + slack;
    let changes =
        watched.states.iter().any(|state| state.serving != SERVING && in_time(state.at_us));
    if changes {
        return Ok(());
    }
    let how = if watched.goaway_us.is_some() { "GOAWAY" } else { "the end of its stream" };
    let finding = Finding::new(
        &RULE,
        format!(
            "the health service said SERVING until {how}, {} after SIGTERM",
            duration(end.saturating_sub(told))
        ),
        &case.moment(phase, end),
        how,
    )
    .also(&case.moment(phase, told), "SIGTERM");
    out.push(case.show_spoken(phase, finding).note(case.repeat(phase)).fix(Fix::suggest(
        "call Shutdown of the health.Server first, or SetServingStatus with NOT_SERVING, then wait, then GracefulStop",
    )));
    Ok(())
}
