//! What stands for a value of a Secret: of the kind that a program takes at that place, so that it starts, and with
//! something in it that is found wherever it gets out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provost_check::facts::proof::Says;

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
    /// An address with a login in it, of that scheme.
    Url(&'static str),
    /// The same as Go's driver for MySQL writes it.
    MysqlDsn,
    /// Host and port.
    HostPort,
    /// The name of a host.
    Host,
    /// The number of a port.
    Port,
    /// 32 bytes in base64, which are a text for whoever wants one.
    Key,
}

/// Schemes by words of a name; the first that is found counts.
const SCHEMES: &[(&str, &str)] = &[
    ("MYSQL", "mysql"),
    ("MARIADB", "mysql"),
    ("MONGO", "mongodb"),
    ("MONGODB", "mongodb"),
    ("REDIS", "redis"),
    ("VALKEY", "redis"),
    ("CACHE", "redis"),
    ("AMQP", "amqp"),
    ("RABBITMQ", "amqp"),
    ("RABBIT", "amqp"),
    ("NATS", "nats"),
    ("CLICKHOUSE", "clickhouse"),
    ("POSTGRES", "postgres"),
    ("POSTGRESQL", "postgres"),
    ("PG", "postgres"),
    ("SQL", "postgres"),
    ("DATABASE", "postgres"),
    ("DB", "postgres"),
    ("DSN", "postgres"),
];

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

    /// By the name of the variable that holds it and of its key, where neither says that it is a file: which kind
    /// programs take there, since one that checks its settings would end at a text.
    pub(super) fn of_variable(variable: &str, key: &str) -> Self {
        let (variable, key) = (words(variable), words(key));
        let all = || variable.iter().chain(&key).map(String::as_str);
        let last = |names: &[&str]| {
            [&variable, &key]
                .iter()
                .any(|words| words.last().is_some_and(|last| names.contains(&last.as_str())))
        };
        let scheme = SCHEMES.iter().find(|(word, _)| all().any(|known| known == *word));
        let scheme = scheme.map(|(_, scheme)| *scheme);
        let connection = all().any(|word| word == "CONNECTION") && last(&["STRING"]);
        if last(&["DSN"]) && all().any(|word| word == "SENTRY") {
            return Self::Url("https");
        }
        if last(&["DSN"]) && scheme == Some("mysql") {
            return Self::MysqlDsn;
        }
        if last(&["URL", "URI", "DSN"]) || connection {
            return Self::Url(scheme.unwrap_or("https"));
        }
        if last(&["PORT"]) {
            return Self::Port;
        }
        if last(&["ADDR", "ADDRESS", "BROKER", "BROKERS", "HOSTPORT"]) {
            return Self::HostPort;
        }
        if last(&["HOST", "HOSTS", "HOSTNAME", "SERVER", "SERVERS", "ENDPOINT", "ENDPOINTS"]) {
            return Self::Host;
        }
        if last(&["KEY"]) { Self::Key } else { Self::Text }
    }

    /// Whether it takes a certificate or its key.
    pub(super) fn is_of_pair(self) -> bool {
        matches!(self, Self::Certificate | Self::PrivateKey | Self::CertificateAndKey)
    }

    /// What it says to the program that reads it under that key. A certificate and its key are as good as real ones;
    /// what else is called a key may have to be of RSA, or no key of a certificate at all.
    pub(super) fn says(self, key: &str) -> Says {
        match self {
            Self::Json | Self::Yaml | Self::Toml | Self::Pairs => Says::Anything,
            Self::Url(_) | Self::MysqlDsn | Self::HostPort | Self::Host | Self::Port => Says::Place,
            Self::Certificate | Self::CertificateAndKey => Says::Identity,
            Self::PrivateKey if key == "tls.key" => Says::Identity,
            Self::Text | Self::DockerConfig | Self::Key | Self::PrivateKey => Says::Secret,
        }
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
            Self::Url(_) => "a URL",
            Self::MysqlDsn => "a data source name",
            Self::HostPort => "a host and a port",
            Self::Host => "the name of a host",
            Self::Port => "a number",
            Self::Key => "a key of 32 bytes in base64",
        }
    }
}

