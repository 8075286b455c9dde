//! What a kustomization names, and what of it kustomize would fetch.
//!
//! kustomize takes the same word for an address, a repository or a path, in that order, whatever
//! lies in the folder. The reading here follows its own (api v0.20.1 .. v0.21.3:
//! `internal/loader/fileloader.go`, `internal/git/repospec.go`, `internal/target/kusttarget.go`) and,
//! where its versions differ, is the stricter: what it is not sure of counts as fetched.

use std::borrow::Cow;
use std::path::Path;

use super::{mmap, yaml};
use crate::artifact::ProblemKind;
use crate::facts::document::{Document, Node, NodeId};
use crate::facts::origin::SourceId;
use crate::model::names::base_name;

/// Names kustomize looks for; it takes none of several (api `konfig/general.go`).
pub(super) const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Bytes of a kustomization, or of the settings of a plugin. It is a page of names.
pub(super) const BYTES: u64 = 4 << 20;

/// Mappings merged into each other that are followed.
const MERGES: usize = 16;

/// What an entry of a kustomization is to kustomize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A file with whole objects, or a folder with a kustomization.
    Whole,
    /// A folder with a kustomization that changes what others have named.
    Component,
    /// A file with schemas (`crds`).
    Schema,
    /// A file with a patch, or the patch itself.
    Patch,
    /// A generator, transformer or validator: its settings, a file or a folder with them.
    Plugin(Plugin),
    /// A file that changes how kustomize works: `configurations`, `openapi`, `replacements`.
    Settings,
    /// A file whose content a generator takes.
    Data,
    /// A chart that kustomize would have helm fetch and render.
    Chart,
    /// A text below a key that is not known.
    Unknown,
}

/// What sort of plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plugin {
    Generator,
    Transformer,
    Validator,
}

/// The kind that a field of a kustomization makes objects of, by the field's folded name.
pub(super) fn made_by(field: &str) -> Option<&'static str> {
    match field {
        "configmapgenerator" => Some("ConfigMap"),
        "secretgenerator" => Some("Secret"),
        _ => None,
    }
}

/// What a generator puts into its object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'d> {
    /// The lines of a file of that name.
    Env(Node<'d>, &'d str),
    /// A key with its value.
    Literal(Node<'d>, &'d str, &'d str),
    /// A key with what a file of that name holds.
    File(Node<'d>, &'d str, &'d str),
}

/// The parts of a generator, as kustomize takes them (api v0.21.1 `kv/kv.go`): environment files first,
/// then literals, of which one without `=` is refused, then files.
pub(super) fn parts(item: Node<'_>) -> impl Iterator<Item = Part<'_>> {
    // Texts of a list, or the one that stands in its place.
    let texts = move |key| {
        let all = all_of(item, key).flat_map(|list| list.items().chain(Some(list)));
        all.filter_map(|node| Some((node, node.as_str()?)))
    };
    let envs = texts("envs").chain(texts("env")).map(|(node, name)| Part::Env(node, name));
    let literals = texts("literals").filter_map(|(node, text)| {
        let (key, value) = text.split_once('=')?;
        Some(Part::Literal(node, key, value))
    });
    let files = texts("files").map(|(node, text)| {
        let (key, name) = text.split_once('=').unwrap_or((base_name(text), text));
        Part::File(node, key, name)
    });
    envs.chain(literals).chain(files)
}

/// One thing that a kustomization names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'d> {
    pub(super) role: Role,
    pub(super) text: &'d str,
    /// The item of the field: of a patch, the mapping that holds its path and target.
    pub(super) item: Node<'d>,
}

/// Top-level fields that name nothing.
const INERT: &[&str] = &[
    "apiversion",
    "kind",
    "metadata",
    "nameprefix",
    "namesuffix",
    "namespace",
    "commonlabels",
    "labels",
    "commonannotations",
    "images",
    "imagetags",
    "replicas",
    "vars",
    "sortoptions",
    "generatoroptions",
    "buildmetadata",
    "inventory",
    // Without a chart it does nothing.
    "helmglobals",
];

/// Keys of the settings of a builtin plugin, and of a generator, whose values are never loaded.
const PLAIN: &[&str] = &[
    "apiversion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "behavior",
    "type",
    "options",
    "literals",
    "patch",
    "jsonop",
    "labels",
    "annotations",
    "fieldspecs",
    "target",
    "imagetag",
    "prefix",
    "suffix",
    "replica",
    "value",
    "source",
    "sourcevalue",
];

/// A key as the decoder compares it: encoding/json ignores case and takes the long s and the Kelvin
/// sign for letters (`foldName`).
pub(super) fn folded(key: &str) -> Cow<'_, str> {
    if key.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return Cow::Borrowed(key);
    }
    key.to_lowercase().replace('\u{17f}', "s").into()
}

