//! Calls that leave the trace behind.

use crate::case::process::ProcessCase;
use crate::facts::proof::telemetry::Traced;
use crate::facts::proof::{Call, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What another service did for the request is in another trace.
pub static RULE: Rule = Rule {
    id: "no-outgoing-trace",
    group: Group::Traces,
    level: Level::Warn,
    title: "calls to others without the trace of the request they are made for",
    page: include_str!("no-outgoing-trace.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Telemetry],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let sent = case.sent()?;
    let phase = sent.phase;
    let calls = || phase.dependencies.iter().flat_map(|it| &it.links).flat_map(|link| &link.calls);
    // What is called at another time is called by the clock, for no request.
    let during: Vec<(&Traced, &Call)> = sent
        .telemetry
        .asked
        .iter()
        .flat_map(|asked| {
            let within = move |call: &&Call| (asked.at_us..=asked.end_us).contains(&call.at_us);
            calls().filter(within).map(move |call| (asked, call))
        })
        .collect();
    if during.is_empty() {
        let what = "calls by HTTP while a request is answered; --dependency names what is called, --path what calls it";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let carries = |asked: &Traced, call: &Call| {
        call.traceparent.as_ref().is_some_and(|parent| parent.contains(&asked.trace))
    };
    // One that carries it shows that calls of requests do; others may be the clock's.
    if during.iter().any(|(asked, call)| carries(asked, call)) {
        return Ok(());
    }
    let (asked, call) = during[0];
    let how = match &call.traceparent {
        None => "without a traceparent".to_owned(),
        Some(parent) => format!("with the traceparent {parent}"),
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "{} calls to others, made while requests were answered, do not carry the trace of the request",
                during.len()
            ),
            &case.moment(phase, call.at_us),
            how,
        )
        .also(&case.moment(phase, asked.at_us), format!("asked in the trace {}", asked.trace))
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "call with the request's context (http.NewRequestWithContext) through a client that hands it on: http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport)}",
        )),
    );
    Ok(())
}
