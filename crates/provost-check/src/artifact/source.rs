//! The inputs of a run: paths, text and line positions.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashSet;

use super::render::Trace;
use crate::facts::origin::{SourceId, Span};
use crate::model::hidden::Hidden;
use crate::model::secret::{hidden_spans, keyed_spans, looks_random};

/// What an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// Kubernetes YAML or JSON.
    Manifest,
    /// A Dockerfile.
    Dockerfile,
    /// An executable.
    Binary,
    /// A container image.
    Image,
    /// `provost.toml`
    Config,
    /// `go.mod`
    GoMod,
    /// A flag of the command line that states a fact.
    Flag,
    /// A template of a chart.
    Template,
    /// A file that a kustomization is built of.
    Resource,
    /// What a generator of a kustomization makes an object of: variables, or a file of any kind.
    Data,
    /// Values of a chart.
    Values,
    /// Which files `docker build` does not see; there when a pattern of it matters.
    DockerIgnore,
    /// A process that was measured, or the file that says what was.
    Proof,
    /// A log of a process.
    Log,
    /// Files of cgroups and processes.
    Cgroup,
    /// Named on the command line and of no known format.
    Unknown,
}

impl SourceKind {
    /// The word reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Dockerfile => "dockerfile",
            Self::Binary => "binary",
            Self::Image => "image",
            Self::Config => "config",
            Self::GoMod => "go.mod",
            Self::Flag => "flag",
            // What reports have called it from the first.
            Self::Template | Self::Resource | Self::Data => "template",
            Self::Values => "values",
            Self::DockerIgnore => "dockerignore",
            Self::Proof => "proof",
            Self::Log => "log",
            Self::Cgroup => "cgroup",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it is written as keys and values, so that what stands behind a secret's key is one.
    fn has_keys(self) -> bool {
        matches!(
            self,
            Self::Manifest
                | Self::Dockerfile
                | Self::Config
                | Self::Template
                | Self::Resource
                | Self::Data
                | Self::Values
                | Self::Unknown
        )
    }
}

/// What patches change: by `Kind/name` of the object, with `*` for any, its fields as
/// `spec/replicas`, without positions in lists; those below one are changed with it, and the empty
/// one is the whole object.
pub type Patches = BTreeMap<String, BTreeSet<String>>;

/// What the kustomizations that reach an input do with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Their numbers, in ascending order.
    pub by: Vec<u32>,
    /// What their patches change, for each that has any.
    pub patched: Vec<Arc<Patches>>,
    /// The names of images that they write over.
    pub images: BTreeSet<String>,
    /// They may write over any image: a component or a transformer is not known.
    pub any_image: bool,
}

impl Reached {
    /// Whether an image, as it is written, may be another one once it is built: `IsImageMatched` of kustomize
    /// (api/image/image.go), which takes a name for a regular expression that the tag and the digest follow.
    pub fn sets_image(&self, image: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "./-_:@".contains(c);
        self.any_image
            || self.images.iter().any(|name| {
                let rest = image.strip_prefix(name.as_str());
                !name.chars().all(plain)
                    || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
            })
    }

    /// Takes in what others do with it.
    pub fn extend(&mut self, other: Reached) {
        self.by.extend(other.by);
        self.patched.extend(other.patched);
        self.images.extend(other.images);
        self.any_image |= other.any_image;
    }
}

/// One input.
#[derive(Debug)]
pub struct Source {
    /// Path as the user gave it or as found below it, `/`-separated; `-` for standard input.
    pub path: String,
    /// What it is.
    pub kind: SourceKind,
    /// Named on the command line rather than found by walking.
    pub named: bool,
    /// Of a file that a kustomization is built of: it has whole objects, and changes none of another file.
    pub whole: bool,
    /// What kustomizations that reach it do with it.
    pub kustomized: Reached,
    /// Where its lines were written, when a renderer printed it. Its path is then that of what was
    /// rendered, and no report shows its own positions.
    pub rendered: Option<Trace>,
    /// Text as reports may show it: secret bytes are masked by the loader, positions are those of
    /// the file. `None` for executables.
    text: Option<Arc<str>>,
    /// What was masked, without what it was: its place, and a digest that holds within this source.
    hidden: Vec<(Span, u64)>,
    /// Where the words of what was masked begin, with digests of their first bytes; in order.
    words: Vec<(u32, u64)>,
    digests: RandomState,
    lines: OnceLock<Vec<u32>>,
    /// Characters before each block of [`BLOCK`] bytes; counted when a line is longer than one.
    characters: OnceLock<Vec<u32>>,
}

/// A file of one line of megabytes is looked up many times; counting its characters from the
/// start each time would be quadratic.
const BLOCK: usize = 4096;

/// Words of one secret that are known.
const MOST_WORDS: usize = 64;

