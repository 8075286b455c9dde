//! The ConfigMaps and Secrets that the generators of kustomizations make, where nothing rendered them.
//!
//! A base names them like any other, so that without them an environment is not known. Read as
//! kustomize does it (api v0.21.1: `kv/kv.go`, `internal/target/kusttarget.go`): environment files
//! first, then literals, then files. Of Secrets the keys alone are kept. What a file holds that
//! cannot be read is not known, and the object then says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::{File, is_text, read, secret_literals};
use crate::artifact::discover::shown;
use crate::artifact::kustomization::{self, Part, Role, all_of, parts};
use crate::artifact::mmap;
use crate::artifact::source::{Source, SourceKind, Sources};
use crate::facts::document::{Document, Node};
use crate::facts::objects::{Body, ConfigMap, Generated, Meta, Object, Secret, StringMap};
use crate::facts::order::Order;
use crate::facts::origin::{Fact, Origin, SourceId, Span};
use crate::model::secret::secret_word;

/// Bytes of one file: a ConfigMap holds no more.
const LARGEST: u64 = 1 << 20;

/// Bytes of all files, each as often as it is taken, and values; what comes after them is not known.
const MOST_BYTES: usize = 64 << 20;

/// Bytes of the mark that may begin a text.
const MARK: &str = "\u{feff}";

/// Objects of the generators in these kustomizations, and their files as inputs.
pub fn generated(files: &[PathBuf], namespace: Option<&str>, sources: &mut Sources) -> Vec<Object> {
    let read: Vec<(&Path, File)> = files
        .iter()
        .filter_map(|file| Some((file.as_path(), read(file, file, sources)?)))
        .collect();
    let mut loader = Loader {
        sources: &mut *sources,
        default: namespace.unwrap_or("default"),
        secret: BTreeSet::new(),
        known: BTreeMap::new(),
        left: MOST_BYTES,
        objects: Vec::new(),
    };
    let generators = |document: &Document| {
        let of = |kind: Kind| {
            let lists = all_of(document.root(), kind.field());
            lists.flat_map(Node::items).map(move |item| (kind, item.id)).collect::<Vec<_>>()
        };
        [of(Kind::ConfigMap), of(Kind::Secret)].concat()
    };
    // A file of a Secret's is one whatever else reads it.
    for (path, file) in &read {
        for document in &file.documents {
            let all = generators(document);
            for (_, id) in all.iter().filter(|(kind, _)| *kind == Kind::Secret) {
                loader.keep_secret(path, document.node(*id));
            }
        }
    }
    for (path, file) in &read {
        for document in &file.documents {
            for (kind, id) in generators(document) {
                loader.object(path, file, document, kind, document.node(id));
            }
        }
    }
    let objects = loader.objects;
    for (_, file) in read {
        let mut mask = file.mask;
        for document in &file.documents {
            mask.extend(secret_literals(document.root(), &file.text));
            // Patches may be of Secrets.
            let patches = kustomization::entries(document.root()).into_iter();
            let patches =
                patches.filter(|entry| matches!(entry.role, Role::Patch | Role::Plugin(_)));
            let patches = patches.filter(|entry| is_text(entry.item));
            mask.extend(patches.map(|entry| entry.item.span()));
            let inline = ["patches", "patchesjson6902"].map(|key| all_of(document.root(), key));
            let inline = inline.into_iter().flatten().flat_map(Node::items);
            mask.extend(inline.flat_map(|item| all_of(item, "patch")).map(Node::span));
        }
        sources.get_mut(file.id).mask(&mask);
    }
    objects
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    ConfigMap,
    Secret,
}

impl Kind {
    fn field(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmapgenerator",
            Self::Secret => "secretgenerator",
        }
    }

    fn name(self) -> &'static str {
        kustomization::made_by(self.field()).unwrap_or_default()
    }
}

struct Loader<'s> {
    sources: &'s mut Sources,
    /// The namespace of objects that name none.
    default: &'s str,
    /// Files that a Secret is made of.
    secret: BTreeSet<PathBuf>,
    /// Environment files that were read.
    known: BTreeMap<PathBuf, (SourceId, Arc<str>)>,
    left: usize,
    objects: Vec<Object>,
}

