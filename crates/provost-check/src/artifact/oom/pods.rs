//! Pods and events as `kubectl get -o yaml` and `-o json` print them: what a manifest has no place for.

use jiff::Timestamp;

use crate::facts::Object;
use crate::facts::container::EnvValue;
use crate::facts::document::Node;
use crate::facts::oom::{ContainerStatus, Event, Pod, Setting, Terminated};
use crate::facts::origin::Fact;
use crate::facts::workload::{ContainerRole, Resources};
use crate::model::Quantity;
use crate::model::qos::{self, Class};
use crate::model::secret::masked;

/// Pods and events that are kept.
pub(super) const MOST: usize = 10_000;
/// Containers of one pod; what the API server keeps of an object has room for no more.
pub(super) const MOST_CONTAINERS: usize = 1024;
/// Letters of a message that are kept.
const LONGEST_MESSAGE: usize = 400;

/// Whether a text begins as what a cluster prints: objects, in YAML or JSON.
pub fn is_cluster(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if let Some(inside) = text.strip_prefix('{') {
        // Logs may be JSON as well, line by line, and of anything.
        let first = inside.trim_start();
        return first.starts_with("\"apiVersion\"") || first.starts_with("\"kind\"");
    }
    let lines = || text.lines().take(64);
    let is_content = |line: &&str| !line.trim().is_empty() && !line.starts_with(['#', '%']);
    let first = lines().filter(is_content).find(|line| line.trim_end() != "---");
    // A log may quote an object, which then is not where it begins.
    first.is_some_and(is_entry)
        && lines().any(|line| line.strip_prefix("- ").unwrap_or(line).starts_with("apiVersion:"))
}

/// `kind: Pod`, `- apiVersion: v1` or `items:`
fn is_entry(line: &str) -> bool {
    let line = line.strip_prefix("- ").unwrap_or(line);
    let Some((key, rest)) = line.split_once(':') else { return false };
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_key && (rest.trim().is_empty() || rest.starts_with(' '))
}

/// The pods among objects.
pub fn pods(objects: &[Object]) -> Vec<Pod> {
    objects.iter().filter_map(pod).take(MOST).collect()
}

/// The events among objects.
pub fn events(objects: &[Object]) -> Vec<Event> {
    objects.iter().filter_map(event).take(MOST).collect()
}

fn pod(object: &Object) -> Option<Pod> {
    if object.meta.kind.value != "Pod" {
        return None;
    }
    let node = object.node();
    let text = |path: &[&str]| node.at(path).and_then(Node::as_str).map(str::to_owned);
    let status = node.get("status");
    let kinds = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let statuses = kinds.iter().filter_map(|kind| status?.get(kind)).flat_map(Node::items);
    Some(Pod {
        origin: object.origin(),
        namespace: object.meta.namespace.value.clone(),
        name: object.meta.name().to_owned(),
        uid: text(&["metadata", "uid"]),
        qos: text(&["status", "qosClass"]).or_else(|| class(object)),
        reason: status.and_then(|status| status.text_fact("reason")),
        message: text(&["status", "message"]).map(|message| cut(&message)),
        deletion: node.get("metadata").and_then(|meta| time(meta, "deletionTimestamp")),
        containers: statuses
            .take(MOST_CONTAINERS)
            .filter_map(|status| container(object, status))
            .collect(),
    })
}

/// The class by what the pod asks for: some kubelets write a status without it over the one of a pod that they evict.
fn class(object: &Object) -> Option<String> {
    let pod = &object.workload()?.pod;
    let containers: Vec<qos::Resources> = pod
        .containers
        .iter()
        .filter(|container| container.role != ContainerRole::Ephemeral)
        .map(|container| container.resources.amounts())
        .collect();
    if containers.is_empty() {
        return None;
    }
    let of_pod = pod.resources.as_deref().map(Resources::amounts).unwrap_or_default();
    let class = match qos::class(&of_pod, &containers) {
        Class::Guaranteed => "Guaranteed",
        Class::Burstable => "Burstable",
        Class::BestEffort => "BestEffort",
    };
    Some(class.to_owned())
}

