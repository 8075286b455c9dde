//! What generators of a kustomization put into objects, and where each entry is written: a literal,
//! a line of an environment file, a file.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::names::{Identity, longest_part, without_hash};
use super::plan::normal;
use crate::artifact::kustomization::{all_of, fields};
use crate::facts::document::{Node, ScalarStyle};
use crate::facts::origin::{Origin, SourceId, Span};
use crate::model::secret::looks_secret;

/// Bytes of a file that a generator takes. An object has at most a mebibyte (apimachinery
/// `pkg/apis/core/validation`, MaxSecretSize).
pub(super) const LARGEST: u64 = 1 << 20;

/// Bytes of all of them.
pub(super) const LARGEST_SUM: usize = 32 << 20;

/// Entries of all generators.
const MOST_ENTRIES: usize = 50_000;

/// Entries of one key: generators of one name in several folders, each of which may have the last
/// word.
const MOST_ALIKE: usize = 16;

/// A file that a generator takes.
#[derive(Clone)]
pub(super) struct Taken {
    pub(super) id: SourceId,
    pub(super) text: Arc<str>,
}

/// One key of an object, and where it and its value are written.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Origin,
    pub(super) value: Origin,
    text: Arc<str>,
    part: Range<usize>,
}

impl Entry {
    /// Whether this is what an object says. The quotes around a literal are not part of its value
    /// (api v0.21 `kv/kv.go`, parseLiteralSource).
    pub(super) fn says(&self, value: &str) -> bool {
        let own = self.text.get(self.part.clone()).unwrap_or_default();
        own == value || own.trim_matches(['"', '\'']) == value
    }
}

/// A generator.
#[derive(Debug)]
pub(super) struct Generator {
    /// Where its name is written.
    pub(super) name: Origin,
    entries: FxHashMap<String, Vec<Entry>>,
}

impl Generator {
    /// Where a key and its value are written, and whether that is what the object says of it.
    pub(super) fn entry(&self, key: &str, value: &str) -> Option<(&Entry, bool)> {
        let all = self.entries.get(key)?;
        match all.iter().find(|entry| entry.says(value)) {
            Some(entry) => Some((entry, true)),
            None => all.first().map(|entry| (entry, false)),
        }
    }
}

/// All of them by kind and name; of several of one name the first is that of the root, which has
/// the last word.
#[derive(Debug, Default)]
pub(super) struct Generators {
    all: FxHashMap<(&'static str, String), Generator>,
    count: usize,
}

/// The kind of object that a field of a kustomization makes.
fn kind_of(field: &str) -> Option<&'static str> {
    match field {
        "configmapgenerator" => Some("ConfigMap"),
        "secretgenerator" => Some("Secret"),
        _ => None,
    }
}

/// Where the environment files and files of a generator are, as they are named.
fn named<'d>(item: Node<'d>, fields: &[&str]) -> Vec<&'d str> {
    let lists = fields.iter().flat_map(|field| all_of(item, field));
    lists.flat_map(|list| list.items().chain(Some(list))).filter_map(Node::as_str).collect()
}

/// The files that generators of ConfigMaps take, by name. Those of Secrets are read by nobody.
pub(super) fn taken_by(root: Node<'_>, folder: &Path) -> Vec<std::path::PathBuf> {
    let maps = fields(root).into_iter().filter(|(field, _)| field == "configmapgenerator");
    let mut all = Vec::new();
    for item in maps.flat_map(|(_, value)| value.items().collect::<Vec<_>>()) {
        let files = named(item, &["files"]);
        let files = files.into_iter().map(|file| file.split_once('=').map_or(file, |(_, f)| f));
        all.extend(named(item, &["envs", "env"]).into_iter().chain(files));
    }
    all.into_iter().map(|file| normal(&folder.join(file))).collect()
}

impl Generators {
    /// Looks at the generators of a kustomization with this text, whose files are found by `file`.
    pub(super) fn look_at<'f>(
        &mut self,
        root: Node<'_>,
        text: &Arc<str>,
        file: impl Fn(&str) -> Option<&'f Taken>,
    ) {
        for (field, value) in fields(root) {
            let Some(kind) = kind_of(&field) else { continue };
            for item in value.items() {
                for node in all_of(item, "name") {
                    let Some(name) = node.as_str() else { continue };
                    let found = self.all.entry((kind, name.to_owned())).or_insert_with(|| {
                        Generator { name: node.origin(), entries: FxHashMap::default() }
                    });
                    // What a Secret is made of is masked, and tells nothing.
                    if kind == "ConfigMap" {
                        add(found, item, text, &file, &mut self.count);
                    }
                }
            }
        }
    }

    /// That of an object: its name stands in the object's, which prefixes, suffixes and a hash may be
    /// around.
    pub(super) fn of(&self, object: Identity<'_>) -> Option<&Generator> {
        let kind = ["ConfigMap", "Secret"].into_iter().find(|kind| *kind == object.kind)?;
        let find = |name: &str| self.all.get(&(kind, name.to_owned()));
        longest_part(without_hash(object.name), find).or_else(|| find(object.name))
    }
}