/// What a generator puts into its object.
#[derive(Default)]
struct Data {
    values: Vec<(Fact<String>, Fact<String>)>,
    /// Keys of what is no text, or of a Secret.
    keys: Vec<Fact<String>>,
    bytes: usize,
    /// Something could not be read.
    incomplete: bool,
}

impl Loader<'_> {
    fn keep_secret(&mut self, path: &Path, item: Node<'_>) {
        let files = parts(item).filter_map(|part| match part {
            Part::Env(_, name) | Part::File(_, _, name) => Some(name),
            Part::Literal(..) => None,
        });
        self.secret.extend(files.filter_map(|file| inside(path, file)));
    }

    fn object(
        &mut self,
        path: &Path,
        file: &File,
        document: &Arc<Document>,
        kind: Kind,
        item: Node<'_>,
    ) {
        let Some(name) = last(item, "name") else { return };
        // These change what another kustomization makes; see `artifact/discover/kustomize.rs`.
        if last(item, "behavior").and_then(Node::as_str).is_some_and(changes_another) {
            return;
        }
        let root = document.root();
        let data = self.data(path, file, kind, item);
        let options = all_of(item, "options").chain(all_of(root, "generatoroptions"));
        let options: Vec<Node<'_>> = options.collect();
        let is_set = |key: &str| {
            options.iter().any(|node| all_of(*node, key).any(|flag| flag.as_bool() == Some(true)))
        };
        let generated =
            Generated { complete: !data.incomplete, hashed: !is_set("disablenamesuffixhash") };
        let text = |node: Node<'_>| node.as_str().unwrap_or_default().to_owned();
        let written = |node: Node<'_>| Fact::written(text(node), node.origin());
        let name = written(name);
        // The kustomization puts all that it holds into its namespace, and resources are read as
        // they are written: in none.
        let namespaces = match last(item, "namespace") {
            Some(own) => vec![written(own)],
            None => {
                let mut all = vec![Fact::defaulted(self.default.to_owned(), name.origin.clone())];
                all.extend(
                    last(root, "namespace").map(written).filter(|n| n.value != self.default),
                );
                all
            }
        };
        let body = match kind {
            Kind::ConfigMap => Body::ConfigMap(Box::new(ConfigMap {
                data: StringMap::new(data.values),
                binary_keys: data.keys,
                binary_bytes: data.bytes,
                binary_order: Order::default(),
                immutable: is_set("immutable"),
            })),
            Kind::Secret => {
                Body::Secret(Box::new(Secret { keys: data.keys, order: Order::default() }))
            }
        };
        for namespace in namespaces {
            let meta = Meta {
                api_version: Fact::derived("v1".to_owned(), item.start()),
                kind: Fact::derived(kind.name().to_owned(), item.start()),
                name: Some(name.clone()),
                namespace,
                labels: StringMap::default(),
                annotations: StringMap::default(),
            };
            let body = body.clone();
            let (document, generated) = (Arc::clone(document), Some(generated));
            self.objects.push(Object { meta, document, root: item.id, body, generated });
        }
    }

    fn data(&mut self, path: &Path, file: &File, kind: Kind, item: Node<'_>) -> Data {
        let mut data = Data::default();
        for part in parts(item) {
            let (node, key, value) = match part {
                Part::Env(node, name) => {
                    self.env_file(path, kind, node, name, &mut data);
                    continue;
                }
                Part::File(node, key, name) => {
                    self.file(path, kind, (node, key, name), &mut data);
                    continue;
                }
                Part::Literal(node, key, value) => (node, key, without_quotes(value)),
            };
            let raw = file.text.get(node.span().range()).unwrap_or_default();
            let place = |part: &str, from: usize| {
                let at = raw.get(from..)?.find(part)? + from + node.span().start as usize;
                Some(Origin::text(file.id, Span::new(at, at + part.len())))
            };
            // What is written otherwise than it reads has no place that could be edited.
            let behind = raw.find('=').map_or(raw.len(), |at| at + 1);
            let elsewhere = || Origin::whole(file.id);
            let verbatim = raw.get(behind..).is_some_and(|rest| {
                rest.trim_matches(['"', '\'']) == value.trim_matches(['"', '\''])
            });
            let key = Fact::written(key.to_owned(), place(key, 0).unwrap_or_else(|| node.origin()));
            match kind {
                Kind::ConfigMap => {
                    let at = place(value, behind).filter(|_| verbatim).unwrap_or_else(elsewhere);
                    self.add(key, value, at, &mut data);
                }
                Kind::Secret => data.keys.push(key),
            }
        }
        data
    }

    fn env_file(&mut self, path: &Path, kind: Kind, node: Node<'_>, name: &str, data: &mut Data) {
        let real = inside(path, name).filter(|_| self.left > 0);
        let hidden = real.as_ref().is_some_and(|real| self.secret.contains(real));
        let Some(real) = real.filter(|_| kind == Kind::Secret || !hidden) else {
            data.incomplete = true;
            return;
        };
        let known = self.known.get(&real).cloned();
        let loaded = known.or_else(|| {
            let bytes = mmap::read_text(&real, LARGEST, false).ok()?;
            let text: Arc<str> = Arc::from(std::str::from_utf8(&bytes).ok()?);
            if kind == Kind::Secret {
                return Some((node.doc.source, text));
            }
            let mut source = Source::text(
                shown(&folder(path).join(name)),
                SourceKind::Resource,
                Arc::clone(&text),
            );
            let secret = entries(&text).filter(|entry| secret_word(entry.key).is_some());
            source.mask(&secret.filter_map(|entry| entry.value_at()).collect::<Vec<_>>());
            let loaded = (self.sources.add(source), text);
            self.known.insert(real, loaded.clone());
            Some(loaded)
        });
        let Some((id, text)) = loaded else {
            data.incomplete = true;
            return;
        };
        // Thousands of generators may take one file.
        self.left = self.left.saturating_sub(text.len());
        for entry in entries(&text) {
            if kind == Kind::Secret {
                data.keys.push(Fact::written(entry.key.to_owned(), node.origin()));
                continue;
            }
            let key = Span::new(entry.at, entry.at + entry.key.len());
            let key = Fact::written(entry.key.to_owned(), Origin::text(id, key));
            match (entry.value, entry.value_at()) {
                (Some(value), Some(at)) => self.add(key, value, Origin::text(id, at), data),
                // Earlier versions take it from the environment of whoever builds.
                _ => data.incomplete = true,
            }
        }
    }

    fn file(
        &mut self,
        path: &Path,
        kind: Kind,
        (node, key, name): (Node<'_>, &str, &str),
        data: &mut Data,
    ) {
        let key = Fact::written(key.to_owned(), node.origin());
        if kind == Kind::Secret {
            data.keys.push(key);
            return;
        }
        let real = inside(path, name).filter(|real| self.left > 0 && !self.secret.contains(real));
        let Some(bytes) = real.and_then(|real| mmap::read_text(&real, LARGEST, false).ok()) else {
            data.incomplete = true;
            return;
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => {
                let source = Source::opaque(shown(&folder(path).join(name)), SourceKind::Resource);
                let at = Origin::whole(self.sources.add(source));
                self.add(key, text, at, data);
            }
            Err(_) => {
                self.left = self.left.saturating_sub(bytes.len());
                data.bytes += bytes.len();
                data.keys.push(key);
            }
        }
    }

    fn add(&mut self, key: Fact<String>, value: &str, at: Origin, data: &mut Data) {
        match self.left.checked_sub(key.value.len() + value.len()) {
            Some(left) => {
                self.left = left;
                data.values.push((key, Fact::written(value.to_owned(), at)));
            }
            None => {
                self.left = 0;
                data.incomplete = true;
            }
        }
    }
}

