//! Which names and values look like secrets. Values are only looked at here, never kept.
//!
//! One vocabulary for all that is read: names (`names.rs`), what a value or a part of a text is by
//! its shape (`shapes.rs`), what stands behind the key of a secret (`keyed.rs`), logins by the words around
//! them (`logins.rs`), and words of commands (`commands.rs` those that may be secret, `given.rs` those that
//! are).

use std::borrow::Cow;
use std::ops::Range;

pub mod commands;
mod given;
mod keyed;
mod lines;
mod logins;
mod names;
mod shapes;
mod sources;
mod written;

pub use given::{Given, given};
pub use keyed::{is_value_key, keyed_spans};
pub use lines::Lines;
use names::is_weak;
pub use names::{is_about_secret, is_secret_header, is_secret_key, secret_word};
use shapes::credential_url;
pub use shapes::{Shaped, hidden_spans, shaped, token_shape, written_logins};
pub use written::{Written, by_key, written};

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
    let reference = is_reference(value);
    let path = value.starts_with('/') || value.starts_with("./");
    let plain_url = value.contains("://") && credential_url(value).is_none();
    !(value.is_empty() || switch || number || duration || reference || path || plain_url)
}

/// Whether a value stands for one that is kept elsewhere: `$(NAME)`, `${NAME}`, `$NAME`, what a
/// template or an agent fills in.
fn is_reference(value: &str) -> bool {
    let variable = value.strip_prefix('$').is_some_and(|name| {
        // Hashes of passwords begin with a dollar sign and have more of them.
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    let kept = ["vault:", "ref+", "arn:", "op://", "file:"];
    // As Azure Pipelines' tasks for tokens have it: `#{Name}#`.
    let token = value.starts_with("#{") && value.trim_end_matches('#').ends_with('}');
    variable
        || token
        || ["$(", "${", "{{"].iter().any(|mark| value.contains(mark))
        || kept.iter().any(|scheme| value.starts_with(scheme))
}

/// Whether a value is to be replaced before anything uses it.
pub fn is_placeholder(value: &str) -> bool {
    let lower = value.trim().to_ascii_lowercase();
    let words = [
        "changeme",
        "change-me",
        "change_me",
        "change-this",
        "changethis",
        "replaceme",
        "replace-me",
        "replace_me",
        "replace-with",
        "placeholder",
        "redacted",
        // `T00XXXXXX/B00XXXXXX`, as services show how their addresses look.
        "xxxxxx",
    ];
    let begins = ["your-", "your_", "<", "insert-", "todo", "tbd", "xxx", "..."];
    let same = lower.len() > 2 && lower.bytes().all(|b| Some(b) == lower.bytes().next());
    let masked = lower.starts_with('*');
    same && !masked
        || words.iter().any(|word| lower.contains(word))
        || begins.iter().any(|word| lower.starts_with(word))
}

/// Whether a text looks made by a machine: letters and figures in no order that has a meaning.
pub fn looks_random(text: &str) -> bool {
    let of = |is: fn(&u8) -> bool| text.bytes().any(|b| is(&b));
    let digits = of(u8::is_ascii_digit) && of(u8::is_ascii_alphabetic);
    let cases = of(u8::is_ascii_lowercase) && text.bytes().skip(1).any(|b| b.is_ascii_uppercase());
    (digits || cases) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Bytes of the shortest key that is one where its name may mean something else.
const SHORTEST_WEAK: usize = 16;

/// Why a literal value is taken for a secret: the word in its name, or what its shape is.
///
/// Certificates and public keys are none, whatever they are called, nor is what is to be filled in.
pub fn looks_secret(name: &str, value: &str) -> Option<&'static str> {
    if let Some(shape) = token_shape(value) {
        return Some(shape);
    }
    let public = ["-----BEGIN CERTIFICATE", "PUBLIC KEY-----"].iter().any(|p| value.contains(p));
    let word = secret_word(name).filter(|_| !public && may_be_secret(value))?;
    if is_placeholder(value) {
        return None;
    }
    let value = value.trim();
    let strong = match word {
        "BASIC_AUTH" => value.contains(':'),
        _ => value.len() >= SHORTEST_WEAK && looks_random(value),
    };
    // What an image's loader has masked is one by what it was.
    (!is_weak(word) || strong || value.starts_with("***")).then_some(word)
}

/// The word in a name for a secret whose value is to be filled in, and is no mark that a tool replaces
/// (`<path:kv/data/shop#password>`): as it stands the placeholder is what the program gets.
pub fn is_unfilled(name: &str, value: &str) -> Option<&'static str> {
    let word = secret_word(name).filter(|word| !is_weak(word))?;
    let mark = |c: &char| value.trim_start().starts_with(*c);
    let marked = ['<', '#', '%', '@', '[', '_', '.'].iter().any(mark);
    (is_placeholder(value) && may_be_secret(value) && !marked).then_some(word)
}

/// Whether a value under this name is not to be shown. Stricter than [`looks_secret`]: a number may
/// be a password too, and a placeholder may be what is used.
pub fn is_hidden(name: &str, value: &str) -> bool {
    let number = value.len() >= 4 && value.bytes().all(|b| b.is_ascii_digit());
    secret_word(name).is_some() && (number || may_be_secret(value) || is_partly_written(value))
}

/// Letters of the shortest part of a secret: `-v1` beside a reference is none.
const SHORTEST_PART: usize = 4;

/// Whether a value has a word of its own beside what it refers to: `$(PREFIX)hunter2`. A path, an
/// address and a list have their words between references, and no secret in them.
pub fn is_partly_written(value: &str) -> bool {
    let mut rest = value.trim().trim_matches(['"', '\'', ',']);
    if !rest.contains("$(") && !rest.contains("${") || rest.contains("{{") {
        return false;
    }
    let mut found = false;
    loop {
        // One search for both: that for a mark which is nowhere would go to the end each time.
        let bytes = rest.as_bytes();
        let begins = |at: &usize| matches!(bytes.get(at + 1), Some(b'(' | b'{'));
        let at = memchr::memchr_iter(b'$', bytes).find(begins);
        let part = &rest[..at.unwrap_or(rest.len())];
        let structure = |c: char| c.is_whitespace() || ":=;,&|()<>\"'`".contains(c);
        if part.starts_with('/') || part.contains(structure) {
            return false;
        }
        let word = part.trim_matches(|c: char| !c.is_alphanumeric());
        found |= word.chars().count() >= SHORTEST_PART;
        let Some(at) = at else { return found };
        let close = if rest[at..].starts_with("$(") { ')' } else { '}' };
        let Some(length) = rest[at..].find(close) else { return false };
        rest = &rest[at + length + 1..];
    }
}

/// What stands in the place of a secret in a sentence.
pub const MASK: &str = "***";

/// A sentence as it may be shown: what has the shape of a secret is left out.
pub fn masked(text: &str) -> Cow<'_, str> {
    without(text, hidden_spans(text))
}

