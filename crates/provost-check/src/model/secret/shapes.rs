//! Secrets by their shape, as a value or inside of a text. Linear in the text.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use super::names::secret_word;
use super::{in_order, is_hidden, is_placeholder, looks_random, may_be_secret};
use super::{logins, sources};

/// A part of a text that is secret by its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shaped {
    /// The bytes that are secret.
    pub span: Range<usize>,
    /// Where what has the shape begins: the user in front of the password.
    pub begins: usize,
    /// What it is: `a private key`.
    pub what: &'static str,
}

const TOKEN: &str = "a token";

/// What every sentence and scalar is searched for. Most are shorter than it takes to get a search
/// ready, so that is done once.
struct Searches {
    key_begins: Finder<'static>,
    private_key: Finder<'static>,
    encoded: Finder<'static>,
    scheme_end: Finder<'static>,
    bearer: Finder<'static>,
    basic: Finder<'static>,
}

static SEARCHES: LazyLock<Searches> = LazyLock::new(|| Searches {
    key_begins: Finder::new("-----BEGIN "),
    private_key: Finder::new(PRIVATE_KEY),
    // `-----BEGIN `
    encoded: Finder::new("LS0tLS1CRUdJTi"),
    scheme_end: Finder::new("://"),
    bearer: Finder::new("earer "),
    basic: Finder::new("asic "),
});

/// The end of the line in front of a private key.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

/// What kind of secret a value is by its shape, whatever its name.
pub fn token_shape(value: &str) -> Option<&'static str> {
    let value = value.trim();
    let has = |search: &Finder<'_>| search.find(value.as_bytes()).is_some();
    if has(&SEARCHES.key_begins) && has(&SEARCHES.private_key) {
        return Some("a private key");
    }
    if let Some(token) = token(value) {
        return Some(token);
    }
    if credential_url(value).is_some() {
        return Some("a URL with a password");
    }
    // The others stand in texts, too; as a value they are all of it.
    let whole = |shaped: &Shaped| shaped.begins == 0 && shaped.what != TOKEN;
    if let Some(found) = shaped(value).iter().find(|shaped| whole(shaped)) {
        return Some(found.what);
    }
    has_password(value).then_some("a text with a password")
}

/// Tokens known by their shape, private keys, passwords in addresses, credentials of HTTP and
/// addresses of webhooks, wherever in a text they stand, in order and without overlap. What is to be
/// filled in is none.
pub fn shaped(text: &str) -> Vec<Shaped> {
    let mut found = all_shaped(text);
    found.retain(|shaped| !text.get(shaped.span.clone()).is_some_and(is_placeholder));
    found
}

/// The same with what is to be filled in: it may be what is used.
fn all_shaped(text: &str) -> Vec<Shaped> {
    let mut found = Vec::new();
    let mut spans = Vec::new();
    private_keys(text, &mut spans);
    found.extend(spans.drain(..).map(|span| Shaped {
        begins: span.start,
        span,
        what: "a private key",
    }));
    encoded_keys(text, &mut spans);
    found.extend(spans.drain(..).map(|span| Shaped {
        begins: span.start,
        span,
        what: "a private key in base64",
    }));
    addresses(text, &mut found);
    sources::data_sources(text, &mut found);
    authorizations(text, &mut found);
    tokens(text, &mut spans);
    for span in spans {
        let what = token(text.get(span.clone()).unwrap_or_default()).unwrap_or(TOKEN);
        found.push(Shaped { begins: span.start, span, what });
    }
    found.sort_unstable_by_key(|shaped| (shaped.span.start, shaped.span.end));
    let mut end = 0;
    for shaped in &mut found {
        shaped.span.start = shaped.span.start.max(end);
        end = end.max(shaped.span.end);
    }
    found.retain(|shaped| shaped.span.start < shaped.span.end);
    found
}

