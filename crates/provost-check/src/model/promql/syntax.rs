//! Queries that no server parses, of Prometheus or of one that extends its language.
//!
//! Told is what breaks the frame of the language: brackets, texts, operators without a side. Names of
//! functions and modifiers are those of the server, and types of values are not followed. A query with
//! placeholders other than arguments, or with templates of MetricsQL (`WITH`), is not judged, and neither is
//! one of LogQL, which rules of Prometheus' kind hold for Loki. Two signs without a blank between them may be
//! an operator that is still to come.

use super::lex::{self, Kind, Token};
use super::{MAX_BYTES, Op};

/// What is wrong; `None` where nothing is, or nothing is known.
pub fn error(text: &str) -> Option<String> {
    if text.len() > MAX_BYTES || text.trim().is_empty() {
        return None;
    }
    let tokens = lex::tokens(text);
    let word = |token: &Token| text.get(token.place.clone()).unwrap_or_default();
    let strange = |token: &Token| match token.kind {
        Kind::Placeholder => !is_argument(word(token)),
        Kind::Name => word(token).eq_ignore_ascii_case("with"),
        _ => false,
    };
    if tokens.iter().any(strange) {
        return None;
    }
    // Brackets that are open, the token in front, and whether matchers of labels stand here.
    let mut open: Vec<&str> = Vec::new();
    let mut before: Option<&Token> = None;
    for (at, token) in tokens.iter().enumerate() {
        let this = word(token);
        let is = |of: Option<&Token>, kind: Kind| of.is_some_and(|token| token.kind == kind);
        match token.kind {
            Kind::Open(_) => open.push(this),
            Kind::Close(_) => {
                match open.pop() {
                    Some(opened)
                        if matches!((opened, this), ("(", ")") | ("[", "]") | ("{", "}")) => {}
                    Some(opened) => return Some(format!("`{this}` closes `{opened}`")),
                    None => return Some(format!("`{this}` closes nothing")),
                }
                if let Some(sign) = before.filter(|token| computes(token, word(token))) {
                    return Some(format!("nothing follows `{}`", word(sign)));
                }
            }
            Kind::Broken => {
                return this
                    .starts_with(['"', '\'', '`'])
                    .then(|| format!("the text that begins with {} does not end", &this[..1]));
            }
            Kind::Operator => {
                if open.last() != Some(&"{") && is_matching(this) {
                    // A filter of lines: `{app="checkout"} !~ "debug"`.
                    let text = tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Text);
                    if this == "!~" && text && is(before, Kind::Close(b'}')) {
                        return None;
                    }
                    return Some(match this {
                        "=" => "`=` compares labels within `{}` alone: write `==`".to_owned(),
                        _ => format!("`{this}` compares labels within `{{}}` alone"),
                    });
                }
                let signed = matches!(this, "-" | "+" | "@" | ":");
                match before {
                    None if !signed => return Some(format!("nothing stands before `{this}`")),
                    Some(sign) if !signed && sign.kind == Kind::Operator => {
                        if sign.place.end == token.place.start {
                            return None;
                        }
                        return Some(format!("`{this}` stands behind `{}`", word(sign)));
                    }
                    Some(sign) if !signed && matches!(sign.kind, Kind::Open(b'(')) => {
                        return Some(format!("nothing stands before `{this}`"));
                    }
                    _ => {}
                }
            }
            Kind::Number | Kind::Text => {
                let closed = matches!(before.map(|token| token.kind), Some(Kind::Close(_)));
                if closed && open.last() != Some(&"{") {
                    return Some(format!("an operator is missing before `{}`", shown(this)));
                }
            }
            Kind::Name | Kind::Placeholder | Kind::Comma => {}
        }
        if token.kind == Kind::Comma && is(before, Kind::Operator) {
            return before.map(|sign| format!("nothing follows `{}`", word(sign)));
        }
        before = Some(token);
    }
    if let Some(sign) = open.last() {
        return Some(format!("`{sign}` is not closed"));
    }
    let last = before.filter(|token| computes(token, word(token)))?;
    Some(format!("nothing follows `{}`", word(last)))
}

/// Operators that want a value behind them.
fn computes(token: &Token, word: &str) -> bool {
    token.kind == Kind::Operator && !matches!(word, ":")
}

/// `=`, `=~`, `!~`
fn is_matching(word: &str) -> bool {
    [Op::Equal, Op::Regex, Op::NotRegex].iter().any(|op| op.text() == word)
}

/// `{{args.hash}}`, `{{ namespace }}`: one word, which stands for a value.
fn is_argument(word: &str) -> bool {
    let inner = word.strip_prefix("{{").and_then(|word| word.strip_suffix("}}"));
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    inner.is_some_and(|inner| {
        let inner = inner.trim();
        !matches!(inner, "end" | "else") && !inner.is_empty() && inner.bytes().all(plain)
    })
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::error;

    #[test]
    fn what_no_server_parses() {
        for (text, wanted) in [
            ("sum(rate(a{code=\"500\"}[5m])", "`(` is not closed"),
            ("sum(rate(a[5m]))) / 2", "`)` closes nothing"),
            ("sum(rate(a{code=\"500\")[5m])", "`)` closes `{`"),
            ("sum(a) /", "nothing follows `/`"),
            ("(sum(a) /) + 1", "nothing follows `/`"),
            ("/ sum(a)", "nothing stands before `/`"),
            ("sum(a) > < 1", "`<` stands behind `>`"),
            ("sum(a) => 1", "`=` compares labels within `{}` alone: write `==`"),
            ("sum(a) =~ 1", "`=~` compares labels within `{}` alone"),
            ("sum(a) 0.5", "an operator is missing before `0.5`"),
            ("a{b=\"c}", "the text that begins with \" does not end"),
            ("a{b={{args.b}}", "`{` is not closed"),
        ] {
            assert_eq!(error(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_some_server_parses() {
        for text in [
            "sum by (le) (rate(a_bucket{b=~\"x|y\", c!='d', e!~`f`,}[5m] offset -5m))",
            "-a + +b * -1 == bool 1",
            "sum(rate(a{hash=\"{{args.hash}}\"}[{{args.window}}])) / {{ args.all }}",
            "max_over_time(rate(a[5m])[30m:1m] @ 1609746000)",
            "quantile_over_time(0.5, a[5m] @ start())",
            "rate(a[30m:])",
            "{\"http.requests\", \"le\"=\"1\"}",
            "histogram_quantile(0.99, sum(rate(a[5m])) by (le)) or on() vector(0)",
            "a and on(b) group_left(c) d unless e",
            "WITH (x = {a=\"b\"}) rate(y{x}[5m])",
            "{{ if .x }}sum({{ end }}a",
            "a # ( and no more",
            "sum(count_over_time({app=\"foo\"} !~ \"bar\" [5m])) > 0",
            "a >/ 5 and b </ 6",
            "a <=> b",
            "rate(a)[5m:] default 0",
            "rate(a[$__interval])",
            "",
        ] {
            assert_eq!(error(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            error(&text);
        }

        #[test]
        fn any_words_are_read(words in proptest::collection::vec(proptest::sample::select(
            vec!["a", "{", "}", "[", "]", "(", ")", "=", "=~", "\"x\"", "'", "{{args.a}}", "by", "/",
                 "-", "5m", ",", "ß", "`", "$x", "#", ":", "@"]), 0..40)) {
            error(&words.concat());
        }
    }
}
