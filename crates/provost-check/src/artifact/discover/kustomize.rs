//! Which files are patches: objects that are meant to be incomplete.

use std::collections::BTreeSet;
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
}

/// Fields of a kustomization that name whole objects.
const WHOLE: &[&str] = &["resources", "bases", "crds"];

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
                    all.resources.extend(item.as_str().and_then(|path| join(dir, path)));
                }
            }
            for key in PARTIAL {
                for item in root.get(key).into_iter().flat_map(Node::items) {
                    let path = item.as_str().or_else(|| item.get("path").and_then(Node::as_str));
                    all.partial.extend(path.and_then(|path| join(dir, path)));
                }
            }
        }
    }
    all
}

impl Kustomized {
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
fn join(dir: &Path, path: &str) -> Option<PathBuf> {
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
