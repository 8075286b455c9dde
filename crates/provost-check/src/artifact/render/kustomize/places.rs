//! By key and value of an object: where each was written.

use std::borrow::Cow;
use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::generators::Generator;
use super::patches::Patch;
use crate::artifact::render::{Traced, Written};
use crate::facts::document::{Document, Node, ScalarKind};
use crate::facts::origin::Origin;
use crate::model::merge_keys::merge_keys;

/// Nodes of an object that are traced; the lines of the others are told by what is above them.
const MOST_NODES: usize = 20_000;

/// Levels that are gone down.
const MOST_DEEP: usize = 64;

/// Entries and items of inputs that are looked at for all objects together.
const MOST_WORK: usize = 20_000_000;

/// Operations that add to one list.
const MOST_ADDED: usize = 16;

/// Items of one list that have the same key.
const MOST_ALIKE: usize = 16;

/// What tells items of other lists from each other, most telling first. A patch replaces such a list
/// as a whole.
const TELLING: [&str; 4] = ["name", "port", "topologyKey", "key"];

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

/// What an object was made of.
pub(super) struct Inputs<'d> {
    pub(super) resource: Option<&'d Document>,
    /// In the order in which they are applied.
    pub(super) patches: &'d [&'d Patch],
    /// Of an object that no resource says.
    pub(super) generator: Option<&'d Generator>,
    /// What fields of kustomizations put into objects.
    pub(super) sets: &'d FxHashMap<(Field, String), Origin>,
}

/// A key and its value, or an item, in an input.
#[derive(Clone, Copy)]
struct Pair<'d> {
    /// For an operation, its path.
    key: Option<Node<'d>>,
    value: Node<'d>,
}

/// A node of the object with what stands in its place in the inputs.
struct At<'d> {
    node: Node<'d>,
    resource: Option<Pair<'d>>,
    patches: Vec<(&'d Patch, Pair<'d>)>,
    /// Where it is, as a JSON pointer; kept up for operations.
    pointer: String,
    depth: usize,
    labels: bool,
    /// The name of the list, or of the list that it is an item of.
    list: &'d str,
    /// Of an item of a list: the key by which it is merged.
    merged_by: Option<&'static str>,
    /// It tells a patch what to change, and changes nothing: a name, a merge key.
    identifies: bool,
}

/// The children of a node of an input, found without a search for each.
enum Children<'d> {
    None,
    Keys(FxHashMap<&'d str, Pair<'d>>),
    Items(FxHashMap<(&'static str, &'d str), Vec<Node<'d>>>, Vec<Node<'d>>),
}

impl<'d> Children<'d> {
    fn of(node: Node<'d>, list: &str, work: &mut Work) -> Self {
        let count = node.doc.entries_of(node.id).len() + node.doc.items_of(node.id).len();
        if count == 0 || work.0 < count {
            return Self::None;
        }
        work.0 -= count;
        if node.is_mapping() {
            let pair =
                |(key, value): (Node<'d>, _)| Some((key.as_str()?, Pair { key: Some(key), value }));
            return Self::Keys(node.entries().filter_map(pair).collect());
        }
        let mut named: FxHashMap<(&'static str, &'d str), Vec<Node<'d>>> = FxHashMap::default();
        for item in node.items() {
            for key in keys_of(list) {
                if let Some(name) = item.get(key).and_then(Node::as_str) {
                    let alike = named.entry((*key, name)).or_default();
                    if alike.len() < MOST_ALIKE {
                        alike.push(item);
                    }
                }
            }
        }
        Self::Items(named, node.items().collect())
    }

    fn key(&self, key: &str) -> Option<Pair<'d>> {
        match self {
            Self::Keys(keys) => keys.get(key).copied(),
            _ => None,
        }
    }

    /// The item that is merged with one, or that stands in its place.
    fn item(&self, item: Node<'_>, list: &str, number: usize) -> Option<Pair<'d>> {
        let Self::Items(named, all) = self else { return None };
        let found = match name_of(item, list) {
            Some(name) => {
                let alike = named.get(&name)?;
                // One number may be open for TCP and for UDP.
                let protocol = |node: Node<'_>| {
                    node.get("protocol").and_then(Node::as_str).unwrap_or("TCP").to_owned()
                };
                let same = alike.iter().find(|other| protocol(**other) == protocol(item));
                same.or(alike.first().filter(|_| alike.len() == 1)).copied()?
            }
            None => all.get(number).copied()?,
        };
        Some(Pair { key: None, value: found })
    }
}

