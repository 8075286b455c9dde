//! Logs that a store gives out as one document, newest first as most of them do, turned into the lines that
//! [`crate::runtimelog::Reader`] takes: one record each, in order of time.
//!
//! Sources: `LogEntry` of Cloud Logging (`gcloud logging read --format=json`, which reads `--order=desc`), `aws logs
//! get-log-events` and `filter-log-events`, Loki's `/loki/api/v1/query_range` (`streams`) and what
//! Grafana downloads of it, Datadog's `/api/v2/logs/events`, and the journal's `export`, `verbose` and `json-pretty`
//! (`output_export`, `output_verbose` and `output_json` of systemd's src/shared/logs-show.c).

use std::borrow::Cow;
use std::io::Write as _;

use crate::json::Json;

/// Objects in each other that are looked into.
const DEEPEST: u8 = 8;
/// Records of one document.
const MOST: usize = 4_000_000;
/// Bytes of the name of a pod or a container, which Kubernetes' own do not exceed (DNS-1123 subdomain): it is written
/// before every record of its stream.
const LONGEST_NAME: usize = 253;

/// Whether a text begins as one of them.
pub fn is_one(head: &[u8]) -> bool {
    let text = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head).trim_ascii_start();
    let has = |word: &str| memchr::memmem::find(text, word.as_bytes()).is_some();
    let any = |words: &[&str]| words.iter().any(|word| has(word));
    let line = text.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii_end();
    match text.first() {
        Some(b'[') => {
            let inside = text.get(1..).unwrap_or_default().trim_ascii_start();
            // `[{` of a document, and no level before a line.
            inside.starts_with(b"{")
                && (line == b"[" || line == b"[{" || inside.starts_with(b"{\""))
                && any(&[
                    "\"textPayload\"",
                    "\"@message\"",
                    "\"ingestionTime\"",
                    "\"line\"",
                    "\"message\"",
                    "\"jsonPayload\"",
                ])
        }
        Some(b'{') if line == b"{" => any(&[
            "\"textPayload\"",
            "\"ingestionTime\"",
            "\"@message\"",
            "\"resultType\"",
            "\"attributes\"",
            "\"MESSAGE\"",
        ]),
        // In one line, as an API answers.
        Some(b'{') => {
            any(&["\"resultType\":\"streams\"", "\"resultType\": \"streams\""])
                || line.starts_with(b"{\"events\":[")
                || line.starts_with(b"{\"data\":[") && has("\"attributes\"")
        }
        Some(b'_') => text.starts_with(b"__CURSOR="),
        _ => is_verbose(line) && has("\n    MESSAGE="),
    }
}

/// `Thu 2026-11-26 10:00:15.605563 UTC [s=ab;i=1;b=2]`
fn is_verbose(line: &[u8]) -> bool {
    line.ends_with(b"]") && memchr::memmem::find(line, b" [s=").is_some()
}

/// A line of a log as a store has it.
#[derive(Debug, Default)]
struct Record<'t> {
    /// RFC 3339, or a number since 1970.
    time: Option<Cow<'t, [u8]>>,
    text: Option<&'t [u8]>,
    /// What is told of a text in an object of its own (`jsonPayload`).
    inner: Option<&'t [u8]>,
    pod: Option<&'t [u8]>,
    container: Option<&'t [u8]>,
    is_record: bool,
}

/// Its records as lines, or nothing where it has none.
pub fn lines(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let begin = text.trim_ascii_start();
    let first = begin.split(|b| *b == b'\n').next().unwrap_or_default();
    let mut all = Lines::default();
    if begin.starts_with(b"__CURSOR=") || is_verbose(first.trim_ascii_end()) {
        entries(begin, &mut all);
    } else {
        // One object behind the other, or one document.
        let mut json = Json::new(text);
        while json.begins(b"{[") {
            if all.value(&mut json, None, 0).is_none() {
                break;
            }
        }
    }
    all.sorted()
}

#[derive(Default)]
struct Lines {
    /// Nanoseconds since 1970, and where a line lies in `text`.
    order: Vec<(i128, usize, usize)>,
    text: Vec<u8>,
}

