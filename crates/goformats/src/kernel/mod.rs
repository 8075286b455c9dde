//! What the Linux kernel says of memory: its log when a process is killed for it ([`log`]), the files of a
//! cgroup ([`cgroup`]; [`cpu`] has those of its CPU quota) and those of a process ([`process`]).
//!
//! # Constraints
//!
//! - A log streams: bytes go in as they come, kills come out, memory does not grow with the log.
//! - What the kernel of one release prints and another does not is absent, never zero.
//! - Sources: `mm/oom_kill.c`, `mm/memcontrol.c`, `mm/memcontrol-v1.c`, `mm/show_mem.c` and
//!   `fs/proc/task_mmu.c`, Linux 4.14 to 6.18; `total_oom_kill`, which many texts name, is in none of them.

pub mod cgroup;
pub mod cpu;
mod detail;
mod journal;
pub mod log;
pub mod process;
mod span;
mod stamp;
#[cfg(test)]
mod tests;
mod victim;

pub use span::{Span, stamps};
pub use stamp::Stamp;

/// Bytes of what the kernel prints as `123kB`.
fn kib(count: u64) -> u64 {
    count.saturating_mul(1024)
}

/// A number at the front, and what follows it.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// The number behind a key: `1236` for `file-rss:` in `anon-rss:64896kB, file-rss:1236kB`.
fn behind(text: &str, key: &str) -> Option<u64> {
    let at = text.find(key)? + key.len();
    number(text.get(at..)?.trim_start()).map(|(number, _)| number)
}
