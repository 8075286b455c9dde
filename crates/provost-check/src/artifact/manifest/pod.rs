//! Pod specs and the workloads that carry them.

use super::read::{Parent, Reader};
use crate::facts::document::Node;
use crate::facts::objects::{StringMap, TargetRef};
use crate::facts::order::Order;
use crate::facts::origin::Fact;
use crate::facts::ports::PodPorts;
use crate::facts::rollout::Rollout;
use crate::facts::workload::{
    ContainerRole, IntOrPercent, PodTemplate, ProjectedSource, Strategy, Volume, VolumeItem,
    VolumeKind, Workload, WorkloadKind,
};

/// Where the controller of Argo Workflows has the text of a script template (`ExecutorScriptSourcePath`
/// in workflow/common/common.go).
const SCRIPT: &str = "/argo/staging/script";

/// Kinds with a pod template, by API group and kind. Groups are those of the API server at 1.37 and
/// the ones it served before, so that an old manifest is still judged.
pub(super) fn workload_kind(group: &str, kind: &str) -> Option<WorkloadKind> {
    let apps = matches!(group, "apps" | "extensions" | "");
    Some(match kind {
        "Pod" if group.is_empty() => WorkloadKind::Pod,
        "ReplicationController" if group.is_empty() => WorkloadKind::ReplicationController,
        "Deployment" if apps => WorkloadKind::Deployment,
        "StatefulSet" if apps => WorkloadKind::StatefulSet,
        "DaemonSet" if apps => WorkloadKind::DaemonSet,
        "ReplicaSet" if apps => WorkloadKind::ReplicaSet,
        "Job" if matches!(group, "batch" | "extensions" | "") => WorkloadKind::Job,
        "CronJob" if matches!(group, "batch" | "") => WorkloadKind::CronJob,
        "Rollout" if group == "argoproj.io" => WorkloadKind::Rollout,
        _ => return None,
    })
}

/// The pod of a workload: its metadata and the spec with the key that holds it.
struct Place<'d> {
    metadata: Option<Node<'d>>,
    spec: Parent<'d>,
}

