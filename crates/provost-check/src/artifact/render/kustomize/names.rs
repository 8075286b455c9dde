//! Which resource an object of the output was made of: kustomize puts prefixes and suffixes around
//! names, and hashes behind those that it generates.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Layer;
use crate::facts::document::{Document, Node};

/// Ways from the root to its folders that are followed; a base may be reached by several.
const MOST_WAYS: usize = 4_000;

/// Folders below each other.
const MOST_DEEP: usize = 64;

/// Uses of resources that are remembered.
const MOST_USES: usize = 200_000;

/// Objects of one kind, name and namespace that are told from each other by their API.
const MOST_SAME: usize = 16;

/// Parts of a name, divided by hyphens, that a resource's name is looked for in.
const MOST_PARTS: usize = 24;

/// Characters of the hash behind a generated name (api `hasher/hasher.go`).
const HASH: usize = 10;

/// What an object is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity<'d> {
    pub(super) group: &'d str,
    pub(super) kind: &'d str,
    pub(super) name: &'d str,
    pub(super) namespace: &'d str,
}

impl<'d> Identity<'d> {
    /// None of what has no kind or no name.
    pub(super) fn of(root: Node<'d>) -> Option<Self> {
        let text = |path: &[&str]| root.at(path).and_then(Node::as_str);
        let version = text(&["apiVersion"]).unwrap_or_default();
        Some(Self {
            group: version.split_once('/').map_or("", |(group, _)| group),
            kind: text(&["kind"])?,
            name: text(&["metadata", "name"])?,
            namespace: text(&["metadata", "namespace"]).unwrap_or_default(),
        })
    }
}

/// A resource as one way from the root reaches it.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub(super) resource: usize,
    /// What it was called on the way: as written, and after each folder.
    pub(super) names: Vec<String>,
    /// The namespaces that it had on the way, the last one at the end.
    pub(super) namespaces: Vec<String>,
}

/// All uses, by kind and by the name in the output.
#[derive(Debug, Default)]
pub(super) struct Uses {
    by_kind: FxHashMap<String, ByName>,
    left: usize,
}

/// Uses of one kind.
#[derive(Debug, Default)]
struct ByName {
    /// By their names in the output.
    last: FxHashMap<String, Named>,
    /// By those that they had before: kustomize leaves the names of some kinds alone.
    before: FxHashMap<String, Named>,
}

/// Uses that have one name in the output, by their namespace there.
#[derive(Debug, Default)]
struct Named {
    by_namespace: FxHashMap<String, Vec<Use>>,
}

impl Uses {
    /// Follows every way from the root. `resources` has the documents, each with the number of its
    /// file; of each layer these are its files.
    pub(super) fn new(
        layers: &[Layer],
        resources: &[Arc<Document>],
        by_file: &[Vec<usize>],
    ) -> Self {
        let mut uses = Self { left: MOST_USES, ..Self::default() };
        let mut ways = 0;
        let mut open: Vec<Vec<usize>> = vec![vec![0]];
        while let Some(way) = open.pop() {
            ways += 1;
            let Some(layer) = way.last().and_then(|last| layers.get(*last)) else { continue };
            if ways > MOST_WAYS {
                break;
            }
            for document in layer.files.iter().filter_map(|file| by_file.get(*file)).flatten() {
                uses.add(*document, resources, &way, layers);
            }
            for child in layer.children.iter().filter(|child| !way.contains(child)) {
                if way.len() < MOST_DEEP {
                    open.push(way.iter().copied().chain([*child]).collect());
                }
            }
        }
        uses
    }

    fn add(
        &mut self,
        resource: usize,
        resources: &[Arc<Document>],
        way: &[usize],
        layers: &[Layer],
    ) {
        let Some(document) = resources.get(resource) else { return };
        let Some(known) = Identity::of(document.root()) else { return };
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let mut names = vec![known.name.to_owned()];
        let mut namespaces = vec![known.namespace.to_owned()];
        for layer in way.iter().rev().filter_map(|layer| layers.get(*layer)) {
            let name = names.last().map_or("", String::as_str);
            let longer = format!("{}{name}{}", layer.prefix, layer.suffix);
            if longer != name {
                names.push(longer);
            }
            if !layer.namespace.is_empty() {
                namespaces.push(layer.namespace.clone());
            }
        }
        let by_name = self.by_kind.entry(known.kind.to_owned()).or_default();
        let namespace = whole(namespaces.last().map_or("", String::as_str)).to_owned();
        let found = Use { resource, names, namespaces };
        for (at, name) in found.names.iter().enumerate() {
            let map = match at + 1 == found.names.len() {
                true => &mut by_name.last,
                false => &mut by_name.before,
            };
            let named = map.entry(name.clone()).or_default();
            named.by_namespace.entry(namespace.clone()).or_default().push(found.clone());
        }
    }

    /// The resource that an object was made of.
    pub(super) fn find(&self, object: Identity<'_>, resources: &[Arc<Document>]) -> Option<&Use> {
        let by_name = self.by_kind.get(object.kind)?;
        if let Some(found) = by_name.last.get(object.name) {
            return nearest(found, object, resources);
        }
        // A transformer or a patch may have changed the name too.
        let known = |part: &str| by_name.before.get(part).or_else(|| by_name.last.get(part));
        nearest(longest_part(object.name, known)?, object, resources)
    }
}

/// What is found for the longest run of a name's parts, which hyphens divide.
pub(super) fn longest_part<T>(name: &str, find: impl Fn(&str) -> Option<T>) -> Option<T> {
    let behind = name.match_indices('-').map(|(at, _)| at + 1);
    let starts: Vec<usize> = std::iter::once(0).chain(behind).take(MOST_PARTS).collect();
    let before = starts.iter().skip(1).map(|start| start - 1);
    let ends: Vec<usize> = before.chain(std::iter::once(name.len())).collect();
    let mut best: Option<(usize, T)> = None;
    for (number, start) in starts.iter().enumerate() {
        for end in ends.iter().skip(number) {
            let part = name.get(*start..*end).unwrap_or_default();
            if best.as_ref().is_none_or(|(length, _)| part.len() > *length)
                && let Some(found) = find(part)
            {
                best = Some((part.len(), found));
            }
        }
    }
    best.map(|(_, found)| found)
}

/// Of several, the one of the object's API and namespace; none where that does not tell.
fn nearest<'u>(
    found: &'u Named,
    object: Identity<'_>,
    resources: &[Arc<Document>],
) -> Option<&'u Use> {
    let same_group = |known: &&Use| {
        let document = resources.get(known.resource);
        let of = document.and_then(|document| Identity::of(document.root()));
        of.is_some_and(|of| of.group == object.group)
    };
    let here = found.by_namespace.get(whole(object.namespace));
    let here = here.and_then(|here| here.iter().take(MOST_SAME).find(same_group));
    here.or_else(|| {
        let mut all = found.by_namespace.values().flatten();
        all.next().filter(|_| all.next().is_none())
    })
}

/// A namespace by its name: none is the default one.
pub(super) fn whole(namespace: &str) -> &str {
    if namespace.is_empty() { "default" } else { namespace }
}

/// The name of a generator's object without its hash.
pub(super) fn without_hash(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((before, hash))
            if hash.len() == HASH
                && hash.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) =>
        {
            before
        }
        _ => name,
    }
}
