//! Requests and limits beyond what a container writes: LimitRanges and the class of service.

use super::WorkloadCase;
use crate::facts::Origin;
use crate::facts::document::Node;
use crate::facts::workload::{ContainerRole, Resources};
use crate::model::qos::{self, Class};
use crate::model::quantity::Quantity;

/// Which amount a LimitRange may supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supplied {
    /// A limit.
    Limit,
    /// A request.
    Request,
}

impl WorkloadCase<'_> {
    /// The place in a LimitRange of the namespace that supplies the amount to containers without
    /// one. Source: `SetDefaults_LimitRangeItem` in pkg/apis/core/v1/defaults.go: a limit comes
    /// from `default`, else `max`; a request from `defaultRequest`, else the limit, else `min`.
    pub fn limit_range(&self, what: Supplied, resource: &str) -> Option<Origin> {
        let fields: &[&str] = match what {
            Supplied::Limit => &["default", "max"],
            Supplied::Request => &["defaultRequest", "default", "max", "min"],
        };
        let joins = &self.joined.joins;
        let ranges = joins.limit_ranges(&self.object.meta.namespace.value);
        let ranges = ranges.iter().filter_map(|id| self.world().objects.get(*id));
        ranges.filter(|range| self.joined.together(self.object, range)).find_map(|range| {
            let items = range.node().at(&["spec", "limits"]).into_iter().flat_map(Node::items);
            items
                .filter(|item| item.get("type").and_then(Node::as_str) == Some("Container"))
                .find_map(|item| {
                    fields.iter().find_map(|field| item.at(&[field, resource])).map(Node::origin)
                })
        })
    }

    /// The class of service the pods will have by what is written.
    pub fn qos(&self) -> Class {
        let known = self.joined.classes.get(self.id);
        known.map_or_else(|| self.find_qos(), |known| *known.get_or_init(|| self.find_qos()))
    }

    fn find_qos(&self) -> Class {
        let pod = self.template().pod();
        let containers: Vec<qos::Resources> = pod
            .containers
            .iter()
            .filter(|container| container.role != ContainerRole::Ephemeral)
            .map(|container| amounts(&container.resources))
            .collect();
        qos::class(&pod.resources.as_deref().map(amounts).unwrap_or_default(), &containers)
    }
}

fn amounts(resources: &Resources) -> qos::Resources {
    let read = |text: Option<&str>| Quantity::parse(text?).ok();
    let (requests, limits) = (&resources.requests, &resources.limits);
    qos::Resources {
        cpu_request: read(requests.cpu.as_ref().map(|cpu| cpu.text.value.as_str())),
        cpu_limit: read(limits.cpu.as_ref().map(|cpu| cpu.text.value.as_str())),
        memory_request: read(requests.memory.as_ref().map(|memory| memory.text.value.as_str())),
        memory_limit: read(limits.memory.as_ref().map(|memory| memory.text.value.as_str())),
    }
}
