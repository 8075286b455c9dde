//! Histograms whose buckets contradict each other.

use crate::case::process::ProcessCase;
use crate::facts::proof::PhaseName;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What is computed of it is no quantile of anything.
pub static RULE: Rule = Rule {
    id: "inconsistent-histogram",
    group: Group::Metrics,
    level: Level::Deny,
    title: "a histogram whose buckets contradict each other or its count",
    page: include_str!("inconsistent-histogram.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, metrics, scrapes) = case.scraped()?;
    // Once may be a scrape in the middle of an observation.
    let wanted = scrapes.len().min(2);
    let shown = |series: &str| {
        scrapes.iter().filter(|it| it.inconsistent.iter().any(|f| f.series == series)).count()
    };
    let faults = scrapes
        .iter()
        .flat_map(|scrape| scrape.inconsistent.iter().map(move |fault| (*scrape, fault)));
    let mut lasting = faults.filter(|(_, fault)| shown(&fault.series) >= wanted);
    let Some((scrape, fault)) = lasting.next() else { return Ok(()) };
    let mut others: Vec<&str> = lasting.map(|(_, other)| other.series.as_str()).collect();
    others.retain(|other| *other != fault.series);
    others.sort_unstable();
    others.dedup();
    let mut finding = Finding::new(
        &RULE,
        format!("the histogram {} on {} is none: {}", fault.series, metrics.path, fault.what),
        &case.moment(phase, scrape.at_us),
        "contradicts itself",
    )
    .note(format!("it was so in {} of {} scrapes", shown(&fault.series), scrapes.len()));
    if !others.is_empty() {
        finding = finding.note(format!("and {} others: {}", others.len(), others.join(", ")));
    }
    out.push(
        finding
            .note("histogram_quantile() and every share of requests below a bound are wrong")
            .note(case.repeat(phase))
            .fix(Fix::suggest(
                "count an observation in every bucket whose bound it does not exceed, +Inf too",
            )),
    );
    Ok(())
}
