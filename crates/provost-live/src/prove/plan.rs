//! What is to be run, and what is to be asked of it.

use std::path::PathBuf;

use provost_check::facts::proof::telemetry::DEFAULT_PORTS;
use provost_check::facts::proof::{PhaseName, Terms};
use serde::{Deserialize, Serialize};

use super::otlp::TOLD;

/// One phase of one process, as it is handed to the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Which phase.
    pub phase: PhaseName,
    /// The executable.
    pub program: PathBuf,
    /// What is given to it, without its name.
    pub arguments: Vec<String>,
    /// Its whole environment; nothing of ours is handed on.
    pub environment: Vec<(String, String)>,
    /// Text that no report may show: values of Secrets.
    pub secrets: Vec<String>,
    /// Directory it is started in.
    pub directory: PathBuf,
    /// User and group, when ours may be given up.
    pub user: (u32, u32),
    /// Whether the container's root is read-only; it is here in any case.
    pub read_only_root: bool,
    /// Group that its volumes are given to and it is in.
    pub fs_group: Option<u32>,
    /// Further groups that it is in.
    pub groups: Vec<u32>,
    /// Volumes whose content is known.
    pub volumes: Vec<Volume>,
    /// Others: where they are mounted, and why they are not there.
    pub absent: Vec<(PathBuf, String)>,
    /// What it is held against.
    pub terms: Terms,
    /// When the early signal is sent, in microseconds from the start.
    pub early_us: u64,
    /// When that many sockets listen, a start with a changed variable has been seen enough of; without
    /// it, when the process is ready.
    pub sockets: Option<usize>,
    /// Which of the runs of a phase that has several.
    pub turn: u32,
}

/// A volume and where it is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name in the pod.
    pub name: String,
    /// What is in it.
    pub content: Content,
    /// How much it may hold.
    pub bytes: Option<u64>,
    /// Where the container has it.
    pub mounts: Vec<Place>,
}

/// Where a volume is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The path in the container.
    pub at: PathBuf,
    /// The part of the volume that is mounted, where it is not all.
    pub sub_path: Option<PathBuf>,
    /// It may not be written to.
    pub read_only: bool,
}

/// What is in a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Nothing, and it may be written to.
    Empty,
    /// Files that may only be read.
    Files(Vec<VolumeFile>),
}

/// A file of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeFile {
    /// Below the volume.
    pub path: PathBuf,
    /// What it says.
    pub content: String,
    /// Who may read it.
    pub mode: u32,
}

impl Plan {
    /// Ports of its network that are ours.
    pub(super) fn ours(&self) -> Vec<u16> {
        let dependencies = self.terms.dependencies.iter().map(|dependency| dependency.port);
        let sink = self.terms.otlp.iter().flat_map(|_| DEFAULT_PORTS.into_iter().chain([TOLD]));
        dependencies.chain(sink).collect()
    }
}
