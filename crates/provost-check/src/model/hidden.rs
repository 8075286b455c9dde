//! Secrets whose very text is known, and which no report may show.
//!
//! The login that a registry was given comes back in what it answers, when it is careless or means
//! harm: in a digest, a label, the name of a file. What is known to be secret needs no shape to be
//! found.

use std::borrow::Cow;

use super::secret::MASK;

/// Shorter texts are parts of ordinary words, and leaving those out of every sentence would hide
/// nothing.
const LEAST: usize = 6;

/// Texts that are left out of whatever is shown.
#[derive(Clone, Default)]
pub struct Hidden(Vec<String>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} hidden texts", self.0.len())
    }
}

impl Hidden {
    /// One more; of fewer than six bytes none.
    pub fn add(&mut self, secret: &str) {
        // Hosts come in small letters, whatever was sent.
        let secret = secret.to_ascii_lowercase();
        if secret.len() >= LEAST && !self.0.contains(&secret) {
            self.0.push(secret);
        }
    }

    /// Whether nothing is hidden.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text as it may be shown.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.0.is_empty() {
            return Cow::Borrowed(text);
        }
        let small = text.to_ascii_lowercase();
        let mut spans: Vec<(usize, usize)> = self
            .0
            .iter()
            .flat_map(|secret| small.match_indices(secret.as_str()))
            .map(|(start, found)| (start, start + found.len()))
            .collect();
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        spans.sort_unstable();
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (start, end) in spans {
            if start >= at {
                out.push_str(text.get(at..start).unwrap_or_default());
                out.push_str(MASK);
            }
            at = at.max(end);
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
        // Overlapping ones are one.
        assert_eq!(hidden.mask("\u{e4}hunter2hunter2\u{e4}"), "\u{e4}***\u{e4}");
        assert_eq!(hidden.mask("it is short"), "it is short");
        assert_eq!(format!("{hidden:?}"), "2 hidden texts");
        let mut text = "x hunter2".to_owned();
        assert!(hidden.hide(&mut text) && !hidden.hide(&mut text));
        assert_eq!(text, "x ***");
    }
}
