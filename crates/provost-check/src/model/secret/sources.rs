//! Addresses with a password and without a scheme: `user:password@tcp(host:port)/name`, `user:password@host:port`.

use super::is_placeholder;
use super::shapes::{Shaped, is_literal};

/// Bytes in front of an `@` that are looked at for user and password.
const MOST_ACCOUNT: usize = 256;

/// Bytes behind an `@` that are looked at for the host.
const MOST_HOST: usize = 256;

/// What stands behind the `@` of an address without a scheme.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// `tcp(host:port)/name`, `unix(/run/mysql.sock)/name`, `cloudsql(name)/name`, `/name` (go-sql-driver/mysql, README, DSN).
    Source,
    /// `host:port/name`
    Host,
}

fn behind_account(behind: &[u8]) -> Option<Behind> {
    let behind = &behind[..behind.len().min(MOST_HOST)];
    let protocols: [&[u8]; 5] = [b"tcp(", b"tcp4(", b"tcp6(", b"unix(", b"("];
    if protocols.iter().any(|protocol| behind.starts_with(protocol)) {
        return Some(Behind::Source);
    }
    let run =
        |from: usize, is: fn(&u8) -> bool| behind[from..].iter().take_while(|b| is(b)).count();
    let word = run(0, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    let is_letter = |at: usize| behind.get(at).is_some_and(u8::is_ascii_alphabetic);
    match behind.get(word) {
        // Other networks, which a program registers.
        Some(b'(') if is_letter(0) => {
            let close = memchr::memchr(b')', behind)?;
            (behind.get(close + 1) == Some(&b'/')).then_some(Behind::Source)
        }
        Some(b'/') if word == 0 => is_letter(1).then_some(Behind::Source),
        Some(b':')
            if is_letter(0) && !matches!(&behind[..word], b"sha256" | b"sha384" | b"sha512") =>
        {
            let port = run(word + 1, u8::is_ascii_digit);
            let end = behind.get(word + 1 + port);
            let ends = end.is_none_or(|b| {
                b.is_ascii_whitespace() || matches!(b, b'/' | b'?' | b'"' | b'\'' | b',')
            });
            ((2..=5).contains(&port) && ends).then_some(Behind::Host)
        }
        _ => None,
    }
}

/// Words in front of a colon that are no users.
const NO_USERS: &[&str] = &[
    "mailto", "acct", "npm", "git", "ssh", "docker", "oci", "pkg", "sip", "sips", "xmpp", "image",
];

/// The password of `user:password@tcp(host:port)/name` and of other addresses without a scheme.
pub(super) fn data_sources(text: &str, found: &mut Vec<Shaped>) {
    let bytes = text.as_bytes();
    for at in memchr::memchr_iter(b'@', bytes) {
        let Some(kind) = behind_account(&bytes[at + 1..]) else { continue };
        let begin = |b: &u8| !(b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'`'));
        let length = bytes[..at].iter().rev().take(MOST_ACCOUNT).take_while(|b| begin(b)).count();
        let Some(account) = text.get(at - length..at) else { continue };
        let Some((user, password)) = account.split_once(':') else { continue };
        // `DSN=user:...`
        let user = user.rsplit('=').next().unwrap_or_default();
        let is_user = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        // Of a host alone less is known: it may be a tag, a scheme, a path.
        let sure = kind == Behind::Source
            || (!user.is_empty()
                && user.bytes().all(is_user)
                && !NO_USERS.contains(&user)
                && !password.contains(['/', ':', '@', '$', '%', '{']));
        if sure && is_literal(password) && !password.starts_with('/') && !is_placeholder(password) {
            let begins = at - password.len() - 1 - user.len();
            let span = at - password.len()..at;
            let what = match kind {
                Behind::Source => "a database address with a password",
                Behind::Host => "an address with a password",
            };
            found.push(Shaped { span, begins, what });
        }
    }
}