/// What tells items of a list from each other.
fn keys_of(list: &str) -> &'static [&'static str] {
    merge_keys(list).unwrap_or(&TELLING)
}

/// What each line of the text of an object came from, and each of its keys and values.
pub(super) fn trace(
    rendered: &Document,
    text: &str,
    inputs: &Inputs<'_>,
    work: &mut Work,
) -> (Vec<Written>, Vec<Traced>) {
    let mut out = Out::of(text);
    let patches = inputs.patches;
    let operations: Vec<&Patch> =
        patches.iter().copied().filter(|patch| !patch.text.operations.is_empty()).collect();
    let merges = patches.iter().copied().filter(|patch| patch.root().is_mapping());
    let pair = |value| Pair { key: None, value };
    let mut open = vec![At {
        node: rendered.root(),
        resource: inputs.resource.map(|document| pair(document.root())),
        patches: merges.map(|patch| (patch, pair(patch.root()))).collect(),
        pointer: String::new(),
        depth: 0,
        labels: false,
        list: "",
        merged_by: None,
        identifies: false,
    }];
    let mut left = MOST_NODES;
    while let Some(at) = open.pop() {
        // What a patch says of a list that is not merged is all of it.
        let stays = at.patches.is_empty() || !at.node.is_sequence() || is_merged(at.list);
        let resource = at.resource.as_ref().filter(|_| stays);
        let of_resource =
            resource.map_or(Children::None, |pair| Children::of(pair.value, at.list, work));
        let mut of_patches: Vec<(&Patch, Children<'_>)> = Vec::with_capacity(at.patches.len());
        for (patch, pair) in &at.patches {
            of_patches.push((*patch, Children::of(pair.value, at.list, work)));
        }
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
                list: name,
                merged_by: None,
                identifies: at.identifies(name),
            };
            child.add(&operations);
            let mut found = child.locate(Some(name), inputs.sets);
            if at.depth == 1 && matches!(at.list, "data" | "binaryData") {
                found.or_generated(inputs.generator, name, value);
            }
            out.set(Some(key), value, found);
            if child.depth < MOST_DEEP {
                open.push(child);
            }
        }
        // What operations add to the end of the list.
        let end = format!("{}/-", at.pointer);
        let added = operations.iter().flat_map(|patch| {
            patch.at(&end).map(|(path, value)| (*patch, Pair { key: Some(path), value }))
        });
        let added: Vec<_> = match at.node.is_sequence() {
            true => added.take(MOST_ADDED).collect(),
            false => Vec::new(),
        };
        let items: Vec<_> = at.node.items().take(left).collect();
        let added = last_of(&items, at.list, added);
        for (number, item) in items.into_iter().enumerate() {
            left = left.saturating_sub(1);
            let mut child = At {
                node: item,
                resource: of_resource.item(item, at.list, number),
                patches: of_patches
                    .iter()
                    .filter_map(|(patch, children)| {
                        Some((*patch, children.item(item, at.list, number)?))
                    })
                    .collect(),
                pointer: pointer(&at.pointer, &number.to_string(), &operations),
                depth: at.depth + 1,
                labels: at.labels,
                list: "",
                merged_by: name_of(item, at.list).map(|(key, _)| key),
                identifies: false,
            };
            child.add(&operations);
            let here = added.iter().filter(|(place, ..)| *place == number);
            let new: Vec<_> = here.map(|(_, patch, pair)| (*patch, *pair)).collect();
            if !new.is_empty() {
                // One of its name that was there before is another.
                child.resource = None;
            }
            child.patches.extend(new);
            out.set(None, item, child.locate(None, inputs.sets));
            if item.as_str().is_none() && child.depth < MOST_DEEP {
                open.push(child);
            }
        }
    }
    out.nodes.sort_by_key(|traced| (traced.span.start, Reverse(traced.span.end)));
    (out.lines, out.nodes)
}

/// What is known so far.
struct Out {
    /// Where each line begins.
    starts: Vec<usize>,
    lines: Vec<Written>,
    nodes: Vec<Traced>,
}

impl Out {
    fn of(text: &str) -> Self {
        let behind = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(behind).collect();
        Self { starts, lines: vec![Written::default(); text.lines().count()], nodes: Vec::new() }
    }

