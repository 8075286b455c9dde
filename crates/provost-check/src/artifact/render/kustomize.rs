//! What a kustomization is made of, and where each value of its output was written.
//!
//! kustomize prints objects without saying where they come from. Its inputs are read here as well:
//! a rendered object belongs to the resource whose name, with what the kustomizations put around
//! it, is its own, and a value to the last place that says it: a patch, a field of a kustomization
//! such as `images`, or the resource.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::trace::Trace;
use super::{Hidden, Rendering};
use crate::artifact::discover::shown;
use crate::artifact::kustomization::{self, Role, all_of, fields};
use crate::artifact::manifest::{self, Loaded, ManifestFile, hide, hide_broken};
use crate::artifact::mmap;
use crate::artifact::source::{Source, SourceKind, Sources};
use crate::artifact::yaml::{self, Limits};
use crate::facts::document::{Document, Node, NodeId, ScalarStyle};
use crate::facts::origin::{Origin, SourceId, Span};
use crate::model::secret::secret_word;

mod generated;
mod generators;
mod names;
mod patches;
mod places;
mod plan;

pub(in crate::artifact) use generated::changes_another;
pub use generated::generated;
use generators::{Generators, Taken};
use names::{Identity, Uses};
use patches::{Inline, NO_FILE, Patch, Patches, Target, Text};
use places::{Field, Work};
pub use plan::{Plan, plan};

/// Text that stands in place of a Secret's.
const TEXTS: [&str; 4] = ["patch", "jsonop", "patches", "paths"];

/// What is known of one folder.
#[derive(Debug, Default)]
struct Layer {
    prefix: String,
    suffix: String,
    namespace: String,
    /// Files with whole objects, by number.
    files: Vec<usize>,
    children: Vec<usize>,
}

/// The inputs of a build as they were read.
#[derive(Default)]
struct Inputs {
    resources: Vec<Arc<Document>>,
    uses: Uses,
    patches: Patches,
    /// What fields of kustomizations put into objects.
    sets: FxHashMap<(Field, String), Origin>,
    generators: Generators,
    /// The kustomization of the root.
    root: Option<Origin>,
    /// The texts of its inputs, secrets included.
    texts: Vec<(SourceId, Arc<str>)>,
}

/// A file that was read.
struct File {
    id: SourceId,
    text: Arc<str>,
    documents: Vec<Arc<Document>>,
    mask: Vec<Span>,
}

/// Reads a file and hides what is secret in it.
fn read(shown_as: &Path, path: &Path, sources: &mut Sources) -> Option<File> {
    let limits = Limits::default();
    let bytes = mmap::read_text(path, limits.file_bytes, false).ok()?;
    let cleaned = yaml::clean(&bytes);
    let id = SourceId(u32::try_from(sources.len()).unwrap_or(u32::MAX));
    let parsed = yaml::parse(id, &cleaned.text, &cleaned.replaced, &limits);
    let mut mask = Vec::new();
    let documents = parsed.documents.into_iter().map(|document| {
        let (document, secret) = hide(document, &cleaned.text);
        mask.extend(secret);
        document
    });
    let documents: Vec<_> = documents.collect();
    for broken in &parsed.broken {
        mask.extend(hide_broken(&cleaned.text, broken.region));
    }
    let text: Arc<str> = Arc::from(&*cleaned.text);
    sources.add(Source::text(shown(shown_as), SourceKind::Resource, Arc::clone(&text)));
    Some(File { id, text, documents, mask })
}

/// Reads a file that a generator takes, whatever it is.
fn take(shown_as: &Path, path: &Path, left: &mut usize, sources: &mut Sources) -> Option<Taken> {
    let bytes = mmap::read_text(path, generators::LARGEST, false).ok()?;
    *left = left.checked_sub(bytes.len())?;
    let text: Arc<str> = Arc::from(&*yaml::clean(&bytes).text);
    let source = Source::text(shown(shown_as), SourceKind::Data, Arc::clone(&text));
    Some(Taken { id: sources.add(source), text })
}

