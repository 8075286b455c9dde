//! Workloads: whatever carries a pod template, with the values Kubernetes will use.

pub use super::container::{
    Action, ByteAmount, Container, ContainerPort, ContainerRole, CpuAmount, EnvFrom, EnvValue,
    EnvVar, Handler, KeyRef, Mount, Probe, ResourceAmounts, Resources,
};
use super::document::NodeId;
use super::objects::{Selector, StringMap, TargetRef};
use super::order::Order;
use super::origin::{Fact, Origin};
use super::ports::PodPorts;
use super::rollout::Rollout;
use crate::model::pdb;

/// Kinds of workload; the kind decides which defaults and rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// A pod of its own.
    Pod,
    /// `apps/v1`
    Deployment,
    /// `apps/v1`
    StatefulSet,
    /// `apps/v1`
    DaemonSet,
    /// `apps/v1`
    ReplicaSet,
    /// `v1`: what ReplicaSets took the place of.
    ReplicationController,
    /// `batch/v1`
    Job,
    /// `batch/v1`: makes Jobs.
    CronJob,
    /// Argo Rollouts' Rollout.
    Rollout,
    /// Another kind with a pod template at a known place.
    Other,
}

impl WorkloadKind {
    /// Runs until it is done rather than until it is replaced.
    pub fn is_batch(self) -> bool {
        matches!(self, Self::Job | Self::CronJob)
    }

    /// Replaces its pods step by step under a new template.
    pub fn is_rolling(self) -> bool {
        matches!(self, Self::Deployment | Self::StatefulSet | Self::DaemonSet | Self::Rollout)
    }
}

/// A count or a share, as in `maxUnavailable`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntOrPercent {
    /// A number of pods.
    Int(i64),
    /// Percent of the replicas, 0 and up.
    Percent(u32),
    /// Neither; the text as written.
    Malformed(String),
}

impl IntOrPercent {
    /// The number to count with; `None` for what the API server refuses to read.
    pub fn known(&self) -> Option<pdb::IntOrPercent> {
        match self {
            Self::Int(n) => i32::try_from(*n).ok().map(pdb::IntOrPercent::Int),
            Self::Percent(share) => Some(pdb::IntOrPercent::Percent(*share)),
            Self::Malformed(_) => None,
        }
    }
}

impl std::fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(n) => write!(f, "{n}"),
            Self::Percent(share) => write!(f, "{share}%"),
            Self::Malformed(text) => f.write_str(text),
        }
    }
}

/// `spec.strategy` or `spec.updateStrategy` with defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Strategy {
    /// The place of the strategy, or of `spec` when none is written.
    pub origin: Origin,
    /// `RollingUpdate`, `Recreate`, `OnDelete`, `Canary`, `BlueGreen`
    pub strategy_type: Fact<String>,
    /// `maxSurge`; default 25 % (Deployment, Rollout), 0 (DaemonSet, StatefulSet).
    pub max_surge: Fact<IntOrPercent>,
    /// `maxUnavailable`; default 25 % (Deployment, Rollout), 1 (DaemonSet, StatefulSet).
    pub max_unavailable: Fact<IntOrPercent>,
}

/// An object that runs pods.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// `spec.replicas`, default 1; `None` for kinds without.
    pub replicas: Option<Fact<i64>>,
    /// How pods are replaced; `None` for kinds that do not.
    pub strategy: Option<Strategy>,
    /// `minReadySeconds`, default 0.
    pub min_ready_seconds: Fact<i64>,
    /// `progressDeadlineSeconds`, default 600; Deployment and Rollout only.
    pub progress_deadline_seconds: Option<Fact<i64>>,
    /// `spec.selector`
    pub selector: Option<Selector>,
    /// StatefulSet's `serviceName`.
    pub service_name: Option<Fact<String>>,
    /// A Rollout's `workloadRef`: the pod template is that Deployment's.
    pub workload_ref: Option<TargetRef>,
    /// A Rollout's strategy.
    pub rollout: Option<Box<Rollout>>,
    /// The pods.
    pub pod: PodTemplate,
}

impl Workload {
    /// Whether a rolling update may neither add a pod nor take one away, which the API server
    /// refuses.
    pub fn stands_still(&self) -> bool {
        let zero = |share: &Fact<IntOrPercent>| {
            matches!(share.value, IntOrPercent::Int(0) | IntOrPercent::Percent(0))
        };
        matches!(self.kind, WorkloadKind::Deployment | WorkloadKind::DaemonSet)
            && self.strategy.as_ref().is_some_and(|strategy| {
                strategy.strategy_type.value == "RollingUpdate"
                    && zero(&strategy.max_surge)
                    && zero(&strategy.max_unavailable)
            })
    }
}

