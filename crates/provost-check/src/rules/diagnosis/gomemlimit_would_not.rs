//! A kill that no memory limit of Go's prevents.

use crate::case::memory::{Growth, MemoryCase};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::Bytes;
use crate::model::oom::Help;
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// What is alive, or is no heap, is not collected.
pub static RULE: Rule = Rule {
    id: "gomemlimit-would-not",
    group: Group::Diagnosis,
    level: Level::Note,
    title: "a kill for memory that GOMEMLIMIT would not have prevented",
    page: include_str!("gomemlimit-would-not.md"),
    check: Check::Memory(check),
    ..Rule::BASE
};

fn check(case: &MemoryCase<'_>, out: &mut Findings) -> Judged {
    let place = case.killed_at_limit()?;
    if let Some((origin, value)) = case.gomemlimit()? {
        let against = case.speaks_against(value);
        let message = match &against {
            None => format!("GOMEMLIMIT was {value}, and the container was killed all the same"),
            Some((_, goal)) => format!(
                "GOMEMLIMIT is {value} in the pod, and the log has goals of up to {goal} MB, which it would not have left"
            ),
        };
        let finding =
            Finding::new(&RULE, message, &place, "it was killed here").also(&origin, "set");
        out.push(match against {
            None => finding
                .note("it is a soft limit: what is alive, and what is not Go's, goes beyond it")
                .fix(mend()),
            Some((log, _)) => finding
                .also(&log, "the goals in this log tell")
                .note("the log is of a process that had another: of another container, of a start before it was set, or of a program that sets its own (debug.SetMemoryLimit)")
                .fix(Fix::suggest("give the log of the process that was killed (kubectl logs --previous), and see which GOMEMLIMIT it had")),
        });
        return Ok(());
    }
    let limited = case.limited_cycles();
    if let Ok(Some((origin, cycles))) = limited.as_ref() {
        out.push(
            Finding::new(
                &RULE,
                format!("a GOMEMLIMIT was in force, which made the goals of {cycles} collections, and the container was killed all the same"),
                &place,
                "it was killed here",
            )
            .also(origin, "the goals in this log tell")
            .note("it is a soft limit: what is alive, and what is not Go's, goes beyond it")
            .fix(mend()),
        );
        return Ok(());
    }
    let held = case.held()?;
    let growth = case.growth();
    let (message, note) = match held.help() {
        Help::Cannot { garbage } => (
            format!(
                "of {} a collection would have freed {} at most",
                Bytes(held.limit),
                Bytes(garbage)
            ),
            format!(
                "{} live + {} beside the heap, at least + {} that the kernel does not take back",
                Bytes(held.live),
                Bytes(held.outside()),
                Bytes(held.fixed)
            ),
        ),
        _ if growth == Growth::Yes => (
            format!(
                "the live heap grew with each collection, to {} at the last one: GOMEMLIMIT would have put the kill off, at the price of collections that free nothing",
                Bytes(held.live)
            ),
            "what can still be reached is never collected".to_owned(),
        ),
        // What a collection cannot free it cannot with a limit either; of the rest it matters whether there was one.
        _ if limited.is_err() => return limited.map(|_| ()),
        _ if growth == Growth::Unclear => return Err(unclear()),
        Help::Saves { .. } => return Ok(()),
        Help::Unclear { needs } => {
            let needs = format!(
                "what was live: some {} of {} would have been needed, which is too near to tell",
                Bytes(needs),
                Bytes(held.limit)
            );
            return Err(Abstain::unknown(Reason::LogTooShort, needs));
        }
    };
    out.push(Finding::new(&RULE, message, &place, "it was killed here").note(note).fix(mend()));
    Ok(())
}

/// Nor does `gomemlimit-would-have-saved` know; it is said once.
fn unclear() -> Abstain {
    let needs = "whether the heap goes on growing: the last collections before the kill freed next to nothing";
    Abstain::unknown(Reason::LogTooShort, needs)
}

fn mend() -> Fix {
    Fix::suggest(
        "find what is kept: go tool pprof -diff_base of two heap profiles; what is beside the heap non-heap-memory and page-cache-not-heap tell",
    )
}
