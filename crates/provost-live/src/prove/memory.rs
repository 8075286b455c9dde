//! The memory of this machine, as far as runs take of it.

use std::fs;

/// Bytes of that line of `/proc/meminfo`, which has kilobytes (proc_meminfo(5)).
pub fn line(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(known, _)| *known == name)?;
    let kilobytes: u64 = value.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// What the kernel thinks can be had without others having to give some.
pub fn free() -> Option<u64> {
    line("MemAvailable")
}

/// Bytes that are left to others; less on a machine that has no more.
const SPARED: u64 = 256 << 20;

/// What has to stay free while something runs that takes as much as it likes.
pub(super) fn spared() -> Option<u64> {
    Some(SPARED.min(free()? / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_of_the_memory_is_a_part_of_it_and_some_of_that_is_spared() {
        let (all, free, spared) = (line("MemTotal").unwrap(), free().unwrap(), spared().unwrap());
        assert!((1 << 20..all).contains(&free), "{free} of {all}");
        assert!((1..free).contains(&spared), "{spared} of {free}");
    }
}