fn container(object: &Object, status: Node<'_>) -> Option<ContainerStatus> {
    let name = status.get("name")?;
    let spec = object
        .workload()
        .and_then(|workload| workload.pod.container_named(name.as_str().unwrap_or_default()));
    let asked = spec.and_then(|spec| {
        let limit = spec.resources.limits.memory.as_ref()?;
        Some(Fact::written(limit.amount?, limit.text.origin.clone()))
    });
    let in_force = status.at(&["resources", "limits", "memory"]).and_then(|node| {
        let quantity = Quantity::parse(node.as_str()?).ok()?;
        Some(Fact::written(quantity.bytes(), node.origin()))
    });
    let resized = in_force.as_ref().zip(asked.as_ref()).is_some_and(|(a, b)| a.value != b.value);
    let wanted = asked.clone().filter(|_| resized);
    let gomemlimit = spec.and_then(|spec| {
        let named = spec.env.iter().rev().find(|variable| variable.name.value == "GOMEMLIMIT");
        let Some(variable) = named else {
            let whole = spec.env_from.iter().find(|from| "GOMEMLIMIT".starts_with(&from.prefix))?;
            return Some(Fact::derived(Setting::Perhaps, whole.origin.clone()));
        };
        let setting = match &variable.value {
            EnvValue::Literal(value) if !value.value.contains("$(") => {
                return Some(Fact::written(
                    Setting::Written(value.value.clone()),
                    value.origin.clone(),
                ));
            }
            _ => Setting::Elsewhere,
        };
        Some(Fact::derived(setting, variable.origin.clone()))
    });
    let ends = ["state", "lastState"].iter().filter_map(|state| status.at(&[state, "terminated"]));
    Some(ContainerStatus {
        origin: name.origin(),
        name: name.as_str()?.to_owned(),
        id: status.get("containerID").and_then(id),
        limit: in_force.or(asked),
        wanted,
        gomemlimit,
        running_since: status.at(&["state", "running"]).and_then(|it| time(it, "startedAt")),
        ends: ends.filter_map(end).collect(),
        restarts: status.get("restartCount").and_then(Node::as_i64).unwrap_or(0),
    })
}

fn end(terminated: Node<'_>) -> Option<Terminated> {
    let code = terminated.get("exitCode")?;
    Some(Terminated {
        exit_code: Fact::written(code.as_i64()?, code.origin()),
        reason: terminated.text_fact("reason"),
        finished: time(terminated, "finishedAt"),
        id: terminated.get("containerID").and_then(id),
    })
}

/// `containerd://0123...`
fn id(node: Node<'_>) -> Option<String> {
    id_of(node.as_str()?)
}

pub(super) fn id_of(text: &str) -> Option<String> {
    let (_, id) = text.split_once("://")?;
    (id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| id.to_owned())
}

fn time(node: Node<'_>, key: &str) -> Option<Fact<Timestamp>> {
    let value = node.get(key)?;
    Some(Fact::written(value.as_str()?.parse().ok()?, value.origin()))
}

fn event(object: &Object) -> Option<Event> {
    if object.meta.kind.value != "Event" {
        return None;
    }
    let node = object.node();
    // `v1` and `events.k8s.io/v1` call them by other names.
    let about = node.get("involvedObject").or_else(|| node.get("regarding"))?;
    let text = |node: Node<'_>, key: &str| {
        node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned()
    };
    let message = node.get("message").or_else(|| node.get("note")).and_then(Node::as_str);
    let path = text(about, "fieldPath");
    let name = path.split_once('{').and_then(|(_, rest)| rest.strip_suffix('}'));
    let times = [
        node.get("series").and_then(|series| time(series, "lastObservedTime")),
        time(node, "lastTimestamp"),
        time(node, "deprecatedLastTimestamp"),
        time(node, "eventTime"),
    ];
    Some(Event {
        reason: node.text_fact("reason")?,
        message: cut(message.unwrap_or_default()),
        about: (text(about, "namespace"), text(about, "kind"), text(about, "name")),
        container: name.map(str::to_owned),
        last: times.into_iter().flatten().next().map(|time| time.value),
    })
}

pub(super) fn cut(text: &str) -> String {
    // What is cut first has the shape of a secret no longer.
    masked(text).chars().take(LONGEST_MESSAGE).collect()
}
