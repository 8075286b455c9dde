//! Lines that do not say when, or how bad.

use serde_json::Value;

use crate::case::logged::Logged;
use crate::case::process::ProcessCase;
use crate::facts::proof::PhaseName;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// They are ordered by when they were collected, and in no search for errors.
pub static RULE: Rule = Rule {
    id: "log-time-or-level-missing",
    group: Group::Logs,
    level: Level::Warn,
    title: "JSON lines without a time or a level that can be read",
    page: include_str!("log-time-or-level-missing.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    check: Check::Process(check),
    ..Rule::BASE
};

/// What slog, zap, zerolog, logrus, hclog, klog, the Elastic Common Schema, OpenTelemetry and the clouds
/// call it.
const TIMES: &[&str] =
    &["time", "ts", "timestamp", "@timestamp", "t", "datetime", "date", "asctime", "eventTime"];

/// The same; klog has the verbosity `v` instead of a level (zapr of `k8s.io/component-base/logs`).
const LEVELS: &[&str] = &[
    "level",
    "lvl",
    "severity",
    "log.level",
    "loglevel",
    "levelname",
    "@level",
    "severityText",
    "severity_text",
    "priority",
    "v",
];

/// The beginnings of their words.
const WORDS: &[&str] = &[
    "trac", "debug", "info", "notice", "warn", "err", "crit", "fatal", "panic", "dpanic", "alert",
    "emerg", "default", "verbose", "trc", "dbg", "inf", "ntc", "wrn", "ftl", "pnc", "severe",
    "fine",
];

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let lines: Vec<Logged<'_>> = phase.logged().collect();
    if lines.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let timeless = |it: &&Logged<'_>| !it.field(TIMES).is_some_and(is_time);
    let plain = |it: &&Logged<'_>| !it.field(LEVELS).is_some_and(is_level);
    let counts = [
        (lines.iter().filter(timeless).count(), "time"),
        (lines.iter().filter(plain).count(), "level"),
    ];
    let wrong: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} have no {what} that can be read"))
        .collect();
    let Some(first) = lines.iter().find(|it| timeless(it) || plain(it)) else { return Ok(()) };
    let text = first.line.shown();
    let stream = first.line.stream();
    let message = format!("of {} JSON lines {}", lines.len(), wrong.join(", and "));
    out.push(
        Finding::new(&RULE, message, &case.moment(phase, first.line.at_us), stream)
            .note(format!("the first: {text}"))
            .note(case.repeat(phase))
            .fix(Fix::suggest(
                "write every line by one logger, with a time (RFC 3339 or seconds) and a level: slog.NewJSONHandler does",
            )),
    );
    Ok(())
}

/// Seconds or parts of them, or a date with a time of day.
fn is_time(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| number > 0.0),
        Value::String(text) => text.parse::<f64>().is_ok() || is_date(text),
        // `{"seconds": 1764000000, "nanos": 0}`, as Google's agents take it.
        Value::Object(parts) => parts.contains_key("seconds"),
        _ => false,
    }
}

/// `2026-11-23T10:00:00`, with `T` or a space, whatever the zone is written as.
fn is_date(text: &str) -> bool {
    let like = b"0000-00-00T00:00:00";
    let is = |(got, like): (&u8, &u8)| match like {
        b'0' => got.is_ascii_digit(),
        b'T' => matches!(got, b'T' | b't' | b' '),
        other => got == other,
    };
    text.len() >= like.len() && text.as_bytes().iter().zip(like).all(is)
}

fn is_level(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::String(text) => {
            let text = text.trim().to_ascii_lowercase();
            text.len() == 1 || WORDS.iter().any(|word| text.starts_with(word))
        }
        _ => false,
    }
}
