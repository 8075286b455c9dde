//! Heap profiles in the form for people, `/debug/pprof/heap?debug=1` (`writeHeapInternal` in `runtime/pprof/pprof.go`):
//! one record for each stack, of which the first line names who allocated, and behind them `runtime.MemStats`.
//!
//! Its numbers are those of the samples; the other form has them scaled up, which is done here.

use std::collections::BTreeMap;

use super::{Heap, LONGEST, MOST, Unread, ranked};

/// What all of them begin with. Profilers of C++ begin so as well, and have another word behind the `@`.
const BEGINS: &[u8] = b"heap profile: ";
/// What precedes twice the rate, in the first line.
const RATE: &str = " @ heap/";
/// What stands behind the last record.
const END: &str = "# runtime.MemStats";

/// Whether a file begins as one.
pub(super) fn is_one(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.starts_with(BEGINS) && memchr::memmem::find(line, RATE.as_bytes()).is_some()
}

pub(super) fn heap(bytes: &[u8]) -> Result<Heap, Unread> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let (_, twice) =
        lines.next().and_then(|line| line.split_once(RATE)).ok_or(Unread::Malformed)?;
    let rate = twice.trim().parse::<u64>().map_err(|_| Unread::Malformed)? / 2;
    let mut heap = Heap { rate, ..Heap::default() };
    let (mut in_use, mut allocated) = (0_i64, 0_i64);
    let mut by_name: BTreeMap<&[u8], i64> = BTreeMap::new();
    // What the record that is open has alive, until its first function was read.
    let mut open = None;
    let mut is_whole = false;
    for line in lines {
        if let Some(record) = Record::of(line) {
            add(&mut by_name, open.replace(scaled(record.in_use, rate)), b"?")?;
            in_use = in_use.saturating_add(scaled(record.in_use, rate));
            allocated = allocated.saturating_add(scaled(record.allocated, rate));
        } else if line == END {
            is_whole = true;
        } else if let Some(at) = line.strip_prefix("# LastGC = ") {
            heap.time_ns = at.trim().parse().ok().filter(|ns| *ns > 0);
        } else if let Some(name) = function(line) {
            add(&mut by_name, open.take(), name.as_bytes())?;
        }
    }
    add(&mut by_name, open, b"?")?;
    if !is_whole {
        return Err(Unread::Malformed);
    }
    let positive = |bytes: i64| u64::try_from(bytes).unwrap_or(0);
    (heap.in_use, heap.allocated) = (positive(in_use), positive(allocated));
    heap.functions = ranked(by_name);
    Ok(heap)
}

fn add<'t>(
    to: &mut BTreeMap<&'t [u8], i64>,
    bytes: Option<i64>,
    name: &'t [u8],
) -> Result<(), Unread> {
    let Some(bytes) = bytes.filter(|bytes| *bytes != 0) else { return Ok(()) };
    let sum = to.entry(name.get(..LONGEST).unwrap_or(name)).or_default();
    *sum = sum.saturating_add(bytes);
    if to.len() > MOST { Err(Unread::TooLarge) } else { Ok(()) }
}

/// Objects and bytes of the samples of one stack.
struct Record {
    in_use: (i64, i64),
    allocated: (i64, i64),
}

impl Record {
    /// `1: 1048576 [40: 41943040] @ 0x4a1b2c 0x4a1b2d`
    fn of(line: &str) -> Option<Self> {
        let (in_use, rest) = line.split_once(" [")?;
        let (allocated, rest) = rest.split_once(']')?;
        rest.strip_prefix(" @")?;
        let pair = |text: &str| {
            let (objects, bytes) = text.split_once(": ")?;
            Some((objects.parse().ok()?, bytes.parse().ok()?))
        };
        Some(Self { in_use: pair(in_use)?, allocated: pair(allocated)? })
    }
}

/// `#`, the address, `main.order+0x2b` and `/src/main.go:34`, with tabs between them, of which terminals make spaces.
/// What the program holds no name of has its address only.
fn function(line: &str) -> Option<&str> {
    let mut parts = line.strip_prefix('#')?.split_ascii_whitespace();
    parts.next().filter(|address| address.starts_with("0x"))?;
    let name = parts.next().unwrap_or("?");
    Some(name.rsplit_once("+0x").map_or(name, |(name, _)| name))
}

/// What samples of so many objects and bytes stand for (`scaleHeapSample` in `runtime/pprof/protomem.go`): one of a
/// size is taken with a probability of 1 - exp(-size / rate).
fn scaled((objects, bytes): (i64, i64), rate: u64) -> i64 {
    if objects == 0 || bytes == 0 || rate <= 1 {
        return bytes;
    }
    let size = bytes as f64 / objects as f64;
    // What no runtime prints, sizes below zero, stays what it is.
    match size > 0.0 {
        true => (bytes as f64 / (1.0 - (-size / rate as f64).exp())) as i64,
        false => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Function;
    use super::*;

    const TEXT: &str = "heap profile: 3: 1049600 [7: 3146752] @ heap/1048576\n\
        1: 1048576 [3: 3145728] @ 0x4a1b2c 0x43\n\
        #\t0x4a1b2b\tmain.order+0x2b\t\t/src/main.go:34\n\
        #\t0x4a1b2d\tmain.main+0x1d\t\t/src/main.go:18\n\
        \n\
        2: 1024 [4: 1024] @ 0x1\n\
        #\t0x1\n\
        \n\
        0: 0 [1: 64] @ 0x2\n\
        #\t0x2\tmain.gone+0x2\t/src/main.go:9\n\
        \n\
        \n\
        # runtime.MemStats\n\
        # Alloc = 1049600\n\
        # LastGC = 1764151215605563000\n";

    #[test]
    fn a_heap_profile_for_people_is_scaled_as_the_other_form_is() {
        let copied = heap(TEXT.replace('\t', "    ").as_bytes());
        let heap = heap(TEXT.as_bytes()).unwrap();
        assert_eq!(copied.unwrap().functions, heap.functions);
        // 1 MiB at a rate of 512 KiB: 1 / (1 - e^-2); 512 bytes: 1 / (1 - e^(-1/1024)).
        let of = |name: &str, in_use| Function { name: name.to_owned(), in_use };
        assert_eq!(heap.functions, [of("main.order", 1_212_696), of("?", 1_049_088)]);
        assert_eq!(heap.in_use, 1_212_696 + 1_049_088);
        assert_eq!((heap.rate, heap.time_ns), (512 << 10, Some(1_764_151_215_605_563_000)));
        assert!(heap.allocated > 3 * 1_212_000, "{heap:?}");
        assert!(super::super::is_one(TEXT.as_bytes()));
    }

    #[test]
    fn one_that_is_cut_or_of_another_profiler_is_none() {
        let end = TEXT.find(END).unwrap();
        for cut in [30, 100, end - 1, end + 3] {
            assert_eq!(heap(&TEXT.as_bytes()[..cut]), Err(Unread::Malformed), "{cut}");
        }
        for other in [
            "heap profile:   3: 1049600 [7: 3146752] @ heap_v2/524288\n",
            "goroutine profile: total 9\n",
            "heap profile: none\n1: 2 [3: 4] @ heap/1\n",
        ] {
            assert!(!super::super::is_one(other.as_bytes()), "{other}");
        }
    }
}