/// Adds what a generator has.
fn add<'f>(
    generator: &mut Generator,
    item: Node<'_>,
    text: &Arc<str>,
    file: impl Fn(&str) -> Option<&'f Taken>,
    count: &mut usize,
) {
    let mut put = |key: &str, entry: Entry| {
        let same = generator.entries.entry(key.to_owned()).or_default();
        if *count < MOST_ENTRIES && same.len() < MOST_ALIKE {
            *count += 1;
            same.push(entry);
        }
    };
    for list in all_of(item, "literals") {
        for node in list.items().chain(Some(list)) {
            let Some((key, value)) = node.as_str().and_then(|text| text.split_once('=')) else {
                continue;
            };
            let (at, behind) = halves(node, key, text);
            let value: Arc<str> = Arc::from(value);
            let part = 0..value.len();
            put(key, Entry { key: at, value: behind, text: value, part });
        }
    }
    for name in named(item, &["envs", "env"]) {
        let Some(taken) = file(name) else { continue };
        for (key, value) in variables(&taken.text) {
            let name = taken.text.get(key.clone()).unwrap_or_default();
            let origin =
                |part: &Range<usize>| Origin::text(taken.id, Span::new(part.start, part.end));
            let (key, at) = (origin(&key), origin(&value));
            put(name, Entry { key, value: at, text: Arc::clone(&taken.text), part: value });
        }
    }
    for name in named(item, &["files"]) {
        let (key, path) = match name.split_once('=') {
            Some((key, path)) => (key, path),
            None => (name.rsplit('/').next().unwrap_or(name), name),
        };
        let Some(taken) = file(path) else { continue };
        // Its first line is shown of it.
        let text = &taken.text;
        let whole = Origin::text(taken.id, Span::new(0, text.trim_end().len()));
        let part = 0..text.len();
        put(key, Entry { key: whole.clone(), value: whole, text: Arc::clone(text), part });
    }
}

/// Where the key and the value of a literal stand; where it is escaped, all of it for both.
fn halves(node: Node<'_>, key: &str, text: &str) -> (Origin, Origin) {
    let whole = (node.origin(), node.origin());
    let span = node.span();
    let quotes = match node.scalar_style() {
        Some(ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted) => 1,
        Some(ScalarStyle::Plain) => 0,
        Some(ScalarStyle::Block) | None => return whole,
    };
    let Some(end) = (span.end as usize).checked_sub(quotes) else { return whole };
    let start = span.start as usize + quotes;
    if text.get(start..end) != node.as_str() {
        return whole;
    }
    let behind = start + key.len() + 1;
    let origin = |from, to| Origin::text(node.doc.source, Span::new(from, to));
    (origin(start, start + key.len()), origin(behind, end))
}

/// Keys and values of an environment file (api v0.21 `kv/kv.go`, keyValuesFromLine). One without a
/// value takes that of the environment, which is not known here.
fn variables(text: &str) -> Vec<(Range<usize>, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split('\n') {
        let shown = line.strip_suffix('\r').unwrap_or(line);
        let key = shown.trim_start();
        let start = at + (shown.len() - key.len());
        if let Some(equals) = key.find('=').filter(|_| !key.starts_with('#')) {
            found.push((start..start + equals, start + equals + 1..start + key.len()));
        }
        at += line.len() + 1;
    }
    found
}

/// What of a file that a ConfigMap is made of is not to be shown. The rest is found by what is masked
/// in the object itself.
pub(super) fn secret_values(text: &str) -> Vec<Span> {
    let secret = |(key, value): &(Range<usize>, Range<usize>)| {
        let of = |part: &Range<usize>| text.get(part.clone()).unwrap_or_default();
        looks_secret(of(key), of(value)).is_some()
    };
    let found = variables(text).into_iter().filter(secret);
    found.map(|(_, value)| Span::new(value.start, value.end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_an_environment_file_are_read_as_kustomize_does() {
        let text = "# A=1\n  B=2 \r\n\nC\nD=a=b\nE=\n";
        let found: Vec<(&str, &str)> =
            variables(text).into_iter().map(|(key, value)| (&text[key], &text[value])).collect();
        assert_eq!(found, [("B", "2 "), ("D", "a=b"), ("E", "")]);
        assert_eq!(variables("").len() + variables("\n").len(), 0);
    }
}
