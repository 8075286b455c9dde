//! Selectors, targets and names between objects, computed once.
//!
//! A selector is not tried on every pod template: templates are indexed by namespace and label, and
//! a selector looks at those that carry its rarest label. The work grows with the number of
//! objects and matches, not with their product.

use rustc_hash::FxHashMap;

use super::{ObjectId, World};
use crate::facts::objects::{Body, Object, Selector, StringMap, TargetRef};
use crate::facts::workload::Workload;

/// The joins between objects.
#[derive(Debug, Default)]
pub struct Joins {
    /// By selecting object: workloads it selects.
    selected: FxHashMap<ObjectId, Vec<ObjectId>>,
    /// By workload: objects that select it.
    selecting: FxHashMap<ObjectId, Vec<ObjectId>>,
    /// By workload: autoscalers that target it.
    scalers: FxHashMap<ObjectId, Vec<ObjectId>>,
    /// By `(namespace, kind, name)`.
    names: FxHashMap<(String, String, String), Vec<ObjectId>>,
    /// Workload objects, by namespace.
    workloads: FxHashMap<String, Vec<ObjectId>>,
    /// LimitRanges, by namespace.
    limit_ranges: FxHashMap<String, Vec<ObjectId>>,
    /// By Rollout: the Deployment that its `workloadRef` names.
    templates: FxHashMap<ObjectId, ObjectId>,
    /// The other way round.
    rollouts: FxHashMap<ObjectId, ObjectId>,
}

impl Joins {
    /// Computes every join of the world.
    pub fn new(world: &World) -> Self {
        let mut joins = Joins::default();
        for (id, object) in world.objects.iter().enumerate() {
            let key = name_key(object);
            joins.names.entry(key).or_default().push(id);
            if object.meta.kind.value == "LimitRange" {
                let namespace = object.meta.namespace.value.clone();
                joins.limit_ranges.entry(namespace).or_default().push(id);
            }
            if object.workload().is_some() {
                let namespace = object.meta.namespace.value.clone();
                joins.workloads.entry(namespace).or_default().push(id);
            }
        }
        for (id, object) in world.objects.iter().enumerate() {
            let Some(target) = object.workload().and_then(|w| w.workload_ref.as_ref()) else {
                continue;
            };
            if let Some(&template) = joins.resolve(world, object, target).first() {
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
                Body::Hpa(hpa) => {
                    if let Some(target) = &hpa.target {
                        for workload in joins.resolve(world, object, target) {
                            joins.scalers.entry(workload).or_default().push(id);
                        }
                    }
                    Vec::new()
                }
                _ => Vec::new(),
            };
            for workload in &matches {
                joins.selecting.entry(*workload).or_default().push(id);
            }
            if !matches.is_empty() {
                joins.selected.insert(id, matches);
            }
        }
        joins
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
        let key = (namespace.to_owned(), kind.to_owned(), name.to_owned());
        self.names.get(&key).map_or(&[], Vec::as_slice)
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
const CLUSTER_SCOPED: &[&str] =
    &["Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding", "PersistentVolume"];

fn name_key(object: &Object) -> (String, String, String) {
    let kind = object.meta.kind.value.clone();
    let namespace = if CLUSTER_SCOPED.contains(&kind.as_str()) {
        String::new()
    } else {
        object.meta.namespace.value.clone()
    };
    (namespace, kind, object.meta.name().to_owned())
}

/// Labels of the pods a workload makes: its own template's, or those of the Deployment that a
/// Rollout's `workloadRef` names.
fn pod_labels<'w>(world: &'w World, joins: &Joins, id: ObjectId, w: &'w Workload) -> &'w StringMap {
    let referenced = joins.template_of(id).and_then(|id| world.objects[id].workload());
    &referenced.unwrap_or(w).pod.labels
}

struct TemplateIndex<'w> {
    by_label: FxHashMap<(&'w str, &'w str, &'w str), Vec<ObjectId>>,
    labels: FxHashMap<ObjectId, &'w StringMap>,
    by_namespace: FxHashMap<&'w str, Vec<ObjectId>>,
}

impl<'w> TemplateIndex<'w> {
    fn new(world: &'w World, joins: &Joins) -> Self {
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
