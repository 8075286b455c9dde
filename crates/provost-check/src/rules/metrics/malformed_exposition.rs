//! Metrics that cannot be read.

use crate::case::process::ProcessCase;
use crate::facts::metrics::{After, Effect, Metrics, Problem, Scrape};
use crate::facts::proof::{Outcome, Phase, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const NOT_SERVED: Variant = Variant::new(
    "not-served",
    Level::Warn,
    "the metrics endpoint that is named is not answered with metrics",
);

const DUPLICATE: Variant =
    Variant::new("duplicate-series", Level::Warn, "two lines of a scrape have one series");

const FORBIDDEN: Variant = Variant::new(
    "forbidden-by-format",
    Level::Note,
    "metrics that Prometheus takes and the format forbids",
);

/// One line loses the whole scrape.
pub static RULE: Rule = Rule {
    id: "malformed-exposition",
    group: Group::Metrics,
    level: Level::Deny,
    title: "metrics that Prometheus refuses to read",
    page: include_str!("malformed-exposition.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    variants: &[NOT_SERVED, DUPLICATE, FORBIDDEN],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, metrics) = case.metrics()?;
    let Some(first) = metrics.scrapes.first() else { return Err(Abstain::NotApplicable) };
    if !first.answered() {
        return not_served(case, phase, metrics, first, out);
    }
    for effect in [Effect::Refused, Effect::Dropped, Effect::Forbidden] {
        let shows = |scrape: &&Scrape| scrape.problems.iter().any(|it| it.effect == effect);
        let Some(scrape) = metrics.scrapes.iter().find(shows) else { continue };
        let all: Vec<&Problem> = scrape.problems.iter().filter(|it| it.effect == effect).collect();
        let Some(problem) = all.first() else { continue };
        out.push(finding(case, phase, metrics, scrape, problem, all.len()));
        // What is refused is the fault; the rest may come of it.
        if effect == Effect::Refused {
            break;
        }
    }
    Ok(())
}

fn finding(
    case: &ProcessCase<'_>,
    phase: &Phase,
    metrics: &Metrics,
    scrape: &Scrape,
    problem: &Problem,
    count: usize,
) -> Finding {
    let (path, what) = (&metrics.path, &problem.what);
    let format = match scrape.is_open() {
        _ if scrape.is_protobuf() => "protobuf",
        true => "OpenMetrics",
        false => "the text format",
    };
    let message = match problem.effect {
        Effect::Refused => format!("Prometheus refuses what {path} says: {what}"),
        Effect::Dropped => format!("{what} on {path}: one of the two values is dropped"),
        Effect::Forbidden => format!("{format} forbids what {path} says: {what}"),
    };
    let place = case.moment(phase, scrape.at_us);
    let label = match scrape.is_protobuf() {
        true => format!("message {} of protobuf", problem.line),
        false => format!("line {}: {}", problem.line, problem.text),
    };
    let mut finding = Finding::new(&RULE, message, &place, label);
    finding = match problem.effect {
        // Prometheus asks for it when it is told to, and other readers do.
        Effect::Refused if scrape.after == After::TextOnly => finding
            .level(Level::Warn)
            .note("only when the text format alone is asked for; OpenMetrics is well"),
        Effect::Refused if scrape.after == After::Protobuf => finding.level(Level::Warn).note(
            "only when protobuf is asked for, as Prometheus does to scrape native histograms; the text is well",
        ),
        Effect::Refused => {
            finding.note("one line loses the whole scrape: no series of the process is there")
        }
        Effect::Dropped => finding.variant(&DUPLICATE),
        Effect::Forbidden => {
            finding.variant(&FORBIDDEN).note("Prometheus takes it; expfmt and other readers do not")
        }
    };
    if count > 1 {
        let what = if scrape.is_protobuf() { "messages" } else { "lines" };
        finding = finding.note(format!("{} more {what} have such a fault", count - 1));
    }
    finding.note(case.repeat(phase)).fix(Fix::suggest(
        "let the library write it: promhttp.Handler() escapes, orders and ends what it says",
    ))
}

/// Nobody has to have metrics, unless something asks for them.
fn not_served(
    case: &ProcessCase<'_>,
    phase: &Phase,
    metrics: &Metrics,
    scrape: &Scrape,
    out: &mut Findings,
) -> Judged {
    // That it is slow is told by its own rule.
    if scrape.outcome == Outcome::TimedOut {
        return Err(Abstain::NotApplicable);
    }
    let outcome = scrape.outcome.words();
    let mut finding = Finding::new(
        &RULE,
        format!(
            "metrics are asked for at {} of port {}, which was {outcome}",
            metrics.path, metrics.port
        ),
        &case.moment(phase, scrape.at_us),
        outcome,
    )
    .variant(&NOT_SERVED);
    if let Some(asked) = case.container().and_then(|container| container.scraped()) {
        finding = finding.also(&asked.origin, "asks there");
    }
    out.push(
        finding.note(case.repeat(phase)).fix(Fix::suggest(
            "name the path and the port that serve metrics, or serve them there",
        )),
    );
    Ok(())
}
