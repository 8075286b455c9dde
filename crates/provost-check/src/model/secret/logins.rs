//! Logins by the words around them: in front of the host of an image, in a `.netrc`. They are
//! hidden wherever they stand; judged are those of a Dockerfile, where they are used: elsewhere what is
//! written so may be no more than an example. Linear in the text.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use super::shapes::is_literal;

/// Bytes in front of an `@` that are looked at for user and password.
const MOST_ACCOUNT: usize = 256;

/// Bytes behind an `@` that a host is looked for in: a name has 253, a port five digits.
const MOST_HOST: usize = 260;

/// Schemes that an address follows without `//`, with the colon of a user in front of it.
const SCHEMES: [&str; 6] = ["mailto", "sip", "sips", "xmpp", "acct", "ssh"];

/// The password of `user:password@host/path` without a scheme: an image with a login, which no
/// reference has.
pub(super) fn accounts(text: &str, spans: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    for at in memchr::memchr_iter(b'@', bytes) {
        if !begins_with_host(&bytes[at + 1..]) {
            continue;
        }
        let within = |b: &u8| !(b.is_ascii_whitespace() || b"\"'`=,;(<>[{/".contains(b));
        let before = bytes[..at].iter().rev().take(MOST_ACCOUNT);
        let start = at - before.take_while(|b| within(b)).count();
        // A part of a path, or of an address with its scheme.
        if start.checked_sub(1).is_some_and(|before| bytes[before] == b'/') {
            continue;
        }
        let account = text.get(start..at).unwrap_or_default();
        let Some((user, password)) = account.split_once(':') else { continue };
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"._-+".contains(&b);
        if !user.is_empty()
            && user.bytes().all(is_name)
            && !SCHEMES.contains(&user)
            && is_literal(password)
        {
            spans.push(at - password.len()..at);
        }
    }
}

/// `registry.example.com/`, `10.0.0.1/`, `localhost/`, `registry:5000/`: as a registry is told from
/// a part of a path, and not the version of a module.
fn begins_with_host(bytes: &[u8]) -> bool {
    let part = |b: &&u8| b.is_ascii_alphanumeric() || b".-:".contains(b);
    let length = bytes.iter().take(MOST_HOST).take_while(part).count();
    if bytes.get(length) != Some(&b'/') {
        return false;
    }
    let host = std::str::from_utf8(&bytes[..length]).unwrap_or_default();
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match host.split_once(':') {
        Some((name, port)) => !name.is_empty() && is_digits(port),
        None => {
            let last = host.rsplit('.').next().unwrap_or_default();
            let named = last.len() > 1 && last.bytes().all(|b| b.is_ascii_alphabetic());
            let address = host.split('.').count() == 4 && host.split('.').all(is_digits);
            host == "localhost" || host.contains('.') && named || address
        }
    }
}

/// What an entry of a `.netrc` has to hold. Every sentence is searched for it.
static PASSWORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("password"));

/// Bytes of one machine in a `.netrc`.
const LONGEST_MACHINE: usize = 512;

/// The password of `machine host login user password x` (ftp(1), "THE .netrc FILE"), on one line or
/// several, also as `echo` and `printf` are given it.
pub(super) fn netrc(text: &str, spans: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    if PASSWORD.find(bytes).is_none() {
        return;
    }
    for word in ["machine", "default"] {
        for at in memmem::find_iter(bytes, word) {
            let glued = |b: &u8| b.is_ascii_alphanumeric() || b"_-.".contains(b);
            let letter = |at: usize| bytes.get(at).is_some_and(glued);
            // `\nmachine`
            let escaped = at.checked_sub(2).is_some_and(|from| bytes[from..at] == *b"\\n");
            let within = !escaped && at.checked_sub(1).is_some_and(letter);
            // `by default` is said in sentences; the entry begins a line or what is printed.
            let begins =
                escaped || at.checked_sub(1).is_none_or(|before| b"\n\"'".contains(&bytes[before]));
            let entry = word == "machine" || begins;
            if entry && !within && !letter(at + word.len()) {
                machine(text, at + word.len(), word == "machine", spans);
            }
        }
    }
}

