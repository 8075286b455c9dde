//! Conditions that are no expressions, whatever is measured.
//!
//! Source: parser/lexer/state.go and parser/operator of expr v1.17. A condition with `let`, `if`, `;` or a
//! placeholder is not judged, and neither is a form that nobody writes: what is told here, expr refuses.

use super::parse::MAX_BYTES;

/// What stands where.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Word<'t> {
    /// A name.
    Name(&'t str),
    /// A number or text.
    Value(&'t str),
    /// Signs and words of operators.
    Sign(&'t str),
    Open(&'t str),
    Close(&'t str),
}

impl<'t> Word<'t> {
    fn text(self) -> &'t str {
        match self {
            Self::Name(text)
            | Self::Value(text)
            | Self::Sign(text)
            | Self::Open(text)
            | Self::Close(text) => text,
        }
    }
}

/// `Binary` of parser/operator.
const BINARY: &[&str] = &[
    "|",
    "or",
    "||",
    "and",
    "&&",
    "==",
    "!=",
    "<",
    ">",
    ">=",
    "<=",
    "in",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "..",
    "+",
    "-",
    "*",
    "/",
    "%",
    "**",
    "^",
    "??",
];

const NEGATED: &[&str] = &["in", "matches", "contains", "startsWith", "endsWith"];

/// What is wrong with a condition; `None` where nothing is, or nothing is known.
pub fn error(text: &str) -> Option<String> {
    if text.len() > MAX_BYTES || text.contains("{{") || text.trim().is_empty() {
        return None;
    }
    match words(text) {
        Ok(words) => follow(&words),
        Err(told) => told,
    }
}

/// Nothing in the error is what is not judged.
fn words(text: &str) -> Result<Vec<Word<'_>>, Option<String>> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(found) };
        let part = |length: usize| rest.get(..length).unwrap_or(rest);
        let is_name = |c: char| c == '_' || c == '$' || c.is_alphanumeric();
        let word = match first {
            '"' | '\'' | '`' => {
                let Some(length) = text_length(rest, first) else {
                    return Err(Some(format!("the text that begins with {first} does not end")));
                };
                Word::Value(part(length))
            }
            '0'..='9' => number(rest)?,
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number(rest)?,
            '/' if rest.starts_with("//") => {
                rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default();
                continue;
            }
            '/' if rest.starts_with("/*") => return Err(None),
            '(' | '[' | '{' => Word::Open(part(1)),
            ')' | ']' | '}' => Word::Close(part(1)),
            '&' | '!' | '=' | '*' | '<' | '>' => {
                let two = rest[1..].starts_with(['&', '=', '*']);
                Word::Sign(part(if two { 2 } else { 1 }))
            }
            '|' | ':' => Word::Sign(part(if rest[1..].starts_with(first) { 2 } else { 1 })),
            '?' => Word::Sign(part(if rest[1..].starts_with(['.', '?']) { 2 } else { 1 })),
            '.' => Word::Sign(part(if rest[1..].starts_with('.') { 2 } else { 1 })),
            ',' | '%' | '+' | '-' | '^' | '/' | '#' => Word::Sign(part(1)),
            '~' | '@' | '\\' => return Err(Some(format!("it has no sign {first}"))),
            name if is_name(name) => {
                let word = part(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
                match word {
                    "let" | "if" | "else" => return Err(None),
                    "not" | "and" | "or" => Word::Sign(word),
                    sign if NEGATED.contains(&sign) => Word::Sign(word),
                    _ => Word::Name(word),
                }
            }
            _ => return Err(None),
        };
        rest = rest.get(word.text().len()..).unwrap_or_default();
        found.push(word);
    }
}

fn text_length(rest: &str, quote: char) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some(at + 1),
            '\\' if quote != '`' => {
                chars.next()?;
            }
            _ => {}
        }
    }
    None
}

/// `scanNumber`, but for other bases than ten.
fn number(rest: &str) -> Result<Word<'_>, Option<String>> {
    let bytes = rest.as_bytes();
    if rest.starts_with('0') && bytes.get(1).is_some_and(u8::is_ascii_alphabetic) {
        return Err(None);
    }
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(|b| b.is_ascii_digit() || *b == b'_') {
            at += 1;
        }
        at
    };
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1) != Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        end += 1;
        end += usize::from(matches!(bytes.get(end), Some(b'+' | b'-')));
        end = digits(end);
    }
    let (word, tail) = rest.split_at(end);
    match tail.chars().next() {
        Some(next) if next == '_' || next == '$' || next.is_alphanumeric() => {
            Err(Some(format!("{word}{next} is no number")))
        }
        _ => Ok(Word::Value(word)),
    }
}