/// Bytes that no report shows: what has a secret's shape, and what is assigned to a secret's name.
pub fn hidden_spans(text: &str) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> =
        all_shaped(text).into_iter().map(|shaped| shaped.span).collect();
    logins::accounts(text, &mut spans);
    logins::netrc(text, &mut spans);
    assigned(text, |name, value, span| {
        if is_hidden(name, value) && is_literal(value) {
            spans.push(span);
        }
    });
    in_order(spans)
}

/// Passwords of logins: of an entry of a `.netrc`, and of an image. What is to be filled in is none.
pub fn written_logins(text: &str) -> Vec<(&'static str, Range<usize>)> {
    let mut found = Vec::new();
    let mut spans = Vec::new();
    logins::netrc(text, &mut spans);
    found.extend(spans.drain(..).map(|span| ("a password of a .netrc", span)));
    logins::accounts(text, &mut spans);
    found.extend(spans.drain(..).map(|span| ("a login of a registry", span)));
    found.retain(|(_, span)| {
        text.get(span.clone()).is_some_and(|word| may_be_secret(word) && !is_placeholder(word))
    });
    found
}

/// From behind `-----BEGIN ... PRIVATE KEY-----` to `-----END`, or to the end of the text.
fn private_keys(text: &str, spans: &mut Vec<Range<usize>>) {
    let head = &SEARCHES.private_key;
    let mut at = 0;
    while let Some(found) = text.as_bytes().get(at..).and_then(|rest| head.find(rest)) {
        let start = at + found + PRIVATE_KEY.len();
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

/// A value that is written, and stands for no other.
pub(super) fn is_literal(value: &str) -> bool {
    !value.is_empty() && !value.starts_with(['$', '<', '%']) && !value.starts_with("{{")
}

/// Hosts whose addresses are all that is needed to write where they lead, and the path in front of
/// what is secret.
const WEBHOOKS: [(&str, &str); 8] = [
    ("hooks.slack.com", "/services/"),
    ("hooks.slack.com", "/workflows/"),
    ("hooks.slack.com", "/triggers/"),
    ("discord.com", "/api/webhooks/"),
    ("discordapp.com", "/api/webhooks/"),
    ("outlook.office.com", "/webhook/"),
    ("webhook.office.com", "/webhookb2/"),
    ("api.telegram.org", "/bot"),
];

/// Bytes of an address that a signature is looked for in.
const LONGEST_QUERY: usize = 2048;

/// Bytes of the shortest secret of a webhook.
const SHORTEST_WEBHOOK: usize = 8;

/// The password of `scheme://user:password@host`, and what is secret of a webhook.
fn addresses(text: &str, found: &mut Vec<Shaped>) {
    let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>');
    let scheme_end = &SEARCHES.scheme_end;
    let mut at = 0;
    while let Some(position) = text.as_bytes().get(at..).and_then(|rest| scheme_end.find(rest)) {
        let colon = at + position;
        let start = colon + 3;
        let rest = text.get(start..).unwrap_or_default();
        let authority = &rest[..rest.find(ends).unwrap_or(rest.len())];
        at = start + authority.len();
        let before = text.get(..colon).unwrap_or_default().bytes().rev().take(32);
        let begins = colon - before.take_while(u8::is_ascii_alphanumeric).count();
        if let Some((user_info, _)) = authority.rsplit_once('@')
            && let Some((user, password)) = user_info.split_once(':')
            && is_literal(password)
        {
            let from = start + user.len() + 1;
            let span = from..from + password.len();
            found.push(Shaped { span, begins, what: "a URL with a password" });
        }
        let host = authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
        let behind = &rest[authority.len()..];
        let secret = WEBHOOKS.iter().find_map(|(known, path)| {
            let is_host =
                host == *known || host.strip_suffix(known).is_some_and(|h| h.ends_with('.'));
            behind.strip_prefix(path).filter(|_| is_host)
        });
        // Workflows of Teams are triggered by who knows the signature.
        let secret = secret.or_else(|| {
            let is_workflow = host.ends_with(".logic.azure.com");
            let query = is_workflow.then(|| head(behind, LONGEST_QUERY))?;
            let line = query.split(char::is_whitespace).next().unwrap_or_default();
            line.find("sig=").map(|at| &behind[at + 4..])
        });
        let Some(secret) = secret else { continue };
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '\\');
        let secret_bytes = secret.find(ends).unwrap_or(secret.len());
        let from = text.len() - secret.len();
        at = from + secret_bytes;
        let secret = &secret[..secret_bytes];
        let last = secret.rsplit('/').next().unwrap_or_default();
        if secret.len() >= SHORTEST_WEBHOOK
            && is_literal(secret)
            && is_literal(last)
            && !is_placeholder(last)
            && !secret.contains("${")
            && !secret.contains("$(")
        {
            found.push(Shaped { span: from..at, begins, what: "the address of a webhook" });
        }
    }
}

/// Bytes of the shortest credentials of HTTP.
const SHORTEST_CREDENTIALS: usize = 8;

/// `Bearer ...` and `Basic ...`
fn authorizations(text: &str, found: &mut Vec<Shaped>) {
    let bytes = text.as_bytes();
    for (word, first, what) in
        [(&SEARCHES.bearer, b'b', "a bearer token"), (&SEARCHES.basic, b'b', "credentials of HTTP")]
    {
        for at in word.find_iter(bytes) {
            let is_word = |at: usize| {
                bytes[at].eq_ignore_ascii_case(&first)
                    && !at.checked_sub(1).is_some_and(|b| bytes[b].is_ascii_alphanumeric())
            };
            let Some(begins) = at.checked_sub(1).filter(|at| is_word(*at)) else { continue };
            let start = at + word.needle().len();
            let body = |b: &&u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(b);
            let length = bytes[start..].iter().take_while(body).count();
            let value = text.get(start..start + length).unwrap_or_default();
            // The end of a sentence is none of it.
            let value = value.trim_end_matches('.');
            let length = value.len();
            if length >= SHORTEST_CREDENTIALS && looks_random(value) && !is_placeholder(value) {
                found.push(Shaped { span: start..start + length, begins, what });
            }
        }
    }
}

/// `name=value`, wherever in a text: the words of a shell, a query, a connection string.
pub(super) fn assigned(text: &str, mut take: impl FnMut(&str, &str, Range<usize>)) {
    const LONGEST_NAME: usize = 128;
    let bytes = text.as_bytes();
    let mut done = 0;
    let mut closed = [0; 2];
    for equals in memchr::memchr_iter(b'=', bytes) {
        if equals < done {
            continue;
        }
        let in_name = |b: &&u8| b.is_ascii_alphanumeric() || b"_-.".contains(b);
        // Files of settings have blanks around it: `password = x`.
        let apart = blanks(bytes[done..equals].iter().rev());
        let end = equals - apart;
        let before = bytes[done..end].iter().rev().take(LONGEST_NAME);
        let name = &text[end - before.take_while(in_name).count()..end];
        if name.is_empty() || secret_word(name).is_none() {
            continue;
        }
        let mut from = equals + 1;
        if apart > 0 {
            // A comparison.
            if matches!(bytes.get(from), Some(b'=' | b'~' | b'>')) {
                continue;
            }
            from += blanks(bytes[from..].iter());
        }
        let escaped = bytes[from..].starts_with(b"\\\"");
        let quote = bytes.get(from + usize::from(escaped)).copied();
        let (from, end) = match quote.filter(|quote| matches!(quote, b'"' | b'\'')) {
            Some(quote) => {
                let from = from + usize::from(escaped) + 1;
                let slot = &mut closed[usize::from(quote == b'"')];
                // A quote without an end is looked for once.
                if *slot < from {
                    let rest = &bytes[from..];
                    *slot = memchr::memchr2(quote, b'\n', rest).map_or(bytes.len(), |n| from + n);
                }
                let end = *slot;
                (from, if escaped && bytes[..end].ends_with(b"\\") { end - 1 } else { end })
            }
            None => (from, from + bare_end(&bytes[from..])),
        };
        let value = text.get(from..end.max(from)).unwrap_or_default();
        take(name, value, from..from + value.len());
        done = from + value.len();
    }
}

/// How many blanks there are, up to what somebody would write.
fn blanks<'b>(bytes: impl Iterator<Item = &'b u8>) -> usize {
    const MOST: usize = 16;
    bytes.take(MOST).take_while(|b| matches!(b, b' ' | b'\t')).count()
}