/// Every field of a mapping with its folded name: also those that are written twice, and those that
/// are merged into it.
pub(super) fn fields(root: Node<'_>) -> Vec<(Cow<'_, str>, Node<'_>)> {
    let mut all = Vec::new();
    let mut seen: Vec<NodeId> = Vec::new();
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if seen.contains(&node.id) || seen.len() > MERGES {
            continue;
        }
        seen.push(node.id);
        for (key, value) in node.entries() {
            match key.as_str() {
                Some("<<") if value.is_mapping() => open.push(value),
                Some("<<") => open.extend(value.items()),
                Some(key) => all.push((folded(key), value)),
                None => {}
            }
        }
    }
    all
}

/// The values of one field, by its folded name.
pub(super) fn all_of<'d>(root: Node<'d>, name: &str) -> impl Iterator<Item = Node<'d>> {
    fields(root).into_iter().filter(move |(key, _)| key == name).map(|(_, value)| value)
}

/// What a kustomization names, in the order of its text.
pub(super) fn entries(root: Node<'_>) -> Vec<Entry<'_>> {
    let mut all = Vec::new();
    for (name, value) in fields(root) {
        let mut texts = |role: Role| {
            let items = value.items().chain(Some(value));
            let named = items.filter_map(|item| Some(Entry { role, text: item.as_str()?, item }));
            all.extend(named);
        };
        match &*name {
            "resources" | "bases" => texts(Role::Whole),
            "components" => texts(Role::Component),
            "crds" => texts(Role::Schema),
            "configurations" => texts(Role::Settings),
            "generators" => texts(Role::Plugin(Plugin::Generator)),
            "transformers" => texts(Role::Plugin(Plugin::Transformer)),
            "validators" => texts(Role::Plugin(Plugin::Validator)),
            "patchesstrategicmerge" => texts(Role::Patch),
            "patches" | "patchesjson6902" => {
                texts(Role::Patch);
                all.extend(value.items().flat_map(|item| paths(Role::Patch, item)));
            }
            "replacements" => {
                all.extend(value.items().flat_map(|item| paths(Role::Settings, item)));
            }
            "openapi" => all.extend(paths(Role::Settings, value)),
            "configmapgenerator" | "secretgenerator" => {
                all.extend(value.items().flat_map(loaded));
            }
            "helmcharts" | "helmchartinflationgenerator" if value.items().next().is_some() => {
                all.push(Entry { role: Role::Chart, text: "a Helm chart", item: value });
            }
            name if INERT.contains(&name) => {}
            _ => all.extend(scalars(Role::Unknown, value, &[])),
        }
    }
    all
}

fn paths<'d>(role: Role, item: Node<'d>) -> impl Iterator<Item = Entry<'d>> {
    let texts = all_of(item, "path").filter_map(Node::as_str);
    texts.map(move |text| Entry { role, text, item })
}

/// What a generator of ConfigMaps or Secrets loads, and all else in it that is not known to stay
/// unread.
fn loaded(item: Node<'_>) -> Vec<Entry<'_>> {
    scalars(Role::Data, item, PLAIN)
}

/// What the settings of plugins load.
pub(super) fn loaded_by_plugin(root: Node<'_>) -> Vec<Entry<'_>> {
    let mut all = Vec::new();
    let kinds = all_of(root, "kind").filter_map(Node::as_str);
    if kinds.into_iter().any(|kind| kind == "HelmChartInflationGenerator") {
        all.push(Entry { role: Role::Chart, text: "a Helm chart", item: root });
    }
    all.extend(loaded(root));
    all
}

/// Every text below a node but for what stands below these keys, each node once.
fn scalars<'d>(role: Role, root: Node<'d>, without: &[&str]) -> Vec<Entry<'d>> {
    let mut all = Vec::new();
    let mut seen = rustc_hash::FxHashSet::default();
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if !seen.insert(node.id) {
            continue;
        }
        if let Some(text) = node.as_str() {
            all.push(Entry { role, text, item: node });
        }
        open.extend(node.items());
        for (key, value) in node.entries() {
            let key = key.as_str().unwrap_or_default();
            if !without.contains(&&*folded(key)) {
                open.push(value);
            }
        }
    }
    all
}