impl Lines {
    fn sorted(mut self) -> Option<Vec<u8>> {
        // Of one moment they were given out one behind the other, in whichever direction all of them are.
        let falls = self.order.windows(2).filter(|pair| pair[1].0 < pair[0].0).count();
        let rises = self.order.windows(2).filter(|pair| pair[1].0 > pair[0].0).count();
        if falls > rises {
            self.order.reverse();
        }
        self.order.sort_by_key(|(at, ..)| *at);
        let mut sorted = Vec::with_capacity(self.text.len());
        for (_, from, to) in &self.order {
            sorted.extend_from_slice(self.text.get(*from..*to)?);
        }
        (!self.order.is_empty()).then_some(sorted)
    }

    /// A value, and all that it holds; what stands around it may say whose its records are.
    fn value<'t>(
        &mut self,
        json: &mut Json<'t>,
        around: Option<(&'t [u8], &'t [u8])>,
        depth: u8,
    ) -> Option<()> {
        if json.begins(b"[") {
            return json.array(&mut |json| match json.begins(b"{[") && depth < DEEPEST {
                true => self.value(json, around, depth + 1),
                false => Some(()),
            });
        }
        let mut record = Record::default();
        let whole = json.rest();
        json.object(&mut |name, json| self.field(&mut record, name, json, depth))?;
        let object = whole.get(..whole.len() - json.rest().len())?;
        if record.is_journal(object) {
            return self.compact(object);
        }
        self.push(&record, around)
    }

    fn field<'t>(
        &mut self,
        record: &mut Record<'t>,
        name: &'t [u8],
        json: &mut Json<'t>,
        depth: u8,
    ) -> Option<()> {
        match name {
            b"textPayload" | b"@message" => {
                record.text = json.string().or(record.text);
                record.is_record = true;
            }
            b"message" | b"line" => record.text = json.string().or(record.text),
            b"jsonPayload" | b"content" if depth < DEEPEST => {
                record.is_record = true;
                return json.object(&mut |name, json| {
                    if matches!(name, b"message" | b"msg" | b"log") {
                        record.inner = json.string();
                    }
                    Some(())
                });
            }
            b"timestamp" | b"@timestamp" | b"tsNs" | b"date"
                if record.time.is_none() || name == b"tsNs" =>
            {
                record.time = match json.string() {
                    Some(text) => Some(Cow::Borrowed(text)),
                    None => json.number().map(|at| Cow::Owned(format!("{at:.0}").into_bytes())),
                };
                record.is_record |= record.time.is_some();
            }
            b"pod_name" | b"pod" | b"logStreamName" | b"@logStream" => record.pod = json.string(),
            b"container_name" | b"container" => record.container = json.string(),
            b"tags" if depth < DEEPEST && json.begins(b"[") => {
                return json.array(&mut |json| {
                    if let Some(tag) = json.string() {
                        record.tag(tag);
                    }
                    Some(())
                });
            }
            // Of Loki: whose the lines are that follow, or stand before.
            b"values" if json.begins(b"[") => {
                let own = record.name();
                return json.array(&mut |json| self.pair(own, json));
            }
            b"stream" | b"labels" | b"resource" | b"fields"
                if depth < DEEPEST && json.begins(b"{") =>
            {
                return json.object(&mut |name, json| match name {
                    b"textPayload" | b"message" | b"line" | b"timestamp" => Some(()),
                    _ => self.field(record, name, json, depth + 1),
                });
            }
            // Of Datadog's, what a program logged itself.
            b"attributes" if record.text.is_some() => {}
            _ if depth < DEEPEST && json.begins(b"{[") => {
                let own = record.name();
                return self.value(json, own, depth + 1);
            }
            _ => {}
        }
        Some(())
    }

    /// `["1764151215605563000", "gc 1 @0.1s ..."]`
    fn pair<'t>(&mut self, own: Option<(&'t [u8], &'t [u8])>, json: &mut Json<'t>) -> Option<()> {
        let mut record = Record { is_record: true, ..Record::default() };
        json.array(&mut |json| {
            if json.begins(b"\"") {
                let text = json.string()?;
                match record.time.is_none() {
                    true => record.time = Some(Cow::Borrowed(text)),
                    false => record.text = record.text.or(Some(text)),
                }
            }
            Some(())
        })?;
        self.push(&record, own)
    }

    fn push<'t>(
        &mut self,
        record: &Record<'t>,
        around: Option<(&'t [u8], &'t [u8])>,
    ) -> Option<()> {
        let Some(text) = record.text.or(record.inner).filter(|_| record.is_record) else {
            return Some(());
        };
        if self.order.len() >= MOST {
            return Some(());
        }
        let at = record.time.as_deref().and_then(nanos);
        let from = self.text.len();
        let out = &mut self.text;
        out.extend_from_slice(b"{\"labels\":{");
        if let Some((pod, container)) = record.name().or(around) {
            out.extend_from_slice(b"\"pod\":\"");
            out.extend_from_slice(pod);
            out.push(b'"');
            if !container.is_empty() {
                out.extend_from_slice(b",\"container\":\"");
                out.extend_from_slice(container);
                out.push(b'"');
            }
        }
        out.extend_from_slice(b"},\"line\":\"");
        out.extend_from_slice(text);
        out.extend_from_slice(b"\",\"timestamp\":\"");
        // Writing into a vector cannot fail.
        let _ = write!(out, "{}", at.map_or(String::new(), rfc3339));
        out.extend_from_slice(b"\"}\n");
        let last = self.order.last().map_or(0, |(at, ..)| *at);
        self.order.push((at.unwrap_or(last), from, self.text.len()));
        Some(())
    }

    /// An entry of the journal, in one line: a string has no line end in it.
    fn compact(&mut self, object: &[u8]) -> Option<()> {
        let at = field_of(object, b"\"__REALTIME_TIMESTAMP\"").and_then(nanos);
        let from = self.text.len();
        self.text.extend(object.iter().filter(|b| !matches!(b, b'\n' | b'\r' | b'\t')));
        self.text.push(b'\n');
        let last = self.order.last().map_or(0, |(at, ..)| *at);
        self.order.push((at.unwrap_or(last), from, self.text.len()));
        Some(())
    }
}