/// Bytes around a place whose secrets a sentence may repeat.
const MOST_BESIDE: u32 = 16 << 10;

/// The words of a text by which a sentence may repeat it, and where they begin. Shorter ones are
/// words of every sentence.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    const SHORTEST: usize = 4;
    let ends = |c: char| c.is_whitespace() || "\"'`,;:=(){}[]<>|".contains(c);
    let mut at = 0;
    let all = text.split_inclusive(ends).map(move |piece| {
        let start = at;
        at += piece.len();
        (start, piece.trim_end_matches(ends))
    });
    let bare = all.map(|(at, word)| {
        let inside = word.trim_start_matches('.');
        (at + word.len() - inside.len(), inside.trim_end_matches('.'))
    });
    bare.filter(|(_, word)| word.len() >= SHORTEST)
}

/// What a word is known by, also where a message has cut it off.
fn beginning(word: &str) -> &str {
    let end = word.char_indices().nth(8).map_or(word.len(), |(at, _)| at);
    &word[..end]
}

/// Characters that start in `bytes`: continuation bytes do not start one.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| (**b & 0xC0) != 0x80).count()
}

/// A position in a text: line and column from 1, the column counted in Unicode characters, and
/// the byte offset from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Byte offset, from 0.
    pub offset: u32,
}

impl Source {
    /// An input with text.
    pub fn text(path: impl Into<String>, kind: SourceKind, text: Arc<str>) -> Self {
        let mut source = Self {
            path: path.into(),
            kind,
            named: false,
            whole: false,
            kustomized: Reached::default(),
            rendered: None,
            text: Some(text),
            hidden: Vec::new(),
            words: Vec::new(),
            digests: RandomState::new(),
            lines: OnceLock::new(),
            characters: OnceLock::new(),
        };
        // Whatever a loader knows of secrets, and wherever they stand, comments included.
        let shaped = source.text.as_deref().map(hidden_spans).unwrap_or_default();
        let spans = |all: Vec<Range<usize>>| -> Vec<Span> {
            all.into_iter().map(|span| Span::new(span.start, span.end)).collect()
        };
        let keyed = source.text.as_deref().filter(|_| kind.has_keys()).map(keyed_spans);
        source.mask(&spans(shaped));
        source.mask(&spans(keyed.unwrap_or_default()));
        source
    }

    /// An input without text that could be shown.
    pub fn opaque(path: impl Into<String>, kind: SourceKind) -> Self {
        Self {
            path: path.into(),
            kind,
            named: false,
            whole: false,
            kustomized: Reached::default(),
            rendered: None,
            text: None,
            hidden: Vec::new(),
            words: Vec::new(),
            digests: RandomState::new(),
            lines: OnceLock::new(),
            characters: OnceLock::new(),
        }
    }

