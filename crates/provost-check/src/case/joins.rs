//! Selectors, targets and names between objects, computed once.
//!
//! A selector is not tried on every pod template: templates are indexed by namespace and label, and
//! a selector looks at those that carry its rarest label. The work grows with the number of
//! objects and matches, not with their product; where one label on thousands of both makes the
//! matches the product, selectors beyond [`MOST_TRIED`] are not tried, and what they would have
//! matched is unknown.
//!
//! A match is joined when both objects are applied together, as far as [`Scope`] can tell. What
//! matched and was not joined is kept apart: nothing may be concluded from its absence.

use std::borrow::Cow;

use rustc_hash::{FxHashMap, FxHashSet};

use super::labelled::{Group, Labelled};
use super::scope::{Distance, Scope};
use super::{ObjectId, World};
use crate::facts::document::Node;
use crate::facts::objects::{Body, Object, Selector, StringMap, TargetRef};
use crate::facts::workload::Workload;

/// Pairs of a selector and a pod template that are tried in one run.
const MOST_TRIED: usize = 1 << 20;

/// Pod templates that every selector may be tried on, whatever was tried before.
const ALWAYS_TRIED: usize = 16;

/// Backends of one route of the Gateway API that are looked at.
const BACKENDS: usize = 16_384;

/// The joins between objects.
#[derive(Debug, Default)]
pub struct Joins<'w> {
    /// By selecting object: workloads it selects.
    selected: FxHashMap<ObjectId, Vec<ObjectId>>,
    /// By workload: objects that select it.
    selecting: FxHashMap<ObjectId, Vec<ObjectId>>,
    /// By workload: autoscalers that target it.
    scalers: FxHashMap<ObjectId, Vec<ObjectId>>,
    /// By object: what matched it, or it matched, and is not known to be applied with it.
    passed_over: FxHashMap<ObjectId, Vec<ObjectId>>,
    /// By autoscaler: the workloads it targets.
    targets: FxHashMap<ObjectId, Vec<ObjectId>>,
    /// By namespace, kind and name.
    names: FxHashMap<&'w str, FxHashMap<&'w str, FxHashMap<&'w str, Vec<ObjectId>>>>,
    /// Workload objects, by namespace.
    workloads: FxHashMap<&'w str, Vec<ObjectId>>,
    /// PeerAuthentications that hold for their whole namespace, by namespace.
    peer_authentications: FxHashMap<&'w str, Vec<ObjectId>>,
    /// By workload: PeerAuthentications that select it.
    peers: FxHashMap<ObjectId, Vec<ObjectId>>,
    /// Workloads that a PeerAuthentication selects which is not known to be applied with them.
    unsure_peers: FxHashSet<ObjectId>,
    /// Names of ServiceAccounts, sorted, by namespace.
    service_accounts: FxHashMap<&'w str, Vec<&'w str>>,
    /// Objects that may hold the mesh's own configuration.
    mesh_configs: Vec<ObjectId>,
    /// LimitRanges, by namespace.
    limit_ranges: FxHashMap<&'w str, Vec<ObjectId>>,
    /// ResourceQuotas, by namespace.
    quotas: FxHashMap<&'w str, Vec<ObjectId>>,
    /// By Rollout: the Deployment that its `workloadRef` names.
    templates: FxHashMap<ObjectId, ObjectId>,
    /// The other way round.
    rollouts: FxHashMap<ObjectId, ObjectId>,
    /// Objects whose selector was not tried, and the workloads it could match.
    untried: FxHashSet<ObjectId>,
    /// By namespace and name of a Service: the Ingresses that send to it.
    ingresses: FxHashMap<&'w str, FxHashMap<&'w str, Vec<ObjectId>>>,
    /// Names of the Services that routes of the Gateway API send to.
    routed: FxHashSet<&'w str>,
    /// What monitors of Prometheus select; empty without a monitor.
    services: Labelled<'w>,
    pods: Labelled<'w>,
}

