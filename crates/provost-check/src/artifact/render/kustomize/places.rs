//! By line of an object: where its value was written.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::patches::Patch;
use crate::artifact::render::Written;
use crate::facts::document::{Document, Node, ScalarKind};
use crate::facts::origin::Origin;

/// Nodes of an object that are traced; the lines of the others are told by what is above them.
const MOST_NODES: usize = 20_000;

/// Levels that are gone down.
const MOST_DEEP: usize = 64;

/// Entries and items of inputs that are looked at for all objects together.
const MOST_WORK: usize = 20_000_000;

/// Operations that add to one list.
const MOST_ADDED: usize = 16;

/// Keys by which Kubernetes merges lists (`patchMergeKey` in k8s.io/api), most telling first.
const MERGE_KEYS: [&str; 8] =
    ["name", "mountPath", "devicePath", "containerPort", "port", "topologyKey", "ip", "key"];

/// What is left to be done.
pub(super) struct Work(usize);

impl Default for Work {
    fn default() -> Self {
        Self(MOST_WORK)
    }
}

/// What sort of value a field of a kustomization sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Field {
    Image,
    Replicas,
    Namespace,
    /// A label or an annotation.
    Label,
}

/// A node of the object with what stands in its place in the inputs.
struct At<'d> {
    node: Node<'d>,
    resource: Option<Node<'d>>,
    patches: Vec<(&'d Patch, Node<'d>)>,
    /// Where it is, as a JSON pointer; kept up for operations.
    pointer: String,
    depth: usize,
    labels: bool,
}

/// The children of a node of an input, found without a search for each.
enum Children<'d> {
    None,
    Keys(FxHashMap<&'d str, Node<'d>>),
    Items(FxHashMap<(&'static str, &'d str), Node<'d>>, Vec<Node<'d>>),
}

impl<'d> Children<'d> {
    fn of(node: Node<'d>, work: &mut Work) -> Self {
        let count = node.doc.entries_of(node.id).len() + node.doc.items_of(node.id).len();
        if count == 0 || work.0 < count {
            return Self::None;
        }
        work.0 -= count;
        if node.is_mapping() {
            let keys = node.entries().filter_map(|(key, value)| Some((key.as_str()?, value)));
            return Self::Keys(keys.collect());
        }
        let mut named = FxHashMap::default();
        for item in node.items() {
            for key in MERGE_KEYS {
                if let Some(name) = item.get(key).and_then(Node::as_str) {
                    named.entry((key, name)).or_insert(item);
                }
            }
        }
        Self::Items(named, node.items().collect())
    }

    fn key(&self, key: &str) -> Option<Node<'d>> {
        match self {
            Self::Keys(keys) => keys.get(key).copied(),
            _ => None,
        }
    }

    /// The item that is merged with one, or that stands in its place.
    fn item(&self, name: Option<(&'static str, &'d str)>, number: usize) -> Option<Node<'d>> {
        match (self, name) {
            (Self::Items(named, _), Some(name)) => named.get(&name).copied(),
            (Self::Items(_, all), None) => all.get(number).copied(),
            _ => None,
        }
    }
}