    /// The text, secrets masked.
    pub fn shown(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Replaces every byte of `spans` that is not a line break by `*`, so that no report can show
    /// it. Positions stay as they are. Loaders call this before anything else sees the source.
    pub fn mask(&mut self, spans: &[Span]) {
        let Some(text) = self.text.as_deref() else { return };
        if spans.is_empty() {
            return;
        }
        let mut bytes = text.as_bytes().to_vec();
        for span in spans {
            let secret = bytes.get_mut(span.range()).unwrap_or_default();
            self.hidden.push((*span, self.digests.hash_one(&*secret)));
            let written = std::str::from_utf8(secret).unwrap_or_default();
            // `host=db password=x`: its keys are words of every sentence.
            let is_key = |at: usize| matches!(written.as_bytes().get(at), Some(b'=' | b':'));
            let of_it = words(written)
                .filter(|(at, word)| !word.starts_with('*') && !is_key(at + word.len()));
            self.words.extend(of_it.take(MOST_WORDS).map(|(at, word)| {
                let at = u32::try_from(at).unwrap_or(u32::MAX);
                (span.start.saturating_add(at), self.digests.hash_one(beginning(word)))
            }));
            for byte in secret {
                if !matches!(byte, b'\n' | b'\r') {
                    *byte = b'*';
                }
            }
        }
        // A span ends on character boundaries, so that the masked text is UTF-8 again; if a loader
        // ever broke that, showing replacement characters is better than showing the secret.
        self.text = Some(Arc::from(String::from_utf8_lossy(&bytes).as_ref()));
        self.words.sort_unstable();
        self.lines = OnceLock::new();
        self.characters = OnceLock::new();
    }

    /// Bytes of a sentence that repeat what is masked on the lines of a place, whole or cut off.
    pub fn repeated(&self, place: Span, sentence: &str) -> Vec<Range<usize>> {
        if self.words.is_empty() {
            return Vec::new();
        }
        let line = |offset: u32| self.line(self.position(offset).line);
        // A document may be one line of megabytes, and an object may go over as many lines.
        let end = place
            .end
            .saturating_sub(1)
            .max(place.start)
            .min(place.start.saturating_add(MOST_BESIDE));
        let first = line(place.start).map_or(0, |line| line.start);
        let first = first.max(place.start.saturating_sub(MOST_BESIDE) as usize);
        let last = line(end).map_or(usize::MAX, |line| line.end);
        let last = last.min(end.saturating_add(MOST_BESIDE) as usize);
        let from = self.words.partition_point(|(at, _)| (*at as usize) < first);
        let of_place = &self.words[from..];
        let of_place = &of_place[..of_place.partition_point(|(at, _)| *at as usize <= last)];
        if of_place.is_empty() {
            return Vec::new();
        }
        let known: FxHashSet<u64> = of_place.iter().map(|(_, digest)| *digest).collect();
        let is_one = |word: &str| known.contains(&self.digests.hash_one(beginning(word)));
        let found = words(sentence).filter(|(_, word)| is_one(word));
        found.map(|(at, word)| at..at + word.len()).collect()
    }

    /// Whether two parts were written alike, what is masked in them included.
    pub fn is_same(&self, one: &Range<usize>, other: &Range<usize>) -> bool {
        let shown = |part: &Range<usize>| self.shown().and_then(|text| text.get(part.clone()));
        let hidden = |part: &Range<usize>| {
            let is_in = |span: &Range<usize>| span.start < part.end && part.start < span.end;
            let all = self.hidden.iter().map(|(span, digest)| (span.range(), *digest));
            // One that begins outside never has the place of another.
            let mut of_part: Vec<_> = all
                .filter(|(span, _)| is_in(span))
                .map(|(span, digest)| {
                    (span.start.checked_sub(part.start), span.end - span.start, digest)
                })
                .collect();
            of_part.sort_unstable();
            of_part
        };
        let starts_inside = |all: &[(Option<usize>, usize, u64)]| all.iter().all(|h| h.0.is_some());
        if shown(one).is_none() || shown(one) != shown(other) {
            return false;
        }
        let of_one = hidden(one);
        starts_inside(&of_one) && of_one == hidden(other)
    }

    /// Line, column and offset of a byte.
    pub fn position(&self, offset: u32) -> Position {
        let Some(text) = self.text.as_deref() else {
            return Position { line: 1, column: 1, offset };
        };
        let lines = self.line_starts(text);
        let line = lines.partition_point(|start| *start <= offset).max(1);
        let start = lines[line - 1];
        let column = self.characters_between(text.as_bytes(), start as usize, offset as usize);
        Position {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
            offset,
        }
    }

    /// Bytes of the line of that number, from 1, without its break; `None` behind the last line.
    pub fn line(&self, number: u32) -> Option<Range<usize>> {
        let text = self.text.as_deref()?;
        let starts = self.line_starts(text);
        let at = (number as usize).checked_sub(1)?;
        let start = *starts.get(at)? as usize;
        let end = starts.get(at + 1).map_or(text.len(), |next| *next as usize - 1);
        let end = if text[start..end].ends_with('\r') { end - 1 } else { end };
        (start < text.len()).then_some(start..end)
    }
}

impl Source {
    fn line_starts(&self, text: &str) -> &[u32] {
        self.lines.get_or_init(|| {
            let mut starts = vec![0];
            starts.extend(
                memchr::memchr_iter(b'\n', text.as_bytes())
                    .map(|i| u32::try_from(i + 1).unwrap_or(u32::MAX)),
            );
            starts
        })
    }

