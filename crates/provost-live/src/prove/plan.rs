//! What is to be run, and what is to be asked of it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use provost_check::facts::proof::telemetry::DEFAULT_PORTS;
use provost_check::facts::proof::{PhaseName, ProbeKind, Terms};
use serde::{Deserialize, Serialize};

use super::otlp::TOLD;
use crate::cgroup::Groups;

/// One phase of one process, as it is handed to the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Which phase.
    pub phase: PhaseName,
    /// The executable; of an image its path in there.
    pub program: PathBuf,
    /// Its own name for itself (the first of its arguments), where that is not its path.
    pub called: Option<String>,
    /// The folder that holds the files of its image, which are its root then.
    pub image: Option<PathBuf>,
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
    /// Whether the container's root is read-only.
    pub read_only_root: bool,
    /// Group that its volumes are given to and it is in.
    pub fs_group: Option<u32>,
    /// Further groups that it is in.
    pub further_groups: Vec<u32>,
    /// Control groups with the limits of its container.
    pub groups: Groups,
    /// Volumes whose content is known.
    pub volumes: Vec<Volume>,
    /// Folders that the image declares as volumes, which may be written to whatever its root is.
    pub image_volumes: Vec<PathBuf>,
    /// A folder on a disk for what this run writes; why there is none, else.
    pub disk: Result<PathBuf, String>,
    /// Others: where they are mounted, and why they are not there.
    pub absent: Vec<(PathBuf, String)>,
    /// What else of the container is not here, and why.
    pub without: Vec<(String, String)>,
    /// What it is held against.
    pub terms: Terms,
    /// Headers that probes send; their values may be secret, and are in no proof.
    pub probe_headers: Vec<(ProbeKind, Vec<(String, String)>)>,
    /// A certificate that the client shows to servers which ask for one, and its key, as PEM. A kubelet has none.
    pub client: Option<ClientCertificate>,
    /// Ports that the process opens, as far as anybody says so: where it listens nobody else may.
    pub ports: BTreeSet<u16>,
    /// The variable whose value was changed, in a start that is to show what comes of it.
    pub changed: Option<String>,
    /// When the early signal is sent, in microseconds from the start.
    pub early_us: u64,
    /// When that many sockets listen, a start with a changed variable has been seen enough of; without
    /// it, when the process is ready.
    pub sockets: Option<usize>,
    /// Which of the runs of a phase that has several.
    pub turn: u32,
}

/// Who the client is by TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// The certificate, and those between it and one that the server knows.
    pub certificates: String,
    /// Its key.
    pub key: String,
    /// Nobody gave it: it is the one that stands in the server's own Secret, and is shown when the server does not
    /// speak without.
    #[serde(default)]
    pub made_up: bool,
}

/// A volume and where it is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name in the pod.
    pub name: String,
    /// What is in it.
    pub content: Content,
    /// Where what is written to it goes.
    pub medium: Medium,
    /// Where the container has it.
    pub mounts: Vec<Place>,
}

/// What a volume is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Medium {
    /// The disk of the node.
    Disk,
    /// Its memory, so many bytes of it where something is said.
    Memory(Option<u64>),
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

/// The file of a volume that is only that.
pub const WRITTEN: &str = "written";

/// What is in a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Nothing, and it may be written to.
    Empty,
    /// Files that may only be read.
    Files(Vec<VolumeFile>),
    /// A file with nothing in it that everybody may write to, under the name [`WRITTEN`].
    Written,
}

/// A file of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeFile {
    /// Below the volume.
    pub path: PathBuf,
    /// What it says.
    #[serde(with = "bytes")]
    pub content: Vec<u8>,
    /// Who may read it.
    pub mode: u32,
}

/// Bytes as a text of JSON: a letter for each.
mod bytes {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>())
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        bytes.map_err(|_| de::Error::custom("a letter stands for more than a byte"))
    }
}

impl Plan {
    /// The dependency that fails by itself in this run, where it is not all of them: the first run is that of all,
    /// the others are each of one.
    pub(super) fn alone(&self) -> Option<usize> {
        usize::try_from(self.turn).ok()?.checked_sub(1)
    }

