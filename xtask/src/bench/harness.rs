//! What the harness of `provost prove` adds by itself: how late it begins what is due, how soon it sees
//! what happens, and how many requests a second it begins.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{cmd, paths};

/// Rates that are asked for, in requests a second.
const RATES: [u32; 4] = [100, 500, 2000, 5000];
/// Times that each is measured; the median is told.
const TIMES: usize = 5;

/// A table about a service that answers at once.
pub fn table(provost: &Path) -> Result<String> {
    let service = service()?;
    let mut text = String::from(
        "| requests a second | begun | begun late, 99 of 100 | answer, half | answer, 99 of 100 |\n|---:|---:|---:|---:|---:|\n",
    );
    for rate in RATES {
        let runs: Vec<[f64; 4]> = (0..TIMES)
            .map(|_| {
                let phase =
                    phase(provost, &service, &["--phase", "load", "--rate", &rate.to_string()])?;
                let load = |name: &str| phase["load"][name].as_f64().unwrap_or(0.0);
                let reached = (load("due") - 1.0) * 1e6 / load("took_us").max(1.0);
                let late = phase["lateness_us"].as_f64().unwrap_or(0.0);
                Ok([reached, late, load("p50_us"), load("p99_us")])
            })
            .collect::<Result<_>>()?;
        let of = |column: usize| median(runs.iter().map(|run| run[column]).collect());
        let ms = |column: usize| of(column) / 1000.0;
        text += &format!(
            "| {rate} | {:.0} | {:.2} ms | {:.2} ms | {:.2} ms |\n",
            of(0),
            ms(1),
            ms(2),
            ms(3)
        );
    }
    let seen: Vec<f64> = (0..TIMES)
        .map(|_| {
            // Without a handler the runtime ends at the signal.
            let phase =
                phase(provost, &service, &["--phase", "start", "--env", "FAULT=no-handler"])?;
            let at = |value: &Value| value["at_us"].as_f64().context("the process ended");
            Ok(at(&phase["exit"])? - at(&phase["signals"][0])?)
        })
        .collect::<Result<_>>()?;
    text += &format!(
        "\nFrom SIGTERM until the end of a process that does not handle it is seen: {:.2} ms.\n",
        median(seen) / 1000.0
    );
    Ok(text)
}

/// The service of the tests, by the newest Go.
fn service() -> Result<String> {
    let list = fs::read_to_string(paths::target().join("fixtures.json"))
        .context("cargo xtask fixtures builds the service that is measured")?;
    let list: Vec<Value> = serde_json::from_str(&list)?;
    let newest = list.iter().rfind(|it| it["program"] == "service" && it["goarch"] == "amd64");
    let path = newest.and_then(|it| it["path"].as_str());
    path.map(str::to_owned).context("the service is among the fixtures")
}

/// The phase that was measured.
fn phase(provost: &Path, service: &str, more: &[&str]) -> Result<Value> {
    let file = paths::target().join("bench-proof.json");
    let mut command = Command::new(provost);
    command.args(["prove", "--quiet", "--fail-on", "never", "--binary", service]);
    command.args(["--env", "PORT=8080", "--env", "TOKEN=token", "--env", "LAME_DUCK=0s"]);
    command.args(more).arg("--write-proof").arg(&file);
    cmd::output(&mut command)?;
    let proof: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    Ok(proof["phases"][0].clone())
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}
