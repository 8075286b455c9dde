//! A gRPC probe of a port that speaks TLS.

use crate::case::process::{ProcessCase, said_of, tally};
use crate::facts::proof::{Outcome, PhaseName, ProbeBy, Protocol, Request};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The kubelet's gRPC has no TLS.
pub static RULE: Rule = Rule {
    id: "grpc-probe-needs-plaintext",
    group: Group::Serving,
    level: Level::Deny,
    title: "a gRPC probe of a port that speaks TLS",
    page: include_str!("grpc-probe-needs-plaintext.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    after: &["never-listens", "listens-on-loopback-only"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let mut probes =
        case.terms().probes.iter().filter(|probe| probe.by == ProbeBy::Grpc).peekable();
    if probes.peek().is_none() {
        return Err(Abstain::NotApplicable);
    }
    for probe in probes {
        let asked: Vec<&Request> = phase.of(probe.kind.purpose()).collect();
        let last: Vec<&Request> = asked.iter().rev().take(3).rev().copied().collect();
        let answered = |request: &&Request| matches!(request.outcome, Outcome::Answered { .. });
        let spoken = phase.spoken.iter().find(|spoken| {
            spoken.port == probe.port && spoken.protocol.is_some_and(Protocol::is_tls)
        });
        let (Some(first), Some(spoken)) = (last.first(), spoken) else { continue };
        if last.iter().any(answered) {
            continue;
        }
        let kind = probe.kind.name();
        let finding = Finding::new(
            &RULE,
            format!("the {kind} probe asks by gRPC on port {}, which speaks TLS", probe.port),
            &case.moment(phase, first.at_us),
            tally(last.iter().copied()),
        );
        out.push(
            case.show_probe(probe.kind, finding)
                .note("the kubelet makes gRPC probes without TLS")
                .note(said_of(spoken))
                .note(case.repeat(phase))
                .fix(Fix::suggest(
                    "serve the health service on a port without TLS, or use exec with grpc_health_probe -tls",
                )),
        );
    }
    Ok(())
}
