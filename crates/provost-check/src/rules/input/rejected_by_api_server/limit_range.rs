//! Containers, pods and claims outside of what a LimitRange of their namespace lets through.
//!
//! The workload is taken, and its pods are refused (`PodValidateLimitFunc` and
//! `PersistentVolumeClaimValidateLimitFunc` in plugin/pkg/admission/limitranger/admission.go of Kubernetes
//! v1.37.2). Requests that are not written are the limits (`SetDefaults_Pod` in pkg/apis/core/v1/defaults.go),
//! what is missing then a LimitRange supplies.

use std::cell::{Cell, RefCell};

use rustc_hash::FxHashMap;

use super::{RULE, items};
use crate::case::resources::{Supplied, limit_items};
use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::document::Node;
use crate::facts::{Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Reason};
use crate::model::limit_range::{self, Asked, Refused};
use crate::model::quantity::Quantity;
use crate::rules::rule::Findings;

/// Containers of one pod that are looked at.
const CONTAINERS: usize = 256;

/// Resources in one bound of a LimitRange.
const RESOURCES: usize = 64;

/// Looks at containers for all bounds that one object is held against; a hostile input has millions, and as
/// many objects.
const MOST: usize = 1024;

/// Since that minor pods may have resources as a whole, which count for its sums.
const POD_LEVEL: u16 = 34;

/// Bounds of an item, by their fields.
const BOUNDS: [&str; 3] = ["min", "max", RATIO];
const RATIO: &str = "maxLimitRequestRatio";

/// What is asked for of one resource, and where.
#[derive(Clone, Copy)]
pub(super) struct Amounts<'w> {
    pub(super) asked: Asked,
    pub(super) request: Option<Node<'w>>,
    pub(super) limit: Option<Node<'w>>,
}

impl<'w> Amounts<'w> {
    /// Where the amount that is refused is written.
    fn written(&self, refused: Refused) -> Option<Node<'w>> {
        match refused {
            // A request that nobody wrote is the limit.
            Refused::Request => self.request.or(self.limit),
            Refused::Limit | Refused::Ratio(_) => self.limit,
            Refused::NoRequest | Refused::NoLimit => None,
        }
    }

    /// The nearest place to it.
    fn place(&self, refused: Refused) -> Option<Node<'w>> {
        self.written(refused).or(self.request).or(self.limit)
    }
}

/// What LimitRanges supply to containers, by resource; worked out once for all of them.
pub(super) struct Defaults<'w> {
    workload: WorkloadCase<'w>,
    known: RefCell<FxHashMap<String, Result<Asked, Abstain>>>,
}

impl<'w> Defaults<'w> {
    /// Those of the workload's namespace.
    pub(super) fn of_pods(workload: WorkloadCase<'w>) -> Self {
        Self { workload, known: RefCell::default() }
    }

    fn of(&self, resource: &str) -> Result<Asked, Abstain> {
        if let Some(known) = self.known.borrow().get(resource) {
            return known.clone();
        }
        let supplied = |what| Ok(self.workload.supplied(what, resource)?.map(|it| it.value));
        let both = || {
            Ok(Asked { request: supplied(Supplied::Request)?, limit: supplied(Supplied::Limit)? })
        };
        let both = both();
        self.known.borrow_mut().insert(resource.to_owned(), both.clone());
        both
    }
}

/// Containers and pods.
pub(super) fn pods(case: &ObjectCase<'_>, out: &mut Findings) {
    let Some(workload) = case.joined.workload(case.id) else { return };
    let spec = case.object.document.node(workload.pod().spec);
    let Some(name) = spec.get_entry("containers").map(|(key, _)| key) else { return };
    let mut ranges = case.joined.limit_ranges(case.object).peekable();
    if ranges.peek().is_none() {
        return;
    }
    let fields = ["containers/resources", "initContainers/resources", "resources", "containers"];
    if let Err(patched) = workload.pod_unpatched(&fields) {
        out.abstain(patched);
        return;
    }
    let defaults = Defaults::of_pods(workload);
    let left = Cell::new(MOST);
    // A sum is a look at each of them.
    let all = || items(spec, "containers").chain(items(spec, "initContainers"));
    let in_pod = all().take(CONTAINERS).count();
    for range in ranges {
        let judge = Judge { case, range, left: &left };
        for item in limit_items(range, "Container") {
            for container in all().take(CONTAINERS) {
                let name = container.get("name").and_then(Node::as_str).unwrap_or_default();
                let place = container.get("name").unwrap_or(container).origin();
                let of = |resource: &str| of_container(&defaults, container, resource);
                let what = format!("container {name}");
                judge.item(item, ("Container", 1), &what, &place, of, out);
            }
        }
        for item in limit_items(range, "Pod") {
            let of = |resource: &str| of_pod(case, &defaults, spec, resource);
            judge.item(item, ("Pod", in_pod), "the pod", &name.origin(), of, out);
        }
    }
    told(left.get(), out);
}

