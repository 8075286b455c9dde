//! Which files are patches: objects that are meant to be incomplete. And which files a
//! kustomization reaches: those are applied together.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use crate::artifact::mmap;
use crate::artifact::yaml::{self, Limits};
use crate::facts::document::Node;
use crate::facts::origin::SourceId;

/// What all kustomizations of a tree say.
#[derive(Debug, Default)]
pub(super) struct Kustomized {
    /// Directories with a kustomization.
    pub(super) dirs: BTreeSet<PathBuf>,
    resources: BTreeSet<PathBuf>,
    partial: BTreeSet<PathBuf>,
    /// By directory: the whole objects and directories that its kustomization names.
    named: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// By directory: `Kind/name` of what its patches change; `*` for any.
    patched: BTreeMap<PathBuf, Vec<String>>,
}

/// What kustomizations do with a file.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// The kustomizations that reach it, in ascending order.
    pub(super) by: Vec<u32>,
    /// What they change, among all that they reach: `Kind/name`, with `*` for any.
    pub(super) patched: Vec<String>,
}

/// Paths that all kustomizations of a tree reach; each of them reaches those of the ones it names.
const REACHED: usize = 200_000;

/// Targets of patches that are kept for a kustomization.
const PATCHED: usize = 64;

/// Fields of a kustomization that name whole objects.
const WHOLE: &[&str] = &["resources", "bases", "crds", "components"];

/// Fields whose items are paths of, or hold the paths of, what is no whole object (kustomize
/// api/types/kustomization.go).
const PARTIAL: &[&str] = &[
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "transformers",
    "generators",
    "validators",
    "configurations",
    "replacements",
];

/// Reads the kustomizations; what cannot be read names nothing.
pub(super) fn read(files: &[PathBuf]) -> Kustomized {
    let mut all = Kustomized::default();
    // A kustomization is a page of names.
    let limits = Limits { file_bytes: 1 << 20, ..Limits::default() };
    for file in files {
        let dir = file.parent().unwrap_or(Path::new(""));
        all.dirs.insert(dir.to_owned());
        let Ok(bytes) = mmap::read_text(file, limits.file_bytes, false) else { continue };
        let cleaned = yaml::clean(&bytes);
        let parsed = yaml::parse(SourceId(u32::MAX), &cleaned.text, &cleaned.replaced, &limits);
        for document in &parsed.documents {
            let root = document.root();
            for key in WHOLE {
                for item in root.get(key).into_iter().flat_map(Node::items) {
                    let Some(path) = item.as_str().and_then(|path| join(dir, path)) else {
                        continue;
                    };
                    all.named.entry(dir.to_owned()).or_default().push(path.clone());
                    all.resources.insert(path);
                }
            }
            for key in PARTIAL {
                for item in root.get(key).into_iter().flat_map(Node::items) {
                    let path = item.as_str().or_else(|| item.get("path").and_then(Node::as_str));
                    all.partial.extend(path.and_then(|path| join(dir, path)));
                    all.patched.entry(dir.to_owned()).or_default().extend(targets(dir, item));
                }
            }
        }
    }
    all
}

/// What one patch changes, as `Kind/name`.
fn targets(dir: &Path, item: Node<'_>) -> Vec<String> {
    let text = |node: Option<Node<'_>>| {
        let text = node.and_then(Node::as_str).filter(|text| !text.is_empty());
        text.unwrap_or("*").to_owned()
    };
    if let Some(target) = item.get("target") {
        // A name is a regular expression there.
        let name = text(target.get("name"));
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let name = if name.chars().all(plain) { name } else { "*".to_owned() };
        return vec![format!("{}/{name}", text(target.get("kind")))];
    }
    let limits = Limits { file_bytes: 1 << 20, ..Limits::default() };
    let inline = item.get("patch").and_then(Node::as_str);
    let inline = inline.or_else(|| item.as_str().filter(|text| text.contains('\n')));
    let path = item.as_str().or_else(|| item.get("path").and_then(Node::as_str));
    let bytes = match (inline, path.and_then(|path| join(dir, path))) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(file)) => mmap::read_text(&file, limits.file_bytes, false).unwrap_or_default(),
        (None, None) => return Vec::new(),
    };
    let cleaned = yaml::clean(&bytes);
    let parsed = yaml::parse(SourceId(u32::MAX), &cleaned.text, &cleaned.replaced, &limits);
    let objects = parsed.documents.iter().map(|document| document.root());
    let objects = objects.filter(|object| object.get("kind").is_some());
    objects
        .map(|object| {
            let name = object.at(&["metadata", "name"]);
            format!("{}/{}", text(object.get("kind")), text(name))
        })
        .collect()
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
            let mut patched: BTreeSet<&str> = BTreeSet::new();
            while let Some(dir) = open.pop() {
                // Patches of a component, or of a base, change what the whole holds.
                let own = self.patched.get(dir).into_iter().flatten();
                patched.extend(own.map(String::as_str));
                for path in self.named.get(dir).into_iter().flatten() {
                    // Kustomizations may name each other in a circle.
                    if left == 0 || !seen.insert(path) {
                        continue;
                    }
                    left -= 1;
                    if self.named.contains_key(path) || self.patched.contains_key(path) {
                        open.push(path);
                    } else {
                        files.push(path.as_path());
                    }
                }
            }
            for file in files {
                let reached = all.entry(file).or_default();
                reached.by.push(number);
                for target in patched.iter().take(PATCHED) {
                    if !reached.patched.iter().any(|known| known == target) {
                        reached.patched.push((*target).to_owned());
                    }
                }
            }
        }
        all
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
