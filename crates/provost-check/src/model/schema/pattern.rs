//! Patterns of CRDs.
//!
//! The API server matches them by Go's regexp, which is RE2 (kube-openapi pkg/validation/validate,
//! `Pattern`); the syntax is that of the crate used here but for names of Unicode's classes. Text is
//! taken as bytes, so that `\d` is what Go takes it for; a text with other characters than those of
//! ASCII is not judged.

use std::sync::OnceLock;

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;

/// Bytes of a text that is matched.
const LONGEST: usize = 4096;

/// Bytes that a compiled pattern may take.
const LARGEST: usize = 1 << 20;

/// A pattern, compiled when it is first asked.
#[derive(Debug)]
pub struct Pattern {
    /// As the CRD has it.
    pub text: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// What patterns stand for, as a person would say it.
const WORDS: &[(&str, &str)] = &[
    (
        "^([0-9]{1,5}(h|m|s|ms)){1,4}$",
        "a duration of whole numbers with h, m, s or ms: `10s`, `1m30s`, `500ms`",
    ),
    (
        "^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$",
        "a duration of whole numbers, the largest unit first: `30s`, `1m30s`, `1d`",
    ),
    (
        "^(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?$",
        "a duration of whole numbers, the largest unit first: `30s`, `1m30s`, `1d`",
    ),
    (
        "^(0|(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$",
        "a duration of whole numbers, the largest unit first: `30s`, `1m30s`, `2h`",
    ),
    ("^[0-9]+(m|s)", "a number of minutes or seconds: `30s`, `1m`"),
    ("^[0-9]+(m|s)$", "a number of minutes or seconds: `30s`, `1m`"),
    (
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "lower case letters, digits and `-`, with a letter or digit at both ends",
    ),
    (
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "a name of the DNS in lower case",
    ),
    (
        "^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "a host in lower case, without scheme or port, with at most one `*.` in front",
    ),
];

impl Pattern {
    /// A pattern that is not compiled yet.
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    fn compiled(&self) -> Option<&Regex> {
        let compiled = self.compiled.get_or_init(|| {
            let syntax = syntax::Config::new().unicode(false).utf8(false);
            let config = Config::new().nfa_size_limit(Some(LARGEST)).utf8_empty(false);
            Regex::builder().syntax(syntax).configure(config).build(self.text).ok()
        });
        compiled.as_ref()
    }

    /// Whether the engine reads it.
    #[cfg(test)]
    pub(super) fn can_be_read(&self) -> bool {
        self.compiled().is_some()
    }

    /// Whether a text matches; `None` when that cannot be told.
    pub fn matches(&self, text: &str) -> Option<bool> {
        let plain = text.is_ascii() && text.len() <= LONGEST;
        self.compiled().filter(|_| plain).map(|regex| regex.is_match(text))
    }

    /// What it stands for, where that is known.
    pub fn in_words(&self) -> Option<&'static str> {
        WORDS.iter().find(|(pattern, _)| *pattern == self.text).map(|(_, words)| *words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &'static str, text: &str, expect: Option<bool>) {
        assert_eq!(Pattern::new(pattern).matches(text), expect, "{pattern} {text}");
    }

    /// Those of Go's regexp.
    #[test]
    fn patterns_are_those_of_re2() {
        check("^([0-9]{1,5}(h|m|s|ms)){1,4}$", "1h2m3s4ms", Some(true));
        check("^([0-9]{1,5}(h|m|s|ms)){1,4}$", "1h2m3s4ms5s", Some(false));
        check("^([0-9]{1,5}(h|m|s|ms)){1,4}$", "1m\n", Some(false));
        check("b", "abc", Some(true));
        check(r"^\d+\/x$", "12/x", Some(true));
        check("^(?i)(abort|warn)?$", "WARN", Some(true));
        check("^a.c$", "a\nc", Some(false));
        check("^.$", "ä", None);
        check("(", "a", None);
    }

    /// What would take an engine that goes back ages.
    #[test]
    fn a_hostile_text_takes_no_longer_than_others() {
        let text = format!("{}!", "a".repeat(LONGEST - 1));
        check("^(a+)+$", &text, Some(false));
        check("^(a|a)*$", &text, Some(false));
        check("a", &"a".repeat(LONGEST + 1), None);
        // A pattern of gigabytes is no pattern.
        check("((a{1000}){1000}){1000}", "a", None);
    }
}
