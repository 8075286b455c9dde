//! What stands for a value of a Secret: of the kind that a program takes at that place, so that it starts, and with
//! something in it that is found wherever it gets out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::certificate::Pair;

/// Which kind of content a key of a Secret has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Certificate,
    PrivateKey,
    /// Both, for what reads one of them passes over the other.
    CertificateAndKey,
    Json,
    Yaml,
    Toml,
    /// `NAME=VALUE`
    Pairs,
    /// Logins of registries.
    DockerConfig,
}

impl Kind {
    /// By the type of the Secret and the name of the key.
    pub(super) fn of(secret_type: Option<&str>, key: &str) -> Self {
        let key = key.to_ascii_lowercase();
        let stem = key.rsplit_once('.').map_or(key.as_str(), |(stem, _)| stem);
        let is_key =
            stem.split(['-', '_', '.']).any(|word| word == "key") || stem.ends_with("privatekey");
        match (secret_type, key.as_str()) {
            (Some("kubernetes.io/tls"), "tls.crt" | "ca.crt") => return Self::Certificate,
            (Some("kubernetes.io/tls"), "tls.key") => return Self::PrivateKey,
            (_, "ssh-privatekey" | "private-key" | "private_key" | "privatekey") => {
                return Self::PrivateKey;
            }
            (_, ".dockerconfigjson") => return Self::DockerConfig,
            (_, "ca-bundle" | "ca-cert" | "tls-cert" | "client-cert" | "certificate") => {
                return Self::Certificate;
            }
            _ => {}
        }
        let Some((_, extension)) = key.rsplit_once('.') else { return Self::Text };
        match extension {
            "crt" | "cert" | "cer" => Self::Certificate,
            "key" => Self::PrivateKey,
            "pem" if is_key || stem == "private" => Self::PrivateKey,
            "pem" if stem.contains("cert") || stem.contains("chain") || is_authority(stem) => {
                Self::Certificate
            }
            "pem" => Self::CertificateAndKey,
            "json" => Self::Json,
            "yaml" | "yml" => Self::Yaml,
            "toml" => Self::Toml,
            "env" | "properties" | "ini" | "conf" | "cfg" => Self::Pairs,
            _ => Self::Text,
        }
    }

    /// Whether it takes a certificate or its key.
    pub(super) fn is_of_pair(self) -> bool {
        matches!(self, Self::Certificate | Self::PrivateKey | Self::CertificateAndKey)
    }

    /// In a sentence.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Certificate => "a certificate that signs itself",
            Self::PrivateKey => "the key of a certificate",
            Self::CertificateAndKey => "a certificate and its key",
            Self::Json => "an object of JSON",
            Self::Yaml => "a mapping of YAML",
            Self::Toml => "a table of TOML",
            Self::Pairs => "a pair of name and value",
            Self::DockerConfig => "a login of a registry",
        }
    }
}

/// Names of files of authorities.
fn is_authority(stem: &str) -> bool {
    stem.split(['-', '_', '.']).any(|word| matches!(word, "ca" | "cacerts" | "bundle" | "root"))
}

/// A value, and the texts in it that nobody may show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) text: String,
    pub(super) secret: Vec<String>,
}

/// Makes one around a text that occurs nowhere else.
pub(super) fn make(kind: Kind, canary: &str, pair: Option<&Pair>) -> Made {
    let own = |text: String| Made { text, secret: vec![canary.to_owned()] };
    // Each line of it is as good as all.
    let lines = |key: &str| -> Vec<String> {
        key.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned).collect()
    };
    match (kind, pair) {
        // What is public is no secret.
        (Kind::Certificate, Some(pair)) => {
            Made { text: pair.certificate.clone(), secret: Vec::new() }
        }
        (Kind::PrivateKey, Some(pair)) => Made { text: pair.key.clone(), secret: lines(&pair.key) },
        (Kind::CertificateAndKey, Some(pair)) => {
            Made { text: format!("{}{}", pair.certificate, pair.key), secret: lines(&pair.key) }
        }
        (Kind::Json, _) => own(format!("{{\"canary\": \"{canary}\"}}")),
        (Kind::Yaml, _) => own(format!("canary: {canary}\n")),
        (Kind::Toml, _) => own(format!("canary = \"{canary}\"\n")),
        (Kind::Pairs, _) => own(format!("canary={canary}\n")),
        (Kind::DockerConfig, _) => {
            let login = STANDARD.encode(format!("canary:{canary}"));
            let text = format!(
                "{{\"auths\": {{\"registry.invalid\": {{\"username\": \"canary\", \"password\": \"{canary}\", \"auth\": \"{login}\"}}}}}}"
            );
            Made { text, secret: vec![canary.to_owned(), login] }
        }
        _ => own(canary.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_type_and_name() {
        use Kind::{
            Certificate, CertificateAndKey, DockerConfig, Json, Pairs, PrivateKey, Text, Yaml,
        };
        for (secret_type, key, kind) in [
            (Some("kubernetes.io/tls"), "tls.crt", Certificate),
            (Some("kubernetes.io/tls"), "tls.key", PrivateKey),
            (None, "ca.crt", Certificate),
            (None, "server.key", PrivateKey),
            (None, "server-key.pem", PrivateKey),
            (None, "key.pem", PrivateKey),
            (None, "ca-bundle.pem", Certificate),
            (None, "fullchain.pem", Certificate),
            (None, "server.pem", CertificateAndKey),
            (Some("kubernetes.io/ssh-auth"), "ssh-privatekey", PrivateKey),
            (Some("kubernetes.io/dockerconfigjson"), ".dockerconfigjson", DockerConfig),
            (None, "credentials.json", Json),
            (None, "config.YAML", Yaml),
            (None, "app.properties", Pairs),
            (None, "token", Text),
            (None, "api-key", Text),
            (None, "monkey.pem", CertificateAndKey),
            (None, "password.txt", Text),
        ] {
            assert_eq!(Kind::of(secret_type, key), kind, "{key}");
        }
    }

    #[test]
    fn what_is_made_is_of_its_kind_and_holds_what_is_looked_for() {
        for kind in [Kind::Json, Kind::DockerConfig] {
            let made = make(kind, "canary-1", None);
            let read: serde_json::Value = serde_json::from_str(&made.text).unwrap();
            assert!(
                read.is_object() && made.secret.iter().all(|it| made.text.contains(it)),
                "{made:?}"
            );
        }
        let made = make(Kind::Toml, "canary-1", None);
        assert_eq!(made.text.parse::<toml::Table>().unwrap()["canary"].as_str(), Some("canary-1"));
        // Without a certificate there is still something to be found.
        assert_eq!(make(Kind::PrivateKey, "canary-1", None).text, "canary-1");
        let pair = Pair {
            certificate: "-----BEGIN\nPUBLIC\n-----END\n".to_owned(),
            key: "-----BEGIN\nAAAA\nBBBB\n-----END\n".to_owned(),
        };
        assert_eq!(make(Kind::PrivateKey, "c", Some(&pair)).secret, ["AAAA", "BBBB"]);
        assert!(make(Kind::Certificate, "c", Some(&pair)).secret.is_empty());
    }
}
