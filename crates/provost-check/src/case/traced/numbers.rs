//! What is shown of a process: serialized as it is, it is that part of the JSON report.

#![allow(
    missing_docs,
    reason = "the fields are those of the JSON report, called by what they hold and its unit"
)]

use serde::Serialize;

use crate::model::what_if::Load;

/// A process of a log.
#[derive(Clone, Debug, Serialize)]
pub struct Traced {
    pub subject: String,
    /// Lines of the whole log, and processes in it.
    pub lines: u64,
    pub processes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collections: Option<Gc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Sched>,
}

/// Its collections.
#[derive(Clone, Debug, Serialize)]
pub struct Gc {
    pub cycles: u64,
    pub seconds: f64,
    pub missing_cycles: u64,
    pub forced_cycles: u64,
    pub periodic_cycles: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_share: Option<f64>,
    /// Change of the share with each minute, and between what it lies with 95 % confidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_share_per_minute: Option<[f64; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assist_share: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated_mib_per_second: Option<f64>,
    pub cpu_ms_per_cycle: f64,
    pub live_mib: Mib,
    pub goal_mib: Mib,
    pub peak_heap_mib: u64,
    pub pauses: Vec<Pauses>,
    pub settings: Settings,
    /// What is worth knowing and no finding.
    pub remarks: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what_if: Option<WhatIf>,
    #[serde(skip)]
    pub curves: GcCurves,
}

/// MiB over time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Mib {
    pub first: u64,
    pub last: u64,
    pub least: u64,
    pub most: u64,
}

/// Pauses of a phase, in nanoseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Pauses {
    pub phase: &'static str,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub longest: u64,
    /// How many took that long, with two digits.
    #[serde(skip)]
    pub counts: Vec<(u64, u64)>,
}

/// What it ran with, as far as the log tells.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// In words.
    pub gogc: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gogc_percent: Option<[u64; 2]>,
    /// In words.
    pub gomemlimit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gomemlimit_least_mib: Option<u64>,
    pub limited_cycles: u64,
    pub gomaxprocs: Vec<Procs>,
    /// Cycles whose goal was the smallest that a heap has.
    pub smallest_heap_cycles: u64,
}

/// GOMAXPROCS from a time on.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Procs {
    pub at_seconds: f64,
    pub value: u64,
}

/// What would be otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct WhatIf {
    /// What the model gives for the setting of the log, to hold against what was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_it_is: Option<Row>,
    pub rows: Vec<Row>,
    /// GOMEMLIMIT, in MiB, below which collections take more than a quarter of the CPU, and with which they
    /// take a twentieth.
    pub least_limit_mib: u64,
    pub good_limit_mib: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    #[serde(skip)]
    pub load: Load,
    #[serde(skip)]
    pub stacks: f64,
}

/// One setting.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `100`, `off`
    pub gogc: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gomemlimit_mib: Option<u64>,
    /// Of the log's.
    pub rate: f64,
    pub per_second: f64,
    pub cpu_share: f64,
    pub peak_heap_mib: u64,
    /// With what the runtime has beside the heap, estimated.
    pub peak_go_mib: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_of_container_mib: Option<i64>,
}

/// What to write for a container.
#[derive(Clone, Debug, Serialize)]
pub struct Container {
    pub memory_limit_mib: u64,
    pub non_heap_mib: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gomemlimit: Option<String>,
    /// Of the CPU, under that and GOGC=100.
    pub cpu_share: f64,
    /// The least limit of a container in which collections take a quarter of the CPU or less.
    pub least_mib: u64,
    /// In words.
    pub verdict: String,
}

/// Curves of collections: seconds, and values at those.
#[derive(Clone, Debug, Default)]
pub struct GcCurves {
    pub at: Vec<f64>,
    pub line: Vec<u64>,
    pub live: Vec<f64>,
    pub goal: Vec<f64>,
    pub end: Vec<f64>,
    pub predicted: Vec<Option<f64>>,
    pub cpu: Vec<Option<f64>>,
    pub pause_ms: Vec<f64>,
    pub rate: Vec<Option<f64>>,
    /// Cycles that a point stands for.
    pub width: u64,
}

/// Its scheduler.
#[derive(Clone, Debug, Serialize)]
pub struct Sched {
    pub samples: u64,
    pub seconds: f64,
    pub gomaxprocs: Vec<Procs>,
    pub threads: Extremes,
    pub idle_threads: Extremes,
    pub idle_processors: Extremes,
    pub runnable: Extremes,
    /// Samples in which no P was idle and more than eight goroutines waited for each.
    pub pressed_samples: u64,
    #[serde(skip)]
    pub curves: SchedCurves,
}

/// The least and the most.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Extremes {
    pub least: u64,
    pub most: u64,
}

/// Curves of the scheduler.
#[derive(Clone, Debug, Default)]
pub struct SchedCurves {
    pub at: Vec<f64>,
    pub runnable: Vec<f64>,
    pub threads: Vec<f64>,
    pub idle: Vec<f64>,
    pub queues: Vec<Vec<f64>>,
}
