//! What a container may do, and as whom.

pub mod run_as_non_root_will_fail;
