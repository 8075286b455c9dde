//! Telemetry that does not go where it is told to.

use crate::case::process::ProcessCase;
use crate::facts::proof::PhaseName;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// A setting that nobody reads is believed for months.
pub static RULE: Rule = Rule {
    id: "ignores-otel-settings",
    group: Group::Traces,
    level: Level::Warn,
    title: "telemetry that is not sent where OTEL_EXPORTER_OTLP_ENDPOINT says",
    page: include_str!("ignores-otel-settings.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Telemetry],
    variants: &[Variant::new("nothing-sent", Level::Warn, "no telemetry at all")],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let sent = case.sent()?;
    let (phase, telemetry) = (sent.phase, sent.telemetry);
    if telemetry.connections > 0 {
        return Ok(());
    }
    if sent.otlp.off.is_some() {
        return Err(Abstain::NotApplicable);
    }
    let name = sent.otlp.endpoints.first().map_or("OTEL_EXPORTER_OTLP_ENDPOINT", String::as_str);
    let elsewhere = telemetry.exports.iter().find_map(|it| Some((it, it.default_port?)));
    if let Some((export, port)) = elsewhere {
        let finding = Finding::new(
            &RULE,
            format!("telemetry goes to localhost:{port} and not to where {name} says"),
            &case.moment(phase, export.at_us),
            format!("arrived on port {port} by {}", export.by),
        );
        out.push(case.show_endpoint(&sent, finding).note(case.repeat(phase)).fix(Fix::suggest(
            "leave WithEndpoint out: the exporter reads the variables where the code says nothing",
        )));
        return Ok(());
    }
    if sent.otlp.sampled_by.is_some() {
        let what = "telemetry: which traces are kept is not decided by their parent";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    // What is no success, and what a kubelet asks for, may be left out of traces.
    let served = |status: u16| (200..400).contains(&status);
    let probed = |path: &str| case.terms().is_probed(phase, path);
    let counts = sent.sampled().any(|it| it.status.is_some_and(served) && !probed(&it.path));
    if !counts {
        let what =
            "telemetry: no other path than that of probes was asked for; name one with --path";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let Some(exit) = phase.exit.as_ref().filter(|exit| !exit.killed) else {
        let what = "telemetry: the process did not come to its end, where the rest is sent";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    };
    let finding = Finding::new(
        &RULE,
        format!("nothing was sent to where {name} says, from the start of the process to its end"),
        &case.moment(phase, exit.at_us),
        "the process ended",
    )
    .variant(&RULE.variants[0]);
    let links =
        case.program().map(|it| it.links_package("go.opentelemetry.io/otel/exporters/otlp"));
    let finding = match links {
        Ok(true) => finding.note("the program links an exporter of OTLP"),
        Ok(false) => {
            finding.note("the program links no package of go.opentelemetry.io/otel/exporters/otlp")
        }
        Err(_) => finding,
    };
    out.push(case.show_endpoint(&sent, finding).note(case.repeat(phase)).fix(Fix::suggest(
        "set the provider before anything is served (otel.SetTracerProvider) and shut it down at the end, or take the variable out",
    )));
    Ok(())
}