/// The words of a name, in capitals.
fn words(name: &str) -> Vec<String> {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_ascii_uppercase).collect()
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
        // Nobody is there, and a look-up of the name would be one of the network.
        (Kind::Url(scheme), _) => {
            let port = match scheme {
                "mysql" => 3306,
                "mongodb" => 27017,
                "redis" => 6379,
                "amqp" => 5672,
                "nats" => 4222,
                "clickhouse" => 9000,
                "postgres" => 5432,
                _ => 443,
            };
            // Of some the path is a number: of a database of Redis, a project of Sentry.
            let path = if matches!(scheme, "redis" | "https") { "1" } else { "canary" };
            own(format!("{scheme}://canary:{canary}@127.0.0.1:{port}/{path}"))
        }
        (Kind::MysqlDsn, _) => own(format!("canary:{canary}@tcp(127.0.0.1:3306)/canary")),
        (Kind::HostPort, _) => own(format!("{canary}:443")),
        // There is nothing in it that could be told from other numbers.
        (Kind::Port, _) => Made { text: "5432".to_owned(), secret: Vec::new() },
        (Kind::Key, _) => {
            let bytes: String = canary.chars().chain("z".repeat(KEY).chars()).take(KEY).collect();
            let text = STANDARD.encode(&bytes);
            Made { secret: vec![text.clone(), canary.to_owned()], text }
        }
        _ => own(canary.to_owned()),
    }
}

/// Bytes of a key, as AES-256 and the common signatures take them.
const KEY: usize = 32;

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
    fn a_key_that_is_of_no_certificate_may_have_to_be_of_another_kind() {
        let says = |key: &str| Kind::of(None, key).says(key);
        assert_eq!(says("tls.key"), Says::Identity);
        assert_eq!(says("tls.crt"), Says::Identity);
        for key in ["private-key.pem", "session.key", "license.key", "privatekey"] {
            assert_eq!(says(key), Says::Secret, "{key}");
        }
    }

    #[test]
    fn a_variable_of_a_secret_is_of_the_kind_that_its_name_says() {
        for (variable, key, kind) in [
            ("DATABASE_URL", "url", Kind::Url("postgres")),
            ("DB_DSN", "value", Kind::Url("postgres")),
            ("STORE", "mysql-dsn", Kind::MysqlDsn),
            ("REDIS_URL", "REDIS_URL", Kind::Url("redis")),
            ("MONGODB_URI", "uri", Kind::Url("mongodb")),
            ("SENTRY_DSN", "dsn", Kind::Url("https")),
            ("WEBHOOK_URL", "hook", Kind::Url("https")),
            ("DB_CONNECTION_STRING", "db", Kind::Url("postgres")),
            ("SMTP_PORT", "port", Kind::Port),
            ("KAFKA_BROKERS", "brokers", Kind::HostPort),
            ("DB_HOST", "host", Kind::Host),
            ("SESSION_KEY", "session", Kind::Key),
            ("API_TOKEN", "token", Kind::Text),
            ("DATABASE_PASSWORD", "password", Kind::Text),
            ("MONKEY", "curl", Kind::Text),
        ] {
            assert_eq!(Kind::of_variable(variable, key), kind, "{variable} {key}");
        }
    }

    #[test]
    fn a_url_that_is_made_up_has_the_parts_of_one_and_a_key_its_length() {
        let canary = "canary-0123456789abcdef-12z";
        let made = make(Kind::Url("postgres"), canary, None);
        assert_eq!(made.text, format!("postgres://canary:{canary}@127.0.0.1:5432/canary"));
        assert_eq!(made.secret, [canary]);
        let made = make(Kind::Key, canary, None);
        let bytes = STANDARD.decode(&made.text).unwrap();
        assert!(bytes.len() == KEY && bytes.starts_with(canary.as_bytes()), "{made:?}");
        assert!(made.secret.contains(&made.text), "{made:?}");
        assert!(make(Kind::Port, canary, None).text.parse::<u16>().is_ok());
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
