//! One layer over the other: whiteouts, opaque directories, links.

use super::archive::Entry;
use super::store::clean;
use super::{Broken, Limits};
use crate::facts::image_files::{FileEntry, FileKind, FileTree};

/// Told problems of one layer; a hostile one would have one for each entry.
const MOST_PROBLEMS: usize = 4;

/// The tree while layers are put on it.
pub(super) struct Builder {
    tree: FileTree,
    entries: usize,
}

impl Builder {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { tree: FileTree::default(), entries: limits.entries }
    }

    pub(super) fn done(self) -> FileTree {
        self.tree
    }

    /// Where an entry of the layer on top lies.
    pub(super) fn place(&self, path: &str) -> Option<String> {
        let path = format!("/{}", clean(path));
        let (dir, name) = path.rsplit_once('/')?;
        let dir = self.tree.resolve(dir, true)?;
        Some(format!("{}/{name}", dir.trim_end_matches('/')))
    }

    /// Whether a path still has the bytes that a layer's entry brought.
    pub(super) fn has(&self, at: &str, layer: u32, path: &str) -> bool {
        let entry = self.tree.get(at);
        entry.is_some_and(|entry| entry.content.0 == layer && &*entry.content.1 == path)
    }

    /// Puts a layer on top. Whiteouts hide what is below, never what the same layer brings,
    /// whatever their order (OCI image-spec, layer.md).
    pub(super) fn apply(&mut self, layer: u32, entries: &[Entry]) -> Vec<Broken> {
        let mut problems = Vec::new();
        for entry in entries {
            let path = format!("/{}", clean(&entry.path));
            let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let Some(hidden) = name.strip_prefix(".wh.") else { continue };
            let Some(dir) = self.tree.resolve(dir, true) else { continue };
            if name == ".wh..wh..opq" {
                self.tree.remove_below(&dir);
            } else if !hidden.is_empty() && !hidden.starts_with(".wh.") {
                self.tree.remove(&format!("{}/{hidden}", dir.trim_end_matches('/')));
            }
        }
        for entry in entries {
            if let Err(broken) = self.put(layer, entry)
                && problems.len() < MOST_PROBLEMS
            {
                let stop = broken.kind == super::ProblemKind::Limit;
                problems.push(broken);
                if stop {
                    break;
                }
            }
        }
        problems
    }

    fn put(&mut self, layer: u32, entry: &Entry) -> Result<(), Broken> {
        if leaves(&entry.path) {
            let path = &entry.path;
            return Err(Broken::malformed(&format!("the path {path} leads out of the image")));
        }
        let path = format!("/{}", clean(&entry.path));
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name.is_empty() || name.starts_with(".wh.") {
            return Ok(());
        }
        if self.tree.len() >= self.entries {
            return Err(Broken::limit(&format!("the image has more than {} files", self.entries)));
        }
        // A runtime unpacks below the directory that a link leads to, inside the image.
        let Some(dir) = self.tree.resolve(dir, true) else {
            return Err(Broken::malformed(&format!("{dir} is a link that leads nowhere")));
        };
        let at = format!("{}/{name}", dir.trim_end_matches('/'));
        let kind = match entry.kind {
            kind if kind.is_dir() => FileKind::Dir,
            kind if kind.is_symlink() => FileKind::Symlink,
            kind if kind.is_hard_link() => {
                let target = self.tree.resolve(&entry.link, false);
                let target = target.and_then(|target| self.tree.get(&target)).cloned();
                let Some(mut linked) = target.filter(|t| t.kind != FileKind::Dir) else {
                    let link = &entry.link;
                    return Err(Broken::malformed(&format!(
                        "{path} links to {link}, which is not there"
                    )));
                };
                linked.layer = layer;
                self.tree.insert(&at, linked);
                return Ok(());
            }
            kind if kind.is_file() || kind.is_contiguous() => FileKind::File,
            _ => FileKind::Other,
        };
        self.tree.insert(
            &at,
            FileEntry {
                kind,
                mode: entry.mode,
                uid: entry.uid,
                gid: entry.gid,
                size: entry.size,
                link: if kind == FileKind::Symlink {
                    entry.link.as_str().into()
                } else {
                    "".into()
                },
                layer,
                content: (layer, entry.path.as_str().into()),
                capabilities: entry.capabilities.filter(|_| kind == FileKind::File).map(Box::new),
            },
        );
        Ok(())
    }
}

/// Whether a path has more `..` than names before them.
fn leaves(path: &str) -> bool {
    let mut depth = 0i64;
    path.split('/').any(|part| {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        depth < 0
    })
}
