//! What stands before a line of the kernel's: time, host, priority.

/// When a line was written, as far as it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Microseconds since the machine was started.
    pub uptime_us: Option<u64>,
    /// A date, as it stands there: `2026-11-26T10:00:00+00:00`, `Nov 26 10:00:00`.
    pub date: Option<String>,
}

/// Prefixes around each other: a priority, a date of syslog's, the kernel's own time, its caller.
const MOST: usize = 5;
/// A date of syslog's with the name of a host.
const LONGEST: usize = 160;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Takes off what `dmesg`, with whatever option, `journalctl -k`, syslog and `/dev/kmsg` put before the text.
/// Rows of the task table begin with a bracket too, and are left as they are.
pub(super) fn strip(line: &str) -> (Stamp, &str) {
    let mut stamp = Stamp::default();
    let mut rest = line;
    for _ in 0..MOST {
        let Some(next) = once(rest, &mut stamp) else { break };
        rest = next;
    }
    // Old kernels print the lines of one statistic behind each other, without a time.
    (stamp, rest.trim_start_matches(' '))
}

fn once<'a>(text: &'a str, stamp: &mut Stamp) -> Option<&'a str> {
    let text = text.trim_start_matches(' ');
    // What was quoted in a mail or in an issue.
    if let Some(rest) = text.strip_prefix("> ") {
        return Some(rest);
    }
    if let Some(rest) = text.strip_prefix('<') {
        let (_, rest) = super::number(rest)?;
        return rest.strip_prefix('>');
    }
    if let Some(rest) = text.strip_prefix('[') {
        return bracket(rest, stamp);
    }
    if let Some(rest) = text.strip_prefix("kern ") {
        // `dmesg -x`: `kern  :warn  : [   12.3] `
        return rest.trim_start().strip_prefix(':')?.split_once(':').map(|(_, rest)| rest);
    }
    if let Some(rest) = record(text, stamp) {
        return Some(rest);
    }
    syslog(text, stamp)
}

/// Behind a bracket: `  12.345678] `, ` T1234]`, `Thu Nov 26 15:30:00 2026] `.
fn bracket<'a>(text: &'a str, stamp: &mut Stamp) -> Option<&'a str> {
    let (inside, rest) = text.split_once(']')?;
    // `journalctl -o short-delta` has the time since the line before in it, too: `[   15.605668 <    0.000105 >]`
    let trimmed = inside.split_once('<').map_or(inside, |(time, _)| time).trim();
    let first = *trimmed.as_bytes().first()?;
    if let Some(uptime) = seconds(trimmed) {
        stamp.uptime_us = Some(uptime);
        return Some(rest);
    }
    // CONFIG_PRINTK_CALLER: a thread or a CPU.
    let caller = trimmed.get(1..)?;
    let is_number = !caller.is_empty() && caller.bytes().all(|b| b.is_ascii_digit());
    if matches!(first, b'T' | b'C') && is_number && stamp.uptime_us.is_some() {
        return Some(rest);
    }
    // `dmesg -T`; the difference to the line before, `[  +0.000012]`, is no time.
    let is_name = |names: &[&str]| names.iter().any(|name| trimmed.starts_with(name));
    let is_date =
        (is_name(&DAYS) || is_name(&MONTHS)) && trimmed.contains(':') && trimmed.len() <= 32;
    if is_date {
        stamp.date = Some(trimmed.to_owned());
    }
    (is_date || (first == b'+' && seconds(caller).is_some())).then_some(rest)
}

/// `25624.693053`
fn seconds(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.')?;
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(part) {
        return None;
    }
    let micros: String = part.chars().chain(std::iter::repeat('0')).take(6).collect();
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros.parse().ok()?)
}

/// `/dev/kmsg`: `6,1234,5140900,-;text`
fn record<'a>(text: &'a str, stamp: &mut Stamp) -> Option<&'a str> {
    let (_, rest) = super::number(text)?;
    let (_, rest) = super::number(rest.strip_prefix(',')?)?;
    let (uptime, rest) = super::number(rest.strip_prefix(',')?)?;
    let (_, rest) = rest.strip_prefix(',')?.split_once(';')?;
    stamp.uptime_us = Some(uptime);
    Some(rest)
}

/// `Nov 26 10:00:00 node-1 kernel: `, with whatever date; `[ 5.6] node-1 kernel: ` has lost its bracket here.
fn syslog<'a>(text: &'a str, stamp: &mut Stamp) -> Option<&'a str> {
    let head = text.get(..text.floor_char_boundary(LONGEST))?;
    let at = head.find("kernel")?;
    let rest = text.get(at + "kernel".len()..)?;
    // Some number it: `kernel[1]:`
    let rest = match rest.strip_prefix('[') {
        Some(numbered) => super::number(numbered)?.1.strip_prefix(']')?,
        None => rest,
    };
    let rest = rest.strip_prefix(": ")?;
    let before = text.get(..at)?.trim_end();
    if at > 0 && !text.get(..at)?.ends_with(' ') {
        return None;
    }
    // The last word is the host; what is left is the date, when it has any digits.
    let date = before.rsplit_once(' ').map_or("", |(date, _)| date.trim_end());
    if !date.is_empty() && date.bytes().any(|b| b.is_ascii_digit()) {
        stamp.date = Some(date.to_owned());
    }
    Some(rest)
}
