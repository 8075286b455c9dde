//! Spans that nobody's queries find.

use std::collections::BTreeSet;

use crate::case::process::ProcessCase;
use crate::case::telemetry::Sent;
use crate::facts::proof::PhaseName;
use crate::facts::proof::telemetry::{SERVER, Span, Traced};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::semconv;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const LEGACY: Variant = Variant::new(
    "legacy-names",
    Level::Note,
    "names of attributes that the conventions have given up",
);

/// Dashboards, service graphs and samplers ask for attributes by their names.
pub static RULE: Rule = Rule {
    id: "unconventional-span-attributes",
    group: Group::Traces,
    level: Level::Warn,
    title: "a server's span of HTTP without the attributes that the conventions require",
    page: include_str!("unconventional-span-attributes.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Telemetry],
    variants: &[LEGACY],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let sent = case.spans()?;
    let spans: Vec<(&Traced, &Span, &[String])> =
        sent.sampled().filter_map(|asked| of(&sent, asked)).collect();
    if spans.is_empty() {
        let what = "names of attributes: no span of HTTP has our request for a parent";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    for (asked, span, names) in &spans {
        let lacking = semconv::lacking(names);
        if lacking.is_empty() {
            continue;
        }
        out.push(
            finding(
                case,
                &sent,
                span,
                format!(
                    "the span of a request for {} lacks {}",
                    asked.path,
                    lacking.join(", ")
                ),
            )
            .note(match names {
                [] => "it has no attribute of HTTP at all".to_owned(),
                names => format!("it has {}", names.join(", ")),
            })
            .note(case.repeat(sent.phase))
            .fix(Fix::suggest(
                "have the instrumentation of the router begin the span: otelhttp.NewHandler, or that of the framework",
            )),
        );
        return Ok(());
    }
    let old: BTreeSet<(&str, &str)> =
        spans.iter().flat_map(|(_, _, names)| semconv::given_up(names)).collect();
    let mut with_old = spans.iter().filter(|(_, _, names)| !semconv::given_up(names).is_empty());
    let Some((_, span, _)) = with_old.next() else { return Ok(()) };
    let pairs: Vec<String> = old.iter().map(|(old, new)| format!("{old} ({new})")).collect();
    out.push(
        finding(
            case,
            &sent,
            span,
            "spans have names of attributes that the conventions for HTTP gave up when they became stable".to_owned(),
        )
        .variant(&RULE.variants[0])
        .note(format!("and, between brackets, what they are called now: {}", pairs.join(", ")))
        .note(case.repeat(sent.phase))
        .fix(Fix::suggest(
            "take a newer version of the instrumentation; OTEL_SEMCONV_STABILITY_OPT_IN=http/dup has older ones of otelhttp send both until nothing asks for the old names",
        )),
    );
    Ok(())
}

fn finding(case: &ProcessCase<'_>, sent: &Sent<'_>, span: &Span, message: String) -> Finding {
    let place = case.moment(sent.phase, span.at_us);
    Finding::new(&RULE, message, &place, format!("the span {:?}", span.name))
}

/// The span of the server for a request of ours: what is below it may be of anything, and one of another protocol is
/// described by other names.
fn of<'w>(sent: &Sent<'w>, asked: &'w Traced) -> Option<(&'w Traced, &'w Span, &'w [String])> {
    let span = sent.of(asked).find(|span| span.kind == SERVER && span.parent == asked.parent)?;
    let names = span.attributes.as_deref()?;
    let others = ["rpc.", "messaging.", "graphql.", "faas."];
    let is_other = |name: &String| others.iter().any(|start| name.starts_with(start));
    (!names.iter().any(is_other)).then_some((asked, span, names))
}
