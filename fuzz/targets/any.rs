//! All targets in one executable, which is built once: `PROVOST_FUZZ` says which one runs.

#![no_main]

use std::sync::OnceLock;

use provost_fuzz::{TARGETS, Target};

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn choose() -> Target {
    let name = std::env::var("PROVOST_FUZZ").unwrap_or_default();
    let names = || TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    *TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap_or_else(|| panic!("PROVOST_FUZZ is {name:?}, and it is one of {}", names()))
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| CHOSEN.get_or_init(choose).1(data));
