//! What a container is told of its pod and of what it may use (`fieldRef`, `resourceFieldRef`). What only a node
//! knows is made up: a program that asks for its name wants one.

use std::collections::BTreeMap;
use std::thread::available_parallelism;

use goformats::buildinfo::quoted;
use provost_check::case::Case;
use provost_check::facts::objects::StringMap;
use provost_check::facts::proof::{NODE_ADDRESS, POD_ADDRESS};
use provost_check::facts::workload::WorkloadKind;
use provost_check::model::quantity::{Bytes, Millicores, Quantity};
use provost_check::model::{gomaxprocs, memlimit};

/// A value, and whether it only stands for the one that a node would give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) text: String,
    pub(super) made_up: bool,
}

impl Field {
    fn exact(text: impl Into<String>) -> Option<Self> {
        Some(Self { text: text.into(), made_up: false })
    }

    fn made_up(text: impl Into<String>) -> Option<Self> {
        Some(Self { text: text.into(), made_up: true })
    }
}

/// A field of the pod (`podFieldSelectorRuntimeValue` in pkg/kubelet/kubelet_pods.go and
/// `ExtractFieldPathAsString` in pkg/fieldpath/fieldpath.go of Kubernetes 1.37).
pub(super) fn of_pod(case: &Case<'_>, path: &str) -> Option<Field> {
    let pod = case.pod();
    let keyed = |map: &str| path.strip_prefix(map)?.strip_prefix("['")?.strip_suffix("']");
    // One that is not there is empty.
    let of =
        |map: &StringMap, key: &str| map.get(key).map_or_else(String::new, |it| it.value.clone());
    if let Some(key) = keyed("metadata.labels") {
        return Field::exact(of(&pod.labels, key));
    }
    if let Some(key) = keyed("metadata.annotations") {
        return Field::exact(of(&pod.annotations, key));
    }
    match path {
        "metadata.labels" => Field::exact(lines(&pod.labels)),
        "metadata.annotations" => Field::exact(lines(&pod.annotations)),
        "metadata.namespace" => Field::exact(&case.of.object.meta.namespace.value),
        "metadata.name" => {
            let name = case.of.object.meta.name.as_ref()?;
            name_of(case.workload().kind, &name.value)
        }
        "metadata.uid" => Field::made_up("00000000-0000-4000-8000-000000000000"),
        "spec.serviceAccountName" => Field::exact(&pod.service_account.value),
        "spec.nodeName" => Field::made_up("node-1"),
        // Addresses of the network that it is in, where that is its own.
        "status.podIP" | "status.podIPs" => Field::made_up(POD_ADDRESS.to_string()),
        "status.hostIP" | "status.hostIPs" => Field::made_up(NODE_ADDRESS.to_string()),
        _ => None,
    }
}

/// Pods of a workload have names of their own; it is one of that shape.
fn name_of(kind: WorkloadKind, name: &str) -> Option<Field> {
    match kind {
        WorkloadKind::Pod => Field::exact(name),
        WorkloadKind::StatefulSet => Field::made_up(format!("{name}-0")),
        WorkloadKind::Deployment | WorkloadKind::Rollout => {
            Field::made_up(format!("{name}-6d4cf56db6-x2x7q"))
        }
        WorkloadKind::CronJob => Field::made_up(format!("{name}-29000000-x2x7q")),
        _ => Field::made_up(format!("{name}-x2x7q")),
    }
}

/// `FormatMap`: by key, values as Go quotes them.
fn lines(map: &StringMap) -> String {
    let pairs: BTreeMap<&str, &str> = map.iter().collect();
    let lines: Vec<String> =
        pairs.into_iter().map(|(key, value)| format!("{key}={}", quoted(value))).collect();
    lines.join("\n")
}

/// What of a resource a container may use. Without a limit that is all that its node has, for which this machine
/// stands; nothing is asked for where nothing is written.
pub(super) fn of_resource(
    case: &Case<'_>,
    resource: &str,
    divisor: Option<&str>,
    container: Option<&str>,
) -> Option<Field> {
    if let Ok(text) = case.resource_value(resource, divisor, container) {
        return Field::exact(text);
    }
    let divisor = divisor.and_then(|text| Quantity::parse(text).ok());
    let text = match resource {
        "limits.cpu" => {
            let cpus = available_parallelism().map_or(1, |cpus| cpus.get() as u64);
            gomaxprocs::resource_field(Millicores(cpus * 1000), divisor).to_string()
        }
        "limits.memory" => memlimit::resource_field(Bytes(memory()?), divisor).to_string(),
        "requests.cpu" | "requests.memory" => "0".to_owned(),
        _ => return None,
    };
    Field::made_up(text)
}

/// All the memory of this machine.
fn memory() -> Option<u64> {
    #[cfg(target_os = "linux")]
    let all = provost_live::prove::memory::line("MemTotal");
    #[cfg(not(target_os = "linux"))]
    let all = None;
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_shape_of_their_kind() {
        let name = |kind| name_of(kind, "shop").unwrap();
        assert_eq!(name(WorkloadKind::Pod), Field { text: "shop".to_owned(), made_up: false });
        assert_eq!(name(WorkloadKind::StatefulSet).text, "shop-0");
        assert_eq!(name(WorkloadKind::Deployment).text.split('-').count(), 3);
    }
}
