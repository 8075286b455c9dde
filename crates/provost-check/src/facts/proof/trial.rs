//! Starts with one variable changed.

use serde::{Deserialize, Serialize};

use super::Phase;

/// A start with one variable changed. It is looked at until the process is as far as the unchanged one
/// came, has ended, or has had its time; then it is killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Its name.
    pub variable: String,
    /// What was done to it.
    pub change: Change,
    /// What it was set to instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The process as it is, started at the same moment, where with the change it neither came up nor ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// What the process did.
    pub run: Phase,
}

/// The unchanged process beside a start with a change: it has as little of a busy machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// When it became ready, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_us: Option<u64>,
}

/// What a start with a change is given beside twice what the unchanged one needs.
const MORE_US: u64 = 1_000_000;

/// What was done to a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was left out.
    Removed,
    /// It got a value that none of its kind is.
    Malformed,
    /// It got another value that is as good.
    Other,
}

impl Trial {
    /// Whether it was looked at for so long that it would have come up or ended: twice as long as the unchanged
    /// process needed beside it, and longer. Of one that did, and in proofs that do not say, nothing is in doubt.
    pub fn had_its_time(&self) -> bool {
        let Some(beside) = &self.beside else { return true };
        let looked = self.run.exit.as_ref().map_or(0, |exit| exit.at_us);
        let needs = beside.ready_us.map(|ready| ready.saturating_mul(2).saturating_add(MORE_US));
        needs.is_some_and(|needs| looked >= needs)
    }

    /// Whether it came up, or ended by itself: whatever the machine gave it, it was seen.
    pub fn is_over(&self) -> bool {
        self.run.ready_us.is_some() || self.run.exit.as_ref().is_some_and(|exit| !exit.killed)
    }

    /// As it would be typed: `PORT=abc`, or `without PORT`.
    pub fn shown(&self) -> String {
        match &self.value {
            Some(value) => format!("{}={value}", self.variable),
            None => format!("without {}", self.variable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_busy_machine_the_unchanged_process_says_how_long_is_long() {
        let of = |killed_us: u64, beside: &str| -> Trial {
            let run = format!(
                r#"{{"name": "settings", "exit": {{"at_us": {killed_us}, "signal": 9, "killed": true}}}}"#
            );
            let text = format!(r#"{{"variable": "A", "change": "removed"{beside}, "run": {run}}}"#);
            serde_json::from_str(&text).unwrap()
        };
        assert!(of(3_500_000, "").had_its_time());
        assert!(of(3_500_000, r#", "beside": {"ready_us": 1200000}"#).had_its_time());
        assert!(!of(3_500_000, r#", "beside": {"ready_us": 1300000}"#).had_its_time());
        assert!(!of(3_500_000, r#", "beside": {}"#).had_its_time());
        assert!(!of(3_500_000, "").is_over());
    }
}
