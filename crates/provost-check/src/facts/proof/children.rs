//! Processes that the measured one started.

use serde::{Deserialize, Serialize};

/// What became of them in a run in which nothing else was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Children {
    /// Names of those that had ended and that nobody waited for, for a second or longer; nothing when that was not
    /// seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zombies: Option<Vec<String>>,
    /// Names of those that ran when the process ended; nothing when nobody looked then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<Vec<String>>,
}
