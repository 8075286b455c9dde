//! What of a pod a process was measured in.

use serde::{Deserialize, Serialize};

/// What of a pod's surroundings the process had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// In the order in which it was set up.
    pub reproduced: Vec<String>,
    /// What could not be, and why.
    pub missing: Vec<Missing>,
}

/// What [`Stage::reproduced`] calls a network that nobody else is in.
pub const OWN_NETWORK: &str = "its own network";

/// What [`Stage::reproduced`] calls who the process runs as.
pub fn shown_user((uid, gid): (u32, u32)) -> String {
    format!("user {uid} and group {gid}")
}

impl Stage {
    /// Whether several runs can have the same ports at the same time.
    pub fn has_own_network(&self) -> bool {
        self.reproduced.iter().any(|what| what == OWN_NETWORK)
    }
}

/// Something that a pod has and the process had not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What.
    pub what: String,
    /// Why not.
    pub why: String,
    /// It is a volume: files may be missing that the program needs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub volume: bool,
}
