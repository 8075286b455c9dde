//! The model of the pacer against what real processes of each Go version printed, at GOGC=100.

#![allow(clippy::unwrap_used, reason = "it is a test")]

use std::fs;
use std::path::Path;

use goformats::runtimelog::{Entry, GcCycle, Line, Reader, Runtime};
use provost_check::model::pacer::Marked;

fn cycles(version: &str, kind: &str) -> Vec<GcCycle> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../../fixtures/runtimelog/{version}/{kind}.log"));
    let mut cycles = Vec::new();
    let mut each = |line: Line<'_>| {
        if let Entry::Runtime(Runtime::Gc(cycle)) = line.entry {
            cycles.push(cycle);
        }
    };
    let mut reader = Reader::default();
    reader.push(&fs::read(path).unwrap(), &mut each);
    reader.finish(&mut each);
    cycles
}

#[test]
fn every_goal_follows_from_the_line_before() {
    let (mut pairs, mut twice) = (0, 0);
    for version in ["1.19", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27"] {
        for kind in ["basic", "pacer"] {
            for pair in cycles(version, kind).windows(2) {
                let [before, after] = pair else { continue };
                let heap = &before.heap;
                let marked = Marked {
                    live: heap.live,
                    stacks: heap.stacks.unwrap(),
                    globals: heap.globals.unwrap(),
                };
                let goals = marked.goals(100, after.heap.at_start);
                let told = format!("{version} {kind}: {before:?}\n{after:?}\n{goals:?}");
                assert!(goals.contains(&after.heap.goal), "{told}");
                let (least, most) = marked.percents(after.heap.goal);
                assert!(least <= 100, "{told}");
                // A goal that was moved ahead of the heap is larger than GOGC says, never smaller.
                assert!(100 <= most, "{told}");
                pairs += 1;
                twice += u32::from(!marked.goals(200, 0).contains(&after.heap.goal));
            }
        }
    }
    // It would be no test if any goal fitted.
    assert!(pairs > 500 && twice * 2 > pairs, "{pairs} {twice}");
}
