//! Workloads: whatever carries a pod template, with the values Kubernetes will use.

use super::document::NodeId;
use super::objects::{PortRef, Selector, StringMap, TargetRef};
use super::origin::{Fact, Origin};
use crate::model::pdb;
use crate::model::probes::Timing;
use crate::model::quantity::{Bytes, Millicores};

/// Kinds of workload; the kind decides which defaults and rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the variants are Kubernetes' own kinds")]
pub enum WorkloadKind {
    Pod,
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    ReplicationController,
    Job,
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
    /// `terminationGracePeriodSeconds`, default 30.
    pub grace_period: Fact<i64>,
    /// `restartPolicy`, default `Always`.
    pub restart_policy: Fact<String>,
    /// `volumes`
    pub volumes: Vec<Volume>,
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
    /// `priorityClassName`
    pub priority_class: Option<Fact<String>>,
    /// `nodeSelector`
    pub node_selector: StringMap,
    /// `securityContext` of the pod.
    pub security: SecurityContext,
    /// Pod-level `resources` (beta and on since 1.34).
    pub resources: Option<Resources>,
}

/// What a container is in its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerRole {
    /// An entry of `containers`.
    Main,
    /// An entry of `initContainers` that ends before the others start.
    Init,
    /// An init container with `restartPolicy: Always` (native sidecar).
    Sidecar,
    /// An entry of `ephemeralContainers`.
    Ephemeral,
}

/// One container.
#[derive(Clone, Debug)]
pub struct Container {
    /// What it is in the pod.
    pub role: ContainerRole,
    /// The place of its `name`, else of the whole entry.
    pub origin: Origin,
    /// Node of the entry, for what is not typed here.
    pub node: NodeId,
    /// `name`
    pub name: Option<Fact<String>>,
    /// `image`
    pub image: Option<Fact<String>>,
    /// `imagePullPolicy`, defaulted from the tag.
    pub pull_policy: Fact<String>,
    /// `command`: replaces the image's ENTRYPOINT. `None` when not written.
    pub command: Option<Vec<Fact<String>>>,
    /// `args`: replaces the image's CMD. `None` when not written.
    pub args: Option<Vec<Fact<String>>>,
    /// `workingDir`
    pub working_dir: Option<Fact<String>>,
    /// `env` in order.
    pub env: Vec<EnvVar>,
    /// `envFrom` in order.
    pub env_from: Vec<EnvFrom>,
    /// `ports`
    pub ports: Vec<ContainerPort>,
    /// `resources`
    pub resources: Resources,
    /// `securityContext` of the container alone; see [`SecurityContext::over`].
    pub security: SecurityContext,
    /// `startupProbe`
    pub startup: Option<Probe>,
    /// `livenessProbe`
    pub liveness: Option<Probe>,
    /// `readinessProbe`
    pub readiness: Option<Probe>,
    /// `lifecycle.preStop`
    pub pre_stop: Option<Handler>,
    /// `lifecycle.postStart`
    pub post_start: Option<Handler>,
    /// `lifecycle.stopSignal`
    pub stop_signal: Option<Fact<String>>,
    /// `volumeMounts`
    pub mounts: Vec<Mount>,
}

impl Container {
    /// The name, or `?`.
    pub fn name(&self) -> &str {
        self.name.as_ref().map_or("?", |n| n.value.as_str())
    }

    /// The probes that are set, with the field that holds each.
    pub fn probes(&self) -> impl Iterator<Item = (&'static str, &Probe)> {
        [
            ("startupProbe", &self.startup),
            ("livenessProbe", &self.liveness),
            ("readinessProbe", &self.readiness),
        ]
        .into_iter()
        .filter_map(|(field, probe)| Some((field, probe.as_ref()?)))
    }

    /// Every handler: probes' and hooks', with the field that holds each.
    pub fn handlers(&self) -> impl Iterator<Item = (&'static str, &Handler)> {
        self.probes().map(|(field, probe)| (field, &probe.handler)).chain(
            [("preStop", &self.pre_stop), ("postStart", &self.post_start)]
                .into_iter()
                .filter_map(|(field, handler)| Some((field, handler.as_ref()?))),
        )
    }
}

