//! Where the text of a Dockerfile holds secrets, so that no report quotes them.
//!
//! It looks at the words, not at the instructions: a secret in a line that cannot be read, or in the
//! script of a RUN, must stay hidden as well. Rather too much is masked than too little.

use crate::facts::Span;
use crate::model::secret::{
    commands, hidden_spans, is_partly_written, may_be_secret, secret_word, token_shape,
};

/// The bytes that hold secrets, in order. Linear in the text.
pub fn spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    assigned(text, &mut spans);
    behind_a_blank(text, &mut spans);
    beside_names(text, &mut spans);
    let mut words = hidden_spans(text);
    commands::of_text(text, &mut words);
    spans.extend(words.into_iter().map(|span| Span::new(span.start, span.end)));
    shaped(text, &mut spans);
    spans.sort_unstable();
    spans
}

/// `DB_PASSWORD=value`, wherever it stands.
fn assigned(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'=', &bytes[from..]) {
        let (start, equals) = (from, from + found);
        from = equals + 1;
        let in_name = |b: &u8| b.is_ascii_alphanumeric() || b"_-.".contains(b);
        let length = bytes[start..equals].iter().rev().take_while(|b| in_name(b)).count();
        let name = &text[equals - length..equals];
        if secret_word(name).is_none() {
            continue;
        }
        // A quote around the whole word, `"--token=x"`, ends the value too.
        let around = equals.checked_sub(length + 1).map(|at| bytes[at]);
        let end = end_of_value(bytes, from, around.filter(|b| matches!(b, b'"' | b'\'')));
        push(text, from, end, spans);
        from = end;
    }
}

/// The end of a shell word that starts at `from`: quotes and continued lines belong to it.
fn end_of_value(bytes: &[u8], from: usize, around: Option<u8>) -> usize {
    let mut quote = around;
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => {
                // It takes the line break behind it along, also that of Windows.
                at += if bytes[at..].starts_with(b"\\\r\n") { 2 } else { 1 };
            }
            b'\n' => return at,
            _ if quote == Some(byte) => {
                if around.is_some() {
                    return at;
                }
                quote = None;
            }
            b'"' | b'\'' if quote.is_none() => quote = Some(byte),
            _ if quote.is_none() && byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// `ENV DB_PASSWORD value`, the old form.
fn behind_a_blank(text: &str, spans: &mut Vec<Span>) {
    let (mut at, mut done) = (0, 0);
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        if start < done {
            continue;
        }
        let mut words = line.trim_end().splitn(3, [' ', '\t']);
        let (Some(first), Some(name), Some(value)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let instruction = first.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("env"));
        if instruction && !name.contains('=') && secret_word(name).is_some() {
            let bare = value.trim_start_matches(['=', ' ', '\t']);
            let from = start + first.len() + name.len() + 2;
            done = from + value.len();
            if value.ends_with('\\') {
                // The value goes on while lines are continued; only a line break ends it.
                done = end_of_value(text.as_bytes(), done - 1, Some(b'\n'));
            }
            push(text, from + value.len() - bare.len(), done, spans);
        }
    }
}

/// Words of ENV, ARG and LABEL that belong to the name of a secret in front of them, though the builder
/// refuses them or takes them for something else: `ENV A=b DB_PASSWORD value`, `ARG TOKEN value`,
/// `ENV DB_PASSWORD = value`, `ENV DB_PASSWORD=two words`.
fn beside_names(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        at += bytes[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
        let keyword = bytes[at..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let keyword = text.get(at..at + keyword).unwrap_or_default();
        let is = |name: &str| keyword.eq_ignore_ascii_case(name);
        if !is("ENV") && !is("ARG") && !is("LABEL") {
            // A line that goes on is no instruction of its own.
            loop {
                let rest = &bytes[at..];
                let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
                at += line;
                if !continues(rest[..line].trim_ascii_end()) || line == 0 {
                    break;
                }
            }
            continue;
        }
        let arg = is("ARG");
        at += keyword.len();
        // Of the old form of ENV the first word is the name, and all others are the value.
        let mut old = None;
        let mut belongs = false;
        while let Some(start) = next_word(bytes, at) {
            let end = end_of_value(bytes, start, None).max(start + 1);
            at = end;
            let word = text.get(start..end).unwrap_or_default();
            let equals = word.find('=');
            let old = *old.get_or_insert(!arg && equals.is_none());
            match equals {
                Some(length) if length > 0 && !(old && belongs) => {
                    belongs = secret_word(&word[..length]).is_some();
                }
                // `ARG TOKEN API_KEY` declares two.
                None if belongs && !(arg && is_own_name(word)) => push(text, start, end, spans),
                Some(_) if belongs => {
                    let value = start + word.len() - word.trim_start_matches('=').len();
                    push(text, value, end, spans);
                }
                None if !old || !belongs => {
                    belongs |= secret_word(word).is_some();
                    // The rest is the value of another name.
                    if old && !belongs {
                        break;
                    }
                }
                _ => {}
            }
        }
        let rest = &bytes[at.min(bytes.len())..];
        at += memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
    }
}

/// Whether a word may be the next name that an ARG declares.
fn is_own_name(word: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    secret_word(word).is_some() && word.bytes().all(is_name)
}

/// Whether the builder takes the next line along; the escape may be either.
fn continues(line: &[u8]) -> bool {
    matches!(line.last(), Some(b'\\' | b'`'))
}

/// Where the next word of an instruction begins: on its line, or on one that is taken along.
fn next_word(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'\n' => return None,
            b'\\' | b'`' => {
                let rest = bytes.get(at + 1..)?;
                let blank = rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r')).count();
                if rest.get(blank) != Some(&b'\n') {
                    return Some(at);
                }
                at += blank + 2;
                // Comments and empty lines between the lines belong to none of them.
                loop {
                    let line = bytes.get(at..)?;
                    let line = &line[..memchr::memchr(b'\n', line).map_or(line.len(), |n| n + 1)];
                    let shown = line.trim_ascii();
                    if line.is_empty() || !(shown.is_empty() || shown.starts_with(b"#")) {
                        break;
                    }
                    at += line.len();
                }
            }
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => return Some(at),
        }
    }
}