/// A line of a shell as it may be shown.
pub fn masked_command(text: &str) -> String {
    let mut spans = hidden_spans(text);
    commands::of_text(text, &mut spans);
    without(text, in_order(spans)).into_owned()
}

/// The words of a command as they may be shown.
pub fn masked_words(words: &[String]) -> Vec<String> {
    let mut text = String::new();
    let mut places: Vec<Range<usize>> = Vec::with_capacity(words.len());
    for word in words {
        let start = text.len();
        text.push_str(word);
        places.push(start..text.len());
        text.push('\n');
    }
    let mut spans = hidden_spans(&text);
    commands::of_words(&text, &places, &mut spans);
    let spans = in_order(spans);
    let mut rest = spans.iter().peekable();
    let masked = places.iter().map(|place| {
        let mut inside = Vec::new();
        while let Some(span) = rest.next_if(|span| span.start < place.end) {
            let end = span.end.min(place.end);
            inside.push(span.start.max(place.start) - place.start..end - place.start);
        }
        without(text.get(place.clone()).unwrap_or_default(), inside).into_owned()
    });
    masked.collect()
}

/// Sorted, and without what another holds.
fn in_order(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_unstable_by_key(|span| (span.start, span.end));
    let mut end = 0;
    for span in &mut spans {
        span.start = span.start.max(end);
        end = end.max(span.end);
    }
    spans.retain(|span| span.start < span.end);
    spans
}

