//! What `journalctl` and syslog put before a line: when, where, who.
//!
//! Source: `output_timestamp_realtime`, `output_timestamp_monotonic` and `output_short` of systemd's
//! src/shared/logs-show.c. The host is left out by `--no-hostname`; `-o with-unit` has the unit in place of the name.

use memchr::memmem;

use super::{Form, Head, LONGEST_NAME, Name, is_of_name};

/// Bytes of a time and what stands around it.
const LONGEST_STAMP: usize = 64;

/// Whether a line may begin with one of its times, by few bytes.
pub(super) fn may_begin(line: &[u8]) -> bool {
    line.get(8) == Some(&b'-') || line.get(10) == Some(&b'.') || month(line).is_some()
}

/// What stands before a line, of the forms whose time is not RFC 3339.
pub(super) fn head(line: &[u8]) -> Option<Head<'_>> {
    let begin = match line.first()? {
        b'0'..=b'9' => unix(line)?,
        b'[' => monotonic(line)?,
        _ => month(line).or_else(|| weekday(line))?,
    };
    named(line, begin)
}

/// Whether letters and digits stand where a shape has them, and all else as it has it.
fn fits(line: &[u8], shape: &[u8]) -> bool {
    let fits = |(is, of): (&u8, &u8)| match of {
        b'a' => is.is_ascii_alphabetic(),
        b'0' => is.is_ascii_digit(),
        // The days before the tenth have a space.
        b'_' => is.is_ascii_digit() || *is == b' ',
        of => is == of,
    };
    line.len() >= shape.len() && line.iter().zip(shape).all(fits)
}

/// Where the host begins behind `Nov 26 10:00:00 ` or `Nov 26 10:00:00.123456 `.
fn month(line: &[u8]) -> Option<usize> {
    let shape = b"aaa _0 00:00:00";
    if !fits(line, shape) {
        return None;
    }
    let rest = line.get(shape.len()..)?;
    let end = rest.iter().take(8).position(|b| *b == b' ')?;
    let is_part = |part: &[u8]| part.is_empty() || part.starts_with(b".");
    is_part(rest.get(..end)?).then_some(shape.len() + end + 1)
}

/// `Thu 2026-11-26 10:00:00 CET `: `-o short-full` and `-o with-unit`.
fn weekday(line: &[u8]) -> Option<usize> {
    let shape = b"aaa 0000-00-00 00:00:00";
    if !fits(line, shape) {
        return None;
    }
    let rest = line.get(shape.len()..)?;
    let rest = rest.get(rest.iter().take(8).position(|b| *b == b' ')?..)?;
    let zone = rest.get(1..)?;
    let end = zone.iter().take(8).position(|b| *b == b' ')?;
    Some(line.len() - zone.len() + end + 1)
}

/// `1764151200.605563 `: `-o short-unix`.
fn unix(line: &[u8]) -> Option<usize> {
    let shape = b"0000000000.000000 ";
    fits(line, shape).then_some(shape.len())
}

/// `[ 9120.101001] `, or with the time since the entry before, `[ 9120.101001 <    0.000012 >] `.
fn monotonic(line: &[u8]) -> Option<usize> {
    let near = line.get(1..LONGEST_STAMP.min(line.len()))?;
    let end = memchr::memchr(b']', near)?;
    let inner = near.get(..end)?;
    let is_time = |b: &u8| b.is_ascii_digit() || matches!(b, b' ' | b'.' | b'<' | b'>' | b'*');
    let is = inner.contains(&b'.') && inner.iter().all(is_time) && near.get(end + 1) == Some(&b' ');
    is.then_some(end + 3)
}

/// `node-1 checkout[1234]: text`, or without the host.
pub(super) fn named(line: &[u8], begin: usize) -> Option<Head<'_>> {
    let rest = line.get(begin..)?;
    let near = rest.get(..LONGEST_NAME.min(rest.len()))?;
    let first = memchr::memchr(b' ', near).unwrap_or(near.len());
    // Of a line without the host the first word is who.
    let from = match near.get(..first)?.ends_with(b"]:") {
        true => 0,
        false => first + 1,
    };
    let name_and_more = near.get(from..)?;
    let colon = memmem::find(name_and_more, b": ")
        .or_else(|| name_and_more.ends_with(b":").then(|| name_and_more.len() - 1))?;
    let name = name_and_more.get(..colon)?;
    let of_name = |b: &u8| {
        is_of_name(*b) || matches!(b, b'[' | b']' | b'/' | b'@' | b'(' | b')' | b'\\' | b':')
    };
    let at = (begin + from + colon + 2).min(line.len());
    // Without its number a process cannot be told from the next; the kernel has none.
    (!name.is_empty() && name.iter().all(of_name) && name.ends_with(b"]")).then_some(Head {
        form: Form::Syslog,
        name: Name(name, None),
        at,
    })
}
