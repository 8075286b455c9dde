//! A probe that asks for what the process does not have.

use crate::case::process::{Fails, ProcessCase, said_of, tally};
use crate::facts::proof::{Outcome, PhaseName, ProbeBy, ProbeKind, Protocol, Request, health};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The pod never becomes ready, or is restarted for ever.
pub static RULE: Rule = Rule {
    id: "probe-endpoint-missing",
    group: Group::Serving,
    level: Level::Deny,
    title: "a probe that the running process fails",
    page: include_str!("probe-endpoint-missing.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    after: &["never-listens", "listens-on-loopback-only", "grpc-probe-needs-plaintext"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    // One that has ended answers nothing, which is another rule's.
    if case.terms().probes.is_empty() || phase.ended_by_itself() {
        return Err(Abstain::NotApplicable);
    }
    // Nobody asks the others before the startup probe has passed.
    let starts = case.terms().probe(ProbeKind::Startup).filter(|_| phase.live_us.is_none());
    for probe in &case.terms().probes {
        if starts.is_some_and(|startup| startup != probe) {
            continue;
        }
        // A port that was opened after that it has, and too late: slow-start.
        let opened = |request: &Request| {
            let mut listeners = phase.listeners.iter();
            listeners.any(|it| it.port == probe.port && it.at_us > request.end_us)
        };
        // While it starts it may fail: the last answers are those of a process that has had its time.
        let asked: Vec<&Request> = phase.of(probe.kind.purpose()).collect();
        let last: Vec<&Request> = asked.iter().rev().take(3).rev().copied().collect();
        // One that goes on sending is cut before it has read why.
        let stranger = asked.iter().any(|request| request.outcome.wants_certificate());
        let wrong = |request: &&Request| match &request.outcome {
            Outcome::Reset { bytes: 0 } | Outcome::Closed { bytes: 0 } => stranger,
            // NOT_SERVING, or a failure; what the health service does not know is another rule's.
            Outcome::Answered { grpc: Some(code), .. } => {
                *code != health::OK
                    && !matches!(*code, health::NOT_FOUND | health::UNIMPLEMENTED)
                    && !request.outcome.fails()
            }
            // It says itself that it is not ready, or not yet.
            Outcome::Answered { status: 429 | 500.., .. } => false,
            Outcome::Answered { status, .. } => !(200..400).contains(status),
            Outcome::Refused => !opened(request),
            Outcome::Garbled | Outcome::NoTls { .. } => true,
            Outcome::NoTrailers { .. } | Outcome::SentOn | Outcome::SentNowhere { .. } => true,
            _ => false,
        };
        // Logins are another rule's.
        let login = |request: &&Request| {
            matches!(request.outcome, Outcome::Answered { status: 401 | 403, .. })
        };
        if last.is_empty() || !last.iter().all(wrong) || last.iter().all(login) {
            continue;
        }
        // What listens later than others refuses until then.
        let waits = last.iter().any(|request| request.outcome == Outcome::Refused);
        let fails = if waits { Fails::Waits } else { Fails::Answers };
        // Who wants to know who asks was told so by something that it had.
        let given = if stranger { Ok(()) } else { case.was_given_what_it_needs(fails) };
        if let Err(why) = given {
            out.abstain(why);
            continue;
        }
        let kind = probe.kind.name();
        let at = last.first().map_or(0, |request| request.at_us);
        let mut finding = Finding::new(
            &RULE,
            format!("the {kind} probe asks for {} on port {}, and fails", probe.asks(), probe.port),
            &case.moment(phase, at),
            tally(last.iter().copied()),
        );
        finding = case.show_probe(probe.kind, finding);
        let open: Vec<String> = phase
            .listeners
            .iter()
            .map(|listener| format!("{}:{}", listener.address, listener.port))
            .collect();
        finding = finding.note(format!("it listens on {}", open.join(", ")));
        let spoken = phase.spoken.iter().find(|spoken| spoken.port == probe.port);
        let fits = |protocol: Protocol| match probe.by {
            ProbeBy::Http => !protocol.is_tls(),
            ProbeBy::Https => protocol.is_tls(),
            ProbeBy::H2c => matches!(protocol, Protocol::H2c | Protocol::Grpc),
            ProbeBy::Grpc => protocol == Protocol::Grpc,
            ProbeBy::Grpcs => protocol == Protocol::Grpcs,
        };
        // That it speaks what it is asked by says nothing.
        if let Some(spoken) = spoken.filter(|spoken| !spoken.protocol.is_some_and(fits)) {
            finding = finding.note(said_of(spoken));
        }
        if stranger {
            finding = finding
                .note("the server wants a certificate of whoever asks, and a kubelet has none")
                .fix(Fix::suggest(
                    "answer probes on a port without TLS or without ClientAuth, or ask for certificates only where they matter (tls.VerifyClientCertIfGiven)",
                ));
        }
        out.push(finding.note(case.repeat(phase)));
    }
    Ok(())
}
