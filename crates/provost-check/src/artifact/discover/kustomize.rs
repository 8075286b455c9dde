//! Which files are patches: objects that are meant to be incomplete. And which files a
//! kustomization reaches: those are applied together.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::artifact::kustomization::{self, Plugin, Role};
use crate::artifact::mmap;
use crate::artifact::render::changes_another;
use crate::artifact::source::{Patches, Reached};
use crate::artifact::yaml::{self, Limits};
use crate::facts::document::Node;
use crate::facts::origin::SourceId;
use crate::model::merge_keys::merge_keys;

/// What all kustomizations of a tree say.
#[derive(Debug, Default)]
pub(super) struct Kustomized {
    /// Directories with a kustomization.
    pub(super) dirs: BTreeSet<PathBuf>,
    resources: BTreeSet<PathBuf>,
    /// Directories whose kustomization is of the kind Component, for others to take in.
    components: BTreeSet<PathBuf>,
    partial: BTreeSet<PathBuf>,
    /// By directory: the whole objects and directories that its kustomization names.
    named: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// By directory: what its patches change.
    patched: BTreeMap<PathBuf, Patches>,
    /// By directory: the names of images that its kustomization writes over.
    images: BTreeMap<PathBuf, BTreeSet<String>>,
    /// Directories whose kustomization has a component or a transformer that may write over any image.
    any_image: BTreeSet<PathBuf>,
    /// By directory: its kustomization, where that has generators of ConfigMaps or Secrets.
    pub(super) generating: BTreeMap<PathBuf, PathBuf>,
}

/// Paths that all kustomizations of a tree reach; each of them reaches those of the ones it names.
const REACHED: usize = 200_000;

/// Fields that are kept for one target of patches; beyond them it counts as changed anywhere.
const FIELDS: usize = 64;

/// Mappings and lists inside each other that are looked into for what a patch changes.
const DEPTH: usize = 32;

/// Nodes of one patch that are looked at.
const NODES: usize = 100_000;

/// Fields of a kustomization whose items are patches, by their folded names.
const PATCHING: &[&str] = &["patches", "patchesstrategicmerge", "patchesjson6902"];

/// Builtin transformers that change no field which a rule joins objects by, or do so as `labels` and
/// `images` do.
const HARMLESS: &[&str] = &[
    "AnnotationsTransformer",
    "HashTransformer",
    "ImageTagTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PrefixTransformer",
    "SortOrderTransformer",
    "SuffixTransformer",
];

/// Reads the kustomizations; what cannot be read names nothing.
pub(super) fn read(files: &[PathBuf]) -> Kustomized {
    let mut all = Kustomized::default();
    // A kustomization is a page of names.
    let limits = Limits { file_bytes: 1 << 20, ..Limits::default() };
    let folder = |file: &'_ PathBuf| file.parent().unwrap_or(Path::new("")).to_owned();
    let all_dirs: BTreeSet<PathBuf> = files.iter().map(folder).collect();
    for file in files {
        let dir = file.parent().unwrap_or(Path::new(""));
        all.dirs.insert(dir.to_owned());
        let Ok(bytes) = mmap::read_text(file, limits.file_bytes, false) else { continue };
        let cleaned = yaml::clean(&bytes);
        let parsed = yaml::parse(SourceId(u32::MAX), &cleaned.text, &cleaned.replaced, &limits);
        for document in &parsed.documents {
            let root = document.root();
            if root.get("kind").and_then(Node::as_str) == Some("Component") {
                all.components.insert(dir.to_owned());
            }
            for entry in kustomization::entries(root) {
                let path = join(dir, entry.text);
                match entry.role {
                    Role::Whole | Role::Component | Role::Schema => {
                        // A component that is fetched, or lies above where the walk began.
                        if entry.role == Role::Component
                            && path.as_ref().is_none_or(|path| !all_dirs.contains(path.as_path()))
                        {
                            all.any_image.insert(dir.to_owned());
                        }
                        let Some(path) = path else { continue };
                        all.named.entry(dir.to_owned()).or_default().push(path.clone());
                        all.resources.insert(path);
                    }
                    Role::Patch | Role::Settings => all.partial.extend(path),
                    Role::Plugin(plugin) => {
                        if plugin == Plugin::Transformer {
                            let changes = all.patched.entry(dir.to_owned()).or_default();
                            transformer(entry.text, path.as_deref(), changes);
                            all.any_image.insert(dir.to_owned());
                        }
                        all.partial.extend(path);
                    }
                    Role::Data | Role::Chart | Role::Unknown => {}
                }
            }
            for (name, field) in kustomization::fields(root) {
                let changes = all.patched.entry(dir.to_owned()).or_default();
                if let Some(kind) = kustomization::made_by(&name) {
                    // It is reached as if it were one of the resources.
                    all.generating.insert(dir.to_owned(), file.clone());
                    all.named.entry(dir.to_owned()).or_default();
                    field.items().for_each(|item| merged(kind, item, changes));
                } else if PATCHING.contains(&&*name) {
                    field.items().for_each(|item| patches(dir, item, changes));
                } else if name == "replacements" {
                    field.items().for_each(|item| replacement(dir, item, changes));
                }
            }
            for name in ["images", "imagetags"] {
                let names = kustomization::all_of(root, name).flat_map(Node::items);
                let names = names.flat_map(|item| kustomization::all_of(item, "name"));
                let names = names.filter_map(Node::as_str).map(str::to_owned);
                all.images.entry(dir.to_owned()).or_default().extend(names);
            }
            // Of whatever kind the object is.
            let replicas = kustomization::all_of(root, "replicas");
            for item in replicas.flat_map(Node::items) {
                let Some(name) = item.get("name").and_then(Node::as_str) else { continue };
                let all = all.patched.entry(dir.to_owned()).or_default();
                add(all, format!("*/{name}"), ["spec/replicas".to_owned()]);
            }
            if all.patched.get(dir).is_some_and(BTreeMap::is_empty) {
                all.patched.remove(dir);
            }
        }
    }
    all
}

