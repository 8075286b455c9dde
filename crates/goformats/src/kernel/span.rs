//! From when to when a log reaches.

use super::{Stamp, journal, stamp};

/// Lines that are looked at for a time, at either end of what came at once: most have one.
const MOST: usize = 48;
/// How often a first one is looked for.
const MOST_TRIES: u8 = 64;
/// Bytes of a line that are looked at; entries of the journal are the longest.
const LONGEST: usize = 4096;

/// When the first and the last line were written, of those that say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: Option<Stamp>,
    /// The last.
    pub last: Option<Stamp>,
}

/// Looks for it as a log comes.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) span: Span,
    tried: u8,
}

impl Watch {
    /// Takes whole lines. Logs of something else have no such times, and are given up soon.
    pub(super) fn take(&mut self, lines: &[u8]) {
        let Span { first, last } = &mut self.span;
        if first.is_none() && self.tried < MOST_TRIES {
            self.tried += 1;
            *first = lines.split(|byte| *byte == b'\n').take(MOST).find_map(time);
        }
        // Without a first there is none behind it.
        if first.is_some() {
            let found = lines.rsplit(|byte| *byte == b'\n').take(MOST).find_map(time);
            *last = found.or_else(|| last.take());
        }
    }
}

/// When the lines of a log were written, of those that say it.
pub fn stamps(lines: &[u8]) -> impl Iterator<Item = Stamp> {
    lines.split(|byte| *byte == b'\n').filter_map(time)
}

/// When a line was written.
fn time(line: &[u8]) -> Option<Stamp> {
    let line = line.get(..LONGEST.min(line.len()))?;
    journal::time(line)
        .or_else(|| {
            let text = String::from_utf8_lossy(line);
            let (stamp, _) = stamp::strip(text.trim_end());
            Some(stamp)
        })
        .filter(|stamp| *stamp != Stamp::default())
}

#[cfg(test)]
mod tests {
    use super::super::log::Reader;
    use super::*;

    /// Of a text, in two pieces.
    fn span(text: &str, at: usize) -> Span {
        let mut reader = Reader::default();
        let (one, other) = text.as_bytes().split_at(at);
        reader.push(one, &mut |_| {});
        reader.push(other, &mut |_| {});
        reader.finish(&mut |_| {});
        reader.span().clone()
    }

    #[test]
    fn a_log_reaches_from_its_first_line_with_a_time_to_its_last() {
        let dated = |first: &str, last: &str| {
            let of = |text: &str| Some(Stamp { uptime_us: None, date: Some(text.to_owned()) });
            Span { first: of(first), last: of(last) }
        };
        let unix = dated("1764151215.605563", "1764151299.000001");
        let verbose =
            dated("Wed 2025-11-26 10:00:15.605563 UTC", "Wed 2025-11-26 11:00:00.000001 UTC");
        let entry = |at: &str| {
            format!("__CURSOR=s\n__REALTIME_TIMESTAMP={at}\nMESSAGE=x\n_TRANSPORT=kernel\n\n")
        };
        let pretty = |at: &str| {
            format!(
                "{{\n\t\"MESSAGE\" : \"x\",\n\t\"__REALTIME_TIMESTAMP\" : \"{at}\",\n\t\"A\" : \"b\"\n}}\n"
            )
        };
        let (first, last) = ("1764151215605563", "1764151299000001");
        for (text, expected) in [
            (format!("{}{}", entry(first), entry(last)), &unix),
            (format!("{}{}", pretty(first), pretty(last)), &unix),
            (
                format!("{{\"MESSAGE\":\"x\",\"__REALTIME_TIMESTAMP\":\"{first}\"}}\n{{\"MESSAGE\":\"y\",\"__REALTIME_TIMESTAMP\":\"{last}\"}}"),
                &unix,
            ),
            (
                "Wed 2025-11-26 10:00:15.605563 UTC [s=a;i=1]\n    MESSAGE=x\nWed 2025-11-26 11:00:00.000001 UTC [s=a;i=2]\n    MESSAGE=y\n".to_owned(),
                &verbose,
            ),
            (
                "no time\nNov 26 10:00:15 node-1 kernel: a\nb\nNov 26 10:00:16 node-1 kernel: c\nd\n".to_owned(),
                &dated("Nov 26 10:00:15", "Nov 26 10:00:16"),
            ),
            (
                "[Thu Nov 26 15:30:00 2026] a\n[Thu Nov 26 15:30:01 2026] b".to_owned(),
                &dated("Thu Nov 26 15:30:00 2026", "Thu Nov 26 15:30:01 2026"),
            ),
        ] {
            for at in 0..text.len() {
                assert_eq!(span(&text, at), *expected, "{at} of {text}");
            }
        }
        let uptime = span("[    1.000001] a\n[   12.000000] b\n", 3);
        let of = |us| Some(Stamp { uptime_us: Some(us), date: None });
        assert_eq!(uptime, Span { first: of(1_000_001), last: of(12_000_000) });
        assert_eq!(span("nothing\nof a kernel\n", 4), Span::default());
    }
}
