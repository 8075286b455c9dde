//! How long answers took while requests came at a steady rate.

use serde::{Deserialize, Serialize};

/// A load that does not wait for answers. Latency counts from the moment at which a request was due, so
/// that one which had to wait for another's end is not left out (coordinated omission).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// Requests a second that were due.
    pub rate: u32,
    /// Requests that were due in all.
    pub due: u64,
    /// Those that were answered.
    pub answered: u64,
    /// Answered with 500 or more.
    pub failed: u64,
    /// Without an answer.
    pub lost: u64,
    /// From the first to the last that was due, in microseconds.
    pub took_us: u64,
    /// Half of the answers took that long at most,
    pub p50_us: u64,
    /// nine of ten,
    pub p90_us: u64,
    /// 99 of a hundred,
    pub p99_us: u64,
    /// 999 of a thousand,
    pub p999_us: u64,
    /// all of them.
    pub max_us: u64,
}

impl Load {
    /// Requests a second that were begun.
    pub fn reached(&self) -> f64 {
        self.due.saturating_sub(1) as f64 * 1e6 / self.took_us.max(1) as f64
    }
}
