//! Numbers as Go reads them.

/// `parseFloat` of Prometheus: `strconv.ParseFloat` without hexadecimal numbers and underscores. What is too
/// large for a float is an error there.
pub(super) fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    // Go takes a sign before `Inf`, and none before `NaN`.
    if unsigned.eq_ignore_ascii_case("nan") {
        return (unsigned.len() == text.len()).then_some(f64::NAN);
    }
    let value: f64 = text.parse().ok()?;
    let says_infinite =
        unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity");
    (value.is_finite() || says_infinite).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::float;

    #[test]
    fn floats_are_those_of_go() {
        for (text, value) in [
            ("0", 0.0),
            ("+1.5", 1.5),
            ("-2e3", -2000.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+Inf", f64::INFINITY),
            ("-inf", f64::NEG_INFINITY),
            ("Infinity", f64::INFINITY),
        ] {
            assert_eq!(float(text), Some(value), "{text}");
        }
        assert!(float("NaN").unwrap().is_nan() && float("nan").unwrap().is_nan());
        for text in [
            "", "+", ".", "e5", "+NaN", "1_0", "0x1p3", "0x10", "1,5", "1e999", "infin", "1\r", "٣",
        ] {
            assert_eq!(float(text), None, "{text}");
        }
    }
}
