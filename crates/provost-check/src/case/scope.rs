//! Which objects are applied together.
//!
//! A repository holds more than one deployment: examples, overlays, variants of one thing. Two
//! objects that match by selector or name belong together only when somebody applies both. What
//! is written about that is where their files lie, and what kustomizations list:
//!
//! - *together*: one file, one folder, one folder below the other, a kustomization that reaches
//!   both, or both named on the command line;
//! - *side by side*: the folders have the same parent (`k8s/service`, `k8s/deployment`). That is a
//!   guess, which holds while nothing else fits;
//! - *apart*: everything else. Nothing is joined.
//!
//! Objects of one kind, namespace and name in several files are alternatives: one of them is
//! applied. The nearest is taken; of several that are equally near none is.

use crate::artifact::Sources;
use crate::facts::origin::SourceId;

/// How surely the objects of two files are applied together; nearer is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distance {
    /// One file.
    File,
    /// One folder.
    Folder,
    /// One folder below the other, one kustomization, or both named by the user.
    Together,
    /// Folders with the same parent.
    SideBySide,
    /// Nothing says so.
    Apart,
}

/// Where the inputs lie.
#[derive(Debug, Default)]
pub struct Scope {
    files: Vec<Place>,
}

#[derive(Debug, Default)]
struct Place {
    folder: String,
    named: bool,
    kustomizations: Vec<u32>,
}

impl Scope {
    /// Takes the places of all inputs.
    pub fn new(sources: &Sources) -> Self {
        let place = |source: &crate::artifact::Source| Place {
            folder: source.path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned(),
            named: source.named,
            kustomizations: source.kustomized.by.clone(),
        };
        Self { files: sources.iter().map(|(_, source)| place(source)).collect() }
    }

    /// How near two inputs are.
    pub fn distance(&self, a: SourceId, b: SourceId) -> Distance {
        if a == b {
            return Distance::File;
        }
        let (Some(a), Some(b)) = (self.files.get(a.0 as usize), self.files.get(b.0 as usize))
        else {
            return Distance::Apart;
        };
        if a.folder == b.folder {
            return Distance::Folder;
        }
        // Both lists are sorted and short.
        let shared = a.kustomizations.iter().any(|k| b.kustomizations.binary_search(k).is_ok());
        if shared || (a.named && b.named) || below(&a.folder, &b.folder) {
            return Distance::Together;
        }
        let parent = |folder: &'_ str| folder.rsplit_once('/').map(|(parent, _)| parent.to_owned());
        // Folders at the top of what was given have the place of the run for a parent.
        if parent(&a.folder) == parent(&b.folder) {
            return Distance::SideBySide;
        }
        Distance::Apart
    }

    /// Whether the objects of two inputs are certainly applied together.
    pub fn together(&self, a: SourceId, b: SourceId) -> bool {
        self.distance(a, b) <= Distance::Together
    }
}

/// Whether one of two different folders lies below the other.
fn below(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    if short.is_empty() {
        // The folder of the run. It lies below `..`; a folder beside it, or one from the root, does
        // not lie below it.
        let first = long.split('/').next();
        return !matches!(first, Some("" | "..")) || long.split('/').all(|name| name == "..");
    }
    long.strip_prefix(short).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Distance::{Apart, File, Folder, SideBySide, Together};
    use super::*;
    use crate::artifact::{Source, SourceKind};

    fn scope(files: &[(&str, bool, &[u32])]) -> Scope {
        let mut sources = Sources::default();
        for (path, named, kustomizations) in files {
            let mut source = Source::text(*path, SourceKind::Manifest, Arc::from(""));
            source.named = *named;
            source.kustomized.by = kustomizations.to_vec();
            sources.add(source);
        }
        Scope::new(&sources)
    }

    #[track_caller]
    fn check(a: (&str, bool, &[u32]), b: (&str, bool, &[u32]), expect: Distance) {
        let scope = scope(&[a, b]);
        assert_eq!(scope.distance(SourceId(0), SourceId(1)), expect);
        assert_eq!(scope.distance(SourceId(1), SourceId(0)), expect);
        assert_eq!(scope.distance(SourceId(0), SourceId(0)), File);
    }

    #[test]
    fn folders_say_what_is_applied_together() {
        check(("k8s/a.yaml", false, &[]), ("k8s/b.yaml", false, &[]), Folder);
        check(("k8s/a.yaml", false, &[]), ("k8s/web/b.yaml", false, &[]), Together);
        check(("a.yaml", false, &[]), ("k8s/web/b.yaml", false, &[]), Together);
        check(("a.yaml", false, &[]), ("..data/b.yaml", false, &[]), Together);
        check(("a.yaml", false, &[]), ("../b.yaml", false, &[]), Together);
        check(("a.yaml", false, &[]), ("../x/b.yaml", false, &[]), Apart);
        check(("a.yaml", false, &[]), ("../../x/b.yaml", false, &[]), Apart);
        check(("a.yaml", false, &[]), ("/srv/x/b.yaml", false, &[]), Apart);
        check(("k8s/svc/a.yaml", false, &[]), ("k8s/deploy/b.yaml", false, &[]), SideBySide);
        check(("svc/a.yaml", false, &[]), ("deploy/b.yaml", false, &[]), SideBySide);
        check(("x/one/k8s/a.yaml", false, &[]), ("x/two/k8s/b.yaml", false, &[]), Apart);
        check(("k8s/web/a.yaml", false, &[]), ("k8s/web2/b.yaml", false, &[]), SideBySide);
        check(("k8s/web/a.yaml", false, &[]), ("k8s/web-2/x/b.yaml", false, &[]), Apart);
    }

    #[test]
    fn a_kustomization_or_the_user_brings_folders_together() {
        check(("x/one/a.yaml", false, &[2, 5]), ("y/two/b.yaml", false, &[1, 5]), Together);
        check(("x/one/a.yaml", false, &[2]), ("y/two/b.yaml", false, &[1]), Apart);
        check(("x/one/a.yaml", true, &[]), ("y/two/b.yaml", true, &[]), Together);
        check(("x/one/a.yaml", true, &[]), ("y/two/b.yaml", false, &[]), Apart);
    }
}
