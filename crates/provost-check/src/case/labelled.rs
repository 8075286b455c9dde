//! Objects by the labels that selectors ask for.

use rustc_hash::FxHashMap;

use super::ObjectId;
use crate::facts::objects::{Selector, StringMap};

/// Objects of a namespace, or of all, that share a label; without a label every one of them.
pub type Group<'w> = (Option<&'w str>, Option<(&'w str, &'w str)>);

/// An index of objects by namespace and label. A selector need only be tried on the smallest group
/// that holds all it can match: those with its rarest label.
#[derive(Debug, Default)]
pub struct Labelled<'w> {
    labels: FxHashMap<ObjectId, &'w StringMap>,
    groups: FxHashMap<Group<'w>, Vec<ObjectId>>,
}

impl<'w> Labelled<'w> {
    /// Adds an object, whose number is above those of the objects added before, to the groups of
    /// the namespace; without one to those of all namespaces.
    pub fn add(&mut self, namespace: Option<&'w str>, id: ObjectId, labels: &'w StringMap) {
        self.labels.insert(id, labels);
        self.groups.entry((namespace, None)).or_default().push(id);
        for label in labels.iter() {
            let group = self.groups.entry((namespace, Some(label))).or_default();
            // A label written twice in one object is one label.
            if group.last() != Some(&id) {
                group.push(id);
            }
        }
    }

    /// The smallest group that holds every object of the namespace that the selector matches.
    pub fn smallest<'a>(&'a self, namespace: Option<&'a str>, selector: &'a Selector) -> Group<'a> {
        let groups = selector.labels.iter().map(|label| (namespace, Some(label)));
        groups.min_by_key(|group| self.of(*group).len()).unwrap_or((namespace, None))
    }

    /// The objects of a group, in input order.
    pub fn of<'a>(&'a self, group: Group<'a>) -> &'a [ObjectId] {
        self.groups.get(&group).map_or(&[], Vec::as_slice)
    }

    /// Whether the selector matches the object.
    pub fn matches(&self, id: ObjectId, selector: &Selector) -> bool {
        self.labels.get(&id).is_some_and(|labels| selector.matches(labels))
    }
}
