//! A probe that is sent elsewhere, or asked who it is.

use crate::case::process::ProcessCase;
use crate::facts::proof::{Outcome, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// The kubelet logs in nowhere, and follows a redirect to another host as little as it should.
pub static RULE: Rule = Rule {
    id: "probe-redirects-or-authenticates",
    group: Group::Serving,
    level: Level::Warn,
    title: "a probe that is redirected or asked to log in",
    page: include_str!("probe-redirects-or-authenticates.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    variants: &[Variant::new("login", Level::Deny, "a probe that is asked to log in")],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    if case.terms().probes.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    for probe in &case.terms().probes {
        let Some(last) = phase.of(probe.kind.purpose()).last() else { continue };
        let Outcome::Answered { status, location, .. } = &last.outcome else { continue };
        let kind = probe.kind.name();
        let (what, variant, fix) = match status {
            300..=399 => {
                let to = location.as_deref().unwrap_or("nowhere");
                let what = format!("sends it on to {to} with {status}");
                (what, None, "answer the probe itself, without a redirect")
            }
            401 | 403 => {
                let what = format!("asks it to log in with {status}");
                (what, Some(&RULE.variants[0]), "answer probes before anybody has to log in")
            }
            _ => continue,
        };
        let mut finding = Finding::new(
            &RULE,
            format!("the {kind} probe asks for {}, and the process {what}", probe.path),
            &case.moment(phase, last.at_us),
            format!("answered {status}"),
        );
        if let Some(variant) = variant {
            finding = finding.variant(variant);
        }
        finding = case.show_probe(probe.kind, finding);
        out.push(finding.note(case.repeat(phase)).fix(Fix::suggest(fix)));
    }
    Ok(())
}
