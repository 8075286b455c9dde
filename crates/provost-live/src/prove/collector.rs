//! What the collector of a running Go program works with, as it stands in the memory of the process: no
//! trace says it, and a program may set it itself.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use goformats::binary;
use goformats::elf::Kind;
use goformats::limits::Limits;
use provost_check::artifact::mmap::Content;
use provost_check::facts::proof::Collector;

/// A larger program is not looked into.
const LARGEST: u64 = 2 << 30;

/// The runtime's `gcControllerState` begins with `gcPercent atomic.Int32`, and `memoryLimit atomic.Int64`
/// is at the next multiple of eight (runtime/mgcpacer.go, Go 1.19 to 1.27).
const CONTROLLER: &str = "runtime.gcController";

/// Go that has a memory limit, and the last whose layout is known.
const SINCE: u16 = 19;
const UNTIL: u16 = 27;

/// What stands there; nothing for a program without a table of symbols, one that lies elsewhere each time
/// it runs, and any but those of Go whose layout is known.
pub(super) fn collector(pid: u32) -> Option<Collector> {
    // The program that runs, which a script may have started in its place.
    let content = Content::open(Path::new(&format!("/proc/{pid}/exe")), LARGEST).ok()?;
    let at = address(&content)?;
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut bytes = [0; 16];
    memory.read_exact_at(&mut bytes, at).ok()?;
    read(&bytes)
}

fn address(program: &[u8]) -> Option<u64> {
    let file = binary::read(program, &Limits::default());
    let version = file.build.as_ref()?.go_version.as_ref()?;
    if !version.has_features_of(SINCE) || version.has_features_of(UNTIL + 1) {
        return None;
    }
    let elf = file.elf.as_ref().filter(|elf| elf.kind == Kind::Executable)?;
    elf.symbol(CONTROLLER).filter(|at| *at > 0)
}

fn read(bytes: &[u8; 16]) -> Option<Collector> {
    let (percent, _) = bytes.split_first_chunk::<4>()?;
    let (_, limit) = bytes.split_last_chunk::<8>()?;
    let (percent, limit) = (i32::from_ne_bytes(*percent), i64::from_ne_bytes(*limit));
    // What is neither is not what was looked for.
    let memory_limit = u64::try_from(limit).ok().filter(|_| percent >= -1)?;
    Some(Collector {
        percent: u32::try_from(percent).ok(),
        // `maxInt64` is how it says that there is none.
        memory_limit: (limit != i64::MAX).then_some(memory_limit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(percent: i32, limit: i64) -> Option<Collector> {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&percent.to_ne_bytes());
        bytes[8..].copy_from_slice(&limit.to_ne_bytes());
        read(&bytes)
    }

    #[test]
    fn no_limit_and_no_collection_have_values_of_their_own() {
        let is = |percent, memory_limit| Some(Collector { percent, memory_limit });
        assert_eq!(at(100, i64::MAX), is(Some(100), None));
        assert_eq!(at(-1, 1 << 26), is(None, Some(1 << 26)));
        assert_eq!(at(100, -1), None);
        assert_eq!(at(-7, 1 << 26), None);
    }
}
