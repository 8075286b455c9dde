//! GOMAXPROCS, GOMEMLIMIT, GOGC and GODEBUG against the container's limits.

pub mod gomaxprocs_above_cpu_limit;
pub mod gomaxprocs_ignores_cpu_limit;
pub mod gomemlimit_above_memory_limit;
pub mod malformed_godebug;
pub mod malformed_gomemlimit;
pub mod removed_godebug_key;
