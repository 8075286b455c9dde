//! Secrets that a text has written out: a file of settings in a ConfigMap, the words of a command.
//!
//! What is hidden ([`super::hidden_spans`], [`super::keyed_spans`]) is more: there it is enough that a value may
//! be secret. Here it is one, by its shape, or by its key and because it looks made by a machine: in a file
//! a word may be a caption (`"password": "Kennwort"`), the name of an object (`secret: shop-db-v2`) or code.

use super::{keyed, looks_secret, shapes};

/// Bytes of the shortest value that is one by its key.
const SHORTEST: usize = 6;

/// Parts of one text that are looked at.
const MOST: usize = 1000;

/// A secret in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its line, from 1.
    pub line: usize,
    /// The word of its key, or what it is by its shape (`a private key`).
    pub what: &'static str,
    /// Whether its key says so.
    pub keyed: bool,
}

/// The secrets of a text by line, one for each line. Comments have none: an example is told as one there.
pub fn written(text: &str) -> Vec<Written> {
    let mut found: Vec<(usize, &'static str, bool)> = Vec::new();
    found.extend(shapes::shaped(text).into_iter().map(|it| (it.span.start, it.what, false)));
    let mut take = |key: &str, value: &str, start: usize| {
        if let Some(word) = by_key(key, value) {
            found.push((start, word, true));
        }
    };
    keyed::keyed(text, |key, span| {
        take(key, text.get(span.clone()).unwrap_or_default(), span.start);
    });
    shapes::assigned(text, |name, value, span| take(name, value, span.start));
    // What has a shape is told by it.
    found.sort_by_key(|(start, _, keyed)| (*start, *keyed));
    let bytes = text.as_bytes();
    let (mut line, mut at) = (1, 0);
    let mut written: Vec<Written> = Vec::new();
    for (start, what, keyed) in found.into_iter().take(MOST) {
        let between = bytes.get(at..start).unwrap_or_default();
        line += memchr::memchr_iter(b'\n', between).count();
        at = at.max(start);
        let begin = memchr::memrchr(b'\n', &bytes[..start]).map_or(0, |end| end + 1);
        let comment = text.get(begin..).is_some_and(|text| {
            ["#", "//", ";", "--"].iter().any(|mark| {
                let rest = text.trim_start_matches([' ', '\t']).strip_prefix(mark);
                // `--token=x` is a flag.
                rest.is_some_and(|rest| *mark != "--" || rest.starts_with(' '))
            })
        });
        if !comment && written.last().is_none_or(|last| last.line != line) {
            written.push(Written { line, what, keyed });
        }
    }
    written
}

/// The word of a key whose value looks made by a machine.
pub fn by_key(key: &str, value: &str) -> Option<&'static str> {
    looks_secret(key, value).filter(|_| is_made(value.trim()))
}

/// Whether a value has letters and figures in one, and nothing of a sentence, a pattern, code or the
/// name of an object.
fn is_made(value: &str) -> bool {
    let of = |is: fn(&u8) -> bool| value.bytes().any(|b| is(&b));
    let plain = value.bytes().all(|b| b.is_ascii_graphic() && !b"{}()[]<>|\\^$*`\"'".contains(&b));
    // `shop-db-v2`, `app.token.v1`: words and numbers, each by itself.
    let word = |part: &str| {
        let part = part.strip_prefix(['v', 'V']).filter(|rest| !rest.is_empty()).unwrap_or(part);
        part.bytes().all(|b| b.is_ascii_digit()) || !part.bytes().any(|b| b.is_ascii_digit())
    };
    // The name of an object, with what made it appended: `shop-db-7f9c2b`.
    let in_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    let named = value.contains('-') && value.bytes().all(in_name);
    value.len() >= SHORTEST
        && plain
        && of(u8::is_ascii_digit)
        && of(u8::is_ascii_alphabetic)
        && !named
        && !value.split(['-', '_', '.', '/', ':']).all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, &'static str)> {
        written(text).into_iter().map(|it| (it.line, it.what)).collect()
    }

    #[test]
    fn what_a_file_of_settings_holds_is_found_on_its_line() {
        // Joined here, so that no scanner takes this file for a leak.
        let token = format!("glpat-{}", "a1B2".repeat(5));
        let yaml = format!("db:\n  host: db\n  password: kR8vQz2mLx9\n  token: {token}\n");
        assert_eq!(lines(&yaml), [(3, "PASSWORD"), (4, "a GitLab token")]);
        let json = "{\n \"user\": \"shop\",\n \"apiKey\": \"kR8vQz2mLx9\"\n}\n";
        assert_eq!(lines(json), [(3, "API_KEY")]);
        let env = "LOG=debug\nDB_PASSWORD=kR8vQz2mLx9\nexport API_TOKEN='q8Zr4TfYwK2m'\n";
        assert_eq!(lines(env), [(2, "PASSWORD"), (3, "TOKEN")]);
        let ini = "[db]\npassword = kR8vQz2mLx9\n";
        assert_eq!(lines(ini), [(2, "PASSWORD")]);
        let url = "dsn: postgres://shop:kR8vQz2mLx@db/shop\n";
        assert_eq!(lines(url).len(), 1);
    }

    #[test]
    fn captions_names_patterns_code_and_comments_are_none() {
        for text in [
            "password: Kennwort\n",
            "secret: shop-db-v2\n",
            "secret: shop-db-7f9c2b\n",
            "token: v1.2.3\n",
            "password: changeme1\n",
            "password: ${DB_PASSWORD1}\n",
            "password: {{ .Values.password1 }}\n",
            "token: [a-f0-9]{32}\n",
            "password = os.getenv(\"PW1\")\n",
            "passwordFile: /run/secrets/pw1\n",
            "# password: kR8vQz2mLx9\n",
            "  // token = kR8vQz2mLx9\n",
            "password: your password 1\n",
            "token_ttl: 15m\n",
            "password_min_length: 12\n",
        ] {
            assert_eq!(lines(text), [], "{text}");
        }
    }

    #[test]
    fn a_long_text_is_read_once() {
        assert_eq!(written(&"password: kR8vQz2mLx9\n".repeat(50_000)).len(), MOST);
        written(&"password=".repeat(100_000));
        written(&"token: \"".repeat(100_000));
    }
}
