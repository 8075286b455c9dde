//! Connections that are kept while the process drains.

use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::{Outcome, PhaseName, Protocol, Purpose, Request};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// After the listener is closed an answer takes a while to be written; what was on its way then may
/// not know yet.
const ON_ITS_WAY: u64 = 50_000;

/// Clients stay on them until they break.
pub static RULE: Rule = Rule {
    id: "keeps-connections-open-in-drain",
    group: Group::Termination,
    level: Level::Warn,
    title: "connections are kept open while the process drains",
    page: include_str!("keeps-connections-open-in-drain.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Drain],
    after: &["no-termination-handler-seen"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, told) = case.ended(PhaseName::Drain)?;
    let closed = phase.listeners.iter().filter_map(|listener| listener.closed_us).max();
    let Some(closed) = closed.filter(|closed| *closed > told) else {
        return Err(Abstain::NotApplicable);
    };
    let busy: Vec<&Request> =
        phase.of(Purpose::Busy).filter(|request| request.at_us > closed + ON_ITS_WAY).collect();
    let kept =
        |request: &&&Request| matches!(request.outcome, Outcome::Answered { close: false, .. });
    let Some(first) = busy.iter().find(kept) else { return Ok(()) };
    case.is_sent_connections(phase, "connections that are kept while the process drains")?;
    let (label, fix) = match phase.protocol {
        Some(Protocol::Grpc | Protocol::Grpcs) => {
            ("answered without GOAWAY", "call Server.GracefulStop when the drain begins")
        }
        Some(Protocol::H2 | Protocol::H2c) => (
            "answered without GOAWAY",
            "call Server.Shutdown when the drain begins; for h2c of golang.org/x/net, http2.ConfigureServer on the same server, so that Shutdown knows its connections",
        ),
        _ => (
            "answered without Connection: close",
            "call Server.SetKeepAlivesEnabled(false), or Server.Shutdown, when the drain begins",
        ),
    };
    let finding =
        Finding::new(
            &RULE,
            format!(
                "{} answers on kept connections, up to {} after the port was closed, did not say that the connection ends",
                busy.iter().filter(kept).count(),
                duration(busy.last().map_or(0, |last| last.end_us - closed))
            ),
            &case.moment(phase, first.at_us),
            label,
        )
        .also(&case.moment(phase, told), "SIGTERM")
        .also(&case.moment(phase, closed), "the port was closed");
    let finding = case.show_spoken(phase, finding).note(case.repeat(phase));
    out.push(finding.fix(Fix::suggest(fix)));
    Ok(())
}