impl Entry<'_> {
    /// Whether kustomize would fetch it.
    pub(super) fn is_fetched(&self) -> bool {
        match self.role {
            Role::Whole | Role::Component | Role::Plugin(_) | Role::Unknown => {
                is_address(self.text) || is_repository(self.text)
            }
            Role::Schema | Role::Patch | Role::Settings => is_address(self.text),
            // `key=path`, and `env` has no key.
            Role::Data => {
                let behind = self.text.split_once('=').map_or("", |(_, path)| path);
                is_address(self.text) || is_address(behind)
            }
            Role::Chart => true,
        }
    }
}

/// What the loader asks the web for: `url.Parse` finds the scheme http or https. A text of several
/// lines is none to it.
fn is_address(text: &str) -> bool {
    let text = text.trim_start().to_ascii_lowercase();
    let several = text.trim_end().contains('\n');
    text.starts_with("http:") || text.starts_with("https:") || (!several && text.contains("://"))
}

/// What git would be run for.
fn is_repository(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let prefixes =
        ["git::", "gh:", "ssh:", "file:", "oci:", "github.com/", "github.com:", "bitbucket.org/"];
    let user = text.split_once('@').is_some_and(|(user, rest)| {
        !user.is_empty()
            && user.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && rest.contains(['/', ':'])
    });
    // Older versions take what stands before `_git/` for a host.
    prefixes.iter().any(|prefix| text.starts_with(prefix))
        || user
        || (!text.contains('\n') && (text.contains("_git/") || text.contains("?ref=")))
}

/// Reads a kustomization, or the settings of a plugin, or says why it cannot be told what it names.
pub(super) fn read(file: &Path) -> Result<(String, Vec<Document>), String> {
    let bytes = match mmap::read_text(file, BYTES, false) {
        Ok(bytes) => bytes,
        Err(error) => return Err(super::discover::system_message(&error)),
    };
    let cleaned = yaml::clean(&bytes);
    if !cleaned.replaced.is_empty() {
        return Err("it is no UTF-8 text".to_owned());
    }
    let documents = parse(&cleaned.text)?;
    Ok((cleaned.text.into_owned(), documents))
}

/// The documents of a text that every reader of YAML takes for the same.
pub(super) fn parse(text: &str) -> Result<Vec<Document>, String> {
    // Breaks of a line for go-yaml and for YAML 1.1, and not for YAML 1.2.
    let breaks = ['\u{85}', '\u{2028}', '\u{2029}'];
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains(breaks) || text.contains('\u{feff}') || has_lone_return(text) {
        return Err("it holds line breaks that readers of YAML differ about".to_owned());
    }
    // `!!binary` would be decoded.
    if yaml::has_unusual_tag(text) {
        return Err("it holds a YAML tag that changes what is read".to_owned());
    }
    let limits = yaml::Limits { file_bytes: BYTES, ..yaml::Limits::default() };
    let parsed = yaml::parse(SourceId(u32::MAX), text, &[], &limits);
    let broken = parsed.broken.iter().map(|broken| &broken.problem);
    let problems = parsed.problems.iter().map(|(_, problem)| problem);
    // A key that is written twice is read twice.
    let mut bad = broken.chain(problems.filter(|p| p.kind != ProblemKind::DuplicateKey));
    match bad.next() {
        Some(problem) => Err(problem.message.clone()),
        None => Ok(parsed.documents),
    }
}

