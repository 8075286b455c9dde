//! What is shown of a process: serialized as it is, it is that part of the JSON report.

use serde::Serialize;

use crate::model::what_if::Load;

/// A process of a log.
#[derive(Clone, Debug, Serialize)]
pub struct Traced {
    /// What findings call it.
    pub subject: String,
    /// Lines of the whole log, and processes in it.
    pub lines: u64,
    /// See there.
    pub processes: usize,
    /// None when the log has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collections: Option<Gc>,
    /// None when the log has no samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Sched>,
}

/// Its collections.
#[derive(Clone, Debug, Serialize)]
pub struct Gc {
    /// How many.
    pub cycles: u64,
    /// From the first to the last.
    pub seconds: f64,
    /// Cycles whose line is not in the log.
    pub missing_cycles: u64,
    /// Cycles that the program asked for.
    pub forced_cycles: u64,
    /// Cycles that came because two minutes had gone by without one.
    pub periodic_cycles: u64,
    /// Of all CPU time, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_share: Option<f64>,
    /// Change of the share with each minute, and between what it lies with 95 % confidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_share_per_minute: Option<[f64; 3]>,
    /// Of all CPU time, what goroutines paid that allocated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assist_share: Option<f64>,
    /// Cycles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// Between collections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated_mib_per_second: Option<f64>,
    /// On average.
    pub cpu_ms_per_cycle: f64,
    /// What was marked.
    pub live_mib: Mib,
    /// What the next cycle was to end at.
    pub goal_mib: Mib,
    /// Most at the end of a cycle.
    pub peak_heap_mib: u64,
    /// By phase.
    pub pauses: Vec<Pauses>,
    /// What it ran with.
    pub settings: Settings,
    /// What is worth knowing and no finding.
    pub remarks: Vec<String>,
    /// None where there is too little to foretell from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what_if: Option<WhatIf>,
    /// For pictures.
    #[serde(skip)]
    pub curves: GcCurves,
}

/// MiB over time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Mib {
    /// At the beginning.
    pub first: u64,
    /// At the end.
    pub last: u64,
    /// The least of all.
    pub least: u64,
    /// The most.
    pub most: u64,
}

/// Pauses of a phase, in nanoseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Pauses {
    /// Of which phase.
    pub phase: &'static str,
    /// Half are no longer.
    pub p50: u64,
    /// Nine of ten.
    pub p90: u64,
    /// 99 of 100.
    pub p99: u64,
    /// None is longer.
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
    /// Between which it lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gogc_percent: Option<[u64; 2]>,
    /// In words.
    pub gomemlimit: String,
    /// It is that at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gomemlimit_least_mib: Option<u64>,
    /// Cycles whose goal it made.
    pub limited_cycles: u64,
    /// What it was first, and each change.
    pub gomaxprocs: Vec<Procs>,
    /// Cycles whose goal was the smallest that a heap has.
    pub smallest_heap_cycles: u64,
}

/// GOMAXPROCS from a time on.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Procs {
    /// From when on.
    pub at_seconds: f64,
    /// What it is.
    pub value: u64,
}

/// What would be otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct WhatIf {
    /// MiB that it is foretold for: live on average of the log, or at its end where that is more.
    pub live_mib: u64,
    /// The most of that, with which a heap is largest.
    pub most_live_mib: u64,
    /// What is allocated.
    pub allocated_mib_per_second: f64,
    /// By how much the live heap grew until the log ended: what follows is of that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grows_mib_per_minute: Option<f64>,
    /// The last collections freed next to nothing, of a heap of which no trend is told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub may_grow: bool,
    /// What the model gives for the setting of the log, to hold against what was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_it_is: Option<Row>,
    /// Other settings.
    pub rows: Vec<Row>,
    /// GOMEMLIMIT, in MiB, below which there is no room above what was live at the most, and with which collections
    /// take a twentieth of the CPU or less.
    pub least_limit_mib: u64,
    /// See there.
    pub good_limit_mib: u64,
    /// Of the time, from 0 to 1, for how much of it about as much was live as at the most; not told where that is most
    /// of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_part: Option<f64>,
    /// What to write where its limit is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// What it is foretold from.
    #[serde(skip)]
    pub load: Load,
    /// MiB of stacks and globals.
    #[serde(skip)]
    pub stacks: f64,
}

