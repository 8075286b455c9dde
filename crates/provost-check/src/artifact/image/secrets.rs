//! Files of a layer that hold secrets, told by name and shape. Their bytes are looked at while the
//! layer is streamed and go no further; what is kept is the path and what it is.

use serde_json::Value;

use crate::model::secret::{
    SHORTEST_KEY, is_placeholder, is_private_key, looks_secret, token_shape,
};

/// Bytes of such a file; larger ones are something else.
const LARGEST: u64 = 256 << 10;

/// How many bytes of a file are worth reading: none, unless its name is one of those that secrets
/// have and its folder is none of tests, documentation or other people's packages.
pub(super) fn worth(path: &str) -> u64 {
    let name = path.rsplit('/').next().unwrap_or_default();
    if kind(path, name).is_some() && !is_sample(path) { LARGEST } else { 0 }
}

/// What a file holds, when that is a secret.
pub(super) fn find(path: &str, bytes: &[u8]) -> Option<&'static str> {
    if bytes.len() as u64 > LARGEST {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let name = path.rsplit('/').next().unwrap_or_default();
    match kind(path, name)? {
        Kind::Key => is_private_key(&text).then_some("a private key"),
        Kind::GitCredentials => {
            let url = |line: &str| line.contains("://") && token_shape(line).is_some();
            text.lines().any(url).then_some("a password of git")
        }
        Kind::Netrc => {
            let mut words = text.split_whitespace();
            let password = words.any(|word| word == "password");
            (password && words.next().is_some_and(is_literal)).then_some("a password of netrc")
        }
        Kind::Docker => docker(&text).then_some("a registry's credentials"),
        Kind::Kubeconfig => {
            let key = |line: &str, key: &str, least: usize| {
                let value = line.trim_start().strip_prefix(key);
                value.is_some_and(|v| v.trim().trim_matches('"').len() >= least)
            };
            text.lines()
                .any(|line| key(line, "client-key-data:", SHORTEST_KEY) || key(line, "token:", 20))
                .then_some("a cluster's credentials")
        }
        Kind::Env => {
            let secret = |line: &str| {
                let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
                line.split_once('=').is_some_and(|(name, value)| {
                    let value = value.trim().trim_matches(['"', '\'']);
                    !line.starts_with('#')
                        && value.len() >= 6
                        && is_literal(value)
                        && looks_secret(name.trim(), value).is_some()
                })
            };
            text.lines().any(secret).then_some("passwords or tokens")
        }
        Kind::Npm => after(&text, &["_authToken=", "_password="]).then_some("a token of npm"),
        Kind::Aws => after(&text, &["aws_secret_access_key"]).then_some("an AWS secret key"),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Key,
    GitCredentials,
    Netrc,
    Docker,
    Kubeconfig,
    Env,
    Npm,
    Aws,
}

fn kind(path: &str, name: &str) -> Option<Kind> {
    let parent = path.rsplit('/').nth(1).unwrap_or_default();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    Some(match name {
        "id_rsa" | "id_dsa" | "id_ecdsa" | "id_ed25519" => Kind::Key,
        ".git-credentials" => Kind::GitCredentials,
        ".netrc" | "_netrc" => Kind::Netrc,
        ".dockercfg" | ".dockerconfigjson" => Kind::Docker,
        "config.json" if parent == ".docker" => Kind::Docker,
        "kubeconfig" => Kind::Kubeconfig,
        "config" if parent == ".kube" => Kind::Kubeconfig,
        "config" if parent == ".git" => Kind::GitCredentials,
        "credentials" if parent == ".aws" => Kind::Aws,
        ".npmrc" => Kind::Npm,
        ".env" => Kind::Env,
        _ if name.starts_with(".env.") => {
            let sample = ["example", "sample", "template", "dist", "tpl", "defaults"];
            return (!sample.contains(&extension)).then_some(Kind::Env);
        }
        _ => match extension {
            "pem" | "key" | "pkcs8" => Kind::Key,
            "kubeconfig" => Kind::Kubeconfig,
            "json"
                if ["credential", "service-account", "service_account", "serviceaccount"]
                    .iter()
                    .any(|word| stem.contains(word)) =>
            {
                Kind::Key
            }
            _ => return None,
        },
    })
}

/// Folders of tests and documentation, of toolchains and of packages that others made: keys that
/// lie there are meant to be read.
pub(super) fn is_sample(path: &str) -> bool {
    const FOLDERS: &[&str] = &[
        "test",
        "tests",
        "testdata",
        "testing",
        "example",
        "examples",
        "doc",
        "docs",
        "fixtures",
        "site-packages",
        "dist-packages",
        "node_modules",
        "share",
        "mod",
        "gems",
    ];
    let in_go = path.trim_start_matches(['.', '/']).starts_with("usr/local/go/");
    let snakeoil = path.ends_with("ssl-cert-snakeoil.key");
    in_go || snakeoil || path.split('/').any(|part| FOLDERS.contains(&part))
}

fn docker(text: &str) -> bool {
    let Ok(config) = serde_json::from_str::<Value>(text) else { return false };
    let auths = config.get("auths").unwrap_or(&config);
    let has = |entry: &Value| {
        ["auth", "password", "identitytoken"]
            .iter()
            .any(|key| entry.get(key).and_then(Value::as_str).is_some_and(|v| v.len() >= 4))
    };
    auths.as_object().is_some_and(|all| all.values().any(has))
}

/// Whether one of the keys has a value of its own.
fn after(text: &str, keys: &[&str]) -> bool {
    text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])).any(|line| {
        keys.iter().any(|key| {
            let value = line.find(key).map(|at| &line[at + key.len()..]);
            value.is_some_and(|v| {
                let value = v.trim_start_matches([' ', '=', ':']).trim();
                value.len() >= 8 && is_literal(value)
            })
        })
    })
}