impl Inputs {
    fn read(plan: &Plan, sources: &mut Sources) -> Self {
        let mut inputs = Self::default();
        let mut masks: Vec<(SourceId, Vec<Span>)> = Vec::new();
        // By file: its objects.
        let mut by_file: Vec<Vec<usize>> = Vec::new();
        let mut numbers: FxHashMap<&Path, usize> = FxHashMap::default();
        for (name, path) in &plan.resources {
            let Some(file) = read(name, path, sources) else { continue };
            sources.get_mut(file.id).whole = true;
            inputs.texts.push((file.id, Arc::clone(&file.text)));
            numbers.insert(name, by_file.len());
            let first = inputs.resources.len();
            inputs.resources.extend(file.documents);
            by_file.push((first..inputs.resources.len()).collect());
            masks.push((file.id, file.mask));
        }
        let mut files: FxHashMap<&Path, Vec<Arc<Text>>> = FxHashMap::default();
        for (name, path) in &plan.patches {
            let Some(mut file) = read(name, path, sources) else { continue };
            inputs.texts.push((file.id, Arc::clone(&file.text)));
            let plugins = file.documents.iter();
            file.mask.extend(plugins.flat_map(|d| of_plugin(d.root(), &file.text)));
            files.insert(name, file.documents.into_iter().map(Text::new).collect());
            masks.push((file.id, file.mask));
        }
        let mut layers: Vec<Layer> = Vec::new();
        let mut patches: Vec<Vec<Patch>> = Vec::new();
        let mut taken: FxHashMap<PathBuf, Taken> = FxHashMap::default();
        let mut left = generators::LARGEST_SUM;
        for folder in &plan.folders {
            let files_of = folder.resources.iter().filter_map(|name| numbers.get(name.as_path()));
            let mut layer = Layer {
                files: files_of.copied().collect(),
                children: folder.children.clone(),
                ..Layer::default()
            };
            let mut patches_of = Vec::new();
            for name in &folder.files {
                let Some(mut kustomization) = read(name, name, sources) else { continue };
                inputs.texts.push((kustomization.id, Arc::clone(&kustomization.text)));
                inputs.root.get_or_insert_with(|| Origin::whole(kustomization.id));
                let here = name.parent().unwrap_or(Path::new(""));
                for document in &kustomization.documents {
                    layer.look_at(document.root());
                    inputs.look_at(document.root());
                    for file in generators::taken_by(document.root(), here) {
                        let Some(path) = plan.data.get(&file) else { continue };
                        if taken.contains_key(&file) {
                            continue;
                        }
                        if let Some(read) = take(&file, path, &mut left, sources) {
                            inputs.texts.push((read.id, Arc::clone(&read.text)));
                            masks.push((read.id, generators::secret_values(&read.text)));
                            taken.insert(file, read);
                        }
                    }
                    inputs.generators.look_at(document.root(), &kustomization.text, |entry| {
                        taken.get(&plan::normal(&here.join(entry)))
                    });
                    let own = patches_in(document.root(), &kustomization.text, |entry| {
                        let name = plan::normal(&name.parent()?.join(entry));
                        files.get(name.as_path()).map(Vec::as_slice)
                    });
                    for (item, patch) in own {
                        if patch.may_be_of_secret() {
                            kustomization.mask.extend(inner(item, &kustomization.text));
                        }
                        patches_of.push(patch);
                    }
                    let secret = secret_literals(document.root(), &kustomization.text);
                    kustomization.mask.extend(secret);
                }
                masks.push((kustomization.id, kustomization.mask));
            }
            layers.push(layer);
            patches.push(patches_of);
        }
        inputs.uses = Uses::new(&layers, &inputs.resources, &by_file);
        // A folder is built before the one that names it, which was found before it.
        let patches: Vec<Patch> = patches.into_iter().rev().flatten().collect();
        // A patch may have many targets.
        let mut seen: FxHashSet<(SourceId, u32)> = FxHashSet::default();
        for patch in patches.iter().filter(|patch| patch.may_be_of_secret()) {
            let document = &patch.text.document;
            if document.source != NO_FILE && seen.insert((document.source, document.index)) {
                masks.push((document.source, patch.secret_values()));
            }
        }
        inputs.patches = Patches::new(patches);
        for (id, mask) in masks {
            sources.get_mut(id).mask(&mask);
        }
        inputs
    }