fn follow(words: &[Word<'_>]) -> Option<String> {
    let mut open: Vec<&str> = Vec::new();
    // What stands in front of this word, and whether a value has to follow.
    let (mut before, mut wanted) = (None, true);
    let mut at = 0;
    while let Some(&word) = words.get(at) {
        at += 1;
        let next = words.get(at).copied();
        match (wanted, word) {
            (true, Word::Name(_) | Word::Value(_)) => wanted = false,
            (true, Word::Sign("!" | "-" | "+" | "not")) => {}
            (_, Word::Sign("#")) if open.is_empty() => {
                let said =
                    "`#` is an element within a predicate, and begins no comment: write `//`";
                return Some(said.to_owned());
            }
            // The value of a predicate, by itself or one of its fields.
            (true, Word::Sign("#")) => {
                at += usize::from(matches!(next, Some(Word::Name(_))));
                wanted = false;
            }
            (true, Word::Sign(".")) => {
                let Some(Word::Name(_)) = next else { return None };
                at += 1;
                wanted = false;
            }
            (_, Word::Open(sign)) => {
                if !wanted {
                    let callable = matches!(before, Some(Word::Name(_) | Word::Close(_)));
                    match sign {
                        "[" => {}
                        "(" if callable => {}
                        _ => return None,
                    }
                }
                open.push(sign);
                wanted = true;
            }
            (_, Word::Close(sign)) => {
                let Some(opened) = open.pop() else {
                    return Some(format!("`{sign}` closes nothing"));
                };
                if !matches!((opened, sign), ("(", ")") | ("[", "]") | ("{", "}")) {
                    return Some(format!("`{sign}` closes `{opened}`"));
                }
                // Nothing at all, or nothing more: `f()`, `[1,]`, `result[1:]`.
                let ends = matches!(before, Some(Word::Open(_) | Word::Sign("," | ":")));
                if wanted && !ends {
                    return Some(lacking(before));
                }
                wanted = false;
            }
            // Half of a slice, `::` and whatever else.
            (true, Word::Sign(":" | "::" | "?." | "|")) | (false, Word::Sign("::" | "#")) => {
                return None;
            }
            (true, Word::Sign(sign)) => {
                return Some(match before {
                    Some(Word::Sign(first)) => no_operator(first, Some(sign)),
                    _ => format!("nothing stands before `{sign}`"),
                });
            }
            (false, Word::Sign("." | "?.")) => match next {
                Some(Word::Name(_)) => at += 1,
                _ => return None,
            },
            (false, Word::Sign("," | "?" | ":")) => wanted = true,
            (false, Word::Sign("not")) => match next {
                Some(Word::Sign(sign)) if NEGATED.contains(&sign) => {}
                _ => return Some("an operator is missing before `not`".to_owned()),
            },
            (false, Word::Sign(sign)) if BINARY.contains(&sign) => wanted = true,
            (false, Word::Sign(sign)) => {
                let then = next.map(Word::text).filter(|_| matches!(next, Some(Word::Sign(_))));
                return Some(no_operator(sign, then));
            }
            (false, word) => {
                return Some(format!("an operator is missing before `{}`", shown(word.text())));
            }
        }
        // A name behind a dot is part of what is in front.
        before = words.get(at - 1).copied();
    }
    if let Some(sign) = open.last() {
        return Some(format!("`{sign}` is not closed"));
    }
    wanted.then(|| lacking(before))
}

fn lacking(before: Option<Word<'_>>) -> String {
    match before {
        Some(word) => format!("nothing follows `{}`", shown(word.text())),
        None => "it is empty".to_owned(),
    }
}

/// Two signs in a row, or one that is none.
fn no_operator(first: &str, second: Option<&str>) -> String {
    let both = format!("{first}{}", second.unwrap_or_default());
    let meant = match both.as_str() {
        "=" | "===" | "=!" => "==",
        "=<" => "<=",
        "=>" => ">=",
        "!==" | "<>" => "!=",
        "&" => "&&",
        _ => return format!("there is no operator `{both}`"),
    };
    format!("there is no operator `{both}`: write `{meant}`")
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::error;

    #[test]
    fn what_expr_refuses() {
        for (text, wanted) in [
            ("result[0] =< 0.05", "there is no operator `=<`: write `<=`"),
            ("result[0] => 0.95", "there is no operator `=>`: write `>=`"),
            ("result[0] = 1", "there is no operator `=`: write `==`"),
            ("result[0] === 1", "there is no operator `===`: write `==`"),
            ("result[0] <> 1", "there is no operator `<>`: write `!=`"),
            ("result[0] > 1 & result[0] < 2", "there is no operator `&`: write `&&`"),
            ("result[0] > 1 && ", "nothing follows `&&`"),
            ("(result[0] > 1", "`(` is not closed"),
            ("result[0 > 1", "`[` is not closed"),
            ("result[0]) > 1", "`)` closes nothing"),
            ("len(result] > 1", "`]` closes `(`"),
            ("result[0] 0.95", "an operator is missing before `0.95`"),
            ("< 0.05", "nothing stands before `<`"),
            ("result[0] < 5%", "nothing follows `%`"),
            ("result[0] < 500ms", "500m is no number"),
            ("result == 'ok", "the text that begins with ' does not end"),
            ("result =~ 'ok'", "it has no sign ~"),
            ("all(result, {# > })", "nothing follows `>`"),
            (
                "# few errors\nresult[0] < 1",
                "`#` is an element within a predicate, and begins no comment: write `//`",
            ),
        ] {
            assert_eq!(error(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_expr_takes() {
        for text in [
            "result[0] >= 0.95",
            "len(result) > 0 && result[0] < 0.05 || isNaN(result[0])",
            "result.successPercent <= 0.95 and not (result.a?.b == nil)",
            "all(result, {# >= 1 and .x != 'a'})",
            "any(result, # > -1)",
            "result[1:] == [] ? true : false",
            "result in ['a', \"b\",] or result not in [1..3]",
            "result == `a\\`",
            "default(result, 0) ** 2 % 3 ?? 1e-3 > .5",
            "result | len() > 1",
            "let x = 1; x > 0",
            "result[0] < {{args.limit}}",
            "",
            "{'a': 1}.a == 1 // and no more",
        ] {
            assert_eq!(error(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            error(&text);
        }
    }
}