/// One entry of `env`.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvVar {
    /// The place of the entry.
    pub origin: Origin,
    /// `name`
    pub name: Fact<String>,
    /// Where the value comes from.
    pub value: EnvValue,
}

impl EnvVar {
    /// What the value is written as, without its place: two entries with equal texts set the same.
    pub fn value_text(&self) -> String {
        let key = |kind: &str, key: &KeyRef| format!("{kind} {}/{}", key.name.value, key.key.value);
        match &self.value {
            EnvValue::Literal(text) => format!("= {}", text.value),
            EnvValue::Field(path) => format!("field {}", path.value),
            EnvValue::Resource { resource, divisor, container } => format!(
                "resource {} {} {}",
                resource.value,
                divisor.as_ref().map_or("1", |d| d.value.as_str()),
                container.as_ref().map_or("", |c| c.value.as_str()),
            ),
            EnvValue::ConfigMapKey(reference) => key("configmap", reference),
            EnvValue::SecretKey(reference) => key("secret", reference),
            EnvValue::Other(what) => format!("other {}", what.value),
        }
    }
}

/// Where the value of an environment variable comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum EnvValue {
    /// `value`, before `$(NAME)` is expanded; empty when neither `value` nor `valueFrom` is there.
    Literal(Fact<String>),
    /// `fieldRef.fieldPath`
    Field(Fact<String>),
    /// `resourceFieldRef`
    Resource {
        /// `limits.cpu`, `requests.memory` ...
        resource: Fact<String>,
        /// `divisor`, when written.
        divisor: Option<Fact<String>>,
        /// `containerName`, when written.
        container: Option<Fact<String>>,
    },
    /// `configMapKeyRef`
    ConfigMapKey(KeyRef),
    /// `secretKeyRef`
    SecretKey(KeyRef),
    /// Another `valueFrom`, named.
    Other(Fact<String>),
}

/// A key of a ConfigMap or Secret.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRef {
    /// Object name.
    pub name: Fact<String>,
    /// Key.
    pub key: Fact<String>,
    /// `optional: true`
    pub optional: bool,
}

/// One entry of `envFrom`.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvFrom {
    /// The place of the entry.
    pub origin: Origin,
    /// Prefix of the names.
    pub prefix: String,
    /// Object name.
    pub name: Fact<String>,
    /// A Secret rather than a ConfigMap.
    pub secret: bool,
    /// `optional: true`
    pub optional: bool,
}

/// One entry of `ports`.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerPort {
    /// The place of the entry.
    pub origin: Origin,
    /// `name`
    pub name: Option<Fact<String>>,
    /// `containerPort`
    pub port: Option<Fact<i64>>,
    /// `protocol`, default `TCP`.
    pub protocol: Fact<String>,
    /// `hostPort`
    pub host_port: Option<Fact<i64>>,
}

/// A quantity as written and as read; `None` where it does not parse.
#[derive(Clone, Debug, PartialEq)]
pub struct CpuAmount {
    /// As written.
    pub text: Fact<String>,
    /// As read, rounded up to whole millicores.
    pub amount: Option<Millicores>,
}

/// A memory or storage quantity as written and as read.
#[derive(Clone, Debug, PartialEq)]
pub struct ByteAmount {
    /// As written.
    pub text: Fact<String>,
    /// As read, rounded up to whole bytes.
    pub amount: Option<Bytes>,
}

/// One side of `resources`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceAmounts {
    /// `cpu`
    pub cpu: Option<CpuAmount>,
    /// `memory`
    pub memory: Option<ByteAmount>,
    /// `ephemeral-storage`
    pub ephemeral_storage: Option<ByteAmount>,
}

/// `resources` as written; a request that only the limit implies is *not* filled in here, see
/// [`Resources::effective_requests`].
#[derive(Clone, Debug, PartialEq)]
pub struct Resources {
    /// The place of `resources`, or of the container when none is written.
    pub origin: Origin,
    /// `requests`
    pub requests: ResourceAmounts,
    /// `limits`
    pub limits: ResourceAmounts,
}

