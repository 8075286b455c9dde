//! Which names and values look like secrets. Values are only looked at here, never kept.

/// The word that makes a name look like that of a secret: `PASSWORD` in `DB_PASSWORD`.
///
/// Not when it says where the secret lies or how it is handled (`PASSWORD_FILE`, `TOKEN_TTL`), nor for public keys.
pub fn secret_word(name: &str) -> Option<&'static str> {
    const SINGLE: [&str; 11] = [
        "PASSWORD",
        "PASSWD",
        "PASS",
        "PWD",
        "SECRET",
        "TOKEN",
        "APIKEY",
        "CREDENTIAL",
        "CREDENTIALS",
        "DSN",
        "PASSPHRASE",
    ];
    const PAIRS: [(&str, &str, &str); 3] = [
        ("API", "KEY", "API_KEY"),
        ("PRIVATE", "KEY", "PRIVATE_KEY"),
        ("ACCESS", "KEY", "ACCESS_KEY"),
    ];
    const EXCLUDED: [&str; 27] = [
        "FILE",
        "PATH",
        "DIR",
        "URL",
        "URI",
        "NAME",
        "REF",
        "ID",
        "TTL",
        "TIMEOUT",
        "EXPIRY",
        "LENGTH",
        "HEADER",
        "MODE",
        "ENABLED",
        "ISSUER",
        "AUDIENCE",
        "TYPE",
        "ALGORITHM",
        "ENDPOINT",
        "AUDIENCES",
        "PATTERN",
        "REGEX",
        "POLICY",
        "LIFETIME",
        "HTML",
        "MD",
    ];
    if name.len() > 256 {
        return None;
    }
    let words = words(name);
    let is = |wanted: &str| words.iter().any(|w| w == wanted);
    if words.last().is_some_and(|w| EXCLUDED.contains(&w.as_str())) || is("PUBLIC") {
        return None;
    }
    // The shell's working directory.
    if words.len() == 1 && is("PWD") {
        return None;
    }
    let pair = |(a, b, _): &&(&str, &str, &str)| words.windows(2).any(|w| w[0] == *a && w[1] == *b);
    SINGLE.iter().find(|s| is(s)).copied().or_else(|| PAIRS.iter().find(pair).map(|p| p.2))
}

/// `dbPassword`, `db-password` and `DB_PASSWORD` are the words DB and PASSWORD.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && lower_before) {
            words.push(String::new());
        }
        lower_before = c.is_ascii_lowercase();
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_uppercase());
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

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
    let reference = value.contains("$(") || value.starts_with("${") || value.contains("{{");
    let path = value.starts_with('/') || value.starts_with("./");
    let plain_url = value.contains("://") && credential_url(value).is_none();
    !(value.is_empty() || switch || number || duration || reference || path || plain_url)
}

/// Why a literal value is taken for a secret: the word in its name, or what its shape is.
///
/// Certificates and public keys are none, whatever they are called.
pub fn looks_secret(name: &str, value: &str) -> Option<&'static str> {
    if let Some(shape) = token_shape(value) {
        return Some(shape);
    }
    let public = ["-----BEGIN CERTIFICATE", "PUBLIC KEY-----"].iter().any(|p| value.contains(p));
    secret_word(name).filter(|_| !public && may_be_secret(value))
}

/// What kind of secret a value is by its shape, whatever its name.
pub fn token_shape(value: &str) -> Option<&'static str> {
    let value = value.trim();
    if value.contains("-----BEGIN ") && value.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    let shapes: [(&str, usize, &str); 16] = [
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
        ("sk_live_", 16, "a Stripe key"),
        ("rk_live_", 16, "a Stripe key"),
        ("AIza", 35, "a Google API key"),
        ("npm_", 36, "an npm token"),
        ("hvs.", 24, "a Vault token"),
    ];
    let body = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    for (prefix, least, what) in shapes {
        if value
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.len() >= least && rest.bytes().all(body))
        {
            return Some(what);
        }
    }
    let parts: Vec<&str> = value.splitn(4, '.').collect();
    if parts.len() == 3
        && parts[0].starts_with("eyJ")
        && parts.iter().all(|p| p.len() > 8 && p.bytes().all(body))
    {
        return Some("a JSON web token");
    }
    credential_url(value).map(|_| "a URL with a password")
}

/// The user of `scheme://user:password@host`, unless the password is a reference.
fn credential_url(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user_info, _) = authority.rsplit_once('@')?;
    let (user, password) = user_info.split_once(':')?;
    let literal = !password.is_empty() && !password.starts_with('$') && !password.starts_with("{{");
    literal.then_some(user)
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
        ] {
            assert!(!may_be_secret(value), "{value}");
        }
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
            format!("-----BEGIN RSA {}-----\nx", "PRIVATE KEY"),
            format!("{}.{}.{}", "eyJhbGciOiJ", "eyJzdWIiOiIx", "c2lnbmF0dXJl"),
            "amqp://user:hunter2@mq:5672/".to_owned(),
        ] {
            assert!(token_shape(&value).is_some(), "{value}");
        }
        for value in [
            "AKIA",
            "ghp_short",
            "https://user@host/",
            "http://h/a:b@c",
            "amqp://u:$(PASS)@mq",
            "1.2.3",
            "eyJ.a.b",
            "-----BEGIN CERTIFICATE-----",
        ] {
            assert_eq!(token_shape(value), None, "{value}");
        }
    }
}
