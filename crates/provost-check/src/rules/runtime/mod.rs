//! GOMAXPROCS, GOMEMLIMIT, GOGC and GODEBUG against the container's limits.

pub mod dangerous_godebug;
pub mod fractional_cpu_limit;
pub mod gogc_off_without_limit;
pub mod gomaxprocs_above_cpu_limit;
pub mod gomaxprocs_ignores_cpu_limit;
pub mod gomemlimit_above_memory_limit;
pub mod gomemlimit_implausible;
pub mod gomemlimit_unset;
pub mod gomemlimit_without_headroom;
pub mod ignored_runtime_variable;
pub mod legacy_godebug_defaults;
pub mod malformed_godebug;
pub mod malformed_gomemlimit;
pub mod pinned_gomaxprocs;
pub mod removed_godebug_key;
pub mod unknown_godebug_key;
pub mod weak_crypto_godebug;