    fn characters_between(&self, text: &[u8], start: usize, end: usize) -> usize {
        let end = end.min(text.len());
        if end.saturating_sub(start) <= BLOCK {
            return characters(text.get(start..end).unwrap_or_default());
        }
        let blocks = self.characters.get_or_init(|| {
            let mut sum = 0;
            let count = |block: &[u8]| {
                let before = sum;
                sum += u32::try_from(characters(block)).unwrap_or(u32::MAX);
                before
            };
            text.chunks(BLOCK).map(count).collect()
        });
        let up_to = |at: usize| {
            let block = at / BLOCK;
            let counted = blocks.get(block).copied().unwrap_or(0) as usize;
            counted + characters(&text[block * BLOCK..at])
        };
        // `end` may be the length of the text, where no block begins.
        up_to(end - 1) - up_to(start) + characters(&text[end - 1..end])
    }
}

/// All inputs of a run.
#[derive(Debug, Default)]
pub struct Sources {
    all: Vec<Source>,
    hidden: Hidden,
    /// Texts of inputs among what is hidden.
    remembered: usize,
}

/// Bytes of a secret that a sentence may quote, and how many of them are looked for: each is one
/// more text that every sentence is searched for.
const SHORTEST_QUOTED: usize = 8;
const LONGEST_QUOTED: usize = 256;
const MOST_QUOTED: usize = 1_000;

impl Sources {
    /// Adds an input and names it.
    pub fn add(&mut self, source: Source) -> SourceId {
        let id = SourceId(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.push(source);
        id
    }

    /// The input of a kind and path, which has this text; added when it is not there yet.
    pub fn with_text(&mut self, path: String, kind: SourceKind, text: Arc<str>) -> SourceId {
        let plain = |path: &str| path.strip_prefix("./").unwrap_or(path).to_owned();
        let wanted = plain(&path);
        let is = |source: &Source| source.kind == kind && plain(&source.path) == wanted;
        let Some(at) = self.all.iter().position(is) else {
            return self.add(Source::text(path, kind, text));
        };
        let known = &mut self.all[at];
        if known.text.is_none() {
            known.text = Source::text(path, kind, text).text;
        }
        SourceId(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Masks what a loader knows to be secret in an input, and from now on everywhere else: a
    /// sentence may quote what stands there. Words of a language are left alone elsewhere.
    pub fn mask(&mut self, id: SourceId, spans: &[Span]) {
        let source = &mut self.all[id.0 as usize];
        let text = source.shown().unwrap_or_default();
        let parts = spans.iter().filter_map(|span| text.get(span.range()));
        let parts = parts.map(|part| part.trim_matches(['"', '\'']));
        let is_one = |part: &&str| (SHORTEST_QUOTED..=LONGEST_QUOTED).contains(&part.len());
        let secret = parts.filter(is_one).filter(|part| looks_random(part) && !part.contains('*'));
        for part in secret {
            if self.remembered < MOST_QUOTED {
                self.remembered += 1;
                self.hidden.add(part);
            }
        }
        source.mask(spans);
    }

    /// From now on no report shows these texts.
    pub fn hide(&mut self, secrets: &[String]) {
        secrets.iter().for_each(|secret| self.hidden.add(secret));
    }

    /// What no report shows, wherever it stands.
    pub fn hidden(&self) -> &Hidden {
        &self.hidden
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The input of that name.
    pub fn get(&self, id: SourceId) -> &Source {
        // Ids are only made by `add`.
        &self.all[id.0 as usize]
    }

    /// The input of that name, to mask it.
    pub fn get_mut(&mut self, id: SourceId) -> &mut Source {
        &mut self.all[id.0 as usize]
    }

    /// Notes which kustomizations reach the inputs of these paths.
    pub fn reached_by(&mut self, mut kustomizations: BTreeMap<String, Reached>) {
        if kustomizations.is_empty() {
            return;
        }
        for source in &mut self.all {
            if let Some(reached) = kustomizations.remove(&source.path) {
                source.kustomized = reached;
            }
        }
    }

    /// All inputs with their names.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.all
            .iter()
            .enumerate()
            .map(|(i, s)| (SourceId(u32::try_from(i).unwrap_or(u32::MAX)), s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages quote words, whole or cut off, that stand on the lines of their places.
    #[test]
    fn a_sentence_repeats_nothing_that_is_masked_beside_it() {
        let text = "a: b\ntoken: hunter-of-the-wood, x\nc: hunter-of-the-wood\n";
        let source = Source::text("a.yaml", SourceKind::Manifest, Arc::from(text));
        assert_eq!(source.shown().unwrap().lines().nth(1).unwrap(), "token: *********************");
        let repeated = |start: usize, sentence: &str| -> Vec<String> {
            let place = Span::new(start, start + 5);
            let found = source.repeated(place, sentence).into_iter();
            found.map(|range| sentence[range].to_owned()).collect()
        };
        let whole = "takes `hunter-of-the-wood` for the token";
        assert_eq!(repeated(5, whole), ["hunter-of-the-wood"]);
        assert_eq!(repeated(5, "hunter-of-..."), ["hunter-of-"]);
        assert_eq!(repeated(5, "the token is of the wood"), [""; 0]);
        assert_eq!(repeated(0, whole), [""; 0], "another line");
    }

    #[test]
    fn columns_are_the_same_however_long_the_line() {
        let line = "a\u{e9}\u{4e2d}\u{1f600}".repeat(3000);
        let text = format!("first\n{line}\nlast\u{e9}");
        let source = Source::text("a", SourceKind::Manifest, Arc::from(text.as_str()));
        let mut column = 1;
        for (at, c) in text.char_indices() {
            let position = source.position(u32::try_from(at).unwrap());
            assert_eq!(position.column, column, "at {at}");
            column = if c == '\n' { 1 } else { column + 1 };
        }
        let end = source.position(u32::try_from(text.len()).unwrap());
        assert_eq!((end.line, end.column), (3, 6));
        assert_eq!(source.position(u32::MAX).line, 3);
    }
}
