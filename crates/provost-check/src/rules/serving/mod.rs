//! What the process answers.

pub mod catch_all_success;
pub mod ends_by_itself;
pub mod ends_with_dependency;
pub mod fails_under_load;
pub mod grpc_health_incomplete;
pub mod grpc_probe_needs_plaintext;
pub mod listens_on_loopback_only;
pub mod liveness_follows_dependency;
pub mod probe_endpoint_missing;
pub mod probe_redirects_or_authenticates;
pub mod probe_slower_than_its_timeout;
pub mod readiness_ignores_dependency;
