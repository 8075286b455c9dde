//! What a process said on its metrics endpoint. Series are kept as what is the same about them: a proof stays
//! small, and holds no value that a label was given in secret.

use serde::{Deserialize, Serialize};

use super::proof::Outcome;

/// Where metrics are asked for, and how long that may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Path and query.
    pub path: String,
    /// Port; where none is known, those that listen are tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `scrapeTimeout`
    pub timeout_ms: u64,
    /// The manifest or the command line says so. Otherwise it may well not be there.
    #[serde(default)]
    pub named: bool,
}

impl Default for Endpoint {
    /// What Prometheus does when nobody says otherwise: `/metrics`, ten seconds.
    fn default() -> Self {
        Self { path: "/metrics".to_owned(), port: None, timeout_ms: 10_000, named: false }
    }
}

/// Requests for paths that nobody serves of which so many have to be answered that they prove anything.
pub const LEAST_UNKNOWN: u32 = 50;

/// The scrapes of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// Where they were asked for.
    pub path: String,
    /// Port.
    pub port: u16,
    /// In order.
    pub scrapes: Vec<Scrape>,
    /// Requests for paths that nobody serves, each another one, answered before the scrape that is
    /// [`After::UnknownPaths`].
    #[serde(default)]
    pub unknown_paths: u32,
}

/// What came before a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum After {
    /// The probes.
    Probes,
    /// A few requests that are served.
    Requests,
    /// Many for paths that are not.
    UnknownPaths,
    /// Nothing; asked for the text format alone.
    TextOnly,
    /// Nothing; asked for protobuf, which not everybody has.
    Protobuf,
    /// Requests at a steady rate, which went on.
    Load,
    /// SIGTERM, while the process drained.
    Signal,
}

/// One scrape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrape {
    /// What came before it.
    pub after: After,
    /// When it was begun.
    pub at_us: u64,
    /// When its end was known.
    pub end_us: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// `Content-Type`
    #[serde(default)]
    pub content_type: String,
    /// All of it was read.
    #[serde(default = "yes")]
    pub whole: bool,
    /// It held a value that was given as a secret, which is left out here.
    #[serde(default)]
    pub secret: bool,
    /// What is wrong with its text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// Histograms that contradict themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inconsistent: Vec<Fault>,
    /// Counters that are below zero, or no number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_counts: Vec<Fault>,
    /// Counters that are lower than in the scrape before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decreased: Vec<Decrease>,
    /// Exemplars that name a trace, up to a limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exemplars: Vec<Exemplar>,
    /// By name.
    #[serde(default)]
    pub families: Vec<Family>,
}

/// An exemplar: the trace of one of those that were counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemplar {
    /// The series that it stands behind.
    pub series: String,
    /// The trace as it is written there.
    pub trace: String,
}

fn yes() -> bool {
    true
}

impl Scrape {
    /// Whether metrics came.
    pub fn answered(&self) -> bool {
        matches!(self.outcome, Outcome::Answered { status: 200, .. })
    }

    /// Whether it is protobuf.
    pub fn is_protobuf(&self) -> bool {
        self.content_type.starts_with("application/vnd.google.protobuf")
    }

    /// Whether it is OpenMetrics.
    pub fn is_open(&self) -> bool {
        self.content_type.starts_with("application/openmetrics-text")
    }
}

/// What comes of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Prometheus refuses the scrape.
    Refused,
    /// One of two values is dropped.
    Dropped,
    /// Other readers refuse it.
    Forbidden,
}

/// Something that is wrong with the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// One sentence without a full stop.
    pub what: String,
    /// What comes of it.
    pub effect: Effect,
    /// From one; of protobuf the number of the message.
    pub line: u32,
    /// The line, cut when it is long; nothing of protobuf.
    pub text: String,
}

/// Something that is wrong with a series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The series, or the labels of a histogram without `le`.
    pub series: String,
    /// One sentence without a full stop.
    pub what: String,
}

/// A counter that went down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decrease {
    /// The series.
    pub series: String,
    /// Before, as a number is written; JSON has no infinity.
    pub from: String,
    /// Afterwards.
    pub to: String,
}

/// The series of one family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// `counter`, `histogram` and the like; `unknown` where nobody says.
    #[serde(default = "unknown")]
    pub kind: String,
    /// Names of its samples; its own alone where nothing is written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<String>,
    /// How many series it has.
    #[serde(default)]
    pub series: usize,
    /// Labels that any of them has, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
}

fn unknown() -> String {
    "unknown".to_owned()
}

impl Family {
    /// Whether it has samples of that name.
    pub fn has(&self, name: &str) -> bool {
        match self.samples.as_slice() {
            [] => self.name == name,
            samples => samples.iter().any(|sample| sample == name),
        }
    }

    /// A label.
    pub fn label(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|label| label.name == name)
    }
}

/// One label of a family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Not every series has it. `le` and `quantile` count for the samples that have them by nature.
    #[serde(default)]
    pub sometimes: bool,
    /// How many values it has.
    pub count: usize,
    /// The first of them, by order; long ones are cut.
    pub values: Vec<String>,
}

/// Values of one label that are kept. The most buckets of a histogram that a library makes by itself are those of
/// grpc-go (40).
pub const MOST_VALUES: usize = 64;
