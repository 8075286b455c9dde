//! Secrets that stand in several lines: private keys.

use super::{MASK, masked};

/// Lines behind the beginning of a key in which its end is waited for; one of 16,384 bits has 200.
const LONGEST: usize = 512;
/// Characters of base64 that are a line of a key wherever in a line of a log they stand; PEM has 64, the last
/// line fewer.
const LEAST: usize = 40;

/// Leaves secrets out of lines as they come.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// Lines in which a key may go on.
    left: usize,
}

impl Lines {
    /// Of a text whose beginning is not there, so that a key may have begun before.
    pub fn from_the_middle() -> Self {
        Self { left: LONGEST }
    }

    /// A line as it may be shown, with its end.
    pub fn masked(&mut self, line: &str) -> String {
        let whole = line;
        let line = whole.trim_end_matches(['\r', '\n']);
        let mut shown = match self.left {
            0 => masked(line).into_owned(),
            _ => masked(&body(line)).into_owned(),
        };
        self.left = self.left.saturating_sub(1);
        // The label of a key is in one line: `-----BEGIN RSA PRIVATE KEY-----`, and so is that of its end.
        let key = line.rfind("PRIVATE KEY");
        if let Some(key) = key
            && let Some(begin) = line.get(..key).and_then(|before| before.rfind("-----BEGIN "))
            && key - begin < LEAST
        {
            self.left = LONGEST;
        } else if line.contains("-----END ") {
            self.left = 0;
        }
        shown.push_str(whole.get(line.len()..).unwrap_or_default());
        shown
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// What a program wrote, without what container runtimes put around it: `TIME stderr F line`, `{"log":"line\n",`.
fn content(line: &str) -> (usize, usize) {
    let plain = line.trim_end();
    let mut start = 0;
    for stream in [" stdout F ", " stdout P ", " stderr F ", " stderr P "] {
        if let Some(at) = plain.find(stream).filter(|at| *at < LEAST) {
            start = at + stream.len();
        }
    }
    let mut end = plain.len();
    if let Some(rest) = plain.strip_prefix("{\"log\":\"") {
        start = plain.len() - rest.len();
        let text = rest.find('"').unwrap_or(rest.len());
        let text = rest.get(..text).unwrap_or_default();
        end = start + text.trim_end_matches("\\n").trim_end_matches("\\r").len();
    }
    (start, end)
}

/// A line that may be one of a key: what is nothing but base64, and what is too long for a word.
fn body(line: &str) -> String {
    let (start, end) = content(line);
    let inside = line.get(start..end).unwrap_or_default();
    if !inside.trim().is_empty() && inside.trim().bytes().all(is_base64) {
        let around = (line.get(..start).unwrap_or_default(), line.get(end..).unwrap_or_default());
        return format!("{}{MASK}{}", around.0, around.1);
    }
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let run = rest.bytes().take_while(|byte| is_base64(*byte)).count();
        let (run, after) = rest.split_at_checked(run).unwrap_or((rest, ""));
        shown.push_str(if run.len() >= LEAST { MASK } else { run });
        let other = after.find(|letter: char| u8::try_from(letter).is_ok_and(is_base64));
        let (other, next) =
            after.split_at_checked(other.unwrap_or(after.len())).unwrap_or((after, ""));
        shown.push_str(other);
        rest = next;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a runtime writes a line.
    type Wrap<'a> = &'a dyn Fn(&str) -> String;

    fn shown(lines: &[String]) -> String {
        let mut state = Lines::default();
        lines.iter().map(|line| state.masked(line)).collect()
    }

    /// Joined here, so that no scanner takes this file for a leak.
    fn key() -> Vec<String> {
        let label = |what: &str| format!("-----{what} RSA {}-----", "PRIVATE KEY");
        let body = "MIIEpAIBAAKCAQEA0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78L";
        vec![label("BEGIN"), body.to_owned(), body.to_owned(), "dGFpbA==".to_owned(), label("END")]
    }

    #[test]
    fn a_key_over_several_lines_leaves_nothing_of_its_body() {
        let wraps: [(&str, Wrap<'_>); 4] = [
            ("plain", &|line| format!("{line}\n")),
            ("indented", &|line| format!("\t{line}\r\n")),
            ("CRI", &|line| format!("2026-11-26T10:00:00.123456789Z stderr F {line}\n")),
            ("json-file", &|line| format!("{{\"log\":\"{line}\\n\",\"stream\":\"stderr\"}}\n")),
        ];
        for (name, wrap) in wraps {
            let mut lines: Vec<String> = key().iter().map(|line| wrap(line)).collect();
            // Another goroutine writes in between, and what comes later is no key.
            lines.insert(2, wrap("gc 31 @1.2s 3%: 0.1+0.2+0.3 ms clock"));
            lines.push(wrap("done"));
            let shown = shown(&lines);
            assert!(!shown.contains("MIIE") && !shown.contains("dGFpbA"), "{name}: {shown}");
            assert!(shown.contains("gc 31 @1.2s") && shown.contains("done"), "{name}: {shown}");
            assert_eq!(shown.lines().count(), lines.len(), "{name}: {shown}");
        }
    }

    #[test]
    fn a_key_whose_beginning_is_cut_off_is_left_out_too() {
        let mut state = Lines::from_the_middle();
        let shown: String = key().iter().skip(2).map(|line| state.masked(line)).collect();
        assert!(!shown.contains("MIIE") && !shown.contains("dGFpbA"), "{shown}");
        assert_eq!(state.masked("done\n"), "done\n");
    }

    #[test]
    fn a_key_that_does_not_end_does_not_take_the_log_with_it() {
        let mut state = Lines::default();
        state.masked(&key()[0]);
        for _ in 0..LONGEST {
            state.masked("x y\n");
        }
        assert_eq!(state.masked("word\n"), "word\n");
    }
}