/// Whether a generator with this `behavior` changes what another one makes.
pub(in crate::artifact) fn changes_another(behavior: &str) -> bool {
    matches!(behavior, "merge" | "replace")
}

/// The text at a key; of several the last.
fn last<'d>(node: Node<'d>, key: &str) -> Option<Node<'d>> {
    all_of(node, key).filter(|node| node.as_str().is_some()).last()
}

/// Quotes around a literal belong to the shell that it was once meant for (`removeQuotes`).
pub(super) fn without_quotes(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// One line of an environment file.
pub(super) struct Entry<'t> {
    pub(super) key: &'t str,
    /// None without a `=`.
    value: Option<&'t str>,
    /// Where the key begins.
    pub(super) at: usize,
}

impl Entry<'_> {
    pub(super) fn value_at(&self) -> Option<Span> {
        let start = self.at + self.key.len() + 1;
        self.value.map(|value| Span::new(start, start + value.len()))
    }
}

/// What an environment file sets; blanks and quotes of a value are its own.
pub(super) fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    let mut at = 0;
    text.split_inclusive('\n').filter_map(move |whole| {
        let start = at;
        at += whole.len();
        let line = whole.strip_suffix('\n').unwrap_or(whole);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let inner = if start == 0 { line.strip_prefix(MARK).unwrap_or(line) } else { line };
        let inner = inner.trim_start();
        if inner.is_empty() || inner.starts_with('#') {
            return None;
        }
        let at = start + line.len() - inner.len();
        Some(match inner.split_once('=') {
            Some((key, value)) => Entry { key, value: Some(value), at },
            None => Entry { key: inner, value: None, at },
        })
    })
}

