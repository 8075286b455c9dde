//! Which names and values look like secrets. Values are only looked at here, never kept.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

/// The word that makes a name look like that of a secret: `PASSWORD` in `DB_PASSWORD`.
///
/// Not when it says where the secret lies or how it is handled (`PASSWORD_FILE`, `TOKEN_TTL`), nor for public keys.
pub fn secret_word(name: &str) -> Option<&'static str> {
    const SINGLE: [&str; 11] = [
        "PASSWORD",
        "PASSWD",
        "PASS",
        "PWD",
        "SECRET",
        "TOKEN",
        "APIKEY",
        "CREDENTIAL",
        "CREDENTIALS",
        "DSN",
        "PASSPHRASE",
    ];
    const PAIRS: [(&str, &str, &str); 3] = [
        ("API", "KEY", "API_KEY"),
        ("PRIVATE", "KEY", "PRIVATE_KEY"),
        ("ACCESS", "KEY", "ACCESS_KEY"),
    ];
    const EXCLUDED: [&str; 27] = [
        "FILE",
        "PATH",
        "DIR",
        "URL",
        "URI",
        "NAME",
        "REF",
        "ID",
        "TTL",
        "TIMEOUT",
        "EXPIRY",
        "LENGTH",
        "HEADER",
        "MODE",
        "ENABLED",
        "ISSUER",
        "AUDIENCE",
        "TYPE",
        "ALGORITHM",
        "ENDPOINT",
        "AUDIENCES",
        "PATTERN",
        "REGEX",
        "POLICY",
        "LIFETIME",
        "HTML",
        "MD",
    ];
    if name.len() > 256 {
        return None;
    }
    let words = words(name);
    let is = |wanted: &str| words.iter().any(|w| w == wanted);
    if words.last().is_some_and(|w| EXCLUDED.contains(&w.as_str())) || is("PUBLIC") {
        return None;
    }
    // The shell's working directory.
    if words.len() == 1 && is("PWD") {
        return None;
    }
    let pair = |(a, b, _): &&(&str, &str, &str)| words.windows(2).any(|w| w[0] == *a && w[1] == *b);
    SINGLE.iter().find(|s| is(s)).copied().or_else(|| PAIRS.iter().find(pair).map(|p| p.2))
}

/// `dbPassword`, `db-password` and `DB_PASSWORD` are the words DB and PASSWORD.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && lower_before) {
            words.push(String::new());
        }
        lower_before = c.is_ascii_lowercase();
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_uppercase());
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

/// Whether a value under a secret-like name can be a secret: not empty, no switch, number, duration, path or reference.
pub fn may_be_secret(value: &str) -> bool {
    let value = value.trim();
    let switch = ["true", "false", "yes", "no", "on", "off", "none", "null"]
        .iter()
        .any(|s| value.eq_ignore_ascii_case(s));
    let number = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let duration = value.bytes().next().is_some_and(|b| b.is_ascii_digit())
        && value
            .trim_end_matches(['n', 'u', 'm', 's', 'h', 'd'])
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'.');
    let reference = value.contains("$(") || value.starts_with("${") || value.contains("{{");
    let path = value.starts_with('/') || value.starts_with("./");
    let plain_url = value.contains("://") && credential_url(value).is_none();
    !(value.is_empty() || switch || number || duration || reference || path || plain_url)
}

/// Why a literal value is taken for a secret: the word in its name, or what its shape is.
///
/// Certificates and public keys are none, whatever they are called.
pub fn looks_secret(name: &str, value: &str) -> Option<&'static str> {
    if let Some(shape) = token_shape(value) {
        return Some(shape);
    }
    let public = ["-----BEGIN CERTIFICATE", "PUBLIC KEY-----"].iter().any(|p| value.contains(p));
    secret_word(name).filter(|_| !public && may_be_secret(value))
}

/// Every scalar and every sentence comes by here; the search of the standard library prepares
/// itself for longer texts than most of them are.
fn has(text: &str, part: &str) -> bool {
    memmem::find(text.as_bytes(), part.as_bytes()).is_some()
}

