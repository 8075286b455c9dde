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
            let from = start + first.len() + name.len() + 2;
            done = from + value.len();
            if value.ends_with('\\') {
                // The value goes on while lines are continued; only a line break ends it.
                done = end_of_value(text.as_bytes(), done - 1, Some(b'\n'));
            }
            push(text, from, done, spans);
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
        ] {
            check(text, text);
        }
    }

    #[test]
    fn hostile_texts_take_linear_time() {
        for text in ["a=", "TOKEN=", "=", "\"", "TOKEN=\"", "ENV TOKEN \\\n", "https://a:b@"] {
            spans(&text.repeat(200_000));
        }
    }
}
