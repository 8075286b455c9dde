//! What `provost.toml` and the command line say about the service and its cluster.

use std::fmt;

use jiff::civil::Date;

use super::origin::Fact;
use crate::model::glob;

/// `[cluster]`
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Kubernetes minors the manifests are for, oldest and newest: `(35, 37)`.
    pub kubernetes: Option<Fact<(u16, u16)>>,
    /// Node architectures.
    pub node_arch: Vec<Fact<String>>,
    /// CPUs of a node.
    pub node_cpus: Option<Fact<u32>>,
    /// GOAMD64 level the nodes support: 1 to 4.
    pub goamd64: Option<Fact<u8>>,
    /// `cpu_manager = "static"`
    pub static_cpu_manager: bool,
    /// `cfs_quota = false`: CPU limits are not enforced.
    pub cfs_quota: Option<Fact<bool>>,
    /// Enforced Pod Security level.
    pub pod_security: Option<Fact<String>>,
    /// `sidecar`, `native-sidecar`, `ambient`, `none`
    pub mesh: Option<Fact<String>>,
    /// Ports below 1024 need no capability.
    pub unprivileged_ports: Option<Fact<bool>>,
    /// Seconds until every node has stopped sending to a terminating pod; default 5.
    pub endpoint_propagation: Option<Fact<f64>>,
    /// Number of nodes.
    pub nodes: Option<Fact<u32>>,
    /// `exists`: objects that are there although the input has not got them.
    pub exists: Vec<Fact<Existing>>,
}

/// An object that somebody else makes: `Gateway infra/shared`, `Secret */db-*`, `ClusterIssuer le`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Its kind.
    pub kind: String,
    /// Pattern of its namespace; where none is written any, and none at all.
    pub namespace: Option<String>,
    /// Pattern of its name.
    pub name: String,
}

impl Existing {
    /// Whether it is the object of that kind and name; the namespace is empty for a kind outside of
    /// namespaces.
    pub fn is(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.kind == kind && self.is_in(namespace) && glob::matches(&self.name, name)
    }

    /// Whether it is in that namespace.
    pub fn is_in(&self, namespace: &str) -> bool {
        let own = self.namespace.as_ref();
        own.is_none_or(|own| !namespace.is_empty() && glob::matches(own, namespace))
    }

    /// What to do where an object is not missing, but made by somebody else.
    pub fn advice(object: &str) -> String {
        format!(
            "where somebody else makes it, say so in provost.toml: [cluster] exists = [\"{object}\"]"
        )
    }
}

impl fmt::Display for Existing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// A `[[service]]` entry.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// `name`
    pub name: Option<Fact<String>>,
    /// Path of the binary.
    pub binary: Option<Fact<String>>,
    /// Path of the Dockerfile.
    pub dockerfile: Option<Fact<String>>,
    /// Image reference.
    pub image: Option<Fact<String>>,
    /// `NS/KIND/NAME/CONTAINER`
    pub container: Option<Fact<String>>,
    /// Seconds a shutdown may wait for requests in flight.
    pub drain: Option<Fact<f64>>,
    /// Seconds telemetry needs after the last response; default 0.
    pub flush: Option<Fact<f64>>,
    /// Seconds the listener stays open after SIGTERM; default 0.
    pub lame_duck: Option<Fact<f64>>,
    /// Seconds from exec to ready.
    pub start_time: Option<Fact<f64>>,
    /// Bytes outside Go's heap limit: cgo, mmap.
    pub non_heap_memory: Option<Fact<u64>>,
}

/// A program as a baseline knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerProgram {
    /// Its main package, or the file's name where it tells none.
    pub program: String,
    /// The machine it is for, by its `GOARCH` name.
    pub arch: String,
    /// Bytes of the file then.
    pub size: Fact<u64>,
}

/// Everything a run is told besides its artifacts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Day the support windows are judged at.
    pub date: Date,
    /// `[cluster]`
    pub cluster: Cluster,
    /// `[[service]]`
    pub services: Vec<Service>,
    /// `health.endpoint_timeout`, seconds.
    pub endpoint_timeout: Option<Fact<f64>>,
    /// `budget.binary_size`, bytes.
    pub binary_size_budget: Option<Fact<u64>>,
    /// `budget.image_size`, bytes.
    pub image_size_budget: Option<Fact<u64>>,
    /// Programs of the baseline, with their sizes when it was written.
    pub former_programs: Vec<FormerProgram>,
    /// `target.go`: minor to judge an upgrade to.
    pub target_go: Option<Fact<u16>>,
    /// `render = true`: charts and kustomizations that walking finds are rendered.
    pub render: bool,
    /// Objects outside the input do not exist.
    pub closed_world: bool,
    /// `--container NS/KIND/NAME/C`: the container that runs the binary.
    pub container: Option<String>,
}

impl Settings {
    /// Nothing configured, judged at `date`.
    pub fn at(date: Date) -> Self {
        Self {
            date,
            cluster: Cluster::default(),
            services: Vec::new(),
            endpoint_timeout: None,
            binary_size_budget: None,
            image_size_budget: None,
            former_programs: Vec::new(),
            target_go: None,
            render: false,
            closed_world: false,
            container: None,
        }
    }

    /// Kubernetes minors to judge for; by default the supported ones, 1.35 to 1.37.
    pub fn kubernetes(&self) -> (u16, u16) {
        self.cluster.kubernetes.as_ref().map_or((35, 37), |fact| fact.value)
    }

    /// Seconds of endpoint propagation W; default 5.
    pub fn endpoint_propagation(&self) -> f64 {
        self.cluster.endpoint_propagation.as_ref().map_or(5.0, |fact| fact.value)
    }
}
