//! The values of a chart: files in the order in which they outrank each other.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::Arc;

use super::budget::Budget;
use super::line::Path;
use crate::artifact::source::{Source, SourceKind, Sources};
use crate::artifact::yaml::{self, Limits};
use crate::facts::document::{Document, Form, Node, ScalarKind};
use crate::facts::origin::SourceId;
use crate::model::secret::{looks_secret, may_be_secret};

/// Bytes of a values file that is traced. A release with more could not be stored: Secrets have at
/// most 1 MiB.
const LARGEST: u64 = 1 << 20;

/// A key that the command line sets.
pub(super) struct Flag {
    parts: Vec<String>,
    /// As it was given, without what keeps dots in it.
    pub(super) name: String,
    pub(super) source: SourceId,
}

/// A values file, and where in it a chart's values lie.
pub(super) struct File {
    document: Arc<Document>,
    /// How many charts above the one that is rendered it belongs to the root by: 0 for what is
    /// given on the command line and for the root's own.
    depth: usize,
    /// Several charts read it as theirs, so that a change of it is one of all of them.
    shared: bool,
}

/// What a values file says.
#[derive(Clone)]
pub(super) enum Said {
    /// Nothing, or it is not there.
    Nothing,
    /// Something, which cannot be told: the file is too large, or cannot be read.
    Unknown,
    /// These values.
    Values(Arc<Document>),
}

/// Values files by path, each read once, and flags that set values.
#[derive(Default)]
pub(super) struct Files {
    read: HashMap<String, Said>,
    /// By key.
    flags: HashMap<String, SourceId>,
}

impl Files {
    /// The file of a path, which becomes an input, with its secrets masked. `named`: on the
    /// command line, rather than part of a chart.
    pub(super) fn get(
        &mut self,
        path: &str,
        read: impl FnOnce(u64) -> std::io::Result<Vec<u8>>,
        named: bool,
        sources: &mut Sources,
    ) -> Said {
        let path = path.trim_start_matches("./");
        let known = self.read.entry(path.to_owned());
        let said = known.or_insert_with(|| match read(LARGEST) {
            Ok(bytes) => load(path, &bytes, named, sources),
            Err(error) if error.kind() == ErrorKind::NotFound => Said::Nothing,
            Err(_) => Said::Unknown,
        });
        said.clone()
    }

    /// What the command line sets, each key of which is an input.
    pub(super) fn flags(&mut self, set: &[String], sources: &mut Sources) -> Vec<Flag> {
        let flag = |key: &String| {
            let name = key.replace('\\', "");
            let source = self.flags.entry(key.clone()).or_insert_with(|| {
                sources.add(Source::opaque(format!("--set {name}"), SourceKind::Flag))
            });
            Flag { parts: parts_of(key), name, source: *source }
        };
        set.iter().map(flag).collect()
    }

    /// The inputs that were made of the files.
    pub(super) fn ids(&self) -> impl Iterator<Item = SourceId> {
        self.read.values().filter_map(|said| match said {
            Said::Values(document) => Some(document.source),
            Said::Nothing | Said::Unknown => None,
        })
    }
}

fn load(path: &str, bytes: &[u8], named: bool, sources: &mut Sources) -> Said {
    let cleaned = yaml::clean(bytes);
    let text = &*cleaned.text;
    // Helm reads the first document only.
    let unknown = SourceId(u32::MAX);
    let parsed = yaml::parse(unknown, text, &cleaned.replaced, &Limits::default());
    let mut document = match parsed.documents.into_iter().next() {
        // Only comments, or nothing.
        None if parsed.broken.is_empty() => return Said::Nothing,
        // One that could not be read stands before it.
        Some(document) if document.index == 0 => document,
        _ => return Said::Unknown,
    };
    // Two charts may be given one file, and edits of it must come together.
    let same = |source: &Source| {
        source.kind == SourceKind::Values
            && source.path == path
            && source.shown().is_some_and(|shown| shown.len() == text.len())
    };
    let known = sources.iter().find(|(_, source)| same(source)).map(|(id, _)| id);
    document.source = known.unwrap_or_else(|| {
        let mut source = Source::text(path, SourceKind::Values, Arc::from(text));
        source.named = named;
        source.mask(&secrets(document.root()).iter().map(|node| node.span()).collect::<Vec<_>>());
        sources.add(source)
    });
    Said::Values(Arc::new(document))
}

