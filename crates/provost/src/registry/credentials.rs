//! Logins as docker keeps them: `config.json` and the programs that it names.
//!
//! Format: github.com/docker/cli `cli/config/configfile`; protocol of the programs:
//! github.com/docker/docker-credential-helpers.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use crate::process::{self, Limits};

/// A configuration larger than this is none.
const MOST_BYTES: u64 = 4 << 20;

/// A program that keeps logins may ask a person to unlock them.
const PATIENCE: Duration = Duration::from_secs(60);

/// A login. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// User and password.
    Basic(String, String),
    /// Exchanged for a token.
    Identity(String),
    /// A token already.
    Token(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

/// What is known of a registry.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) credential: Option<Credential>,
    /// Where it comes from, or why there is none: the end of "is refused:" and "a login is needed:".
    pub(super) source: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct File {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    username: String,
    secret: String,
}

/// Looks for the login of a registry, by the name that docker's configuration has for it.
pub(super) fn find(registry: &str, interrupted: &AtomicBool) -> Login {
    let none = |source: String| Login { credential: None, source };
    let Some(path) = path() else {
        return none("neither DOCKER_CONFIG nor HOME says where docker keeps logins".to_owned());
    };
    let shown = path.display();
    let file = match read(&path) {
        Ok(Some(file)) => file,
        Ok(None) => return none(format!("{shown} does not exist")),
        Err(why) => return none(format!("{shown} {why}")),
    };
    let host = host_of(registry);
    let helper = file.cred_helpers.get(host).or_else(|| file.cred_helpers.get(registry));
    let mut why = format!("{shown} has none for {host}");
    if let Some(helper) = helper.or(file.creds_store.as_ref()) {
        match ask(helper, registry, interrupted) {
            Ok(Some(credential)) => {
                let source = format!("the one of docker-credential-{helper}");
                return Login { credential: Some(credential), source };
            }
            Ok(None) => why = format!("docker-credential-{helper} has none for {host}"),
            Err(error) => why = error,
        }
    }
    let entry = file.auths.get(registry).or_else(|| {
        let mut fitting = file.auths.iter().filter(|(key, _)| host_of(key) == host);
        fitting.next().map(|(_, entry)| entry)
    });
    match entry.map(credential) {
        Some(Some(credential)) => {
            Login { credential: Some(credential), source: format!("the one of {shown}") }
        }
        _ => none(why),
    }
}

fn path() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")))?;
    Some(folder.join("config.json"))
}

fn read(path: &PathBuf) -> Result<Option<File>, String> {
    let cannot = |error: &std::io::Error| {
        let text = error.to_string();
        format!("cannot be read: {}", text.split(" (os error").next().unwrap_or_default())
    };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(&error)),
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("has more than {MOST_BYTES} bytes"));
    }
    // The parser's own words quote what it found, which may be a password.
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("is no configuration of docker's (line {line}, column {column})")
    })
}

/// `registry.example` of `https://registry.example/v1/`.
fn host_of(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    key.split('/').next().unwrap_or_default()
}

fn credential(entry: &Entry) -> Option<Credential> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if let Some(token) = given(&entry.registrytoken) {
        return Some(Credential::Token(token));
    }
    if let Some(token) = given(&entry.identitytoken) {
        return Some(Credential::Identity(token));
    }
    if let Some(auth) = given(&entry.auth) {
        let config =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
        let text = String::from_utf8(engine.decode(auth.trim()).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        let password = password.trim_end_matches('\0');
        return Some(Credential::Basic(user.to_owned(), password.to_owned()));
    }
    Some(Credential::Basic(given(&entry.username)?, given(&entry.password)?))
}

/// Asks a program that keeps logins.
fn ask(name: &str, registry: &str, interrupted: &AtomicBool) -> Result<Option<Credential>, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.is_empty() || !name.bytes().all(plain) {
        return Err("the name of its credential helper is none of a program".to_owned());
    }
    let program = format!("docker-credential-{name}");
    let Some(path) = process::on_path(&program) else {
        return Err(format!("{program} is not on PATH"));
    };
    let mut command = Command::new(path);
    command.arg("get").stdout(Stdio::piped());
    let limits = Limits { time: Some(PATIENCE), output: Some(64 << 10), memory: None };
    let done = match process::run_with_input(command, registry.as_bytes(), limits, interrupted) {
        Ok(Ok(done)) => done,
        Ok(Err(_)) | Err(_) => return Err(format!("{program} cannot be run")),
    };
    // What it says may be a secret, and is not repeated.
    let said = String::from_utf8_lossy(&done.stdout);
    if let Some(stopped) = done.stopped {
        return Err(match stopped {
            process::Stopped::Interrupted => format!("{program} was interrupted"),
            process::Stopped::Time => format!("{program} took more than {} s", PATIENCE.as_secs()),
            process::Stopped::Output => format!("{program} says too much"),
            process::Stopped::Held | process::Stopped::Unreadable(_) => {
                format!("what {program} says cannot be read to its end")
            }
        });
    }
    if !done.status.success() {
        // `errCredentialsNotFound` of docker-credential-helpers.
        return if said.contains("credentials not found") {
            Ok(None)
        } else {
            Err(format!("{program} fails; run it by hand: echo {registry} | {program} get"))
        };
    }
    let Ok(said) = serde_json::from_str::<Said>(&said) else {
        return Err(format!("{program} answers with what is no login"));
    };
    Ok(match (said.username.as_str(), said.secret) {
        (_, secret) if secret.is_empty() => None,
        ("<token>", secret) => Some(Credential::Identity(secret)),
        (_, secret) => Some(Credential::Basic(said.username, secret)),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "they are tests")]

    use super::*;

    #[test]
    fn entries_are_read_as_docker_writes_them() {
        let read = |json: &str| credential(&serde_json::from_str(json).unwrap());
        let basic = |user: &str, secret: &str| Some(Credential::Basic(user.into(), secret.into()));
        assert_eq!(read(r#"{"auth": "dXNlcjpwYTpzcw=="}"#), basic("user", "pa:ss"));
        assert_eq!(read(r#"{"auth": "dXNlcjpwYTpzcw"}"#), basic("user", "pa:ss"));
        assert_eq!(read(r#"{"username": "u", "password": "p"}"#), basic("u", "p"));
        assert_eq!(
            read(r#"{"auth": "dTpw", "identitytoken": "i"}"#),
            Some(Credential::Identity("i".into()))
        );
        for none in ["{}", r#"{"auth": ""}"#, r#"{"auth": "???"}"#, r#"{"username": "u"}"#] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(host_of("https://index.docker.io/v1/"), "index.docker.io");
        assert_eq!(host_of("127.0.0.1:5000"), "127.0.0.1:5000");
    }

    #[test]
    fn a_login_is_not_shown() {
        let secret = Credential::Basic("user".into(), "kanarie".into());
        assert!(!format!("{secret:?}").contains("kanarie"));
    }
}
