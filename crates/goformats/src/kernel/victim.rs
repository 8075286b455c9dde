//! Lines of the kernel that say who is killed.

use super::log::{Constraint, Killed, LONGEST_NAME, Report, cut};
use super::{behind, kib, number};

/// What the kernel says before it, from Linux 5.0 on.
pub(super) const WORDS: [&str; 3] = [
    "Out of memory: ",
    "Out of memory (oom_kill_allocating_task): ",
    "Memory cgroup out of memory: ",
];
/// What it says behind it, of all versions: `total-vm:` since 2.6.33, `vsz:` in 2.6.32.
const SIZES: [&str; 2] = [" total-vm:", " vsz:"];

/// `Memory cgroup out of memory: Kill process 4711 (x) score 1994 or sacrifice child`; a child may be killed for it.
/// Events of a node have it behind their own words.
pub(super) fn to_be_killed(text: &str, line: u64) -> Option<Killed> {
    let behind = |word: &&str| text.split_once(*word)?.1.strip_prefix("Kill process ");
    let (pid, rest) = number(WORDS.iter().find_map(behind)?)?;
    let (name, _) = rest.trim_start().strip_prefix('(')?.rsplit_once(") ").unwrap_or_default();
    Some(Killed { line, pid, name: cut(name, LONGEST_NAME), ..Killed::default() })
}

/// Who is to be killed, at the end of a choice: `,task=x,pid=1,uid=0`.
pub(super) fn named(choice: &str, line: u64) -> Option<Killed> {
    let (_, rest) = choice.rsplit_once(",task=")?;
    let (name, rest) = rest.rsplit_once(",pid=")?;
    let (pid, _) = number(rest)?;
    Some(Killed { line, pid, name: cut(name, LONGEST_NAME), ..Killed::default() })
}

/// Whether a line of a call trace is of the function that kills; who is killed stands further below.
pub(super) fn traced(text: &str, report: &mut Report) -> bool {
    if text.starts_with("mem_cgroup_out_of_memory+") && report.constraint == Constraint::Unknown {
        report.constraint = Constraint::Memcg;
    }
    text.starts_with("oom_kill_process+") || text.starts_with("oom_kill_process.")
}

/// `Memory cgroup out of memory: Killed process 9402 (leak) total-vm:1292916kB, anon-rss:64896kB, ...`. Before
/// Linux 5.0 that there is one to kill stands in a line before it, as `Kill process`.
pub(super) fn killed(text: &str, line: u64) -> Option<Killed> {
    const SIGN: &str = "Killed process ";
    let at = text.find(SIGN)?;
    // Other lines end in it or quote it, and programs that watch others say the same of those that they ended: the
    // kernel's has its own words before it (`oom_kill_process` in mm/oom_kill.c) or sizes behind it.
    let before = text.get(..at)?;
    let by_kernel = WORDS.contains(&before);
    if !(by_kernel || SIZES.iter().any(|size| text.contains(size)))
        || !(before.is_empty() || before.ends_with(": "))
    {
        return None;
    }
    let (pid, rest) = number(text.get(at + SIGN.len()..)?)?;
    let rest = rest.trim_start().strip_prefix('(')?;
    // A name may hold a parenthesis, and commas.
    let end = [") total-vm:", "), UID ", "), now ", ") "].iter().find_map(|end| rest.find(end));
    let end = end.or_else(|| rest.rfind(')'))?;
    let (name, rest) = rest.split_at_checked(end)?;
    let size = |key: &str| behind(rest, key).map(kib);
    Some(Killed {
        line,
        pid,
        name: cut(name, LONGEST_NAME),
        total: size("total-vm:"),
        anon: size("anon-rss:"),
        file: size("file-rss:"),
        shmem: size("shmem-rss:"),
        page_tables: size("pgtables:"),
        adj: rest.split_once("oom_score_adj:").and_then(|(_, adj)| adj.trim().parse().ok()),
    })
}
