//! What a program says on `/metrics`: the text format 0.0.4 of Prometheus, OpenMetrics 1.0, and protobuf.
//!
//! # Constraints
//!
//! - Total and without recursion: one pass over the bytes; a line that is wrong is a problem with its place,
//!   and the next one is read.
//! - What Prometheus itself refuses ([`Effect::Refused`]) is told apart from what the format forbids and
//!   Prometheus takes: one refused line loses the whole scrape.
//!
//! Sources: model/textparse of Prometheus v3 (`promlex.l`, `promparse.go`, `openmetricslex.l`,
//! `openmetricsparse.go`), `expfmt/text_parse.go` of prometheus/common v0.70, the text format's page in
//! Prometheus' documentation, OpenMetrics 1.0.

mod families;
mod invariants;
mod protobuf;
mod read;
#[cfg(test)]
mod tests;
mod values;

use std::borrow::Cow;
use std::ops::Range;

pub use invariants::{Broken, Decrease, decreases, histograms, no_counts};
pub use read::read;

/// How much of an exposition is looked at. A target of a million series is known; one of a hundred thousand
/// lines is read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub bytes: usize,
    /// Samples.
    pub samples: usize,
    /// Families.
    pub families: usize,
    /// Labels of one sample.
    pub labels: usize,
    /// Problems that are kept.
    pub problems: usize,
}

impl Limits {
    /// The documented defaults.
    pub const DEFAULT: Self =
        Self { bytes: 16 << 20, samples: 200_000, families: 20_000, labels: 256, problems: 20 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Which format it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`, and what says nothing.
    Text,
    /// `application/openmetrics-text`
    OpenMetrics,
    /// `application/vnd.google.protobuf`
    Protobuf,
}

impl Format {
    /// The format that a `Content-Type` names, as Prometheus chooses its parser by it.
    pub fn of(content_type: &str) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/openmetrics-text") {
            Self::OpenMetrics
        } else if kind.eq_ignore_ascii_case("application/vnd.google.protobuf") {
            Self::Protobuf
        } else {
            Self::Text
        }
    }
}

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Goes up only.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by bucket.
    Histogram,
    /// Counts by bucket that go up and down; OpenMetrics only.
    GaugeHistogram,
    /// Quantiles.
    Summary,
    /// Says something by its labels; OpenMetrics only.
    Info,
    /// One of several states; OpenMetrics only.
    StateSet,
    /// Nobody says.
    Unknown,
}

impl Kind {
    /// As OpenMetrics writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::Unknown => "unknown",
        }
    }
}

/// An exposition that was read.
#[derive(Clone, Debug)]
pub struct Exposition<'t> {
    /// Its format.
    pub format: Format,
    /// In the order in which they were named first.
    pub families: Vec<Family<'t>>,
    /// What is wrong with it, by place.
    pub problems: Vec<Problem>,
    /// No limit was reached.
    pub complete: bool,
}

/// The samples that belong together.
#[derive(Clone, Debug)]
pub struct Family<'t> {
    /// Its name; without the suffix of its samples.
    pub name: Cow<'t, str>,
    /// What it is.
    pub kind: Kind,
    /// `# UNIT`
    pub unit: Option<&'t str>,
    /// Its samples in order.
    pub samples: Vec<Sample<'t>>,
    typed: bool,
    helped: bool,
    /// What one of the same name before it is.
    older: Option<Kind>,
}

/// One line with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'t> {
    /// With its suffix.
    pub name: Cow<'t, str>,
    /// By name.
    pub labels: Vec<(Cow<'t, str>, Cow<'t, str>)>,
    /// The value.
    pub value: f64,
    /// Seconds, or milliseconds in the text format.
    pub timestamp: Option<f64>,
    /// Labels of the exemplar behind it, in OpenMetrics. Those of protobuf are not read.
    pub exemplar: Vec<(Cow<'t, str>, Cow<'t, str>)>,
    /// Bytes of the line; of protobuf those of the family.
    pub place: Range<usize>,
}

impl Sample<'_> {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_ref())
    }

    /// As it would be written, without the value: `requests_total{code="200"}`.
    pub fn series(&self) -> String {
        series(&self.name, self.labels.iter())
    }
}

fn series<'l>(
    name: &str,
    labels: impl Iterator<Item = &'l (Cow<'l, str>, Cow<'l, str>)>,
) -> String {
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={value:?}")).collect();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}

/// What comes of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Prometheus refuses the whole of it: no series of the program is there.
    Refused,
    /// Two lines have one series: one of the values is dropped.
    Dropped,
    /// The format forbids it; Prometheus takes it, other readers do not.
    Forbidden,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One sentence without a full stop.
    pub what: String,
    /// What comes of it.
    pub effect: Effect,
    /// Bytes of the line; of protobuf those of the family.
    pub place: Range<usize>,
    /// The byte at which it is seen.
    pub at: usize,
}
