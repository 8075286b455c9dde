//! Metrics whose kind is known by their names.

/// Gauges of the collectors that client_golang registers by default (prometheus/go_collector.go,
/// go_collector_latest.go and process_collector.go of v1.23), and the one that Prometheus makes of each scrape.
const GAUGES: &[&str] = &[
    "go_gc_gogc_percent",
    "go_gc_gomemlimit_bytes",
    "go_goroutines",
    "go_info",
    "go_memstats_alloc_bytes",
    "go_memstats_buck_hash_sys_bytes",
    "go_memstats_gc_sys_bytes",
    "go_memstats_heap_alloc_bytes",
    "go_memstats_heap_idle_bytes",
    "go_memstats_heap_inuse_bytes",
    "go_memstats_heap_objects",
    "go_memstats_heap_released_bytes",
    "go_memstats_heap_sys_bytes",
    "go_memstats_last_gc_time_seconds",
    "go_memstats_mcache_inuse_bytes",
    "go_memstats_mcache_sys_bytes",
    "go_memstats_mspan_inuse_bytes",
    "go_memstats_mspan_sys_bytes",
    "go_memstats_next_gc_bytes",
    "go_memstats_other_sys_bytes",
    "go_memstats_stack_inuse_bytes",
    "go_memstats_stack_sys_bytes",
    "go_memstats_sys_bytes",
    "go_sched_gomaxprocs_threads",
    "go_threads",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
    "process_virtual_memory_max_bytes",
    "up",
];

/// Whether a metric of that name is a gauge for certain.
pub fn is_gauge(name: &str) -> bool {
    GAUGES.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{GAUGES, is_gauge};

    #[test]
    fn gauges_are_found_in_their_order() {
        assert!(GAUGES.is_sorted());
        assert!(is_gauge("go_goroutines") && is_gauge("up"));
        assert!(
            !is_gauge("go_memstats_alloc_bytes_total") && !is_gauge("process_cpu_seconds_total")
        );
    }
}
