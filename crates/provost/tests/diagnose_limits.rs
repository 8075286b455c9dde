//! `provost diagnose gc` on logs whose GOGC and GOMEMLIMIT are known: what it says of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "they are tests")]

mod support;

use std::fs;

use serde_json::Value;
use support::Dir;

fn log(name: &str) -> String {
    fs::read_to_string(support::repository().join("fixtures/runtimelog/limits").join(name)).unwrap()
}

/// What is said of a log, unfolded.
fn said(name: &str, args: &[&str]) -> String {
    let dir = Dir::new().file("app.log", log(name));
    let run = dir.provost(&[&["diagnose", "app.log"], args].concat());
    run.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn collections(name: &str, args: &[&str]) -> Value {
    let args = [&["diagnose", "-", "--format", "json"], args].concat();
    let run = Dir::new().provost_with_stdin(&args, &log(name));
    let report: Value = serde_json::from_str(&run.out).unwrap();
    report["logs"][0]["collections"].clone()
}

/// `GOGC: 5 to 6` of a process that ran with 100, `GOMEMLIMIT: 206 MiB` of one that ran with 150MiB.
#[test]
fn settings_are_those_that_were_set() {
    for name in ["held-back.log", "little-room.log", "tree-leak.log"] {
        let settings = &collections(name, &[])["settings"];
        let range = settings["gogc_percent"].as_array().unwrap_or_else(|| panic!("{settings:#}"));
        let (least, most) = (range[0].as_u64().unwrap(), range[1].as_u64().unwrap());
        assert!((50..=100).contains(&least) && (100..=150).contains(&most), "{name}: {settings:#}");
        assert!(settings["limited_cycles"].as_u64().unwrap() > 100, "{name}: {settings:#}");
    }
    let least = &collections("little-room.log", &[])["settings"]["gomemlimit_least_mib"];
    assert!((80..=95).contains(&least.as_u64().unwrap()), "{least}");
    let text = said("ballast-pinned.log", &[]);
    assert!(text.contains("or a GOMEMLIMIT at what was live"), "{text}");
    assert!(text.contains("GOMEMLIMIT: cannot tell") && !text.contains("206 MiB"), "{text}");
}

/// Every pause ten times as long was "no difference that this much data could show".
#[test]
fn pauses_that_are_all_ten_times_as_long_differ() {
    let dir = Dir::new().file("a.log", log("pauses.log")).file("b.log", log("pauses-tenfold.log"));
    let args = ["diagnose", "gc", "--compare", "a.log", "b.log", "--format", "json"];
    let report: Value = serde_json::from_str(&dir.provost(&args).out).unwrap();
    let of = |what: &str| {
        let all = report["comparisons"].as_array().unwrap().iter();
        all.into_iter().find(|of| of["what"] == what).unwrap().clone()
    };
    for what in ["all pauses", "pauses before marking", "pauses behind marking"] {
        let of = of(what);
        assert_eq!(of["verdict"], "larger", "{of:#}");
        let effect = |name: &str| of["effect"][name].as_f64().unwrap();
        assert!((9.0..11.0).contains(&effect("value")), "{of:#}");
        assert!(effect("low") > 1.0 && effect("high") < 100.0, "{of:#}");
    }
    assert_eq!(of("MB live")["verdict"], "no-difference-shown");
}
