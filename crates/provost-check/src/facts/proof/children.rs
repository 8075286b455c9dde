//! Processes that the measured one started.

use serde::{Deserialize, Serialize};

/// What became of them in a run in which nothing else was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Children {
    /// Names of those that had ended and that nobody waited for, for a second or longer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zombies: Vec<String>,
    /// Names of those that ran when the process ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}
