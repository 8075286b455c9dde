//! How durations, sizes, versions and levels are written; shared by `provost.toml` and the
//! command line.

use jiff::civil::Date;
use toml::de::DeValue;

use crate::facts::settings::Existing;
use crate::findings::Level;
use crate::model::quantity::Quantity;
use crate::model::support;

/// An integer of any radix that fits 64 bits.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// Seconds: a number, or text like `30s`, `1m30s`, `250ms`.
pub(super) fn duration(value: &DeValue<'_>) -> Result<f64, String> {
    let seconds = match value {
        DeValue::String(text) => seconds(text),
        DeValue::Float(float) => float.as_str().parse().ok(),
        #[allow(
            clippy::cast_precision_loss,
            reason = "a duration of 2^53 seconds is refused below"
        )]
        other => integer(other).map(|n| n as f64),
    };
    seconds
        .filter(|s| s.is_finite() && (0.0..=1e9).contains(s))
        .ok_or_else(|| "expected a duration: \"30s\", \"1m30s\" or a number of seconds".to_owned())
}

/// Reads Go's way of writing durations (`time.ParseDuration`), without signs: decimal numbers,
/// each with a unit of `h`, `m`, `s`, `ms`, `us`, `ns`.
fn seconds(text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|n| *n > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        total += number
            * match &rest[..end] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(total)
}

/// Bytes: a number, `15MiB` (Go), `15Mi` (Kubernetes), `15MB`.
pub(super) fn size(value: &DeValue<'_>) -> Result<u64, String> {
    let expected = || "expected a size: \"15MiB\" or a number of bytes".to_owned();
    if let Some(n) = integer(value) {
        return u64::try_from(n).map_err(|_| expected());
    }
    let text = value.as_str().ok_or_else(expected)?;
    let quantity = text.strip_suffix('B').unwrap_or(text);
    // Kubernetes writes the decimal thousand in lower case.
    let quantity = match quantity.strip_suffix('K') {
        Some(number) => format!("{number}k"),
        None => quantity.to_owned(),
    };
    if !quantity.starts_with(|c: char| c.is_ascii_digit()) || quantity.ends_with('m') {
        return Err(expected());
    }
    Quantity::parse(&quantity).map(|q| q.bytes().0).map_err(|_| expected())
}

/// `1.36`, and what else is written for it: `v1.36`, `1.36.2`, `go1.27.3` after its prefix.
fn minor(text: &str) -> Option<u16> {
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (minor, patch) = match text.strip_prefix("1.")?.split_once('.') {
        Some((minor, patch)) => (minor, Some(patch)),
        None => (text.strip_prefix("1.")?, None),
    };
    Some(minor).into_iter().chain(patch).all(|part| digits(&part)).then_some(())?;
    minor.parse().ok()
}

/// A release that this build has not heard of would be judged by the rules of another one.
fn known(what: &str, minor: u16, newest: Option<u16>) -> Result<u16, String> {
    match newest {
        Some(newest) if minor > newest => Err(format!(
            "{what} 1.{minor} is not known: this provost knows the releases up to 1.{newest}, as \
             of {}",
            support::table().read
        )),
        _ => Ok(minor),
    }
}

/// A minor version of Go: `1.27`, `1.27.3`, `go1.27`.
pub fn go(text: &str) -> Result<u16, String> {
    let minor = minor(text.strip_prefix("go").unwrap_or(text))
        .ok_or_else(|| "expected a version of Go in quotes: \"1.27\"".to_owned())?;
    let table = &support::table().go;
    if let Some(oldest) = table.first().map(|m| m.minor).filter(|oldest| minor < *oldest) {
        return Err(format!(
            "Go 1.{minor} is not known: this provost knows the releases from 1.{oldest} on"
        ));
    }
    known("Go", minor, table.last().map(|m| m.minor))
}

/// `1.36` or `1.35..1.37`, oldest first; `v1.36` and `1.36.2` are that minor, too.
pub fn kubernetes(text: &str) -> Result<(u16, u16), String> {
    let (oldest, newest) = text.split_once("..").unwrap_or((text, text));
    let read = |text: &str| minor(text.strip_prefix('v').unwrap_or(text));
    match (read(oldest), read(newest)) {
        (Some(oldest), Some(newest)) if oldest <= newest => {
            let last = support::table().kubernetes.last().map(|m| m.minor);
            Ok((oldest, known("Kubernetes", newest, last)?))
        }
        _ => Err("expected a minor version or a range: \"1.36\", \"1.35..1.37\"".to_owned()),
    }
}

