//! Rules about how many pods are there when something happens to some of them.

pub mod hpa_conflicts_with_workload;
pub mod hpa_without_requests;
pub mod ineffective_pdb;
pub mod infeasible_spread;
pub mod missing_pdb;
pub mod missing_spread;
pub mod naked_pod;
pub mod pdb_blocks_drain;
pub mod rolling_update_drops_capacity;
pub mod scales_to_zero_for_good;
pub mod schedule_never_fires;
pub mod single_replica;
pub mod surge_with_exclusive_volume;
