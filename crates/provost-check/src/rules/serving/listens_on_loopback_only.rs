//! A port that only the process's own machine can reach.

use crate::case::process::ProcessCase;
use crate::facts::proof::PhaseName;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Probes and Services go to the address of the pod.
pub static RULE: Rule = Rule {
    id: "listens-on-loopback-only",
    group: Group::Serving,
    level: Level::Deny,
    title: "a port that is open on the loopback address alone",
    page: include_str!("listens-on-loopback-only.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let terms = case.terms();
    let mut ports: Vec<u16> = terms.probes.iter().map(|probe| probe.port).collect();
    ports.extend(terms.port);
    ports.sort_unstable();
    ports.dedup();
    if ports.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    for port in ports {
        let mut open = phase.listeners.iter().filter(|listener| listener.port == port).peekable();
        let Some(first) = open.peek().copied() else { continue };
        if open.any(|listener| !listener.address.is_loopback()) {
            continue;
        }
        let mut finding = Finding::new(
            &RULE,
            format!(
                "port {port} is open on {} only, where nobody outside of the pod reaches it",
                first.address
            ),
            &case.moment(phase, first.at_us),
            format!("listens on {}:{port}", first.address),
        );
        let declared = case.container().and_then(|case| {
            case.container
                .ports
                .iter()
                .find(|it| it.port.as_ref().is_some_and(|it| it.value == i64::from(port)))
        });
        if let Some(declared) = declared {
            finding = finding.also(&declared.origin, "the port that is promised");
        }
        out.push(
            finding
                .note(case.repeat(phase))
                .fix(Fix::suggest(format!("listen on :{port}, which is every address of the pod"))),
        );
    }
    Ok(())
}
