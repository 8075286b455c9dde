//! Entries of the journal as `journalctl -o json` and its kin write them, a line each: `json`, `json-sse` with
//! `data: ` before it, `json-seq` with a record separator. Of `json-pretty`, `verbose` and `export` it is a line in
//! which the message stands, and nothing else of the entry.

use crate::json::{Json, unescaped};

use super::Stamp;

/// Bytes of a message that are kept. The kernel's are shorter than 1 KiB.
const LONGEST: usize = 4096;

/// An entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// When it was written.
    pub(super) stamp: Stamp,
    /// `MESSAGE`
    pub(super) message: String,
    /// The journal has it from the kernel; unknown where the fields that say so were left out.
    pub(super) of_kernel: Option<bool>,
    /// It stands in one line of many, and whose it is in another.
    pub(super) spread: bool,
}

/// What a line of an entry that has many says of whose it is: `_TRANSPORT=stdout`, `"_TRANSPORT" : "stdout",`
pub(super) fn transport(line: &[u8]) -> Option<bool> {
    let line = line.trim_ascii();
    match line.strip_prefix(b"_TRANSPORT=") {
        Some(name) => Some(name == b"kernel"),
        None => {
            let mut json = Json::new(line.strip_prefix(b"\"_TRANSPORT\"")?);
            json.take(b':')?;
            Some(json.string()? == b"kernel")
        }
    }
}

/// The entry in a line; nothing where it holds none.
pub(super) fn entry(line: &[u8]) -> Option<Entry> {
    let line = line.strip_prefix(b"\x1e").unwrap_or(line);
    let line = line.strip_prefix(b"data: ").unwrap_or(line);
    if !line.starts_with(b"{") || memchr::memmem::find(line, b"\"MESSAGE\"").is_none() {
        return part(line);
    }
    let mut entry = Entry::default();
    let mut message = None;
    Json::new(line).object(&mut |name, json| {
        match name {
            b"MESSAGE" => message = text(json),
            b"_TRANSPORT" => entry.of_kernel = Some(json.string()? == b"kernel"),
            // Without `_TRANSPORT` among `--output-fields`.
            b"SYSLOG_IDENTIFIER" if entry.of_kernel.is_none() => {
                entry.of_kernel = Some(json.string()? == b"kernel");
            }
            // Microseconds, as a string.
            b"_SOURCE_MONOTONIC_TIMESTAMP" => {
                entry.stamp.uptime_us = std::str::from_utf8(json.string()?).ok()?.parse().ok();
            }
            b"__REALTIME_TIMESTAMP" => entry.stamp.date = unix(json.string()?),
            _ => {}
        }
        Some(())
    })?;
    entry.message = message?;
    Some(entry)
}

/// When an entry was written, by a line of it: the whole of it (`json`), its head (`verbose`), or the one that says so
/// (`export`, `json-pretty`).
pub(super) fn time(line: &[u8]) -> Option<Stamp> {
    const NAME: &[u8] = b"__REALTIME_TIMESTAMP";
    let line = line.trim_ascii();
    let of = |micros: &[u8]| Some(Stamp { uptime_us: None, date: Some(unix(micros)?) });
    if let Some(rest) = line.strip_prefix(NAME).and_then(|rest| rest.strip_prefix(b"=")) {
        return of(rest);
    }
    if let Some(rest) = line.strip_prefix(b"\"").and_then(|rest| rest.strip_prefix(NAME)) {
        let mut json = Json::new(rest.strip_prefix(b"\"")?);
        json.take(b':')?;
        return of(json.string()?);
    }
    if line.ends_with(b"]") {
        let (date, _) = std::str::from_utf8(line).ok()?.split_once(" [s=")?;
        return Some(Stamp {
            uptime_us: None,
            date: Some(date.get(..64).unwrap_or(date).to_owned()),
        });
    }
    match entry(line) {
        Some(entry) if !entry.spread => {
            Some(Stamp { uptime_us: None, ..entry.stamp }).filter(|stamp| stamp.date.is_some())
        }
        _ => None,
    }
}

/// `1764151215605563` as `journalctl -o short-unix` has it: `1764151215.605563`
fn unix(micros: &[u8]) -> Option<String> {
    let micros: u64 = std::str::from_utf8(micros).ok()?.parse().ok()?;
    Some(format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000))
}

/// A line of an entry that has many: `"MESSAGE" : "text",` behind a tab, or `    MESSAGE=text`
fn part(line: &[u8]) -> Option<Entry> {
    let line = line.trim_ascii();
    let message = match line.strip_prefix(b"MESSAGE=") {
        Some(message) => kept(message),
        None => {
            let mut json = Json::new(line.strip_prefix(b"\"MESSAGE\"")?);
            json.take(b':')?;
            text(&mut json)?
        }
    };
    Some(Entry { message, spread: true, ..Entry::default() })
}

/// Lines of an entry that are looked back at.
const MOST_FIELDS: usize = 128;

