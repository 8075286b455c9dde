//! What is spoken on a port.

use serde::{Deserialize, Serialize};

/// A protocol that requests go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1 in plain text.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// HTTP/2 in plain text, with prior knowledge (RFC 9113, section 3.3).
    H2c,
    /// HTTP/2 over TLS.
    H2,
    /// gRPC in plain text.
    Grpc,
    /// gRPC over TLS.
    Grpcs,
}

impl Protocol {
    /// Whether it goes by TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::H2 | Self::Grpcs)
    }

    /// Whether it is HTTP/2, gRPC among it.
    pub fn is_http2(self) -> bool {
        !matches!(self, Self::Http | Self::Https)
    }

    /// Whether it is gRPC.
    pub fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP/1.1",
            Self::Https => "HTTP/1.1 over TLS",
            Self::H2c => "HTTP/2 without TLS (h2c)",
            Self::H2 => "HTTP/2 over TLS",
            Self::Grpc => "gRPC without TLS",
            Self::Grpcs => "gRPC over TLS",
        }
    }

    /// What is asked by it, in the plural: `HTTP/2 requests`.
    pub fn requests(self) -> &'static str {
        match self {
            Self::Http => "requests",
            Self::Https => "TLS requests",
            Self::H2c | Self::H2 => "HTTP/2 requests",
            Self::Grpc | Self::Grpcs => "gRPC calls",
        }
    }
}

/// What is spoken on a port, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// TCP port.
    pub port: u16,
    /// None when it is none of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// How that is known, or why it is not, in words.
    pub by: String,
}

/// What the manifest says of a port; whether it holds is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// What is said to be spoken.
    pub protocol: Protocol,
    /// Where: `the port's name grpc`.
    pub by: String,
}
