//! What a module's folder already has for its deployment.

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

/// Entries that are looked at, and levels.
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
        let mut entries = 0;
        let mut open: Vec<(String, usize)> =
            FOLDERS.iter().map(|name| ((*name).to_owned(), 0)).collect();
        while let Some((below, depth)) = open.pop() {
            // Links may lead anywhere.
            let at = folder.join(&below);
            if !fs::symlink_metadata(&at).is_ok_and(|metadata| metadata.is_dir()) {
                continue;
            }
            let Ok(listed) = fs::read_dir(&at) else { continue };
            for entry in listed.flatten() {
                entries += 1;
                if entries > MOST_ENTRIES {
                    break;
                }
                let Ok(kind) = entry.file_type() else { continue };
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = format!("{below}/{name}");
                if kind.is_dir() && depth < MOST_DEEP {
                    open.push((path, depth + 1));
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
}
