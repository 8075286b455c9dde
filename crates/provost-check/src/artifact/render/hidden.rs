//! Secret values that a renderer fills in or prints, and every other way in which the inputs and the
//! messages of a renderer can write them.
//!
//! A secret stands plain in `values.yaml`, quoted in a template, in base64 in a Secret, as part of a
//! URL in base64 in another. What is known of it in one place is masked in all.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use super::values;
use crate::artifact::manifest::{self, ManifestFile};
use crate::artifact::source::{Source, Sources};
use crate::artifact::yaml::{self, Limits};
use crate::facts::document::{Node, ScalarStyle};
use crate::facts::origin::{SourceId, Span};
use crate::facts::problem::ProblemKind;
use crate::model::secret::{MASK, secret_word, token_shape};

/// Texts of fewer bytes are masked as whole words only, or nothing could be read any more.
const SHORTEST: usize = 4;

/// Characters of base64 of a value amid other bytes that tell it.
const SHORTEST_CORE: usize = 6;

/// Bytes of all texts, each of which takes some sixty to be looked for. Of more than that,
/// everything is masked.
const MOST_BYTES: usize = 2 << 20;

/// Places in one text. Of more than that, everything is masked.
const MOST_PLACES: usize = 4 << 20;

/// Bytes of a value whose other forms are looked for; of a longer one, its lines are.
const LONGEST_VALUE: usize = 64 << 10;

/// Texts that are secret.
#[derive(Clone, Default)]
pub struct Hidden {
    /// Masked wherever they stand.
    texts: BTreeSet<String>,
    /// Masked where they are whole words.
    words: BTreeSet<String>,
    /// Bytes of both.
    bytes: usize,
    /// It is not known what is secret: everything is taken for it.
    all: bool,
}

/// Not the texts: a message that shows one is what they are here to prevent.
impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.texts.len() + self.words.len();
        f.debug_struct("Hidden").field("texts", &count).field("all", &self.all).finish()
    }
}