/// Where a value without quotes ends. A comma belongs to it, unless another name follows.
fn bare_end(bytes: &[u8]) -> usize {
    let ends = |b: u8| b.is_ascii_whitespace() || b"\"'`;&|()<>\\".contains(&b);
    let in_name = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    // The last comma, while nothing but a name stands behind it.
    let mut comma = None;
    for (at, byte) in bytes.iter().copied().enumerate() {
        match (byte, comma) {
            (b',', _) => comma = Some(at),
            (b'=', Some(comma)) if comma + 1 < at => return comma,
            _ if ends(byte) => return at,
            _ if in_name(byte) => {}
            _ => comma = None,
        }
    }
    bytes.len()
}

/// The first bytes of a text, in whole characters.
fn head(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Bytes of a connection string.
const LONGEST_LIST: usize = 4096;

/// Whether a value is a list of `name=value` of which one is a password: `Server=h;Password=x;`,
/// `host=h password=x`, `api-key=x,other=y`.
fn has_password(value: &str) -> bool {
    if value.len() > LONGEST_LIST || !value.contains('=') {
        return false;
    }
    let parts = || value.split([';', ',', ' ', '\t', '\n', '&']).filter(|part| !part.is_empty());
    let is_pair = |part: &str| {
        let name = part.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric()))
    };
    // `User Id=x` has a blank in its name.
    let semicolons = || value.split(';').map(str::trim).filter(|part| !part.is_empty());
    if !(parts().all(is_pair) || value.contains(';') && semicolons().all(is_pair)) {
        return false;
    }
    let mut found = false;
    assigned(value, |name, value, _| {
        found |= is_literal(value)
            && may_be_secret(value)
            && !is_placeholder(value)
            && !super::is_weak(secret_word(name).unwrap_or_default());
    });
    found
}

