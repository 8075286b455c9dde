//! Moments as logs write them down, as far as they tell which ones they are: with a zone, without one, without a year.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp};

/// Zones reach from 12 hours behind UTC to 14 before it.
const BEHIND: SignedDuration = SignedDuration::from_hours(12);
const BEFORE: SignedDuration = SignedDuration::from_hours(14);

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Not before.
    pub earliest: Timestamp,
    /// Not after.
    pub latest: Timestamp,
}

impl Moment {
    /// As `dmesg`, `journalctl -k` and syslog write it. What has no year is of the one in which it is nearest to `near`.
    pub fn parse(text: &str, near: Timestamp) -> Option<Self> {
        let text = text.trim();
        if let Some((seconds, part)) = text.split_once('.')
            && part.bytes().all(|b| b.is_ascii_digit())
            && let Ok(seconds) = seconds.parse()
        {
            return Some(Self::at(Timestamp::from_second(seconds).ok()?));
        }
        if text.as_bytes().get(10) == Some(&b'T') {
            // `dmesg --time-format iso` has a comma.
            let text = text.replacen(',', ".", 1);
            let zoned = |format| jiff::fmt::strtime::parse(format, &text).ok()?.to_timestamp().ok();
            let exact = text.parse().ok();
            let exact = exact.or_else(|| zoned("%Y-%m-%dT%H:%M:%S%.f%z"));
            let exact = exact.or_else(|| zoned("%Y-%m-%dT%H:%M:%S%.f%:z"));
            return match exact {
                Some(at) => Some(Self::at(at)),
                None => Self::local(text.parse().ok()?),
            };
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_day = |word: &&str| word.len() == 3 && word.bytes().all(|b| b.is_ascii_alphabetic());
        // `Thu Nov 26 15:30:00 2026`, `Wed 2025-11-26 10:00:15 UTC`: the day of the week says nothing more.
        let words = match words.as_slice() {
            [day, rest @ ..] if is_day(day) && !MONTHS.contains(day) => rest,
            all => all,
        };
        match words {
            [month, day, time, rest @ ..] if MONTHS.contains(month) => {
                let month = i8::try_from(MONTHS.iter().position(|it| it == month)?).ok()? + 1;
                let (day, time) = (day.parse().ok()?, time.parse::<Time>().ok()?);
                let of = |year| Date::new(year, month, day).ok().map(|date| date.to_datetime(time));
                if let Some(year) = rest.first().and_then(|year| year.parse().ok()) {
                    return Self::local(of(year)?);
                }
                let now = near.to_zoned(jiff::tz::TimeZone::UTC).year();
                let years = [now.checked_sub(1)?, now, now.checked_add(1)?];
                let moments = years.into_iter().filter_map(|year| Self::local(of(year)?));
                moments.min_by_key(|it| it.earliest.duration_until(near).abs())
            }
            [date, time, rest @ ..] => {
                let at = date.parse::<Date>().ok()?.to_datetime(time.parse().ok()?);
                match rest {
                    ["UTC" | "GMT", ..] => {
                        Some(Self::at(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()))
                    }
                    _ => Self::local(at),
                }
            }
            _ => None,
        }
    }

    fn at(at: Timestamp) -> Self {
        Self { earliest: at, latest: at }
    }

    /// Of a clock in whatever zone.
    fn local(at: DateTime) -> Option<Self> {
        let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        Some(Self { earliest: at.checked_sub(BEFORE).ok()?, latest: at.checked_add(BEHIND).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<(String, String)> {
        let near = "2026-01-01T00:10:00Z".parse().unwrap();
        let moment = Moment::parse(text, near)?;
        Some((moment.earliest.to_string(), moment.latest.to_string()))
    }

    #[test]
    fn with_a_zone_a_moment_is_one() {
        for text in [
            "1764151215.605563",
            "2025-11-26T10:00:15+0000",
            "2025-11-26T12:00:15+02:00",
            "2025-11-26T10:00:15Z",
            "Wed 2025-11-26 10:00:15 UTC",
            "2025-11-26 10:00:15 UTC",
        ] {
            let at = "2025-11-26T10:00:15Z".to_owned();
            assert_eq!(of(text), Some((at.clone(), at)), "{text}");
        }
        for text in [
            "2025-11-26T10:00:15,605563+00:00",
            "2025-11-26T10:00:15.605563+0000",
            "Wed 2025-11-26 10:00:15.605563 UTC",
        ] {
            let at = "2025-11-26T10:00:15.605563Z".to_owned();
            assert_eq!(of(text), Some((at.clone(), at)), "{text}");
        }
    }

    #[test]
    fn without_a_zone_it_is_within_a_day_and_without_a_year_the_nearest() {
        let within = |from: &str, to: &str| Some((from.to_owned(), to.to_owned()));
        for text in ["Wed Nov 26 10:00:15 2025", "Wed 2025-11-26 10:00:15 CET", "Nov 26 10:00:15"] {
            assert_eq!(of(text), within("2025-11-25T20:00:15Z", "2025-11-26T22:00:15Z"), "{text}");
        }
        assert_eq!(of("Dec 31 23:59:59"), within("2025-12-31T09:59:59Z", "2026-01-01T11:59:59Z"));
        assert_eq!(of("Jan  1 00:20:00"), within("2025-12-31T10:20:00Z", "2026-01-01T12:20:00Z"));
        for text in ["", "x", "Nov 26", "Nov 31 10:00:00 2025", "99999999999999999.1", "a b c"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
