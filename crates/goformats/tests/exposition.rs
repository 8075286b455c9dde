//! What Prometheus refuses is refused, and what it takes is taken.
//!
//! `data/expositions.jsonl` holds expositions with a few letters changed, and beside each whether the parsers of
//! Prometheus v3.5 (`NewPromParser` and `NewOpenMetricsParser` of model/textparse, github.com/prometheus/prometheus
//! v0.305.0, with labels that stand there twice counted as refused) gave an error. `data/expositions-protobuf.jsonl` has
//! the same of `NewProtobufParser`, in hexadecimal, with what `Histogram.Validate` refuses.

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

#[test]
fn prometheus_and_we_refuse_the_same_protobuf() {
    let (mut seen, mut others) = ([0, 0], Vec::new());
    for line in include_str!("data/expositions-protobuf.jsonl").lines() {
        let (hex, refused): (String, bool) = serde_json::from_str(line).unwrap();
        let digits = hex.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
        let bytes: Vec<u8> = digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect();
        let read = read(&bytes, Format::Protobuf, &Limits::DEFAULT);
        let ours = read.problems.iter().any(|problem| problem.effect == Effect::Refused);
        if ours != refused {
            others.push(format!("{hex} refused {refused}: {:?}", read.problems));
        }
        seen[usize::from(refused)] += 1;
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
    assert_eq!(seen, [200, 200]);
}
