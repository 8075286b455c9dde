//! Names of signals on Linux, which are the same on amd64 and arm64.

/// Numbers with their names: `signal(7)`.
const NAMES: &[(u8, &str)] = &[
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (6, "ABRT"),
    (9, "KILL"),
    (10, "USR1"),
    (12, "USR2"),
    (13, "PIPE"),
    (14, "ALRM"),
    (15, "TERM"),
    (17, "CHLD"),
    (18, "CONT"),
    (19, "STOP"),
    (20, "TSTP"),
    (21, "TTIN"),
    (22, "TTOU"),
    (28, "WINCH"),
];

/// `SIGTERM`, `sigterm`, `TERM`, `15` -> `TERM`.
pub fn normalised(text: &str) -> String {
    let upper = text.trim().to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = name.parse().ok().and_then(|number: u8| NAMES.iter().find(|n| n.0 == number));
    known.map_or(name, |(_, name)| name).to_owned()
}

/// `SIGINT` for 2, `signal 34` for one without a name.
pub fn name_of(number: u8) -> String {
    match NAMES.iter().find(|n| n.0 == number) {
        Some((_, name)) => format!("SIG{name}"),
        None => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for text in ["SIGTERM", "sigterm", " TERM ", "15"] {
            assert_eq!(normalised(text), "TERM", "{text}");
        }
        assert_eq!(normalised("SIGRTMIN+3"), "RTMIN+3");
        assert_eq!(normalised("34"), "34");
        assert_eq!(name_of(2), "SIGINT");
        assert_eq!(name_of(34), "signal 34");
    }
}
