//! Secrets whose very text is known, and which no report may show.
//!
//! The login that a registry was given comes back in what it answers, when it is careless or means
//! harm: in a digest, a label, the name of a file. What is known to be secret needs no shape to be
//! found.

use std::borrow::Cow;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::secret::MASK;

/// Shorter texts are parts of ordinary words, and leaving those out of every sentence would hide
/// nothing.
const LEAST: usize = 6;

/// Texts that are left out of whatever is shown, in capitals and in small letters alike.
#[derive(Clone, Default)]
pub struct Hidden {
    texts: Vec<String>,
    /// Finds them in one pass, whatever their number: every sentence of a run goes through it.
    /// `None` when they are too many to be looked for.
    finder: OnceLock<Option<AhoCorasick>>,
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} hidden texts", self.texts.len())
    }
}

impl Hidden {
    /// One more; of fewer than six bytes none.
    pub fn add(&mut self, secret: &str) {
        // Hosts come in small letters, whatever was sent.
        let secret = secret.to_ascii_lowercase();
        if secret.len() >= LEAST && !self.texts.contains(&secret) {
            self.texts.push(secret);
            self.finder = OnceLock::new();
        }
    }

    /// Whether nothing is hidden.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The same but for what stands in one of these texts: who sent those knows it.
    #[must_use]
    pub fn without<'t>(&self, known: impl IntoIterator<Item = &'t str>) -> Self {
        let known: Vec<String> = known.into_iter().map(str::to_ascii_lowercase).collect();
        let is_known = |secret: &&String| known.iter().any(|text| text.contains(secret.as_str()));
        let texts = self.texts.iter().filter(|secret| !is_known(secret)).cloned().collect();
        Self { texts, finder: OnceLock::new() }
    }

    /// The text as it may be shown.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.texts.is_empty() {
            return Cow::Borrowed(text);
        }
        let finder = self.finder.get_or_init(|| {
            let mut builder = AhoCorasick::builder();
            builder.match_kind(MatchKind::Standard).ascii_case_insensitive(true);
            builder.build(&self.texts).ok()
        });
        // What cannot be looked for may be anywhere.
        let Some(finder) = finder else { return Cow::Borrowed(MASK) };
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for found in finder.find_overlapping_iter(text) {
            // They come by their ends: one that begins before others takes them in.
            let mut start = found.start();
            while let Some(before) = spans.pop_if(|before| before.1 > start) {
                start = start.min(before.0);
            }
            spans.push((start, found.end()));
        }
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (start, end) in spans {
            out.push_str(text.get(at..start).unwrap_or_default());
            out.push_str(MASK);
            at = end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// Masks a text in place; whether there was something to mask.
    pub fn hide(&self, text: &mut String) -> bool {
        let masked = match self.mask(text) {
            Cow::Owned(masked) => masked,
            Cow::Borrowed(_) => return false,
        };
        *text = masked;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_left_out_in_any_case() {
        let mut hidden = Hidden::default();
        assert_eq!(hidden.mask("hunter2hunter2"), "hunter2hunter2");
        for secret in ["Hunter2", "er2hun", "short", "", "hunter2"] {
            hidden.add(secret);
        }
        assert_eq!(hidden.mask("a hunter2 and HUNTER2"), "a *** and ***");
        // One that ends another takes it in, one inside of another is none of its own.
        assert_eq!(hidden.mask("see hunter2hun."), "see ***.");
        // Overlapping ones are one.
        assert_eq!(hidden.mask("\u{e4}hunter2hunter2\u{e4}"), "\u{e4}***\u{e4}");
        assert_eq!(hidden.mask("it is short"), "it is short");
        assert_eq!(format!("{hidden:?}"), "2 hidden texts");
        let rest = hidden.without(["Bearer HUNTER2", "other"]);
        assert_eq!(rest.mask("a hunter2"), "a hunter2");
        assert_eq!(hidden.without(["hunter"]).mask("a hunter2"), "a ***");
        let mut text = "x hunter2".to_owned();
        assert!(hidden.hide(&mut text) && !hidden.hide(&mut text));
        assert_eq!(text, "x ***");
    }
}
