//! One line of `perf trace`.
//!
//! `     0.155 ( 0.015 ms): journal/24408 read(fd: 4, count: 20)      = 8`

use memchr::{memchr, memmem};

use super::line::{self, Body, Tail};

/// Letters before the name of the process: time, duration and what fills them up.
const LONGEST_FRONT: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) thread: Option<u32>,
    /// When the call began: microseconds since the recording did.
    pub(super) at_us: Option<u64>,
    pub(super) body: Body<'a>,
}

pub(super) fn read(text: &[u8]) -> Option<Line<'_>> {
    let text = text.trim_ascii_start();
    let front = text.get(..text.len().min(LONGEST_FRONT))?;
    let end = memmem::find(front, b"): ")?;
    let (times, rest) = (front.get(..end)?, text.get(end + 3..)?);
    let (at, took) = times.split_at_checked(memchr(b'(', times)?)?;
    let at_us = match at.trim_ascii() {
        b"?" => None,
        at => Some(thousandths(at)?),
    };
    let took = match took.get(1..)?.trim_ascii() {
        b"" => None,
        took => Some(thousandths(took.strip_suffix(b"ms")?.trim_ascii())?.checked_mul(1000)?),
    };
    let (thread, rest) = process(rest)?;
    let continued = rest.trim_ascii_start().strip_prefix(b"... [continued]: ");
    if let Some(rest) = continued {
        let (name, rest) = line::word(rest)?;
        let (_, tail) = line::ending(rest.strip_prefix(b"(")?)?;
        return Some(Line {
            thread,
            at_us,
            body: Body::Resumed { name, args: b"", tail: Tail { took, ..tail } },
        });
    }
    let (name, rest) = line::word(rest)?;
    let rest = rest.strip_prefix(b"(")?;
    if let Some(args) = rest.trim_ascii_end().strip_suffix(b"...") {
        let args = args.trim_ascii_end().strip_suffix(b")")?;
        return Some(Line { thread, at_us, body: Body::Begun { name, args } });
    }
    let (args, tail) = line::ending(rest)?;
    let body = Body::Whole { name, args, tail: Tail { took, ..tail } };
    Some(Line { thread, at_us, body })
}

/// `journal/24408 `, where the name may hold anything.
fn process(text: &[u8]) -> Option<(Option<u32>, &[u8])> {
    let mut from = 0;
    // A name has at most fifteen letters.
    while let Some(slash) = memchr(b'/', text.get(from..text.len().min(24))?) {
        let behind = text.get(from + slash + 1..)?;
        let count = behind.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = behind.split_at_checked(count)?;
        if count > 0 && rest.first() == Some(&b' ') {
            let id = std::str::from_utf8(number).ok()?.parse().ok()?;
            return Some((Some(id), rest.get(1..)?));
        }
        from += slash + 1;
    }
    Some((None, text))
}

/// `13.885`, in thousandths.
fn thousandths(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return None;
    }
    let unit = 10_u64.pow(3 - u32::try_from(fraction.len()).ok()?);
    let fraction = fraction.parse::<u64>().ok()?.checked_mul(unit)?;
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(fraction)
}
