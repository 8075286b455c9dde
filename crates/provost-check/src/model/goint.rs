//! Decimal integers as the runtime reads them from its environment.

use goformats::version::GoVersion;

/// Reads a decimal int64.
///
/// Up to Go 1.25 the runtime has its own reader (`atoi64` in runtime/string.go, moved to internal/runtime/strconv in 1.25):
/// no `+`, and a lone `-` is 0. Go 1.26 uses `ParseInt` of internal/strconv: `+` is allowed and a sign alone is refused.
/// Without a version both are accepted, because a refusal has to be certain.
pub(crate) fn parse_int64(text: &str, go: Option<&GoVersion>) -> Option<i64> {
    let strict = go.is_some_and(|go| go.has_features_of(26));
    let old = go.is_some_and(|go| !go.has_features_of(26));
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' if !old => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() {
        return (negative && !strict).then_some(0);
    }
    let mut value: i128 = 0;
    for byte in digits.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i128::from(byte - b'0');
        if value > i128::from(i64::MAX) + 1 {
            return None;
        }
    }
    i64::try_from(if negative { -value } else { value }).ok()
}
