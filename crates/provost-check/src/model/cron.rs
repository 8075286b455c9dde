//! Schedules of CronJobs, as the API server reads them.
//!
//! Source: `ParseStandard` of github.com/robfig/cron/v3 v3.0.1 (parser.go, spec.go), which Kubernetes
//! calls in `validateScheduleFormat` (pkg/apis/batch/validation/validation.go, v1.37.2). Its fields are
//! minute, hour, day of the month, month and day of the week; Sunday is 0 and never 7.

use super::goduration;
use super::text::shown;

/// What is wrong with a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not five fields.
    #[error("expected exactly 5 fields, found {0}")]
    Fields(usize),
    /// `@hourly` and its like, misspelt.
    #[error("unrecognized descriptor {0}")]
    Descriptor(String),
    /// `@every` without a duration.
    #[error("failed to parse duration {0}")]
    Duration(String),
    /// Neither a number nor a name of the field.
    #[error("{1} of the field {0} is no number")]
    Number(&'static str, String),
    /// A value that the field does not have.
    #[error("{1} of the field {0} is not between {2} and {3}")]
    Range(&'static str, u64, u64, u64),
    /// `5-1`
    #[error("the range {1} of the field {0} ends before it begins")]
    Backwards(&'static str, String),
    /// `*/0`
    #[error("the step in {1} of the field {0} should be a positive number")]
    Step(&'static str, String),
    /// More than one `-` or `/`.
    #[error("{1} of the field {0} has too many hyphens or slashes")]
    Signs(&'static str, String),
}

struct Field {
    name: &'static str,
    least: u64,
    most: u64,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of month", least: 1, most: 31, names: &[] },
    Field {
        name: "month",
        least: 1,
        most: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "day of week",
        least: 0,
        most: 6,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

const DESCRIPTORS: &[&str] =
    &["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Whether the schedule is one. A time zone in front (`TZ=`), which Kubernetes refuses whatever it
/// is, counts as a field.
pub fn check(schedule: &str) -> Result<(), Problem> {
    if schedule.starts_with('@') {
        if DESCRIPTORS.contains(&schedule) {
            return Ok(());
        }
        return match schedule.strip_prefix("@every ") {
            Some(text) if goduration::parse_seconds(text).is_some() => Ok(()),
            Some(text) => Err(Problem::Duration(shown(text))),
            None => Err(Problem::Descriptor(shown(schedule))),
        };
    }
    let fields: Vec<&str> = schedule.split_whitespace().take(64).collect();
    if fields.len() != FIELDS.len() {
        return Err(Problem::Fields(fields.len()));
    }
    for (field, text) in FIELDS.iter().zip(fields) {
        field.values(text)?;
    }
    Ok(())
}

/// The most days that a month has, January first.
const DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Why the moment of a schedule never comes; `None` where one does, and where the schedule is none. `Next`
/// of spec.go looks five years ahead, in which February has 29 days at least once until 2096.
pub fn never(schedule: &str) -> Option<String> {
    let fields: Vec<&str> = schedule.split_whitespace().take(FIELDS.len() + 1).collect();
    if schedule.starts_with('@') || fields.len() != FIELDS.len() {
        return None;
    }
    let mut sets = [Values::default(); FIELDS.len()];
    for ((field, text), set) in FIELDS.iter().zip(fields).zip(&mut sets) {
        *set = field.values(text).ok()?;
        if set.bits == 0 {
            return Some(format!("the field {} has no value", field.name));
        }
    }
    let [_, _, days, months, weekdays] = sets;
    // `dayMatches`: where both fields say something, one of them is enough.
    if !weekdays.any {
        return None;
    }
    let named: Vec<usize> = (0..DAYS.len()).filter(|month| months.has(month + 1)).collect();
    let has_one = |month: &usize| (1..=DAYS[*month] as usize).any(|day| days.has(day));
    if named.iter().any(has_one) {
        return None;
    }
    let first = (1..=31).find(|day| days.has(*day))?;
    Some(match named.as_slice() {
        [month] => format!("{} has no day {first}", MONTHS[*month]),
        _ => format!("none of its months has a day {first}"),
    })
}

/// The values that a field names.
#[derive(Clone, Copy, Default)]
struct Values {
    /// One bit each.
    bits: u64,
    /// `*` or `?` is among them: `starBit`.
    any: bool,
}

impl Values {
    fn has(self, value: usize) -> bool {
        self.bits & (1 << value) != 0
    }
}

impl Field {
    /// `getField`
    fn values(&self, text: &str) -> Result<Values, Problem> {
        let mut all = Values::default();
        for range in text.split(',').filter(|range| !range.is_empty()) {
            let values = self.range(range)?;
            all = Values { bits: all.bits | values.bits, any: all.any || values.any };
        }
        Ok(all)
    }

    /// `getRange`
    fn range(&self, text: &str) -> Result<Values, Problem> {
        let mut parts = text.split('/');
        let (range, step, more) = (parts.next().unwrap_or(""), parts.next(), parts.next());
        let mut ends = range.split('-');
        let (low, high, rest) = (ends.next().unwrap_or(""), ends.next(), ends.next());
        let (start, end) = if matches!(low, "*" | "?") {
            (self.least, self.most)
        } else {
            let start = self.value(low)?;
            if rest.is_some() {
                return Err(Problem::Signs(self.name, shown(text)));
            }
            (start, high.map_or(Ok(start), |high| self.value(high))?)
        };
        if more.is_some() {
            return Err(Problem::Signs(self.name, shown(text)));
        }
        let every = step.map_or(Ok(1), |step| self.number(step))?;
        // "N/step" means "N-max/step".
        let end = if step.is_some() && high.is_none() { self.most } else { end };
        for value in [start, end] {
            if !(self.least..=self.most).contains(&value) {
                // A low end above the range, or a high one below it, is backwards to Go: refused alike.
                return Err(Problem::Range(self.name, value, self.least, self.most));
            }
        }
        if start > end {
            return Err(Problem::Backwards(self.name, shown(text)));
        }
        if every == 0 {
            return Err(Problem::Step(self.name, shown(text)));
        }
        let mut bits = 0;
        let mut value = start;
        // No value is above 59.
        while value <= end {
            bits |= 1 << value;
            value = value.saturating_add(every);
        }
        Ok(Values { bits, any: matches!(low, "*" | "?") && every == 1 })
    }

    /// `parseIntOrName`
    fn value(&self, text: &str) -> Result<u64, Problem> {
        match self.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            Some(at) => Ok(self.least + at as u64),
            None => self.number(text),
        }
    }

    /// `strconv.Atoi`, nothing below zero.
    fn number(&self, text: &str) -> Result<u64, Problem> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let value = is_number.then(|| digits.parse::<i64>().ok()).flatten();
        match value.and_then(|value| u64::try_from(value).ok()) {
            // Minus zero is zero.
            Some(value) if value == 0 || !text.starts_with('-') => Ok(value),
            _ => Err(Problem::Number(self.name, shown(text))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Problem, check, never};

    #[test]
    fn moments_that_never_come() {
        for (schedule, why) in [
            ("0 0 30 2 *", "February has no day 30"),
            ("59 23 31 2 *", "February has no day 31"),
            ("0 0 31 2,4,6,9,11 ?", "none of its months has a day 31"),
            ("0 0 30,31 FEB *", "February has no day 30"),
            ("0 0 30-31 2 */1", "February has no day 30"),
            (", * * * *", "the field minute has no value"),
            ("0 0 , * *", "the field day of month has no value"),
        ] {
            assert_eq!(never(schedule).as_deref(), Some(why), "{schedule}");
            assert_eq!(check(schedule), Ok(()), "{schedule}");
        }
    }

    #[test]
    fn moments_that_come() {
        for schedule in [
            "* * * * *",
            "0 0 29 2 *",
            "0 0 31 * *",
            "0 0 29-31 2 *",
            "0 0 31 2,3 *",
            "0 0 */30 2 *",
            // A day of the week beside it is enough.
            "0 0 30 2 1",
            "0 0 30 2 0-6",
            "0 0 30 2 */2",
            "0 0 * 2 *",
            "@yearly",
            "@every 1h",
            "0 0 30 2",
            "0 0 32 2 *",
            "",
        ] {
            assert_eq!(never(schedule), None, "{schedule}");
        }
    }

    /// From parser_test.go of robfig/cron, and what people write.
    #[test]
    fn what_is_a_schedule() {
        for schedule in [
            "* * * * ?",
            "* * * * *",
            "5 * * * *",
            "*/15 0-6,18-23/2 1,15 JAN-mar Mon-FRI",
            "0 0 31 2 0",
            "5/10 * * * *",
            "+5 * * * *",
            ", * * * *",
            "*-7 * * * *",
            "\t0  0 1 1 *",
            "@hourly",
            "@midnight",
            "@every 1h30m",
            "@every 5s",
        ] {
            assert_eq!(check(schedule), Ok(()), "{schedule}");
        }
    }

    #[test]
    fn what_is_none() {
        let cases = [
            ("* * * *", Problem::Fields(4)),
            ("0 * * * * *", Problem::Fields(6)),
            ("", Problem::Fields(0)),
            ("60 * * * *", Problem::Range("minute", 60, 0, 59)),
            ("0 24 * * *", Problem::Range("hour", 24, 0, 23)),
            ("0 0 0 * *", Problem::Range("day of month", 0, 1, 31)),
            ("0 0 * * 7", Problem::Range("day of week", 7, 0, 6)),
            ("0 0 * * 1-7", Problem::Range("day of week", 7, 0, 6)),
            ("0 0 * 13 *", Problem::Range("month", 13, 1, 12)),
            ("5-1 * * * *", Problem::Backwards("minute", "5-1".to_owned())),
            ("*/0 * * * *", Problem::Step("minute", "*/0".to_owned())),
            ("-1 * * * *", Problem::Number("minute", String::new())),
            ("1--2 * * * *", Problem::Signs("minute", "1--2".to_owned())),
            ("1/2/3 * * * *", Problem::Signs("minute", "1/2/3".to_owned())),
            ("0 0 * * monday", Problem::Number("day of week", "monday".to_owned())),
            ("0 0 L * *", Problem::Number("day of month", "L".to_owned())),
            ("@unknown", Problem::Descriptor("@unknown".to_owned())),
            ("@every hour", Problem::Duration("hour".to_owned())),
        ];
        for (schedule, problem) in cases {
            assert_eq!(
                check(schedule).as_ref().err().map(std::mem::discriminant),
                Some(std::mem::discriminant(&problem)),
                "{schedule}"
            );
        }
        assert_eq!(check("0 0 * * 7"), Err(Problem::Range("day of week", 7, 0, 6)));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "[0-9*/,@?a-z \\-]{0,40}") {
            let _ = (check(&text), never(&text));
        }
    }
}
