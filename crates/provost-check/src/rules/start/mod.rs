//! Whether the process comes up.

pub mod never_listens;
pub mod slow_start;
