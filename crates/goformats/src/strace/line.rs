//! One line of strace's, without what other lines know.

use memchr::{memchr, memrchr_iter};

use crate::digits::number;

/// Which program wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `strace`
    Strace,
    /// `strace -c`: calls summed up.
    StraceSummary,
    /// `perf trace`
    Perf,
    /// `perf trace -s`
    PerfSummary,
}

/// How a thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with its process' status.
    Exited,
    /// By a signal.
    Killed,
    /// Another thread of its process began another program.
    Superseded,
}

/// When a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// Microseconds since 1970: `-ttt`.
    Epoch(u64),
    /// Microseconds since midnight: `-tt`.
    Day(u64),
    /// Seconds since midnight: `-t`.
    Seconds(u64),
    /// Microseconds since the line before: `-r`.
    Since(u64),
}

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    Whole {
        name: &'a str,
        args: &'a [u8],
        tail: Tail<'a>,
    },
    Begun {
        name: &'a str,
        args: &'a [u8],
    },
    Resumed {
        name: &'a str,
        args: &'a [u8],
        tail: Tail<'a>,
    },
    Signal(&'a str),
    Ended(End),
    /// Words of strace's own.
    Note,
}

/// What stands behind the arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail<'a> {
    /// All behind the `=`.
    pub(super) result: &'a [u8],
    /// Nanoseconds that the call took: `-T`.
    pub(super) took: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) thread: Option<u32>,
    pub(super) stamp: Option<Stamp>,
    pub(super) body: Body<'a>,
}

/// Letters of the name of a call: the longest has 23.
const LONGEST_NAME: usize = 48;
/// `=` that are tried as the one before the result: what a result holds of them are flags of descriptors.
const MOST_EQUALS: usize = 64;
const UNFINISHED: &[u8] = b" <unfinished ...>";
const DETACHED: &[u8] = b" <detached ...>";

/// Reads a line, or says that it is none of strace's.
pub(super) fn read(text: &[u8]) -> Option<Line<'_>> {
    if text.starts_with(b"strace: ") {
        return Some(Line { thread: None, stamp: None, body: Body::Note });
    }
    let (thread, rest) = thread(text);
    let (stamp, rest) = stamp(rest);
    let body = body(rest)?;
    Some(Line { thread, stamp, body })
}

/// `[pid  7] `, `7 ` or `7<comm> `, where it stands.
fn thread(text: &[u8]) -> (Option<u32>, &[u8]) {
    let none = (None, text);
    let (bracket, from) = match text.strip_prefix(b"[pid ") {
        Some(rest) => (true, rest.trim_ascii_start()),
        None => (false, text),
    };
    let Some((id, rest)) = number(from) else { return none };
    let rest = match rest.first() {
        Some(b'<') => match memchr(b'>', rest) {
            Some(end) => rest.get(end + 1..).unwrap_or_default(),
            None => return none,
        },
        _ => rest,
    };
    let rest = match bracket {
        true => rest.strip_prefix(b"]"),
        false => Some(rest),
    };
    match (rest.and_then(|rest| rest.strip_prefix(b" ")), u32::try_from(id)) {
        (Some(rest), Ok(id)) => (Some(id), if bracket { rest } else { behind_id(rest) }),
        _ => none,
    }
}

/// Identifiers are filled up to five letters with spaces, and relative times have spaces of their own in
/// front: both can go.
fn behind_id(rest: &[u8]) -> &[u8] {
    rest.trim_ascii_start()
}

/// Digits behind a point, as billionths.
fn billionths(text: &[u8]) -> Option<(u64, &[u8])> {
    let count = text.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
    let (value, rest) = number(text)?;
    let missing = 9_u32.checked_sub(u32::try_from(count).ok()?)?;
    Some((value.checked_mul(10_u64.pow(missing))?, rest))
}

/// Seconds below which a time is one since the line before, and not one since 1970: some three years.
const LONGEST_SINCE: u64 = 100_000_000;

fn stamp(text: &[u8]) -> (Option<Stamp>, &[u8]) {
    match known_stamp(text.trim_ascii_start()) {
        Some((stamp, rest)) => (Some(stamp), rest),
        None => (None, text),
    }
}

