//! Files that are gone, and what they were to those that are left.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use provost_check::artifact::manifest::{self, ManifestFile};
use provost_check::artifact::{Source, SourceKind, Sources};
use provost_check::case::World;
use provost_check::facts::document::{Document, Node, NodeId};
use provost_check::facts::{Object, SourceId};

/// Bytes of a file that is read for what it was.
pub(super) const LARGEST: usize = 1 << 20;

/// Files that are read. Of more, each may have been joined with everything around it.
pub(super) const MOST_READ: usize = 200;

/// A file that is gone.
#[derive(Debug)]
pub(super) struct Lost {
    /// Where it was.
    path: PathBuf,
    /// Below which it may have been judged together with others.
    around: PathBuf,
    was: Was,
}

/// What a file was.
#[derive(Debug)]
enum Was {
    /// Perhaps joined with everything around it.
    Anything,
    /// Objects that are joined by names and labels.
    Manifest(Joins),
    /// What no report is about. A Dockerfile may have copied it.
    Other,
}

/// By what objects find each other.
#[derive(Debug, Default)]
struct Joins {
    names: BTreeSet<String>,
    /// Every text in them: a reference is one of them.
    texts: BTreeSet<String>,
    /// `app: web` of labels and selectors.
    labels: BTreeSet<(String, String)>,
    /// Whether there are containers: which of them a Dockerfile or a program belongs to is decided among all.
    containers: bool,
}

/// Kinds that nothing joins but names and labels. Others hold for a namespace, a mesh or a cluster.
const BY_NAME: [&str; 32] = [
    "AnalysisTemplate",
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "CronJob",
    "CustomResourceDefinition",
    "DaemonSet",
    "Deployment",
    "Endpoints",
    "EndpointSlice",
    "ExternalSecret",
    "Gateway",
    "GRPCRoute",
    "HorizontalPodAutoscaler",
    "HTTPRoute",
    "Ingress",
    "Job",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "PodDisruptionBudget",
    "PodMonitor",
    "PriorityClass",
    "ReplicaSet",
    "Role",
    "RoleBinding",
    "Rollout",
    "Secret",
    "Service",
    "ServiceAccount",
    "ServiceMonitor",
    "StatefulSet",
];

impl Lost {
    /// A file that is gone; `text` is what it had, where that was asked for and is known.
    pub(super) fn new(path: PathBuf, around: PathBuf, text: Option<Vec<u8>>) -> Self {
        let was = match text {
            Some(text) => read(&path, text),
            None if is_read(&path) => Was::Anything,
            None => Was::Other,
        };
        Self { path, around, was }
    }

    /// Whether a finding in this input may be there because the file is gone.
    pub(super) fn may_matter(
        &self,
        file: &Path,
        id: SourceId,
        source: &Source,
        world: &World,
    ) -> bool {
        if !file.starts_with(&self.around) {
            return false;
        }
        match &self.was {
            Was::Anything => true,
            _ if matches!(source.kind, SourceKind::Dockerfile | SourceKind::DockerIgnore) => {
                copies(source.shown().unwrap_or_default(), file, &self.path)
            }
            Was::Manifest(joins) => {
                let own = world.objects.iter().filter(|object| object.document.source == id);
                let own = Joins::of(own);
                let bound = [world.builds.len(), world.binaries.len(), world.images.len()];
                joins.may_join(&own)
                    || joins.containers && own.containers && bound.iter().any(|n| *n > 0)
            }
            Was::Other => false,
        }
    }
}

/// Whether it depends on the text of a file what the file was.
pub(super) fn is_read(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let ends = |end: &str| lower.ends_with(end);
    let is_archive = [".tar", ".tar.gz", ".tgz", ".tar.zst"].iter().any(|end| ends(end));
    lower.contains("dockerfile")
        || lower.contains("containerfile")
        || lower == "provost.toml"
        || is_archive
        || [".yaml", ".yml", ".json"].iter().any(|end| ends(end))
        // A program, or anything else.
        || !lower.trim_start_matches('.').contains('.') && !lower.starts_with('.')
}

/// What a file of this text was.
fn read(path: &Path, text: Vec<u8>) -> Was {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    let is_yaml = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
    let renders = matches!(
        name.as_str(),
        "kustomization.yaml" | "kustomization.yml" | "chart.yaml" | "provost.toml"
    );
    if renders {
        return Was::Anything;
    }
    if !is_yaml {
        // A program or a Dockerfile; a licence and a Makefile are neither.
        let has = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
        let is_judged = text.starts_with(b"\x7fELF") || has(b"FROM ") || has(b"\0");
        return if is_judged { Was::Anything } else { Was::Other };
    }
    let has = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
    let may_be_one = has(b"apiVersion") || has(b"kind");
    let mut sources = Sources::default();
    let file = ManifestFile::text("lost", text);
    let loaded = manifest::load_manifests(&[file], &mut sources, &manifest::Options::default());
    if loaded.objects.is_empty() {
        return if may_be_one { Was::Anything } else { Was::Other };
    }
    let by_name = |object: &Object| BY_NAME.contains(&object.meta.kind.value.as_str());
    if !loaded.problems.is_empty() || !loaded.objects.iter().all(by_name) {
        return Was::Anything;
    }
    Was::Manifest(Joins::of(loaded.objects.iter()))
}