impl Resources {
    /// Requests with the API server's default: the limit where only the limit is written
    /// (pkg/apis/core/v1/defaults.go, SetDefaults_Pod).
    pub fn effective_requests(&self) -> ResourceAmounts {
        ResourceAmounts {
            cpu: self.requests.cpu.clone().or_else(|| self.limits.cpu.clone()),
            memory: self.requests.memory.clone().or_else(|| self.limits.memory.clone()),
            ephemeral_storage: self
                .requests
                .ephemeral_storage
                .clone()
                .or_else(|| self.limits.ephemeral_storage.clone()),
        }
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

/// What a probe or hook does.
#[derive(Clone, Debug, PartialEq)]
pub struct Handler {
    /// The place of the handler.
    pub origin: Origin,
    /// The action.
    pub action: Action,
}

/// The action of a probe or hook.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `exec.command`, run without a shell.
    Exec(Vec<Fact<String>>),
    /// `httpGet`
    HttpGet {
        /// `path`, default `/`.
        path: Fact<String>,
        /// `port`
        port: Option<Fact<PortRef>>,
        /// `scheme`, default `HTTP`.
        scheme: Fact<String>,
        /// `host`: the kubelet connects to it from the node.
        host: Option<Fact<String>>,
    },
    /// `tcpSocket`
    TcpSocket {
        /// `port`
        port: Option<Fact<PortRef>>,
        /// `host`
        host: Option<Fact<String>>,
    },
    /// `grpc`
    Grpc {
        /// `port`
        port: Option<Fact<i64>>,
        /// `service`
        service: Option<Fact<String>>,
    },
    /// `sleep.seconds`
    Sleep(Fact<i64>),
    /// No handler, or several: the API server refuses it.
    Invalid,
}

/// A probe with the kubelet's defaults (pkg/apis/core/v1/defaults.go): timeout 1 s, period 10 s,
/// success 1, failure 3.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The place of the probe.
    pub origin: Origin,
    /// What it does.
    pub handler: Handler,
    /// `initialDelaySeconds`, default 0.
    pub initial_delay: Fact<i64>,
    /// `periodSeconds`, default 10.
    pub period: Fact<i64>,
    /// `timeoutSeconds`, default 1.
    pub timeout: Fact<i64>,
    /// `successThreshold`, default 1.
    pub success_threshold: Fact<i64>,
    /// `failureThreshold`, default 3.
    pub failure_threshold: Fact<i64>,
    /// `terminationGracePeriodSeconds` of the probe.
    pub grace_period: Option<Fact<i64>>,
}

impl Probe {
    /// Its numbers for the formulas; negative ones, which the API server refuses, count as 0.
    pub fn timing(&self) -> Timing {
        let number = |fact: &Fact<i64>| u32::try_from(fact.value.max(0)).unwrap_or(u32::MAX);
        Timing {
            initial_delay: number(&self.initial_delay),
            timeout: number(&self.timeout),
            period: number(&self.period),
            success: number(&self.success_threshold),
            failure: number(&self.failure_threshold),
        }
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
        /// Keys that `items` names.
        items: Vec<Fact<String>>,
        /// `optional: true`
        optional: bool,
    },
    /// `secret`
    Secret {
        /// Object name.
        name: Fact<String>,
        /// Keys that `items` names.
        items: Vec<Fact<String>>,
        /// `optional: true`
        optional: bool,
    },
    /// `persistentVolumeClaim.claimName`
    Claim(Fact<String>),
    /// `projected`; true when it carries a service account token.
    Projected {
        /// Holds a `serviceAccountToken` source.
        service_account_token: bool,
    },
    /// Another source, named.
    Other(String),
}

/// One entry of `volumeMounts`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// The place of the entry.
    pub origin: Origin,
    /// Volume name.
    pub name: Fact<String>,
    /// `mountPath`
    pub path: Fact<String>,
    /// `subPath`, when written.
    pub sub_path: Option<Fact<String>>,
    /// `readOnly`
    pub read_only: bool,
}
