//! What a module's folder already has for its deployment.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;

/// Where people keep manifests and charts.
const FOLDERS: &[&str] = &[
    "deploy",
    "deployment",
    "deployments",
    "k8s",
    "kubernetes",
    "kube",
    "manifests",
    "charts",
    "chart",
    "helm",
    "kustomize",
];

/// Where people keep a Dockerfile that is not at the top.
const DOCKERFILES: &[&str] =
    &["Containerfile", "build/Dockerfile", "build/package/Dockerfile", "docker/Dockerfile"];

/// Entries that are looked at, in the order of folders and names, and levels.
const MOST_ENTRIES: usize = 2_000;
const MOST_DEEP: usize = 6;

/// Paths below the module's folder, in order.
#[derive(Debug, Default)]
pub(in super::super) struct Neighbours {
    /// YAML in the folders for it.
    pub(in super::super) manifests: Vec<String>,
    pub(in super::super) dockerfiles: Vec<String>,
}

impl Neighbours {
    pub(super) fn of(folder: &Path) -> Self {
        let mut found = Self::default();
        let mut left = MOST_ENTRIES;
        let mut open: VecDeque<(String, usize)> =
            FOLDERS.iter().map(|name| ((*name).to_owned(), 0)).collect();
        while let Some((below, depth)) = open.pop_front() {
            if left == 0 {
                break;
            }
            for (name, kind) in listed(&folder.join(&below), left) {
                left -= 1;
                let path = format!("{below}/{name}");
                if kind.is_dir() && depth < MOST_DEEP {
                    open.push_back((path, depth + 1));
                } else if kind.is_file() && (name.ends_with(".yaml") || name.ends_with(".yml")) {
                    found.manifests.push(path);
                }
            }
        }
        found.manifests.sort();
        let dockerfiles = DOCKERFILES.iter().filter(|name| folder.join(name).is_file());
        found.dockerfiles = dockerfiles.map(|name| (*name).to_owned()).collect();
        found
    }
}

/// The first entries of a folder by name: which those are must not depend on the order that the file
/// system has them in.
fn listed(folder: &Path, most: usize) -> BTreeMap<String, fs::FileType> {
    let mut first = BTreeMap::new();
    // Links may lead anywhere.
    if !fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.is_dir()) {
        return first;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        first.insert(entry.file_name().to_string_lossy().into_owned(), kind);
        if first.len() > most {
            first.pop_last();
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_found_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("x.yaml"), "").unwrap();
        fs::create_dir_all(dir.path().join("k8s/base")).unwrap();
        fs::write(dir.path().join("k8s/base/a.yml"), "").unwrap();
        fs::write(dir.path().join("k8s/notes.md"), "").unwrap();
        fs::write(dir.path().join("Containerfile"), "").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("deploy")).unwrap();
        let found = Neighbours::of(dir.path());
        assert_eq!(found.manifests, ["k8s/base/a.yml"]);
        assert_eq!(found.dockerfiles, ["Containerfile"]);
    }
    #[test]
    fn the_first_entries_by_name_are_seen_in_whatever_order_they_lie() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["deploy", "k8s"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        // Written from the last to the first, in the folder that is looked at first.
        for number in (0..MOST_ENTRIES + 20).rev() {
            fs::write(dir.path().join(format!("deploy/{number:05}.yaml")), "").unwrap();
        }
        fs::write(dir.path().join("k8s/a.yaml"), "").unwrap();
        let found = Neighbours::of(dir.path());
        let expected: Vec<String> =
            (0..MOST_ENTRIES).map(|number| format!("deploy/{number:05}.yaml")).collect();
        assert_eq!(found.manifests, expected);
    }
}
