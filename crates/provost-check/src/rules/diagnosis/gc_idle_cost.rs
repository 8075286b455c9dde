//! A process that is only collected because two minutes went by.

use crate::case::log::LogCase;
use crate::findings::{Finding, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Collections of that kind.
const LEAST: u64 = 3;

/// It explains a collection that nobody asked for.
pub static RULE: Rule = Rule {
    id: "gc-idle-cost",
    group: Group::Diagnosis,
    level: Level::Note,
    title: "a process that is only collected every two minutes",
    page: include_str!("gc-idle-cost.md"),
    needs: &[Need::Log],
    check: Check::Log(check),
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let collections = case.collections()?;
    let Some(whole) = collections.whole() else { return Ok(()) };
    if collections.periodic < LEAST || collections.periodic * 5 < (whole.cycles - 1) * 4 {
        return Ok(());
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "{} of {} collections came two minutes after the one before: the process allocates too little to need any",
                collections.periodic, whole.cycles
            ),
            &case.at(whole.to),
            format!("{} MB live, a goal of {} MB", whole.live.last, whole.goal.last),
        )
        .also(&case.at(whole.from), "the first")
        .note("the runtime collects after two minutes without a collection (forcegcperiod, runtime/proc.go); nothing is wrong with that"),
    );
    Ok(())
}
