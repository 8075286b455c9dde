//! Series that clients make.

use crate::case::process::ProcessCase;
use crate::facts::metrics::{After, Family, LEAST_UNKNOWN, Label, Scrape};
use crate::facts::proof::PhaseName;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Whoever asks for many paths fills the memory of the process, and of Prometheus.
pub static RULE: Rule = Rule {
    id: "unbounded-series",
    group: Group::Metrics,
    level: Level::Warn,
    title: "every path that a client makes up becomes a series",
    page: include_str!("unbounded-series.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, metrics, scrapes) = case.scraped()?;
    let of = |after: After| scrapes.iter().copied().find(|scrape| scrape.after == after);
    let (before, after) = match (of(After::Requests), of(After::UnknownPaths)) {
        (Some(before), Some(after)) if metrics.unknown_paths >= LEAST_UNKNOWN => (before, after),
        _ => {
            let what = "the metrics behind many unknown paths";
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
    };
    // A library that gives up at a number of series has a bound: all of them have to be there.
    let wanted = metrics.unknown_paths as usize * 9 / 10;
    let mut grown: Vec<(&Family, &Label, usize)> = Vec::new();
    for family in &after.families {
        for label in &family.labels {
            let known = count(before, family, label);
            if label.count >= known.saturating_add(wanted) {
                grown.push((family, label, known));
            }
        }
    }
    let Some((family, label, known)) = grown.first() else {
        return if before.whole && after.whole {
            Ok(())
        } else {
            Err(Abstain::unknown(Reason::LimitReached, "all series"))
        };
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{} paths that nobody serves made {} new values of the label {} of {}: a series for each",
            metrics.unknown_paths,
            label.count - known,
            label.name,
            family.name
        ),
        &case.moment(phase, after.at_us),
        format!("{} series of {}", family.series, family.name),
    );
    let mut others: Vec<&str> =
        grown.iter().skip(1).map(|(other, ..)| other.name.as_str()).collect();
    others.retain(|other| *other != family.name);
    others.dedup();
    if !others.is_empty() {
        finding = finding.note(format!("and of {}", others.join(", ")));
    }
    out.push(
        finding
            .note("a scanner fills the memory of the process, which never forgets a series, and that of Prometheus")
            .note(case.repeat(phase))
            .fix(Fix::suggest("label with the pattern that was matched (Request.Pattern, Go 1.23), and with one word for all else")),
    );
    Ok(())
}

fn count(scrape: &Scrape, family: &Family, label: &Label) -> usize {
    let is_it = |own: &&Family| own.name == family.name && own.kind == family.kind;
    let same = scrape.families.iter().find(is_it);
    same.and_then(|own| own.label(&label.name)).map_or(0, |own| own.count)
}
