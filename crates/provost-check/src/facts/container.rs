//! One container of a pod, with the values Kubernetes will use.

use super::document::NodeId;
use super::objects::PortRef;
use super::origin::{Fact, Origin};
use super::ports::ContainerPorts;
use super::workload::SecurityContext;
use crate::model::probes::Timing;
use crate::model::qos;
use crate::model::quantity::{Bytes, Millicores, Quantity};

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
    /// Orders of `ports`, to look one up.
    pub port_orders: ContainerPorts,
    /// `resources`
    pub resources: Resources,
    /// `securityContext` of the container alone; see [`SecurityContext::over`].
    pub security: SecurityContext,
    /// `startupProbe`
    pub startup: Option<Box<Probe>>,
    /// `livenessProbe`
    pub liveness: Option<Box<Probe>>,
    /// `readinessProbe`
    pub readiness: Option<Box<Probe>>,
    /// `lifecycle.preStop`
    pub pre_stop: Option<Box<Handler>>,
    /// `lifecycle.postStart`
    pub post_start: Option<Box<Handler>>,
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
        .filter_map(|(field, probe)| Some((field, probe.as_deref()?)))
    }

    /// Every handler: probes' and hooks', with the field that holds each.
    pub fn handlers(&self) -> impl Iterator<Item = (&'static str, &Handler)> {
        self.probes().map(|(field, probe)| (field, &probe.handler)).chain(
            [("preStop", &self.pre_stop), ("postStart", &self.post_start)]
                .into_iter()
                .filter_map(|(field, handler)| Some((field, handler.as_deref()?))),
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
    /// The amounts that decide the class of service.
    pub fn amounts(&self) -> qos::Resources {
        let read = |text: Option<&str>| Quantity::parse(text?).ok();
        let (requests, limits) = (&self.requests, &self.limits);
        qos::Resources {
            cpu_request: read(requests.cpu.as_ref().map(|cpu| cpu.text.value.as_str())),
            cpu_limit: read(limits.cpu.as_ref().map(|cpu| cpu.text.value.as_str())),
            memory_request: read(requests.memory.as_ref().map(|memory| memory.text.value.as_str())),
            memory_limit: read(limits.memory.as_ref().map(|memory| memory.text.value.as_str())),
        }
    }

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
        /// `httpHeaders`, in order; of two with one name both are sent.
        headers: Vec<(Fact<String>, Fact<String>)>,
        /// `protocol`: `HTTP2` is h2c, from Kubernetes 1.37 on and where `H2CContainerProbe` is turned on.
        protocol: Option<Fact<String>>,
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
        /// `mode`: `TLS`, from Kubernetes 1.37 on and where `GRPCContainerProbeTLS` is turned on.
        mode: Option<Fact<String>>,
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
    /// It is written with variables of the container in it (`subPathExpr`).
    pub sub_path_expr: bool,
    /// `readOnly`
    pub read_only: bool,
}
