//! Whether the process comes up.

pub mod crash_loops_without_dependency;
pub mod ignores_cgroup_limits;
pub mod leaves_zombies_as_pid_one;
pub mod needs_root_user;
pub mod needs_writable_root;
pub mod never_listens;
pub mod ready_before_useful;
pub mod slow_start;