/// Neither a reference nor what somebody is to put in its place.
fn is_literal(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let filler = ["xxx", "your", "example"];
    !value.starts_with(['$', '<', '{', '%'])
        && !is_placeholder(value)
        && !filler.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::{find, worth};

    #[test]
    fn secrets_by_name_and_shape() {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj".repeat(2);
        let pem = |label: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        let key = pem("RSA PRIVATE KEY");
        let json = format!("{{\"private_key\": \"{}\"}}", pem("PRIVATE KEY").replace('\n', "\\n"));
        let found = [
            ("root/.ssh/id_ed25519", pem("OPENSSH PRIVATE KEY"), "a private key"),
            ("etc/tls/server.key", key.clone(), "a private key"),
            ("app/service-account.json", json, "a private key"),
            (
                "root/.git-credentials",
                "https://me:hunter22@git.shop.dev\n".into(),
                "a password of git",
            ),
            (
                "src/.git/config",
                "\turl = https://ci:hunter22@git.shop.dev/x\n".into(),
                "a password of git",
            ),
            (
                "root/.netrc",
                "machine git.shop.dev\nlogin ci password hunter22".into(),
                "a password of netrc",
            ),
            (
                "root/.docker/config.json",
                r#"{"auths": {"registry.shop.dev": {"auth": "bWU6aHVudGVyMg=="}}}"#.into(),
                "a registry's credentials",
            ),
            (
                "root/.kube/config",
                format!("users:\n- user:\n    client-key-data: {body}\n"),
                "a cluster's credentials",
            ),
            (
                "app/.env",
                "LOG_LEVEL=debug\nexport DB_PASSWORD='hunter22'\n".into(),
                "passwords or tokens",
            ),
            ("app/.env.production", "API_KEY=f00ba4f00ba4\n".into(), "passwords or tokens"),
            ("app/.npmrc", "//npm.shop.dev/:_authToken=0123456789ab\n".into(), "a token of npm"),
            (
                "root/.aws/credentials",
                "aws_secret_access_key = wJalrXUtnFEMIbPxRfiCY\n".into(),
                "an AWS secret key",
            ),
        ];
        for (path, text, what) in &found {
            assert!(worth(path) > 0, "{path}");
            assert_eq!(find(path, text.as_bytes()), Some(*what), "{path}");
        }
        for (path, text) in [
            ("etc/ssl/certs/ca.pem", pem("CERTIFICATE")),
            ("app/encrypted.key", pem("ENCRYPTED PRIVATE KEY")),
            ("app/short.key", "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----".into()),
            ("root/.docker/config.json", r#"{"credsStore": "ecr-login"}"#.into()),
            (
                "app/.env",
                "# DB_PASSWORD=hunter22\nDB_PASSWORD=${DB_PASSWORD}\nTOKEN=changeme\nPORT=8080"
                    .into(),
            ),
            ("app/.npmrc", "//npm.shop.dev/:_authToken=${NPM_TOKEN}\n".into()),
            ("src/.git/config", "url = https://git.shop.dev/x".into()),
        ] {
            assert_eq!(find(path, text.as_bytes()), None, "{path}");
        }
        for path in [
            "usr/local/go/src/crypto/tls/testdata/key.pem",
            "go/pkg/mod/golang.org/x/net@v0.1.0/h2.key",
            "usr/share/doc/x/id_rsa",
            "app/.env.example",
            "etc/ssl/private/ssl-cert-snakeoil.key",
            "app/server",
        ] {
            assert_eq!(worth(path), 0, "{path}");
        }
    }
}
