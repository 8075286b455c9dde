//! Whether the process comes up.

pub mod crash_loops_without_dependency;
pub mod leaves_zombies_as_pid_one;
pub mod needs_writable_root;
pub mod never_listens;
pub mod ready_before_useful;
pub mod slow_start;