/// Says that not all was looked at.
fn told(left: usize, out: &mut Findings) {
    if left == 0 {
        let what = format!("more than {MOST} amounts against LimitRanges");
        out.abstain(Abstain::unknown(Reason::LimitReached, what));
    }
}

/// Claims, and the templates of a StatefulSet's.
pub(super) fn claims(case: &ObjectCase<'_>, out: &mut Findings) {
    let root = case.object.node();
    let all: Vec<Node<'_>> = match case.object.meta.kind.value.as_str() {
        "PersistentVolumeClaim" => vec![root],
        "StatefulSet" => root
            .get("spec")
            .into_iter()
            .flat_map(|spec| items(spec, "volumeClaimTemplates"))
            .collect(),
        _ => return,
    };
    let left = Cell::new(MOST);
    for range in case.joined.limit_ranges(case.object) {
        let judge = Judge { case, range, left: &left };
        for item in limit_items(range, "PersistentVolumeClaim") {
            for claim in all.iter().take(CONTAINERS) {
                let Some((key, spec)) = claim.get_entry("spec") else { continue };
                let name = claim.at(&["metadata", "name"]).and_then(Node::as_str);
                let what = format!("claim {}", name.unwrap_or_default());
                let of = |resource: &str| {
                    let request = spec.at(&["resources", "requests", resource]);
                    let asked = Asked { request: quantity(request)?, limit: None };
                    Ok(Amounts { asked, request, limit: None })
                };
                let place = key.origin();
                judge.item(item, ("PersistentVolumeClaim", 1), &what, &place, of, out);
            }
        }
    }
    told(left.get(), out);
}

/// An amount; unknown where it is no quantity, which is told of elsewhere.
fn quantity(node: Option<Node<'_>>) -> Result<Option<Quantity>, Abstain> {
    let Some(node) = node else { return Ok(None) };
    let text = node.as_str().unwrap_or_default();
    let parsed = Quantity::parse(text);
    parsed
        .map(Some)
        .map_err(|_| Abstain::unknown(Reason::Malformed, "an amount that is no quantity"))
}

/// What a container asks for, with what is filled in.
pub(super) fn of_container<'w>(
    defaults: &Defaults<'w>,
    container: Node<'w>,
    resource: &str,
) -> Result<Amounts<'w>, Abstain> {
    let written = |list: &str| container.at(&["resources", list, resource]);
    let (request, limit) = (written("requests"), written("limits"));
    let mut asked = Asked { request: quantity(request)?, limit: quantity(limit)? };
    asked.request = asked.request.or(asked.limit);
    if asked.request.is_none() || asked.limit.is_none() {
        let supplied = defaults.of(resource)?;
        asked.request = asked.request.or(supplied.request);
        asked.limit = asked.limit.or(supplied.limit);
    }
    Ok(Amounts { asked, request, limit })
}