impl File {
    pub(super) fn new(document: Arc<Document>, depth: usize, shared: bool) -> Self {
        Self { document, depth, shared }
    }

    /// What a path leads to; `Err` when it ends before: what is there is no mapping or nothing, and
    /// wins all the same over files that have more.
    fn find(&self, path: &[Key<'_>], budget: &mut Budget) -> Result<Option<Node<'_>>, ()> {
        let mut node = self.document.root();
        for key in path {
            let document = node.doc;
            node = match key {
                Key::Name(name) => {
                    let entries = document.entries_of(node.id);
                    if !node.is_mapping() || !budget.take(1 + entries.len()) {
                        return Err(());
                    }
                    match node.get(name) {
                        Some(node) => node,
                        None => {
                            let here = node.entries().filter_map(|(key, _)| key.as_str());
                            // `limits: null` takes away what a chart has.
                            let is_taken = |key: &str| key == *name || key == "<<";
                            return if here.into_iter().any(is_taken) { Err(()) } else { Ok(None) };
                        }
                    }
                }
                // A list wins as a whole.
                Key::Item(number) => {
                    let id = document.items_of(node.id).get(*number).ok_or(())?;
                    document.node(*id)
                }
            };
        }
        Ok(Some(node))
    }
}

/// One step down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key<'k> {
    Name(&'k str),
    Item(usize),
}

/// A value.
#[derive(Clone, Debug)]
pub(super) struct Found<'v> {
    pub(super) node: Node<'v>,
    /// How it is called in its file.
    pub(super) name: String,
    /// It is written there and for nothing else, so that it can be changed there.
    pub(super) is_own: bool,
}

/// The values of a chart, seen from it.
pub(super) struct Values {
    /// Files in the order of their weight: the one that wins first.
    files: Vec<File>,
    /// The names of the charts between the root and this one.
    charts: Vec<String>,
    /// Keys that the command line sets, which win over all files.
    set: Vec<Flag>,
    /// There are files of which it is not known what they say: any value may be theirs.
    unknown: bool,
}

/// The key whose values a chart hands to the charts in it.
const GLOBAL: &str = "global";

impl Values {
    pub(super) fn new(
        files: Vec<File>,
        charts: Vec<String>,
        set: Vec<Flag>,
        unknown: bool,
    ) -> Self {
        Self { files, charts, set, unknown }
    }

    /// Whether a value is something: neither empty, nor 0, nor false, nor absent (Go's
    /// `text/template/exec.go`, isTrue).
    pub(super) fn is_something(&self, path: &Path, budget: &mut Budget) -> Option<bool> {
        let keys = plain(path)?;
        let levels = self.levels(&keys);
        if self.unknown || levels.clone().any(|level| self.is_set(level, &keys)) {
            return None;
        }
        for level in levels {
            for file in self.files.iter().filter(|file| file.depth <= level) {
                let found = file.find(&self.full(file, level, &keys), budget).ok()?;
                let Some(node) = found else { continue };
                // An empty mapping takes nothing away from those below it.
                if node.is_mapping() && node.entries().next().is_none() {
                    continue;
                }
                return Some(match node.scalar_kind() {
                    Some(ScalarKind::Null) => return None,
                    Some(ScalarKind::Bool(is)) => is,
                    Some(ScalarKind::Int(n)) => n != 0,
                    Some(ScalarKind::Float(n)) => n != 0.0,
                    Some(ScalarKind::Str) => node.as_str().is_some_and(|text| !text.is_empty()),
                    None => node.is_mapping() || node.items().next().is_some(),
                });
            }
        }
        Some(false)
    }

