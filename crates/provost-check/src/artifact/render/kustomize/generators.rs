//! What generators of a kustomization put into objects, and where each entry is written: a literal,
//! a line of an environment file, a file.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::generated::{entries, without_quotes};
use super::names::{Identity, longest_part, without_hash};
use super::plan::normal;
use crate::artifact::kustomization::{Part, all_of, fields, made_by, parts};
use crate::facts::document::{Node, ScalarStyle};
use crate::facts::origin::{Origin, SourceId, Span};
use crate::model::secret::secret_word;

/// Bytes of a file that a generator takes. An object has at most a mebibyte (apimachinery
/// `pkg/apis/core/validation`, MaxSecretSize).
pub(super) const LARGEST: u64 = 1 << 20;

/// Bytes of all of them.
pub(super) const LARGEST_SUM: usize = 32 << 20;

/// Bytes that are looked at for all generators: many may take one file.
const MOST_WORK: usize = 256 << 20;

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
pub(super) struct Said {
    pub(super) key: Origin,
    pub(super) value: Origin,
    text: Arc<str>,
    part: Range<usize>,
}

impl Said {
    /// Whether this is what an object says, quotes of a literal aside.
    pub(super) fn says(&self, value: &str) -> bool {
        let own = self.text.get(self.part.clone()).unwrap_or_default();
        own == value || without_quotes(own) == value
    }
}

/// A generator.
#[derive(Debug)]
pub(super) struct Generator {
    /// Where its name is written.
    pub(super) name: Origin,
    entries: FxHashMap<String, Vec<Said>>,
}

impl Generator {
    /// Where a key and its value are written, and whether that is what the object says of it.
    pub(super) fn entry(&self, key: &str, value: &str) -> Option<(&Said, bool)> {
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
    taken: Work,
}

/// What was done.
#[derive(Debug, Default)]
struct Work {
    entries: usize,
    bytes: usize,
}

impl Work {
    /// Takes bytes; once there are too many, or too many entries, there are none.
    fn take(&mut self, bytes: usize) -> bool {
        if self.bytes > MOST_WORK || self.entries >= MOST_ENTRIES {
            return false;
        }
        self.bytes += bytes;
        true
    }
}

/// The files that generators of ConfigMaps take, by name. Those of Secrets are read by nobody.
pub(super) fn taken_by(root: Node<'_>, folder: &Path) -> Vec<std::path::PathBuf> {
    let maps = fields(root).into_iter().filter(|(field, _)| made_by(field) == Some("ConfigMap"));
    let taken = maps.flat_map(|(_, value)| value.items()).flat_map(parts);
    let taken = taken.filter_map(|part| match part {
        Part::Env(_, name) | Part::File(_, _, name) => Some(normal(&folder.join(name))),
        Part::Literal(..) => None,
    });
    taken.collect()
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
            let Some(kind) = made_by(&field) else { continue };
            for item in value.items() {
                for node in all_of(item, "name") {
                    let Some(name) = node.as_str() else { continue };
                    let found = self.all.entry((kind, name.to_owned())).or_insert_with(|| {
                        Generator { name: node.origin(), entries: FxHashMap::default() }
                    });
                    // What a Secret is made of is masked, and tells nothing.
                    if kind == "ConfigMap" {
                        add(found, item, text, &file, &mut self.taken);
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
    work: &mut Work,
) {
    let mut put = |key: &str, said: Said, work: &mut Work| {
        if !work.take(key.len()) {
            return;
        }
        let same = generator.entries.entry(key.to_owned()).or_default();
        if same.len() < MOST_ALIKE {
            work.entries += 1;
            same.push(said);
        }
    };
    for part in parts(item) {
        match part {
            Part::Literal(node, key, value) => {
                let (at, behind) = halves(node, key, text);
                let value: Arc<str> = Arc::from(value);
                let part = 0..value.len();
                put(key, Said { key: at, value: behind, text: value, part }, work);
            }
            Part::Env(_, name) => {
                let Some(taken) = file(name) else { continue };
                if !work.take(taken.text.len()) {
                    return;
                }
                for entry in entries(&taken.text) {
                    let Some(value) = entry.value_at() else { continue };
                    let key = Span::new(entry.at, entry.at + entry.key.len());
                    let origin = |span| Origin::text(taken.id, span);
                    let (text, part) = (Arc::clone(&taken.text), value.range());
                    put(
                        entry.key,
                        Said { key: origin(key), value: origin(value), text, part },
                        work,
                    );
                }
            }
            Part::File(_, key, path) => {
                let Some(taken) = file(path) else { continue };
                // Its first line is shown of it.
                let text = &taken.text;
                let whole = Origin::text(taken.id, Span::new(0, text.trim_end().len()));
                let part = 0..text.len();
                let text = Arc::clone(text);
                put(key, Said { key: whole.clone(), value: whole, text, part }, work);
            }
        }
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

/// What of a file that a ConfigMap is made of is not to be shown. The rest is found by what is masked
/// in the object itself.
pub(super) fn secret_values(text: &str) -> Vec<Span> {
    let named = entries(text).filter(|entry| secret_word(entry.key).is_some());
    named.filter_map(|entry| entry.value_at()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::yaml::{self, Limits};

    /// Thousands of generators may name one file of a mebibyte.
    #[test]
    fn a_file_that_many_generators_take_is_not_read_without_end() {
        let item = "- {name: a, envs: [a.env]}\n";
        let text = format!("configMapGenerator:\n{}", item.repeat(20_000));
        let documents = yaml::parse(SourceId(0), &text, &[], &Limits::default()).documents;
        let long: Arc<str> = Arc::from("# nothing\n".repeat(100_000));
        let taken = Taken { id: SourceId(1), text: long };
        let mut generators = Generators::default();
        generators.look_at(documents[0].root(), &Arc::from(text.as_str()), |_| Some(&taken));
        // All of them would be twenty gigabytes.
        let read = generators.taken.bytes;
        assert!(read > MOST_WORK && read <= MOST_WORK + taken.text.len(), "{read}");
        let map = Identity { group: "", kind: "ConfigMap", name: "a", namespace: "" };
        assert!(generators.of(map).is_some());
    }
}
