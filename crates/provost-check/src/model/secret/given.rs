//! Passwords among the words of commands that log in elsewhere: `docker login -p`, `curl -u user:password`,
//! `wget --password`.
//!
//! What is hidden ([`super::commands`]) is more: that a word may be a secret is enough for it. Here it is one, by a flag
//! that has no other use.

use super::{is_placeholder, may_be_secret};

/// Short flags of curl that take a value (curl 8.17, `curl --help all`).
pub(super) const CURL_VALUES: &[u8] = b"AbcCdDeEFHKmoPQrtTuUwxXyYz";

/// Clients of registries whose `login` has `-p` and `--password`.
const CLIENTS: &[&str] =
    &["docker", "podman", "buildah", "nerdctl", "skopeo", "crane", "helm", "oras"];

/// A password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given<'a> {
    /// Its place among the arguments.
    pub word: usize,
    /// The password.
    pub text: &'a str,
    /// `a password of docker login`
    pub what: &'static str,
}

/// The first password that a program is given by its arguments, quotes removed and nothing expanded. What stands for
/// another text, what is no secret (`guest:guest`), and what is said to this machine itself, is none.
pub fn given<'a>(program: &str, arguments: &[&'a str]) -> Option<Given<'a>> {
    let local =
        |word: &&str| ["localhost", "127.0.0.1", "[::1]"].iter().any(|it| word.contains(it));
    if arguments.iter().any(local) {
        return None;
    }
    let takes = match program {
        "curl" => curl,
        "wget" => wget,
        "sshpass" => sshpass,
        client if CLIENTS.contains(&client) && arguments.contains(&"login") => login,
        _ => return None,
    };
    (0..arguments.len()).find_map(|at| {
        let flagged: &'a str = arguments.get(at)?;
        let (flag, what) = takes(flagged)?;
        let (word, text) = match flag {
            Flag::Pair(None) | Flag::Whole(None) => (at + 1, *arguments.get(at + 1)?),
            Flag::Pair(Some(value)) | Flag::Whole(Some(value)) => (at, value),
        };
        let text = match flag {
            Flag::Whole(_) => text,
            Flag::Pair(_) => {
                let (user, password) = text.split_once(':')?;
                (user != password).then_some(password)?
            }
        };
        let is_one = may_be_secret(text)
            && !is_placeholder(text)
            && !text.starts_with(['-', '<', '%'])
            && !text.contains(['$', '`']);
        is_one.then_some(Given { word, text, what })
    })
}

/// What a flag takes, in the word itself or in the next one.
#[derive(Clone, Copy)]
enum Flag<'a> {
    /// `user:password`
    Pair(Option<&'a str>),
    /// The password.
    Whole(Option<&'a str>),
}

/// A long flag with its value, where that is in the word.
fn long(word: &str) -> Option<(&str, Option<&str>)> {
    let flag = word.strip_prefix("--")?;
    Some(match flag.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (flag, None),
    })
}

fn attached(value: &str) -> Option<&str> {
    Some(value).filter(|value| !value.is_empty())
}

fn curl(word: &str) -> Option<(Flag<'_>, &'static str)> {
    const WHAT: &str = "a password of curl";
    if let Some((name, value)) = long(word) {
        return match name {
            "user" | "proxy-user" => Some((Flag::Pair(value), WHAT)),
            "oauth2-bearer" => Some((Flag::Whole(value), WHAT)),
            _ => None,
        };
    }
    // Several may stand together, the last with its value.
    let flags = word.strip_prefix('-')?;
    let at = flags.bytes().position(|b| CURL_VALUES.contains(&b))?;
    let value = flags.get(at + 1..).and_then(attached);
    matches!(flags.as_bytes().get(at), Some(b'u' | b'U')).then_some((Flag::Pair(value), WHAT))
}

fn wget(word: &str) -> Option<(Flag<'_>, &'static str)> {
    let (name, value) = long(word)?;
    let known = [
        "password",
        "http-password",
        "http-passwd",
        "ftp-password",
        "proxy-password",
        "proxy-passwd",
    ];
    known.contains(&name).then_some((Flag::Whole(value), "a password of wget"))
}

fn short_or_long<'a>(word: &'a str, what: &'static str) -> Option<(Flag<'a>, &'static str)> {
    if let Some((name, value)) = long(word) {
        return (name == "password").then_some((Flag::Whole(value), what));
    }
    let value = word.strip_prefix("-p")?;
    Some((Flag::Whole(attached(value.strip_prefix('=').unwrap_or(value))), what))
}

fn login(word: &str) -> Option<(Flag<'_>, &'static str)> {
    short_or_long(word, "a password of a registry")
}

fn sshpass(word: &str) -> Option<(Flag<'_>, &'static str)> {
    let value = word.strip_prefix("-p")?;
    Some((Flag::Whole(attached(value)), "a password of ssh"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<(usize, &str)> {
        let words: Vec<&str> = line.split(' ').collect();
        let (program, arguments) = words.split_first().unwrap();
        given(program, arguments).map(|given| (given.word, given.text))
    }

    #[test]
    fn passwords_are_found_in_every_form() {
        for (line, expected) in [
            ("docker login -u ci -p hunter2 registry.example.com", (4, "hunter2")),
            ("docker login --password=hunter2 -u ci", (1, "hunter2")),
            ("helm registry login -u ci -phunter2 ghcr.io", (4, "hunter2")),
            ("curl -u ci:hunter2 https://example.com", (1, "hunter2")),
            ("curl -fsSLuci:hunter2 https://example.com", (0, "hunter2")),
            ("curl --user=ci:hunter2 https://example.com", (0, "hunter2")),
            ("curl -o a -U ci:hunter2 https://example.com", (3, "hunter2")),
            ("curl --oauth2-bearer hunter2 https://example.com", (1, "hunter2")),
            ("wget --user=ci --password=hunter2 https://example.com", (1, "hunter2")),
            ("wget --http-passwd hunter2 https://example.com", (1, "hunter2")),
            ("sshpass -p hunter2 scp a b:c", (1, "hunter2")),
        ] {
            assert_eq!(of(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_password_is_none() {
        for line in [
            "docker login -u ci --password-stdin registry.example.com",
            "docker login -u ci -p $TOKEN registry.example.com",
            "docker login -u ci -p <password> registry.example.com",
            "docker run -p 8080:80 nginx",
            "curl -u ci https://example.com",
            "curl -u ci:$TOKEN https://example.com",
            "curl -u guest:guest https://example.com",
            "curl -u anonymous: https://example.com",
            "curl -u admin:admin123 http://localhost:8081/service/rest",
            "curl -o a:b -d c:d -b oraclelicense=accept https://example.com",
            "curl --user",
            "wget --password https://example.com",
            "wget -p https://example.com",
            "mkdir -p secret",
            "sshpass -e ssh host",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