/// One setting.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `100`, `off`
    pub gogc: String,
    /// None without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gomemlimit_mib: Option<u64>,
    /// What is allocated, in times of what the log has.
    pub rate: f64,
    /// Cycles; not told where the limit leaves next to no room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// Of all CPU time, from 0 to 1; not told there either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_share: Option<f64>,
    /// What a cycle ends at.
    pub peak_heap_mib: u64,
    /// With what the runtime has beside the heap, estimated.
    pub peak_go_mib: u64,
    /// Below the container's limit; negative where it does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_of_container_mib: Option<i64>,
    /// How long it is until the container is full, of a live heap that grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_after_minutes: Option<f64>,
}

/// What to write for a container.
#[derive(Clone, Debug, Serialize)]
pub struct Container {
    /// Its limit.
    pub memory_limit_mib: u64,
    /// Which one it is, where the limit is that of what was given beside the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_of: Option<String>,
    /// What is beside what Go has.
    pub non_heap_mib: u64,
    /// As it is written; none where no heap fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gomemlimit: Option<String>,
    /// Of the CPU, under that and GOGC=100; not told where that leaves next to no room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_share: Option<f64>,
    /// The least limit of a container in which collections take a quarter of the CPU or less and have room.
    pub least_mib: u64,
    /// In words.
    pub verdict: String,
}

/// Curves of collections: seconds, and values at those.
#[derive(Clone, Debug, Default)]
pub struct GcCurves {
    /// When.
    pub at: Vec<f64>,
    /// Lines of the log.
    pub line: Vec<u64>,
    /// MiB that were marked.
    pub live: Vec<f64>,
    /// MiB that the cycle was to end at.
    pub goal: Vec<f64>,
    /// MiB that it ended at.
    pub end: Vec<f64>,
    /// The goal by the model, in MiB.
    pub predicted: Vec<Option<f64>>,
    /// Share of the CPU.
    pub cpu: Vec<Option<f64>>,
    /// The longest.
    pub pause_ms: Vec<f64>,
    /// MiB allocated a second.
    pub rate: Vec<Option<f64>>,
    /// Cycles that a point stands for.
    pub width: u64,
}

/// Its scheduler.
#[derive(Clone, Debug, Serialize)]
pub struct Sched {
    /// How many.
    pub samples: u64,
    /// From the first to the last.
    pub seconds: f64,
    /// What it was first, and each change.
    pub gomaxprocs: Vec<Procs>,
    /// Of the process.
    pub threads: Extremes,
    /// Threads without a P.
    pub idle_threads: Extremes,
    /// Ps without work.
    pub idle_processors: Extremes,
    /// Goroutines that wait for a P.
    pub runnable: Extremes,
    /// Samples in which no P was idle and more than eight goroutines waited for each.
    pub pressed_samples: u64,
    /// For pictures.
    #[serde(skip)]
    pub curves: SchedCurves,
}

/// The least and the most.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Extremes {
    /// The least.
    pub least: u64,
    /// The most.
    pub most: u64,
}

/// Curves of the scheduler.
#[derive(Clone, Debug, Default)]
pub struct SchedCurves {
    /// When.
    pub at: Vec<f64>,
    /// Goroutines that wait for a P.
    pub runnable: Vec<f64>,
    /// Of the process.
    pub threads: Vec<f64>,
    /// Ps without work.
    pub idle: Vec<f64>,
    /// Of each P, on average.
    pub queues: Vec<Vec<f64>>,
}