fn without(text: &str, spans: Vec<Range<usize>>) -> Cow<'_, str> {
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
            "PGPASSWORD",
            "clientsecret",
            "ENCRYPTION_KEY",
            "JWT_SIGNING_KEY",
            "BASIC_AUTH",
            "api-key",
            "DB_PW",
            "ADMIN_JWT",
            "bearer",
            "COOKIE_KEY",
            "REDIS_AUTH",
            "PASSWORD_PEPPER",
            "OTP_SEED",
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
            "KEY_PREFIX",
            "API_KEY_PREFIX",
            "SECRET_VERSION",
            "TOKEN_HOST",
            "PGPASSFILE",
            "passwordFromEnv",
            "MONKEY",
            "JWT_LEEWAY",
            "jwtRules",
            "UPWARD",
            "BEARER_AUTH_ENABLED",
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
            "$DB_PASSWORD",
            "a-${X}",
            "vault:secret/data/db#password",
        ] {
            assert!(!may_be_secret(value), "{value}");
        }
    }

    #[test]
    fn a_word_beside_a_reference_is_hidden() {
        for value in ["$(PREFIX)hunter2", "hunter2${X}", "$(A)-hunter2-$(B)", "\"${X}hunter2\","] {
            assert!(is_hidden("API_TOKEN", value), "{value}");
        }
        for value in [
            "$(A)$(B)",
            "$(A)-v1",
            "Bearer $(TOKEN)",
            "$(HOME)/token",
            "postgres://$(USER):$(PASS)@db:5432/shop",
            "$(USER):$(PASS)@tcp(db:3306)/shop",
            "host=db user=$(USER) password=$(PASS)",
            "${TOKEN:-}",
            "$(cat",
            "{{ .Values.prefix }}-token-${X}",
        ] {
            assert!(!is_hidden("DB_DSN", value), "{value}");
        }
        is_partly_written(&"$(".repeat(200_000));
        is_partly_written(&"$(a)".repeat(200_000));
    }

    #[test]
    fn what_is_to_be_filled_in_is_none() {
        for value in ["changeme", "CHANGE-ME", "<token>", "your-api-key", "xxxxxxxx", "REDACTED"] {
            assert_eq!(looks_secret("API_TOKEN", value), None, "{value}");
            assert!(is_hidden("API_TOKEN", value), "{value}: it may be what is used");
        }
        // `$2y$` begins the hash of a password.
        for value in ["$2y$10$abcdefgh", "hunter2", "********"] {
            assert_eq!(looks_secret("API_TOKEN", value), Some("TOKEN"), "{value}");
        }
        assert_eq!(looks_secret("SIGNING_KEY", "9f86d081884c7d659a2f"), Some("SIGNING_KEY"));
        assert_eq!(looks_secret("SIGNING_KEY", "the-signing-key"), None);
        assert_eq!(looks_secret("BASIC_AUTH", "me:abc"), Some("BASIC_AUTH"));
        assert_eq!(looks_secret("BASIC_AUTH", "enabled"), None);
    }

    /// As an image's configuration has them.
    #[test]
    fn words_are_masked_one_by_one() {
        let words = [
            "/pay",
            "--password",
            "abc",
            "--token=\u{e9}bc",
            "-H",
            "X-Api-Key: abc",
            "sh -c 'curl -u me:abc x'",
            "",
        ];
        let words: Vec<String> = words.map(str::to_owned).to_vec();
        assert_eq!(
            masked_words(&words),
            [
                "/pay",
                "--password",
                "***",
                "--token=***",
                "-H",
                "X-Api-Key: ***",
                "sh -c 'curl -u me:*** x'",
                ""
            ]
        );
        assert_eq!(
            masked_command("PGPASSWORD=abc psql -h db | mysql -pabc"),
            "PGPASSWORD=*** psql -h db | mysql -p***"
        );
    }

    /// As `base64 -w0` writes them, and `kubectl create secret --dry-run`.
    #[test]
    fn a_private_key_is_one_in_base64() {
        let body = "c3VyZSB0aGlzIGlzIG5vIGtleSBhdCBhbGw+/3N1cmUgdGhpcyBpcyBubyBrZXk=";
        for (label, secret) in [
            ("LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1J", true),
            ("LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpN", true),
            ("LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0tCk1I", true),
            ("LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFURSBLRVktLS0tLQpN", false),
            ("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUM", false),
            ("LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KTUlJQkl", false),
        ] {
            let text = format!("key: {label}{body}, then");
            let found = shaped(&text);
            let all = 5..text.len() - ", then".len();
            let spans: Vec<_> = found.iter().map(|it| it.span.clone()).collect();
            assert_eq!(spans, if secret { vec![all] } else { vec![] }, "{label}");
        }
        shaped(&"LS0tLS1CRUdJTi".repeat(50_000));
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
            token("xapp-", 20),
            token("GOCSPX-", 28),
            token("dckr_pat_", 27),
            token("dop_v1_", 64),
            token("glsa_", 41),
            token("sk-ant-", 40),
            token("sk-proj-", 40),
            token("shpat_", 32),
            token("NRAK-", 27),
            token("hvb.", 24),
            token("pypi-AgEIcHlwaS5vcmc", 50),
            format!("SG.{}.{}", "a1B2c3D4e5F6g7H8i9J0kL", "m1".repeat(21) + "n"),
            format!("-----BEGIN RSA {}-----\nx", "PRIVATE KEY"),
            format!("{}.{}.{}", "eyJhbGciOiJ", "eyJzdWIiOiIx", "c2lnbmF0dXJl"),
            "amqp://user:hunter2@mq:5672/".to_owned(),
            "me:hunter2@tcp(db:3306)/x".to_owned(),
            "me:hunter2@unix(/run/mysql.sock)/x".to_owned(),
            "me:hunter2@cloudsql(shop:eu:db)/x".to_owned(),
            "me:hunter2@/x".to_owned(),
            "me:hunter2@db.shop:3306/x".to_owned(),
            "me:hunter2@db:6379".to_owned(),
            "Server=h;User Id=x;Password=hunter2;".to_owned(),
            "host=h password='hunter 2'".replace(" 2", "2"),
            "api-key=f00ba4,x=y".to_owned(),
            "Bearer f00ba4f00ba4".to_owned(),
            "Basic dXNlcjpwYXNz".to_owned(),
            "https://hooks.slack.com/services/T0A/B0B/f00ba4f0".to_owned(),
            "https://x.webhook.office.com/webhookb2/f00ba4f0".to_owned(),
            "https://discord.com/api/webhooks/1/f00ba4f0".to_owned(),
            "https://a.b.logic.azure.com/workflows/x/triggers?sig=f00ba4f0".to_owned(),
        ] {
            assert!(token_shape(&value).is_some(), "{value}");
        }
        for value in [
            "AKIA",
            "ghp_short",
            "SG.short.short",
            "sk-ant-colony",
            "https://user@host/",
            "http://h/a:b@c",
            "amqp://u:$(PASS)@mq",
            "1.2.3",
            "eyJ.a.b",
            "-----BEGIN CERTIFICATE-----",
            "postgres://me:changeme@db/x",
            "me:$PASS@tcp(db)/x",
            "%s:%s@tcp(%s)/x",
            "git@(a)",
            "me:$(PASS)@db:3306/x",
            "me:changeme@db:3306/x",
            "checkout:1.4@sha256:0123456789abcdef",
            "checkout:1.4@sha256:01234",
            "mailto:ops@mail:25",
            "git:me@host:22/x",
            "a:b@c",
            "a:b@c:x",
            "a:b@/",
            "key:value@Override(x)",
            "password",
            "token=on,password=off",
            "a=b password",
            "user=me;password=${PASSWORD}",
            "Bearer authentication",
            "Basic auth",
            "use a Bearer f00ba4f00ba4",
            "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXX",
            "https://hooks.slack.com/services/TXXXXXXXX/BXXXXXXXX/0XXXXXXXXXXX",
            "https://hooks.slack.com.evil/services/T0A/B0B/f00ba4f0",
            "https://discord.com/api/webhooks/${ID}/${TOKEN}",
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
                "see ?token=abc&x=y or --api-key=\"a b\" z".to_owned(),
                "see ?token=***&x=y or --api-key=\"***\" z".to_owned(),
            ),
            ("Password=a,b;x".to_owned(), "Password=***;x".to_owned()),
            ("api-key=a,x=y".to_owned(), "api-key=***,x=y".to_owned()),
            ("x me:abc@tcp(db)/x".to_owned(), "x me:***@tcp(db)/x".to_owned()),
            (
                "-H 'Authorization: Bearer f00ba4f00'".to_owned(),
                "-H 'Authorization: Bearer ***'".to_owned(),
            ),
            (
                "at https://discord.com/api/webhooks/1/f00ba4.".to_owned(),
                "at https://discord.com/api/webhooks/***".to_owned(),
            ),
            (
                format!("k: {key}"),
                key.replace("\nabc\n", "***").replace("-----BEGIN", "k: -----BEGIN"),
            ),
        ] {
            assert_eq!(masked(&text), shown);
        }
        for text in [
            "https://user@host/",
            "sha256:0123456789abcdef0123456789abcdef",
            "",
            "://",
            "a:@b",
            "TOKEN_TTL=30s",
            "GODEBUG=a=b",
            "x == y",
            "PASSWORD=$X",
        ] {
            assert_eq!(masked(text), text);
        }
        for text in [
            "://",
            "a:b@",
            "-----BEGIN ",
            "PRIVATE KEY-----",
            "eyJ.",
            "ghp_",
            "a",
            "token=\"",
            "token=",
            "token=a,",
            "a:b@(",
            "Bearer ",
            "https://hooks.slack.com/services/",
            "=\\\"",
        ] {
            masked(&text.repeat(100_000));
        }
    }
}
