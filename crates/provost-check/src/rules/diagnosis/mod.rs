//! What the runtime's own log says of a process.

pub mod forced_gc;
pub mod frequent_gc;
pub mod gc_idle_cost;
pub mod gc_limiter_active;
pub mod gomaxprocs_changed;
pub mod heap_grows_without_bound;
pub mod locked_threads;
pub mod long_pause;
pub mod mark_assist_tax;
pub mod memory_limit_death_spiral;
pub mod run_queue_pressure;
pub mod sawtooth_allocation;
pub mod thread_growth;
pub mod torn_runtime_log;
