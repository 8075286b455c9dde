//! Whether the process comes up.

pub mod crash_loops_without_dependency;
pub mod never_listens;
pub mod ready_before_useful;
pub mod slow_start;
