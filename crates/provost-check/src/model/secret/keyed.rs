//! Values behind the keys of secrets, as files have them: `password: x`, `"token": "x"`,
//! `{name: API_TOKEN, value: x}`, and the same in comments. Linear in the text.

use std::ops::Range;

use super::names::is_secret_key;
use super::shapes::is_literal;
use super::{is_hidden, looks_random};
use crate::model::names::distance;

/// Bytes of a key.
const LONGEST_KEY: usize = 128;

/// A name under which every value is looked at as a secret's.
const SECRET: &str = "PASSWORD";

/// Bytes that no report shows, in order and without overlap: the scalars, and lists of them, that a
/// text has on the line of a secret's key.
pub fn keyed_spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    keyed(text, |_, span| spans.push(span));
    let mut in_comments = beside_names(text);
    in_comments.retain(|span| {
        let at = spans.partition_point(|known: &Range<usize>| known.end <= span.start);
        spans.get(at).is_none_or(|known| known.start >= span.end)
    });
    spans.extend(in_comments);
    spans.sort_unstable_by_key(|span| span.start);
    spans
}

/// Hands over each of them that stands behind a key, with the key: for `{name: API_TOKEN, value: x}` it is
/// the name.
pub(super) fn keyed(text: &str, mut take: impl FnMut(&str, Range<usize>)) {
    let bytes = text.as_bytes();
    let mut line = Line::default();
    let mut done = 0;
    // Up to where `value` belongs to a secret's name, the end of the next line, and the ends of the line of
    // the last name and of the next.
    let (mut named, mut ends) = (0, (0, 0));
    let mut name = "";
    for colon in memchr::memchr_iter(b':', bytes) {
        let behind = bytes.get(colon + 1);
        let separates = matches!(
            behind,
            None | Some(b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'[' | b'{' | b'\\')
        );
        if colon < done || !separates {
            continue;
        }
        let Some(key) = key_before(text, done, colon) else { continue };
        let is_value = colon < named && is_value_key(key);
        let is_name = ["name", "key"].iter().any(|name| key.eq_ignore_ascii_case(name));
        if !is_value && !is_name && !is_secret_key(key) {
            continue;
        }
        line.go_to(bytes, colon);
        let Some(value) = value_behind(text, colon + 1, line.depth > 0) else { continue };
        let written = text.get(value.clone()).unwrap_or_default();
        done = value.end;
        if is_name {
            named = 0;
            name = written.trim_matches(['"', '\'']);
            if is_secret_key(name) {
                let end = |from: usize| {
                    let rest = bytes.get(from..).unwrap_or_default();
                    memchr::memchr(b'\n', rest).map_or(bytes.len(), |at| from + at)
                };
                if ends.0 < value.end {
                    ends.0 = end(value.end);
                    ends.1 = end(ends.0 + 1);
                }
                named = ends.1;
            }
            continue;
        }
        let secret = |part: &str| is_hidden(SECRET, part) && is_literal(part);
        let mut parts = written.split(',').map(|part| part.trim().trim_matches(['"', '\'']));
        let is_list = value.start.checked_sub(1).and_then(|at| bytes.get(at)) == Some(&b'[');
        let is_secret = if is_list { parts.any(secret) } else { secret(written) };
        if is_secret && !(line.comment && is_prose(written)) {
            take(if is_value { name } else { key }, value);
        }
    }
}

/// Whether a key is that of the value beside a name, also with a slip of the keyboard.
pub fn is_value_key(key: &str) -> bool {
    const VALUE: &str = "value";
    // Every key of every manifest comes by here: most have not the letters, of which one slip leaves four.
    let letter = |b: &u8| VALUE.as_bytes().contains(&b.to_ascii_lowercase());
    let may_be = || (4..=7).contains(&key.len()) && key.bytes().filter(letter).count() >= 4;
    key.eq_ignore_ascii_case("default")
        || may_be() && distance(&key.to_ascii_lowercase(), VALUE, 1).is_some()
}

/// Where in its line a place is.
#[derive(Default)]
struct Line {
    at: usize,
    /// Brackets that are open.
    depth: usize,
    comment: bool,
}

