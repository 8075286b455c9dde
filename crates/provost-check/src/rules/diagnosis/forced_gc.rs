//! Collections that the program asks for.

use crate::case::log::{LogCase, millis, percent};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The pacer knows better when to collect.
pub static RULE: Rule = Rule {
    id: "forced-gc",
    group: Group::Diagnosis,
    level: Level::Note,
    title: "collections that the program asks for",
    page: include_str!("forced-gc.md"),
    needs: &[Need::Log],
    check: Check::Log(check),
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let collections = case.collections()?;
    let (Some(whole), Some(first)) = (collections.whole(), collections.forced.first()) else {
        return Ok(());
    };
    let every = whole.wall_ms() / whole.forced.max(1);
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the program asked for {} of {} collections, one every {}: runtime.GC or debug.FreeOSMemory",
            whole.forced,
            whole.cycles,
            millis(every)
        ),
        &case.at(*first),
        "(forced)",
    );
    if let Some(last) = collections.forced.last().filter(|last| *last != first) {
        finding = finding.also(&case.at(*last), "(forced)");
    }
    if let Some(share) = whole.cpu_share() {
        finding =
            finding.note(format!("all collections together took {} of the CPU", percent(share)));
    }
    out.push(
        finding
            .note("what the runtime does by itself every two minutes is not marked so")
            .fix(Fix::suggest("leave it to the pacer; a limit for memory is GOMEMLIMIT")),
    );
    Ok(())
}