    /// Notes where a value and its key, or an item of a list, was written.
    fn set(&mut self, key: Option<Node<'_>>, node: Node<'_>, found: Found) {
        // The line of a mapping in a list is that of its first key.
        if key.is_some() || node.scalar_kind().is_some() {
            let first = key.unwrap_or(node).span().start as usize;
            let line = self.starts.partition_point(|start| *start <= first).saturating_sub(1);
            if let Some(line) = self.lines.get_mut(line)
                && line.at.is_none()
            {
                line.at.clone_from(&found.value);
            }
        }
        let says = found.value.is_some();
        if let Some(at) = found.value.or_else(|| found.key.clone()) {
            self.nodes.push(Traced { span: node.span(), at, says });
        }
        if let Some((key, at)) = key.zip(found.key) {
            self.nodes.push(Traced { span: key.span(), at, says: true });
        }
    }
}

/// Where a value and its key were written.
#[derive(Default)]
struct Found {
    key: Option<Origin>,
    value: Option<Origin>,
}

impl Found {
    fn of_resource(pair: Pair<'_>) -> Self {
        Self { key: pair.key.map(Node::origin), value: Some(pair.value.origin()) }
    }

    fn of_patch((patch, pair): &(&Patch, Pair<'_>)) -> Self {
        let origin = |node| patch.origin(node);
        Self { key: pair.key.map(origin), value: Some(origin(pair.value)) }
    }

    /// What a generator says of a key, unless a patch does.
    fn or_generated(&mut self, generator: Option<&Generator>, key: &str, value: Node<'_>) {
        let text = value.as_str().unwrap_or_default();
        let Some((entry, says)) = generator.and_then(|made| made.entry(key, text)) else { return };
        if self.value.is_none() {
            self.key = Some(entry.key.clone());
            self.value = says.then(|| entry.value.clone());
        }
    }
}

/// Whether a patch adds to a list of that name, and changes the items that it names.
fn is_merged(list: &str) -> bool {
    merge_keys(list).is_some()
}

/// What tells an item of a list from the others, when it has that.
fn name_of<'d>(item: Node<'d>, list: &str) -> Option<(&'static str, &'d str)> {
    keys_of(list).iter().find_map(|key| Some((*key, item.get(key)?.as_str()?)))
}

/// Which item each value became that an operation added to the end of the list: the last one that it
/// can be, since one of that name may have been there before.
fn last_of<'d>(
    items: &[Node<'_>],
    list: &str,
    added: Vec<(&'d Patch, Pair<'d>)>,
) -> Vec<(usize, &'d Patch, Pair<'d>)> {
    let mut taken: Vec<usize> = Vec::new();
    let mut places = Vec::new();
    for (patch, pair) in added.into_iter().rev() {
        let is = |item: &Node<'_>| match name_of(*item, list) {
            Some((key, name)) => pair.value.get(key).and_then(Node::as_str) == Some(name),
            None => same(*item, pair.value),
        };
        let place = items.iter().enumerate().rev();
        let mut place = place.filter(|(number, _)| !taken.contains(number));
        if let Some((number, _)) = place.find(|(_, item)| is(item)) {
            taken.push(number);
            places.push((number, patch, pair));
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
            let here = patch.at(&self.pointer);
            self.patches
                .extend(here.map(|(path, value)| (*patch, Pair { key: Some(path), value })));
        }
    }

    /// Whether a key of it says which object or which item a patch is for.
    fn identifies(&self, key: &str) -> bool {
        match self.depth {
            0 => matches!(key, "apiVersion" | "kind"),
            1 if self.list == "metadata" => matches!(key, "name" | "namespace"),
            _ => self.merged_by == Some(key),
        }
    }

    /// Where the value and its key were written.
    fn locate(&self, key: Option<&str>, sets: &FxHashMap<(Field, String), Origin>) -> Found {
        let fits = |pair: &Pair<'_>| same(self.node, pair.value);
        // A patch that says the same has the last word.
        let patched = self.patches.iter().rev().find(|(_, pair)| fits(pair)).map(Found::of_patch);
        let written = self.resource.filter(fits).map(Found::of_resource);
        // Patches change what is in it.
        let goes_on = self.node.is_mapping() || self.node.is_sequence() && is_merged(self.list);
        let found = match self.identifies || goes_on {
            true => written.or(patched),
            false => patched.or(written),
        };
        found.unwrap_or_else(|| {
            // Something else made it what it is; who wrote the key is known all the same.
            let own = self.resource.and_then(|pair| pair.key).map(Node::origin);
            let theirs = || self.patches.last().and_then(|patch| Found::of_patch(patch).key);
            Found { key: own.or_else(theirs), value: self.set_by(key, sets) }
        })
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
