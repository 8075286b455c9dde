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

/// Bytes of the names and namespaces of all of them: what is put around a name is put around it once
/// more by each folder above.
const MOST_BYTES: usize = 32 << 20;

/// Bytes of a name; the longest that Kubernetes takes has 253 (apimachinery
/// `pkg/util/validation/validation.go`, DNS1123SubdomainMaxLength).
const LONGEST_NAME: usize = 1024;

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

/// What something was called on a way: as written, and after each folder that called it otherwise.
type Names = Vec<Arc<str>>;

/// A resource as one way from the root reaches it.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub(super) resource: usize,
    /// What it was called on the way: as written, and after each folder.
    pub(super) names: Vec<Arc<str>>,
    /// The namespaces that it had on the way, the last one at the end.
    pub(super) namespaces: Vec<Arc<str>>,
}

/// All uses, by kind and by the name in the output.
#[derive(Debug, Default)]
pub(super) struct Uses {
    by_kind: FxHashMap<String, ByName>,
    /// How many may come.
    left: usize,
    /// Bytes that their names may take.
    bytes: usize,
}

/// Uses of one kind.
#[derive(Debug, Default)]
struct ByName {
    /// By their names in the output.
    last: FxHashMap<Arc<str>, Named>,
    /// By those that they had before: kustomize leaves the names of some kinds alone.
    before: FxHashMap<Arc<str>, Named>,
}

/// Uses that have one name in the output, by their namespace there.
#[derive(Debug, Default)]
struct Named {
    by_namespace: FxHashMap<Arc<str>, Vec<Arc<Use>>>,
}

impl Uses {
    /// Follows every way from the root. `resources` has the documents, each with the number of its
    /// file; of each layer these are its files.
    pub(super) fn new(
        layers: &[Layer],
        resources: &[Arc<Document>],
        by_file: &[Vec<usize>],
    ) -> Self {
        let mut uses = Self { left: MOST_USES, bytes: MOST_BYTES, ..Self::default() };
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
        let Some((names, namespaces)) = self.called(known, way, layers) else { return };
        let by_name = self.by_kind.entry(known.kind.to_owned()).or_default();
        let namespace: Arc<str> = whole(namespaces.last().map_or("", |name| &**name)).into();
        let found = Arc::new(Use { resource, names, namespaces });
        for (at, name) in found.names.iter().enumerate() {
            let map = match at + 1 == found.names.len() {
                true => &mut by_name.last,
                false => &mut by_name.before,
            };
            let named = map.entry(Arc::clone(name)).or_default();
            let here = named.by_namespace.entry(Arc::clone(&namespace)).or_default();
            here.push(Arc::clone(&found));
        }
    }

    /// The names and namespaces of an object on a way; `None` of what can have none of the kind, and
    /// when there is no room for them.
    fn called(
        &mut self,
        known: Identity<'_>,
        way: &[usize],
        layers: &[Layer],
    ) -> Option<(Names, Names)> {
        let mut take = |bytes: usize| {
            let left = self.bytes.checked_sub(bytes).filter(|_| bytes <= LONGEST_NAME);
            self.bytes = left?;
            Some(())
        };
        take(known.name.len())?;
        take(known.namespace.len())?;
        let mut names: Vec<Arc<str>> = vec![known.name.into()];
        let mut namespaces: Vec<Arc<str>> = vec![known.namespace.into()];
        for layer in way.iter().rev().filter_map(|layer| layers.get(*layer)) {
            let around = layer.prefix.len() + layer.suffix.len();
            if around > 0 {
                let name = names.last().map_or("", |name| &**name);
                take(name.len() + around)?;
                let longer = format!("{}{name}{}", layer.prefix, layer.suffix);
                names.push(longer.into());
            }
            if !layer.namespace.is_empty() {
                take(layer.namespace.len())?;
                namespaces.push(layer.namespace.as_str().into());
            }
        }
        Some((names, namespaces))
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
    let here = here.and_then(|here| here.iter().map(|it| &**it).take(MOST_SAME).find(same_group));
    here.or_else(|| {
        let mut all = found.by_namespace.values().flatten().map(|it| &**it);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_take_no_more_than_there_is_room_for() {
        let identity = Identity { group: "", kind: "ConfigMap", name: "a", namespace: "" };
        let layer = |prefix: usize| Layer { prefix: "p".repeat(prefix), ..Layer::default() };
        let way: Vec<usize> = (0..62).collect();
        let mut uses = Uses { bytes: MOST_BYTES, ..Uses::default() };
        let short: Vec<Layer> = way.iter().map(|_| layer(8)).collect();
        let (names, _) = uses.called(identity, &way, &short).unwrap();
        assert_eq!(names.len(), 63);
        // 1 + 9 + 17 + ...
        assert_eq!(MOST_BYTES - uses.bytes, 63 * (1 + 497) / 2);
        // No object has such a name.
        let long: Vec<Layer> = way.iter().map(|_| layer(1000)).collect();
        assert!(uses.called(identity, &way, &long).is_none());
        uses.bytes = 1000;
        assert!(uses.called(identity, &way, &short).is_none());
    }
}
