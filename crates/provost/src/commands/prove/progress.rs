//! How far a measurement has come: on a terminal a line that changes; elsewhere a line where something begins and one
//! where it has ended, for whoever reads along and for what ends jobs that say nothing for minutes.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// Who says it.
pub(super) struct Progress {
    bar: ProgressBar,
    /// There is no terminal, and nobody wants it quiet.
    lines: bool,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        if quiet || !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), lines: !quiet };
        }
        let bar = ProgressBar::new_spinner();
        let style = "{spinner} {prefix}measuring {msg} {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, lines: false }
    }

    /// Of several measurements one begins.
    pub(super) fn turn(&self, number: u32) {
        self.bar.set_prefix(format!("{number}. "));
    }

    /// Says it while something is measured.
    pub(super) fn during<T>(&self, what: &str, measure: impl FnOnce() -> T) -> T {
        self.bar.set_message(what.to_owned());
        let (turn, begun) = (self.bar.prefix(), Instant::now());
        if self.lines {
            output::complain(&format!("{turn}measuring {what}\n"));
        }
        let measured = measure();
        if self.lines {
            let took = begun.elapsed().as_secs_f64();
            output::complain(&format!("{turn}measured {what} in {took:.1} s\n"));
        }
        measured
    }

    /// Nothing more is measured.
    pub(super) fn end(self) {
        self.bar.finish_and_clear();
    }
}