/// What kind of token a word is.
fn token(value: &str) -> Option<&'static str> {
    /// The beginning, how many bytes follow at least, of letters, figures, `_` and `-`.
    const SHAPES: [(&str, usize, &str); 27] = [
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
        ("xapp-", 20, "a Slack token"),
        ("sk_live_", 16, "a Stripe key"),
        ("rk_live_", 16, "a Stripe key"),
        ("AIza", 35, "a Google API key"),
        ("GOCSPX-", 28, "a Google client secret"),
        ("npm_", 36, "an npm token"),
        ("pypi-AgEIcHlwaS5vcmc", 50, "a PyPI token"),
        ("hvs.", 24, "a Vault token"),
        ("hvb.", 24, "a Vault token"),
        ("dckr_pat_", 27, "a Docker Hub token"),
        ("dop_v1_", 64, "a DigitalOcean token"),
        ("glsa_", 41, "a Grafana token"),
        ("sk-ant-", 40, "an Anthropic key"),
        ("sk-proj-", 40, "an OpenAI key"),
        ("shpat_", 32, "a Shopify token"),
        ("NRAK-", 27, "a New Relic key"),
    ];
    let body = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    // Every word of every text comes by here.
    let may_begin = value.as_bytes().first().is_some_and(|b| b"AGNdghnprsx".contains(b));
    for (prefix, least, what) in SHAPES.into_iter().filter(|_| may_begin) {
        if value
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.len() >= least && rest.bytes().all(body))
        {
            return Some(what);
        }
    }
    let is_part = |part: &str| part.len() > 8 && part.bytes().all(body);
    let parts = || value.split('.');
    let is_web_token = value.starts_with("eyJ") && parts().count() == 3 && parts().all(is_part);
    if is_web_token {
        return Some("a JSON web token");
    }
    // `SG.` and two parts of one length each.
    let of_sendgrid = value.starts_with("SG.") && parts().map(str::len).eq([2, 22, 43]);
    if of_sendgrid && parts().all(|part| part.bytes().all(body)) {
        return Some("a SendGrid key");
    }
    None
}