/// What kind of secret a value is by its shape, whatever its name.
pub fn token_shape(value: &str) -> Option<&'static str> {
    let value = value.trim();
    if has(value, "-----BEGIN ") && has(value, "PRIVATE KEY-----") {
        return Some("a private key");
    }
    let shapes: [(&str, usize, &str); 16] = [
        ("AKIA", 16, "an AWS access key"),
        ("ASIA", 16, "an AWS access key"),
        ("ghp_", 36, "a GitHub token"),
        ("gho_", 36, "a GitHub token"),
        ("ghu_", 36, "a GitHub token"),
        ("ghs_", 36, "a GitHub token"),
        ("ghr_", 36, "a GitHub token"),
        ("github_pat_", 40, "a GitHub token"),
        ("glpat-", 20, "a GitLab token"),
        ("xoxb-", 20, "a Slack token"),
        ("xoxp-", 20, "a Slack token"),
        ("sk_live_", 16, "a Stripe key"),
        ("rk_live_", 16, "a Stripe key"),
        ("AIza", 35, "a Google API key"),
        ("npm_", 36, "an npm token"),
        ("hvs.", 24, "a Vault token"),
    ];
    let body = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    // Every word of every text comes by here.
    let may_begin =
        matches!(value.as_bytes().first(), Some(b'A' | b'g' | b'x' | b's' | b'r' | b'n' | b'h'));
    for (prefix, least, what) in shapes.into_iter().filter(|_| may_begin) {
        if value
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.len() >= least && rest.bytes().all(body))
        {
            return Some(what);
        }
    }
    let parts: Vec<&str> = value.splitn(4, '.').collect();
    if parts.len() == 3
        && parts[0].starts_with("eyJ")
        && parts.iter().all(|p| p.len() > 8 && p.bytes().all(body))
    {
        return Some("a JSON web token");
    }
    credential_url(value).map(|_| "a URL with a password")
}

/// What stands in the place of a secret in a sentence.
pub const MASK: &str = "***";

/// Bytes of tokens known by their shape, of private keys and of passwords in URLs, wherever in a
/// text they stand, in order and without overlap. Linear in the text.
pub fn shaped_spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    private_keys(text, &mut spans);
    url_passwords(text, &mut spans);
    tokens(text, &mut spans);
    spans.sort_unstable_by_key(|span| (span.start, span.end));
    let mut end = 0;
    for span in &mut spans {
        span.start = span.start.max(end);
        end = end.max(span.end);
    }
    spans.retain(|span| span.start < span.end);
    spans
}

/// A sentence as it may be shown: what has the shape of a secret is left out.
pub fn masked(text: &str) -> Cow<'_, str> {
    let spans = shaped_spans(text);
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        out.push_str(text.get(at..span.start).unwrap_or_default());
        out.push_str(MASK);
        at = span.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    Cow::Owned(out)
}

/// From behind `-----BEGIN ... PRIVATE KEY-----` to `-----END`, or to the end of the text.
fn private_keys(text: &str, spans: &mut Vec<Range<usize>>) {
    const HEAD: &str = "PRIVATE KEY-----";
    let head = memmem::Finder::new(HEAD);
    let mut at = 0;
    while let Some(found) = text.as_bytes().get(at..).and_then(|rest| head.find(rest)) {
        let start = at + found + HEAD.len();
        // Only what was not looked at yet: a text may hold the words ten thousand times in one line.
        let before = text.get(at..at + found).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        at = start;
        if line.contains("-----BEGIN ") {
            let rest = text.get(start..).unwrap_or_default();
            at = rest.find("-----END").map_or(text.len(), |end| start + end);
            spans.push(start..at);
        }
    }
}

/// The password of `scheme://user:password@host`.
fn url_passwords(text: &str, spans: &mut Vec<Range<usize>>) {
    let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>');
    let scheme_end = memmem::Finder::new("://");
    let mut at = 0;
    while let Some(found) = text.as_bytes().get(at..).and_then(|rest| scheme_end.find(rest)) {
        let start = at + found + 3;
        let rest = text.get(start..).unwrap_or_default();
        let authority = &rest[..rest.find(ends).unwrap_or(rest.len())];
        at = start + authority.len();
        let Some((user_info, _)) = authority.rsplit_once('@') else { continue };
        let Some((user, password)) = user_info.split_once(':') else { continue };
        if !password.is_empty() && !password.starts_with('$') && !password.starts_with("{{") {
            let from = start + user.len() + 1;
            spans.push(from..from + password.len());
        }
    }
}

/// Words that have a token's shape.
fn tokens(text: &str, spans: &mut Vec<Range<usize>>) {
    // The shortest token has this many bytes, the longest that is looked at this many.
    const SHORTEST: usize = 16;
    let bytes = text.as_bytes();
    let body = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|b| body(b)).count();
        let word = text.get(at..at + length).unwrap_or_default();
        if length >= SHORTEST {
            let whole = word.trim_end_matches('.');
            if token_shape(whole).is_some() {
                spans.push(at..at + whole.len());
            } else {
                let mut from = at;
                for part in word.split('.') {
                    if part.len() >= SHORTEST && token_shape(part).is_some() {
                        spans.push(from..from + part.len());
                    }
                    from += part.len() + 1;
                }
            }
        }
        at += length + 1;
    }
}

/// Bytes of base64 in the shortest key that is one: documentation has shorter ones.
pub const SHORTEST_KEY: usize = 64;