fn has_lone_return(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(text: &str) -> Vec<String> {
        let documents = parse(text).unwrap();
        let entries = documents.iter().flat_map(|document| entries(document.root()));
        entries.filter(Entry::is_fetched).map(|entry| entry.text.to_owned()).collect()
    }

    #[test]
    fn what_kustomize_would_fetch_is_known_by_its_shape() {
        for entry in [
            "https://example.com/a.yaml",
            "HTTPS://example.com/a.yaml",
            "https:/evil/x.yaml",
            "http:x",
            "github.com/evil/repo",
            "GitHub.com/evil/repo//a?ref=v1",
            "github.com:evil/repo",
            "git@host.example:evil/repo.git",
            "someone@host.example/evil/repo",
            "git::https://host.example/evil/repo",
            "gh:evil/repo",
            "ssh://host.example/evil/repo",
            "file:///evil/repo",
            "oci://host.example/evil",
            "host.example/x/_git/repo",
        ] {
            for field in ["resources", "bases", "components", "generators", "validators"] {
                assert_eq!(fetched(&format!("{field}: ['{entry}']")), [entry], "{field}");
            }
        }
        for entry in ["../base", "a.yaml", "./github.com/x/y", "a@b", "x.git/y", "/abs/https"] {
            assert_eq!(fetched(&format!("resources: ['{entry}']")), [""; 0], "{entry}");
        }
    }

    #[test]
    fn every_field_that_loads_is_looked_at() {
        let url = "https://example.com/x";
        for text in [
            "Resources: [URL]",
            "re\u{17f}ources: [URL]",
            "resources: [a]\nresources: [URL]\nresources: [b]",
            "<<: {resources: [URL]}",
            "<<: [{a: b}, {crds: [URL]}]",
            "crds: [URL]",
            "patches: [{path: URL}]",
            "patches: [{Path: URL}]",
            "patchesJson6902: [{path: URL, target: {kind: A}}]",
            "patchesStrategicMerge: [URL]",
            "configurations: [URL]",
            "replacements: [{path: URL}]",
            "openapi: {path: URL}",
            "configMapGenerator: [{name: a, envs: [URL]}]",
            "configMapGenerator: [{name: a, env: URL}]",
            "configMapGenerator: [{name: a, ENV: URL}]",
            "secretGenerator: [{name: a, files: [URL]}]",
            "notYetKnown: {a: [{b: URL}]}",
        ] {
            assert_eq!(fetched(&text.replace("URL", url)), [url], "{text}");
        }
        let keyed = fetched("secretGenerator: [{files: ['key=https://example.com/x']}]");
        assert_eq!(keyed, ["key=https://example.com/x"]);
        // An environment file has no key: all of it is the address.
        let whole = fetched("configMapGenerator: [{envs: ['https://example.com/x?a=b']}]");
        assert_eq!(whole, ["https://example.com/x?a=b"]);
        assert_eq!(fetched("helmCharts: [{name: a}]"), ["a Helm chart"]);
    }

    #[test]
    fn addresses_that_are_only_text_are_no_addresses() {
        let texts = "\
commonAnnotations: {docs: 'https://example.com/x'}
images: [{name: a, newName: github.com/a/b}]
configMapGenerator: [{name: a, literals: ['URL=https://example.com/x']}]
patches:
- target: {kind: A}
  patch: |-
    - {op: add, path: /a, value: 'https://example.com/x'}
patchesStrategicMerge:
- |-
  kind: A
  url: https://example.com/x
";
        assert_eq!(fetched(texts), [""; 0]);
    }

    #[test]
    fn what_readers_of_yaml_differ_about_is_not_read() {
        for text in [
            "a: b # c\u{2028}resources: [x]",
            "a: b # c\u{85}resources: [x]",
            "a: b # c\rresources: [x]",
            "resources: [!!binary aHR0cDovL2EvYg==]",
            "resources: [!<tag:yaml.org,2002:bin%61ry> aHR0cDovL2EvYg==]",
            "resources: [",
            "resources: [*a]",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse("a: !!str b\r\nc: 'hello!!'\r\n").is_ok());
    }

    #[test]
    fn settings_of_plugins_are_looked_at() {
        let loads = |text: &str| {
            let documents = parse(text).unwrap();
            let all = documents.iter().flat_map(|document| loaded_by_plugin(document.root()));
            all.filter(Entry::is_fetched).count()
        };
        assert_eq!(loads("apiVersion: builtin\nkind: ConfigMapGenerator\nenvs: ['http://a/b']"), 1);
        assert_eq!(loads("kind: PatchTransformer\nPath: http://a/b"), 1);
        assert_eq!(
            loads(
                "kind: List\nitems: [{kind: ReplacementTransformer, replacements: [{path: 'http://a'}]}]"
            ),
            1
        );
        assert_eq!(loads("kind: HelmChartInflationGenerator\nname: a"), 1);
        assert_eq!(loads("kind: ConfigMapGenerator\nliterals: ['a=http://a/b']"), 0);
        assert_eq!(loads("kind: AnnotationsTransformer\nannotations: {a: 'http://a/b'}"), 0);
    }
}
