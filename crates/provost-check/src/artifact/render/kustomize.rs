//! What a kustomization is made of, and where each value of its output was written.
//!
//! kustomize prints objects without saying where they come from. Its inputs are read here as well:
//! a rendered object belongs to the resource of its kind whose name its own was made of, and a
//! value to the last place that says it: a patch, a field of a kustomization such as `images`, or
//! the resource.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Rendering;
use super::trace::{Trace, Written};
use crate::artifact::discover::shown;
use crate::artifact::manifest::{self, Loaded, ManifestFile};
use crate::artifact::mmap;
use crate::artifact::source::{Source, SourceKind, Sources};
use crate::artifact::yaml::{self, Limits};
use crate::facts::document::{Document, Node, ScalarKind};
use crate::facts::origin::{Origin, SourceId};

/// Folders with a kustomization that one build is made of.
const MOST_FOLDERS: usize = 1000;

/// Resource and patch files that are looked at.
const MOST_FILES: usize = 20_000;

/// Nodes of an object that are traced; the lines of the others are told by what is above them.
const MOST_NODES: usize = 20_000;

/// Patches of one object that are looked at, and kustomizations whose fields are.
const MOST_PATCHES: usize = 64;

/// Names kustomize looks for, in that order (kustomize api/konfig/general.go).
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Fields whose items are folders or files with whole objects.
const WHOLE: [&str; 4] = ["resources", "bases", "components", "crds"];

/// Fields whose items are files, or have the file under `path`.
const FILES: [&str; 9] = [
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "transformers",
    "generators",
    "validators",
    "configurations",
    "replacements",
    "openapi",
];

/// Fields of a kustomization whose values it puts into objects.
const SETS: [&str; 9] = [
    "images",
    "replicas",
    "namespace",
    "labels",
    "commonLabels",
    "commonAnnotations",
    "configMapGenerator",
    "secretGenerator",
    "patches",
];

/// What a kustomization is made of.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Entries that kustomize would fetch from elsewhere, each with the file that names it.
    pub remote: Vec<(String, String)>,
    /// Folders that were reached, that of the root first.
    folders: Vec<PathBuf>,
    /// Their kustomizations.
    kustomizations: Vec<PathBuf>,
    resources: BTreeSet<PathBuf>,
    patches: BTreeSet<PathBuf>,
}

impl Plan {
    /// Whether a file is part of what is built.
    pub fn holds(&self, file: &Path) -> bool {
        let plain = |path: &Path| path.strip_prefix("./").unwrap_or(path).to_owned();
        let file = plain(file);
        self.resources.contains(&file) || self.patches.contains(&file)
    }

    /// Whether a folder is the root or one of the bases and components below it.
    pub fn reaches(&self, folder: &Path) -> bool {
        self.folders.iter().any(|known| known == folder)
    }
}

/// Reads the kustomization of a folder and all that it names.
pub fn plan(root: &str) -> Plan {
    let mut plan = Plan::default();
    let mut open = vec![plain_path(Path::new(root))];
    while let Some(folder) = open.pop() {
        if plan.folders.len() >= MOST_FOLDERS || plan.folders.contains(&folder) {
            continue;
        }
        plan.folders.push(folder.clone());
        let Some(file) = NAMES.iter().map(|name| folder.join(name)).find(|path| path.is_file())
        else {
            continue;
        };
        plan.kustomizations.push(file.clone());
        let Some((_, documents)) = parse(&file, SourceId(u32::MAX)) else { continue };
        for document in &documents {
            look_at(&mut plan, &mut open, &folder, &file, document.root());
        }
    }
    plan
}

