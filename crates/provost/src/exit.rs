//! What the exit code says.

use std::fmt;
use std::process::ExitCode;

/// How a run ended. Only `main` turns it into an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Nothing at or above `--fail-on`.
    Clean = 0,
    /// Findings at or above `--fail-on`, or evidence that `--require` names is missing.
    Findings = 1,
    /// Wrong usage or configuration, or what the command line names cannot be judged: a path, or a process that never
    /// came up and may have lacked what only its cluster has.
    Usage = 2,
    /// A bug in provost.
    Internal = 3,
    /// SIGINT: what was known until then is printed.
    Interrupted = 130,
    /// SIGTERM, likewise.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// A mistake the user can correct.
#[derive(Debug)]
pub(crate) struct Mistake {
    message: String,
    help: Option<String>,
}

impl Mistake {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Mistake {}
