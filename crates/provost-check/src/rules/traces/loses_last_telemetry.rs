//! The end of a process is missing from its traces.

use std::collections::BTreeSet;

use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::PhaseName;
use crate::facts::proof::telemetry::Traced;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What is looked for after a bad rollout is what was sent last.
pub static RULE: Rule = Rule {
    id: "loses-last-telemetry",
    group: Group::Traces,
    level: Level::Warn,
    title: "spans of the last requests that are never sent",
    page: include_str!("loses-last-telemetry.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Telemetry],
    after: &["no-termination-handler-seen"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let sent = case.spans()?;
    let phase = sent.phase;
    let has_spans = |asked: &&Traced| sent.of(asked).next().is_some();
    // A path that is left out of traces says nothing.
    let traced: BTreeSet<&str> =
        sent.sampled().filter(has_spans).map(|asked| asked.path.as_str()).collect();
    let last: Vec<&Traced> =
        sent.sampled().filter(|it| it.last && traced.contains(it.path.as_str())).collect();
    let unknown = |what: &'static str| Err(Abstain::unknown(Reason::NotMeasured, what));
    let (Some(told), Some(exit)) = (phase.told_us(), &phase.exit) else {
        return unknown("the end of a process that sends spans");
    };
    if last.is_empty() {
        return unknown("spans of requests like those that were answered last");
    }
    if exit.killed {
        return unknown("what is sent at the end: the process had to be killed");
    }
    let lost: Vec<&&Traced> = last.iter().filter(|asked| !has_spans(asked)).collect();
    let Some(first) = lost.first() else { return Ok(()) };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the spans of {} of {} requests that were answered right before SIGTERM never arrived",
                lost.len(),
                last.len()
            ),
            &case.moment(phase, first.end_us),
            "answered, and never sent",
        )
        .also(&case.moment(phase, told), "SIGTERM")
        .also(&case.moment(phase, exit.at_us), "the process ended")
        .note(format!(
            "spans are collected for {} before they are sent, and those of earlier requests arrived",
            duration(sent.otlp.delay_ms.saturating_mul(1000))
        ))
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "shut the provider down behind the server, before main returns: tracerProvider.Shutdown(ctx) with a time of its own",
        )),
    );
    Ok(())
}