/// Adds fields to those of a target.
fn add(all: &mut Patches, target: String, fields: impl IntoIterator<Item = String>) {
    let known = all.entry(target).or_default();
    known.extend(fields);
    if known.len() > FIELDS {
        *known = [String::new()].into();
    }
}

/// Adds what one patch changes.
fn patches(dir: &Path, item: Node<'_>, all: &mut Patches) {
    let text = |node: Option<Node<'_>>| {
        let text = node.and_then(Node::as_str).filter(|text| !text.is_empty());
        text.unwrap_or("*").to_owned()
    };
    let limits = Limits { file_bytes: 1 << 20, ..Limits::default() };
    let inline = item.get("patch").and_then(Node::as_str);
    let inline = inline.or_else(|| item.as_str().filter(|text| text.contains('\n')));
    let path = item.as_str().or_else(|| item.get("path").and_then(Node::as_str));
    let bytes = match (inline, path.and_then(|path| join(dir, path))) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(file)) => mmap::read_text(&file, limits.file_bytes, false).unwrap_or_default(),
        (None, None) => Vec::new(),
    };
    let cleaned = yaml::clean(&bytes);
    let parsed = yaml::parse(SourceId(u32::MAX), &cleaned.text, &cleaned.replaced, &limits);
    let objects = || parsed.documents.iter().map(|document| document.root());
    if let Some(target) = item.get("target") {
        // A name is a regular expression there.
        let name = text(target.get("name"));
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let name = if name.chars().all(plain) { name } else { "*".to_owned() };
        let mut fields: BTreeSet<String> = objects().flat_map(changed).collect();
        // What cannot be read may change anything.
        if fields.is_empty() || !parsed.problems.is_empty() {
            fields.insert(String::new());
        }
        add(all, format!("{}/{name}", text(target.get("kind"))), fields);
        return;
    }
    for object in objects().filter(|object| object.get("kind").is_some()) {
        let name = text(object.at(&["metadata", "name"]));
        add(all, format!("{}/{name}", text(object.get("kind"))), changed(object));
    }
}

/// Adds what a generator changes that another one, or a resource, made.
fn merged(kind: &str, item: Node<'_>, all: &mut Patches) {
    let text = |key| kustomization::all_of(item, key).filter_map(Node::as_str).last();
    if text("behavior").is_some_and(changes_another)
        && let Some(name) = text("name")
    {
        add(all, format!("{kind}/{name}"), ["data".to_owned()]);
    }
}

/// Adds what the settings of transformers change: text, a file, or a folder, which may hold anything.
fn transformer(text: &str, path: Option<&Path>, all: &mut Patches) {
    let inline = kustomization::parse(text)
        .ok()
        .filter(|documents| documents.iter().any(|document| document.root().get("kind").is_some()));
    let read = || kustomization::read(path?).ok().map(|(_, documents)| documents);
    let anything = |all: &mut Patches| add(all, "*/*".to_owned(), [String::new()]);
    let Some(documents) = inline.or_else(read) else { return anything(all) };
    for document in &documents {
        match document.root().get("kind").and_then(Node::as_str) {
            Some("ReplicaCountTransformer") => {
                add(all, "*/*".to_owned(), ["spec/replicas".to_owned()]);
            }
            Some(kind) if HARMLESS.contains(&kind) => {}
            _ => anything(all),
        }
    }
}