impl<'w> Joins<'w> {
    /// Computes every join of the world.
    pub fn new(world: &'w World, scope: &Scope) -> Self {
        let mut joins = Joins::default();
        for (id, object) in world.objects.iter().enumerate() {
            let (namespace, kind, name) = name_key(object);
            let kinds = joins.names.entry(namespace).or_default();
            kinds.entry(kind).or_default().entry(name).or_default().push(id);
            let bounds = match object.meta.kind.value.as_str() {
                "LimitRange" => Some(&mut joins.limit_ranges),
                "ResourceQuota" => Some(&mut joins.quotas),
                _ => None,
            };
            if let Some(bounds) = bounds {
                bounds.entry(object.meta.namespace.value.as_str()).or_default().push(id);
            }
            if let Body::Mesh(policy) = &object.body
                && policy.is_peer_authentication()
                && policy.selector().is_none()
            {
                let namespace = object.meta.namespace.value.as_str();
                joins.peer_authentications.entry(namespace).or_default().push(id);
            }
            if super::mesh::may_configure(object) {
                joins.mesh_configs.push(id);
            }
            if let Body::ServiceAccount(_) = &object.body {
                joins.service_accounts.entry(namespace).or_default().push(name);
            }
            if object.workload().is_some() {
                let namespace = object.meta.namespace.value.as_str();
                joins.workloads.entry(namespace).or_default().push(id);
            }
        }
        joins.service_accounts.values_mut().for_each(|names| names.sort_unstable());
        for (id, object) in world.objects.iter().enumerate() {
            let Some(target) = object.workload().and_then(|w| w.workload_ref.as_ref()) else {
                continue;
            };
            let found = joins.resolve(world, object, target);
            if let Some(&template) = joins.applied(world, scope, id, found).first() {
                joins.templates.insert(id, template);
                joins.rollouts.entry(template).or_insert(id);
            }
        }
        joins.add_selections(world, scope);
        joins.add_routes(world);
        joins.add_monitored(world);
        joins
    }

    /// What Services, budgets, policies and autoscalers select.
    fn add_selections(&mut self, world: &'w World, scope: &Scope) {
        let mut templates = Labelled::default();
        for (id, object) in world.objects.iter().enumerate() {
            if let Some(workload) = object.workload() {
                let namespace = object.meta.namespace.value.as_str();
                templates.add(Some(namespace), id, pod_labels(world, self, id, workload));
            }
        }
        let mut tries = Tries { left: MOST_TRIED, given_up: FxHashSet::default() };
        for (id, object) in world.objects.iter().enumerate() {
            let selector = match &object.body {
                // A Service with an empty selector has endpoints that somebody else fills.
                Body::Service(service) => service.selector.as_ref().filter(|s| !s.is_empty()),
                Body::Pdb(pdb) => pdb.selector.as_ref(),
                Body::NetworkPolicy(policy) => Some(&policy.selector),
                Body::Mesh(policy) => policy.selector(),
                Body::Hpa(hpa) => {
                    if let Some(target) = &hpa.target {
                        let found = self.resolve(world, object, target);
                        let found = self.applied(world, scope, id, found);
                        for workload in &found {
                            self.scalers.entry(*workload).or_default().push(id);
                        }
                        self.targets.insert(id, found);
                    }
                    None
                }
                _ => None,
            };
            let Some(selector) = selector else { continue };
            let Some(matches) = tries.matching(world, &templates, object, selector) else {
                self.untried.insert(id);
                continue;
            };
            let is_peer =
                matches!(&object.body, Body::Mesh(policy) if policy.is_peer_authentication());
            let all = if is_peer { matches.clone() } else { Vec::new() };
            let matches = self.applied(world, scope, id, matches);
            if is_peer {
                let kept: FxHashSet<ObjectId> = matches.iter().copied().collect();
                self.unsure_peers.extend(all.into_iter().filter(|id| !kept.contains(id)));
                for workload in &matches {
                    self.peers.entry(*workload).or_default().push(id);
                }
            }
            for workload in &matches {
                self.selecting.entry(*workload).or_default().push(id);
            }
            if !matches.is_empty() {
                self.selected.insert(id, matches);
            }
        }
        for group in tries.given_up {
            self.untried.extend(templates.of(group));
        }
        // Services first, so that the first one is found without passing all the others.
        let is_service = |id: ObjectId| matches!(world.objects[id].body, Body::Service(_));
        for list in self.selecting.values_mut() {
            list.sort_by_key(|id| !is_service(*id));
        }
    }

    /// Which Services Ingresses and routes of the Gateway API send to.
    fn add_routes(&mut self, world: &'w World) {
        for (id, object) in world.objects.iter().enumerate() {
            match &object.body {
                Body::Ingress(ingress) => {
                    let namespace = object.meta.namespace.value.as_str();
                    for backend in &ingress.backends {
                        let services = self.ingresses.entry(namespace).or_default();
                        let list = services.entry(&backend.service.value).or_default();
                        if list.last() != Some(&id) {
                            list.push(id);
                        }
                    }
                }
                Body::Other if object.meta.kind.value.ends_with("Route") => {
                    let rules = object.node().at(&["spec", "rules"]);
                    let rules = rules.into_iter().flat_map(Node::items);
                    let backends = rules.filter_map(|rule| rule.get("backendRefs"));
                    let backends = backends.flat_map(Node::items).take(BACKENDS);
                    let names = backends.filter_map(|backend| backend.get("name")?.as_str());
                    self.routed.extend(names);
                }
                _ => {}
            }
        }
    }