/// What each line of the text of an object came from.
pub(super) fn lines(
    rendered: &Document,
    text: &str,
    resource: Option<&Document>,
    patches: &[&Patch],
    sets: &FxHashMap<(Field, String), Origin>,
    work: &mut Work,
) -> Vec<Written> {
    let mut lines = vec![Written::default(); text.lines().count()];
    let starts: Vec<usize> =
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut set = |at: u32, origin: Option<Origin>| {
        let line = starts.partition_point(|start| *start <= at as usize).saturating_sub(1);
        if let (Some(line), Some(origin)) = (lines.get_mut(line), origin)
            && line.at.is_none()
        {
            line.at = Some(origin);
        }
    };
    let operations: Vec<&Patch> =
        patches.iter().copied().filter(|patch| !patch.text.values.is_empty()).collect();
    let merges = patches.iter().copied().filter(|patch| patch.root().is_mapping());
    let mut open = vec![At {
        node: rendered.root(),
        resource: resource.map(Document::root),
        patches: merges.map(|patch| (patch, patch.root())).collect(),
        pointer: String::new(),
        depth: 0,
        labels: false,
    }];
    let mut left = MOST_NODES;
    while let Some(at) = open.pop() {
        let of_resource = at.resource.map_or(Children::None, |node| Children::of(node, work));
        let of_patches: Vec<(&Patch, Children<'_>)> =
            at.patches.iter().map(|(patch, node)| (*patch, Children::of(*node, work))).collect();
        for (key, value) in at.node.entries() {
            let Some(name) = key.as_str().filter(|_| left > 0) else { continue };
            left -= 1;
            let mut child = At {
                node: value,
                resource: of_resource.key(name),
                patches: of_patches
                    .iter()
                    .filter_map(|(patch, children)| Some((*patch, children.key(name)?)))
                    .collect(),
                pointer: pointer(&at.pointer, name, &operations),
                depth: at.depth + 1,
                labels: at.labels
                    || matches!(name, "labels" | "annotations" | "matchLabels" | "selector"),
            };
            child.add(&operations);
            set(key.span().start, child.locate(Some(name), sets));
            if child.depth < MOST_DEEP {
                open.push(child);
            }
        }
        // What operations add to the end of the list.
        let end = format!("{}/-", at.pointer);
        let added = operations.iter().flat_map(|patch| patch.at(&end).map(|node| (*patch, node)));
        let added: Vec<_> = match at.node.is_sequence() {
            true => added.take(MOST_ADDED).collect(),
            false => Vec::new(),
        };
        let items: Vec<_> = at.node.items().take(left).collect();
        let added = last_of(&items, added);
        for (number, item) in items.into_iter().enumerate() {
            left = left.saturating_sub(1);
            let named = name_of(item);
            let mut child = At {
                node: item,
                resource: of_resource.item(named, number),
                patches: of_patches
                    .iter()
                    .filter_map(|(patch, children)| Some((*patch, children.item(named, number)?)))
                    .collect(),
                pointer: pointer(&at.pointer, &number.to_string(), &operations),
                depth: at.depth + 1,
                labels: at.labels,
            };
            child.add(&operations);
            let here = added.iter().filter(|(place, ..)| *place == number);
            child.patches.extend(here.map(|(_, patch, value)| (*patch, *value)));
            if item.as_str().is_some() {
                set(item.span().start, child.locate(None, sets));
            } else if child.depth < MOST_DEEP {
                open.push(child);
            }
        }
    }
    lines
}

/// What tells an item of a list from the others, when it has a name.
fn name_of(item: Node<'_>) -> Option<(&'static str, &str)> {
    MERGE_KEYS.iter().find_map(|key| Some((*key, item.get(key)?.as_str()?)))
}

/// Which item each value became that an operation added to the end of the list: the last one that it
/// can be, since one of that name may have been there before.
fn last_of<'d>(
    items: &[Node<'d>],
    added: Vec<(&'d Patch, Node<'d>)>,
) -> Vec<(usize, &'d Patch, Node<'d>)> {
    let mut taken: Vec<usize> = Vec::new();
    let mut places = Vec::new();
    for (patch, value) in added.into_iter().rev() {
        let is = |item: &Node<'d>| match name_of(*item) {
            Some((key, name)) => value.get(key).and_then(Node::as_str) == Some(name),
            None => same(*item, value),
        };
        let place = items.iter().enumerate().rev();
        let mut place = place.filter(|(number, _)| !taken.contains(number));
        if let Some((number, _)) = place.find(|(_, item)| is(item)) {
            taken.push(number);
            places.push((number, patch, value));
        }
    }
    places
}

/// The pointer of a child (RFC 6901), where one is asked for.
fn pointer(above: &str, name: &str, operations: &[&Patch]) -> String {
    if operations.is_empty() {
        return String::new();
    }
    let name: Cow<'_, str> = match name.contains(['~', '/']) {
        true => name.replace('~', "~0").replace('/', "~1").into(),
        false => name.into(),
    };
    format!("{above}/{name}")
}

impl<'d> At<'d> {
    /// Adds what operations put in this place.
    fn add(&mut self, operations: &[&'d Patch]) {
        for patch in operations {
            self.patches.extend(patch.at(&self.pointer).map(|node| (*patch, node)));
        }
    }

    /// Where the value was written.
    fn locate(
        &self,
        key: Option<&str>,
        sets: &FxHashMap<(Field, String), Origin>,
    ) -> Option<Origin> {
        let fits = |(_, node): &&(&Patch, Node<'_>)| same(self.node, *node);
        // A patch that says the same has the last word.
        let patched = self.patches.iter().rev().find(fits).map(|(patch, node)| patch.origin(*node));
        let written = self.resource.filter(|node| same(self.node, *node)).map(Node::origin);
        match self.node.scalar_kind() {
            // Patches change what is in it.
            None => written.or(patched),
            Some(_) => patched.or(written),
        }
        .or_else(|| self.set_by(key, sets))
    }

    /// The field of a kustomization that sets it.
    fn set_by(
        &self,
        key: Option<&str>,
        sets: &FxHashMap<(Field, String), Origin>,
    ) -> Option<Origin> {
        let text = self.node.as_str()?;
        let of = |field: Field, text: &str| sets.get(&(field, text.to_owned())).cloned();
        match key {
            Some("image") => {
                // The digest and the tag say more than the name.
                let digest = text.split_once('@').and_then(|(_, part)| of(Field::Image, part));
                let tag = || {
                    let (_, part) = text.rsplit_once(':')?;
                    of(Field::Image, part)
                };
                let name = || {
                    let name = text.split_once('@').map_or(text, |(name, _)| name);
                    let end = name.rfind('/').unwrap_or(0);
                    let end = name[end..].find(':').map_or(name.len(), |at| end + at);
                    of(Field::Image, &name[..end])
                };
                digest.or_else(tag).or_else(name)
            }
            Some("replicas") => of(Field::Replicas, text),
            Some("namespace") => of(Field::Namespace, text),
            _ if self.labels => of(Field::Label, text),
            _ => None,
        }
    }
}

fn same(value: Node<'_>, node: Node<'_>) -> bool {
    match value.scalar_kind() {
        Some(ScalarKind::Null) => node.is_null(),
        Some(_) => node.as_str() == value.as_str(),
        None => node.scalar_kind().is_none(),
    }
}
