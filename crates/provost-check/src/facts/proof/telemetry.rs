//! What a process sent by OTLP to the sink that stood where its collector would.

use serde::{Deserialize, Serialize};

use crate::model::growth::{Growth, Held, growth};

/// Where the SDKs send when nobody tells them where: gRPC and HTTP (OTLP, sections OTLP/gRPC and
/// OTLP/HTTP default port).
pub const DEFAULT_PORTS: [u16; 2] = [4317, 4318];

/// Which run of the phase without a collector is the one in which all is taken, and nothing else is different.
pub const CONTROL: u32 = 1;

/// Spans that an SDK's batch processor keeps where nothing says how many (OpenTelemetry, SDK environment variables,
/// `OTEL_BSP_MAX_QUEUE_SIZE`).
pub const QUEUE: u64 = 2048;

/// That a sink was there, and what was said of telemetry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Otlp {
    /// Variables that were given the sink's address instead of their own value.
    pub endpoints: Vec<String>,
    /// A variable by whose value traces are left out, or decided about without their parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled_by: Option<String>,
    /// A variable by whose value no traces are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off: Option<String>,
    /// How long spans are collected before they are sent.
    pub delay_ms: u64,
    /// How many are kept until then, where a variable says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u64>,
}

impl Otlp {
    /// Spans that are kept while they cannot be sent. A shorter queue is as full as one of the usual length.
    pub fn queue(&self) -> u64 {
        self.queue.unwrap_or(QUEUE).max(QUEUE)
    }
}

/// What a run of the process sent, and what it was asked so that it would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Telemetry {
    /// Requests in traces whose ids are known.
    pub asked: Vec<Traced>,
    /// What arrived, in order, up to a limit.
    pub exports: Vec<Export>,
    /// Spans of what arrived, up to a limit.
    pub spans: Vec<Span>,
    /// Spans beyond the limit.
    pub more: u64,
    /// Values of `service.name` of resources.
    pub services: Vec<String>,
    /// Connections to where it was told to send.
    pub connections: u64,
    /// What could not be understood, in sentences.
    pub broken: Vec<String>,
    /// How the sink behaved, from when on.
    pub turns: Vec<Turned>,
    /// Resident memory of the process behind each burst of requests.
    pub memory: Vec<Memory>,
}

/// One request of a known trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// When it was begun.
    pub at_us: u64,
    /// When its end was known.
    pub end_us: u64,
    /// What was asked for.
    pub path: String,
    /// The status of its answer, where it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Its `traceparent`: 32 hexadecimal digits,
    pub trace: String,
    /// 16 of the span that asked,
    pub parent: String,
    /// and whether the caller keeps it (flag 01).
    pub sampled: bool,
    /// It was answered right before SIGTERM.
    #[serde(default)]
    pub last: bool,
}

/// One message that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// When it was whole.
    pub at_us: u64,
    /// Which kind of telemetry.
    pub signal: Kind,
    /// How it was written: `grpc`, `http/protobuf`, `http/json`.
    pub by: String,
    /// Spans, metrics or log records in it.
    pub items: u64,
    /// It arrived on this port, where SDKs send by default, and not where the process was told to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_port: Option<u16>,
}

/// Which telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
    /// Log records.
    Logs,
}

/// A span, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// When it arrived.
    pub at_us: u64,
    /// 32 hexadecimal digits.
    pub trace: String,
    /// 16.
    pub id: String,
    /// Likewise; empty of a root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parent: String,
    /// What it is called.
    #[serde(default)]
    pub name: String,
    /// `SpanKind` of trace.proto: 2 is a server, 3 a client.
    #[serde(default)]
    pub kind: u32,
    /// `Status.StatusCode` of trace.proto: 2 is an error.
    #[serde(default)]
    pub status: u32,
    /// `http.response.status_code`, or `http.status_code` as it was called before 1.21 of the
    /// conventions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Names of its attributes, those that conventions have for HTTP and the network; none in proofs that were made
    /// before they were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Vec<String>>,
}

/// `SPAN_KIND_SERVER`
pub const SERVER: u32 = 2;
/// `STATUS_CODE_ERROR`
pub const ERROR: u32 = 2;

/// The sink changed its behaviour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turned {
    /// When.
    pub at_us: u64,
    /// To what.
    pub to: Behaviour,
}

/// What a sink does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// Takes what comes.
    Takes,
    /// Nobody listens.
    Refuses,
    /// Connections come about, and nothing is answered.
    Hangs,
}

impl Telemetry {
    /// What the process held after so many requests, since the sink changed its behaviour last.
    pub fn held(&self) -> Vec<Held> {
        let since = self.turns.last().map_or(0, |turn| turn.at_us);
        let mut requests = 0u64;
        let counted = self.memory.iter().filter(|it| it.at_us >= since).map(|it| {
            requests = requests.saturating_add(it.requests);
            Held { requests, bytes: it.bytes }
        });
        counted.collect()
    }

    /// Whether what it held then grew on when a queue of that length was full.
    pub fn growth(&self, queue: u64) -> Growth {
        growth(&self.held(), queue)
    }

    /// Whether all was taken from the start to the end.
    pub fn takes_all(&self) -> bool {
        !self.turns.is_empty() && self.turns.iter().all(|turn| turn.to == Behaviour::Takes)
    }
}

impl Behaviour {
    /// In a sentence about the collector.
    pub fn words(self) -> &'static str {
        match self {
            Self::Takes => "takes what comes",
            Self::Refuses => "refuses connections",
            Self::Hangs => "answers nothing",
        }
    }
}

/// What the process held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// When.
    pub at_us: u64,
    /// `VmRSS`
    pub bytes: u64,
    /// Requests that were answered since the time before.
    pub requests: u64,
}
