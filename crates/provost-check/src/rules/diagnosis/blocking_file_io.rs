//! Goroutines that are held, with their threads, in calls on files.

use crate::case::log::{nanos, percent};
use crate::case::syscalls::SyscallCase;
use crate::facts::syscall_log::{Process, SLOW_NS};
use crate::findings::{Finding, Fix, Level};
use crate::model::quantity::counted;
use crate::model::syscalls::Holder;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Part of the time in which threads have work.
const LEAST_SHARE: f64 = 0.2;
/// Calls that took a millisecond or more: a page cache that answers takes microseconds.
const LEAST_SLOW: u64 = 10;
/// Files that are named.
const TOLD: usize = 3;

/// The poller cannot wait for files.
pub static RULE: Rule = Rule {
    id: "blocking-file-io",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "threads that wait for files",
    page: include_str!("blocking-file-io.md"),
    needs: &[Need::Log],
    variants: &[Variant::new("file-lock", Level::Warn, "threads that wait for file locks")],
    check: Check::Syscalls(check),
    ..Rule::BASE
};

fn check(case: &SyscallCase<'_>, out: &mut Findings) -> Judged {
    case.timed()?;
    for process in case.programs() {
        for holder in [Holder::File, Holder::FileLock] {
            out.found.extend(held(case, process, holder));
        }
    }
    Ok(())
}

fn held(case: &SyscallCase<'_>, process: &Process, holder: Holder) -> Option<Finding> {
    let sum = process.held.get(&holder)?;
    let share = process.share(holder)?;
    if share < LEAST_SHARE || sum.slow < LEAST_SLOW {
        return None;
    }
    let at_once = process.at_once.get(&holder).copied().unwrap_or_default();
    let message = format!(
        "{} hold threads for {} of the time in which threads have work: {} in {} calls, {} of {} or more",
        holder.name(),
        percent(share),
        nanos(sum.ns),
        sum.calls,
        sum.slow,
        nanos(SLOW_NS),
    );
    let longest = format!("{} took {}", sum.main(), nanos(sum.longest_ns));
    let mut finding = Finding::new(&RULE, message, &case.at(sum.longest), longest);
    if holder == Holder::FileLock {
        finding = finding.variant(&RULE.variants[0]);
    }
    if at_once.count > 1 {
        finding =
            finding.also(&case.at(at_once.mark), format!("{} threads at once", at_once.count));
    }
    let on: Vec<_> = process.on(holder).collect();
    for target in on.iter().take(TOLD).filter(|target| target.sum.slow > 0) {
        finding = finding.note(format!(
            "{}: {} in {}, most of it {}",
            target.name,
            nanos(target.sum.ns),
            counted(target.sum.calls, "call"),
            target.sum.main(),
        ));
    }
    let made = process.made.get(&Some(holder)).copied().unwrap_or_default();
    if made > 0 {
        finding = finding.note(format!(
            "{made} of {} threads were made while others were in such calls",
            process.threads
        ));
    }
    let advice = match holder {
        Holder::FileLock => {
            "wait for the lock in one goroutine and let the others wait for a channel or a sync.Mutex: these wait without a thread"
        }
        _ => {
            "let few goroutines do it (a channel to a writer, batches for one fsync), or less of it: each call holds a thread, and the runtime makes another for the rest"
        }
    };
    Some(finding.fix(Fix::suggest(advice)))
}
