//! What a process used of the memory and processor time that its control group allows.

use serde::{Deserialize, Serialize};

/// The counters of a control group at the end of a run: `memory.*` and `cpu.stat` of both versions
/// (cgroup-v2.rst and cgroup-v1/memory.rst in the kernel's documentation).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Used {
    /// Bytes that it could hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// Thousandths of a CPU that it could use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_limit_m: Option<u64>,
    /// The most bytes that it held, files that the kernel keeps for it included; none where it does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_peak: Option<u64>,
    /// Processes that were killed because of the memory limit.
    pub killed: u64,
    /// Periods of processor time in which it ran.
    pub periods: u64,
    /// Those in which its time was used up before their end.
    pub throttled: u64,
    /// How long it stood still for that, in microseconds, of all its threads on all CPUs.
    pub throttled_us: u64,
}

impl Used {
    /// Whether its processor time was used up in half of the periods or more.
    pub fn is_throttled(&self) -> bool {
        self.periods > 0 && self.throttled * 2 >= self.periods
    }
}

/// What `GODEBUG=schedtrace` said last, on how many CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduler {
    /// GOMAXPROCS.
    pub gomaxprocs: u32,
    /// CPUs that the process may run on.
    pub cpus: u32,
}

/// What stood in the memory of the running process (`gcController` in runtime/mgcpacer.go).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collector {
    /// GOGC; none when it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// GOMEMLIMIT, in bytes; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
}
