//! Requests that are lost when they begin at a certain moment around SIGTERM.

use crate::case::process::{ProcessCase, tally};
use crate::facts::proof::storm::{self, Begun};
use crate::facts::proof::{PhaseName, Purpose};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A race that is met once in a hundred rollouts is met every week.
pub static RULE: Rule = Rule {
    id: "loses-requests-at-some-phase",
    group: Group::Termination,
    level: Level::Deny,
    title: "requests are lost that begin within milliseconds of SIGTERM",
    page: include_str!("loses-requests-at-some-phase.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Storm],
    after: &[
        "no-termination-handler-seen",
        "refuses-during-endpoint-removal",
        "loses-requests-in-flight",
        "fails-under-load",
    ],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, _) = case.ended(PhaseName::Storm)?;
    // Whoever holds SIGTERM back until the endpoints are gone has no connections around it.
    let window = i64::try_from(case.window_us()).unwrap_or(i64::MAX);
    if window == 0 {
        return Err(Abstain::NotApplicable);
    }
    let promised: Vec<Begun<'_>> = storm::begun(phase).filter(|it| it.offset_us < window).collect();
    let lost: Vec<&Begun<'_>> = promised.iter().filter(|it| it.is_lost()).collect();
    // A process that did not get to see its signal says nothing of it.
    if promised.is_empty() {
        return Err(Abstain::unknown(Reason::NotMeasured, "requests around SIGTERM"));
    }
    let Some(first) = lost.iter().min_by_key(|it| it.offset_us) else { return Ok(()) };
    let last = lost.iter().map(|it| it.offset_us).max().unwrap_or(first.offset_us);
    let held = lost.iter().filter(|it| it.request.purpose == Purpose::Opened).count();
    let at = |us: i64| {
        let side = if us < 0 { "before" } else { "after" };
        format!("{:.1} ms {side}", us.unsigned_abs() as f64 / 1000.0)
    };
    case.is_sent_connections(phase, "new connections after SIGTERM")?;
    let run = first.run;
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{} of {} requests that began between {} and {} SIGTERM were lost",
            lost.len(),
            promised.iter().filter(|it| (first.offset_us..=last).contains(&it.offset_us)).count(),
            at(first.offset_us),
            at(last)
        ),
        &case.moment(run, first.request.at_us),
        format!("{}, begun {} SIGTERM", first.request.outcome.words(), at(first.offset_us)),
    )
    .note(tally(lost.iter().map(|it| it.request)));
    if held > 0 {
        finding = finding.note(format!(
            "{held} of them on connections that were opened 20 ms before their request, as a client does that is slow or has to agree on TLS"
        ));
    }
    out.push(finding.note(case.repeat(phase)).fix(Fix::suggest(
        "go on accepting and answering after SIGTERM as if nothing were the matter, for as long as endpoints are removed, and only then call Server.Shutdown",
    )));
    Ok(())
}