    /// What the fields of a kustomization put into objects. The root comes first and has the last
    /// word.
    fn look_at(&mut self, root: Node<'_>) {
        let mut put = |field: Field, node: Node<'_>| {
            if let Some(text) = node.as_str().filter(|text| !text.is_empty()) {
                self.sets.entry((field, text.to_owned())).or_insert_with(|| node.origin());
            }
        };
        for (name, field) in fields(root) {
            match &*name {
                "images" | "imagetags" => {
                    for (key, value) in field.items().flat_map(fields) {
                        if matches!(&*key, "newtag" | "newname" | "digest") {
                            put(Field::Image, value);
                        }
                    }
                }
                "replicas" => {
                    let counts = field.items().flat_map(|item| all_of(item, "count"));
                    counts.for_each(|count| put(Field::Replicas, count));
                }
                "namespace" => put(Field::Namespace, field),
                "commonlabels" | "commonannotations" => {
                    field.entries().for_each(|(_, value)| put(Field::Label, value));
                }
                "labels" => {
                    let pairs = field.items().flat_map(|item| all_of(item, "pairs"));
                    pairs.flat_map(Node::entries).for_each(|(_, value)| put(Field::Label, value));
                }
                _ => {}
            }
        }
    }
}

impl Layer {
    fn look_at(&mut self, root: Node<'_>) {
        let text = |key: &str| {
            all_of(root, key).filter_map(Node::as_str).last().unwrap_or_default().to_owned()
        };
        self.prefix = text("nameprefix");
        self.suffix = text("namesuffix");
        self.namespace = text("namespace");
    }
}

/// The patches of a kustomization, those of its files and those that are written into it, each of
/// these with the value that holds it.
fn patches_in<'d, 'f>(
    root: Node<'d>,
    text: &str,
    file: impl Fn(&str) -> Option<&'f [Arc<Text>]>,
) -> Vec<(Option<Node<'d>>, Patch)> {
    let mut all = Vec::new();
    let mut add = |item: Node<'d>, node: Node<'d>| {
        let Some(value) = node.as_str() else { return };
        for document in yaml::parse(NO_FILE, value, &[], &Limits::default()).documents {
            let inline = Inline::of(node, text);
            let patch = Text::new(Arc::new(document));
            all.push((Some(node), Patch::new(patch, Target::of(item), Some(inline))));
        }
    };
    // In the order in which kustomize applies them.
    let inline = all_of(root, "patchesstrategicmerge").flat_map(Node::items);
    inline.filter(|node| is_text(*node)).for_each(|node| add(node, node));
    for item in ["patches", "patchesjson6902"].iter().flat_map(|key| all_of(root, key)) {
        for item in item.items() {
            all_of(item, "patch").for_each(|node| add(item, node));
        }
    }
    for entry in kustomization::entries(root) {
        if entry.role == Role::Patch && !is_text(entry.item) {
            let documents = file(entry.text).unwrap_or_default().iter();
            let target = Target::of(entry.item);
            all.extend(documents.map(|d| (None, Patch::new(Arc::clone(d), target.clone(), None))));
        }
    }
    all
}

/// Whether an entry is a patch rather than the path of one.
fn is_text(node: Node<'_>) -> bool {
    node.as_str().is_some_and(|text| text.contains('\n') || text.contains(": "))
}

/// The bytes of a scalar without its quotes or indicator.
fn inner(node: Option<Node<'_>>, text: &str) -> Option<Span> {
    let node = node?;
    let (span, raw) = (node.span(), text.get(node.span().range())?);
    let start = match node.scalar_style() {
        Some(ScalarStyle::Block) => raw.find('\n').map_or(0, |at| at + 1),
        _ => 0,
    };
    Some(Span::new(span.start as usize + start, span.end as usize))
}

/// Values that generators of a kustomization put into Secrets, and those whose names are such.
fn secret_literals(root: Node<'_>, text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    for (name, field) in fields(root) {
        let items = field.items();
        match &*name {
            "secretgenerator" => spans.extend(items.flat_map(|item| literals(item, true, text))),
            "configmapgenerator" => {
                spans.extend(items.flat_map(|item| literals(item, false, text)));
            }
            "generators" | "transformers" | "validators" | "patchesstrategicmerge" => {
                let secret =
                    |item: &Node<'_>| item.as_str().is_some_and(|text| text.contains("Secret"));
                spans.extend(items.filter(secret).filter_map(|item| inner(Some(item), text)));
            }
            _ => {}
        }
    }
    spans
}

