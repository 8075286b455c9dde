//! Exemplars whose traces nobody finds.

use crate::case::process::ProcessCase;
use crate::facts::metrics::{Exemplar, Scrape};
use crate::facts::proof::telemetry::Traced;
use crate::facts::proof::{Phase, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// From a slow bucket to one of its requests is one click, and it leads nowhere.
pub static RULE: Rule = Rule {
    id: "exemplar-without-trace",
    group: Group::Metrics,
    level: Level::Warn,
    title: "exemplars that name traces which are not there",
    page: include_str!("exemplar-without-trace.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start, PhaseName::Telemetry],
    after: &["ignores-otel-settings"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let mut any = false;
    for name in [PhaseName::Start, PhaseName::Telemetry] {
        let Ok(phase) = case.phase(name) else { continue };
        for scrape in phase.metrics.iter().flat_map(|metrics| &metrics.scrapes) {
            any |= !scrape.exemplars.is_empty();
            if let Some(none) = scrape.exemplars.iter().find(|it| !is_trace(&it.trace)) {
                out.push(no_trace(case, phase, scrape, none));
                return Ok(());
            }
        }
    }
    if !any {
        return Err(Abstain::NotApplicable);
    }
    let sent = case.spans()?;
    let unknown = |what: &'static str| Err(Abstain::unknown(Reason::NotMeasured, what));
    let Some(metrics) = &sent.phase.metrics else {
        return unknown("exemplars of requests whose traces are known");
    };
    if sent.telemetry.more > 0 {
        return unknown("traces of exemplars: more spans arrived than are kept");
    }
    // Of other traces it is not known who has their spans.
    let of_ours = |exemplar: &Exemplar| {
        let mut asked = sent.telemetry.asked.iter().filter(|asked| !asked.last);
        asked.find(|asked| asked.trace.eq_ignore_ascii_case(&exemplar.trace))
    };
    let all = metrics.scrapes.iter().flat_map(|scrape| {
        scrape.exemplars.iter().filter_map(move |it| Some((scrape, it, of_ours(it)?)))
    });
    let all: Vec<(&Scrape, &Exemplar, &Traced)> = all.collect();
    if all.is_empty() {
        return unknown("exemplars of requests whose traces are known");
    }
    let lost = all.iter().filter(|(_, _, asked)| sent.of(asked).next().is_none());
    let lost: Vec<_> = lost.collect();
    let Some((scrape, exemplar, asked)) = lost.first() else { return Ok(()) };
    let why = match asked.sampled {
        true => "the path is left out of traces",
        false => "whoever asked did not keep the trace (flag 00 of traceparent)",
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "{} of {} exemplars name traces of which no span was sent",
                lost.len(),
                all.len()
            ),
            &case.moment(sent.phase, scrape.end_us),
            format!("{} has trace {}", exemplar.series, exemplar.trace),
        )
        .also(&case.moment(sent.phase, asked.at_us), format!("asks for {} in that trace", asked.path))
        .note(format!("{why}, and the request is counted with its trace all the same"))
        .note(case.repeat(sent.phase))
        .fix(Fix::suggest(
            "give an exemplar only to what is sampled: where trace.SpanContextFromContext(ctx).IsSampled(), as OpenTelemetry's own metrics do (trace_based)",
        )),
    );
    Ok(())
}

/// Whether it can be the number of one: tracers write theirs in several ways, and none is all zeros (W3C Trace Context,
/// section 3.2.2.3).
fn is_trace(text: &str) -> bool {
    text.bytes().any(|byte| byte != b'0')
}

fn no_trace(
    case: &ProcessCase<'_>,
    phase: &Phase,
    scrape: &Scrape,
    exemplar: &Exemplar,
) -> Finding {
    Finding::new(
        &RULE,
        format!("an exemplar names {:?}, which is the number of no trace", exemplar.trace),
        &case.moment(phase, scrape.end_us),
        format!("behind {}", exemplar.series),
    )
    .note(case.repeat(phase))
    .fix(Fix::suggest(
        "give no exemplar where trace.SpanContextFromContext(ctx).IsValid() is false",
    ))
}
