//! What gRPC's health service said (`grpc.health.v1`).

use serde::{Deserialize, Serialize};

use super::Outcome;

/// `SERVING`
pub const SERVING: u32 = 1;

/// Asked for, it is known nowhere.
pub const UNKNOWN_SERVICE: &str = "provost.asks.for.what.is.not.There";

/// `OK`
pub const OK: u32 = 0;
/// `NOT_FOUND`: the health service does not know the name.
pub const NOT_FOUND: u32 = 5;
/// `UNIMPLEMENTED`: there is no such method.
pub const UNIMPLEMENTED: u32 = 12;

/// Answers of the health service while the process was up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Where it was asked.
    pub port: u16,
    /// What `Check` was answered.
    pub checks: Vec<HealthCheck>,
    /// What the first message of `Watch` was, or how the stream ended without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Outcome>,
}

impl Health {
    /// What became of the question for that service.
    pub fn check(&self, service: &str) -> Option<&HealthCheck> {
        self.checks.iter().find(|check| check.service == service)
    }
}

/// One `Check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The name that was asked for; empty for the server as a whole.
    pub service: String,
    /// When.
    pub at_us: u64,
    /// The answer.
    pub outcome: Outcome,
}

/// A `Watch` stream that was open when SIGTERM came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The name that was watched.
    pub service: String,
    /// What was said, and when.
    pub states: Vec<State>,
    /// When its connection first got GOAWAY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goaway_us: Option<u64>,
    /// When it was over.
    pub end_us: u64,
}

/// A message of a `Watch` stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// When it came.
    pub at_us: u64,
    /// `ServingStatus`
    pub serving: u32,
}

/// `ServingStatus` in words (grpc/health/v1/health.proto).
pub fn serving_name(status: u32) -> String {
    match status {
        0 => "UNKNOWN".to_owned(),
        SERVING => "SERVING".to_owned(),
        2 => "NOT_SERVING".to_owned(),
        3 => "SERVICE_UNKNOWN".to_owned(),
        other => format!("serving status {other}"),
    }
}

/// A status of gRPC in words (doc/statuscodes.md of grpc/grpc).
pub fn code_name(code: u32) -> String {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let index = usize::try_from(code).unwrap_or(usize::MAX);
    NAMES.get(index).map_or_else(|| format!("status {code}"), |name| (*name).to_owned())
}