/// The pod template, or a Pod's own spec.
#[derive(Clone, Debug)]
pub struct PodTemplate {
    /// The place of the pod spec.
    pub origin: Origin,
    /// Node of the pod spec, for what is not typed here.
    pub spec: NodeId,
    /// Labels of the pods: what selectors match.
    pub labels: StringMap,
    /// Annotations of the pods.
    pub annotations: StringMap,
    /// All containers in start order: init containers, then containers, then ephemeral ones.
    pub containers: Vec<Container>,
    /// `containers` by name.
    pub container_names: Order,
    /// Orders of the containers' ports, to look one up.
    pub port_orders: PodPorts,
    /// `terminationGracePeriodSeconds`, default 30.
    pub grace_period: Fact<i64>,
    /// `restartPolicy`, default `Always`.
    pub restart_policy: Fact<String>,
    /// `volumes`
    pub volumes: Vec<Volume>,
    /// `volumes` by name.
    pub volume_names: Order,
    /// `hostNetwork`
    pub host_network: Fact<bool>,
    /// `hostPID`
    pub host_pid: Fact<bool>,
    /// `hostIPC`
    pub host_ipc: Fact<bool>,
    /// `hostUsers`, default true.
    pub host_users: Fact<bool>,
    /// `shareProcessNamespace`
    pub share_process_namespace: Fact<bool>,
    /// `serviceAccountName` (or the old `serviceAccount`), default `default`.
    pub service_account: Fact<String>,
    /// `automountServiceAccountToken` of the pod; the account's value is joined in the case.
    pub automount: Option<Fact<bool>>,
    /// `enableServiceLinks`, default true.
    pub service_links: Fact<bool>,
    /// Names in `imagePullSecrets`.
    pub pull_secrets: Vec<Fact<String>>,
    /// `priorityClassName`
    pub priority_class: Option<Fact<String>>,
    /// `nodeSelector`
    pub node_selector: StringMap,
    /// `securityContext` of the pod.
    pub security: SecurityContext,
    /// Pod-level `resources` (beta and on since 1.34).
    pub resources: Option<Box<Resources>>,
}

impl PodTemplate {
    /// The first container of that name.
    pub fn container_named(&self, name: &str) -> Option<&Container> {
        self.container_names.first(&self.containers, |container| container.name(), &name)
    }

    /// The first volume of that name.
    pub fn volume(&self, name: &str) -> Option<&Volume> {
        self.volume_names.first(&self.volumes, |volume| volume.name.value.as_str(), &name)
    }
}

/// `securityContext` of a pod or a container; absent fields are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SecurityContext {
    /// The place of the context, when written.
    pub origin: Option<Origin>,
    /// `runAsUser`
    pub run_as_user: Option<Fact<i64>>,
    /// `runAsGroup`
    pub run_as_group: Option<Fact<i64>>,
    /// `runAsNonRoot`
    pub run_as_non_root: Option<Fact<bool>>,
    /// `seccompProfile.type`
    pub seccomp: Option<Fact<String>>,
    /// `fsGroup` (pod)
    pub fs_group: Option<Fact<i64>>,
    /// `sysctls` names (pod)
    pub sysctls: Vec<Fact<String>>,
    /// `privileged` (container)
    pub privileged: Option<Fact<bool>>,
    /// `allowPrivilegeEscalation` (container)
    pub allow_privilege_escalation: Option<Fact<bool>>,
    /// `readOnlyRootFilesystem` (container)
    pub read_only_root: Option<Fact<bool>>,
    /// `capabilities.add` (container)
    pub add_capabilities: Vec<Fact<String>>,
    /// `capabilities.drop` (container)
    pub drop_capabilities: Vec<Fact<String>>,
    /// `procMount` (container)
    pub proc_mount: Option<Fact<String>>,
}

impl SecurityContext {
    /// The effective context of a container: its own fields over its pod's for the ones both have.
    #[must_use]
    pub fn over(&self, pod: &SecurityContext) -> SecurityContext {
        let mut merged = self.clone();
        merged.origin = merged.origin.or_else(|| pod.origin.clone());
        merged.run_as_user = merged.run_as_user.or_else(|| pod.run_as_user.clone());
        merged.run_as_group = merged.run_as_group.or_else(|| pod.run_as_group.clone());
        merged.run_as_non_root = merged.run_as_non_root.or_else(|| pod.run_as_non_root.clone());
        merged.seccomp = merged.seccomp.or_else(|| pod.seccomp.clone());
        merged.fs_group = pod.fs_group.clone();
        merged.sysctls = pod.sysctls.clone();
        merged
    }
}

/// One volume of the pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// The place of the entry.
    pub origin: Origin,
    /// `name`
    pub name: Fact<String>,
    /// What backs it.
    pub kind: VolumeKind,
}

/// One entry of `items`: a key, and the file it becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeItem {
    /// `key`
    pub key: Fact<String>,
    /// `path` below the mount; the API server refuses an entry without one.
    pub path: Option<Fact<String>>,
}

/// What backs a volume.
#[derive(Clone, Debug, PartialEq)]
pub enum VolumeKind {
    /// `emptyDir`
    EmptyDir {
        /// `medium`
        medium: Option<Fact<String>>,
        /// `sizeLimit`
        size_limit: Option<ByteAmount>,
    },
    /// `hostPath.path`
    HostPath(Fact<String>),
    /// `configMap`
    ConfigMap {
        /// Object name.
        name: Fact<String>,
        /// `items`; all keys where none are written.
        items: Vec<VolumeItem>,
        /// `optional: true`
        optional: bool,
    },
    /// `secret`
    Secret {
        /// Object name.
        name: Fact<String>,
        /// `items`; all keys where none are written.
        items: Vec<VolumeItem>,
        /// `optional: true`
        optional: bool,
    },
    /// `persistentVolumeClaim.claimName`
    Claim(Fact<String>),
    /// `projected`
    Projected {
        /// Holds a `serviceAccountToken` source.
        service_account_token: bool,
        /// Its ConfigMaps and Secrets.
        sources: Vec<ProjectedSource>,
    },
    /// Another source, named.
    Other(String),
}

/// A ConfigMap or Secret of a projected volume.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectedSource {
    /// A Secret rather than a ConfigMap.
    pub secret: bool,
    /// Object name.
    pub name: Fact<String>,
    /// `items`; all keys where none are written.
    pub items: Vec<VolumeItem>,
    /// `optional: true`
    pub optional: bool,
}
