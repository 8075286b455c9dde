//! Traces that end at the door.

use crate::case::process::ProcessCase;
use crate::facts::proof::PhaseName;
use crate::facts::proof::telemetry::{Span, Traced};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// One request is then several traces.
pub static RULE: Rule = Rule {
    id: "breaks-trace-parent",
    group: Group::Traces,
    level: Level::Warn,
    title: "spans that do not continue the trace that the request brought",
    page: include_str!("breaks-trace-parent.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Telemetry],
    variants: &[
        Variant::new("no-child", Level::Warn, "spans in the trace, none below the caller's"),
        Variant::new("ignores-sampled-flag", Level::Warn, "spans of a trace that is not kept"),
    ],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let sent = case.spans()?;
    let (phase, telemetry) = (sent.phase, sent.telemetry);
    let found: Vec<(&Traced, Vec<&Span>)> = sent
        .sampled()
        .map(|asked| (asked, sent.of(asked).collect::<Vec<&Span>>()))
        .filter(|(_, spans)| !spans.is_empty())
        .collect();
    let mut others = telemetry.spans.iter().filter(|span| span.is_of_another_trace());
    if let Some(first) = others.next() {
        let count = others.count() + 1;
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "{count} {} of answers in traces of their own, while every request brought a traceparent",
                    if count == 1 { "span is" } else { "spans are" }
                ),
                &case.moment(phase, first.at_us),
                format!("the span {:?} is of the trace {}", first.name, first.trace),
            )
            .note(case.repeat(phase))
            .fix(Fix::suggest(
                "set the propagator, which is none by default: otel.SetTextMapPropagator(propagation.TraceContext{})",
            )),
        );
        return Ok(());
    }
    let childless =
        |spans: &[&Span], asked: &Traced| spans.iter().all(|it| it.parent != asked.parent);
    if let Some((asked, spans)) = found.iter().find(|(asked, spans)| childless(spans, asked)) {
        let span = spans[0];
        out.push(
            Finding::new(
                &RULE,
                "no span is below the one that asked, although they are of its trace",
                &case.moment(phase, span.at_us),
                format!(
                    "its parent is {}",
                    if span.parent.is_empty() { "none" } else { &span.parent }
                ),
            )
            .variant(&RULE.variants[0])
            .note(format!("the request brought 00-{}-{}-01", asked.trace, asked.parent))
            .note(case.repeat(phase))
            .fix(Fix::suggest(
                "start the span of a request from its own context: tracer.Start(r.Context(), ...)",
            )),
        );
        return Ok(());
    }
    if sent.otlp.sampled_by.is_none() {
        let dropped = telemetry.asked.iter().filter(|asked| !asked.sampled);
        let kept: Vec<&Span> = dropped.clone().filter_map(|asked| sent.of(asked).next()).collect();
        if let Some(first) = kept.first() {
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "{} of {} requests whose caller does not keep the trace (flag 00) were sent as spans",
                        kept.len(),
                        dropped.count()
                    ),
                    &case.moment(phase, first.at_us),
                    format!("the span {:?}", first.name),
                )
                .variant(&RULE.variants[1])
                .note(case.repeat(phase))
                .fix(Fix::suggest(
                    "decide by the parent, as the SDK does by default: sdktrace.ParentBased(sdktrace.AlwaysSample())",
                )),
            );
            return Ok(());
        }
    }
    match found.is_empty() {
        true => {
            Err(Abstain::unknown(Reason::NotMeasured, "spans of the requests that brought a trace"))
        }
        false => Ok(()),
    }
}