fn field_of<'t>(object: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    let at = memchr::memmem::find(object, name)? + name.len();
    let mut json = Json::new(object.get(at..)?);
    json.take(b':')?;
    json.string()
}

impl<'t> Record<'t> {
    fn name(&self) -> Option<(&'t [u8], &'t [u8])> {
        let name = |name: Option<&'t [u8]>| name.filter(|name| name.len() <= LONGEST_NAME);
        let (pod, container) = (name(self.pod), name(self.container));
        (pod.is_some() || container.is_some())
            .then(|| (pod.unwrap_or_default(), container.unwrap_or_default()))
    }

    /// `pod_name:checkout-7d9c5b6f4-x2x7k` among Datadog's.
    fn tag(&mut self, tag: &'t [u8]) {
        let Some(at) = memchr::memchr(b':', tag) else { return };
        let (name, value) = (tag.get(..at).unwrap_or_default(), tag.get(at + 1..));
        match name {
            b"pod_name" => self.pod = value,
            b"kube_container_name" | b"container_name" => {
                self.container = self.container.or(value);
            }
            _ => {}
        }
    }

    fn is_journal(&self, object: &[u8]) -> bool {
        let head = object.get(..object.len().min(1 << 14)).unwrap_or(object);
        !self.is_record && memchr::memmem::find(head, b"\"__REALTIME_TIMESTAMP\"").is_some()
    }
}

/// The name of a field of the journal, and its value.
type Field<'t> = (Cow<'t, [u8]>, Cow<'t, [u8]>);

