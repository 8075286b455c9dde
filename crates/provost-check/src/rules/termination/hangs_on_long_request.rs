//! One slow client that holds the end up.

use std::collections::BTreeSet;

use crate::case::process::{ProcessCase, duration};
use crate::case::trials::shape;
use crate::facts::proof::{Phase, PhaseName, Protocol, Purpose, Request};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// A connection is seen to end a little before or after its process.
const AT_ITS_END: u64 = 50_000;

/// An end that takes so much longer than that with nothing in flight waited for what was.
const WAITED: u64 = 200_000;

/// SIGKILL ends it, and whatever else was still to be done.
pub static RULE: Rule = Rule {
    id: "hangs-on-long-request",
    group: Group::Termination,
    level: Level::Deny,
    title: "a request without an end keeps the process from ending",
    page: include_str!("hangs-on-long-request.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Stuck, PhaseName::Start],
    variants: &[Variant::new(
        "cut-in-silence",
        Level::Note,
        "requests that are cut at the end without a word in the log",
    )],
    after: &["no-termination-handler-seen", "drain-longer-than-grace"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, told) = case.ended(PhaseName::Stuck)?;
    let unfinished = [Purpose::Endless, Purpose::Handshake];
    let held: Vec<&Request> = unfinished
        .into_iter()
        .flat_map(|purpose| phase.of(purpose))
        .filter(|request| request.end_us > told)
        .collect();
    if held.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let Some(exit) = phase.exit.as_ref().filter(|exit| exit.killed) else {
        return cut_in_silence(case, (phase, told), &held, out);
    };
    let took = phase.given_up_us().unwrap_or(exit.at_us).saturating_sub(told);
    // The manifest at hand may grant another time than the one that was measured against.
    let granted = case.container().map(|case| u64::from(case.termination().remaining) * 1_000_000);
    if let Some(granted) = granted.filter(|granted| took < *granted) {
        let what = format!(
            "whether it ends by itself: it was killed after {}, and now has {}",
            duration(took),
            duration(granted)
        );
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    // What was let go before did not hold it.
    let to_the_end: Vec<&Request> =
        held.iter().filter(|request| request.end_us + AT_ITS_END >= exit.at_us).copied().collect();
    let Some(shown) = to_the_end.first().copied() else {
        let last = held.iter().map(|request| request.end_us).max().unwrap_or(told);
        let what = format!(
            "what kept the process until it was killed: requests without an end were let go {} before",
            duration(exit.at_us.saturating_sub(last))
        );
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    };
    let (what, fix) = match phase.is_grpc() {
        true => (
            "a call that never ends",
            "call Server.Stop when GracefulStop has not returned in time: by itself it waits for ever",
        ),
        false => (
            "a request that never ends",
            "give Server.Shutdown a context with a deadline, and call Server.Close when it is over",
        ),
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{what} kept the process from ending, until it was killed {} after SIGTERM",
            duration(took)
        ),
        &case.moment(phase, exit.at_us),
        "killed",
    )
    .also(&case.moment(phase, shown.at_us), begun(phase, shown))
    .also(&case.moment(phase, told), "SIGTERM");
    if to_the_end.iter().any(|request| request.purpose == Purpose::Handshake) {
        finding =
            finding.note("a TLS handshake that its client did not finish was open until then, too");
    }
    finding = case.show_spoken(phase, finding);
    out.push(finding.note(case.repeat(phase)).fix(Fix::suggest(fix)));
    Ok(())
}

/// It ended by itself and cut what was in flight. Whoever looks for a request that had no answer finds it in the log, or
/// nowhere: a line that an end with nothing in flight does not have.
fn cut_in_silence(
    case: &ProcessCase<'_>,
    (phase, told): (&Phase, u64),
    held: &[&Request],
    out: &mut Findings,
) -> Judged {
    let is_cut =
        |request: &&&Request| request.purpose == Purpose::Endless && request.outcome.is_lost();
    let cut: Vec<&Request> = held.iter().filter(is_cut).copied().collect();
    let (Some(first), Some(exit)) = (cut.first(), &phase.exit) else { return Ok(()) };
    let (idle, idle_told) = case.ended(PhaseName::Start)?;
    // What is cut by an end that waits for nothing is lost (`loses-requests-in-flight`).
    let idle_took = idle.exit.as_ref().map_or(0, |exit| exit.at_us.saturating_sub(idle_told));
    if first.end_us - told < idle_took.saturating_add(WAITED) {
        return Ok(());
    }
    let since = |phase: &Phase, told: u64| -> BTreeSet<String> {
        let lines = phase.output.lines.iter().filter(|line| line.at_us >= told);
        lines.map(|line| shape(&line.text)).collect()
    };
    let (said, otherwise) = (since(phase, told), since(idle, idle_told));
    // One that never logs its end is another rule's.
    let is_silent = !otherwise.is_empty() && said.is_subset(&otherwise);
    if !is_silent || phase.output.more > 0 || idle.output.more > 0 {
        return Ok(());
    }
    let requests = if cut.len() == 1 { "request" } else { "requests" };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the process cut {} {requests} when it ended, and its log does not say so",
                cut.len()
            ),
            &case.moment(phase, first.end_us),
            format!("{}, {} after SIGTERM", first.outcome.words(), duration(first.end_us - told)),
        )
        .variant(&RULE.variants[0])
        .also(&case.moment(phase, exit.at_us), "ended, with the lines of an end that cuts nothing")
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "log the error of Server.Shutdown, and what was in flight, before Server.Close cuts it; so before Server.Stop of gRPC",
        )),
    );
    Ok(())
}

/// How the client leaves it unfinished.
fn begun(phase: &Phase, request: &Request) -> &'static str {
    match request.purpose {
        Purpose::Handshake => "a client begins a TLS handshake and leaves it at that",
        _ if request.path.contains("/Watch") && phase.is_grpc() => {
            "a client watches the health of the server"
        }
        _ if phase.protocol.is_some_and(Protocol::is_http2) => {
            "a client asks and does not read what it is answered"
        }
        _ => "a client begins a request and does not send its body",
    }
}