/// Tokens known by their shape, and URLs with a password.
fn shaped(text: &str, spans: &mut Vec<Span>) {
    let mut at = 0;
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '=' | ',' | ';');
    for word in text.split_inclusive(ends) {
        let bare = word.trim_end_matches(ends);
        if token_shape(bare).is_some() {
            spans.push(Span::new(at, at + bare.len()));
        }
        at += word.len();
    }
}

fn push(text: &str, from: usize, end: usize, spans: &mut Vec<Span>) {
    let value = text[from..end].trim_matches(['"', '\'']);
    // A variable's name is worth showing, and no secret.
    if may_be_secret(value) && !value.starts_with('$') || is_partly_written(value) {
        spans.push(Span::new(from, end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        let mut bytes = text.as_bytes().to_vec();
        for span in spans(text) {
            for byte in bytes[span.range()].iter_mut().filter(|b| **b != b'\n') {
                *byte = b'*';
            }
        }
        assert_eq!(String::from_utf8(bytes).unwrap(), shown);
    }

    #[test]
    fn values_under_secret_names_are_found_in_every_form() {
        check("ARG TOKEN=abc\n", "ARG TOKEN=***\n");
        check("ENV A=1 DB_PASSWORD=abc B=2\n", "ENV A=1 DB_PASSWORD=*** B=2\n");
        check("ENV DB_PASSWORD=\"a b\" B=2\n", "ENV DB_PASSWORD=***** B=2\n");
        check("ENV DB_PASSWORD a b\nRUN x\n", "ENV DB_PASSWORD ***\nRUN x\n");
        check("ENV DB_PASSWORD a\\\n b\nRUN x\n", "ENV DB_PASSWORD **\n**\nRUN x\n");
        check("ENV DB_PASSWORD='ab\nRUN x\n", "ENV DB_PASSWORD=***\nRUN x\n");
        check("ENV DB_PASSWORD=a\\\nb C=1\n", "ENV DB_PASSWORD=**\n* C=1\n");
        check("ENV DB_PASSWORD=\u{e9}\n", "ENV DB_PASSWORD=**\n");
        check("CMD [\"/a\", \"--token=a b\"]\n", "CMD [\"/a\", \"--token=***\"]\n");
        check("ENV API_TOKEN=${A}hunter2\n", "ENV API_TOKEN=***********\n");
        check("ENV DB_PASSWORD = abc\n", "ENV DB_PASSWORD = ***\n");
        check("ENV A=b DB_PASSWORD abc\nRUN x\n", "ENV A=b DB_PASSWORD ***\nRUN x\n");
        check("ENV DB_TOKEN=abc def\n", "ENV DB_TOKEN=*** ***\n");
        check("ENV DB_TOKEN=abc X=y def\n", "ENV DB_TOKEN=*** X=y def\n");
        check("ENV PASSWORD: abc\n", "ENV PASSWORD: ***\n");
        check("ENV\\\n # why\n PASSWORD \\\n abc\n", "ENV\\\n # why\n PASSWORD \\\n ***\n");
        check("arg API_TOKEN abc\n", "arg API_TOKEN ***\n");
        check("ARG DB_PASSWORD = abc\n", "ARG DB_PASSWORD = ***\n");
        check("LABEL token abc\n", "LABEL token ***\n");
        check("RUN PASSWORD = abc && x\n", "RUN PASSWORD = *** && x\n");
        check("FROM me:abc@ghcr.io/acme/shop\n", "FROM me:***@ghcr.io/acme/shop\n");
        check(
            "RUN echo \"machine a.io login me password abc\" > ~/.netrc\n",
            "RUN echo \"machine a.io login me password ***\" > ~/.netrc\n",
        );
        check("RUN curl https://me:abc@host/\n", "RUN curl ********************\n");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "ENV DB_PASSWORD_FILE=/run/secrets/db\n",
            "ARG TOKEN=$OTHER\nENV TOKEN=${OTHER}\n",
            "ARG TOKEN\nENV TOKEN=\n",
            "ENV GOFLAGS=-mod=mod GODEBUG=x=1\n",
            "RUN passwd -d root\n",
            "ARG API_TOKEN DB_PASSWORD\n",
            "ENV TEXT the token is in the vault\n",
            "ENV TOKEN_TTL 30s\nLABEL maintainer me\n",
            "ENV DB_PASSWORD = $OTHER\n",
            "RUN x \\\n  env TOKEN\n",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn hostile_texts_take_linear_time() {
        for text in [
            "a=",
            "TOKEN=",
            "=",
            "\"",
            "TOKEN=\"",
            "ENV TOKEN \\\n",
            "ENV \\\n#\n",
            "ARG TOKEN a\n",
            "RUN \\\n",
            "https://a:b@",
        ] {
            spans(&text.repeat(200_000));
        }
    }
}
