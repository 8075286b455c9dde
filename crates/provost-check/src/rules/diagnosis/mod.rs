//! What the runtime's own log says of a process.

pub mod concurrent_map_access;
pub mod deadlock;
pub mod fatal_runtime_error;
pub mod forced_gc;
pub mod frequent_gc;
pub mod gc_idle_cost;
pub mod gc_limiter_active;
pub mod gomaxprocs_changed;
pub mod goroutine_leak;
pub mod heap_grows_without_bound;
pub mod locked_threads;
pub mod long_pause;
pub mod mark_assist_tax;
pub mod memory_limit_death_spiral;
pub mod out_of_memory_panic;
pub mod recovered_panic;
pub mod removed_godebug_at_start;
pub mod run_queue_pressure;
pub mod sawtooth_allocation;
pub mod stack_overflow;
pub mod thread_growth;
pub mod torn_runtime_log;
pub mod unrecovered_panic;
