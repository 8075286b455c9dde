//! The kernel refused memory to the runtime.

use crate::case::crash::{DumpCase, Fatal};
use crate::findings::{Finding, Fix, Level};
use crate::model::Bytes;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Not the OOM killer, which leaves no word.
pub static RULE: Rule = Rule {
    id: "out-of-memory-panic",
    group: Group::Diagnosis,
    level: Level::Deny,
    title: "address space that the kernel refused",
    page: include_str!("out-of-memory-panic.md"),
    needs: &[Need::Log],
    check: Check::Dump(check),
    ..Rule::BASE
};

fn check(case: &DumpCase<'_>, out: &mut Findings) -> Judged {
    let Some((cause, text)) = case.fatal(Fatal::OutOfMemory) else { return Ok(()) };
    let asked = cause.notes.iter().find_map(|note| {
        let rest = note.strip_prefix("runtime: out of memory: cannot allocate ")?;
        let (block, rest) = rest.split_once("-byte block (")?;
        Some((block.parse::<u64>().ok()?, rest.strip_suffix(" in use)")?.parse::<u64>().ok()?))
    });
    let message = match asked {
        Some((block, used)) => format!(
            "the kernel refused {} of memory to a process whose heap had {}",
            Bytes(block),
            Bytes(used)
        ),
        None => format!("the kernel refused memory: {text}"),
    };
    let mut finding = Finding::new(&RULE, message, &case.at(cause.line), text);
    if let Some((origin, text)) = case.culprit() {
        finding = finding.also(&origin, text);
    }
    out.push(
        finding
            .note("this is not the limit of a container: there the kernel kills (exit code 137) and the process writes nothing; here mmap failed by a limit on address space (ulimit -v, RLIMIT_AS), strict overcommit (vm.overcommit_memory=2) or vm.max_map_count")
            .fix(Fix::suggest("see whether the one allocation is meant (a length from outside), then raise or drop the limit on address space, and bound the process by GOMEMLIMIT and the container's memory")),
    );
    Ok(())
}
