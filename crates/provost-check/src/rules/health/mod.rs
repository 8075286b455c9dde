//! Rules about probes: what the kubelet asks, and what becomes of the answer.

pub mod aggressive_liveness;
pub mod fragile_probe_handler;
pub mod grpc_probe_without_health_service;
pub mod missing_liveness_probe;
pub mod missing_readiness_probe;
pub mod probe_path_not_served;
pub mod probe_protocol_mismatch;
pub mod probe_timeout_below_endpoint_budget;
pub mod readiness_endpoint_as_liveness;
pub mod startup_exceeds_probe_budget;
pub mod unresolved_probe_port;

use crate::facts::objects::PortRef;

/// Ports at which Istio's agent answers for the pod: its metrics and its own health.
pub(crate) fn is_mesh_port(port: &PortRef) -> bool {
    matches!(port, PortRef::Number(15020 | 15021))
}
