//! Most of the memory is no heap's.

use crate::case::memory::{MemoryCase, told};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::Bytes;
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// Below this nobody asks.
const LEAST: u64 = 16 << 20;

/// What a profile of the heap will not show.
pub static RULE: Rule = Rule {
    id: "page-cache-not-heap",
    group: Group::Diagnosis,
    level: Level::Note,
    title: "memory that is page cache, tmpfs or the kernel's, not the program's",
    page: include_str!("page-cache-not-heap.md"),
    check: Check::Memory(check),
    ..Rule::BASE
};

fn check(case: &MemoryCase<'_>, out: &mut Findings) -> Judged {
    if case.kill().is_none() && case.group.is_none() {
        return Err(Abstain::NotApplicable);
    }
    let Some(all) = case.composition() else {
        return Err(Abstain::unknown(Reason::NoMemoryFiles, "what the memory was"));
    };
    // Of a group without a limit, or far from it, there is nothing to explain.
    let limit = case.limit().unwrap_or(u64::MAX);
    let is_full = case.kill().is_some() || all.total() >= limit / 2;
    let other = all.total() - all.anon;
    if !is_full || all.total() < LEAST || other <= all.anon {
        return Ok(());
    }
    let cache = match case.kill() {
        // It was not taken back.
        Some(_) => (
            all.file,
            "page cache, which the kernel could not take back: it was written and not yet on the disk, locked or in use",
            "write less at once and let it reach the disk (fsync, sync_file_range), map less, or give the container more room",
        ),
        None => (
            all.file,
            "page cache, which the kernel takes back before it kills anybody",
            "nothing: it is no leak, and memory.current less inactive_file (the working set) is what counts",
        ),
    };
    let kinds = [
        cache,
        (
            all.shmem,
            "tmpfs or shared memory, which is not taken back",
            "keep less in emptyDir volumes with medium: Memory, in /dev/shm and other tmpfs, or give them a sizeLimit that the container's limit has room for",
        ),
        (
            all.kernel,
            "the kernel's own: page tables, stacks of threads, slabs",
            "look for very many files, sockets, threads or mappings",
        ),
        (all.sock, "buffers of sockets", "look for connections whose other end does not read"),
    ];
    let Some((size, what, mend)) = kinds.into_iter().max_by_key(|(size, ..)| *size) else {
        return Ok(());
    };
    let Some(place) = case.place() else { return Ok(()) };
    // What the kernel prints of it at a kill, by the names of both versions of cgroups.
    let held = case.kill().filter(|_| size == all.file).map(|kill| {
        let of = |names: [&str; 2]| names.iter().find_map(|name| kill.report.stat.get(name));
        let parts = [
            (["file_dirty", "dirty"], "not written yet"),
            (["file_writeback", "writeback"], "on its way to the disk"),
            (["file_mapped", "mapped_file"], "mapped"),
            (["unevictable", "total_unevictable"], "locked"),
        ];
        let told = parts.into_iter().filter_map(|(names, what)| Some((of(names)?, what)));
        let told = told.filter(|(size, _)| *size > 0);
        told.map(|(size, what)| format!("{} {what}", Bytes(size))).collect::<Vec<_>>()
    });
    let held = held.filter(|held| !held.is_empty());
    // Files that do not fit are read again and again, which kills nobody and costs as much.
    let waits = case.waits().filter(|_| size == all.file);
    let mend = match waits {
        Some(_) => {
            "give the container room for the files that it reads again and again, or have it read less of them"
        }
        None => mend,
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "of {} only {} are memory of processes: {} are {what}",
            Bytes(all.total()),
            Bytes(all.anon),
            Bytes(size)
        ),
        &place,
        told(&all),
    )
    .note("neither GOGC nor GOMEMLIMIT has a say in it");
    if let Some(share) = waits {
        finding = finding.note(format!(
            "its tasks waited for memory in {share:.0} % of the last ten seconds (memory.pressure): the page cache is too small for them"
        ));
    } else if let Some(waited) = case.waited() {
        finding = finding.note(waited);
    }
    if let Some(held) = held {
        finding = finding.note(format!("of the page cache {}", held.join(", ")));
    }
    out.push(finding.fix(Fix::suggest(mend)));
    Ok(())
}
