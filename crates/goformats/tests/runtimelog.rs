//! Logs that programs of each Go version wrote.

#![allow(clippy::unwrap_used, reason = "they are tests")]

use std::fs;
use std::path::{Path, PathBuf};

use goformats::runtimelog::{Counts, Entry, GcCycle, Line, Reader, Runtime};

const VERSIONS: [u32; 8] = [19, 21, 22, 23, 24, 25, 26, 27];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/runtimelog")
}

fn read(log: &[u8]) -> (Vec<Runtime>, Vec<String>, Counts) {
    let (mut said, mut texts) = (Vec::new(), Vec::new());
    let mut each = |line: Line<'_>| match line.entry {
        Entry::Runtime(entry) => said.push(entry),
        Entry::Text(text) => texts.push(String::from_utf8_lossy(text).into_owned()),
    };
    let mut reader = Reader::default();
    reader.push(log, &mut each);
    reader.finish(&mut each);
    let counts = reader.counts();
    (said, texts, counts)
}

fn cycles(said: &[Runtime]) -> Vec<GcCycle> {
    said.iter()
        .filter_map(|entry| if let Runtime::Gc(cycle) = entry { Some(*cycle) } else { None })
        .collect()
}

/// What the programs print themselves.
fn is_theirs(text: &str) -> bool {
    text.starts_with("ver go1.") || text.starts_with("done ")
}

#[test]
fn every_line_of_every_version_is_read() {
    for version in VERSIONS {
        for kind in ["basic", "detail", "pacer"] {
            let path = fixtures().join(format!("1.{version}/{kind}.log"));
            let (said, texts, counts) = read(&fs::read(&path).unwrap());
            let unread: Vec<_> = texts.iter().filter(|text| !is_theirs(text)).collect();
            assert!(unread.is_empty(), "{}: {unread:#?}", path.display());
            assert_eq!(
                (counts.doubtful, counts.lost, counts.joined),
                (0, 0, 0),
                "{}",
                path.display()
            );
            assert!(said.len() > 30, "{}: {}", path.display(), said.len());
        }
    }
}

#[test]
fn cycles_of_every_version_add_up() {
    for version in VERSIONS {
        let log = fs::read(fixtures().join(format!("1.{version}/pacer.log"))).unwrap();
        let cycles = cycles(&read(&log).0);
        for (expected, cycle) in (1..).zip(&cycles) {
            assert_eq!(cycle.number, expected, "1.{version}");
            assert!(cycle.heap.has_roots(), "1.{version}: {cycle:?}");
            assert!(cycle.heap.live <= cycle.heap.at_end, "1.{version}: {cycle:?}");
        }
        assert!(cycles.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms), "1.{version}");
    }
}

#[test]
fn a_torn_log_is_put_together() {
    let log = fs::read(fixtures().join("torn.log")).unwrap();
    let (said, texts, counts) = read(&log);
    let cycles = cycles(&said);
    // 538 of 756 stand whole in it.
    assert_eq!((counts.whole, cycles.len()), (538, 756), "{counts:?}");
    let numbers: Vec<u64> = cycles.iter().map(|cycle| cycle.number).collect();
    assert_eq!(numbers, (1..=756).collect::<Vec<_>>());
    for pair in cycles.windows(2) {
        let [before, after] = pair else { panic!("pairs") };
        assert!(before.at_ms <= after.at_ms, "{before:?} {after:?}");
        // GOGC=100: twice what was live, in whole MiB, and never below the least of 4 MiB.
        let goal = before.heap.live * 2;
        assert!((goal.max(3)..=goal.max(2) + 2).contains(&after.heap.goal), "{before:?} {after:?}");
    }
    let line = "level=info msg=\"request served\" status=200";
    let strange: Vec<_> = texts.iter().filter(|text| *text != line).collect();
    assert_eq!(strange, Vec::<&String>::new());
}
