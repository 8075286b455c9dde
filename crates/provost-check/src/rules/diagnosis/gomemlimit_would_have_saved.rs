//! A kill that a memory limit of Go's would have prevented.

use crate::case::memory::{Growth, MemoryCase};
use crate::findings::{Finding, Fix, Level};
use crate::model::Bytes;
use crate::model::oom::Help;
use crate::model::pacer::NO_GOAL;
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// The heap was garbage that nobody had been told to collect.
pub static RULE: Rule = Rule {
    id: "gomemlimit-would-have-saved",
    group: Group::Diagnosis,
    level: Level::Note,
    title: "a kill for memory that GOMEMLIMIT would have prevented",
    page: include_str!("gomemlimit-would-have-saved.md"),
    check: Check::Memory(check),
    ..Rule::BASE
};

fn check(case: &MemoryCase<'_>, out: &mut Findings) -> Judged {
    let place = case.killed_at_limit()?;
    if case.gomemlimit()?.is_some() || case.limited_cycles()?.is_some() {
        return Ok(());
    }
    let held = case.held()?;
    let Help::Saves { set, needs } = held.help() else { return Ok(()) };
    // The other rule says why it is not known.
    if case.growth() != Growth::No {
        return Ok(());
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "{} of {} were alive after the last collections: with GOMEMLIMIT={set} the rest would have been collected before the limit",
                Bytes(held.live),
                Bytes(held.limit)
            ),
            &place,
            "it was killed here",
        )
        .note(format!(
            "{} live + {} for the runtime + {} beside the heap + {} that the kernel does not take back + room of {} for collections to take no more than 5 % of the CPU = {}",
            Bytes(held.live),
            Bytes(held.metadata()),
            Bytes(held.outside()),
            Bytes(held.fixed),
            Bytes(held.room),
            Bytes(needs)
        ))
        .note(match held.heap >> 20 {
            NO_GOAL.. => "without it nothing bounds the heap (GOGC=off)".to_owned(),
            _ => format!(
                "without it the heap may grow to {} before the next collection ends",
                Bytes(held.heap)
            ),
        })
        .fix(Fix::suggest(format!("set GOMEMLIMIT={set}"))),
    );
    Ok(())
}
