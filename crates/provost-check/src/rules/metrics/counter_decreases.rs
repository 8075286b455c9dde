//! Counters that go down.

use crate::case::process::ProcessCase;
use crate::facts::proof::PhaseName;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const NO_COUNT: Variant =
    Variant::new("no-count", Level::Warn, "a counter that is below zero, or no number");

/// Prometheus takes a decrease for a restart, and counts all again.
pub static RULE: Rule = Rule {
    id: "counter-decreases",
    group: Group::Metrics,
    level: Level::Deny,
    title: "a counter that goes down while the process lives",
    page: include_str!("counter-decreases.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    variants: &[NO_COUNT],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, metrics, scrapes) = case.scraped()?;
    let fell = |scrape: &&&crate::facts::metrics::Scrape| !scrape.decreased.is_empty();
    if let Some(scrape) = scrapes.iter().find(fell)
        && let Some(decrease) = scrape.decreased.first()
    {
        let mut finding = Finding::new(
            &RULE,
            format!(
                "{} went from {} to {} between two scrapes of one process, and is called a counter",
                decrease.series, decrease.from, decrease.to
            ),
            &case.moment(phase, scrape.at_us),
            format!("is {}", decrease.to),
        );
        if scrape.decreased.len() > 1 {
            let others: Vec<&str> =
                scrape.decreased.iter().skip(1).take(5).map(|it| it.series.as_str()).collect();
            finding = finding.note(format!("so did {}", others.join(", ")));
        }
        out.push(
            finding
                .note(format!(
                    "to rate() and increase() a decrease is a restart: all {} are counted anew",
                    decrease.to
                ))
                .note(case.repeat(phase))
                .fix(Fix::suggest("call what goes up and down a gauge; only add to a counter")),
        );
    }
    let wrong = scrapes.iter().find_map(|scrape| Some((scrape, scrape.no_counts.first()?)));
    if let Some((scrape, fault)) = wrong {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "{} on {} is called a counter, and {}",
                    fault.series, metrics.path, fault.what
                ),
                &case.moment(phase, scrape.at_us),
                "counts nothing",
            )
            .variant(&NO_COUNT)
            .note(case.repeat(phase))
            .fix(Fix::suggest("call what can be anything a gauge")),
        );
    }
    Ok(())
}