/// What all containers of a pod ask for together, or the pod itself.
pub(super) fn of_pod<'w>(
    case: &ObjectCase<'w>,
    defaults: &Defaults<'w>,
    spec: Node<'w>,
    resource: &str,
) -> Result<Amounts<'w>, Abstain> {
    let each = |list: &str| -> Result<Vec<(bool, Asked)>, Abstain> {
        let all = items(spec, list).take(CONTAINERS + 1).map(|container| {
            let goes_on = container.get("restartPolicy").and_then(Node::as_str) == Some("Always");
            Ok((goes_on, of_container(defaults, container, resource)?.asked))
        });
        all.collect()
    };
    let (main, init) = (each("containers")?, each("initContainers")?);
    if main.len().max(init.len()) > CONTAINERS {
        return Err(Abstain::unknown(Reason::LimitReached, "the sum of hundreds of containers"));
    }
    let total = |of: fn(&Asked) -> Option<Quantity>| {
        let init = init.iter().map(|(goes_on, asked)| (*goes_on, of(asked)));
        limit_range::of_pod(main.iter().map(|(_, asked)| of(asked)), init)
    };
    let mut asked =
        Asked { request: total(|asked| asked.request), limit: total(|asked| asked.limit) };
    let whole = |list: &str| spec.at(&["resources", list, resource]);
    let (request, limit) = (whole("requests"), whole("limits"));
    if matches!(resource, "cpu" | "memory") && (request.is_some() || limit.is_some()) {
        let (oldest, _) = case.world().settings.kubernetes();
        if oldest < POD_LEVEL {
            let what = format!("whether Kubernetes 1.{oldest} has resources of pods");
            return Err(Abstain::unknown(Reason::VersionUnknown, what));
        }
        // Where only the limit is written the request is filled in: from the containers, where they ask
        // for any, in a way that depends on gates (`defaultPodRequests`), else from the limit.
        let asks = |list: &str| {
            items(spec, list).take(CONTAINERS).any(|it| {
                ["requests", "limits"]
                    .iter()
                    .any(|of| it.at(&["resources", of, resource]).is_some())
            })
        };
        if request.is_none() && (asks("containers") || asks("initContainers")) {
            let what = "the request of the pod as a whole, which its containers' make up";
            return Err(Abstain::unknown(Reason::VersionUnknown, what));
        }
        asked.request = quantity(request.or(limit))?;
        asked.limit = quantity(limit)?.or(asked.limit);
    }
    Ok(Amounts { asked, request, limit })
}

/// One LimitRange, and the object that is held against it.
struct Judge<'c, 'w> {
    case: &'c ObjectCase<'w>,
    range: &'w Object,
    /// Containers that are looked at yet.
    left: &'c Cell<usize>,
}