impl Hidden {
    /// Whether nothing is known to be secret.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.words.is_empty() && !self.all
    }

    /// It cannot be known what is secret.
    pub(super) fn everything(&mut self) {
        self.all = true;
    }

    /// A value that is secret, whatever it is called.
    pub fn value(&mut self, value: &str) {
        let value = value.trim();
        self.forms(value);
        if value.len() <= LONGEST_VALUE {
            let packed: String = value.split_whitespace().collect();
            for decoded in
                [Alphabet::Standard, Alphabet::Url].iter().filter_map(|a| a.text(&packed))
            {
                self.forms(decoded.trim());
            }
        }
    }

    /// A value that is secret when its name or its shape says so.
    pub fn named(&mut self, name: &str, value: &str) {
        let lower = name.to_ascii_lowercase();
        let is_named = ["secret", "password", "credential"].iter().any(|word| lower.contains(word));
        if is_named || secret_word(name).is_some() || token_shape(value).is_some() {
            self.value(value);
        }
    }

    /// The secrets of a file of Helm's values, told by their names.
    pub fn values(&mut self, bytes: &[u8]) {
        let cleaned = yaml::clean(bytes);
        let unknown = SourceId(u32::MAX);
        let parsed = yaml::parse(unknown, &cleaned.text, &cleaned.replaced, &Limits::default());
        for document in parsed.documents.iter().take(1) {
            for node in values::secrets(document.root()) {
                self.value(node.as_str().unwrap_or_default());
            }
        }
        // Of what cannot be read, lines tell as much as they can; what is beyond a limit may say
        // anything.
        for broken in &parsed.broken {
            self.all |= broken.problem.kind == ProblemKind::Limit;
            let region = cleaned.text.get(broken.region.range()).unwrap_or_default();
            for (name, value) in region.lines().filter_map(|line| line.split_once(':')) {
                self.named(name.trim(), value.trim().trim_matches(['"', '\'']));
            }
        }
    }

    /// The secrets of manifests, or of a template of them, as their loader knows them.
    pub fn manifest(&mut self, bytes: &[u8]) {
        let file = ManifestFile {
            path: PathBuf::new(),
            shown: String::new(),
            named: true,
            content: Some(bytes.to_vec()),
        };
        let mut sources = Sources::default();
        manifest::load_manifests(&[file], &mut sources, &manifest::Options::default());
        let cleaned = yaml::clean(bytes);
        let shown = sources.iter().next().and_then(|(_, source)| source.shown());
        let mut found = Self::default();
        found.learn(&cleaned.text, shown.unwrap_or_default());
        // A template cannot be read, so that all of it may be masked: what it fills in is no text
        // of its own, and the name in front of a value is none either.
        for text in found.texts.into_iter().filter(|text| !text.contains("{{")) {
            let value = text.split_once(": ").map_or(text.as_str(), |(_, value)| value);
            self.value(value.trim_matches(['"', '\'']));
        }
        self.words.extend(found.words);
        self.all |= found.all;
    }

    /// What a loader has masked in a text.
    pub(super) fn learn(&mut self, text: &str, shown: &str) {
        if text.len() != shown.len() {
            self.all = true;
            return;
        }
        if text == shown {
            return;
        }
        let (bytes, masks) = (text.as_bytes(), shown.as_bytes());
        let masked = |at: usize| masks[at] == b'*' && bytes[at] != b'*';
        let mut at = 0;
        while at < bytes.len() {
            if !masked(at) {
                at += 1;
                continue;
            }
            let start = at;
            while at < bytes.len() && (masked(at) || masks[at] == b'*') {
                at += 1;
            }
            let part = String::from_utf8_lossy(&bytes[start..at]);
            // The mask covers what stands behind a key: the space and the quotes as well.
            let part = part.trim().trim_start_matches([':', ' ']);
            self.value(part.trim_matches(['"', '\'']));
        }
        // What is escaped or folded is another text when it is read.
        let parsed = yaml::parse(SourceId(u32::MAX), text, &[], &Limits::default());
        for document in &parsed.documents {
            for (node, value) in document.scalars() {
                let is_mark = |b: u8| b.is_ascii_whitespace() || b"\"'|>-+".contains(&b);
                let mut inside = node.span().range().filter(|at| *at < bytes.len());
                let mut some = false;
                let whole = inside.all(|at| {
                    some |= masked(at);
                    masks[at] == b'*' || is_mark(bytes[at])
                });
                if whole && some {
                    self.value(value);
                }
            }
        }
    }

    /// A text, its lines, and how each is escaped and encoded.
    fn forms(&mut self, value: &str) {
        if self.all || !is_worth(value) {
            return;
        }
        let lines = value.lines().map(str::trim).filter(|_| value.contains('\n'));
        for part in std::iter::once(value).chain(lines) {
            self.add(part);
            if part.len() > LONGEST_VALUE || !is_worth(part) {
                continue;
            }
            for text in [escaped(part, false), escaped(part, true), part.replace('\'', "''")] {
                if text != part {
                    self.add(&text);
                }
            }
            for form in [Alphabet::Standard, Alphabet::Url] {
                for core in form.cores(part) {
                    self.add(&core);
                }
            }
        }
        if value.len() <= LONGEST_VALUE {
            for text in [STANDARD.encode(value), STANDARD.encode(format!("{value}\n"))] {
                self.add(&text);
            }
        }
    }

    fn add(&mut self, text: &str) {
        if self.all || !is_worth(text) {
            return;
        }
        let new = match text.len() < SHORTEST {
            true => self.words.insert(text.to_owned()),
            false => self.texts.insert(text.to_owned()),
        };
        if new {
            self.bytes += text.len();
            self.all = self.bytes > MOST_BYTES;
        }
    }

    /// What finds them.
    pub fn masker(&self) -> Masker<'_> {
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::Standard);
        // A set too large for it is none that could be looked for.
        let finder = (!self.all).then(|| builder.build(&self.texts).ok()).flatten();
        let all = finder.is_none();
        Masker { finder, words: &self.words, all }
    }
}

