//! What of a pod a process was measured in.

use core::net::Ipv4Addr;

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

/// What [`Stage`] calls a root of a container that is not said to be read-only.
pub const WRITABLE: &str = "a root that can be written to, as the container's";

/// What [`Stage::missing`] calls sockets of the machine that are within reach of the program.
pub const APART: &str = "a root without this machine's sockets";

/// What [`Stage::missing`] calls a place for what is written that takes no memory.
pub const DISK: &str = "a disk for what it writes, which takes its memory instead";

/// What [`Stage::missing`] calls the files that say which limits a container has.
pub const OWN_GROUPS: &str = "its own /sys/fs/cgroup";

/// What [`Stage::missing`] calls the addresses of a pod and its node.
pub const ADDRESSES: &str = "the addresses of a pod and its node";

/// What stands for `status.podIP`, and is an address of the process's network where it has one of its own.
pub const POD_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 2);

/// The same for `status.hostIP`.
pub const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);

/// What [`Stage::reproduced`] calls who the process runs as.
pub fn shown_user((uid, gid): (u32, u32)) -> String {
    format!("user {uid} and group {gid}")
}

impl Stage {
    /// Whether it lacked that.
    pub fn lacks(&self, what: &str) -> bool {
        self.missing.iter().any(|missing| missing.what == what)
    }

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
    /// The program may need it to start: a volume with its files, an address that it was told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub volume: bool,
}