fn machine(text: &str, from: usize, has_host: bool, spans: &mut Vec<Range<usize>>) {
    let mut at = from;
    let end = text.len().min(from + LONGEST_MACHINE);
    let mut next = || {
        let (word, behind) = next_word(text.as_bytes(), at, end)?;
        at = behind;
        Some((text.get(word.clone()).unwrap_or_default(), word))
    };
    let host = if has_host { next() } else { None };
    if has_host && host.is_none() {
        return;
    }
    // A sentence may speak of a machine and a password; no sentence has both words in their places.
    let mut sure = host.is_some_and(|(host, _)| host.contains('.'));
    let mut found = Vec::new();
    while let Some((key, _)) = next() {
        let is_password = match key {
            "login" => {
                sure = true;
                false
            }
            "account" => false,
            "password" => true,
            _ => break,
        };
        let Some((value, span)) = next() else { break };
        if is_password && is_literal(value) {
            found.push(span);
        }
    }
    if sure {
        spans.append(&mut found);
    }
}

/// The next word between blanks, quotes and escapes, and where to go on.
fn next_word(bytes: &[u8], from: usize, end: usize) -> Option<(Range<usize>, usize)> {
    let gap = |at: usize| match bytes[at] {
        b'\\' => match bytes.get(at + 1) {
            Some(b'n' | b't' | b'r' | b'\\') => 2,
            _ => 1,
        },
        b'"' | b'\'' => 1,
        byte => usize::from(byte.is_ascii_whitespace()),
    };
    let mut start = from;
    while start < end && gap(start) > 0 {
        start += gap(start);
    }
    let mut stop = start;
    while stop < end && gap(stop) == 0 {
        stop += 1;
    }
    (start < stop).then_some((start..stop, stop))
}

#[cfg(test)]
mod tests {
    use super::super::masked;

    #[test]
    fn logins_without_a_scheme_are_hidden() {
        for (text, shown) in [
            ("image me:abc@ghcr.io/acme/shop:1", "image me:***@ghcr.io/acme/shop:1"),
            ("FROM me:abc@registry:5000/shop", "FROM me:***@registry:5000/shop"),
            ("`me:a@b:c@10.0.0.1/shop`", "`me:***@10.0.0.1/shop`"),
            ("image=me:abc@localhost/shop", "image=me:***@localhost/shop"),
            ("machine h.io login me password abc", "machine h.io login me password ***"),
            ("machine h login me\n password abc\n", "machine h login me\n password ***\n"),
            (
                "\"machine h\\nlogin me\\npassword abc\\n\"",
                "\"machine h\\nlogin me\\npassword ***\\n\"",
            ),
            ("default login me password 'a\u{e9}c' >x", "default login me password '***' >x"),
            ("machine h.io password abc", "machine h.io password ***"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn what_is_no_login_stays() {
        for text in [
            "ghcr.io/acme/shop:1@sha256:0123456789abcdef",
            "shop:1.4.2@sha256:0123456789abcdef/x",
            "mailto:me@example.com/x",
            "git@github.com:acme/shop.git",
            "ssh://git@github.com/acme/shop",
            "/go/pkg/mod/example.com/a:b@v1.2.3/main.go",
            "a:b@v1.2.3/main.go:12",
            "me:$PW@ghcr.io/acme/shop",
            "me:you@example.com",
            "the machine has password protection",
            "machine h.io login $USER password $PASSWORD",
            "machine %s login %s password %s",
            "by default login and password are asked for",
            "virtual-machine a.b password abc",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn hostile_logins_take_linear_time() {
        for text in ["a:b@", "a:b@c.de/", "machine ", "default ", "machine a.b password ", "@a.b"] {
            masked(&text.repeat(200_000));
        }
    }
}
