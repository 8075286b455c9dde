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
    /// What the process did.
    pub run: Phase,
}

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
    /// As it would be typed: `PORT=abc`, or `without PORT`.
    pub fn shown(&self) -> String {
        match &self.value {
            Some(value) => format!("{}={value}", self.variable),
            None => format!("without {}", self.variable),
        }
    }
}
