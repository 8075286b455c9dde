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
    /// Paths that are empty and may be written to: volumes.
    pub writable: Vec<PathBuf>,
    /// Paths of other volumes, whose content is not here.
    pub mounted: Vec<PathBuf>,
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

impl Plan {
    /// Ports of its network that are ours.
    pub(super) fn ours(&self) -> Vec<u16> {
        let dependencies = self.terms.dependencies.iter().map(|dependency| dependency.port);
        let sink = self.terms.otlp.iter().flat_map(|_| DEFAULT_PORTS.into_iter().chain([TOLD]));
        dependencies.chain(sink).collect()
    }
}
