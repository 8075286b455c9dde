//! Names that secrets go by: of variables, flags, keys, headers.

/// The word that makes a name look like that of a secret: `PASSWORD` in `DB_PASSWORD`.
///
/// Not when it says where the secret lies or how it is handled (`PASSWORD_FILE`, `TOKEN_TTL`), nor
/// for public keys.
pub fn secret_word(name: &str) -> Option<&'static str> {
    // Every text with an equals sign comes by here.
    if name.len() > 256 || !may_hold_word(name) {
        return None;
    }
    let words = words(name);
    let is = |wanted: &str| words.iter().any(|w| w == wanted);
    if words.last().is_some_and(|w| EXCLUDED.contains(&w.as_str())) || is("PUBLIC") {
        return None;
    }
    // `passwordFromEnv` of KEDA names the variable.
    if words.ends_with(&["FROM".to_owned(), "ENV".to_owned()]) {
        return None;
    }
    // Of a Secret of Kubernetes it is the name.
    let cluster = |w: &String| matches!(w.as_str(), "KUBE" | "K8S" | "KUBERNETES");
    let is_of_cluster = |w: &String| cluster(w) || w == "EXISTING";
    if matches!(words.as_slice(), [.., owner, last] if is_of_cluster(owner) && last == "SECRET") {
        return None;
    }
    // The shell's working directory.
    if words.len() == 1 && is("PWD") {
        return None;
    }
    let pair = |(a, b, _): &&(&str, &str, &str)| words.windows(2).any(|w| w[0] == *a && w[1] == *b);
    let glued = |end: &&&str| words.iter().any(|w| w.len() > end.len() && w.ends_with(**end));
    let plain = SINGLE.iter().find(|s| is(s)).copied();
    let plain = plain.or_else(|| PAIRS.iter().find(pair).map(|p| p.2));
    let plain =
        plain.or_else(|| LAST.iter().find(|l| words.last().is_some_and(|w| w == *l)).copied());
    plain.or_else(|| GLUED.iter().find(glued).copied())
}

/// Whether a key ends in the name of a secret, as that of any object, file or comment may: what is
/// written for it is a secret, whatever else it is about. `secretFoo` and `tokenReview` are none.
pub fn is_secret_key(key: &str) -> bool {
    if secret_word(key).is_none() {
        return false;
    }
    let words = words(key);
    let last = words.last().map(String::as_str).unwrap_or_default();
    let pair = match words.as_slice() {
        [.., a, b] => PAIRS.iter().any(|pair| pair.0 == a && pair.1 == b),
        _ => false,
    };
    pair || SINGLE.contains(&last)
        || LAST.contains(&last)
        || GLUED.iter().any(|end| last.ends_with(end))
}

/// Whether a key below that of a secret says where the secret lies or how it is handled, and is no part of
/// it: `path` below `serviceAccountToken`, `secretKeyRef` below `password`.
pub fn is_about_secret(key: &str) -> bool {
    let words = words(key);
    let last = words.last().map(String::as_str).unwrap_or_default();
    let about = ["KEY", "ITEMS", "OPTIONAL", "PROPERTY", "DESCRIPTION", "LABELS", "ANNOTATIONS"];
    EXCLUDED.contains(&last) || last == "FROM" || words.len() == 1 && about.contains(&last)
}

/// Whether what a word names may as well be no secret: a signing key's name, a mode of
/// authentication. Then only a value that looks made by a machine is one.
pub(super) fn is_weak(word: &str) -> bool {
    let plain = ["API_KEY", "PRIVATE_KEY", "ACCESS_KEY"];
    PAIRS.iter().any(|pair| pair.2 == word) && !plain.contains(&word)
        || matches!(word, "AUTHORIZATION" | "JWT" | "PEPPER")
}

/// Whether the value of a header lets somebody in.
pub fn is_secret_header(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    let is_name = !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let parts = ["auth", "cookie", "token", "key", "secret", "password"];
    is_name && parts.iter().any(|part| name.contains(part))
}

/// Words that are a secret's only where nothing stands behind them: `ADMIN_JWT`, and not `JWT_LEEWAY`.
const LAST: [&str; 4] = ["PW", "BEARER", "JWT", "PEPPER"];

const SINGLE: [&str; 12] = [
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
    "AUTHORIZATION",
];

const PAIRS: [(&str, &str, &str); 21] = [
    ("API", "KEY", "API_KEY"),
    ("PRIVATE", "KEY", "PRIVATE_KEY"),
    ("ACCESS", "KEY", "ACCESS_KEY"),
    ("ENCRYPTION", "KEY", "ENCRYPTION_KEY"),
    ("DECRYPTION", "KEY", "DECRYPTION_KEY"),
    ("SIGNING", "KEY", "SIGNING_KEY"),
    ("SIGNATURE", "KEY", "SIGNATURE_KEY"),
    ("MASTER", "KEY", "MASTER_KEY"),
    ("ACCOUNT", "KEY", "ACCOUNT_KEY"),
    ("SHARED", "KEY", "SHARED_KEY"),
    ("HMAC", "KEY", "HMAC_KEY"),
    ("HASH", "KEY", "HASH_KEY"),
    ("AUTH", "KEY", "AUTH_KEY"),
    ("JWT", "KEY", "JWT_KEY"),
    ("SESSION", "KEY", "SESSION_KEY"),
    ("APP", "KEY", "APP_KEY"),
    ("LICENSE", "KEY", "LICENSE_KEY"),
    ("BASIC", "AUTH", "BASIC_AUTH"),
    ("REDIS", "AUTH", "REDIS_AUTH"),
    ("COOKIE", "KEY", "COOKIE_KEY"),
    ("OTP", "SEED", "OTP_SEED"),
];