impl Line {
    fn go_to(&mut self, bytes: &[u8], end: usize) {
        let mut before = self.at.checked_sub(1).and_then(|at| bytes.get(at)).copied();
        for byte in bytes.get(self.at..end).unwrap_or_default() {
            match byte {
                b'\n' => (self.depth, self.comment) = (0, false),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                b'#' if before.is_none_or(|b| b.is_ascii_whitespace()) => self.comment = true,
                _ => {}
            }
            before = Some(*byte);
        }
        self.at = self.at.max(end);
    }
}

/// The key in front of a colon, without its quotes.
fn key_before(text: &str, from: usize, colon: usize) -> Option<&str> {
    let bytes = text.as_bytes().get(from..colon)?;
    let blank = bytes.iter().rev().take(4).take_while(|b| matches!(b, b' ' | b'\t')).count();
    let mut end = bytes.len() - blank;
    if matches!(bytes[..end].last(), Some(b'"' | b'\'')) {
        end -= 1;
        end -= usize::from(bytes[..end].ends_with(b"\\"));
    }
    let in_key = |b: &&u8| b.is_ascii_alphanumeric() || b"_-./".contains(b);
    let length = bytes[..end].iter().rev().take(LONGEST_KEY).take_while(in_key).count();
    text.get(from + end - length..from + end).filter(|key| !key.is_empty())
}

