//! Goroutines that have a thread of their own.

use crate::case::log::LogCase;
use crate::findings::{Finding, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What `main` locks while packages are initialised is one.
const USUAL: u64 = 1;

/// Each switch to such a goroutine is one between threads.
pub static RULE: Rule = Rule {
    id: "locked-threads",
    group: Group::Diagnosis,
    level: Level::Note,
    title: "goroutines that are locked to threads",
    page: include_str!("locked-threads.md"),
    needs: &[Need::Log],
    check: Check::Log(check),
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let scheduler = case.scheduler()?;
    let Some(at) = scheduler.detailed else { return Ok(()) };
    let locked: u64 = scheduler.locked.values().sum();
    if locked <= USUAL {
        return Ok(());
    }
    let reasons: Vec<String> =
        scheduler.locked.iter().map(|(reason, count)| format!("{count} in {reason}")).collect();
    out.push(
        Finding::new(
            &RULE,
            format!(
                "{locked} goroutines are locked to a thread (runtime.LockOSThread): {}",
                reasons.join(", ")
            ),
            &case.at(at),
            "the last sample with details",
        )
        .note("such a goroutine runs on its thread only, and its thread runs nothing else"),
    );
    Ok(())
}
