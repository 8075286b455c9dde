//! Memory of processes that no Go heap explains.

use crate::case::memory::MemoryCase;
use crate::facts::Origin;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::Bytes;
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// Below this the runtime's own structures may be it.
const LEAST: u64 = 16 << 20;

/// The collector neither sees nor frees it.
pub static RULE: Rule = Rule {
    id: "non-heap-memory",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "memory of processes far above what Go's heap can have been",
    page: include_str!("non-heap-memory.md"),
    check: Check::Memory(check),
    ..Rule::BASE
};

fn check(case: &MemoryCase<'_>, out: &mut Findings) -> Judged {
    let place = case.place().ok_or(Abstain::NotApplicable)?;
    let held = case.held_by_go()?;
    let outside = held.outside().saturating_sub(held.stacks);
    if outside < LEAST || outside < held.anon / 4 {
        return Ok(());
    }
    let mut finding = Finding::new(
        &RULE,
        format!(
            "processes had {}, and Go's heap can have been {} at most: at least {} are something else",
            Bytes(held.anon),
            Bytes(held.heap),
            Bytes(outside)
        ),
        &place,
        format!("{} memory of processes", Bytes(held.anon)),
    );
    if let Some((log, life)) = case.life
        && let Some(last) = life.collections.as_ref().and_then(|it| it.whole())
    {
        let (mark, live) = (last.to, last.live.last);
        let label = format!("{live} MB live at the last collection");
        finding = finding.also(&Origin::log(log.source, mark.line, Some(mark.at_ms)), label);
    }
    // khugepaged makes one of 2 MiB out of pages of which Go has given back some.
    if let Some(huge) = case.process.and_then(|it| it.process.huge)
        && huge >= outside / 4
    {
        finding = finding.note(format!(
            "{} of the process are in huge pages (AnonHugePages), part of which can be memory that Go has given back: /sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none at 0 keeps the kernel from making such pages",
            Bytes(huge)
        ));
    }
    out.push(
        finding
            .note("what else there is: memory of C libraries (cgo), mmap, other processes of the container, threads")
            .fix(Fix::suggest("pmap -X PID, or /proc/PID/smaps, shows the mappings; from Go 1.25 on Go's own are named [anon: Go: ...], where the kernel keeps names")),
    );
    Ok(())
}
