//! How the process ends.

pub mod blocked_at_deadline;
pub mod closes_dependency_before_last_response;
pub mod drain_longer_than_grace;
pub mod grpc_health_stays_serving;
pub mod hangs_on_long_request;
pub mod ignores_signal_while_starting;
pub mod keeps_connections_open_in_drain;
pub mod leaves_children;
pub mod liveness_fails_in_drain;
pub mod loses_requests_at_some_phase;
pub mod loses_requests_in_flight;
pub mod no_termination_handler_seen;
pub mod readiness_stays_up_in_drain;
pub mod refuses_during_endpoint_removal;
pub mod second_signal_ignored;
pub mod second_signal_panics;
pub mod unclean_exit_code;
pub mod unstable_result;
