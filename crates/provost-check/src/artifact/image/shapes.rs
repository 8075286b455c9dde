//! Secrets by shape alone, in any small text file of a layer: tokens of clouds and hosts of code, and
//! whole private keys, whatever the file is called. Names say more (`secrets.rs`); this is for the
//! files that have no name that says it: `config.env`, `tok.txt`, `gcp.json`.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::secrets::is_sample;
use crate::model::secret::is_private_key;

/// Bytes of a file that somebody writes settings into; sources and data are larger.
const LARGEST: u64 = 64 << 10;

/// How many bytes of a file are worth reading. Packages of distributions and languages have keys and
/// tokens of their tests and manuals among their files, and so have texts that explain.
pub(super) fn worth(path: &str) -> u64 {
    const OF_PACKAGES: &[&str] = &[
        "lib/",
        "lib64/",
        "proc/",
        "sys/",
        "usr/include/",
        "usr/lib/",
        "usr/lib64/",
        "usr/libexec/",
        "usr/local/go/",
        "usr/local/include/",
        "usr/local/lib/",
        "usr/local/lib64/",
        "usr/share/",
        "usr/src/",
        "var/lib/apt/",
        "var/lib/dpkg/",
        "var/lib/rpm/",
    ];
    const FOLDERS: &[&str] = &[
        "__tests__",
        "demo",
        "demos",
        "locale",
        "man",
        "mock",
        "mocks",
        "perl5",
        "sample",
        "samples",
        "spec",
        "t",
        "vendor",
    ];
    const TEXTS: &[&str] =
        &["adoc", "htm", "html", "map", "markdown", "md", "pod", "po", "rst", "svg", "tmpl", "tpl"];
    let path = path.trim_start_matches(['.', '/']);
    let name = path.rsplit('/').next().unwrap_or_default();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_test = stem.ends_with("_test")
        || stem.ends_with(".test")
        || stem.ends_with(".spec")
        || stem.starts_with("test_");
    let sample = ["example", "sample", "template", "dist", "defaults"];
    let skip = is_test
        || sample.contains(&extension)
        || TEXTS.contains(&extension)
        || name.to_ascii_uppercase().starts_with("README")
        || OF_PACKAGES.iter().any(|folder| path.starts_with(folder))
        || path.split('/').any(|part| FOLDERS.contains(&part))
        || is_sample(path);
    if skip { 0 } else { LARGEST }
}

/// How the parts of a token behind its prefix are made.
#[derive(Clone, Copy)]
enum Body {
    /// That many of `A-Z2-7`, as AWS makes the ids of its keys.
    Base32(usize),
    /// That many letters and digits.
    Exactly(usize),
    /// That many letters, digits, `-` and `_`, or more.
    AtLeast(usize),
}

/// Prefixes that mean one thing alone. A key of Google (`AIza`) is none: browsers get it.
const TOKENS: [(&str, Body, &str); 15] = [
    ("AKIA", Body::Base32(16), "an AWS access key"),
    ("ASIA", Body::Base32(16), "an AWS access key"),
    ("ghp_", Body::Exactly(36), "a GitHub token"),
    ("gho_", Body::Exactly(36), "a GitHub token"),
    ("ghu_", Body::Exactly(36), "a GitHub token"),
    ("ghs_", Body::Exactly(36), "a GitHub token"),
    ("ghr_", Body::Exactly(36), "a GitHub token"),
    ("github_pat_", Body::AtLeast(40), "a GitHub token"),
    ("glpat-", Body::AtLeast(20), "a GitLab token"),
    ("xoxb-", Body::AtLeast(20), "a Slack token"),
    ("xoxp-", Body::AtLeast(20), "a Slack token"),
    ("sk_live_", Body::AtLeast(20), "a Stripe key"),
    ("rk_live_", Body::AtLeast(20), "a Stripe key"),
    ("npm_", Body::Exactly(36), "an npm token"),
    ("hvs.", Body::AtLeast(24), "a Vault token"),
];

/// The prefixes, and last what ends the first line of a private key.
static PREFIXES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = TOKENS.iter().map(|(prefix, ..)| *prefix).chain(["PRIVATE KEY-----"]);
    // Leftmost, for which the words are looked for sixteen bytes at a time.
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(words).ok()
});

