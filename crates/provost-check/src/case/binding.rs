//! Which binary and which Dockerfile belong to which container, and why.
//!
//! In order: `provost.toml`, `--container`, equal image references or repository names, the
//! command's base name, the only candidate. What stays ambiguous is said, never guessed.

use std::collections::BTreeMap;

use super::joins::Joins;
use super::{ObjectId, World};
use crate::facts::Origin;
use crate::facts::workload::{Container, ContainerRole};

/// What was bound to one container.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    /// This container runs the service's own program.
    pub is_target: bool,
    /// Index in [`World::binaries`].
    pub binary: Option<usize>,
    /// Index in [`World::builds`].
    pub build: Option<usize>,
    /// Index in `Settings::services`.
    pub service: Option<usize>,
    /// Why, in sentences for the report.
    pub because: Vec<String>,
}

/// Several candidates fit one place.
#[derive(Clone, Debug)]
pub struct Ambiguity {
    /// The container or artifact that could be bound in several ways.
    pub subject: String,
    /// Where to point.
    pub origin: Origin,
    /// What fits, in a sentence.
    pub message: String,
    /// The other candidates' places.
    pub candidates: Vec<Origin>,
}

/// All bindings of a run.
#[derive(Debug, Default)]
pub struct Bindings {
    by_workload: BTreeMap<ObjectId, Vec<Binding>>,
    /// What could not be decided.
    pub ambiguities: Vec<Ambiguity>,
    binary_of_build: BTreeMap<usize, usize>,
    build_of_binary: BTreeMap<usize, usize>,
}

impl Bindings {
    /// Binds binaries and Dockerfiles to containers.
    pub fn new(world: &World, _joins: &Joins) -> Self {
        let mut bindings = Self::default();
        for (id, object) in world.objects.iter().enumerate() {
            if let Some(workload) = object.workload() {
                let list = workload.pod.containers.iter().map(|_| Binding::default()).collect();
                bindings.by_workload.insert(id, list);
            }
        }
        bindings
    }

    /// Bindings of a workload's containers, in container order.
    pub fn of(&self, workload: ObjectId) -> Option<&[Binding]> {
        self.by_workload.get(&workload).map(Vec::as_slice)
    }

    /// The executable the image of a Dockerfile runs.
    pub fn binary_of_build(&self, build: usize) -> Option<usize> {
        self.binary_of_build.get(&build).copied()
    }

    /// The Dockerfile whose image runs an executable.
    pub fn build_of_binary(&self, binary: usize) -> Option<usize> {
        self.build_of_binary.get(&binary).copied()
    }
}

/// Names (container or image base name) of proxies and agents that ride along.
const KNOWN_SIDECARS: &[&str] = &[
    "istio-proxy",
    "istio-init",
    "linkerd-proxy",
    "linkerd-init",
    "envoy",
    "cloud-sql-proxy",
    "cloudsql-proxy",
    "vault-agent",
    "fluent-bit",
    "fluentd",
    "otel-collector",
    "opentelemetry-collector",
    "kube-rbac-proxy",
    "oauth2-proxy",
    "config-reloader",
];

/// Whether a container is a known sidecar by its name or its image's base name.
pub fn is_known_sidecar(container: &Container) -> bool {
    if container.role == ContainerRole::Sidecar {
        return true;
    }
    let image = container.image.as_ref().map_or("", |image| image.value.as_str());
    let repository = image.split('@').next().unwrap_or_default();
    let base = repository.rsplit('/').next().unwrap_or_default();
    let base = base.split(':').next().unwrap_or_default();
    KNOWN_SIDECARS.iter().any(|known| *known == container.name() || *known == base)
}