    /// Where the process is told to send its telemetry, in a network where nobody else is.
    pub(super) fn told(&self) -> u16 {
        let taken = self.taken();
        (TOLD..u16::MAX).find(|port| !taken.contains(port)).unwrap_or(TOLD)
    }

    /// Ports of its network that are ours from the start.
    pub(super) fn ours(&self) -> BTreeSet<u16> {
        let dependencies = self.terms.dependencies.iter().map(|dependency| dependency.port);
        dependencies.chain(self.terms.otlp.as_ref().map(|_| self.told())).collect()
    }

    /// Ports where SDKs send by default and nobody is, as far as that is known: neither the process
    /// itself, which may be a collector, nor what stands in for what it depends on.
    pub(super) fn defaults(&self) -> Vec<u16> {
        let taken = self.taken();
        DEFAULT_PORTS.into_iter().filter(|port| !taken.contains(port)).collect()
    }

    fn taken(&self) -> BTreeSet<u16> {
        let terms = &self.terms;
        let dependencies = terms.dependencies.iter().map(|dependency| dependency.port);
        let probes = terms.probes.iter().map(|probe| probe.port);
        let metrics = terms.metrics.iter().filter_map(|endpoint| endpoint.port);
        let known = dependencies.chain(probes).chain(metrics).chain(terms.port);
        known.chain(self.ports.iter().copied()).collect()
    }
}

#[cfg(test)]
pub(super) use tests::plan as a_plan;

#[cfg(test)]
mod tests {
    use super::*;
    use provost_check::facts::proof::{Dependency, Otlp, Probe, ProbeBy};

    pub(in crate::prove) fn plan() -> Plan {
        Plan {
            phase: PhaseName::Telemetry,
            program: PathBuf::from("/p"),
            called: None,
            image: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            secrets: Vec::new(),
            directory: PathBuf::from("/"),
            user: (1, 1),
            read_only_root: false,
            fs_group: None,
            further_groups: Vec::new(),
            groups: Groups::default(),
            volumes: Vec::new(),
            image_volumes: Vec::new(),
            disk: Err(String::new()),
            absent: Vec::new(),
            without: Vec::new(),
            terms: Terms { otlp: Some(Otlp::default()), ..Terms::default() },
            probe_headers: Vec::new(),
            client: None,
            ports: BTreeSet::new(),
            changed: None,
            early_us: 0,
            sockets: None,
            turn: 0,
        }
    }

    #[test]
    fn a_file_of_any_bytes_comes_through() {
        let content: Vec<u8> = (0..=u8::MAX).collect();
        let file = VolumeFile { path: PathBuf::from("a"), content, mode: 0o644 };
        let text = serde_json::to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<VolumeFile>(&text).unwrap(), file);
    }

    #[test]
    fn a_port_of_the_process_or_of_a_dependency_is_not_taken_for_the_sink() {
        let free = plan();
        assert_eq!((free.defaults(), free.told()), (vec![4317, 4318], TOLD));
        // A collector: requests go to one port, a probe to another.
        let mut collector = plan();
        collector.terms.port = Some(4318);
        let probe = Probe {
            kind: ProbeKind::Readiness,
            by: ProbeBy::Http,
            path: "/".to_owned(),
            port: TOLD,
            timeout_ms: 1000,
            headers: Vec::new(),
        };
        collector.terms.probes = vec![probe];
        assert_eq!((collector.defaults(), collector.told()), (vec![4317], TOLD + 1));
        assert!(!collector.ours().contains(&4318) && !collector.ours().contains(&TOLD));
        let mut declares = plan();
        declares.ports = BTreeSet::from([4317]);
        assert_eq!(declares.defaults(), [4318]);
        let mut depends = plan();
        depends.terms.dependencies =
            vec![Dependency { port: 4317, name: None, target: None, variables: vec![] }];
        assert_eq!(depends.defaults(), [4318]);
        assert_eq!(depends.ours(), BTreeSet::from([4317, TOLD]));
    }
}