    /// Indexes what monitors select, where there is a monitor.
    fn add_monitored(&mut self, world: &'w World) {
        let is_monitor = |object: &Object| {
            matches!(object.meta.kind.value.as_str(), "ServiceMonitor" | "PodMonitor")
        };
        if !world.objects.iter().any(is_monitor) {
            return;
        }
        for (id, object) in world.objects.iter().enumerate() {
            let namespace = Some(object.meta.namespace.value.as_str());
            match &object.body {
                Body::Service(_) => {
                    self.services.add(namespace, id, &object.meta.labels);
                    self.services.add(None, id, &object.meta.labels);
                }
                Body::Workload(workload) => {
                    let labels = pod_labels(world, self, id, workload);
                    self.pods.add(namespace, id, labels);
                    self.pods.add(None, id, labels);
                }
                _ => {}
            }
        }
    }

    /// Services by their own labels, for ServiceMonitors; empty when there is no monitor.
    pub fn services_by_label(&self) -> &Labelled<'w> {
        &self.services
    }

    /// Workloads by the labels of their pods, for PodMonitors; empty when there is no monitor.
    pub fn pods_by_label(&self) -> &Labelled<'w> {
        &self.pods
    }

    /// Ingresses that send to a Service of that name in the namespace, in input order.
    pub fn ingresses_to(&self, namespace: &str, service: &str) -> &[ObjectId] {
        let found = self.ingresses.get(namespace).and_then(|services| services.get(service));
        found.map_or(&[], Vec::as_slice)
    }

    /// Whether a route of the Gateway API, in whatever namespace, sends to a Service of that name.
    pub fn is_routed(&self, service: &str) -> bool {
        self.routed.contains(service)
    }

    /// Whether there were too many selectors and pod templates of one label to try the object's
    /// selector, or the selectors that may match the workload.
    pub fn is_untried(&self, id: ObjectId) -> bool {
        self.untried.contains(&id)
    }

    /// Those of `found` that are applied together with `from`; the rest is passed over.
    fn applied(
        &mut self,
        world: &World,
        scope: &Scope,
        from: ObjectId,
        found: Vec<ObjectId>,
    ) -> Vec<ObjectId> {
        let source = |id: ObjectId| world.objects[id].document.source;
        let here = source(from);
        // Nearly all inputs are one file, or one folder without alternatives.
        if found.iter().all(|id| source(*id) == here) {
            return found;
        }
        let distances: Vec<Distance> =
            found.iter().map(|id| scope.distance(here, source(*id))).collect();
        let nearest = distances.iter().min().copied().unwrap_or(Distance::Apart);
        let is_only = |id: ObjectId| {
            let (namespace, kind, name) = name_key(&world.objects[id]);
            let same = self.named(namespace, kind, name);
            same.iter().all(|other| source(*other) == source(id))
        };
        let mut groups: FxHashMap<(&str, &str, &str), (Distance, usize)> = FxHashMap::default();
        let key = |id: ObjectId| name_key(&world.objects[id]);
        for (id, distance) in found.iter().zip(&distances) {
            let best = groups.entry(key(*id)).or_insert((*distance, 0));
            match distance.cmp(&best.0) {
                std::cmp::Ordering::Less => *best = (*distance, 1),
                std::cmp::Ordering::Equal => best.1 += 1,
                std::cmp::Ordering::Greater => {}
            }
        }
        let is_applied = |id: ObjectId, distance: Distance| match distance {
            Distance::Apart => false,
            Distance::SideBySide => nearest == Distance::SideBySide && is_only(from) && is_only(id),
            // One file twice is one place, however many objects of that name are in it.
            Distance::File => true,
            Distance::Folder | Distance::Together => {
                groups.get(&key(id)).is_some_and(|(best, n)| *best == distance && *n == 1)
            }
        };
        let (mut kept, mut over) = (Vec::new(), Vec::new());
        for (id, distance) in found.into_iter().zip(distances) {
            if is_applied(id, distance) { kept.push(id) } else { over.push(id) }
        }
        for id in &over {
            self.passed_over.entry(*id).or_default().push(from);
        }
        if !over.is_empty() {
            self.passed_over.entry(from).or_default().extend(over);
        }
        kept
    }

    /// Objects that match by selector or target and are not known to be applied together with
    /// this one.
    pub fn passed_over(&self, id: ObjectId) -> &[ObjectId] {
        self.passed_over.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The workloads that an autoscaler targets.
    pub fn targets(&self, autoscaler: ObjectId) -> &[ObjectId] {
        self.targets.get(&autoscaler).map_or(&[], Vec::as_slice)
    }

    /// The objects of that kind and name that are nearest to the object which names them: more
    /// than one when alternatives are equally near.
    pub fn named_from(
        &self,
        world: &World,
        scope: &Scope,
        from: &Object,
        namespace: &str,
        kind: &str,
        name: &str,
    ) -> Cow<'_, [ObjectId]> {
        let all = self.named(namespace, kind, name);
        if all.len() < 2 {
            return Cow::Borrowed(all);
        }
        let distance =
            |id: ObjectId| scope.distance(from.document.source, world.objects[id].document.source);
        let nearest = all.iter().map(|id| distance(*id)).min();
        Cow::Owned(all.iter().copied().filter(|id| Some(distance(*id)) == nearest).collect())
    }

    /// Workloads whose pods the object selects.
    pub fn selected_by(&self, id: ObjectId) -> &[ObjectId] {
        self.selected.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Objects that select the workload's pods.
    pub fn selecting(&self, workload: ObjectId) -> &[ObjectId] {
        self.selecting.get(&workload).map_or(&[], Vec::as_slice)
    }

    /// Autoscalers that target the workload.
    pub fn scalers(&self, workload: ObjectId) -> &[ObjectId] {
        self.scalers.get(&workload).map_or(&[], Vec::as_slice)
    }

    /// Objects of that kind and name in a namespace; cluster-scoped kinds are asked for with an
    /// empty namespace.
    pub fn named(&self, namespace: &str, kind: &str, name: &str) -> &[ObjectId] {
        let found = self.names.get(namespace).and_then(|kinds| kinds.get(kind)?.get(name));
        found.map_or(&[], Vec::as_slice)
    }

    /// Names of the ServiceAccounts of a namespace, sorted.
    pub fn service_accounts(&self, namespace: &str) -> &[&'w str] {
        self.service_accounts.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// Whether the input has any object in the namespace.
    pub fn knows_namespace(&self, namespace: &str) -> bool {
        self.names.contains_key(namespace)
    }

    /// PeerAuthentications without a selector in a namespace.
    pub fn peer_authentications(&self, namespace: &str) -> &[ObjectId] {
        self.peer_authentications.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// PeerAuthentications that select the workload's pods.
    pub fn peers(&self, workload: ObjectId) -> &[ObjectId] {
        self.peers.get(&workload).map_or(&[], Vec::as_slice)
    }

    /// Whether a PeerAuthentication selects the workload's pods and may not be applied with it.
    pub fn peers_are_unsure(&self, workload: ObjectId) -> bool {
        self.unsure_peers.contains(&workload) || self.is_untried(workload)
    }

    /// Objects that may hold the mesh's own configuration.
    pub fn mesh_configs(&self) -> &[ObjectId] {
        &self.mesh_configs
    }

    /// Names of the objects of one kind in a namespace, with the objects; in no order.
    pub fn of_kind(
        &self,
        namespace: &str,
        kind: &str,
    ) -> impl Iterator<Item = (&'w str, &[ObjectId])> {
        let names = self.names.get(namespace).and_then(|kinds| kinds.get(kind));
        names.into_iter().flatten().map(|(name, ids)| (*name, ids.as_slice()))
    }

    /// LimitRanges of a namespace.
    pub fn limit_ranges(&self, namespace: &str) -> &[ObjectId] {
        self.limit_ranges.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// ResourceQuotas of a namespace.
    pub fn resource_quotas(&self, namespace: &str) -> &[ObjectId] {
        self.quotas.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// The workload whose pod template a Rollout's `workloadRef` takes.
    pub fn template_of(&self, rollout: ObjectId) -> Option<ObjectId> {
        self.templates.get(&rollout).copied()
    }

    /// The Rollout that takes its pod template from the workload.
    pub fn rollout_of(&self, template: ObjectId) -> Option<ObjectId> {
        self.rollouts.get(&template).copied()
    }

    /// Workloads of a namespace.
    pub fn workloads_in(&self, namespace: &str) -> &[ObjectId] {
        self.workloads.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// The workloads that a reference names: kind, name and API group, in the referrer's namespace.
    pub fn resolve(&self, world: &World, from: &Object, target: &TargetRef) -> Vec<ObjectId> {
        let group = target.api_version.as_ref().map(|v| v.split_once('/').map_or("", |(g, _)| g));
        self.named(&from.meta.namespace.value, &target.kind.value, &target.name.value)
            .iter()
            .copied()
            .filter(|id| {
                let object = &world.objects[*id];
                object.workload().is_some() && group.is_none_or(|g| g == object.meta.group())
            })
            .collect()
    }
}

/// Kinds that live outside namespaces, among those that rules look up by name.
const CLUSTER_SCOPED: &[&str] = &[
    "Namespace",
    "PriorityClass",
    "ClusterRole",
    "ClusterRoleBinding",
    "PersistentVolume",
    "ClusterAnalysisTemplate",
    "ClusterIssuer",
];

fn name_key(object: &Object) -> (&str, &str, &str) {
    let kind = object.meta.kind.value.as_str();
    let namespace =
        if CLUSTER_SCOPED.contains(&kind) { "" } else { object.meta.namespace.value.as_str() };
    (namespace, kind, object.meta.name())
}

/// Labels of the pods a workload makes: its own template's, or those of the Deployment that a
/// Rollout's `workloadRef` names.
fn pod_labels<'w>(
    world: &'w World,
    joins: &Joins<'_>,
    id: ObjectId,
    w: &'w Workload,
) -> &'w StringMap {
    let referenced = joins.template_of(id).and_then(|id| world.objects[id].workload());
    &referenced.unwrap_or(w).pod.labels
}

/// How much is still tried.
struct Tries<'t> {
    left: usize,
    /// What selectors that were not tried could have matched.
    given_up: FxHashSet<Group<'t>>,
}

impl<'t> Tries<'t> {
    /// The workloads of the object's namespace whose pods the selector matches; none where too many
    /// would have to be tried.
    fn matching(
        &mut self,
        world: &World,
        templates: &'t Labelled<'t>,
        from: &'t Object,
        selector: &'t Selector,
    ) -> Option<Vec<ObjectId>> {
        let group = templates.smallest(Some(&from.meta.namespace.value), selector);
        let candidates = templates.of(group);
        if candidates.len() > ALWAYS_TRIED {
            match self.left.checked_sub(candidates.len()) {
                Some(left) => self.left = left,
                None => {
                    self.given_up.insert(group);
                    return None;
                }
            }
        }
        let matches = candidates
            .iter()
            .copied()
            .filter(|id| !world.objects[*id].is_helm_hook() && templates.matches(*id, selector));
        Some(matches.collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::case::{Joined, World, sample};
    use crate::findings::{Abstain, Reason};

    /// `count` Services and `count` Pods of one label, and one pair of another.
    fn world(count: usize) -> World {
        let mut text = String::new();
        for n in 0..count {
            text += &format!(
                "{{kind: Service, apiVersion: v1, metadata: {{name: s{n}}}, spec: {{selector: {{a: x}}}}}}\n---\n\
                 {{kind: Pod, apiVersion: v1, metadata: {{name: p{n}, labels: {{a: x}}}}, spec: {{}}}}\n---\n"
            );
        }
        text += "{kind: Pod, apiVersion: v1, metadata: {name: other, labels: {a: x, b: z}}, spec: {}}\n---\n\
                 {kind: Service, apiVersion: v1, metadata: {name: other}, spec: {selector: {a: x, b: z}}}\n";
        sample::world(text)
    }

    fn pairs(joined: &Joined<'_>) -> usize {
        (0..joined.world.objects.len()).map(|id| joined.joins.selected_by(id).len()).sum()
    }

    #[test]
    fn one_label_on_everything_is_not_the_product() {
        let small = world(100);
        let small = Joined::new(&small);
        assert_eq!(pairs(&small), 100 * 101 + 1);
        assert!((0..202).all(|id| !small.joins.is_untried(id)));

        let large = world(2000);
        let large = Joined::new(&large);
        assert!(pairs(&large) <= super::MOST_TRIED, "{}", pairs(&large));
        // The first Services were tried, the last one was not: nothing is known of it, nor of the
        // pods.
        assert!(!large.joins.is_untried(0) && large.joins.is_untried(3998));
        let unknown = large.nothing_passed_over(3998, |_| true);
        assert!(matches!(unknown, Err(Abstain::Unknown { reason: Reason::LimitReached, .. })));
        assert!(large.nothing_passed_over(1, |_| true).is_err());
        // A rare label costs nothing, and is found all the same.
        assert_eq!(large.joins.selected_by(4001), [4000]);
    }
}
