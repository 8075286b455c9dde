//! GOMAXPROCS changes while the process runs.

use crate::case::log::LogCase;
use crate::facts::runtime_log::Change;
use crate::findings::{Finding, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Other changes are counted.
const MOST_SHOWN: usize = 6;

/// It explains what else changed at that time.
pub static RULE: Rule = Rule {
    id: "gomaxprocs-changed",
    group: Group::Diagnosis,
    level: Level::Note,
    title: "GOMAXPROCS changed while the process ran",
    page: include_str!("gomaxprocs-changed.md"),
    needs: &[Need::Log],
    check: Check::Log(check),
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let of_collections = case.life.collections.as_ref().map(|collections| &collections.procs);
    let of_scheduler = case.life.scheduler.as_ref().map(|scheduler| &scheduler.procs);
    // Samples come more often.
    let changes: &[Change] = of_scheduler.or(of_collections).map(Vec::as_slice).unwrap_or_default();
    let [first, rest @ ..] = changes else { return Ok(()) };
    let Some(last) = rest.last() else { return Ok(()) };
    let mut finding = Finding::new(
        &RULE,
        format!("GOMAXPROCS went from {} to {} in {} steps", first.to, last.to, rest.len()),
        &case.at(rest[0].mark),
        format!("{} Ps", rest[0].to),
    );
    if rest.len() == 1 {
        finding.message = format!("GOMAXPROCS went from {} to {}", first.to, last.to);
    }
    finding = finding.also(&case.at(first.mark), format!("{} Ps", first.to));
    for change in rest.iter().skip(1).take(MOST_SHOWN) {
        finding = finding.also(&case.at(change.mark), format!("{} Ps", change.to));
    }
    out.push(finding.note(
        "from Go 1.25 on the runtime follows the cgroup's CPU limit while it runs; before that, only the program itself changes it",
    ));
    Ok(())
}