/// What a text holds, when that is a secret by its shape.
pub(super) fn find(bytes: &[u8]) -> Option<&'static str> {
    // A program or an archive: what looks like a word in it need not be one.
    if bytes.iter().take(512).any(|byte| *byte == 0) {
        return None;
    }
    let mut keys = false;
    for found in PREFIXES.as_ref()?.find_iter(bytes) {
        match TOKENS.get(found.pattern().as_usize()) {
            Some((prefix, body, what)) => {
                if is_token(bytes, found.start(), prefix.len(), *body) {
                    return Some(what);
                }
            }
            None => keys = true,
        }
    }
    (keys && is_private_key(&String::from_utf8_lossy(bytes))).then_some("a private key")
}

fn is_token(bytes: &[u8], start: usize, prefix: usize, body: Body) -> bool {
    const MOST: usize = 512;
    let of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if start.checked_sub(1).and_then(|at| bytes.get(at)).is_some_and(of_word) {
        return false;
    }
    let rest = bytes.get(start + prefix..).unwrap_or_default();
    let length = rest.iter().take(MOST).take_while(|byte| of_word(byte)).count();
    let word = rest.get(..length).unwrap_or_default();
    let fits = match body {
        Body::Base32(many) => {
            length == many && word.iter().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'))
        }
        Body::Exactly(many) => length == many && word.iter().all(u8::is_ascii_alphanumeric),
        Body::AtLeast(least) => (least..MOST).contains(&length),
    };
    fits && !is_filler(word)
}

/// What stands for a token where none is meant: AWS's own `AKIAIOSFODNN7EXAMPLE`, `ghp_xxxx`.
fn is_filler(word: &[u8]) -> bool {
    let lower = word.to_ascii_lowercase();
    let words: [&[u8]; 7] =
        [b"example", b"xxxx", b"your", b"placeholder", b"redacted", b"changeme", b"dummy"];
    let mut seen = [false; 256];
    lower.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let different = seen.iter().filter(|seen| **seen).count();
    different < 4 || words.iter().any(|filler| memchr::memmem::find(&lower, filler).is_some())
}

#[cfg(test)]
mod tests {
    use super::{find, worth};

    /// Joined here, so that no scanner takes this file for a leak.
    fn token(prefix: &str, body: &str) -> String {
        format!("{prefix}{body}")
    }

    #[test]
    fn tokens_and_keys_in_files_of_any_name() {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj".repeat(2);
        let key =
            format!("-----BEGIN RSA PRIVATE KEY-----\\n{body}\\n-----END RSA PRIVATE KEY-----\\n");
        let github = token("ghp_", "abcdefghijklmnopqrstuvwxyz0123456789");
        for (text, what) in [
            (format!("{github}\n"), "a GitHub token"),
            (
                format!("AWS_ACCESS_KEY_ID={}\n", token("AKIA", "IOSFODNN7EXAMPLF")),
                "an AWS access key",
            ),
            (format!(r#"{{"type":"service_account","private_key":"{key}"}}"#), "a private key"),
            (token("glpat-", "aB3dE5gH7jK9mN1pQ3rS"), "a GitLab token"),
            (token("npm_", &"a1B2".repeat(9)), "an npm token"),
        ] {
            assert_eq!(find(text.as_bytes()), Some(what), "{text}");
        }
        for text in [
            token("AKIA", "IOSFODNN7EXAMPLE"),
            token("AKIA", "iosfodnn7examplf"),
            token("AKIA", "IOSFODNN7EXAMPLFAND"),
            token("XAKIA", "IOSFODNN7EXAMPLF"),
            token("ghp_", &"x".repeat(36)),
            token("ghp_", "your0token0goes0here0012345678901234"),
            token("ghp_", "tooshort"),
            "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----".to_owned(),
            format!("\0\u{1}ELF{}", token("ghp_", &"a1B2".repeat(9))),
        ] {
            assert_eq!(find(text.as_bytes()), None, "{text}");
        }
        for path in
            ["app/tok.txt", "app/config.env", "gcp.json", "root/.aws/credentials", "./etc/x"]
        {
            assert!(worth(path) > 0, "{path}");
        }
        for path in [
            "usr/lib/python3.11/test/keycert.pem",
            "usr/local/go/src/crypto/tls/example_test.go",
            "app/node_modules/x/index.js",
            "app/vendor/github.com/aws/aws-sdk-go/aws/x.go",
            "app/README.md",
            "app/client_test.go",
            "app/.env.example",
            "usr/share/doc/x/copyright",
        ] {
            assert_eq!(worth(path), 0, "{path}");
        }
    }
}
