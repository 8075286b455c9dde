//! A preStop hook that takes the whole grace period.

use crate::case::Case;
use crate::findings::{Abstain, Finding, Level};
use crate::model::grace::Verdict;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The hook counts against the grace period, so nothing is left for the drain.
pub static RULE: Rule = Rule {
    id: "prestop-exhausts-grace-period",
    group: Group::Lifecycle,
    level: Level::Deny,
    title: "a preStop hook that takes the whole grace period",
    page: include_str!("prestop-exhausts-grace-period.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let (handler, time) = case.pre_stop_time();
    let handler = handler.ok_or(Abstain::NotApplicable)?;
    let termination = case.termination();
    if termination.verdict != Verdict::HookExhausts {
        return Ok(());
    }
    let grace = &case.pod().grace_period;
    let period = termination.grace;
    let seconds = time.seconds;
    let at_least = if time.exact { "" } else { "at least " };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "preStop takes {at_least}{seconds} s of a grace period of {period} s: \
             SIGTERM arrives with 2 s left"
        ),
        case.pre_stop_origin().unwrap_or(&handler.origin),
        format!("{at_least}{seconds} s, counted against the grace period"),
    )
    .also(
        &grace.origin,
        if grace.is_written() {
            format!("all of it: SIGKILL at {period} s, or 2 s after the hook is abandoned")
        } else {
            format!("terminationGracePeriodSeconds is not set: {period} s")
        },
    )
    .note(format!(
        "preStop {seconds} s + drain and flush {} s + 2 s to exit needs {} s",
        termination.need, termination.suggested
    ));
    finding = finding.fix(case.set_grace_period(termination.suggested));
    out.push(finding);
    Ok(())
}
