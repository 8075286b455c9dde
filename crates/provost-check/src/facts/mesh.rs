//! Istio's policies as facts, and what a pod says to its sidecar.
//!
//! Shapes: istio.io/api 1.31, security/v1beta1 (`PeerAuthentication`, `AuthorizationPolicy`) and
//! networking/v1alpha3 (`DestinationRule`); later versions of the API have the same fields.

use super::objects::{Selector, StringMap};
use super::origin::{Fact, Origin};
use super::workload::PodTemplate;
use crate::model::mtls::{self, Mode};

/// An object of Istio.
#[derive(Clone, Debug)]
pub enum MeshPolicy {
    /// `security.istio.io PeerAuthentication`
    PeerAuthentication(PeerAuthentication),
    /// `security.istio.io AuthorizationPolicy`
    AuthorizationPolicy(AuthorizationPolicy),
    /// `networking.istio.io DestinationRule`
    DestinationRule(DestinationRule),
}

impl MeshPolicy {
    /// Whether it says what servers accept.
    pub fn is_peer_authentication(&self) -> bool {
        matches!(self, Self::PeerAuthentication(_))
    }

    /// The labels it selects pods by; none for a policy of a whole namespace or of a host.
    pub fn selector(&self) -> Option<&Selector> {
        let selector = match self {
            Self::PeerAuthentication(policy) => policy.selector.as_ref(),
            Self::AuthorizationPolicy(policy) => policy.selector.as_ref(),
            Self::DestinationRule(_) => None,
        };
        selector.filter(|selector| !selector.is_empty())
    }
}

/// What servers accept.
#[derive(Clone, Debug)]
pub struct PeerAuthentication {
    /// `spec.selector`; without one it holds for its namespace, or for the mesh.
    pub selector: Option<Selector>,
    /// `mtls.mode`, at the mode's place; `None` of the mode is `UNSET`. Nothing when it is not written.
    pub mode: Option<Fact<Option<Mode>>>,
    /// `portLevelMtls`
    pub ports: Vec<PortMode>,
    /// The key `portLevelMtls`.
    pub ports_origin: Option<Origin>,
}

/// One entry of `portLevelMtls`.
#[derive(Clone, Debug)]
pub struct PortMode {
    /// The port of the workload, at the key.
    pub port: Fact<u16>,
    /// The mode; `None` is `UNSET`.
    pub mode: Fact<Option<Mode>>,
}

/// What the identity of a caller is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityKind {
    /// `principals`, `source.principal`
    Principal,
    /// `namespaces`, `source.namespace`
    Namespace,
    /// `serviceAccounts`, `source.serviceAccount`
    ServiceAccount,
}

/// A condition on who the caller is. It needs mutual TLS: nobody else has an identity.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What it compares.
    pub kind: IdentityKind,
    /// `notPrincipals` and their like.
    pub negated: bool,
    /// The value, which may begin or end with `*`.
    pub value: Fact<String>,
}

/// One rule of an AuthorizationPolicy.
#[derive(Clone, Debug)]
pub struct AuthorizationRule {
    /// Conditions on the caller's identity, of `from` and `when`.
    pub identities: Vec<Identity>,
    /// Ports of the workload that it is for; all of them when empty.
    pub ports: Vec<i64>,
    /// Every port that is named, whether or not another operation is for all of them, and whether it is
    /// a port it is *not* for.
    pub named_ports: Vec<(Fact<i64>, bool)>,
}

/// Who may call.
#[derive(Clone, Debug)]
pub struct AuthorizationPolicy {
    /// `spec.selector`; without one it holds for its namespace, or for the mesh.
    pub selector: Option<Selector>,
    /// It names what it is for by `targetRef` or `targetRefs`: a gateway or a waypoint.
    pub has_target: bool,
    /// `action`, default `ALLOW`.
    pub action: Fact<String>,
    /// `rules`
    pub rules: Vec<AuthorizationRule>,
}

/// How callers connect to a host.
#[derive(Clone, Debug)]
pub struct DestinationRule {
    /// `host`
    pub host: Option<Fact<String>>,
    /// Every `tls.mode` that is written.
    pub tls: Vec<ClientTls>,
    /// Ports of the Service with settings of their own; what is set for all ports does not hold there.
    pub own_ports: Vec<i64>,
}

/// A `tls.mode` of a DestinationRule.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// `DISABLE`, `SIMPLE`, `MUTUAL`, `ISTIO_MUTUAL`
    pub mode: Fact<String>,
    /// The Service port that it is for; all others when none is named.
    pub port: Option<i64>,
}

/// What the pod's labels and annotations ask of the injector.
impl PodTemplate {
    /// `sidecar.istio.io/inject`: the label outranks the annotation (`injectRequired` in pkg/kube/inject/inject.go).
    pub fn inject(&self) -> Option<(&Fact<String>, bool)> {
        let of = |map: &'_ StringMap| map.get("sidecar.istio.io/inject").is_some();
        let (map, label) =
            if of(&self.labels) { (&self.labels, true) } else { (&self.annotations, false) };
        map.get("sidecar.istio.io/inject").map(|fact| (fact, label))
    }

    /// Whether the sidecar stands in front of the port.
    pub fn captures(&self, port: i64) -> bool {
        let list = |key: &str| self.annotations.get(key).map(|fact| fact.value.as_str());
        mtls::is_captured(
            port,
            list("traffic.sidecar.istio.io/includeInboundPorts"),
            list("traffic.sidecar.istio.io/excludeInboundPorts"),
        )
    }

    /// A setting in the pod's `proxy.istio.io/config`, at the annotation's place.
    pub fn proxy_setting(&self, key: &str) -> Option<Fact<String>> {
        let text = self.annotations.get("proxy.istio.io/config")?;
        let value = mtls::proxy_setting(&text.value, key)?;
        Some(Fact::derived(value.to_owned(), text.origin.clone()))
    }
}