/// Whether a text holds a whole private key that needs no passphrase. In JSON its lines end with
/// `\n` in letters.
pub fn is_private_key(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find("PRIVATE KEY-----") {
        let (before, after) = (&rest[..at], &rest[at + 16..]);
        rest = after;
        let Some(begin) = before.rfind("-----BEGIN ") else { continue };
        let label = &before[begin..];
        if label.len() > 40 || label.contains("ENCRYPTED") {
            continue;
        }
        // Behind the last end there is none for the next one either.
        let Some(end) = after.find("-----END") else { return false };
        let body = &after[..end];
        rest = &after[end..];
        let base64 = body.bytes().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
        if base64.count() >= SHORTEST_KEY && !body.contains("ENCRYPTED") {
            return true;
        }
    }
    false
}

/// The user of `scheme://user:password@host`, unless the password is a reference.
fn credential_url(value: &str) -> Option<&str> {
    let rest = value.get(memmem::find(value.as_bytes(), b"://")? + 3..)?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user_info, _) = authority.rsplit_once('@')?;
    let (user, password) = user_info.split_once(':')?;
    let literal = !password.is_empty() && !password.starts_with('$') && !password.starts_with("{{");
    literal.then_some(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [
            "DB_PASSWORD",
            "PASSWD",
            "API_KEY",
            "STRIPE_APIKEY",
            "AWS_SECRET_ACCESS_KEY",
            "dbPassword",
            "auth-token",
            "DATABASE_DSN",
            "DB_PWD",
        ] {
            assert!(secret_word(name).is_some(), "{name}");
        }
        for name in [
            "PASSWORD_FILE",
            "TOKEN_URL",
            "AWS_ACCESS_KEY_ID",
            "SECRET_NAME",
            "TOKEN_TTL",
            "JWT_PUBLIC_KEY",
            "PWD",
            "OLDPWD",
            "MAX_TOKENS",
            "COMPASS",
            "KEY",
            "BYPASS_AUTH",
            "PUBLIC_TOKEN",
            "",
        ] {
            assert_eq!(secret_word(name), None, "{name}");
        }
        assert_eq!(secret_word("MY_PRIVATE_KEY"), Some("PRIVATE_KEY"));
    }

    #[test]
    fn values() {
        for value in ["hunter2", "changeme", "s3cr3t!", "postgres://u:p@db/x"] {
            assert!(may_be_secret(value), "{value}");
        }
        for value in [
            "",
            " ",
            "true",
            "No",
            "3600",
            "1.5",
            "30s",
            "15m",
            "$(DB_PASSWORD)",
            "${X}",
            "{{ .Values.x }}",
            "/run/secrets/x",
            "https://vault:8200",
        ] {
            assert!(!may_be_secret(value), "{value}");
        }
    }

    #[test]
    fn shapes() {
        // Joined here, so that no scanner takes this file for a leak.
        let token =
            |prefix: &str, length: usize| format!("{prefix}{}", "a1B2".repeat(length / 4 + 1));
        for value in [
            token("AKIA", 16),
            token("ghp_", 36),
            token("glpat-", 20),
            format!("-----BEGIN RSA {}-----\nx", "PRIVATE KEY"),
            format!("{}.{}.{}", "eyJhbGciOiJ", "eyJzdWIiOiIx", "c2lnbmF0dXJl"),
            "amqp://user:hunter2@mq:5672/".to_owned(),
        ] {
            assert!(token_shape(&value).is_some(), "{value}");
        }
        for value in [
            "AKIA",
            "ghp_short",
            "https://user@host/",
            "http://h/a:b@c",
            "amqp://u:$(PASS)@mq",
            "1.2.3",
            "eyJ.a.b",
            "-----BEGIN CERTIFICATE-----",
        ] {
            assert_eq!(token_shape(value), None, "{value}");
        }
    }

    #[test]
    fn shapes_inside_a_text() {
        let token = format!("{}{}", "ghp_", "a1B2".repeat(9));
        let key = format!("-----BEGIN RSA {}-----\nabc\n-----END RSA", "PRIVATE KEY");
        let jwt = format!("{}.{}.{}", "eyJhbGciOiJ", "eyJzdWIiOiIx", "c2lnbmF0dXJl");
        for (text, shown) in [
            (format!("a={token}, b"), "a=***, b".to_owned()),
            (format!("\u{e9}{token}\u{e9}"), "\u{e9}***\u{e9}".to_owned()),
            (format!("Bearer {jwt}."), "Bearer ***.".to_owned()),
            (format!("x.{token}"), "x.***".to_owned()),
            (
                "see amqp://me:abc@mq:5672/ or".to_owned(),
                "see amqp://me:***@mq:5672/ or".to_owned(),
            ),
            (
                format!("k: {key}"),
                key.replace("\nabc\n", "***").replace("-----BEGIN", "k: -----BEGIN"),
            ),
        ] {
            assert_eq!(masked(&text), shown);
        }
        for text in
            ["https://user@host/", "sha256:0123456789abcdef0123456789abcdef", "", "://", "a:@b"]
        {
            assert_eq!(masked(text), text);
        }
        for text in ["://", "a:b@", "-----BEGIN ", "PRIVATE KEY-----", "eyJ.", "ghp_", "a"] {
            masked(&text.repeat(100_000));
        }
    }
}