fn folder(kustomization: &Path) -> &Path {
    match kustomization.parent() {
        Some(dir) if dir.as_os_str().is_empty() => Path::new("."),
        Some(dir) => dir,
        None => Path::new("."),
    }
}

/// Where a file of a kustomization really lies: in its folder, or below it. Kustomize reads no other
/// (`LoadRestrictionsRootOnly`), and neither does this.
fn inside(kustomization: &Path, name: &str) -> Option<PathBuf> {
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.is_empty() || name.contains(['\0', '\n']) || !Path::new(name).components().all(plain) {
        return None;
    }
    let dir = folder(kustomization);
    let real = dir.join(name).canonicalize().ok()?;
    (real.starts_with(dir.canonicalize().ok()?) && real.is_file()).then_some(real)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kind namespace/name: key=value @ place` of all objects.
    fn made(files: &[(&str, &[u8])], kustomizations: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let mut sources = Sources::default();
        let paths: Vec<PathBuf> = kustomizations.iter().map(|name| dir.path().join(name)).collect();
        let objects = generated(&paths, None, &mut sources);
        let place = |origin: &Origin| {
            let source = sources.get(origin.source());
            let name = source.path.rsplit('/').next().unwrap().to_owned();
            match origin.span() {
                Some(span) => format!("{name}:{}", source.position(span.start).line),
                None => name,
            }
        };
        let mut lines = Vec::new();
        for object in &objects {
            let generated = object.generated.unwrap();
            let mut line = object.subject();
            line += if generated.complete { "" } else { " incomplete" };
            line += if generated.hashed { "" } else { " plain" };
            lines.push(line);
            match &object.body {
                Body::ConfigMap(map) => {
                    for (key, value) in &map.data.0 {
                        lines.push(format!(
                            "  {}={} @ {}",
                            key.value,
                            value.value,
                            place(&value.origin)
                        ));
                        if let Some(span) = value.origin.span() {
                            let text = sources.get(value.origin.source()).shown().unwrap();
                            let shown = &text[span.range()];
                            assert!(shown == value.value || shown.contains('*'), "{shown}");
                        }
                    }
                    lines.extend(
                        map.binary_keys.iter().map(|key| format!("  {} binary", key.value)),
                    );
                }
                Body::Secret(secret) => {
                    lines.extend(
                        secret
                            .keys
                            .iter()
                            .map(|key| format!("  {} @ {}", key.value, place(&key.origin))),
                    );
                }
                _ => unreachable!(),
            }
        }
        let all: String = sources.iter().filter_map(|(_, source)| source.shown()).collect();
        assert!(!all.contains("canary"), "{all}");
        lines
    }

    #[test]
    fn what_generators_make_is_known_with_its_places() {
        let kustomization = "\
namespace: shop
configMapGenerator:
- name: checkout
  envs: [app.env]
  literals:
  - DRAIN_TIMEOUT=25s
  - \"QUOTED=a b\"
  - INNER='a b'
  - API_TOKEN=canary-one
  files:
  - config.yaml
  - logo=logo.png
  options: {disableNameSuffixHash: true}
secretGenerator:
- name: db
  namespace: data
  envs: [db.env]
  literals: [user=canary-two]
";
        let lines = made(
            &[
                ("kustomization.yaml", kustomization.as_bytes()),
                ("app.env", "\u{feff}# of the program\n\n  LOG_LEVEL=info \r\nDB_PASSWORD=canary-three\nURL=a=b\n".as_bytes()),
                ("db.env", b"PASSWORD=canary-four\n"),
                ("config.yaml", b"a: 1\n"),
                ("logo.png", b"\xff\x00"),
            ],
            &["kustomization.yaml"],
        );
        let of_map = [
            "  LOG_LEVEL=info  @ app.env:3",
            "  DB_PASSWORD=canary-three @ app.env:4",
            "  URL=a=b @ app.env:5",
            "  DRAIN_TIMEOUT=25s @ kustomization.yaml:6",
            "  QUOTED=a b @ kustomization.yaml:7",
            "  INNER=a b @ kustomization.yaml:8",
            "  API_TOKEN=canary-one @ kustomization.yaml:9",
            "  config.yaml=a: 1\n @ config.yaml",
            "  logo binary",
        ];
        let mut expect = vec!["default/ConfigMap/checkout plain"];
        expect.extend(of_map);
        expect.push("shop/ConfigMap/checkout plain");
        expect.extend(of_map);
        expect.extend([
            "data/Secret/db",
            "  PASSWORD @ kustomization.yaml:17",
            "  user @ kustomization.yaml:18",
        ]);
        assert_eq!(lines, expect);
    }

    #[test]
    fn what_cannot_be_read_leaves_the_object_open() {
        let generator = |what: &str| format!("configMapGenerator: [{{name: a, {what}}}]\n");
        for what in [
            "envs: [missing.env]",
            "envs: [../outside.env]",
            "envs: [/etc/hostname]",
            "files: [../outside.env]",
            "files: [k=/etc/hostname]",
            "envs: [latin.env]",
            "envs: [bare.env]",
            "envs: [folder]",
        ] {
            let lines = made(
                &[
                    ("k/kustomization.yaml", generator(what).as_bytes()),
                    ("outside.env", b"A=canary\n"),
                    ("k/latin.env", b"A=\xe4\n"),
                    ("k/bare.env", b"A\n"),
                    ("k/folder/a", b""),
                ],
                &["k/kustomization.yaml"],
            );
            assert_eq!(lines, ["default/ConfigMap/a incomplete"], "{what}");
        }
    }

    #[test]
    fn a_file_of_a_secret_is_secret_in_a_config_map_too() {
        let text = b"configMapGenerator: [{name: a, envs: [x.env]}]\nsecretGenerator: [{name: b, envs: [x.env]}]\n";
        let lines = made(
            &[("kustomization.yaml", text), ("x.env", b"A=canary\n")],
            &["kustomization.yaml"],
        );
        assert_eq!(
            lines,
            ["default/ConfigMap/a incomplete", "default/Secret/b", "  A @ kustomization.yaml:2"]
        );
    }

    /// All of them would be twenty gigabytes.
    #[test]
    fn a_file_that_thousands_of_generators_take_is_not_read_without_end() {
        let long = "# nothing\n".repeat(100_000) + "A=b\n";
        for (field, count) in [("configMapGenerator", 2000), ("secretGenerator", 2000)] {
            let text = format!("{field}:\n{}", "- {name: a, envs: [a.env]}\n".repeat(count));
            let files = [("kustomization.yaml", text.as_bytes()), ("a.env", long.as_bytes())];
            let lines = made(&files, &["kustomization.yaml"]);
            let complete = lines.iter().filter(|line| line.ends_with("/a")).count();
            assert!((1..=MOST_BYTES / long.len() + 1).contains(&complete), "{complete}");
        }
    }

    #[test]
    fn what_changes_another_is_no_object() {
        let text = b"configMapGenerator: [{name: a, behavior: merge, literals: [A=b]}, {behavior: create}, 1]\n";
        assert_eq!(made(&[("kustomization.yaml", text)], &["kustomization.yaml"]), [""; 0]);
    }
}
