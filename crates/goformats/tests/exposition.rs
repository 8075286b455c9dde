//! What Prometheus refuses is refused, and what it takes is taken.
//!
//! `data/expositions.jsonl` holds expositions with a few letters changed, and beside each whether the parsers of
//! Prometheus v3.5 (`NewPromParser` and `NewOpenMetricsParser` of model/textparse, github.com/prometheus/prometheus
//! v0.305.0, with labels that stand there twice counted as refused) gave an error.

#![allow(clippy::unwrap_used, reason = "it is a test")]

use goformats::exposition::{Effect, Format, Limits, read};

#[test]
fn prometheus_and_we_refuse_the_same() {
    let cases = include_str!("data/expositions.jsonl");
    let mut seen = [0, 0];
    for line in cases.lines() {
        let (format, text, refused): (String, String, bool) = serde_json::from_str(line).unwrap();
        let format = if format == "om" { Format::OpenMetrics } else { Format::Text };
        let read = read(text.as_bytes(), format, &Limits::DEFAULT);
        let ours = read.problems.iter().any(|problem| problem.effect == Effect::Refused);
        assert_eq!(ours, refused, "{text}\n{:?}", read.problems);
        seen[usize::from(refused)] += 1;
    }
    assert_eq!(seen, [300, 300]);
}