impl Joins {
    fn of<'o>(objects: impl Iterator<Item = &'o Object>) -> Self {
        let mut joins = Self::default();
        let mut documents: BTreeMap<*const Document, &Document> = BTreeMap::new();
        for object in objects {
            joins.names.insert(object.meta.name().to_owned());
            joins.containers |= object.workload().is_some();
            documents.insert(std::ptr::from_ref(&*object.document), &object.document);
        }
        for document in documents.into_values() {
            joins.texts.extend(document.scalars().map(|(_, text)| text.to_owned()));
            for index in 0..document.nodes.len() {
                let node = document.node(NodeId(u32::try_from(index).unwrap_or(u32::MAX)));
                for key in ["labels", "matchLabels", "selector"] {
                    joins.labels.extend(node.get(key).into_iter().flat_map(pairs));
                }
            }
        }
        joins
    }

    fn may_join(&self, other: &Self) -> bool {
        !self.names.is_disjoint(&other.texts)
            || !other.names.is_disjoint(&self.texts)
            || !self.labels.is_disjoint(&other.labels)
    }
}

fn pairs(labels: Node<'_>) -> impl Iterator<Item = (String, String)> {
    labels.entries().filter_map(|(key, value)| Some((key.as_str()?.into(), value.as_str()?.into())))
}

/// Whether a Dockerfile, or the list of what it does not see, may name a file or a folder around it. A
/// pattern may name any; what a whole context has is nobody's question.
fn copies(text: &str, dockerfile: &Path, lost: &Path) -> bool {
    let context = dockerfile.ancestors().skip(1).find(|folder| lost.starts_with(folder));
    let below = context.and_then(|folder| lost.strip_prefix(folder).ok()).unwrap_or(lost);
    let read = ["go.mod", "go.sum", "go.work", ".dockerignore"];
    let name = lost.file_name().and_then(OsStr::to_str).unwrap_or_default();
    // What it is built of by itself.
    if read.contains(&name) || name.ends_with(".dockerignore") {
        return true;
    }
    let mut words = text.split(|c: char| c.is_whitespace() || "/\"',[]=".contains(c));
    let parts: BTreeSet<&str> = below.iter().filter_map(OsStr::to_str).collect();
    words.any(|word| {
        let is_pattern = word.contains(['*', '?']) && word != "*";
        let begin = word.split(['*', '?']).next().unwrap_or_default();
        let end = word.rsplit(['*', '?']).next().unwrap_or_default();
        let fits = |part: &&str| part.starts_with(begin) && part.ends_with(end);
        parts.contains(word) || is_pattern && parts.iter().any(fits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dockerfile_rests_on_what_it_copies() {
        let text = "FROM golang:1.27\nCOPY go.mod assets/ data/a.txt *.sql /src/\nRUN go build ./cmd/shop\n";
        let copies = |lost: &str| copies(text, Path::new("/r/app/Dockerfile"), Path::new(lost));
        for lost in [
            "/r/app/assets/style/a.css",
            "/r/app/data/a.txt",
            "/r/app/x.sql",
            "/r/app/cmd/shop/main.go",
            "/r/go.work",
            "/r/app/.dockerignore",
        ] {
            assert!(copies(lost), "{lost}");
        }
        for lost in ["/r/app/NOTES.md", "/r/NOTES.md", "/r/docs/a.md", "/r/app/internal/x.go"] {
            assert!(!copies(lost), "{lost}");
        }
    }

    #[test]
    fn what_a_file_was_is_read_from_its_text() {
        let was = |path: &str, text: &str| {
            let text = is_read(Path::new(path)).then(|| text.as_bytes().to_vec());
            match Lost::new(PathBuf::from(path), PathBuf::from("/"), text).was {
                Was::Anything => "anything",
                Was::Manifest(_) => "manifest",
                Was::Other => "other",
            }
        };
        let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
        assert_eq!(was("/r/a.yaml", map), "manifest");
        assert_eq!(was("/r/a.yaml", &map.replace("ConfigMap", "LimitRange")), "anything");
        assert_eq!(was("/r/a.yaml", "kind: {{ .x }}: [\n"), "anything");
        assert_eq!(was("/r/kustomization.yaml", "resources: []\n"), "anything");
        assert_eq!(was("/r/build/Dockerfile.dev", "FROM x\n"), "anything");
        assert_eq!(was("/r/bin/shop", "\u{7f}ELF"), "anything");
        assert_eq!(was("/r/a.yaml", "a: b\n"), "other");
        for other in ["/r/NOTES.md", "/r/LICENSE", "/r/Makefile", "/r/x.go", "/r/.gitignore"] {
            assert_eq!(was(other, "as is\n"), "other", "{other}");
        }
    }
}
