//! Lines of a log as they may be given away: what has the shape of a secret is left out, also of a private key
//! that goes over several of them.

use std::borrow::Cow;

use provost_check::model::secret::{MASK, masked};

/// Lines behind the beginning of a key in which it may go on; the largest ones have some two hundred.
const MOST_LINES: u32 = 512;
/// Letters of base64 in a row that are a part of a key there, whatever stands around them.
const SHORTEST_RUN: usize = 40;

/// Takes line by line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Lines in which a key that has begun may go on.
    left: u32,
}

impl Lines {
    /// The line, with its end where it has one.
    pub(super) fn masked<'l>(&mut self, line: &'l str) -> Cow<'l, str> {
        let text = line.trim_end_matches(['\n', '\r']);
        let end = line.get(text.len()..).unwrap_or_default();
        let within = self.left > 0;
        self.left = self.left.saturating_sub(1);
        let last = |mark: &str| text.rfind(mark);
        if let Some(ends) = last("-----END") {
            self.left = 0;
            if begins(text).is_some_and(|at| at > ends) {
                self.left = MOST_LINES;
            }
        } else if begins(text).is_some() {
            self.left = MOST_LINES;
        }
        let shown = match within {
            true => Cow::Owned(without_body(text)),
            false => masked(text),
        };
        match shown {
            Cow::Borrowed(_) => Cow::Borrowed(line),
            Cow::Owned(shown) => Cow::Owned(shown + end),
        }
    }
}

/// Where the last private key of a line begins.
fn begins(text: &str) -> Option<usize> {
    let at = text.rfind("PRIVATE KEY-----")?;
    text.get(..at)?.rfind("-----BEGIN ")
}

/// A line inside of a key: a line of its body, or one of somebody else's.
fn without_body(text: &str) -> String {
    let (from, to) = content(text);
    let inside = text.get(from..to).unwrap_or_default();
    let inside = inside.split("-----END").next().unwrap_or_default();
    let body = inside.trim();
    if !body.is_empty() && body.bytes().all(is_base64) {
        let rest = text.get(from + inside.len()..).unwrap_or_default();
        return format!("{}{MASK}{rest}", text.get(..from).unwrap_or_default());
    }
    let shown = masked(text);
    let mut out = String::with_capacity(shown.len());
    let mut rest = &*shown;
    while let Some(first) = rest.bytes().next() {
        let is_run = is_base64(first);
        let end = rest.bytes().position(|byte| is_base64(byte) != is_run).unwrap_or(rest.len());
        let (run, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        out.push_str(if is_run && run.len() >= SHORTEST_RUN { MASK } else { run });
        rest = behind;
    }
    out
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// What a program wrote of a line that a container's runtime (`TIME stderr F TEXT`) or Docker
/// (`{"log":"TEXT\n",...}`) keeps, or that has a time in front.
fn content(text: &str) -> (usize, usize) {
    if let Some(inside) = text.strip_prefix("{\"log\":\"") {
        let end = inside.find(['\\', '"']).unwrap_or(inside.len());
        return (8, 8 + end);
    }
    let mut from = 0;
    let mut word = |is: &dyn Fn(&str) -> bool| {
        let rest = text.get(from..).unwrap_or_default();
        let Some((first, _)) = rest.split_once(' ') else { return };
        if is(first) {
            from += first.len() + 1;
        }
    };
    word(&|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains(':'));
    word(&|word| matches!(word, "stdout" | "stderr"));
    word(&|word| matches!(word, "F" | "P"));
    (from, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "MIIEpAIBAAKCAQEAx2b7Qw9mZt1Yc0pKfJr3uV5sLd8nEhGqTzWjXoBvRyUkCiPa";

    fn key(of: &str) -> String {
        // Joined here, so that no scanner takes this file for a leak.
        format!(
            "-----BEGIN {of} {0}-----\n{BODY}\n{BODY}\nQ7a=\n-----END {of} {0}-----",
            "PRIVATE KEY"
        )
    }

    fn shown(log: &str) -> String {
        let mut lines = Lines::default();
        log.split_inclusive('\n').map(|line| lines.masked(line).into_owned()).collect()
    }

    /// Masked line by line, the body of a key stayed.
    #[test]
    fn a_key_over_several_lines_is_left_out() {
        let wraps: [fn(&str) -> String; 5] = [
            |line| format!("{line}\n"),
            |line| format!("2026-11-26T10:00:00.123456789Z stderr F {line}\r\n"),
            |line| format!("{{\"log\":\"{line}\\n\",\"stream\":\"stderr\"}}\n"),
            |line| format!("\t{line}\n"),
            |line| format!("2026-11-26T10:00:00Z {line}\n"),
        ];
        for wrap in wraps {
            let key = key("RSA");
            let lines = ["before", &key, "Finished", "GET /a 200"].join("\n");
            let log: String = lines.lines().map(wrap).collect();
            let shown = shown(&log);
            assert!(!shown.contains("MII") && !shown.contains("Q7a="), "{shown}");
            // As many lines, and what stands around them.
            assert_eq!(shown.lines().count(), log.lines().count(), "{shown}");
            for line in ["before", "Finished", "GET /a 200"] {
                assert!(shown.contains(&wrap(line)), "{shown}");
            }
        }
    }

    #[test]
    fn what_others_write_inside_of_a_key_stays() {
        let log = key("EC").replace("Q7a=", "gc 1 @0.1s 0%: and more\nQ7a=");
        let shown = shown(&log);
        assert!(shown.contains("gc 1 @0.1s 0%: and more\n") && !shown.contains("MII"), "{shown}");
    }

    #[test]
    fn a_key_without_an_end_hides_no_whole_log() {
        let begin = key("RSA");
        let log =
            format!("{}\n{}", begin.lines().next().unwrap_or_default(), "word\n".repeat(1000));
        assert!(shown(&log).ends_with("word\nword\n"));
    }
}