fn look_at(plan: &mut Plan, open: &mut Vec<PathBuf>, folder: &Path, file: &Path, root: Node<'_>) {
    for key in WHOLE {
        for entry in root.get(key).into_iter().flat_map(Node::items).filter_map(Node::as_str) {
            let path = plain_path(&folder.join(entry));
            if path.is_dir() {
                open.push(path);
            } else if path.is_file() {
                if plan.resources.len() < MOST_FILES {
                    plan.resources.insert(path);
                }
            } else {
                // What is not there is a repository or an address for kustomize (api/internal/
                // target/kusttarget.go, accumulateResources), which it would fetch.
                plan.remote.push((entry.to_owned(), shown(file)));
            }
        }
    }
    for key in FILES {
        let field = root.get(key);
        let items = field.into_iter().flat_map(Node::items).chain(field.filter(|n| n.is_mapping()));
        for item in items {
            let entry = item.as_str().or_else(|| item.get("path").and_then(Node::as_str));
            let Some(entry) = entry.filter(|entry| !entry.contains('\n')) else { continue };
            let path = plain_path(&folder.join(entry));
            if is_address(entry) || (!path.exists() && key != "configurations") {
                plan.remote.push((entry.to_owned(), shown(file)));
            } else if path.is_file() && plan.patches.len() < MOST_FILES {
                plan.patches.insert(path);
            }
        }
    }
    // Generators read files, also from an address.
    for key in ["configMapGenerator", "secretGenerator"] {
        for item in root.get(key).into_iter().flat_map(Node::items) {
            let lists = ["files", "envs"].into_iter().filter_map(|list| item.get(list));
            let entries = lists.flat_map(Node::items).chain(item.get("env"));
            for entry in entries.filter_map(Node::as_str) {
                let path = entry.split_once('=').map_or(entry, |(_, path)| path);
                if is_address(path) {
                    plan.remote.push((path.to_owned(), shown(file)));
                }
            }
        }
    }
}

fn is_address(entry: &str) -> bool {
    let lower = entry.trim_start().to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
}

/// The path without `.` and with `..` taken back where that can be done by name.
fn plain_path(path: &Path) -> PathBuf {
    use std::path::Component::{CurDir, Normal, ParentDir};
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            CurDir => {}
            ParentDir if matches!(plain.components().next_back(), Some(Normal(_))) => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn parse(path: &Path, id: SourceId) -> Option<(Arc<str>, Vec<Document>)> {
    let limits = Limits::default();
    let bytes = mmap::read_text(path, limits.file_bytes, false).ok()?;
    let cleaned = yaml::clean(&bytes);
    let mut documents = yaml::parse(id, &cleaned.text, &cleaned.replaced, &limits).documents;
    documents.iter_mut().for_each(|document| document.source = id);
    Some((Arc::from(&*cleaned.text), documents))
}

/// The inputs of a build as they were read.
struct Inputs {
    resources: Vec<Document>,
    /// Strategic merge patches, in the order of their files.
    patches: Vec<Document>,
    kustomizations: Vec<Document>,
    ids: Vec<SourceId>,
    /// By kind: the resources of that kind, which are looked at for each rendered object.
    by_kind: BTreeMap<String, Vec<(usize, String)>>,
}

impl Inputs {
    fn read(plan: &Plan, sources: &mut Sources) -> Self {
        let mut ids = Vec::new();
        let mut read = |paths: &mut dyn Iterator<Item = &PathBuf>| {
            let mut all = Vec::new();
            for path in paths {
                let id = SourceId(u32::try_from(sources.len()).unwrap_or(u32::MAX));
                let Some((text, documents)) = parse(path, id) else { continue };
                sources.add(Source::text(shown(path), SourceKind::Template, text));
                ids.push(id);
                all.extend(documents);
            }
            all
        };
        let resources = read(&mut plan.resources.iter());
        let patches = read(&mut plan.patches.iter());
        let kustomizations = read(&mut plan.kustomizations.iter());
        let mut by_kind: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
        for (at, document) in resources.iter().enumerate() {
            if let (Some(kind), Some(name)) = identity(document.root()) {
                by_kind.entry(kind.to_owned()).or_default().push((at, name.to_owned()));
            }
        }
        Self { resources, patches, kustomizations, ids, by_kind }
    }

    /// The resource that a rendered object was made of: its name is part of the object's, and of
    /// several the longest is.
    fn resource(&self, kind: &str, name: &str) -> Option<&Document> {
        let named = self.by_kind.get(kind)?.iter();
        let fits = named.filter(|(_, known)| name.contains(known.as_str()));
        let (at, _) = fits.max_by_key(|(at, known)| (known.len(), std::cmp::Reverse(*at)))?;
        self.resources.get(*at)
    }
}

fn identity<'d>(root: Node<'d>) -> (Option<&'d str>, Option<&'d str>) {
    (root.get("kind").and_then(Node::as_str), root.at(&["metadata", "name"]).and_then(Node::as_str))
}

