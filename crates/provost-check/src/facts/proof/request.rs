//! Requests and how they end.

use serde::{Deserialize, Serialize};

use super::health;

/// Of gRPC, what says that the server or what it needs is not there, or is broken: UNKNOWN, INTERNAL,
/// UNAVAILABLE, DATA_LOSS. UNIMPLEMENTED is an answer.
const FAILURES: [u32; 4] = [2, 13, 14, 15];

/// Error code of HTTP/2: the stream was not looked at.
const REFUSED_STREAM: u32 = 7;

/// Error codes of HTTP/2 in words (RFC 9113, section 7).
fn h2_code(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let index = usize::try_from(code).unwrap_or(usize::MAX);
    NAMES.get(index).map_or_else(|| format!("code {code}"), |name| (*name).to_owned())
}

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// The startup probe.
    Startup,
    /// The readiness probe.
    Readiness,
    /// The liveness probe.
    Liveness,
    /// A path that no service has.
    UnknownPath,
    /// What is served, between two scrapes of the metrics.
    Served,
    /// Load, each on a connection of its own.
    NewConnection,
    /// Load, one after the other on a connection that stays.
    Busy,
    /// On a connection that was idle since before SIGTERM.
    Idle,
    /// In flight when SIGTERM came, on a path that takes a while.
    Slow,
    /// Begun before SIGTERM and never finished by the client.
    Endless,
    /// A TLS handshake of which the client sends no more than the beginning.
    Handshake,
    /// A stream of gRPC's health service, open when SIGTERM comes.
    Watch,
    /// A WebSocket, open when SIGTERM comes.
    WebSocket,
    /// A call of gRPC by a method that somebody named, open when SIGTERM comes.
    Call,
    /// Right after readiness was first answered well, for what the process is there for.
    First,
    /// In a trace that is known.
    Traced,
    /// While nobody takes the telemetry of the process.
    Untaken,
    /// The same as these, before them, while somebody does.
    Taken,
    /// At a moment of a steady rate.
    Steady,
    /// On a connection of its own, near SIGTERM.
    Near,
    /// On a connection that was opened a moment before its request, near SIGTERM.
    Opened,
    /// By itself, while nothing else is asked.
    Plain,
    /// With line breaks, quotes, bytes that are no text, or much of it.
    Hostile,
    /// For what is there for whoever looks for a fault: `/debug/vars` and the like.
    Debug,
    /// While nobody reads what the process prints.
    Unread,
    /// When it is read again.
    ReadAgain,
}

/// The life of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What for.
    pub purpose: Purpose,
    /// Path and query.
    pub path: String,
    /// When it was begun: the connection, or the request on one that was there.
    pub at_us: u64,
    /// When all of it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_us: Option<u64>,
    /// When its end was known.
    pub end_us: u64,
    /// How it ended.
    pub outcome: Outcome,
}