/// Ends of words that are written as one: `PGPASSWORD`, `clientsecret`.
const GLUED: [&str; 5] = ["PASSWORD", "PASSWD", "APIKEY", "SECRET", "TOKEN"];

/// What the last word of a name says instead: where the secret lies, what is to be done with it.
const EXCLUDED: [&str; 84] = [
    "FILE",
    "FILES",
    "FILENAME",
    "PATH",
    "DIR",
    "DIRECTORY",
    "URL",
    "URI",
    "NAME",
    "NAMES",
    "REF",
    "ID",
    "TTL",
    "TIMEOUT",
    "EXPIRY",
    "EXPIRATION",
    "EXPIRES",
    "LENGTH",
    "HEADER",
    "MODE",
    "ENABLED",
    "DISABLED",
    "ISSUER",
    "AUDIENCE",
    "TYPE",
    "ALGORITHM",
    "ALG",
    "ALGO",
    "ENDPOINT",
    "AUDIENCES",
    "PATTERN",
    "REGEX",
    "POLICY",
    "LIFETIME",
    "HTML",
    "MD",
    "PREFIX",
    "SUFFIX",
    "FORMAT",
    "SIZE",
    "COUNT",
    "LIMIT",
    "BITS",
    "ROTATION",
    "INTERVAL",
    "DURATION",
    "AGE",
    "MIN",
    "MAX",
    "VERSION",
    "PROVIDER",
    "SOURCE",
    "STORE",
    "FIELD",
    "COLUMN",
    "CLAIM",
    "CLAIMS",
    "SCOPE",
    "SCOPES",
    "HOST",
    "PORT",
    "SERVICE",
    "REQUIRED",
    "NAMESPACE",
    "LABEL",
    "KIND",
    "LOCATION",
    "MOUNT",
    "VOLUME",
    "SECONDS",
    "MINUTES",
    "HOURS",
    "DAYS",
    "METHOD",
    "STRATEGY",
    "BACKEND",
    "REALM",
    "USER",
    "USERNAME",
    "EMAIL",
    "ALIAS",
    "IMAGE",
    "MANAGER",
    "TEMPLATE",
];

/// Parts of which every word above has one, so that most names are not taken apart.
const PARTS: [&[u8]; 12] =
    [b"pas", b"sec", b"tok", b"key", b"cre", b"dsn", b"aut", b"bea", b"jwt", b"pep", b"otp", b"pw"];

/// What a byte can be of the parts: a bit for each part whose first letter it is, of either case, and
/// from bits 16 and 32 on those whose second and third. Every key and many a value of every manifest
/// comes by here.
const LETTERS: [u64; 256] = {
    let mut letters = [0; 256];
    let mut part = 0;
    while part < PARTS.len() {
        let mut at = 0;
        while at < PARTS[part].len() {
            let byte = PARTS[part][at];
            letters[byte as usize] |= 1 << (16 * at + part);
            letters[byte.to_ascii_uppercase() as usize] |= 1 << (16 * at + part);
            at += 1;
        }
        part += 1;
    }
    letters
};

fn may_hold_word(name: &str) -> bool {
    // `PW` is the last of the parts, and whole with two letters.
    const PAIR: u64 = 1 << (PARTS.len() - 1);
    // The parts whose first letter, and whose first two letters, the last bytes were.
    let (mut one, mut two) = (0, 0);
    name.bytes().any(|byte| {
        let letter = LETTERS[usize::from(byte)];
        let whole = two & (letter >> 32);
        two = one & (letter >> 16);
        one = letter & 0xffff;
        whole | (two & PAIR) != 0
    })
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
    // `API_TOKEN2` is one more token; `MD5` is a word of its own.
    for word in &mut words {
        let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let glued = GLUED.iter().any(|end| letters.ends_with(end));
        if glued || letters == "KEY" || SINGLE.contains(&letters) {
            let letters = letters.len();
            word.truncate(letters);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_passed_over_for_lack_of_a_part() {
        let pairs = PAIRS.iter().flat_map(|pair| [format!("{}_{}", pair.0, pair.1)]);
        let words = LAST.iter().chain(&SINGLE).chain(&GLUED).map(|word| (*word).to_owned());
        for word in words.chain(pairs) {
            for name in [format!("X{word}"), format!("é-{}", word.to_ascii_lowercase())] {
                assert!(may_hold_word(&word) && may_hold_word(&name), "{name}");
            }
        }
        for name in ["", "p", "PA", "pa-s", "p_w", "kube", "containerPort", "PaKe\u{e9}y"] {
            assert!(!may_hold_word(name), "{name}");
        }
    }
}
