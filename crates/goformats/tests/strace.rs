//! Logs that strace and perf wrote of Go programs.

#![allow(clippy::unwrap_used, reason = "they are tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use goformats::runtimelog::Envelope;
use goformats::strace::{Counts, Event, Reader, Said, Tool};

struct Log {
    calls: BTreeMap<String, u64>,
    /// Nanoseconds.
    took: BTreeMap<String, u64>,
    texts: Vec<String>,
    counts: Counts,
    tool: Option<Tool>,
}

fn read(name: &str) -> Log {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/syscalls").join(name);
    let bytes = fs::read(&path).unwrap();
    let (mut calls, mut took, mut texts) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let mut each = |said: Said<'_>| match said.event {
        Event::Call(call) => {
            *calls.entry(call.name.to_owned()).or_default() += 1;
            *took.entry(call.name.to_owned()).or_default() += call.took.unwrap_or_default();
        }
        Event::Text(text) => texts.push(String::from_utf8_lossy(text).into_owned()),
        _ => {}
    };
    let mut reader = Reader::default();
    reader.push(&bytes, &mut each);
    reader.finish(&mut each);
    let (counts, tool) = (reader.counts(), reader.tool());
    Log { calls, took, texts, counts, tool }
}

#[test]
fn every_line_of_strace_is_read() {
    for name in [
        "1.22/disk",
        "1.22/dns-cgo",
        "1.22/clib",
        "1.27/disk",
        "1.27/lock",
        "1.27/dns-cgo",
        "1.27/dns-go",
        "1.27/serve",
        "1.27/pipes",
        "1.27/clib",
        "1.27/disk-stderr",
        "1.27/disk-relative",
        "1.27/lock-seconds",
        "1.27/serve-filtered",
        "1.27/serve-alone",
    ] {
        let log = read(&format!("{name}.strace"));
        assert_eq!(log.texts, [""; 0], "{name}");
        let counts = log.counts;
        assert_eq!((counts.cut, counts.orphans, log.tool), (0, 0, Some(Tool::Strace)), "{name}");
        // A program that ended has no call that goes on.
        assert_eq!(counts.open, 0, "{name}");
    }
}

#[test]
fn a_hundred_records_are_a_hundred_writes_however_they_were_recorded() {
    for name in [
        "1.22/disk.strace",
        "1.27/disk.strace",
        "1.27/disk-stderr.strace",
        "1.27/disk-relative.strace",
        "1.22/disk.perftrace",
        "1.27/disk.perftrace",
    ] {
        let log = read(name);
        assert_eq!(log.calls["fsync"], 100, "{name}");
        assert_eq!(log.calls["write"] % 100, 0, "{name}: {}", log.calls["write"]);
        if !name.contains("relative") {
            // As -T and perf measured; each takes some tenths of a millisecond at least.
            assert!(log.took["fsync"] > 20_000_000, "{name}: {}", log.took["fsync"]);
        }
    }
}

#[test]
fn lines_of_perf_are_read() {
    for name in ["1.22/disk.perftrace", "1.27/disk.perftrace"] {
        let log = read(name);
        assert_eq!(log.texts, [""; 0], "{name}");
        assert_eq!(log.tool, Some(Tool::Perf), "{name}");
    }
}

#[test]
fn tables_of_sums_are_told_from_logs() {
    assert_eq!(read("1.27/count.strace").tool, Some(Tool::StraceSummary));
    assert_eq!(read("1.27/disk-summary.perftrace").tool, Some(Tool::PerfSummary));
}

/// A log that is cut anywhere gives no call that the whole one does not.
#[test]
fn a_log_cut_anywhere_gives_what_stands_before_the_cut() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/syscalls/1.27/lock.strace");
    let bytes = fs::read(path).unwrap();
    let calls = |pieces: &[&[u8]]| {
        let mut calls = Vec::new();
        let mut reader = Reader::default();
        let mut each = |said: Said<'_>| {
            if let Event::Call(call) = said.event
                && !call.open
            {
                calls.push((said.number, call.name.to_owned(), call.args.to_vec(), call.took));
            }
        };
        pieces.iter().for_each(|piece| reader.push(piece, &mut each));
        reader.finish(&mut each);
        calls
    };
    let whole = calls(&[&bytes]);
    for at in (0..bytes.len()).step_by(977) {
        let (front, back) = bytes.split_at(at);
        assert!(whole.starts_with(&calls(&[front])), "{at}");
        assert_eq!(calls(&[front, back]), whole, "{at}");
    }
}

/// What each event says, without where it stands.
fn told(bytes: &[u8]) -> (Vec<String>, Option<Tool>, Envelope) {
    let mut told = Vec::new();
    let mut each = |said: Said<'_>| {
        if said.event != Event::Text(b"noise") {
            told.push(format!("{:?} {:?} {:?}", said.event, said.thread, said.at_us));
        }
    };
    let mut reader = Reader::default();
    reader.push(bytes, &mut each);
    reader.finish(&mut each);
    (told, reader.tool(), reader.envelope())
}

/// A line as a container's log has it, between others of its stdout.
fn wrapped(line: &str, envelope: Envelope) -> String {
    let time = "2026-11-26T10:00:00.123456789Z";
    match envelope {
        Envelope::Plain => format!("{line}\n"),
        Envelope::Stamped => format!("{time} {line}\n"),
        Envelope::Cri => {
            // A long line comes in parts.
            let half = line.len() / 2;
            let half = (half..).find(|at| line.is_char_boundary(*at)).unwrap();
            let (front, back) = line.split_at(half);
            format!("{time} stderr P {front}\n{time} stdout F noise\n{time} stderr F {back}\r\n")
        }
        Envelope::Docker => {
            let text = serde_like(line);
            let noise = format!(r#"{{"log":"noise\n","stream":"stdout","time":"{time}"}}"#);
            format!(
                "{{\"log\":\"{text}\\r\\n\",\"stream\":\"stderr\",\"time\":\"{time}\"}}\n{noise}\n"
            )
        }
    }
}

fn serde_like(line: &str) -> String {
    line.replace('\\', "\\\\").replace('"', "\\\"").replace('\t', "\\t").replace('<', "\\u003c")
}

/// strace that runs in a container beside the program writes to the container's log.
#[test]
fn a_log_of_a_container_says_what_is_in_it() {
    for name in [
        "1.27/serve.strace",
        "1.27/disk-stderr.strace",
        "1.27/disk-relative.strace",
        "1.27/lock-seconds.strace",
        "1.27/count.strace",
        "1.27/disk.perftrace",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/syscalls").join(name);
        let text = fs::read_to_string(path).unwrap();
        let (plain, tool, _) = told(text.as_bytes());
        for envelope in [Envelope::Stamped, Envelope::Cri, Envelope::Docker] {
            let log: String = text.lines().map(|line| wrapped(line, envelope)).collect();
            let found = told(log.as_bytes());
            for (had, expected) in found.0.iter().zip(&plain) {
                assert_eq!(had, expected, "{name} {envelope:?}");
            }
            assert_eq!((found.0.len(), found.1), (plain.len(), tool), "{name} {envelope:?}");
            assert_eq!(found.2, envelope, "{name}");
        }
    }
}