/// `off` (`None`), `note`, `warn`, `deny`.
pub fn level(text: &str) -> Result<Option<Level>, String> {
    match text {
        "off" => Ok(None),
        "note" => Ok(Some(Level::Note)),
        "warn" => Ok(Some(Level::Warn)),
        "deny" => Ok(Some(Level::Deny)),
        _ => Err(match meant(text, &["off", "note", "warn", "deny"]) {
            Some(help) => format!("expected one of off, note, warn, deny; {help}"),
            None => "expected one of off, note, warn, deny".to_owned(),
        }),
    }
}

/// Words of other tools, and the word of ours for the same.
const ELSEWHERE: &[(&str, &str)] = &[
    ("aarch64", "arm64"),
    ("block", "deny"),
    ("critical", "deny"),
    ("danger", "deny"),
    ("disable", "off"),
    ("disabled", "off"),
    ("error", "deny"),
    ("fail", "deny"),
    ("false", "off"),
    ("i386", "386"),
    ("ignore", "off"),
    ("info", "note"),
    ("none", "off"),
    ("warning", "warn"),
    ("x64", "amd64"),
    ("x86_64", "amd64"),
];

/// What may have been meant by a word that is none of these.
pub(super) fn meant(text: &str, known: &[&str]) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if known.contains(&"ambient") && ["istio", "envoy", "true"].contains(&lower.as_str()) {
        return Some(
            "Istio is \"sidecar\" or \"native-sidecar\" where each pod has a proxy, \"ambient\" \
             where the node has it"
                .to_owned(),
        );
    }
    let own = known.iter().copied().find(|word| *word == lower);
    let other = || ELSEWHERE.iter().find(|(word, _)| *word == lower).map(|(_, ours)| *ours);
    let ours = own.or_else(other).filter(|ours| known.contains(ours))?;
    Some(format!("`{text}` is `{ours}` here"))
}

/// `2027-01-31`
pub fn date(text: &str) -> Option<Date> {
    // `Date::from_str` takes more forms, among them times, that would say more than a day does.
    let digits = |c: char| c.is_ascii_digit() || c == '-';
    (text.len() == 10 && text.chars().all(digits)).then(|| text.parse().ok()).flatten()
}

/// `NS/KIND/NAME/CONTAINER`
pub fn is_container(text: &str) -> bool {
    text.split('/').count() == 4 && text.split('/').all(|part| !part.is_empty())
}

/// `ClusterIssuer letsencrypt`, `Gateway infra/shared`
pub fn existing(text: &str) -> Option<Existing> {
    let mut words = text.split_whitespace();
    let (kind, name) = (words.next()?, words.next()?);
    let is_kind = kind.starts_with(|c: char| c.is_ascii_uppercase())
        && kind.chars().all(|c| c.is_ascii_alphanumeric());
    let (namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, name),
    };
    let fits = |part: &str| !part.is_empty() && part.len() <= 253 && !part.contains('/');
    (words.next().is_none() && is_kind && fits(name) && namespace.is_none_or(fits)).then(|| {
        let namespace = namespace.map(str::to_owned);
        Existing { kind: kind.to_owned(), namespace, name: name.to_owned() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_however_it_is_written() {
        for text in ["1.33", "v1.33", "1.33.2", "v1.33.2", "1.33..1.33"] {
            assert_eq!(kubernetes(text), Ok((33, 33)), "{text}");
        }
        assert_eq!(kubernetes("v1.35..1.37.1"), Ok((35, 37)));
        for text in ["1.27", "1.27.3", "go1.27", "go1.27.3"] {
            assert_eq!(go(text), Ok(27), "{text}");
        }
        for text in ["", "1", "1.", "36", "1.x", "1.36.", "1.36.x", "1.36.2.1", "2.0", "1.99999999"]
        {
            assert!(kubernetes(text).is_err_and(|e| e.starts_with("expected")), "{text}");
            assert!(go(text).is_err_and(|e| e.starts_with("expected")), "{text}");
        }
        assert!(kubernetes("1.37..1.35").is_err());
    }

    #[test]
    fn what_is_not_released_yet_is_not_judged_as_something_else() {
        assert!(kubernetes("1.36..1.99").is_err_and(|e| e.contains("up to 1.37")));
        assert!(go("1.99").is_err_and(|e| e.contains("Go 1.99 is not known")));
        assert_eq!(kubernetes("1.16"), Ok((16, 16)));
    }
}
