//! Requests that were being answered when SIGTERM came.

use crate::case::process::{ProcessCase, duration, tally};
use crate::facts::proof::{Outcome, Phase, PhaseName, Protocol, Purpose, Request};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// What was accepted is to be answered.
pub static RULE: Rule = Rule {
    id: "loses-requests-in-flight",
    group: Group::Termination,
    level: Level::Deny,
    title: "requests in flight are lost when the process ends",
    page: include_str!("loses-requests-in-flight.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Drain],
    variants: &[
        Variant::new("websocket-cut", Level::Warn, "a WebSocket is cut when the process ends"),
        Variant::new("stream-cut", Level::Warn, "a stream of gRPC is cut when the process ends"),
    ],
    after: &["no-termination-handler-seen"],
    check: Check::Process(check),
    ..Rule::BASE
};

/// Whether no server ever saw a request: it met the closing of its idle connection on the way, which
/// clients repeat by themselves (golang.org/issue/23829), or its connection was not accepted yet when the
/// port was closed, which is another rule's.
fn collided(request: &Request) -> bool {
    let unseen =
        matches!(request.outcome, Outcome::Closed { bytes: 0 } | Outcome::Reset { bytes: 0 });
    matches!(request.purpose, Purpose::Busy | Purpose::NewConnection) && unseen
}

/// Whether the server gave up on a client that did not read: the measurement held it back.
fn given_up(request: &Request) -> bool {
    matches!(request.outcome, Outcome::StreamReset { unread: true, .. })
}

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, told) = case.ended(PhaseName::Drain)?;
    websockets(case, (phase, told), out);
    calls(case, (phase, told), out);
    let in_flight: Vec<&Request> = phase
        .requests
        .iter()
        .filter(|request| request.at_us < told && request.end_us > told)
        .filter(|request| {
            matches!(request.purpose, Purpose::Slow | Purpose::NewConnection | Purpose::Busy)
        })
        .filter(|request| !collided(request) && !given_up(request))
        .collect();
    let lost: Vec<&Request> =
        in_flight.iter().filter(|request| request.outcome.is_lost()).copied().collect();
    let Some(first) = lost.first() else {
        let http2 = phase.protocol.is_some_and(Protocol::is_http2);
        let slow = in_flight.iter().any(|request| request.purpose == Purpose::Slow);
        if http2 && !slow && phase.of(Purpose::Slow).any(given_up) {
            let what = "HTTP/2 requests in flight at SIGTERM: the server gave up those whose clients did not read, as Server.WriteTimeout does; --slow-path names one that takes a while";
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
        if http2 && !slow {
            let what = "HTTP/2 requests in flight at SIGTERM: answers without a body are whole at once, and --slow-path names none that take a while";
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
        return Ok(());
    };
    case.is_sent_connections(phase, "requests in flight at SIGTERM")?;
    case.answered_before(phase, "requests in flight at SIGTERM")?;
    if phase.is_starved() {
        // Whoever gives requests a time in which to end gave them none.
        let what = "requests in flight at SIGTERM: the machine was too busy for them";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{} of {} {} that were in flight at SIGTERM were lost",
            lost.len(),
            in_flight.len(),
            phase.requests_by_name()
        ),
        &case.moment(phase, first.end_us),
        format!("{}, {} after SIGTERM", first.outcome.words(), duration(first.end_us - told)),
    )
    .also(&case.moment(phase, told), "SIGTERM");
    if let Some(exit) = &phase.exit {
        finding = finding.also(&case.moment(phase, exit.at_us), "the process ended");
    }
    let fix = match phase.is_grpc() {
        true => {
            "end with Server.GracefulStop, which waits for calls, and call Stop only when that takes too long"
        }
        false => {
            "wait for Server.Shutdown to return before main does: ListenAndServe returns at once when Shutdown is called"
        }
    };
    finding = case.show_spoken(phase, finding.note(tally(lost)));
    out.push(finding.note(case.repeat(phase)).fix(Fix::suggest(fix)));
    Ok(())
}

/// A server knows nothing of a connection that was taken over from it: neither does `Shutdown` wait for
/// it, nor is its client told.
fn websockets(case: &ProcessCase<'_>, (phase, told): (&Phase, u64), out: &mut Findings) {
    let open = |request: &&Request| request.sent_us.is_some() && request.end_us > told;
    for request in phase.of(Purpose::WebSocket) {
        if !open(&request) {
            let what = format!("the WebSocket at {}: {}", request.path, request.outcome.words());
            out.abstain(Abstain::unknown(Reason::NotMeasured, what));
        }
    }
    let cut = phase.of(Purpose::WebSocket).filter(open).find(|request| request.outcome.is_lost());
    let Some(request) = cut else { return };
    out.push(
        Finding::new(
            &RULE,
            format!("the WebSocket at {} was cut without a close frame", request.path),
            &case.moment(phase, request.end_us),
            format!("{}, {} after SIGTERM", cut_words(request), duration(request.end_us - told)),
        )
        .variant(&RULE.variants[0])
        .also(&case.moment(phase, told), "SIGTERM")
        .note("its client sees 1006, as after a crash, and does not know what of its messages arrived")
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "send a close frame with 1001 to every WebSocket (Server.RegisterOnShutdown), and wait for their clients to close",
        )),
    );
}

/// Go's server waits for its streams (`Server.GracefulStop`), and one that only its client ends is waited for in vain:
/// `Server.Stop` cuts it. Its handler knows of SIGTERM when somebody tells it.
fn calls(case: &ProcessCase<'_>, (phase, told): (&Phase, u64), out: &mut Findings) {
    let open = |request: &&Request| request.end_us > told;
    let named = phase.of(Purpose::Call).next().is_some();
    // What it may be called with only who runs it knows.
    let program = case.program().ok().filter(|_| phase.is_grpc() && !named);
    if let Some(method) = program.and_then(|program| program.text.streams().into_iter().next()) {
        let what = format!(
            "streams that are open at SIGTERM: the program has the descriptor of {method}, and --slow-path calls it, with an empty message"
        );
        out.abstain(Abstain::unknown(Reason::NotMeasured, what));
    }
    for request in phase.of(Purpose::Call).filter(|request| !open(request)) {
        let what =
            format!("the call of {}: {} before SIGTERM", request.path, request.outcome.words());
        out.abstain(Abstain::unknown(Reason::NotMeasured, what));
    }
    let cut = phase.of(Purpose::Call).filter(open).find(|request| request.outcome.is_lost());
    let Some(request) = cut else { return };
    let finding = Finding::new(
        &RULE,
        format!("the call of {} was cut without a status", request.path),
        &case.moment(phase, request.end_us),
        format!("{}, {} after SIGTERM", cut_words(request), duration(request.end_us - told)),
    )
    .variant(&RULE.variants[1])
    .also(&case.moment(phase, told), "SIGTERM")
    .note("its client sees UNAVAILABLE, as after a crash, and does not know whether the stream was at its end");
    out.push(case.show_spoken(phase, finding).note(case.repeat(phase)).fix(Fix::suggest(
        "have handlers of streams return when the drain begins, with codes.Unavailable: GracefulStop waits for them and tells them nothing",
    )));
}

fn cut_words(request: &Request) -> &'static str {
    match request.outcome {
        Outcome::Reset { .. } | Outcome::StreamReset { .. } => "reset",
        _ => "closed",
    }
}