/// Loads the objects of a build.
pub(super) fn load(
    rendering: &Rendering,
    sources: &mut Sources,
    options: &manifest::Options,
) -> Loaded {
    let plan = plan(&rendering.root);
    let inputs = Inputs::read(&plan, sources);
    let cleaned = yaml::clean(&rendering.text);
    let limits = Limits::default();
    let root = plan.kustomizations.first().map_or_else(|| rendering.root.clone(), |p| shown(p));
    let mut files = Vec::new();
    let mut traces = Vec::new();
    for text in documents(&cleaned.text) {
        let parsed = yaml::parse(SourceId(u32::MAX), text, &[], &limits);
        let document = parsed.documents.first();
        let resource = document.and_then(|document| {
            let (kind, name) = identity(document.root());
            inputs.resource(kind?, name?)
        });
        let path = resource.map(|found| sources.get(found.source).path.clone());
        files.push(ManifestFile {
            path: PathBuf::new(),
            shown: path.unwrap_or_else(|| root.clone()),
            named: true,
            content: Some(text.as_bytes().to_vec()),
        });
        traces.push(document.map(|rendered| trace(rendered, text, resource, &inputs)));
    }
    let first = sources.len();
    let mut loaded = manifest::load_manifests(&files, sources, options);
    loaded.unusable.clear();
    let mut hidden = rendering.hidden.clone();
    for (number, (file, trace)) in files.iter().zip(traces).enumerate() {
        let id = SourceId(u32::try_from(first + number).unwrap_or(u32::MAX));
        let text = file.content.as_deref().unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        hidden.learn(&text, sources.get(id).shown().unwrap_or_default());
        sources.get_mut(id).rendered = Some(trace.unwrap_or_default());
    }
    let masker = hidden.masker();
    for id in inputs.ids {
        masker.mask(sources.get_mut(id));
    }
    loaded
}

/// The documents of kustomize's output, which has `---` on a line between them.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (document, next) = match text.find("\n---\n") {
            Some(at) => (&text[..=at], Some(&text[at + 5..])),
            None => (text, None),
        };
        rest = next;
        Some(document)
    })
    .filter(|document| !document.trim().is_empty())
}

/// One step from a node to a value in it.
#[derive(Clone, Debug)]
enum Step<'d> {
    Key(&'d str),
    /// An item: the key that names it in its list, where it has one, and its number.
    Item(Option<(&'static str, &'d str)>, usize),
}

/// Keys by which Kubernetes merges lists (`patchMergeKey` in k8s.io/api), most telling first.
const MERGE_KEYS: [&str; 8] =
    ["name", "mountPath", "devicePath", "containerPort", "port", "topologyKey", "ip", "key"];

fn trace(rendered: &Document, text: &str, resource: Option<&Document>, inputs: &Inputs) -> Trace {
    let mut lines = vec![Written::default(); text.lines().count()];
    let (kind, name) = identity(rendered.root());
    let patches: Vec<&Document> = inputs
        .patches
        .iter()
        .filter(|patch| {
            let (of, named) = identity(patch.root());
            of.is_some() && of == kind && named.zip(name).is_some_and(|(n, full)| full.contains(n))
        })
        .take(MOST_PATCHES)
        .collect();
    let starts: Vec<usize> =
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut open: Vec<(Node<'_>, Vec<Step<'_>>)> = vec![(rendered.root(), Vec::new())];
    let mut generator = None;
    if resource.is_none() {
        generator = name.and_then(|name| made_by(inputs, kind.unwrap_or_default(), name));
    }
    let mut left = MOST_NODES;
    while let Some((node, path)) = open.pop() {
        let mut set = |at: usize, origin: Option<Origin>| {
            let line = starts.partition_point(|start| *start <= at).saturating_sub(1);
            if let (Some(line), Some(origin)) = (lines.get_mut(line), origin)
                && line.at.is_none()
            {
                line.at = Some(origin);
            }
        };
        for (key, value) in node.entries() {
            let Some(name) = key.as_str().filter(|_| left > 0) else { continue };
            left -= 1;
            let mut path = path.clone();
            path.push(Step::Key(name));
            let found = locate(value, &path, resource, &patches, inputs);
            set(key.span().start as usize, found);
            if path.len() < 64 {
                open.push((value, path));
            }
        }
        for (number, item) in node.items().enumerate().take(left) {
            left = left.saturating_sub(1);
            let mut path = path.clone();
            let named = MERGE_KEYS.iter().find_map(|key| Some((*key, item.get(key)?.as_str()?)));
            path.push(Step::Item(named, number));
            if item.as_str().is_some() {
                let found = locate(item, &path, resource, &patches, inputs);
                set(item.span().start as usize, found);
            } else if path.len() < 64 {
                open.push((item, path));
            }
        }
    }
    let from = resource
        .map(|resource| resource.root().get("kind").unwrap_or(resource.root()).origin())
        .or(generator)
        .or_else(|| Some(Origin::whole(inputs.kustomizations.first()?.source)));
    Trace { from, lines }
}