fn known_stamp(text: &[u8]) -> Option<(Stamp, &[u8])> {
    let (first, rest) = number(text)?;
    let (stamp, rest) = match rest.split_first()? {
        (b'.', rest) => {
            let (fraction, rest) = billionths(rest)?;
            let micros = first.checked_mul(1_000_000)?.checked_add(fraction / 1000)?;
            let since = first < LONGEST_SINCE;
            (if since { Stamp::Since(micros) } else { Stamp::Epoch(micros) }, rest)
        }
        (b':', rest) => {
            let (minute, rest) = number(rest)?;
            let (second, rest) = number(rest.strip_prefix(b":")?)?;
            if first > 23 || minute > 59 || second > 60 {
                return None;
            }
            let whole = (first * 3600 + minute * 60 + second) * 1_000_000;
            match rest.strip_prefix(b".") {
                Some(rest) => {
                    let (fraction, rest) = billionths(rest)?;
                    (Stamp::Day(whole + fraction / 1000), rest)
                }
                None => (Stamp::Seconds(whole), rest),
            }
        }
        // `-ttt` of old versions, and `--absolute-timestamps=unix,precision:s`.
        (b' ', _) if first >= LONGEST_SINCE => (Stamp::Epoch(first.checked_mul(1_000_000)?), rest),
        _ => return None,
    };
    let rest = rest.strip_prefix(b" ")?;
    // `-r` beside another: `16:06:32 (+     0.000123) read(…`
    let rest = match rest.strip_prefix(b"(+") {
        Some(more) => more.get(memchr(b')', more)? + 1..)?.strip_prefix(b" ")?,
        None => rest,
    };
    Some((stamp, rest))
}

fn body(text: &[u8]) -> Option<Body<'_>> {
    match text.first()? {
        b'+' => {
            let said = text.strip_prefix(b"+++ ")?.strip_suffix(b" +++")?;
            Some(Body::Ended(match said {
                [b'e', b'x', b'i', b't', b'e', b'd', ..] => End::Exited,
                [b's', b'u', b'p', b'e', b'r', ..] => End::Superseded,
                _ if said.starts_with(b"killed by ") => End::Killed,
                _ => return None,
            }))
        }
        b'-' => {
            let said = text.strip_prefix(b"--- ")?.strip_suffix(b" ---")?;
            let said = said.strip_prefix(b"stopped by ").unwrap_or(said);
            let name = said.split(|byte| *byte == b' ').next()?;
            name.starts_with(b"SIG").then_some(())?;
            Some(Body::Signal(std::str::from_utf8(name).ok()?))
        }
        b'<' => {
            let rest = text.strip_prefix(b"<... ")?;
            let (name, rest) = match rest.strip_prefix(b"resumed>") {
                Some(rest) => ("", rest),
                None => {
                    let (name, rest) = word(rest)?;
                    (name, rest.strip_prefix(b" resumed>")?)
                }
            };
            let (args, tail) = ending(rest)?;
            Some(Body::Resumed { name, args, tail })
        }
        _ => {
            let (name, rest) = word(text)?;
            let rest = rest.strip_prefix(b"(")?;
            for mark in [UNFINISHED, DETACHED] {
                if let Some(args) = rest.strip_suffix(mark) {
                    return Some(Body::Begun { name, args });
                }
            }
            let (args, tail) = ending(rest)?;
            Some(Body::Whole { name, args, tail })
        }
    }
}

/// The name of a call.
pub(super) fn word(text: &[u8]) -> Option<(&str, &[u8])> {
    let is_part = |byte: &&u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || **byte == b'_';
    let count = text.iter().take(LONGEST_NAME).take_while(is_part).count();
    let (name, rest) = text.split_at_checked(count)?;
    (count > 0).then_some((std::str::from_utf8(name).ok()?, rest))
}

/// Takes `…) = 0 <0.000006>` apart, from the right.
pub(super) fn ending(text: &[u8]) -> Option<(&[u8], Tail<'_>)> {
    let (text, took) = seconds(text.trim_ascii_end());
    for at in memrchr_iter(b'=', text).take(MOST_EQUALS) {
        let (front, behind) = text.split_at_checked(at)?;
        let result = behind.get(1..)?;
        let padded = front.trim_ascii_end();
        if padded.len() == front.len() || !matches!(result, [b' ', ..] | []) {
            continue;
        }
        let Some(args) = padded.strip_suffix(b")") else { continue };
        // The second half of a call that never ended: `<... read resumed> <unfinished ...>) = ?`
        let args = args.strip_suffix(UNFINISHED).unwrap_or(args);
        return Some((args, Tail { result: result.trim_ascii(), took }));
    }
    None
}

/// `<0.000006>` at the end.
fn seconds(text: &[u8]) -> (&[u8], Option<u64>) {
    let known = || {
        let rest = text.strip_suffix(b">")?;
        let at = rest.iter().rev().take(24).position(|byte| *byte == b'<')?;
        let from = rest.len().checked_sub(at + 1)?;
        let (front, time) = rest.split_at_checked(from)?;
        let (whole, rest) = number(time.strip_prefix(b"<")?)?;
        let nanos = match rest.strip_prefix(b".") {
            Some(rest) => {
                let (fraction, rest) = billionths(rest)?;
                rest.is_empty().then_some(fraction)?
            }
            None => rest.is_empty().then_some(0)?,
        };
        let nanos = whole.checked_mul(1_000_000_000)?.checked_add(nanos)?;
        Some((front.strip_suffix(b" ")?, nanos))
    };
    match known() {
        Some((front, nanos)) => (front, Some(nanos)),
        None => (text, None),
    }
}