impl Reader<'_> {
    pub(super) fn workload(&mut self, object: Parent<'_>, kind: WorkloadKind) -> Option<Workload> {
        let spec = self.parent(object, "spec");
        let place = match kind {
            WorkloadKind::Pod => Place { metadata: object.get("metadata"), spec },
            WorkloadKind::CronJob => {
                let job = self.parent(spec, "jobTemplate");
                let job = self.parent(job, "spec");
                self.template(job)
            }
            _ => self.template(spec),
        };
        let workload_ref = match kind {
            WorkloadKind::Rollout => self.target_ref(spec, "workloadRef"),
            _ => None,
        };
        let replicated = matches!(
            kind,
            WorkloadKind::Deployment
                | WorkloadKind::StatefulSet
                | WorkloadKind::ReplicaSet
                | WorkloadKind::ReplicationController
                | WorkloadKind::Rollout
        );
        let progresses = matches!(kind, WorkloadKind::Deployment | WorkloadKind::Rollout);
        let selector = match kind {
            WorkloadKind::ReplicationController => self.plain_selector(spec),
            WorkloadKind::Pod | WorkloadKind::CronJob => None,
            _ => self.selector(spec.node, "selector"),
        };
        Some(Workload {
            kind,
            replicas: replicated.then(|| self.int_or(spec, "replicas", 1)),
            strategy: self.strategy(spec, kind),
            min_ready_seconds: self.int_or(spec, "minReadySeconds", 0),
            progress_deadline_seconds: progresses
                .then(|| self.int_or(spec, "progressDeadlineSeconds", 600)),
            selector,
            service_name: match kind {
                WorkloadKind::StatefulSet => self.nonempty(spec.node, "serviceName"),
                _ => None,
            },
            workload_ref,
            rollout: match (kind, object.node) {
                (WorkloadKind::Rollout, Some(node)) => Some(Box::new(Rollout::read(node))),
                _ => None,
            },
            pod: self.pod(place)?,
        })
    }

    /// A kind that is not known but holds a pod template where controllers commonly keep it.
    pub(super) fn other_workload(&mut self, object: Parent<'_>) -> Option<Workload> {
        let spec = Parent { node: object.get("spec"), name: object.name };
        let holds = |parent: Parent<'_>| {
            parent.get("spec").is_some_and(|s| {
                s.is_mapping()
                    && s.get("containers").is_some_and(|c| {
                        c.is_sequence() && c.items().next().is_some_and(Node::is_mapping)
                    })
            })
        };
        let paths: &[&[&str]] = &[
            &["template"],
            &["podTemplate"],
            &["podTemplateSpec"],
            &["deploymentTemplate", "spec", "template"],
            &["jobTemplate", "spec", "template"],
            &["jobTargetRef", "template"],
            &["workload", "spec", "template"],
        ];
        let mut found = None;
        for path in paths {
            let mut at = spec;
            let mut complete = true;
            for key in *path {
                match at.node.filter(|n| n.is_mapping()).and_then(|n| n.get_entry(key)) {
                    Some((name, node)) => at = Parent { node: Some(node), name },
                    None => {
                        complete = false;
                        break;
                    }
                }
            }
            if complete && at.node.is_some_and(Node::is_mapping) && holds(at) {
                found = Some(at);
                break;
            }
        }
        let template = found?;
        let place =
            Place { metadata: template.get("metadata"), spec: self.parent(template, "spec") };
        let pod = self.pod(place)?;
        Some(Self::bare(pod, template))
    }

    /// Argo Workflows: every template runs a pod of its own. They are taken together, since they
    /// share all that stands in the spec (pkg/apis/workflow/v1alpha1/workflow_types.go).
    pub(super) fn workflow(&mut self, object: Parent<'_>, kind: &str) -> Option<Workload> {
        let mut spec = self.parent(object, "spec");
        if kind == "CronWorkflow" {
            spec = self.parent(spec, "workflowSpec");
        }
        let metadata = self.parent(spec, "podMetadata").node;
        let mut containers = Vec::new();
        for template in self.mappings(spec, "templates") {
            let here = Parent { node: Some(template), name: template };
            for node in self.mappings(here, "initContainers") {
                containers.push(self.container(node, ContainerRole::Init));
            }
            for key in ["container", "script"] {
                if let Some(node) = self.parent(here, key).node {
                    let mut container = self.container(node, ContainerRole::Main);
                    if key == "script" {
                        // The controller writes `source` to a file and names that behind the
                        // arguments (workflow/controller/operator.go, executeScript).
                        let source = node.get("source").unwrap_or(node);
                        let file = Fact::derived(SCRIPT.to_owned(), source.origin());
                        container.args.get_or_insert_default().push(file);
                    }
                    // It has no name of its own: it is the template's.
                    if container.name.is_none() {
                        container.name = self.nonempty(Some(template), "name");
                        if let Some(name) = &container.name {
                            container.origin = name.origin.clone();
                        }
                    }
                    containers.push(container);
                }
            }
            let set = self.parent(here, "containerSet");
            for node in self.mappings(set, "containers") {
                containers.push(self.container(node, ContainerRole::Main));
            }
            for node in self.mappings(here, "sidecars") {
                containers.push(self.container(node, ContainerRole::Sidecar));
            }
        }
        let mut pod = self.pod(Place { metadata, spec })?;
        pod.containers = containers;
        pod.restart_policy = Fact::defaulted("Never".to_owned(), spec.origin());
        Some(Self::bare(pod, spec))
    }

    /// A workload of which nothing is known but its pods.
    fn bare(pod: PodTemplate, at: Parent<'_>) -> Workload {
        Workload {
            kind: WorkloadKind::Other,
            replicas: None,
            strategy: None,
            min_ready_seconds: Fact::defaulted(0, at.origin()),
            progress_deadline_seconds: None,
            selector: None,
            service_name: None,
            workload_ref: None,
            rollout: None,
            pod,
        }
    }

    fn template<'d>(&mut self, spec: Parent<'d>) -> Place<'d> {
        let template = self.parent(spec, "template");
        Place { metadata: template.get("metadata"), spec: self.parent(template, "spec") }
    }

    /// `scaleTargetRef` and its like.
    pub(super) fn target_ref(&mut self, at: Parent<'_>, key: &str) -> Option<TargetRef> {
        let target = self.parent(at, key);
        let node = target.node?;
        Some(TargetRef {
            origin: target.origin(),
            api_version: self.nonempty(Some(node), "apiVersion"),
            kind: self.text(Some(node), "kind")?,
            name: self.text(Some(node), "name")?,
        })
    }

    /// Defaults: pkg/apis/apps/v1/defaults.go; Argo Rollouts utils/defaults/defaults.go, whose
    /// constants are written `"25%"`-less but read as a percentage.
    fn strategy(&mut self, spec: Parent<'_>, kind: WorkloadKind) -> Option<Strategy> {
        use IntOrPercent::{Int, Percent};
        let (key, surge, unavailable) = match kind {
            WorkloadKind::Deployment | WorkloadKind::Rollout => {
                ("strategy", Percent(25), Percent(25))
            }
            WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {
                ("updateStrategy", Int(0), Int(1))
            }
            _ => return None,
        };
        let strategy = self.parent(spec, key);
        let (strategy_type, at) = if kind == WorkloadKind::Rollout {
            let canary = self.parent(strategy, "canary");
            let blue_green = self.parent(strategy, "blueGreen");
            if canary.node.is_some() {
                (Fact::written("Canary".to_owned(), canary.origin()), canary)
            } else if blue_green.node.is_some() {
                (Fact::written("BlueGreen".to_owned(), blue_green.origin()), blue_green)
            } else {
                // `canary: {}` may be written as `canary:`; the key alone says which.
                let name = strategy.node.and_then(|node| node.entries().next()).map(|(key, _)| key);
                let kind = match name.and_then(Node::as_str) {
                    Some("blueGreen") => "BlueGreen",
                    _ => "Canary",
                };
                (Fact::defaulted(kind.to_owned(), strategy.origin()), strategy)
            }
        } else {
            let strategy_type = self.text_or(strategy, "type", "RollingUpdate");
            (strategy_type, self.parent(strategy, "rollingUpdate"))
        };
        let mut share = |key: &str, default: IntOrPercent| {
            self.share(at.node, key).unwrap_or_else(|| Fact::defaulted(default, at.origin()))
        };
        Some(Strategy {
            origin: strategy.origin(),
            strategy_type,
            max_surge: share("maxSurge", surge),
            max_unavailable: share("maxUnavailable", unavailable),
        })
    }

    fn pod(&mut self, place: Place<'_>) -> Option<PodTemplate> {
        let spec = place.spec;
        let at = spec.node;
        let mut containers = Vec::new();
        for (key, role) in [
            ("initContainers", ContainerRole::Init),
            ("containers", ContainerRole::Main),
            ("ephemeralContainers", ContainerRole::Ephemeral),
        ] {
            for node in self.mappings(spec, key) {
                containers.push(self.container(node, role));
            }
        }
        containers.shrink_to_fit();
        let meta = Parent { node: place.metadata.filter(|n| n.is_mapping()), name: spec.name };
        let account = self.nonempty(at, "serviceAccountName");
        let account = account.or_else(|| self.nonempty(at, "serviceAccount"));
        let pod_resources = at.and_then(|n| n.get("resources")).map(|_| self.resources(spec));
        Some(PodTemplate {
            origin: spec.origin(),
            spec: at.unwrap_or(spec.name).id,
            labels: self.string_map(meta.node, "labels"),
            annotations: self.string_map(meta.node, "annotations"),
            containers,
            container_names: Order::default(),
            port_orders: PodPorts::default(),
            grace_period: self.int_or(spec, "terminationGracePeriodSeconds", 30),
            restart_policy: self.text_or(spec, "restartPolicy", "Always"),
            volumes: self.all_of(spec, "volumes", Self::volume),
            volume_names: Order::default(),
            host_network: self.bool_or(spec, "hostNetwork", false),
            host_pid: self.bool_or(spec, "hostPID", false),
            host_ipc: self.bool_or(spec, "hostIPC", false),
            host_users: self.bool_or(spec, "hostUsers", true),
            share_process_namespace: self.bool_or(spec, "shareProcessNamespace", false),
            service_account: account
                .unwrap_or_else(|| Fact::defaulted("default".to_owned(), spec.origin())),
            automount: self.bool(at, "automountServiceAccountToken"),
            service_links: self.bool_or(spec, "enableServiceLinks", true),
            pull_secrets: self
                .mappings(spec, "imagePullSecrets")
                .into_iter()
                .filter_map(|secret| self.nonempty(Some(secret), "name"))
                .collect(),
            priority_class: self.nonempty(at, "priorityClassName"),
            node_selector: match at {
                Some(_) => self.string_map(at, "nodeSelector"),
                None => StringMap::default(),
            },
            security: self.security(spec),
            resources: pod_resources.map(Box::new),
        })
    }

    fn volume(&mut self, node: Node<'_>) -> Option<Volume> {
        let here = Some(node);
        let name = self.text(here, "name")?;
        let source = merged_source(node);
        let Some((key, value)) = source else {
            // `SetDefaults_Volume`: no source is an emptyDir.
            let kind = VolumeKind::EmptyDir { medium: None, size_limit: None };
            return Some(Volume { origin: name.origin.clone(), name, kind });
        };
        let at = Parent { node: Some(value).filter(|v| v.is_mapping()), name: key };
        let missing = || Fact::defaulted(String::new(), key.origin());
        let kind = match key.as_str().unwrap_or_default() {
            "emptyDir" => VolumeKind::EmptyDir {
                medium: self.nonempty(at.node, "medium"),
                size_limit: self.bytes(at.node, "sizeLimit"),
            },
            "hostPath" => VolumeKind::HostPath(self.text(at.node, "path").unwrap_or_else(missing)),
            "configMap" => VolumeKind::ConfigMap {
                name: self.text(at.node, "name").unwrap_or_else(missing),
                items: self.all_of(at, "items", Self::item),
                optional: self.flag(at.node, "optional"),
            },
            "secret" => VolumeKind::Secret {
                name: self.text(at.node, "secretName").unwrap_or_else(missing),
                items: self.all_of(at, "items", Self::item),
                optional: self.flag(at.node, "optional"),
            },
            "persistentVolumeClaim" => {
                VolumeKind::Claim(self.text(at.node, "claimName").unwrap_or_else(missing))
            }
            "projected" => self.projected(at),
            other => VolumeKind::Other(other.to_owned()),
        };
        Some(Volume { origin: name.origin.clone(), name, kind })
    }

    fn projected(&mut self, at: Parent<'_>) -> VolumeKind {
        let all = self.mappings(at, "sources");
        let service_account_token = all.iter().any(|s| s.get("serviceAccountToken").is_some());
        let mut sources = Vec::new();
        for source in all {
            for (key, secret) in [("configMap", false), ("secret", true)] {
                let Some((name, node)) = source.get_entry(key) else { continue };
                let at = Parent { node: Some(node).filter(|node| node.is_mapping()), name };
                let Some(name) = self.nonempty(at.node, "name") else { continue };
                let (items, optional) =
                    (self.all_of(at, "items", Self::item), self.flag(at.node, "optional"));
                sources.push(ProjectedSource { secret, name, items, optional });
            }
        }
        VolumeKind::Projected { service_account_token, sources }
    }

    fn item(&mut self, node: Node<'_>) -> Option<VolumeItem> {
        let here = Some(node);
        Some(VolumeItem { key: self.text(here, "key")?, path: self.nonempty(here, "path") })
    }
}

/// The entry of a volume that is not its name. `emptyDir:` with nothing behind it is no source:
/// null decodes to a missing one, and the default is an emptyDir again.
fn merged_source<'d>(node: Node<'d>) -> Option<(Node<'d>, Node<'d>)> {
    let entries = super::read::merged_entries(node);
    entries.into_iter().rev().find(|(key, value)| key.as_str() != Some("name") && !value.is_null())
}