/// The generator that made an object: its name begins with the generator's.
fn made_by(inputs: &Inputs, kind: &str, name: &str) -> Option<Origin> {
    let key = match kind {
        "ConfigMap" => "configMapGenerator",
        "Secret" => "secretGenerator",
        _ => return None,
    };
    let roots = inputs.kustomizations.iter().map(Document::root);
    let generators = roots.filter_map(|root| root.get(key)).flat_map(Node::items);
    let mut named = generators.filter_map(|item| item.get("name"));
    named.find(|node| node.as_str().is_some_and(|n| name.contains(n))).map(Node::origin)
}

/// Where a value of a rendered object was written.
fn locate(
    value: Node<'_>,
    path: &[Step<'_>],
    resource: Option<&Document>,
    patches: &[&Document],
    inputs: &Inputs,
) -> Option<Origin> {
    let same = |node: &Node<'_>| match value.scalar_kind() {
        Some(ScalarKind::Null) => node.is_null(),
        Some(_) => node.as_str() == value.as_str(),
        None => node.scalar_kind().is_none(),
    };
    // A patch that says the same wins: it is the last word.
    let patched = patches.iter().rev().find_map(|p| follow(p.root(), path).filter(same));
    let written = || resource.and_then(|r| follow(r.root(), path).filter(same));
    patched
        .or_else(written)
        .map(Node::origin)
        .or_else(|| value.as_str().and_then(|text| set_by(inputs, text)))
}

/// The field of a kustomization that holds a value which no resource and no patch has.
fn set_by(inputs: &Inputs, text: &str) -> Option<Origin> {
    if text.is_empty() {
        return None;
    }
    inputs.kustomizations.iter().take(MOST_PATCHES).find_map(|kustomization| {
        SETS.iter().filter_map(|key| kustomization.root().get(key)).find_map(|field| {
            let parts = field.items().flat_map(|item| {
                let keys = ["newTag", "newName", "digest", "count"];
                keys.into_iter().filter_map(move |key| item.get(key))
            });
            let fields = field.entries().map(|(_, value)| value);
            let fits = |node: &Node<'_>| match node.as_str() {
                // An image has the new tag behind the name.
                Some(part) if part.len() > 1 => text == part || text.ends_with(&format!(":{part}")),
                Some(part) => text == part,
                None => false,
            };
            // An operation of a patch that is written into the kustomization.
            let patches = field.items().filter_map(|item| item.get("patch"));
            let sets = |node: &Node<'_>| node.as_str().is_some_and(|patch| sets(patch, text));
            let own = Some(field).filter(|field| field.as_str() == Some(text));
            own.or_else(|| parts.chain(fields).find(fits))
                .or_else(|| patches.into_iter().find(sets))
                .map(Node::origin)
        })
    })
}

/// Whether a line of a patch ends in that value.
fn sets(patch: &str, value: &str) -> bool {
    patch.lines().any(|line| {
        let line = line.trim_end().trim_end_matches(['"', '\'']);
        line.strip_suffix(value).is_some_and(|before| before.ends_with([' ', '"', '\'']))
    })
}

fn follow<'d>(root: Node<'d>, path: &[Step<'_>]) -> Option<Node<'d>> {
    let mut node = root;
    for step in path {
        node = match step {
            Step::Key(name) => node.get(name)?,
            Step::Item(Some((key, value)), _) => {
                node.items().find(|item| item.get(key).and_then(Node::as_str) == Some(*value))?
            }
            Step::Item(None, number) => node.items().nth(*number)?,
        };
    }
    Some(node)
}
