//! What a runtime counts, in the three forms in which services publish it: `/debug/vars` of package expvar
//! (`runtime.MemStats`), values of `runtime/metrics` one to a line, and the metrics `go_*` and `process_*` of
//! Prometheus' client_golang.
//!
//! # Constraints
//!
//! - Total: what is no number, or has a name that is not known, is passed over.
//! - One snapshot is small, whatever the input holds: names that are known, and 256 pauses.
//!
//! Sources: `runtime/mstats.go` (`MemStats`), `runtime/metrics/description.go`, `expvar/expvar.go` of Go 1.18 to
//! 1.27; `prometheus/go_collector*.go` and `internal/go_runtime_metrics.go` of client_golang 1.24.

mod names;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use names::Counter;
pub use read::{form, read};

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// `/debug/vars`
    Expvar,
    /// `/gc/cycles/total:gc-cycles: 7`, as the example of `runtime/metrics` prints it, or as a JSON object.
    RuntimeMetrics,
    /// `go_gc_cycles_total_gc_cycles_total 7`
    Prometheus,
}

impl Form {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expvar => "expvar",
            Self::RuntimeMetrics => "runtime/metrics",
            Self::Prometheus => "Prometheus",
        }
    }
}

/// The pause of one collection: both times that the world stood still, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The collection.
    pub cycle: u64,
    /// Nanoseconds.
    pub nanos: u64,
    /// When it ended, in nanoseconds since 1970.
    pub end: u64,
}

/// What was counted until a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Its form.
    pub form: Form,
    /// By what it is of.
    pub values: BTreeMap<Counter, f64>,
    /// The last 256 pauses, the oldest first (expvar).
    pub pauses: Vec<Pause>,
    /// `go1.27.4`, where it is said.
    pub go: Option<String>,
}

impl Snapshot {
    /// A value.
    pub fn get(&self, counter: Counter) -> Option<f64> {
        self.values.get(&counter).copied()
    }

    /// Seconds since some moment of the process: of the last collection, or what its CPUs had to give.
    pub fn seconds(&self) -> Option<f64> {
        self.get(Counter::LastCollection).or_else(|| {
            let (all, procs) = (self.get(Counter::AllCpu)?, self.get(Counter::Procs)?);
            (procs >= 1.0).then(|| all / procs)
        })
    }
}
