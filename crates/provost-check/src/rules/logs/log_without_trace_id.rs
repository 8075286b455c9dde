//! Lines of a request that do not say which.

use crate::case::logged::Logged;
use crate::case::process::ProcessCase;
use crate::facts::proof::{Phase, PhaseName, Purpose, TRACE_HIGH, TRACE_LOW};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Nobody finds them from the trace, nor the trace from them.
pub static RULE: Rule = Rule {
    id: "log-without-trace-id",
    group: Group::Logs,
    level: Level::Warn,
    title: "a line of a request without the trace id that the request brought",
    page: include_str!("log-without-trace-id.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    variants: &[
        Variant::new("zeros", Level::Warn, "a trace id of zeros"),
        Variant::new("another-trace", Level::Note, "a trace id that is not the request's")
            .strict(Level::Warn),
    ],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let zeros = phase.logged().find(|line| ids(line).any(is_zero));
    if let Some(line) = &zeros {
        let message = "a trace id of zeros is logged, where there is no trace";
        out.push(
            finding(case, phase, line, message)
                .variant(&RULE.variants[0])
                .fix(Fix::suggest("leave the id out unless span.SpanContext().IsValid()")),
        );
    }
    let scoped: Vec<Logged<'_>> = scoped(case, phase);
    if scoped.is_empty() && zeros.is_none() {
        return Err(Abstain::NotApplicable);
    }
    let without = |line: &&Logged<'_>| !carries(&line.line.text) && !ids(line).any(is_zero);
    let Some(first) = scoped.iter().find(without) else { return Ok(()) };
    let other = ids(first).any(is_id);
    let count = scoped.iter().filter(without).count();
    let message = match other {
        true => format!(
            "{count} of {} lines of requests carry another trace id than the request brought in traceparent",
            scoped.len()
        ),
        false => format!(
            "{count} of {} lines of requests lack the trace id that the request brought in traceparent",
            scoped.len()
        ),
    };
    let mut found = finding(case, phase, first, &message);
    found = match other {
        true => found.variant(&RULE.variants[1]).fix(Fix::suggest(
            "set the propagator, which is none by default: otel.SetTextMapPropagator(propagation.TraceContext{})",
        )),
        false => found.fix(Fix::suggest(
            "log with the request's context (slog.InfoContext) by a handler that adds trace_id and span_id of the span in it",
        )),
    };
    out.push(found);
    Ok(())
}

fn finding(case: &ProcessCase<'_>, phase: &Phase, line: &Logged<'_>, message: &str) -> Finding {
    let text = line.line.shown();
    let stream = line.line.stream();
    Finding::new(&RULE, message, &case.moment(phase, line.line.at_us), stream)
        .note(format!("the first: {text}"))
        .note(case.repeat(phase))
}

/// Lines that are there because of a request: they hold its path. Probes are often left out of traces,
/// and rightly.
fn scoped<'w>(case: &ProcessCase<'w>, phase: &'w Phase) -> Vec<Logged<'w>> {
    let probed = |path: &str| case.terms().is_probed(phase, path);
    let asked: Vec<(u64, &str)> = phase
        .of(Purpose::UnknownPath)
        .chain(phase.of(Purpose::Plain))
        .filter(|request| !probed(&request.path))
        .map(|request| (request.at_us, request.path.as_str()))
        .collect();
    let holds = |text: &str, path: &str| {
        let tail = text.strip_prefix("GET ").unwrap_or(text);
        let tail = tail.split([' ', '?']).next().unwrap_or_default();
        tail == path || (path.len() > 8 && text.contains(path))
    };
    let lines = phase.logged().filter(|line| {
        let texts = line.texts();
        asked.iter().any(|(at, path)| {
            line.line.at_us >= *at && texts.iter().any(|(_, text)| holds(text, path))
        })
    });
    lines.collect()
}

/// Whether it holds an id of the harness: as W3C writes it, or its second half as a number, as Datadog's
/// agent takes it.
fn carries(text: &str) -> bool {
    let decimal = TRACE_LOW.to_string();
    text.to_ascii_lowercase().contains(&format!("{TRACE_HIGH:016x}{:08x}", TRACE_LOW >> 32))
        || text.contains(decimal.get(..10).unwrap_or(&decimal))
}

/// Texts under keys that speak of a trace.
fn ids<'l>(line: &'l Logged<'_>) -> impl Iterator<Item = &'l str> {
    let texts = line.texts().into_iter();
    texts.filter(|(key, _)| key.to_ascii_lowercase().contains("trace")).map(|(_, text)| text)
}

fn is_zero(text: &str) -> bool {
    text.len() >= 16 && text.bytes().all(|byte| byte == b'0')
}

fn is_id(text: &str) -> bool {
    let last = text.rsplit('/').next().unwrap_or_default();
    last.len() >= 16 && last.bytes().all(|byte| byte.is_ascii_hexdigit()) && !is_zero(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ids_of_a_run_are_known_by_their_beginning() {
        for number in [1, 40_000, 10_000_000] {
            let low = TRACE_LOW + number;
            assert!(carries(&format!("projects/x/traces/{TRACE_HIGH:016x}{low:016x}")));
            assert!(carries(&low.to_string()), "{low}");
        }
        assert!(!carries("00f067aa0ba902b74bf92f3577b34da6"));
    }
}