/// Adds what one entry of `replacements` changes, or the entries in its file.
fn replacement(dir: &Path, item: Node<'_>, all: &mut Patches) {
    let Some(path) = kustomization::all_of(item, "path").find_map(Node::as_str) else {
        return replaced(item, all);
    };
    let read = join(dir, path).and_then(|path| kustomization::read(&path).ok());
    let Some((_, documents)) = read else {
        return add(all, "*/*".to_owned(), [String::new()]);
    };
    for root in documents.iter().map(|document| document.root()) {
        match root.is_sequence() {
            true => root.items().for_each(|item| replaced(item, all)),
            false => replaced(root, all),
        }
    }
}

fn replaced(item: Node<'_>, all: &mut Patches) {
    for target in kustomization::all_of(item, "targets").flat_map(Node::items) {
        let of = |key: &str| {
            let select = kustomization::all_of(target, "select");
            let text = select.flat_map(|select| kustomization::all_of(select, key));
            let text = text.filter_map(Node::as_str).last().unwrap_or_default();
            // Both are regular expressions.
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
            let is_plain = !text.is_empty() && text.chars().all(plain);
            if is_plain { text.to_owned() } else { "*".to_owned() }
        };
        let paths = kustomization::all_of(target, "fieldpaths").flat_map(Node::items);
        let mut fields: BTreeSet<String> = paths.filter_map(Node::as_str).map(field).collect();
        if fields.is_empty() {
            // The default is the name.
            fields.insert("metadata/name".to_owned());
        }
        add(all, format!("{}/{}", of("kind"), of("name")), fields);
    }
}