    /// The flag of the command line that sets a value, or all of what it is a part of.
    pub(super) fn flag(&self, path: &[Key<'_>]) -> Option<&Flag> {
        let mut levels = self.levels(path);
        levels.find_map(|level| {
            let names = self.names(level, path);
            let sets = |flag: &&Flag| {
                flag.parts.len() <= names.len()
                    && flag.parts.iter().zip(&names).all(|(a, b)| a == b)
            };
            // The last one wins.
            self.set.iter().rev().find(sets)
        })
    }

    /// Levels of charts that have a say in a value. A chart's own values lie below its name in those
    /// of the charts around it. Those that are global are handed down, and win over what a chart
    /// below says (helm v3.22 pkg/chartutil/coalesce.go, coalesceGlobals).
    fn levels(&self, path: &[Key<'_>]) -> std::ops::RangeInclusive<usize> {
        let own = self.charts.len();
        if path.first() == Some(&Key::Name(GLOBAL)) { 0..=own } else { own..=own }
    }

    /// The path of a value of the chart at a level in a file.
    fn full<'k>(&'k self, file: &File, level: usize, path: &[Key<'k>]) -> Vec<Key<'k>> {
        let prefix = self.charts[file.depth..level].iter().map(|part| Key::Name(part));
        prefix.chain(path.iter().copied()).collect()
    }

    /// The value that a path names, in the file that wins; none when the command line sets it, or
    /// when it is not known what some file says.
    pub(super) fn find(&self, path: &[Key<'_>], budget: &mut Budget) -> Option<Found<'_>> {
        if self.unknown {
            return None;
        }
        let levels = self.levels(path);
        if levels.clone().any(|level| self.is_set(level, path)) {
            return None;
        }
        for level in levels {
            for file in self.files.iter().filter(|file| file.depth <= level) {
                let full = self.full(file, level, path);
                if let Some(node) = file.find(&full, budget).ok()? {
                    let is_own = !file.shared && !file.document.has_aliases;
                    return Some(Found { node, name: name_of(&full), is_own });
                }
            }
        }
        None
    }

    /// Whether the command line sets a value of the chart at a level, or one above or below it.
    fn is_set(&self, level: usize, path: &[Key<'_>]) -> bool {
        let names = self.names(level, path);
        self.set.iter().any(|set| set.parts.iter().zip(&names).all(|(a, b)| a == b))
    }

    /// The keys of a value of the chart at a level, from the root on.
    fn names<'k>(&'k self, level: usize, path: &[Key<'k>]) -> Vec<&'k str> {
        let names = self.charts[..level].iter().map(|name| Some(name.as_str()));
        let keys = path.iter().map(|key| match key {
            Key::Name(name) => Some(*name),
            Key::Item(_) => None,
        });
        // What is behind an item of a list is the list's.
        names.chain(keys).map_while(|part| part).collect()
    }
}

/// The keys of `a.b\.c[0].d` up to the first list, which is set as a whole as far as a chart's own
/// values go.
fn parts_of(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = key.chars();
    while let Some(c) = chars.next() {
        match c {
            '.' => parts.push(String::new()),
            '[' => break,
            c => {
                let c = if c == '\\' { chars.next() } else { Some(c) };
                if let Some(part) = parts.last_mut() {
                    part.extend(c);
                }
            }
        }
    }
    parts
}

/// A path without elements of lists.
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
        if node.form != Form::Mapping {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_set_are_told_apart() {
        assert_eq!(parts_of("a.b"), ["a", "b"]);
        assert_eq!(parts_of(r"a.b\.c"), ["a", "b.c"]);
        assert_eq!(parts_of("a[0].b"), ["a"]);
    }
}
