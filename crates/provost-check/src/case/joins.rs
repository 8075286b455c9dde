//! Selectors, targets and names between objects, computed once.
//!
//! A selector is not tried on every pod template: templates are indexed by namespace and label, and
//! a selector looks at those that carry its rarest label. The work grows with the number of
//! objects and matches, not with their product.
//!
//! A match is joined when both objects are applied together, as far as [`Scope`] can tell. What
//! matched and was not joined is kept apart: nothing may be concluded from its absence.

use std::borrow::Cow;

use rustc_hash::{FxHashMap, FxHashSet};

use super::scope::{Distance, Scope};
use super::{ObjectId, World};
use crate::facts::objects::{Body, Object, Selector, StringMap, TargetRef};
use crate::facts::workload::Workload;

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
    /// By Rollout: the Deployment that its `workloadRef` names.
    templates: FxHashMap<ObjectId, ObjectId>,
    /// The other way round.
    rollouts: FxHashMap<ObjectId, ObjectId>,
}

impl<'w> Joins<'w> {
    /// Computes every join of the world.
    pub fn new(world: &'w World, scope: &Scope) -> Self {
        let mut joins = Joins::default();
        for (id, object) in world.objects.iter().enumerate() {
            let (namespace, kind, name) = name_key(object);
            let kinds = joins.names.entry(namespace).or_default();
            kinds.entry(kind).or_default().entry(name).or_default().push(id);
            if object.meta.kind.value == "LimitRange" {
                let namespace = object.meta.namespace.value.as_str();
                joins.limit_ranges.entry(namespace).or_default().push(id);
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
        let templates = TemplateIndex::new(world, &joins);
        for (id, object) in world.objects.iter().enumerate() {
            let matches = match &object.body {
                Body::Service(service) => match &service.selector {
                    // A Service with an empty selector has endpoints that somebody else fills.
                    Some(selector) if !selector.is_empty() => {
                        templates.matching(world, object, selector)
                    }
                    _ => Vec::new(),
                },
                Body::Pdb(pdb) => match &pdb.selector {
                    Some(selector) => templates.matching(world, object, selector),
                    None => Vec::new(),
                },
                Body::NetworkPolicy(policy) => templates.matching(world, object, &policy.selector),
                Body::Mesh(policy) => match policy.selector() {
                    Some(selector) => templates.matching(world, object, selector),
                    None => Vec::new(),
                },
                Body::Hpa(hpa) => {
                    if let Some(target) = &hpa.target {
                        let found = joins.resolve(world, object, target);
                        let found = joins.applied(world, scope, id, found);
                        for workload in &found {
                            joins.scalers.entry(*workload).or_default().push(id);
                        }
                        joins.targets.insert(id, found);
                    }
                    Vec::new()
                }
                _ => Vec::new(),
            };
            let is_peer =
                matches!(&object.body, Body::Mesh(policy) if policy.is_peer_authentication());
            let all = if is_peer { matches.clone() } else { Vec::new() };
            let matches = joins.applied(world, scope, id, matches);
            if is_peer {
                let kept: FxHashSet<ObjectId> = matches.iter().copied().collect();
                joins.unsure_peers.extend(all.into_iter().filter(|id| !kept.contains(id)));
                for workload in &matches {
                    joins.peers.entry(*workload).or_default().push(id);
                }
            }
            for workload in &matches {
                joins.selecting.entry(*workload).or_default().push(id);
            }
            if !matches.is_empty() {
                joins.selected.insert(id, matches);
            }
        }
        joins
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
        self.unsure_peers.contains(&workload)
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

struct TemplateIndex<'w> {
    by_label: FxHashMap<(&'w str, &'w str, &'w str), Vec<ObjectId>>,
    labels: FxHashMap<ObjectId, &'w StringMap>,
    by_namespace: FxHashMap<&'w str, Vec<ObjectId>>,
}

impl<'w> TemplateIndex<'w> {
    fn new(world: &'w World, joins: &Joins<'_>) -> Self {
        let mut index = Self {
            by_label: FxHashMap::default(),
            labels: FxHashMap::default(),
            by_namespace: FxHashMap::default(),
        };
        for (id, object) in world.objects.iter().enumerate() {
            let Some(workload) = object.workload() else { continue };
            let namespace = object.meta.namespace.value.as_str();
            let labels = pod_labels(world, joins, id, workload);
            index.labels.insert(id, labels);
            index.by_namespace.entry(namespace).or_default().push(id);
            for (key, value) in labels.iter() {
                let entry = index.by_label.entry((namespace, key, value)).or_default();
                // A label written twice in one template is one label.
                if entry.last() != Some(&id) {
                    entry.push(id);
                }
            }
        }
        index
    }

    fn matching(&self, world: &World, from: &Object, selector: &Selector) -> Vec<ObjectId> {
        let namespace = from.meta.namespace.value.as_str();
        let rarest = selector
            .labels
            .iter()
            .map(|(k, v)| self.by_label.get(&(namespace, k, v)).map_or(&[][..], Vec::as_slice))
            .min_by_key(|ids| ids.len());
        let candidates =
            rarest.unwrap_or_else(|| self.by_namespace.get(namespace).map_or(&[], Vec::as_slice));
        candidates
            .iter()
            .copied()
            .filter(|id| !world.objects[*id].is_helm_hook())
            .filter(|id| self.labels.get(id).is_some_and(|labels| selector.matches(labels)))
            .collect()
    }
}
