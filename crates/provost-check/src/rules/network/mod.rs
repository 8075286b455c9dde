//! Whether traffic arrives, and whether more of it arrives than should.

pub mod ambiguous_routing;
pub mod dangling_ingress_backend;
pub mod debug_endpoint_exposed;
pub mod loopback_listener;
pub mod network_policy_blocks_traffic;
pub mod service_selects_nothing;
pub mod unintended_exposure;
pub mod unresolved_target_port;
