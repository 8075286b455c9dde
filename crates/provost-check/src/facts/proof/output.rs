//! What a process printed, and where else it showed what is secret.

use serde::{Deserialize, Serialize};

/// Letters of a printed line that a report shows.
const MOST_SHOWN: usize = 160;

/// What the process printed on standard output and standard error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Output {
    /// Bytes of both.
    pub bytes: u64,
    /// Lines, up to a limit, values that were given as secrets left out.
    pub lines: Vec<Line>,
    /// Lines beyond the limit.
    pub more: u64,
}

/// A place where a value was seen that was given as a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// When.
    pub at_us: u64,
    /// Where, as the end of a sentence: `in the answer to /debug/vars`.
    pub place: String,
    /// What stands around it; the value is left out.
    #[serde(default)]
    pub text: String,
    /// It is on the command line, where whoever starts the process has put it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub argument: bool,
}

/// A line of output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When its end was read.
    pub at_us: u64,
    /// On standard error rather than standard output.
    #[serde(default)]
    pub stderr: bool,
    /// It held a value that was given as a secret, which is left out here.
    #[serde(default)]
    pub secret: bool,
    /// Without the line break; long ones are cut.
    pub text: String,
}

impl Line {
    /// Where it was printed.
    pub fn stream(&self) -> &'static str {
        if self.stderr { "standard error" } else { "standard output" }
    }

    /// As much of it as a report shows.
    pub fn shown(&self) -> String {
        self.text.chars().take(MOST_SHOWN).collect()
    }
}

/// Lines in which a process says why it ends, with a stack behind them.
const LAST: usize = 20;

impl Output {
    /// The last line that says something, of those that were printed from a moment on.
    pub fn last_since(&self, at_us: u64) -> Option<&Line> {
        let mut lines = self.lines.iter().rev().take_while(|line| line.at_us >= at_us);
        lines.find(|line| !line.text.trim().is_empty())
    }

    /// Whether a path stands in the last lines, as in those that say why a process ends.
    pub fn is_named(&self, path: &str) -> bool {
        self.lines.iter().rev().take(LAST).any(|line| line.text.contains(path))
    }
}
