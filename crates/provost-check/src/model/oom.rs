//! Who is killed when memory runs out, and whether GOMEMLIMIT could have helped.
//!
//! Sources: `oom_badness` and `constrained_alloc` in mm/oom_kill.c, Linux 4.17 to 6.18 (before that, what root
//! runs counted 3 % less), `mem_cgroup_get_max` in mm/memcontrol.c.

use super::memlimit;
use super::quantity::Bytes;

/// What a process counts when one has to be chosen. The one with the most points is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Badness {
    /// Pages that are resident: its own, of files, and of tmpfs.
    pub resident: u64,
    /// Pages that are swapped out.
    pub swapped: u64,
    /// Pages of page tables.
    pub page_tables: u64,
    /// `oom_score_adj`
    pub adj: i64,
    /// Pages that one point of `oom_score_adj` counts: a thousandth of all there are.
    pub each: u64,
}

/// An `oom_score_adj` with which a process is never chosen.
pub const NEVER: i64 = -1000;

impl Badness {
    /// `None` for a process that is never chosen.
    pub fn points(&self) -> Option<i128> {
        let pages = [self.resident, self.swapped, self.page_tables];
        let pages: i128 = pages.iter().map(|pages| i128::from(*pages)).sum();
        let by_hand = i128::from(self.adj) * i128::from(self.each);
        (self.adj != NEVER).then_some(pages + by_hand)
    }
}

/// Pages that one point of `oom_score_adj` counts.
pub fn each(all_pages: u64) -> u64 {
    all_pages / 1000
}

/// Memory of a container when it ran out, and of the Go program in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The limit that was run into.
    pub limit: u64,
    /// Memory of processes.
    pub anon: u64,
    /// What the kernel cannot take back and no heap holds: tmpfs, the kernel's own, sockets.
    pub fixed: u64,
    /// What the last collection found alive, at most: MiB are cut off.
    pub live: u64,
    /// How large the heap can have been, at most: the goal of the collection that did not come.
    pub heap: u64,
    /// Stacks that the collector scans.
    pub stacks: u64,
    /// Room that the heap needs above what is live for collections not to take too much of the CPU.
    pub room: u64,
}

/// What GOMEMLIMIT would have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Help {
    /// The garbage that it would have had collected was enough.
    Saves {
        /// What to set.
        set: String,
        /// What the container would have held.
        needs: u64,
    },
    /// What no collection frees was too much already, or there was next to nothing that one would have freed.
    Cannot {
        /// The most that there can have been.
        garbage: u64,
    },
    /// Between the two.
    Unclear {
        /// What it would have held.
        needs: u64,
    },
}

/// Metadata of the heap: span structures and bitmaps. `MSpanSys`, `MCacheSys` and `GCSys` of Go 1.22 to 1.27
/// are 2 to 4 % of a heap of small objects.
const METADATA_PERCENT: u64 = 4;
/// What the runtime needs with no heap at all.
const LEAST_RUNTIME: u64 = 2 << 20;

impl Held {
    /// Memory of processes that the heap, as large as it can have been, does not explain: cgo, `mmap`, other
    /// processes, stacks.
    pub fn outside(&self) -> u64 {
        let metadata = self.heap / 100 * METADATA_PERCENT + LEAST_RUNTIME;
        self.anon.saturating_sub(self.heap).saturating_sub(metadata)
    }

    /// The most that it comes to when the heap grows to its goal.
    pub fn most(&self) -> u64 {
        let metadata = self.heap / 100 * METADATA_PERCENT + LEAST_RUNTIME;
        [self.heap, metadata, self.outside(), self.fixed].into_iter().fold(0, u64::saturating_add)
    }

    /// What the runtime needs beside what is alive: span structures, bitmaps, its own.
    pub fn metadata(&self) -> u64 {
        self.live / 100 * METADATA_PERCENT + LEAST_RUNTIME
    }

    /// What GOMEMLIMIT would have done for a program whose live heap does not grow.
    pub fn help(&self) -> Help {
        let outside = self.outside();
        let least = self.live.saturating_add(self.fixed).saturating_add(outside);
        let needs = least.saturating_add(self.metadata()).saturating_add(self.room);
        let garbage = self.heap.min(self.anon).saturating_sub(self.live);
        if least > self.limit / 20 * 19 || garbage < self.limit / 10 {
            return Help::Cannot { garbage };
        }
        // Stacks are counted by GOMEMLIMIT, whatever else is outside of the heap is not.
        let uncounted = self.fixed.saturating_add(outside.saturating_sub(self.stacks));
        let set = memlimit::recommended_beside(Bytes(self.limit), Bytes(uncounted));
        match set {
            Some(set) if needs <= self.limit / 20 * 19 => Help::Saves { set, needs },
            _ => Help::Unclear { needs },
        }
    }
}

/// A heap that only grows: each collection freed less than a tenth of what it looked at, and left more than the
/// one before. Of `(at the end, live)`, in order.
pub fn only_grows(cycles: &[(u64, u64)]) -> bool {
    let freed_little = |(end, live): &(u64, u64)| end.saturating_sub(*live) * 10 <= *end;
    cycles.len() >= 3
        && cycles.iter().all(freed_little)
        && cycles.iter().zip(cycles.iter().skip(1)).all(|(one, next)| next.1 > one.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn badness_is_pages_and_what_was_put_on_top() {
        // A kill of Linux 6.1: rss 111321, pgtables_bytes 995328, adj 900, 120264 pages in all.
        let victim = Badness {
            resident: 111_321,
            swapped: 0,
            page_tables: 995_328 / 4096,
            adj: 900,
            each: each(120_264),
        };
        assert_eq!(victim.points(), Some(111_321 + 243 + 900 * 120));
        let spared = Badness { adj: NEVER, ..victim };
        assert_eq!(spared.points(), None);
        let small = Badness { resident: 1, page_tables: 7, adj: -997, ..victim };
        assert_eq!(small.points(), Some(8 - 997 * 120));
    }

    #[test]
    fn garbage_can_be_collected_and_what_is_live_cannot() {
        // 64 MiB; 40 live, and a goal of 80 that is never reached.
        let burst = Held {
            limit: 64 * MIB,
            anon: 62 * MIB,
            fixed: MIB,
            live: 41 * MIB,
            heap: 82 * MIB,
            stacks: 0,
            room: 5 * MIB,
        };
        assert!(matches!(burst.help(), Help::Saves { ref set, .. } if set == "57MiB"), "{burst:?}");
        let full = Held { live: 62 * MIB, ..burst };
        assert!(matches!(full.help(), Help::Cannot { .. }));
        // Mapped outside of the heap.
        let mapped = Held { live: 2 * MIB, heap: 4 * MIB, room: 0, ..burst };
        assert_eq!(mapped.outside(), 62 * MIB - 4 * MIB - 4 * MIB / 100 * 4 - LEAST_RUNTIME);
        assert_eq!(mapped.help(), Help::Cannot { garbage: 2 * MIB });
        let close = Held { live: 52 * MIB, ..burst };
        assert!(matches!(close.help(), Help::Unclear { .. }));
    }

    #[test]
    fn a_leak_frees_nothing() {
        assert!(only_grows(&[(9, 9), (18, 18), (36, 36)]));
        assert!(!only_grows(&[(9, 9), (18, 18)]));
        assert!(!only_grows(&[(80, 40), (80, 40), (80, 40)]));
        assert!(!only_grows(&[(40, 40), (40, 40), (40, 40)]));
    }
}