/// What the entry that is open at the end of whole lines says of whose it is; `before` is what was said where all of
/// them are of one entry.
pub(super) fn transport_at_end(lines: &[u8], before: Option<bool>) -> Option<bool> {
    for line in lines.rsplit(|byte| *byte == b'\n').skip(1).take(MOST_FIELDS) {
        if let Some(of_kernel) = transport(line) {
            return Some(of_kernel);
        }
        if !is_field(line) {
            return None;
        }
    }
    before
}

/// Whether a line is the message of an entry of many lines.
pub(super) fn is_message(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.starts_with(b"MESSAGE=") || line.starts_with(b"\"MESSAGE\"")
}

/// Whether a line is one of many of an entry, and neither the head of another nor what stands between them.
pub(super) fn is_field(line: &[u8]) -> bool {
    let is_name = |letter: &u8| letter.is_ascii_uppercase() || matches!(letter, b'0'..=b'9' | b'_');
    match line.first() {
        Some(b' ' | b'\t') => !line.trim_ascii().is_empty(),
        Some(_) => {
            let name = line.iter().take_while(|letter| is_name(letter)).count();
            name > 0 && line.get(name) == Some(&b'=')
        }
        None => false,
    }
}

/// A string, or the bytes of one that is no UTF-8, as an array of numbers.
fn text(json: &mut Json<'_>) -> Option<String> {
    if let Some(written) = json.string() {
        let bytes = unescaped(written)?;
        return Some(kept(&bytes));
    }
    let mut bytes = Vec::new();
    json.array(&mut |json| {
        let number = json.number()?;
        if bytes.len() < LONGEST {
            bytes.push(number as u8);
        }
        Some(())
    })?;
    Some(kept(&bytes))
}

fn kept(message: &[u8]) -> String {
    String::from_utf8_lossy(message.get(..LONGEST).unwrap_or(message)).into_owned()
}

/// Whether a text begins as entries of which each has many lines, of the kernel.
pub(super) fn is_spread(head: &str) -> bool {
    let begins = |start: &str| head.trim_start().starts_with(start);
    (begins("{\n") && head.contains("\"_TRANSPORT\" : \"kernel\""))
        || (begins("__CURSOR=") && head.contains("\n_TRANSPORT=kernel\n"))
        || head.contains("\n    _TRANSPORT=kernel\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_an_entry_is_told_from_the_head_of_the_next() {
        for field in ["    MESSAGE=x", "\t\"MESSAGE\" : \"x\",", "_TRANSPORT=kernel", "PRIORITY=3"]
        {
            assert!(is_field(field.as_bytes()), "{field}");
        }
        let head = "Wed 2025-11-26 10:00:15.605563 UTC [s=ab;i=1;b=2]";
        for other in [head, "", "    ", "{", "}", "=x"] {
            assert!(!is_field(other.as_bytes()), "{other}");
        }
        assert_eq!(transport(b"    _TRANSPORT=kernel"), Some(true));
        assert_eq!(transport(b"\t\"_TRANSPORT\" : \"stdout\","), Some(false));
        assert_eq!(transport(b"{\"_TRANSPORT\":\"kernel\"}"), None);
    }

    #[test]
    fn an_entry_is_told_by_its_message_and_says_whose_it_is() {
        let line = br#"{"PRIORITY":"3","MESSAGE":"a \"b\"\tc\u00e4\\","_TRANSPORT":"kernel","__REALTIME_TIMESTAMP":"1764151215605563","_SOURCE_MONOTONIC_TIMESTAMP":"15605563"}"#;
        let stamp =
            Stamp { uptime_us: Some(15_605_563), date: Some("1764151215.605563".to_owned()) };
        let expected = Entry {
            stamp,
            message: "a \"b\"\tc\u{e4}\\".to_owned(),
            of_kernel: Some(true),
            spread: false,
        };
        assert_eq!(entry(line), Some(expected.clone()));
        for prefix in [&b"\x1e"[..], b"data: "] {
            assert_eq!(entry(&[prefix, line].concat()), Some(expected.clone()));
        }
        let of = |line: &str| entry(line.as_bytes()).map(|entry| (entry.message, entry.of_kernel));
        let told = |text: &str, of: Option<bool>| Some((text.to_owned(), of));
        assert_eq!(of(r#"{"MESSAGE":[104,105,255]}"#), told("hi\u{fffd}", None));
        assert_eq!(of(r#"{"MESSAGE":"x","_TRANSPORT":"stdout"}"#), told("x", Some(false)));
        assert_eq!(of(r#"{"SYSLOG_IDENTIFIER":"kernel","MESSAGE":"x"}"#), told("x", Some(true)));
        // A message that is too large for the journal to print.
        assert_eq!(of(r#"{"MESSAGE":null}"#), None);
        assert_eq!(of("\t\"MESSAGE\" : \"x\","), told("x", None));
        assert_eq!(of("    MESSAGE=x"), told("x", None));
        for other in ["MESSAGES=x", "{\"MESSAGE\":\"x\"", "{\"a\":\"MESSAGE\"}", "", "{", "data: "]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
