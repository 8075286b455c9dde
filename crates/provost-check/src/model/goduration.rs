//! Durations as Go writes them: `1h15m30.5s`.
//!
//! Source: `ParseDuration` of Go's time/format.go (1.27).

/// Seconds of a duration, `None` for what Go refuses and for what is longer than its 292 years.
pub fn parse_seconds(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if rest == "0" {
        return Some(0.0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        // Go takes `1.` and `.5`, and no lone dot.
        if !number.bytes().any(|b| b.is_ascii_digit()) {
            return None;
        }
        let number: f64 = number.parse().ok()?;
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        total += number * unit_seconds(unit)?;
        rest = tail;
    }
    (total < 9.223_372_036e9).then_some(sign * total)
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

/// Seconds as a person writes them: `90 s`, `5 min`, `1 h 30 min`.
pub fn shown(seconds: f64) -> String {
    let whole = seconds.fract() == 0.0 && (0.0..1e9).contains(&seconds);
    if !whole {
        return format!("{seconds} s");
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let total = seconds as u64;
    let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60);
    match (hours, minutes, rest) {
        (0, m, 0) if m > 0 => format!("{m} min"),
        (h, 0, 0) if h > 0 => format!("{h} h"),
        (h, m, 0) if h > 0 => format!("{h} h {m} min"),
        _ => format!("{total} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_takes() {
        for (text, seconds) in [
            ("0", 0.0),
            ("30s", 30.0),
            ("5m", 300.0),
            ("1h15m30.5s", 4530.5),
            ("-1.5h", -5400.0),
            ("+5s", 5.0),
            (".5m", 30.0),
            ("1.s", 1.0),
            ("100ms", 0.1),
        ] {
            let read = parse_seconds(text).expect(text);
            assert!((read - seconds).abs() < 1e-9, "{text}: {read}");
        }
        for text in ["", "5", "m", "5d", "5 m", "1..5s", ".s", "-", "{{args.interval}}", "9e9h"] {
            assert_eq!(parse_seconds(text), None, "{text}");
        }
        assert_eq!(parse_seconds("99999999999h"), None);
    }

    #[test]
    fn as_a_person_writes_it() {
        let all = [90.0, 60.0, 300.0, 3600.0, 5400.0, 0.0, 0.5].map(shown);
        assert_eq!(all, ["90 s", "1 min", "5 min", "1 h", "1 h 30 min", "0 s", "0.5 s"]);
    }
}
