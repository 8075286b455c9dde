//! What runtimes of several versions counted, as they published it themselves.

#![allow(clippy::unwrap_used, reason = "they are tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use goformats::counters::Counter as C;
use goformats::counters::{Counter, Form, Snapshot, form, read};

fn bytes(version: &str, name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/counters");
    fs::read(folder.join(version).join(name)).unwrap()
}

fn snapshot(version: &str, name: &str) -> Snapshot {
    let bytes = bytes(version, name);
    read(&bytes, form(&bytes).unwrap()).unwrap()
}

/// Versions, and the last snapshot of a program that is well.
const STEADY: [(&str, &str); 4] =
    [("1.18", "steady-6"), ("1.22", "steady-6"), ("1.25", "steady-6"), ("1.27", "steady-12")];

/// Of `runtime/metrics` of Go 1.18.
const FIRST: [Counter; 8] =
    [C::Heap, C::Goal, C::Cycles, C::Forced, C::Allocated, C::Goroutines, C::Mapped, C::Released];
/// What came with Go 1.19 to 1.21.
const LATER: [Counter; 8] =
    [C::Live, C::Limit, C::Gogc, C::Limited, C::GcCpu, C::GcIdleCpu, C::AllCpu, C::Procs];
const MEMSTATS: [Counter; 10] = [
    C::Heap,
    C::Goal,
    C::Cycles,
    C::Forced,
    C::GcShare,
    C::Allocated,
    C::Paused,
    C::LastCollection,
    C::Mapped,
    C::Released,
];
/// What client_golang has of other sources than `runtime/metrics`.
const USUAL: [Counter; 11] = [
    C::Heap,
    C::Goal,
    C::Cycles,
    C::Allocated,
    C::LastCollection,
    C::Mapped,
    C::Released,
    C::Goroutines,
    C::Threads,
    C::Resident,
    C::Started,
];

#[test]
fn each_version_counts_what_it_has() {
    let set = |parts: &[&[Counter]]| parts.concat().into_iter().collect::<BTreeSet<_>>();
    for (version, name) in STEADY {
        let later: &[Counter] = if version == "1.18" { &[] } else { &LATER };
        // Threads are counted from Go 1.26 on.
        let threads: &[Counter] = if version == "1.27" { &[C::Threads] } else { &[] };
        // client_golang has the settings since 1.20.
        let settings: &[Counter] =
            if version == "1.18" { &[] } else { &[C::Limit, C::Gogc, C::Procs] };
        for (end, is, expected) in [
            (".json", Form::Expvar, set(&[&MEMSTATS])),
            (".txt", Form::RuntimeMetrics, set(&[&FIRST, later, threads])),
            (".prom", Form::Prometheus, set(&[&FIRST, later, &USUAL])),
            ("-usual.prom", Form::Prometheus, set(&[&USUAL, settings])),
        ] {
            let read = snapshot(version, &format!("{name}{end}"));
            assert_eq!(read.form, is, "{version} {end}");
            let found: BTreeSet<Counter> = read.values.keys().copied().collect();
            assert_eq!(found, expected, "{version} {end}");
            let go = read.go.as_deref().map(|go| go.starts_with(&format!("go{version}.")));
            let said = (is == Form::Prometheus).then_some(true);
            assert_eq!(go, said, "{version} {end}");
        }
    }
}

/// The forms were written one after the other, in that order.
#[test]
fn the_forms_of_one_moment_agree() {
    for (version, name) in STEADY {
        let all = [".json", ".prom", "-usual.prom", ".txt"]
            .map(|end| snapshot(version, &format!("{name}{end}")));
        for pair in all.windows(2) {
            for counter in [C::Cycles, C::Allocated] {
                let (before, after) =
                    (pair[0].get(counter).unwrap(), pair[1].get(counter).unwrap());
                assert!(before <= after, "{version} {counter:?}: {before} {after}");
                assert!(after <= before * 1.1, "{version} {counter:?}: {before} {after}");
            }
            if pair[0].get(C::Cycles) == pair[1].get(C::Cycles) {
                assert_eq!(pair[0].get(C::Goal), pair[1].get(C::Goal), "{version}");
            }
        }
    }
}

#[test]
fn pauses_of_every_version_come_to_what_they_sum_up_to() {
    for (version, name) in STEADY.into_iter().chain([("1.22", "spiral-6"), ("1.25", "spiral-6")]) {
        let read = snapshot(version, &format!("{name}.json"));
        let cycles = read.get(C::Cycles).unwrap();
        assert!(cycles < 256.0, "{version}: no pause is left out");
        assert_eq!(read.pauses.len() as f64, cycles, "{version}");
        let sum: u64 = read.pauses.iter().map(|pause| pause.nanos).sum();
        assert_eq!(Some(sum as f64), read.get(C::Paused), "{version}");
        let last = read.pauses.last().unwrap();
        let ended = read.get(C::LastCollection).unwrap();
        assert!((last.end as f64 * 1e-9 - ended).abs() < 1e-3, "{version}: {last:?} {ended}");
    }
}
