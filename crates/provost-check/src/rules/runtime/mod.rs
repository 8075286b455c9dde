//! GOMAXPROCS, GOMEMLIMIT, GOGC and GODEBUG against the container's limits.

pub mod gomemlimit_above_memory_limit;