/// The values of `literals`, each behind the `=` of its item.
fn literals(item: Node<'_>, secret: bool, text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    for literal in all_of(item, "literals").flat_map(|list| list.items().chain(Some(list))) {
        let Some(key) = literal.as_str().map(|text| text.split('=').next().unwrap_or_default())
        else {
            continue;
        };
        let span = literal.span();
        let raw = text.get(span.range()).unwrap_or_default();
        if secret || secret_word(key).is_some() {
            let behind = raw.find('=').map_or(0, |at| at + 1);
            spans.push(Span::new(span.start as usize + behind, span.end as usize));
        }
    }
    spans
}

/// What is secret in the settings of plugins.
fn of_plugin(root: Node<'_>, text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    for index in 0..root.doc.nodes.len() {
        let node = root.doc.node(NodeId(u32::try_from(index).unwrap_or(u32::MAX)));
        let kind = node.get("kind").and_then(Node::as_str);
        match kind {
            Some("SecretGenerator") => spans.extend(literals(node, true, text)),
            Some("ConfigMapGenerator") => spans.extend(literals(node, false, text)),
            _ => {}
        }
        let about_secret = all_of(node, "target")
            .any(|target| all_of(target, "kind").any(|kind| kind.as_str() == Some("Secret")));
        for (_, value) in fields(node).into_iter().filter(|(key, _)| TEXTS.contains(&&**key)) {
            for node in value.items().chain(Some(value)) {
                let secret = |text: &str| about_secret || text.contains("Secret");
                if node.as_str().is_some_and(secret) {
                    spans.extend(inner(Some(node), text));
                }
            }
        }
    }
    spans
}

/// What the inputs of a build are known to keep secret: kustomize repeats them in its messages.
pub fn secrets_of_kustomization(plan: &Plan) -> Hidden {
    let mut sources = Sources::default();
    let inputs = Inputs::read(plan, &mut sources);
    let mut hidden = Hidden::default();
    for (id, text) in &inputs.texts {
        hidden.learn(text, sources.get(*id).shown().unwrap_or_default());
    }
    hidden
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
    let root = inputs.root.as_ref().map(|root| sources.get(root.source()).path.clone());
    let root = root.unwrap_or_else(|| rendering.root.clone());
    let mut work = Work::default();
    let mut files = Vec::new();
    let mut traces = Vec::new();
    for text in documents(&cleaned.text) {
        let parsed = yaml::parse(SourceId(u32::MAX), text, &[], &limits);
        // What is secret is compared as what it is replaced by.
        let document = parsed.documents.into_iter().next().map(|document| hide(document, text).0);
        let document = document.as_deref();
        let object = document.and_then(|document| Identity::of(document.root()));
        let made_of = object.and_then(|object| inputs.uses.find(object, &inputs.resources));
        let resource = made_of.and_then(|made_of| inputs.resources.get(made_of.resource));
        let resource = resource.map(|resource| &**resource);
        let path = resource.map(|found| sources.get(found.source).path.clone());
        files.push(ManifestFile {
            path: PathBuf::new(),
            shown: path.unwrap_or_else(|| root.clone()),
            named: true,
            content: Some(text.as_bytes().to_vec()),
        });
        traces.push(document.map(|document| {
            let patches = object.map(|object| inputs.patches.of(object, made_of));
            let generator = object.filter(|_| resource.is_none());
            let generator = generator.and_then(|object| inputs.generators.of(object));
            let written = places::Inputs {
                resource,
                patches: &patches.unwrap_or_default(),
                generator,
                sets: &inputs.sets,
            };
            let (lines, nodes) = places::trace(document, text, &written, &mut work);
            let from = resource
                .map(|resource| resource.root().get("kind").unwrap_or(resource.root()).origin())
                .or_else(|| generator.map(|generator| generator.name.clone()))
                .or_else(|| inputs.root.clone());
            Trace { from, lines, nodes }
        }));
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
    for (id, _) in inputs.texts {
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

#[cfg(test)]
mod tests;
