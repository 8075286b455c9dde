//! The page that the measurements are written to.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::pairs::{self, Outcome, Pair, Taken};
use crate::cmd;
use crate::toolchain::hermetic;

/// Where the part of the page begins that is written by hand.
pub const KEPT: &str = "## What the numbers say";

const HEAD: &str = "# Performance

<!-- Down to \"What the numbers say\" this page is written by `cargo xtask bench`. -->

Whole processes on the same input, warm, in turns; medians. A quotient below 1 means that Provost is faster; it is the \
median over the turns, with the smallest and the largest in brackets. Memory is the largest resident set of one run, \
files that are mapped included.

| work | peer | provost | memory | peer takes | memory | quotient | budget |
|---|---|---:|---:|---:|---:|---:|---:|
";

const GROWTH: &str = "
The same manifests in growing numbers, up to five objects to a file:

| input | time | memory |
|---|---:|---:|
";

const LOGS: &str = "
Logs of the runtime and of system calls, generated, read by `provost diagnose` in one thread:

";

/// Measures, tells each row on standard error when it is there, and keeps it.
pub struct Page {
    turns: usize,
    pairs: Vec<Outcome>,
    alone: Vec<(String, Taken)>,
    logs: String,
}

impl Page {
    pub fn new(turns: usize) -> Page {
        Page { turns, pairs: Vec::new(), alone: Vec::new(), logs: String::new() }
    }

    pub fn pair(
        &mut self,
        work: &str,
        budget: &'static str,
        ours: &mut dyn FnMut() -> Command,
        (peer, theirs): (&str, &mut dyn FnMut() -> Command),
    ) -> Result<()> {
        let outcome = Pair { work, budget, peer }.run(self.turns, ours, theirs)?;
        eprintln!("bench: {}", outcome.line());
        self.pairs.push(outcome);
        Ok(())
    }

    pub fn alone(&mut self, work: &str, ours: &mut dyn FnMut() -> Command) -> Result<()> {
        let taken = pairs::alone(self.turns.min(3), ours)?;
        eprintln!("bench: {work}: {}", taken.cells());
        self.alone.push((work.to_owned(), taken));
        Ok(())
    }

    pub fn logs(&mut self, table: String) {
        eprintln!("bench: logs\n{table}");
        self.logs = table;
    }

    /// The page; `size` is that of the executable in bytes.
    pub fn text(&self, build_time: Duration, size: u64) -> String {
        let mut text = String::from(HEAD);
        self.pairs.iter().for_each(|outcome| text += &outcome.row());
        text += GROWTH;
        for (work, taken) in &self.alone {
            text += &format!("| {work} | {} |\n", taken.cells());
        }
        text += LOGS;
        text += &self.logs;
        text += &format!(
            "\nA clean release build of `provost` took {:.0} s, and the executable has {:.1} MB.\n\n{}\n",
            build_time.as_secs_f64(),
            size as f64 / 1e6,
            machine()
        );
        text
    }
}

/// What the numbers were measured on.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unnamed processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let go = cmd::output(hermetic("go").arg("version")).unwrap_or_default();
    let rust = cmd::output(Command::new("rustc").arg("--version")).unwrap_or_default();
    format!("Measured on {cores} threads of {model}; {}; {}.", rust.trim(), go.trim())
}
