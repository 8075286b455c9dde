//! Whether traffic arrives, and whether more of it arrives than should.

pub mod ambiguous_routing;
pub mod conflicting_listeners;
pub mod dangling_ingress_backend;
pub mod debug_endpoint_exposed;
pub mod grpc_through_cluster_ip;
pub mod loopback_listener;
pub mod malformed_listen_address;
pub mod missing_network_policy;
pub mod network_policy_blocks_traffic;
pub mod service_selects_nothing;
pub mod stateful_set_without_service;
pub mod unintended_exposure;
pub mod unready_pods_published;
pub mod unresolved_target_port;