impl<'w> Judge<'_, 'w> {
    /// Holds what is asked for against each bound of an item; `cost` is how many containers are looked
    /// at for an amount.
    fn item(
        &self,
        item: Node<'w>,
        (of_type, cost): (&str, usize),
        what: &str,
        place: &Origin,
        of: impl Fn(&str) -> Result<Amounts<'w>, Abstain>,
        out: &mut Findings,
    ) {
        let mut said: Vec<&str> = Vec::new();
        for bound in BOUNDS {
            let bounds = item.get(bound).into_iter().flat_map(Node::entries).take(RESOURCES);
            for (resource, value) in bounds {
                let left = self.left.get();
                let Some(resource) = resource.as_str().filter(|_| left > 0) else { continue };
                self.left.set(left.saturating_sub(cost.max(1)));
                let Ok(Some(enforced)) = quantity(Some(value)) else { continue };
                let amounts = match of(resource) {
                    Ok(amounts) => amounts,
                    Err(unknown) => {
                        out.abstain(unknown);
                        continue;
                    }
                };
                let claim = of_type == "PersistentVolumeClaim";
                let refused = match bound {
                    "min" => limit_range::below_min(enforced, amounts.asked),
                    "max" if claim => limit_range::above_max_request(enforced, amounts.asked),
                    "max" => limit_range::above_max(enforced, amounts.asked),
                    // Claims have no limits, and no ratio is asked of them.
                    _ if claim => None,
                    _ => limit_range::above_ratio(enforced, amounts.asked),
                };
                // An amount that is outside of the other two is mended first.
                let ratio_too = bound != RATIO || !said.contains(&resource);
                let Some(refused) = refused.filter(|_| ratio_too) else { continue };
                if let Err(unknown) = self.is_in_force() {
                    out.abstain(unknown);
                    continue;
                }
                said.push(resource);
                out.push(self.finding(
                    &Bound { bound, resource, value, of_type },
                    what,
                    place,
                    &amounts,
                    refused,
                ));
            }
        }
    }

    /// Unknown where the LimitRange need not be applied with the object, or is patched.
    fn is_in_force(&self) -> Result<(), Abstain> {
        let joined = self.case.joined;
        if !joined.together(self.case.object, self.range) {
            let what = format!("whether {} is applied with it", self.range.subject());
            return Err(Abstain::unknown(Reason::Alternatives, what));
        }
        joined.unpatched(self.range, &["spec/limits"])
    }

    fn finding(
        &self,
        bound: &Bound<'_>,
        what: &str,
        place: &Origin,
        amounts: &Amounts<'_>,
        refused: Refused,
    ) -> Finding {
        let Bound { resource, of_type, value, .. } = *bound;
        let shown = value.as_str().unwrap_or_default();
        let written = amounts.written(refused).and_then(Node::as_str);
        // What a LimitRange supplies, and the sum of containers, stand nowhere.
        let amount = |of: Option<Quantity>| {
            written.map_or_else(
                || of.map_or_else(String::new, |it| display(resource, it)),
                str::to_owned,
            )
        };
        let is = match refused {
            Refused::NoRequest => "no request is specified".to_owned(),
            Refused::NoLimit => "no limit is specified".to_owned(),
            Refused::Request => format!("the request is {}", amount(amounts.asked.request)),
            Refused::Limit => format!("the limit is {}", amount(amounts.asked.limit)),
            Refused::Ratio(ratio) => format!("the limit is {ratio:.2} times the request"),
        };
        let asks = match bound.bound {
            "min" => format!("minimum {resource} usage per {of_type} is {shown}"),
            "max" => format!("maximum {resource} usage per {of_type} is {shown}"),
            _ => format!("{resource} max limit to request ratio per {of_type} is {shown}"),
        };
        let (message, fix) = match of_type {
            "PersistentVolumeClaim" => (
                format!("{what} is refused by the LimitRange of its namespace: {asks}, and {is}"),
                format!("ask for an amount of {resource} that the LimitRange lets through"),
            ),
            _ => (
                format!(
                    "the pods are refused by the LimitRange of their namespace: {asks}, and of {what} {is}"
                ),
                format!("set requests and limits of {resource} that the LimitRange lets through"),
            ),
        };
        let label = match refused {
            Refused::NoRequest | Refused::NoLimit => "says nothing of it",
            _ => "outside",
        };
        let node = amounts.place(refused);
        let place = node.map_or_else(|| place.clone(), Node::origin);
        Finding::new(&RULE, message, &place, label)
            .also(&value.origin(), "what the namespace lets through")
            .fix(Fix::suggest(fix))
    }
}

/// An amount of a resource for people.
pub(super) fn display(resource: &str, amount: Quantity) -> String {
    match resource {
        "cpu" => amount.millicores().to_string(),
        "memory" | "ephemeral-storage" | "storage" => amount.bytes().to_string(),
        name if name.starts_with("hugepages-") => amount.bytes().to_string(),
        _ => amount.units().to_string(),
    }
}

/// A bound of an item.
struct Bound<'w> {
    /// `min`, `max` or `maxLimitRequestRatio`.
    bound: &'static str,
    resource: &'w str,
    value: Node<'w>,
    of_type: &'w str,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::case::{Joined, sample};

    #[test]
    fn amounts_that_a_kustomization_patches_are_held_against_no_bound() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n\
                    spec: {containers: [{name: a, resources: {limits: {cpu: 4}}}]}\n---\n\
                    apiVersion: v1\nkind: LimitRange\nmetadata: {name: b}\n\
                    spec: {limits: [{type: Container, max: {cpu: 1}}]}\n";
        let mut world = sample::world(text.to_owned());
        for (field, is) in [
            ("spec/nodeName", (1, 0)),
            ("spec/containers/resources", (0, 1)),
            ("spec/resources", (0, 1)),
        ] {
            let patch = Arc::new([("Pod/a".to_owned(), [field.to_owned()].into())].into());
            world.sources.get_mut(world.objects[0].document.source).kustomized.patched =
                vec![patch];
            let joined = Joined::new(&world);
            let mut out = Findings::default();
            pods(&ObjectCase::new(&joined, 0, &world.objects[0]), &mut out);
            assert_eq!((out.found.len(), out.abstained.len()), is, "{field}");
        }
    }
}
