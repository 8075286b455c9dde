//! A process that ends because another service is down.

use crate::case::outages::{Outage, Told};
use crate::case::process::{ProcessCase, RESTARTS, duration};
use crate::facts::proof::{Phase, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Every replica ends at once, and none comes up until the other is back, or later.
pub static RULE: Rule = Rule {
    id: "ends-with-dependency",
    group: Group::Serving,
    level: Level::Deny,
    title: "a process that ends when a dependency goes away",
    page: include_str!("ends-with-dependency.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Outage],
    check: Check::Process(check),
    ..Rule::BASE
};

/// Who ends later than that after an outage may do so for another reason.
const SOON_US: u64 = 1_000_000;

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    // What runs to an end may give up.
    if case.container().is_some_and(|case| case.workload().kind.is_batch()) {
        return Err(Abstain::NotApplicable);
    }
    let mut told = Told::of(case);
    for phase in case.with_dependencies(PhaseName::Outage)? {
        let outages = match case.outages_in(phase) {
            Ok(outages) => outages,
            Err(why) => {
                out.abstain(why);
                continue;
            }
        };
        let Some(exit) = phase.exit.as_ref().filter(|_| phase.ended_by_itself()) else { continue };
        // It is over when the process is gone, and so the last one that had begun is the one that it ended in.
        let before = outages.iter().filter(|outage| outage.from_us <= exit.at_us);
        let last = before.max_by_key(|outage| outage.from_us);
        let Some(outage) = last.filter(|it| exit.at_us <= it.to_us.saturating_add(SOON_US)) else {
            continue;
        };
        if !told.is_known(outage) {
            told.add(outage);
            out.push(finding(case, phase, outage));
        }
    }
    Ok(())
}

fn finding(case: &ProcessCase<'_>, phase: &Phase, outage: &Outage<'_>) -> Finding {
    let (at, code) =
        phase.exit.as_ref().map_or((0, String::new()), |exit| (exit.at_us, exit.shown()));
    let after = duration(at.saturating_sub(outage.from_us));
    let finding = Finding::new(
        &RULE,
        format!("the process ends with exit code {code} when {} {}", outage.names, outage.words()),
        &case.moment(phase, at),
        format!("it ended, {after} after the outage began"),
    )
    .also(&case.moment(phase, outage.from_us), "the outage");
    let said = match (phase.killed_at_limit(), phase.output.last_since(outage.from_us)) {
        (Some(killed), _) => killed,
        (None, Some(line)) => format!("it printed last: {}", line.shown()),
        (None, None) => "it printed nothing".to_owned(),
    };
    finding
        .note(said)
        .note(format!("every replica ends at the same time, and {RESTARTS}"))
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "answer with an error what needs it, go on trying to reach it, and let readiness say so where no request can be served",
        ))
}
