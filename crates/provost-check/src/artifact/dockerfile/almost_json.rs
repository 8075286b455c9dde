//! Texts that were meant as JSON arrays and are none. BuildKit says nothing: it reads on in shell
//! form, or as words between blanks (`parser/line_parsers.go`, `parseMaybeJSON`).

use crate::facts::build_steps::JsonFault;

/// A JSON array as somebody meant it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) words: Vec<String>,
    pub(super) fault: JsonFault,
}

impl Meant {
    /// As JSON.
    pub(super) fn json(&self) -> String {
        let words: Vec<String> = self
            .words
            .iter()
            .map(|word| serde_json::Value::from(word.as_str()).to_string())
            .collect();
        format!("[{}]", words.join(", "))
    }
}

/// Quotes that word processors make of `"` and `'`.
const CURLY: &[char] = &[
    '\u{201c}', '\u{201d}', '\u{201e}', '\u{201f}', '\u{2018}', '\u{2019}', '\u{00ab}', '\u{00bb}',
];

/// What makes `[ ... ]` a test of the shell's.
const OPERATORS: &[&str] =
    &["=", "==", "!=", "!", "-a", "-o", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot"];

/// Reads a text that starts with `[` and is no JSON array of strings. `None` when it looks like
/// something else: a test of the shell's, an array that does not end, more than a comment behind it.
pub(super) fn almost_json(text: &str) -> Option<Meant> {
    let inner = text.strip_prefix('[')?;
    let spaced = inner.starts_with(char::is_whitespace);
    let mut words: Vec<String> = Vec::new();
    let (mut single, mut curly, mut bare, mut missing) = (false, false, false, false);
    let (mut commas, mut bare_words) = (0usize, Vec::new());
    // A comma stands between the word before and the next one.
    let mut separated = true;
    let mut rest = inner;
    let behind = loop {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        match first {
            ']' => break rest.get(1..)?,
            ',' => {
                commas += 1;
                separated = true;
                rest = rest.get(1..)?;
                continue;
            }
            _ => {}
        }
        missing |= !separated;
        separated = false;
        let (word, length) = if first == '"' || first == '\'' || CURLY.contains(&first) {
            single |= first == '\'';
            curly |= CURLY.contains(&first);
            quoted(rest, first)?
        } else {
            bare = true;
            let end =
                rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '"' | '\''))?;
            let word = rest.get(..end)?;
            bare_words.push(word);
            (word.to_owned(), end)
        };
        words.push(word);
        rest = rest.get(length..)?;
    };
    let behind = behind.trim();
    let comment = behind.starts_with('#');
    if words.is_empty() || !(behind.is_empty() || comment) {
        return None;
    }
    let is_test = spaced
        && commas == 0
        && (bare_words.iter().any(|word| OPERATORS.contains(word))
            || text.get(1..)?.trim_start().starts_with('-')
            || words.iter().any(|word| word.contains('$')));
    if is_test {
        return None;
    }
    let fault = match () {
        () if curly => JsonFault::CurlyQuotes,
        () if single => JsonFault::SingleQuotes,
        () if bare => JsonFault::NoQuotes,
        () if missing => JsonFault::MissingComma,
        () if separated => JsonFault::TrailingComma,
        () if comment => JsonFault::TextBehind,
        () => JsonFault::Escape,
    };
    Some(Meant { words, fault })
}

/// The word in quotes at the start of a text, and its length with the quotes.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut word = String::new();
    let mut chars = text.char_indices();
    chars.next();
    while let Some((at, c)) = chars.next() {
        let ends = match quote {
            '"' | '\'' => c == quote,
            // What is opened by one kind may be closed by another.
            _ => CURLY.contains(&c) || c == '"',
        };
        if ends {
            return Some((word, at + c.len_utf8()));
        }
        if c == '\\'
            && quote == '"'
            && text.get(at + 1..).is_some_and(|t| t.starts_with(['"', '\\']))
        {
            word.extend(chars.next().map(|(_, c)| c));
        } else {
            word.push(c);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, fault: JsonFault, json: &str) {
        let meant = almost_json(text).unwrap();
        assert_eq!((meant.fault, meant.json().as_str()), (fault, json), "{text}");
    }

    #[test]
    fn what_was_meant() {
        check("['/app']", JsonFault::SingleQuotes, r#"["/app"]"#);
        check("['/app', \"-v\"]", JsonFault::SingleQuotes, r#"["/app", "-v"]"#);
        check("[/app]", JsonFault::NoQuotes, r#"["/app"]"#);
        check("[ /app, -v ]", JsonFault::NoQuotes, r#"["/app", "-v"]"#);
        check(
            "[\u{201c}/app\u{201d},\u{201e}a b\u{201c}]",
            JsonFault::CurlyQuotes,
            r#"["/app", "a b"]"#,
        );
        check(r#"["/app" "--x"]"#, JsonFault::MissingComma, r#"["/app", "--x"]"#);
        check(r#"["/app", ]"#, JsonFault::TrailingComma, r#"["/app"]"#);
        check(r#"["/app"] # run it"#, JsonFault::TextBehind, r#"["/app"]"#);
        check(r#"["C:\app\"x"]"#, JsonFault::Escape, r#"["C:\\app\"x"]"#);
    }

    #[test]
    fn what_is_something_else() {
        for text in [
            "[ -f /x ]",
            "[ \"$A\" = b ]",
            "[ \"$(cat /x)\" ]",
            "[ -f /x ] && /app",
            "[\"/app\"] && x",
            "[\"/app\"",
            "['/app]",
            "[]",
            "[",
            "[[ -f /x ]]",
            "/app",
        ] {
            assert_eq!(almost_json(text), None, "{text}");
        }
    }
}