/// Whether a text tells anything when it is known: no switch, no small number, no mark of YAML.
fn is_worth(text: &str) -> bool {
    let switch = ["true", "false", "yes", "no", "on", "off", "none", "null"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    let small = text.len() < SHORTEST && text.bytes().all(|b| b.is_ascii_digit());
    !switch && !small && text.chars().any(char::is_alphanumeric)
}

/// As JSON writes it, which YAML reads and Go's `%q` resembles; `all`: also with what HTML would
/// take for a mark and what is beyond ASCII in numbers (Go encoding/json, encode.go).
fn escaped(text: &str, all: bool) -> String {
    use fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let plain = match c {
            '"' | '\\' => {
                out.push('\\');
                true
            }
            '\n' => {
                out.push_str("\\n");
                continue;
            }
            '\t' => {
                out.push_str("\\t");
                continue;
            }
            '\r' => {
                out.push_str("\\r");
                continue;
            }
            '<' | '>' | '&' => !all,
            c => !(c.is_control() || all && !c.is_ascii()),
        };
        match plain {
            true => out.push(c),
            false => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a text cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

#[derive(Clone, Copy)]
enum Alphabet {
    Standard,
    Url,
}

impl Alphabet {
    fn engine(self) -> GeneralPurpose {
        let alphabet = match self {
            Self::Standard => &alphabet::STANDARD,
            Self::Url => &alphabet::URL_SAFE,
        };
        let padding = GeneralPurposeConfig::new()
            .with_encode_padding(false)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent);
        GeneralPurpose::new(alphabet, padding)
    }

    fn text(self, packed: &str) -> Option<String> {
        String::from_utf8(self.engine().decode(packed).ok()?).ok()
    }

    /// The characters that are the same whatever stands around the value, for each of the three
    /// ways in which its bytes can fall.
    fn cores(self, value: &str) -> Vec<String> {
        let mut found = Vec::new();
        for before in 0..3_usize {
            let mut bytes = vec![0; before];
            bytes.extend_from_slice(value.as_bytes());
            let encoded = self.engine().encode(&bytes);
            let (start, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            let core = encoded.get(start..end).unwrap_or_default();
            if core.len() >= SHORTEST_CORE {
                found.push(core.to_owned());
            }
        }
        found
    }
}

/// Finds hidden texts.
#[derive(Debug)]
pub struct Masker<'h> {
    finder: Option<AhoCorasick>,
    words: &'h BTreeSet<String>,
    all: bool,
}

impl Masker<'_> {
    /// The bytes of a text that are hidden, in order and without overlap.
    pub fn spans(&self, text: &str) -> Vec<Span> {
        let all = || Vec::from_iter((!text.is_empty()).then(|| Span::new(0, text.len())));
        let Some(finder) = self.finder.as_ref().filter(|_| !self.all) else { return all() };
        let mut found: Vec<Span> = Vec::new();
        self.words_of(text, &mut found);
        for (count, place) in finder.find_overlapping_iter(text).enumerate() {
            if count > MOST_PLACES {
                return all();
            }
            found.push(Span::new(place.start(), place.end()));
        }
        found.sort_unstable();
        let mut spans: Vec<Span> = Vec::new();
        for span in found {
            match spans.last_mut().filter(|last| span.start <= last.end) {
                Some(last) => last.end = last.end.max(span.end),
                None => spans.push(span),
            }
        }
        spans
    }

    /// Short texts, where nothing that belongs to a word stands before or behind.
    fn words_of(&self, text: &str, found: &mut Vec<Span>) {
        if self.words.is_empty() {
            return;
        }
        let bytes = text.as_bytes();
        let in_word = |at: Option<usize>| {
            let byte = at.and_then(|at| bytes.get(at));
            byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80)
        };
        for start in 0..bytes.len() {
            if in_word(start.checked_sub(1)) {
                continue;
            }
            for end in start + 1..=(start + SHORTEST - 1).min(bytes.len()) {
                let is_one = text.get(start..end).is_some_and(|word| self.words.contains(word));
                if is_one && !in_word(Some(end)) {
                    found.push(Span::new(start, end));
                }
            }
        }
    }

    /// A text as it may be shown.
    pub fn masked<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let spans = self.spans(text);
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for span in spans {
            out.push_str(text.get(at..span.start as usize).unwrap_or_default());
            out.push_str(MASK);
            at = span.end as usize;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// Masks an input: also the scalars that say something hidden only when they are read.
    pub(super) fn mask(&self, source: &mut Source) {
        let Some(text) = source.shown() else { return };
        let none = self.finder.as_ref().is_some_and(|finder| finder.patterns_len() == 0);
        if none && self.words.is_empty() && !self.all {
            return;
        }
        let mut spans = self.spans(text);
        if !self.all {
            // A mask looks like an alias, which nothing stands for.
            let readable = text.replace('*', "x");
            let parsed = yaml::parse(SourceId(u32::MAX), &readable, &[], &Limits::default());
            for document in &parsed.documents {
                let other =
                    document.scalars().filter(|(node, value)| self.says(*node, value, text));
                spans.extend(other.map(|(node, _)| node.span()));
            }
        }
        source.mask(&spans);
    }

    /// Whether a scalar that is written otherwise than it reads holds a hidden text.
    fn says(&self, node: Node<'_>, value: &str, text: &str) -> bool {
        let raw = text.get(node.span().range()).unwrap_or_default();
        let as_read = match node.scalar_style() {
            // Line by line.
            Some(ScalarStyle::Block) => raw.starts_with('|'),
            _ => raw.contains(value),
        };
        let hides = |value: &str| !self.spans(value).is_empty();
        let packed = || value.split_whitespace().collect::<String>();
        (!as_read && hides(value)) || (value.contains('\n') && hides_whole(&packed(), self))
    }
}

/// Whether a text without its line breaks is hidden as a whole: base64 in lines.
fn hides_whole(packed: &str, masker: &Masker<'_>) -> bool {
    let whole = |span: &Span| span.start == 0 && span.end as usize + 2 >= packed.len();
    masker.spans(packed).first().is_some_and(whole)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::engine::general_purpose::STANDARD_NO_PAD;

    use super::*;
    use crate::artifact::source::SourceKind;

    fn of(values: &[&str]) -> Hidden {
        let mut hidden = Hidden::default();
        values.iter().for_each(|value| hidden.value(value));
        hidden
    }

    #[track_caller]
    fn shown(hidden: &Hidden, text: &str) -> String {
        let mut source = Source::text("values.yaml", SourceKind::Values, Arc::from(text));
        hidden.masker().mask(&mut source);
        source.shown().unwrap().to_owned()
    }

    #[track_caller]
    fn gone(hidden: &Hidden, text: &str) {
        let shown = shown(hidden, text);
        let value = shown.split_once(": ").unwrap().1;
        assert!(!value.bytes().any(|b| b.is_ascii_alphanumeric()), "{shown}");
        assert_eq!(shown.len(), text.len());
    }

    #[test]
    fn what_a_loader_masked_is_known_plain_and_decoded() {
        let text = "data:\n  password: aHVudGVyMmh1bnRlcjI=\n  a: b\n";
        let masked = "data:\n  password: ********************\n  a: *\n";
        let mut hidden = Hidden::default();
        hidden.learn(text, masked);
        assert_eq!(hidden.masker().masked("aHVudGVyMmh1bnRlcjI="), "***");
        assert_eq!(hidden.masker().masked("is hunter2hunter2, b or bb"), "is ***, *** or bb");
    }

    #[test]
    fn without_knowing_what_is_secret_all_is_masked() {
        let mut hidden = Hidden::default();
        hidden.learn("a: hunter2", "a: *");
        assert_eq!(shown(&hidden, "b: 1\nc: 2\n"), "****\n****\n");
        assert_eq!(hidden.masker().masked("b"), "***");
        let mut many = Hidden::default();
        for number in 0..1000 {
            many.value(&format!("{number}{}", "x".repeat(20_000)));
        }
        assert_eq!(many.masker().masked("b"), "***");
    }

    #[test]
    fn every_occurrence_of_a_secret_is_masked() {
        let text = "a: hunter2\nb: \"x hunter2\"\n";
        assert_eq!(shown(&of(&["hunter2"]), text), "a: *******\nb: \"x *******\"\n");
        // One that begins inside of another.
        assert_eq!(of(&["abcdef", "defghi"]).masker().masked("abcdefghi"), "***");
    }

    #[test]
    fn secrets_are_known_however_they_are_written() {
        let hidden = of(&["pa\"ss\\w\u{f6}rd'<1>", "one two three four"]);
        gone(&hidden, "a: \"pa\\\"ss\\\\w\u{f6}rd'<1>\"\n");
        gone(&hidden, "a: \"pa\\x22ss\\x5cw\\xf6rd'<\\x31>\"\n");
        gone(&hidden, "a: \"pa\\\"ss\\\\w\\u00f6rd'\\u003c1\\u003e\"\n");
        gone(&hidden, "a: 'pa\"ss\\w\u{f6}rd''<1>'\n");
        gone(&hidden, "a: >-\n  one two\n  three four\n");
        gone(&hidden, "a: one\n  two three\n  four\n");
        gone(&hidden, "a: \"one two \\\n  three four\"\n");
        // In what is no YAML, as templates are.
        let template = "{{ x }}: \"pa\\\"ss\\\\w\\u00f6rd'\\u003c1\\u003e\" }}";
        assert!(shown(&hidden, template).ends_with(&format!("\"{}\" }}}}", "*".repeat(31))));
    }

    #[test]
    fn secrets_are_known_in_base64_and_out_of_it() {
        let hidden = of(&["hunter2hunter2", "c3dvcmRmaXNoLTEyMw=="]);
        gone(&hidden, "a: aHVudGVyMmh1bnRlcjI=\n");
        gone(&hidden, "a: aHVudGVyMmh1bnRlcjIK\n");
        gone(&hidden, "a: |\n  aHVudGVy\n  Mmh1bnRlcjI=\n");
        gone(&hidden, "a: swordfish-123\n");
        // Amid other bytes: of `user:hunter2hunter2@db`, whichever way they fall.
        for before in ["", "u", "us"] {
            let text = STANDARD_NO_PAD.encode(format!("{before}hunter2hunter2@db"));
            let shown = hidden.masker().masked(&text).into_owned();
            assert!(shown.len() < 12, "{shown}");
        }
    }

    #[test]
    fn short_secrets_are_masked_as_words_and_switches_are_none() {
        let hidden = of(&["pw1", "true", "on", "80", "|", "8080"]);
        let text = "a: pw1\nb: pw12\nc: true\nd: 80\ne: |\n  on\nf: 8080\n";
        assert_eq!(shown(&hidden, text), "a: ***\nb: pw12\nc: true\nd: 80\ne: |\n  on\nf: ****\n");
    }

    #[test]
    fn folded_and_escaped_values_are_learned_as_they_read() {
        let text =
            "kind: Secret\nstringData:\n  a: >-\n    one two\n    three\n  b: \"x\\x41yz\"\n";
        let mut hidden = Hidden::default();
        hidden.manifest(text.as_bytes());
        assert_eq!(hidden.masker().masked("say one two three, xAyz."), "say ***, ***.");
    }

    #[test]
    fn templates_and_values_tell_their_secrets() {
        let mut hidden = Hidden::default();
        hidden.manifest(
            b"{{ if .Values.x }}\nkind: Secret\nstringData:\n  a: \"hunter2\"\n  b: {{ .Values.b }}\n",
        );
        hidden.values(b"auth: {password: swordfish, user: somebody}\nimage: nginx\n");
        let text = "hunter2 swordfish somebody nginx stringData .Values.b";
        assert_eq!(hidden.masker().masked(text), "*** *** somebody nginx stringData .Values.b");
        assert_eq!(format!("{hidden:?}").find("swordfish"), None);
    }

    #[test]
    fn values_that_cannot_be_read_tell_their_secrets_by_line() {
        let mut hidden = Hidden::default();
        hidden.values(b"a: [\npassword: \"hunter2\"\nimage: nginx\n");
        assert_eq!(hidden.masker().masked("hunter2 nginx"), "*** nginx");
    }

    #[test]
    fn hostile_sets_and_texts_are_bounded() {
        let mut hidden = Hidden::default();
        for length in 1..2000 {
            hidden.value(&"a".repeat(length));
        }
        let text = "a".repeat(1 << 20);
        assert_eq!(hidden.masker().spans(&text), [Span::new(0, text.len())]);
        let words = of(&["a", "b"]);
        assert_eq!(words.masker().spans(&"a ".repeat(100_000)).len(), 100_000);
    }
}
