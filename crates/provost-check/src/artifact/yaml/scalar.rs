//! What a scalar is, by the rules of `sigs.k8s.io/yaml` (go.yaml.in/yaml/v2 `resolve.go`).

use std::borrow::Cow;

use crate::facts::document::{ScalarKind, ScalarStyle};

/// The kind of a scalar with its style and its tag (the name in YAML's own namespace, and whether
/// it is anybody else's tag).
pub(super) fn kind(
    text: &str,
    style: ScalarStyle,
    tag: Option<(Option<&str>, bool)>,
) -> ScalarKind {
    match tag {
        None if style == ScalarStyle::Plain => resolve_plain(text),
        None => ScalarKind::Str,
        Some((Some("int" | "bool" | "null"), _)) => resolve_plain(text),
        Some((Some("float"), _)) => match resolve_plain(text) {
            ScalarKind::Int(n) =>
            {
                #[allow(clippy::cast_precision_loss, reason = "what go-yaml does: float64(v)")]
                ScalarKind::Float(n as f64)
            }
            other => other,
        },
        Some(_) => ScalarKind::Str,
    }
}

/// What an unquoted scalar is.
pub(crate) fn resolve_plain(text: &str) -> ScalarKind {
    let Some(first) = text.bytes().next() else { return ScalarKind::Null };
    match first {
        b'0'..=b'9' | b'+' | b'-' => {
            named(text).or_else(|| number(text)).unwrap_or(ScalarKind::Str)
        }
        b'.' => named(text).or_else(|| fraction(text)).unwrap_or(ScalarKind::Str),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => {
            named(text).unwrap_or(ScalarKind::Str)
        }
        _ => ScalarKind::Str,
    }
}

fn named(text: &str) -> Option<ScalarKind> {
    // The longest name is `false`.
    if text.len() > 5 {
        return None;
    }
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            ScalarKind::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            ScalarKind::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => ScalarKind::Null,
        ".nan" | ".NaN" | ".NAN" => ScalarKind::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => ScalarKind::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => ScalarKind::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

/// Integers as Go's `strconv.ParseInt(s, 0, 64)` reads them once all `_` are gone, and decimal
/// floats.
fn number(text: &str) -> Option<ScalarKind> {
    let plain = if memchr::memchr(b'_', text.as_bytes()).is_some() {
        Cow::Owned(text.replace('_', ""))
    } else {
        Cow::Borrowed(text)
    };
    let (negative, digits) = match plain.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let signed = digits.len() < plain.len();
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', b'o' | b'O', rest @ ..] => (8, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest),
        [b'0', rest @ ..] if !rest.is_empty() => (8, rest),
        all => (10, all),
    };
    if let Some(magnitude) = unsigned(digits, radix) {
        let value = if negative {
            0i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        };
        match value {
            Some(n) => return Some(ScalarKind::Int(n)),
            // `ParseUint` takes no sign; what it takes beyond 63 bits stays a number.
            #[allow(clippy::cast_precision_loss, reason = "a number beyond every Kubernetes field")]
            None if !signed => return Some(ScalarKind::Float(magnitude as f64)),
            None => {}
        }
    }
    float(&plain)
}

fn unsigned(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        value.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    })
}

/// What begins with a point goes to Go's `ParseFloat` as it is, which takes `_` between digits only.
fn fraction(text: &str) -> Option<ScalarKind> {
    let bytes = text.as_bytes();
    let mut plain = Cow::Borrowed(text);
    for at in memchr::memchr_iter(b'_', bytes) {
        let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
        if !digit(at - 1) || !digit(at + 1) {
            return None;
        }
        if matches!(plain, Cow::Borrowed(_)) {
            plain = Cow::Owned(text.replace('_', ""));
        }
    }
    float(&plain)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, within the range of a double.
fn float(text: &str) -> Option<ScalarKind> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits(at);
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let fraction = digits(at);
        at += fraction;
        if whole == 0 && fraction == 0 {
            return None;
        }
    } else if whole == 0 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    if at != bytes.len() {
        return None;
    }
    // Go's ParseFloat reports what overflows as an error, so that it stays text.
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(ScalarKind::Float)
}