impl Request {
    /// Whether whoever asked was left without an answer: what rules, tables and pictures count. That an idle
    /// connection is closed before it is used again is what a drain is for: the client opens another. Where
    /// requests ask whether there is an answer at all, none after a time in which anybody gives up is none: a
    /// connection that nobody accepts any more is not refused, and what cannot print does not answer.
    pub fn is_lost(&self) -> bool {
        let asks_whether = matches!(
            self.purpose,
            Purpose::Near
                | Purpose::Opened
                | Purpose::Unread
                | Purpose::ReadAgain
                | Purpose::Steady
        );
        if asks_whether && self.outcome == Outcome::TimedOut {
            return true;
        }
        let let_go = self.purpose == Purpose::Idle
            && self.sent_us.is_none()
            && matches!(self.outcome, Outcome::Closed { bytes: 0 });
        !let_go && self.outcome.is_lost()
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Outcome {
    /// With a whole response.
    Answered {
        /// Status code.
        status: u16,
        /// Of the body.
        #[serde(default)]
        bytes: u64,
        /// It said that the connection will be closed.
        #[serde(default)]
        close: bool,
        /// `Location`
        #[serde(default, skip_serializing_if = "Option::is_none")]
        location: Option<String>,
        /// The status of gRPC, of an answer to a call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grpc: Option<u32>,
        /// What the health service said with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        serving: Option<u32>,
    },
    /// Nobody listened (ECONNREFUSED).
    Refused,
    /// The connection was reset (ECONNRESET, EPIPE) after that many bytes of a response.
    Reset {
        /// Bytes of the response.
        #[serde(default)]
        bytes: u64,
    },
    /// The connection was closed after that many bytes of a response, which was not whole.
    Closed {
        /// Bytes of the response.
        #[serde(default)]
        bytes: u64,
    },
    /// The server ended the stream of HTTP/2 (RST_STREAM) after that many bytes on it.
    StreamReset {
        /// Error code (RFC 9113, section 7).
        code: u32,
        /// Bytes of frames on the stream.
        #[serde(default)]
        bytes: u64,
        /// Its client had not begun to read the answer, for which a server may give it up
        /// (`Server.WriteTimeout`).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unread: bool,
    },
    /// GOAWAY said that the stream was not looked at: clients repeat it by themselves.
    Unprocessed,
    /// The answer of a gRPC call ended without its status.
    NoTrailers {
        /// Bytes of the answer.
        #[serde(default)]
        bytes: u64,
    },
    /// A WebSocket was closed as it should be, with a close frame.
    CloseFrame {
        /// Why (RFC 6455, section 7.4.1).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
    },
    /// There was no TLS.
    NoTls {
        /// In the words of the library.
        why: String,
    },
    /// A probe was sent on, on the same host, more often than the kubelet follows.
    SentOn,
    /// A probe was sent to what is no address, or none that a kubelet can ask.
    SentNowhere {
        /// `Location`
        location: String,
    },
    /// What came was no HTTP.
    Garbled,
    /// No end within its time.
    TimedOut,
    /// The process was killed, or the measurement over, before it ended.
    Unfinished,
}

impl Outcome {
    /// Whether a probe would pass.
    pub fn passes(&self) -> bool {
        match self {
            Self::Answered { grpc: Some(code), serving, .. } => {
                *code == health::OK && *serving == Some(health::SERVING)
            }
            Self::Answered { status: 200..=399, .. } => true,
            _ => false,
        }
    }

    /// An answer by HTTP that says nothing else.
    pub fn answered(status: u16, bytes: u64, close: bool) -> Self {
        Self::Answered { status, bytes, close, location: None, grpc: None, serving: None }
    }

    /// Whether the server wants to know by TLS who asks: `certificate_required` of TLS 1.3; Go says
    /// `bad_certificate` in TLS 1.2 (RFC 8446, section 6.2).
    pub fn wants_certificate(&self) -> bool {
        let wants =
            |why: &str| why.contains("CertificateRequired") || why.contains("BadCertificate");
        matches!(self, Self::NoTls { why } if wants(why))
    }

    /// Whether whoever asked had no answer in time, or one by which the server says that it cannot.
    pub fn is_no_help(&self) -> bool {
        self.is_lost() || self.fails() || *self == Self::TimedOut
    }

    /// Whether the server answered that it cannot: 5xx, and what gRPC has for it.
    pub fn fails(&self) -> bool {
        match self {
            Self::Answered { grpc: Some(code), .. } => FAILURES.contains(code),
            Self::Answered { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// Whether the server said that it did not look at the request: clients repeat it by themselves (RFC 9113, section
    /// 8.7).
    pub fn is_given_back(&self) -> bool {
        matches!(self, Self::Unprocessed | Self::StreamReset { code: REFUSED_STREAM, .. })
    }

    /// Whether the client was left without an answer.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Answered { .. } | Self::CloseFrame { .. } => false,
            // That nobody waited longer is no loss of the service's.
            Self::Unfinished | Self::TimedOut => false,
            // Each time it was answered.
            Self::SentOn | Self::SentNowhere { .. } => false,
            _ if self.is_given_back() => false,
            // The doing of a client that did not read.
            Self::StreamReset { unread: true, .. } => false,
            _ => true,
        }
    }

    /// In a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Answered { grpc: Some(code), serving, .. } => match serving {
                Some(serving) if *code == health::OK => {
                    format!("answered {}", health::serving_name(*serving))
                }
                _ => format!("answered {}", health::code_name(*code)),
            },
            Self::Answered { status, .. } => format!("answered {status}"),
            Self::Refused => "refused".to_owned(),
            Self::Reset { bytes: 0 } => "reset without an answer".to_owned(),
            Self::Reset { bytes } => format!("reset after {bytes} bytes of the answer"),
            Self::Closed { bytes: 0 } => "closed without an answer".to_owned(),
            Self::Closed { bytes } => format!("cut after {bytes} bytes of the answer"),
            Self::StreamReset { code, unread, .. } => {
                let when = if *unread { " while its client did not read" } else { "" };
                format!("ended by RST_STREAM ({}){when}", h2_code(*code))
            }
            Self::Unprocessed => "given back by GOAWAY, to be asked elsewhere".to_owned(),
            Self::NoTrailers { .. } => "ended without a status of gRPC".to_owned(),
            Self::CloseFrame { code: Some(code) } => format!("closed with {code}"),
            Self::CloseFrame { code: None } => "closed without a reason".to_owned(),
            Self::NoTls { why } => format!("without TLS: {why}"),
            Self::SentOn => "sent on ten times".to_owned(),
            Self::SentNowhere { location } => {
                format!("sent to {location}, which nobody can ask for")
            }
            Self::Garbled => "answered with what is no HTTP".to_owned(),
            Self::TimedOut => "not answered in time".to_owned(),
            Self::Unfinished => "not finished".to_owned(),
        }
    }
}
