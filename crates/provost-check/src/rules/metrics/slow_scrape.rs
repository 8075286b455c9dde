//! Scrapes that nobody waits for.

use crate::case::process::{ProcessCase, duration};
use crate::facts::metrics::{After, Metrics};
use crate::facts::proof::{Outcome, Phase, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A scrape that is late is none.
pub static RULE: Rule = Rule {
    id: "slow-scrape",
    group: Group::Metrics,
    level: Level::Warn,
    title: "metrics that take longer than Prometheus waits",
    page: include_str!("slow-scrape.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start, PhaseName::Load, PhaseName::Drain],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, metrics) = case.metrics()?;
    if look(case, (phase, metrics), out)? {
        return Ok(());
    }
    // Of what is slow when nobody else asks nothing more is to be said.
    for name in [PhaseName::Load, PhaseName::Drain] {
        match case.phase(name).map(|phase| (phase, phase.metrics.as_ref())) {
            Ok((phase, Some(metrics))) => {
                if look(case, (phase, metrics), out)? {
                    break;
                }
            }
            Ok((_, None)) => {
                let what = format!("scrapes in the phase {}", name.name());
                out.abstain(Abstain::unknown(Reason::NotMeasured, what));
            }
            Err(abstain) => out.abstain(abstain),
        }
    }
    Ok(())
}

/// Whether one of them was too late, which is told.
fn look(
    case: &ProcessCase<'_>,
    (phase, metrics): (&Phase, &Metrics),
    out: &mut Findings,
) -> Result<bool, Abstain> {
    let asked = case.container().and_then(|container| container.scraped());
    let written = asked.as_ref().and_then(|asked| asked.timeout).map(|it| (it * 1000.0) as u64);
    let measured = case.terms().metrics.clone().unwrap_or_default().timeout_ms;
    let allowed = written.unwrap_or(measured).saturating_mul(1000);
    let took = |it: &crate::facts::metrics::Scrape| it.end_us.saturating_sub(it.at_us);
    // One that was given up was given up after the time that it was measured against.
    let late = metrics.scrapes.iter().find(|it| {
        took(it) > allowed
            || (it.outcome == Outcome::TimedOut && took(it).saturating_add(1000) >= allowed)
    });
    let Some(scrape) = late else {
        let given_up = metrics.scrapes.iter().any(|it| it.outcome == Outcome::TimedOut);
        return match given_up {
            true => Err(Abstain::unknown(Reason::NotMeasured, "a scrape as long as is waited now")),
            false => Ok(false),
        };
    };
    if phase.is_starved() {
        let what = "how long a scrape takes: the machine was too busy for it";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let how = match scrape.outcome {
        Outcome::TimedOut => format!("was not answered within {}", duration(took(scrape))),
        _ => format!("took {}", duration(took(scrape))),
    };
    let meanwhile = match scrape.after {
        After::Load => " while it was asked at a steady rate",
        After::Signal => " while it drained",
        _ => "",
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{} {how}{meanwhile}, and Prometheus waits {}: the process has no metrics",
            metrics.path,
            duration(allowed)
        ),
        &case.moment(phase, scrape.at_us),
        "too late",
    );
    if let Some(asked) = asked {
        finding = finding.also(&asked.origin, "asks there");
    }
    out.push(finding.note(case.repeat(phase)).fix(Fix::suggest(
        "compute what is slow beside the scrape and show what is known, or have fewer series",
    )));
    Ok(true)
}