/// Entries of `export` and `verbose`: a field in each line, and an empty line or a head between.
fn entries(text: &[u8], all: &mut Lines) {
    let mut entry: Vec<Field<'_>> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let field = line.trim_ascii_start();
        if field.is_empty() || is_verbose(line) {
            all.entry(&entry);
            entry.clear();
            continue;
        }
        let wanted = |name: &[u8]| {
            matches!(
                name,
                b"MESSAGE"
                    | b"_PID"
                    | b"SYSLOG_IDENTIFIER"
                    | b"_TRANSPORT"
                    | b"__REALTIME_TIMESTAMP"
                    | b"_SOURCE_MONOTONIC_TIMESTAMP"
            )
        };
        match memchr::memchr(b'=', field) {
            Some(at) => {
                let (name, value) = field.split_at(at);
                if wanted(name) && entry.len() < 16 {
                    let value = value.get(1..).unwrap_or_default();
                    entry.push((Cow::Borrowed(name), Cow::Borrowed(value)));
                }
            }
            // A value that is no text: its length in eight bytes, and itself (`export`).
            None if line.len() == field.len() => {
                let Some(length) = rest.get(..8).and_then(|of| of.try_into().ok()) else { return };
                let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
                let Some(value) = length.checked_add(8).and_then(|to| rest.get(8..to)) else {
                    return;
                };
                if wanted(field) && entry.len() < 16 {
                    entry.push((Cow::Borrowed(field), Cow::Borrowed(value)));
                }
                rest = rest.get(8 + length..).unwrap_or_default();
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            None => {}
        }
    }
    all.entry(&entry);
}

impl Lines {
    fn entry(&mut self, fields: &[Field<'_>]) {
        let of = |wanted: &[u8]| {
            fields.iter().find(|(name, _)| **name == *wanted).map(|(_, value)| value.as_ref())
        };
        if of(b"MESSAGE").is_none() || self.order.len() >= MOST {
            return;
        }
        let at = of(b"__REALTIME_TIMESTAMP").and_then(nanos);
        let from = self.text.len();
        for (n, (name, value)) in fields.iter().enumerate() {
            self.text.extend_from_slice(if n == 0 { b"{\"" } else { b",\"" });
            self.text.extend_from_slice(name);
            self.text.extend_from_slice(b"\":\"");
            escape(value, &mut self.text);
            self.text.push(b'"');
        }
        self.text.extend_from_slice(b"}\n");
        let last = self.order.last().map_or(0, |(at, ..)| *at);
        self.order.push((at.unwrap_or(last), from, self.text.len()));
    }
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.push(*byte),
        }
    }
}

/// Nanoseconds since 1970 of a time: RFC 3339, `2026-11-26 10:00:00.123` (UTC), or seconds, milliseconds, microseconds or
/// nanoseconds, which their digits tell apart for centuries.
fn nanos(time: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(time).ok()?.trim();
    if let Ok(number) = text.parse::<u64>() {
        let each = match text.len() {
            0..=11 => 1_000_000_000,
            12..=14 => 1_000_000,
            15..=17 => 1000,
            _ => 1,
        };
        return Some(i128::from(number) * each);
    }
    let digits = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let seconds = digits(11, 13)? * 3600 + digits(14, 16)? * 60 + digits(17, 19)?;
    let mut rest = text.get(19..)?;
    let mut part = 0;
    if let Some(of) = rest.strip_prefix('.') {
        let end = of.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(of.len());
        let shown = of.get(..end.min(9))?;
        part = format!("{shown:0<9}").parse::<i128>().ok()?;
        rest = of.get(end..)?;
    }
    let zone = match rest.as_bytes() {
        [] | [b'Z'] => 0,
        [sign @ (b'+' | b'-'), ..] => {
            let of = rest.get(1..)?.replace(':', "");
            let (hours, minutes) =
                (of.get(..2)?.parse::<i64>().ok()?, of.get(2..4)?.parse::<i64>().ok()?);
            (hours * 3600 + minutes * 60) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let all = days(year, month, day)? * 86_400 + seconds - zone;
    Some(i128::from(all) * 1_000_000_000 + part)
}

/// Days since 1970 (`days_from_civil`, Howard Hinnant).
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn rfc3339(nanos: i128) -> String {
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or_default();
    let part = nanos.rem_euclid(1_000_000_000);
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // `civil_from_days`
    let from = day.saturating_add(719_468);
    let era = from.div_euclid(146_097);
    let of_era = from - era * 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}.{part:09}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests;
