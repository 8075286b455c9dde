//! What Istio makes of a service, and what a service makes of Istio.

pub mod ambiguous_service_entry;
pub mod application_starts_before_proxy;
pub mod authorization_without_mtls;
pub mod conflicting_mesh_defaults;
pub mod conflicting_virtual_services;
pub mod dangling_mesh_destination;
pub mod destination_rule_disables_mtls;
pub mod ineffective_envoy_patch;
pub mod malformed_injection_setting;
pub mod mesh_policy_never_matches;
pub mod permissive_mtls;
pub mod retries_beyond_timeout;
pub mod runs_as_proxy_user;
pub mod sidecar_drains_first;
pub mod strict_mtls_with_unmeshed_client;
pub mod tls_server_behind_sidecar;
pub mod trusted_forwarded_client_cert;
pub mod undeclared_mesh_protocol;
pub mod unknown_telemetry_provider;
pub mod unopened_gateway_port;
pub mod unreachable_mesh_route;

use crate::case::mesh::Mtls;
use crate::facts::Origin;
use crate::findings::Finding;
use crate::model::mtls::Mode;

/// Workloads of a namespace that one policy is held against.
const COMPARED: usize = 256;

/// Adds the place that sets the mode of a port.
fn with_mode(finding: Finding, mtls: &Mtls<'_>, port: i64) -> Finding {
    match mtls.at(port) {
        (mode, Some(origin)) => finding.also(origin, format!("mutual TLS is {}", mode.name())),
        (_, None) => {
            finding.note("no PeerAuthentication sets a mode: Istio's default is PERMISSIVE")
        }
    }
}

/// Whether the port accepts mutual TLS alone, and who says so.
fn strict_at<'w>(mtls: &Mtls<'w>, port: i64) -> Option<&'w Origin> {
    match mtls.at(port) {
        (Mode::Strict, by) => by,
        _ => None,
    }
}

/// Labels that are on pods, or on their endpoints, and in no manifest: what controllers of
/// Kubernetes' and Argo Rollouts tell their pods apart by, and what Istio adds
/// (`AugmentLabels` in pilot/pkg/serviceregistry/util/label).
fn is_given_label(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let of = |of: &str| domain == of || domain.strip_suffix(of).is_some_and(|d| d.ends_with('.'));
    of("kubernetes.io")
        || of("k8s.io")
        || of("istio.io")
        || matches!(
            key,
            "pod-template-hash"
                | "controller-revision-hash"
                | "pod-template-generation"
                | "rollouts-pod-template-hash"
                | "job-name"
                | "controller-uid"
        )
}
