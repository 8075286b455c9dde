//! Requests and limits beyond what a container writes: LimitRanges and the class of service.

use super::{Joined, WorkloadCase};
use crate::facts::document::Node;
use crate::facts::workload::{ContainerRole, Resources};
use crate::facts::{Fact, Object};
use crate::findings::{Abstain, Reason};
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

/// LimitRanges of one namespace, and items of one, that are looked at.
const MOST: usize = 64;

impl Supplied {
    /// Source: `SetDefaults_LimitRangeItem` in pkg/apis/core/v1/defaults.go: a limit comes from
    /// `default`, else `max`; a request from `defaultRequest`, else the limit, else `min`.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Limit => &["default", "max"],
            Self::Request => &["defaultRequest", "default", "max", "min"],
        }
    }
}

/// What a LimitRange supplies; of several items the last counts.
fn default_of<'w>(range: &'w Object, what: Supplied, resource: &str) -> Option<Node<'w>> {
    let amounts = limit_items(range, "Container")
        .filter_map(|item| what.fields().iter().find_map(|field| item.at(&[field, resource])));
    amounts.last()
}

impl<'w> Joined<'w> {
    /// LimitRanges of an object's namespace, whether or not they are applied together with it.
    pub fn limit_ranges(&self, object: &Object) -> impl Iterator<Item = &'w Object> + use<'w> {
        let world = self.world;
        let ranges = self.joins.limit_ranges(&object.meta.namespace.value);
        let ids: Vec<_> = ranges.iter().take(MOST).copied().collect();
        ids.into_iter().filter_map(|id| world.objects.get(id))
    }

    /// The same of ResourceQuotas.
    pub fn resource_quotas(&self, object: &Object) -> impl Iterator<Item = &'w Object> + use<'w> {
        let world = self.world;
        let quotas = self.joins.resource_quotas(&object.meta.namespace.value);
        let ids: Vec<_> = quotas.iter().take(MOST).copied().collect();
        ids.into_iter().filter_map(|id| world.objects.get(id))
    }
}

/// Items of a LimitRange that are for things of that type: `Container`, `Pod`,
/// `PersistentVolumeClaim`.
pub fn limit_items<'w>(
    range: &'w Object,
    of: &'static str,
) -> impl Iterator<Item = Node<'w>> + use<'w> {
    let items = range.node().at(&["spec", "limits"]).into_iter().flat_map(Node::items);
    items.take(MOST).filter(move |item| item.get("type").and_then(Node::as_str) == Some(of))
}

impl<'w> WorkloadCase<'w> {
    /// Whether a LimitRange of the namespace supplies the amount to containers without one, or may
    /// well.
    pub fn is_supplied(&self, what: Supplied, resource: &str) -> bool {
        let mut ranges = self.limit_ranges();
        ranges.any(|range| {
            self.joined.may_be_together(self.object, range)
                && default_of(range, what, resource).is_some()
        })
    }

    /// The amount that a LimitRange of the namespace supplies to containers without one, with its
    /// place; unknown where it cannot be told which of several does. Source:
    /// `defaultContainerResourceRequirements` and `mergeContainerResources` in
    /// plugin/pkg/admission/limitranger/admission.go, Kubernetes v1.37.2.
    pub fn supplied(
        &self,
        what: Supplied,
        resource: &str,
    ) -> Result<Option<Fact<Quantity>>, Abstain> {
        let unknown = |reason| {
            let what = format!("the LimitRange that supplies {resource}");
            Abstain::unknown(reason, what)
        };
        let mut found: Option<Node<'w>> = None;
        for range in self.limit_ranges() {
            if !self.joined.may_be_together(self.object, range) {
                continue;
            }
            let Some(amount) = default_of(range, what, resource) else { continue };
            let same = |other: Node<'_>| other.as_str() == amount.as_str();
            if !self.joined.together(self.object, range) || !found.is_none_or(same) {
                return Err(unknown(Reason::Alternatives));
            }
            self.joined.unpatched(range, &["spec/limits"])?;
            found = Some(amount);
        }
        let Some(amount) = found else { return Ok(None) };
        let text = amount.as_str().unwrap_or_default();
        let quantity = Quantity::parse(text).map_err(|_| unknown(Reason::Malformed))?;
        Ok(Some(Fact::defaulted(quantity, amount.origin())))
    }

    fn limit_ranges(&self) -> impl Iterator<Item = &'w Object> + use<'w> {
        self.joined.limit_ranges(self.object)
    }

    /// The class of service the pods will have by what is written.
    pub fn qos(&self) -> Class {
        let known = self.joined.classes.get(self.id);
        known.map_or_else(|| self.find_qos(), |known| *known.get_or_init(|| self.find_qos()))
    }

    fn find_qos(&self) -> Class {
        let pod = self.template().pod();
        let supplied = |what, resource| {
            let supplied = self.supplied(what, resource).ok().flatten();
            supplied.map(|amount| amount.value)
        };
        let defaults = qos::Resources {
            cpu_request: supplied(Supplied::Request, "cpu"),
            cpu_limit: supplied(Supplied::Limit, "cpu"),
            memory_request: supplied(Supplied::Request, "memory"),
            memory_limit: supplied(Supplied::Limit, "memory"),
        };
        let containers: Vec<qos::Resources> = pod
            .containers
            .iter()
            .filter(|container| container.role != ContainerRole::Ephemeral)
            .map(|container| container.resources.amounts().with_defaults(&defaults))
            .collect();
        qos::class(
            &pod.resources.as_deref().map(Resources::amounts).unwrap_or_default(),
            &containers,
        )
    }
}