/// `spec.template.spec.containers.[name=a].image` without the positions in lists.
fn field(path: &str) -> String {
    // Quotes and backslashes keep a point in a key.
    if path.contains(['\\', '"', '\'']) {
        return String::new();
    }
    let is_position = |part: &&str| {
        part.starts_with('[') || matches!(*part, "*" | "-") || part.parse::<u32>().is_ok()
    };
    // A value in brackets may hold points too.
    let mut open = false;
    let mut parts = Vec::new();
    for part in path.split('.') {
        let inside = open || part.starts_with('[');
        open = inside && !part.ends_with(']');
        if !inside && !is_position(&part) && !part.is_empty() {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// The fields that a patch changes, `spec/replicas`, without positions in lists: those below a
/// field are changed with it. The empty one stands for the whole object.
fn changed(patch: Node<'_>) -> BTreeSet<String> {
    // Lists of custom resources have no keys to merge by: one takes the place of the other.
    let version = patch.get("apiVersion").and_then(Node::as_str).unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let whole_lists = group.contains('.') && !group.ends_with(".k8s.io");
    let mut changes = Changes { fields: BTreeSet::new(), left: NODES, whole_lists };
    // RFC 6902: a list of operations.
    for operation in patch.items() {
        for key in ["path", "from"] {
            let Some(pointer) = operation.get(key).and_then(Node::as_str) else { continue };
            let is_position = |part: &&str| {
                *part == "-" || !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())
            };
            let parts = pointer.split('/').filter(|part| !part.is_empty() && !is_position(part));
            changes.fields.insert(parts.collect::<Vec<_>>().join("/"));
        }
    }
    for (key, value) in patch.entries() {
        match key.as_str() {
            // They say which object is meant.
            Some("apiVersion" | "kind") => {}
            Some("metadata") => {
                for (key, value) in value.entries() {
                    let key = key.as_str().unwrap_or_default();
                    if !matches!(key, "name" | "namespace") {
                        changes.merge(value, format!("metadata/{key}"), DEPTH);
                    }
                }
            }
            Some(key) if !key.starts_with('$') => changes.merge(value, key.to_owned(), DEPTH),
            // `$patch: delete`
            _ => {
                changes.fields.insert(String::new());
            }
        }
    }
    if changes.left == 0 {
        return [String::new()].into();
    }
    changes.fields
}

/// Fields that a strategic merge changes.
struct Changes {
    fields: BTreeSet<String>,
    /// Nodes that may still be looked at: through its aliases a small patch has billions.
    left: usize,
    /// A list takes the place of the one that is there.
    whole_lists: bool,
}

impl Changes {
    /// Adds those below one field.
    fn merge(&mut self, node: Node<'_>, at: String, depth: usize) {
        let directive = |node: Node<'_>| {
            node.entries().any(|(key, _)| key.as_str().is_none_or(|key| key.starts_with('$')))
        };
        let is_leaf =
            node.entries().next().is_none() && (self.whole_lists || node.items().next().is_none());
        self.left = self.left.saturating_sub(1);
        if is_leaf || depth == 0 || self.left == 0 || directive(node) {
            self.fields.insert(at);
            return;
        }
        for (key, value) in node.entries() {
            let below = format!("{at}/{}", key.as_str().unwrap_or_default());
            self.merge(value, below, depth - 1);
            if self.left == 0 {
                return;
            }
        }
        let list = at.rsplit('/').next().unwrap_or_default();
        for item in node.items() {
            // Told apart by their names, which a strategic merge does not change.
            let by_name =
                merge_keys(list).is_some_and(|keys| keys == ["name"]) && item.get("name").is_some();
            if by_name && !directive(item) {
                let others = item.entries().filter(|(key, _)| key.as_str() != Some("name"));
                for (key, value) in others {
                    let below = format!("{at}/{}", key.as_str().unwrap_or_default());
                    self.merge(value, below, depth - 1);
                }
            } else {
                self.merge(item, at.clone(), depth - 1);
            }
            if self.left == 0 {
                return;
            }
        }
    }
}

impl Kustomized {
    /// By file: what reaches and changes it.
    pub(super) fn reached(&self) -> BTreeMap<&Path, Reached> {
        let mut all: BTreeMap<&Path, Reached> = BTreeMap::new();
        let mut left = REACHED;
        for (number, root) in self.named.keys().enumerate() {
            let Ok(number) = u32::try_from(number) else { break };
            let mut open = vec![root];
            let mut seen: BTreeSet<&Path> = BTreeSet::new();
            let mut files = Vec::new();
            let mut patched = Patches::new();
            let mut images: BTreeSet<String> = BTreeSet::new();
            let mut any_image = false;
            while let Some(dir) = open.pop() {
                let generating = self.generating.get(dir).map(PathBuf::as_path);
                files.extend(generating.filter(|file| seen.insert(*file)));
                // Patches of a component, or of a base, change what the whole holds.
                for (target, fields) in self.patched.get(dir).into_iter().flatten() {
                    add(&mut patched, target.clone(), fields.iter().cloned());
                }
                images.extend(self.images.get(dir).into_iter().flatten().cloned());
                any_image |= self.any_image.contains(dir);
                for path in self.named.get(dir).into_iter().flatten() {
                    // Kustomizations may name each other in a circle.
                    if left == 0 || !seen.insert(path) {
                        continue;
                    }
                    left -= 1;
                    // A component may name nothing, and have patches or images alone.
                    if self.named.contains_key(path)
                        || self.patched.contains_key(path)
                        || self.components.contains(path)
                    {
                        open.push(path);
                    } else {
                        files.push(path.as_path());
                    }
                }
            }
            let patched = (!patched.is_empty()).then(|| Arc::new(patched));
            for file in files {
                let reached = all.entry(file).or_default();
                reached.by.push(number);
                reached.patched.extend(patched.clone());
                reached.images.extend(images.iter().cloned());
                reached.any_image |= any_image;
            }
        }
        all
    }

    /// Whether no other kustomization names the folder, and it can be built by itself.
    pub(super) fn is_root(&self, dir: &Path) -> bool {
        !self.resources.contains(dir) && !self.components.contains(dir)
    }

    /// Whether a file is named as a patch alone, or is called one beside a kustomization that does
    /// not name it (generators leave such files with their line commented out).
    pub(super) fn is_partial(&self, path: &Path) -> bool {
        if self.dirs.is_empty() || self.resources.contains(path) {
            return false;
        }
        if self.partial.contains(path) {
            return true;
        }
        let called = |part: Option<&OsStr>| {
            part.and_then(OsStr::to_str).is_some_and(|n| n.to_ascii_lowercase().contains("patch"))
        };
        let dir = path.parent();
        let below = || path.ancestors().skip(1).take(3).any(|dir| self.dirs.contains(dir));
        (called(path.file_stem()) || called(dir.and_then(Path::file_name))) && below()
    }
}

/// `dir/path` without `.` and `..`, as the walk names it; none for what is no path: an inline patch
/// or a URL.
pub(super) fn join(dir: &Path, path: &str) -> Option<PathBuf> {
    if path.contains('\n') || path.contains("://") {
        return None;
    }
    let mut joined = dir.to_owned();
    for component in Path::new(path).components() {
        match component {
            Component::CurDir => {}
            // Above the place where the walk began there is nothing that it would find.
            Component::ParentDir => {
                if !joined.pop() {
                    return None;
                }
            }
            other => joined.push(other),
        }
    }
    Some(joined)
}
