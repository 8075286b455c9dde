//! Progressive delivery by Argo Rollouts: whether an analysis can see what it is there to see.
//!
//! What the controller does is read from argo-rollouts v1.10.2.

pub mod analysis_outlives_steps;
pub mod analysis_that_cannot_fail;
pub mod broken_rollout_reference;
pub mod canary_weight_unreachable;
pub mod empty_result_misjudged;
pub mod malformed_condition;
pub mod metric_label_mismatch;
pub mod no_inconclusive_band;
pub mod query_bucket_does_not_exist;
pub mod query_not_tied_to_canary;
