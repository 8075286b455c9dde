//! The probes that a process was asked by.

use serde::{Deserialize, Serialize};

use super::Purpose;

/// A probe as the kubelet would make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Which.
    pub kind: ProbeKind,
    /// What is done.
    #[serde(default)]
    pub by: ProbeBy,
    /// Path and query; of a probe by gRPC the service.
    pub path: String,
    /// Port.
    pub port: u16,
    /// What it may take.
    pub timeout_ms: u64,
    /// Names of headers that it sends; their values may be secret, and are not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
}

impl Probe {
    /// What it asks for, in a message.
    pub fn asks(&self) -> String {
        match (self.by, self.path.as_str()) {
            (ProbeBy::Grpc, "") => "the health of the gRPC server".to_owned(),
            (ProbeBy::Grpc, service) => format!("the health of the gRPC service {service}"),
            (ProbeBy::Grpcs, "") => "the health of the gRPC server by TLS".to_owned(),
            (ProbeBy::Grpcs, service) => {
                format!("the health of the gRPC service {service} by TLS")
            }
            (ProbeBy::Https, path) => format!("{path} by TLS"),
            (ProbeBy::H2c, path) => format!("{path} by HTTP/2 without TLS (h2c)"),
            (ProbeBy::Http, path) => path.to_owned(),
        }
    }
}

/// How a probe asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeBy {
    /// `httpGet`
    #[default]
    Http,
    /// `httpGet` with `scheme: HTTPS`; the kubelet takes any certificate.
    Https,
    /// `httpGet` with `protocol: HTTP2`: without TLS, and without asking whether that is spoken (KEP-5999).
    H2c,
    /// `grpc`, without TLS (KEP-2727).
    Grpc,
    /// `grpc` with `mode: TLS`; the kubelet takes any certificate (KEP-4939).
    Grpcs,
}

impl ProbeBy {
    /// Whether it asks gRPC's health service.
    pub fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }
}

/// What a probe decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeKind {
    /// Whether the others begin.
    Startup,
    /// Whether the pod gets requests.
    Readiness,
    /// Whether the container is started anew.
    Liveness,
}

impl ProbeKind {
    /// What a request of such a probe is for.
    pub fn purpose(self) -> Purpose {
        match self {
            Self::Startup => Purpose::Startup,
            Self::Readiness => Purpose::Readiness,
            Self::Liveness => Purpose::Liveness,
        }
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
        }
    }
}
