//! What is known by which name.

use Counter as C;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// Bytes that the last collection marked (Go 1.21 on).
    Live,
    /// Bytes of objects, those that nothing refers to any more included.
    Heap,
    /// Bytes at which the next collection has to be done.
    Goal,
    /// GOMEMLIMIT in bytes; without one, 9.2e18.
    Limit,
    /// GOGC in percent; off, 1.8e19.
    Gogc,
    /// The last collection whose CPU time was limited (Go 1.19 on).
    Limited,
    /// Collections.
    Cycles,
    /// Collections that the program asked for.
    Forced,
    /// Seconds of CPU that collections took, idle ones included.
    GcCpu,
    /// The same of processors that had nothing else to do.
    GcIdleCpu,
    /// Seconds of CPU that there were, by GOMAXPROCS.
    AllCpu,
    /// The part of the CPU that collections took since the start, from 0 to 1.
    GcShare,
    /// Bytes that were allocated.
    Allocated,
    /// Nanoseconds in which the world stood still.
    Paused,
    /// When the last collection ended, in seconds since 1970.
    LastCollection,
    /// Goroutines.
    Goroutines,
    /// Threads.
    Threads,
    /// GOMAXPROCS.
    Procs,
    /// Bytes that the runtime has of the kernel.
    Mapped,
    /// Bytes of those that it gave back.
    Released,
    /// Bytes in memory (process_resident_memory_bytes).
    Resident,
    /// When the process was started, in seconds since 1970.
    Started,
}

/// Of `runtime.MemStats`, with what makes the unit of [`Counter`] of it.
pub(super) const MEMSTATS: &[(&str, Counter, f64)] = &[
    ("HeapAlloc", C::Heap, 1.0),
    ("NextGC", C::Goal, 1.0),
    ("NumGC", C::Cycles, 1.0),
    ("NumForcedGC", C::Forced, 1.0),
    ("GCCPUFraction", C::GcShare, 1.0),
    ("TotalAlloc", C::Allocated, 1.0),
    ("PauseTotalNs", C::Paused, 1.0),
    ("LastGC", C::LastCollection, 1e-9),
    ("Sys", C::Mapped, 1.0),
    ("HeapReleased", C::Released, 1.0),
];

/// Of `runtime/metrics`.
pub(super) const METRICS: &[(&str, Counter)] = &[
    ("/gc/heap/live:bytes", C::Live),
    ("/memory/classes/heap/objects:bytes", C::Heap),
    ("/gc/heap/goal:bytes", C::Goal),
    ("/gc/gomemlimit:bytes", C::Limit),
    ("/gc/gogc:percent", C::Gogc),
    ("/gc/limiter/last-enabled:gc-cycle", C::Limited),
    ("/gc/cycles/total:gc-cycles", C::Cycles),
    ("/gc/cycles/forced:gc-cycles", C::Forced),
    ("/cpu/classes/gc/total:cpu-seconds", C::GcCpu),
    ("/cpu/classes/gc/mark/idle:cpu-seconds", C::GcIdleCpu),
    ("/cpu/classes/total:cpu-seconds", C::AllCpu),
    ("/gc/heap/allocs:bytes", C::Allocated),
    ("/sched/goroutines:goroutines", C::Goroutines),
    ("/sched/threads/total:threads", C::Threads),
    ("/sched/gomaxprocs:threads", C::Procs),
    ("/memory/classes/total:bytes", C::Mapped),
    ("/memory/classes/heap/released:bytes", C::Released),
];

/// What client_golang has besides those of `runtime/metrics`, whose names [`of_prometheus`] derives.
const USUAL: &[(&str, Counter)] = &[
    ("go_memstats_heap_alloc_bytes", C::Heap),
    ("go_memstats_next_gc_bytes", C::Goal),
    ("go_gc_duration_seconds_count", C::Cycles),
    ("go_memstats_gc_cpu_fraction", C::GcShare),
    ("go_memstats_alloc_bytes_total", C::Allocated),
    ("go_memstats_last_gc_time_seconds", C::LastCollection),
    ("go_memstats_sys_bytes", C::Mapped),
    ("go_memstats_heap_released_bytes", C::Released),
    ("go_goroutines", C::Goroutines),
    ("go_threads", C::Threads),
    ("process_resident_memory_bytes", C::Resident),
    ("process_start_time_seconds", C::Started),
];

/// What a name of Prometheus counts.
pub(super) fn of_prometheus(name: &str) -> Option<Counter> {
    if let Some((_, counter)) = USUAL.iter().find(|(known, _)| *known == name) {
        return Some(*counter);
    }
    let bare = name.strip_suffix("_total").unwrap_or(name);
    let known = METRICS.iter().find(|(metric, _)| is_of(metric, name) || is_of(metric, bare));
    known.map(|(_, counter)| *counter)
}

/// `go_gc_limiter_last_enabled_gc_cycle` of `/gc/limiter/last-enabled:gc-cycle`: `RuntimeMetricsToProm`.
fn is_of(metric: &str, name: &str) -> bool {
    let letter = |c: char| if matches!(c, '/' | '-' | ':') { '_' } else { c };
    name.strip_prefix("go").is_some_and(|rest| rest.chars().eq(metric.chars().map(letter)))
}
