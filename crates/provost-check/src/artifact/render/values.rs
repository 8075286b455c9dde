//! The values of a chart: files in the order in which they outrank each other.

use std::collections::HashMap;
use std::sync::Arc;

use super::template::Path;
use crate::artifact::source::{Source, SourceKind, Sources};
use crate::artifact::yaml::{self, Limits};
use crate::facts::document::{Document, Node, NodeValue};
use crate::facts::origin::SourceId;
use crate::model::secret::{looks_secret, may_be_secret};

/// Bytes of a values file that is traced. A release with more could not be stored: Secrets have at
/// most 1 MiB.
const LARGEST: u64 = 1 << 20;

/// A values file and where in it a chart's values lie.
pub(super) struct File {
    document: Arc<Document>,
    /// The keys in front of it: values of a subchart lie below its name in those of its parent.
    prefix: Vec<String>,
}

/// Values files by path, each read once.
#[derive(Default)]
pub(super) struct Files(HashMap<String, Option<Arc<Document>>>);

impl Files {
    /// The file seen from a chart whose values lie below `prefix` in it. It becomes an input, with
    /// its secrets masked; `None` when there is none or it says nothing. `named`: on the command
    /// line, rather than part of a chart.
    pub(super) fn get(
        &mut self,
        path: &str,
        read: impl FnOnce(u64) -> Option<Vec<u8>>,
        prefix: &[&str],
        named: bool,
        sources: &mut Sources,
    ) -> Option<File> {
        let known = self.0.entry(path.to_owned());
        let document =
            known.or_insert_with(|| load(path, &read(LARGEST)?, named, sources)).clone()?;
        Some(File { document, prefix: prefix.iter().map(|part| (*part).to_owned()).collect() })
    }

    /// The inputs that were made of them.
    pub(super) fn ids(&self) -> impl Iterator<Item = SourceId> {
        self.0.values().flatten().map(|document| document.source)
    }
}

fn load(path: &str, bytes: &[u8], named: bool, sources: &mut Sources) -> Option<Arc<Document>> {
    let cleaned = yaml::clean(bytes);
    let text = &*cleaned.text;
    // Helm reads the first document only.
    let unknown = SourceId(u32::MAX);
    let parsed = yaml::parse(unknown, text, &cleaned.replaced, &Limits::default());
    let mut document = parsed.documents.into_iter().next()?;
    let mut source = Source::text(path, SourceKind::Values, Arc::from(text));
    source.named = named;
    source.mask(&secrets(document.root()).iter().map(|node| node.span()).collect::<Vec<_>>());
    document.source = sources.add(source);
    Some(Arc::new(document))
}

impl File {
    fn find(&self, path: &[Key<'_>]) -> Option<Node<'_>> {
        let mut node = self.document.root();
        for key in path {
            node = match key {
                Key::Name(name) => node.get(name)?,
                Key::Item(number) => node.items().nth(*number)?,
            };
        }
        Some(node)
    }
}

/// One step down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key<'k> {
    Name(&'k str),
    Item(usize),
}

/// Files in the order of their weight: the one that wins first.
pub(super) struct Values {
    pub(super) files: Vec<File>,
    /// Keys that the command line sets, which win over all files.
    pub(super) set: Vec<String>,
}

impl Values {
    /// The node that a path names and its full name, in the file that wins; none when the command
    /// line sets it.
    pub(super) fn find(&self, path: &[Key<'_>]) -> Option<(Node<'_>, String)> {
        let name = name_of(path);
        let is_set = |set: &String| {
            let below = |a: &str, b: &str| {
                a.strip_prefix(b)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            below(&name, set) || below(set, &name)
        };
        if self.set.iter().any(is_set) {
            return None;
        }
        self.files.iter().find_map(|file| {
            let prefix = file.prefix.iter().map(|part| Key::Name(part));
            let full: Vec<Key<'_>> = prefix.chain(path.iter().copied()).collect();
            Some((file.find(&full)?, name_of(&full)))
        })
    }
}

/// A path of a template without elements of lists.
pub(super) fn plain(path: &Path) -> Option<Vec<Key<'_>>> {
    path.iter().map(|part| part.as_deref().map(Key::Name)).collect()
}

/// `resources.limits.memory`, `env[2].value`
pub(super) fn name_of(path: &[Key<'_>]) -> String {
    let mut name = String::new();
    for key in path {
        match key {
            Key::Name(part) => {
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(part);
            }
            Key::Item(number) => name.push_str(&format!("[{number}]")),
        }
    }
    name
}

/// Values under a name of a secret.
pub(super) fn secrets(root: Node<'_>) -> Vec<Node<'_>> {
    let mut found = Vec::new();
    // Each mapping of the arena once, whatever aliases lead to it.
    for (index, node) in root.doc.nodes.iter().enumerate() {
        if !matches!(node.value, NodeValue::Mapping(_)) {
            continue;
        }
        let id = crate::facts::document::NodeId(u32::try_from(index).unwrap_or(u32::MAX));
        for (key, value) in root.doc.node(id).entries() {
            let Some(name) = key.as_str() else { continue };
            if value.as_str().is_some_and(|text| looks_secret(name, text).is_some()) {
                found.push(value);
            }
            // `secrets: {db: ...}`: what is below such a name is called otherwise.
            let lower = name.to_ascii_lowercase();
            if ["secret", "password", "credential"].iter().any(|word| lower.contains(word)) {
                let below = value.entries().map(|(_, value)| value).chain(value.items());
                let secret = |node: &Node<'_>| node.as_str().is_some_and(may_be_secret);
                found.extend(below.filter(secret));
            }
        }
    }
    found
}