/// Bytes of base64 in which the label of a key stands: `-----BEGIN ENCRYPTED PRIVATE KEY-----` has 37.
const LABEL: usize = 52;

/// Private keys in base64, from their first byte to the last of it.
fn encoded_keys(text: &str, spans: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    if bytes.len() < LABEL {
        return;
    }
    let in_base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let mut done = 0;
    for start in SEARCHES.encoded.find_iter(bytes) {
        if start < done {
            continue;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let end = start + rest.iter().take_while(|b| in_base64(b)).count();
        done = end;
        let label = decoded(rest.get(..LABEL.min(end - start)).unwrap_or_default());
        if label.contains(PRIVATE_KEY) && !label.contains("ENCRYPTED") {
            spans.push(start..end);
        }
    }
}

/// What base64 stands for, as far as it is ASCII.
fn decoded(base64: &[u8]) -> String {
    let (mut held, mut bits) = (0u32, 0u32);
    let mut text = String::with_capacity(base64.len());
    for byte in base64 {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        held = (held << 6) | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            text.push(char::from(u8::try_from((held >> bits) & 0x7f).unwrap_or_default()));
        }
    }
    text
}

/// Bytes of the words that tokens are looked for among.
const IN_WORD: [bool; 256] = {
    let mut bytes = [false; 256];
    let mut byte = 0;
    while byte < bytes.len() {
        #[expect(clippy::cast_possible_truncation, reason = "256 bytes there are")]
        let is = byte as u8;
        bytes[byte] = is.is_ascii_alphanumeric() || matches!(is, b'_' | b'-' | b'.');
        byte += 1;
    }
    bytes
};

/// Words that have a token's shape.
fn tokens(text: &str, spans: &mut Vec<Range<usize>>) {
    // The shortest token has this many bytes, the longest that is looked at this many.
    const SHORTEST: usize = 16;
    let bytes = text.as_bytes();
    let in_word = |b: &&u8| IN_WORD[usize::from(**b)];
    let mut at = 0;
    // Most words are shorter: what ends one is looked for from where the shortest token would end.
    while let Some(shortest) = bytes.get(at..at + SHORTEST) {
        let end = shortest.iter().rev().take_while(in_word).count();
        if end < SHORTEST {
            at += SHORTEST - end;
            continue;
        }
        let more = bytes[at + SHORTEST..].iter().take_while(in_word).count();
        let length = SHORTEST + more;
        let word = text.get(at..at + length).unwrap_or_default();
        let whole = word.trim_end_matches('.');
        if token(whole).is_some() {
            spans.push(at..at + whole.len());
        } else {
            let mut from = at;
            for part in word.split('.') {
                if part.len() >= SHORTEST && token(part).is_some() {
                    spans.push(from..from + part.len());
                }
                from += part.len() + 1;
            }
        }
        at += length + 1;
    }
}

/// The user of `scheme://user:password@host`, unless the password is a reference.
pub(super) fn credential_url(value: &str) -> Option<&str> {
    let rest = value.get(memmem::find(value.as_bytes(), b"://")? + 3..)?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user_info, _) = authority.rsplit_once('@')?;
    let (user, password) = user_info.split_once(':')?;
    let literal = is_literal(password) && !is_placeholder(password);
    literal.then_some(user)
}