/// The scalar, or the list of scalars, behind a colon on its line, without quotes and brackets.
fn value_behind(text: &str, from: usize, flow: bool) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let rest = bytes.get(from..)?;
    let from = from + rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let rest = bytes.get(from..)?;
    let end_of = |is_end: &dyn Fn(u8) -> bool| {
        rest.iter().position(|b| *b == b'\n' || is_end(*b)).unwrap_or(rest.len())
    };
    let value = match *rest.first()? {
        b'\n' | b'\r' | b'{' | b'|' | b'>' | b'*' => return None,
        b'\\' if rest.starts_with(b"\\\"") => {
            let inside = rest.get(2..).unwrap_or_default();
            let end = memchr::memmem::find(inside, b"\\\"").unwrap_or(inside.len());
            let end = memchr::memchr(b'\n', &inside[..end]).unwrap_or(end);
            from + 2..from + 2 + end
        }
        quote @ (b'"' | b'\'') => {
            let mut at = 1;
            while let Some(byte) = rest.get(at).filter(|b| **b != b'\n') {
                match byte {
                    b'\\' if quote == b'"' => at += 1,
                    byte if *byte == quote => {
                        // `''` is a quote in a scalar of single quotes.
                        if quote == b'\'' && rest.get(at + 1) == Some(&quote) {
                            at += 1;
                        } else {
                            break;
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
            from + 1..from + at.min(rest.len())
        }
        b'[' => {
            let end = end_of(&|b| matches!(b, b']' | b'{' | b':'));
            if matches!(rest.get(end), Some(b'{' | b':')) {
                return None;
            }
            from + 1..from + end
        }
        _ if flow => from..from + end_of(&|b| matches!(b, b',' | b'}' | b']')),
        _ => {
            let mut before = b' ';
            let mut is_end = |byte: &u8| {
                let comment = *byte == b'#' && matches!(before, b' ' | b'\t');
                before = *byte;
                *byte == b'\n' || comment
            };
            let end = rest.iter().position(&mut is_end).unwrap_or(rest.len());
            let value = rest[..end].trim_ascii_end();
            // Of a list or a mapping of JSON over several lines.
            let value = value.strip_suffix(b",").unwrap_or(value);
            from..from + value.len()
        }
    };
    let written = text.get(value.clone())?;
    let end = value.start + written.trim_end().len();
    (value.start < end).then_some(value.start..end)
}

/// Whether what a comment has behind a colon is a sentence: `token: see the vault`.
fn is_prose(value: &str) -> bool {
    value.split_whitespace().nth(2).is_some() && !value.split_whitespace().any(looks_random)
}

/// `# password hunter2` in comments: what looks made by a machine behind the name of a secret.
fn beside_names(text: &str) -> Vec<Range<usize>> {
    // The shortest that is one where nothing says that it is.
    const SHORTEST: usize = 6;
    let bytes = text.as_bytes();
    let mut spans = Vec::new();
    let mut done = 0;
    for hash in memchr::memchr_iter(b'#', bytes) {
        let before = hash.checked_sub(1).map(|at| bytes[at]);
        if hash < done || before.is_some_and(|b| !b.is_ascii_whitespace()) {
            continue;
        }
        let rest = text.get(hash..).unwrap_or_default();
        let line = &rest[..memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len())];
        done = hash + line.len();
        let (mut at, mut named) = (hash, false);
        for piece in line.split_inclusive([' ', '\t']) {
            let word = piece.trim_end();
            if named && word.len() >= SHORTEST && looks_random(word) && is_literal(word) {
                spans.push(at..at + word.len());
            }
            named = is_secret_key(word.trim_end_matches([':', '=']));
            at += piece.len();
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        let mut masked = String::new();
        let mut at = 0;
        for span in keyed_spans(text) {
            masked += &text[at..span.start];
            masked += "***";
            at = span.end;
        }
        masked += &text[at..];
        assert_eq!(masked, shown);
    }

    #[test]
    fn scalars_behind_the_keys_of_secrets_are_found_in_every_form() {
        for (text, shown) in [
            ("password: abc", "password: ***"),
            ("a:\n  - db-password: a b # x\n", "a:\n  - db-password: *** # x\n"),
            ("{a: b, token: abc, c: d}", "{a: b, token: ***, c: d}"),
            ("{token: [abc, d], c: d}", "{token: [***], c: d}"),
            ("{\"apiKey\":\"a\\\"b\",\"c\":1}", "{\"apiKey\":\"***\",\"c\":1}"),
            ("  \"clientSecret\" : 12345,\n", "  \"clientSecret\" : ***,\n"),
            ("x: '{\\\"token\\\": \\\"a\\\"}'", "x: '{\\\"token\\\": \\\"***\\\"}'"),
            ("deploy/password: 'it''s' ", "deploy/password: '***' "),
            ("token: \"abc\nx: y", "token: \"***\nx: y"),
            ("API_TOKEN2: abc", "API_TOKEN2: ***"),
            ("# api_key: abc\r\n", "# api_key: ***\r\n"),
            ("x: y # token: abc", "x: y # token: ***"),
            ("x: y # password kanarie7 z", "x: y # password *** z"),
            ("# - name: API_TOKEN\n#   value: abc\n", "# - name: API_TOKEN\n#   value: ***\n"),
            ("{name: DB_PASSWORD, default: abc}", "{name: DB_PASSWORD, default: ***}"),
            ("{key: token, vaule: abc}", "{key: token, vaule: ***}"),
            ("token: \u{e9}b\u{e9}", "token: ***"),
        ] {
            check(text, shown);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "passwordSecretRef: {name: x}",
            "secretName: x",
            "tokenReview: abc",
            "password: \"\"",
            "password: ''",
            "password:",
            "password:\n  a: b",
            "password: $(REF)",
            "password: {{ .Values.password }}",
            "automountServiceAccountToken: false",
            "token: 123",
            "token: 30s",
            "token: *x",
            "token:abc",
            "token: [true, 12]",
            "# the token: it is in the vault\n",
            "# password rules are in the wiki\n",
            "{name: PORT, value: abc}",
            "name: API_TOKEN\nother: x\nvalue: abc",
            "- {name: API_TOKEN, value: $(X)}\n- {name: PORT, value: abc}\n",
            "serviceAccountToken: {path: token}",
            ":",
            "a:",
            "\":",
            "\\\":",
            "",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn a_slip_in_the_key_of_a_value_is_seen() {
        for key in [
            "value", "Value", "vlaue", "valu", "alue", "valuee", "valve", "vaľue", "valueé",
            "DEFAULT",
        ] {
            assert!(is_value_key(key), "{key}");
        }
        for key in ["val", "values1", "valid", "label", "volume", "default2", "name", "", "ueval"] {
            assert!(!is_value_key(key), "{key}");
        }
    }

    #[test]
    fn hostile_texts_take_linear_time() {
        for text in [
            "token:",
            "token: ",
            "token: [",
            "token: \"",
            "token: '",
            "token: \\\"",
            "token: a #",
            "# token ",
            "{",
            "name: token ",
            "name: token, ",
        ] {
            keyed_spans(&text.repeat(100_000));
            keyed_spans(&format!("{{{}\n", text.repeat(100_000)));
        }
    }
}
