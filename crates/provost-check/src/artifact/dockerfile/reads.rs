//! Variables that are read and that nothing has set.

use std::ops::Range;

use super::lines::Line;
use super::stages::Loader;
use crate::facts::build_steps::{RunShell, ShellText, UndefinedRead};
use crate::facts::{Fact, Origin};
use crate::model::shell::{LONGEST_TEXT, variables};

/// Reads that are kept.
const MOST: usize = 1000;

/// Set without being declared: by every image, or as arguments of the builder's own (proxies by
/// `dockerfile2llb/convert.go`, the others by `--build-arg` alone).
const NEVER_MISSED: &[&str] = &[
    "PATH",
    "HOME",
    "HOSTNAME",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
    "SOURCE_DATE_EPOCH",
];

/// What shells set themselves, or what is empty in a build and known to be (POSIX, bash(1)).
const SHELLS_OWN: &[&str] = &[
    "COLUMNS",
    "DIRSTACK",
    "EUID",
    "FUNCNAME",
    "GROUPS",
    "HOSTTYPE",
    "IFS",
    "LANG",
    "LANGUAGE",
    "LINENO",
    "LINES",
    "LOGNAME",
    "MACHTYPE",
    "MAIL",
    "OLDPWD",
    "OPTARG",
    "OPTIND",
    "OSTYPE",
    "PIPESTATUS",
    "PPID",
    "PS1",
    "PS2",
    "PS4",
    "PWD",
    "RANDOM",
    "REPLY",
    "SECONDS",
    "SHELL",
    "SHELLOPTS",
    "SHLVL",
    "TERM",
    "TMPDIR",
    "UID",
    "USER",
    "_",
];

impl Loader<'_> {
    /// Notes what a word of an instruction reads although nothing above has set it.
    pub(super) fn undefined_reads(&mut self, line: &Line, range: &Range<usize>) {
        let word = line.get(range);
        let Some(scope) = self.scopes.last().filter(|_| word.contains('$')) else { return };
        let missing = |name: &str| {
            !scope.variables.contains_key(name)
                && !NEVER_MISSED.contains(&name)
                && !name.starts_with("BUILDKIT_")
                && !self.own_line.contains(name)
        };
        let found: Vec<UndefinedRead> = variables::reads(word, self.escape, false)
            .into_iter()
            .filter(|read| !read.guarded && missing(read.name))
            .take(MOST.saturating_sub(self.undefined.len()))
            .map(|read| {
                let at = range.start + read.span.start..range.start + read.span.end;
                self.undefined_read(read.name, self.origin(line.span(&at)), false)
            })
            .collect();
        self.undefined.extend(found);
    }

    /// The same of the text that the shell of a RUN gets.
    pub(super) fn shell_reads(
        &mut self,
        text: &ShellText,
        shell: RunShell,
        flags: &[Fact<String>],
    ) {
        let script = text.as_str();
        let Some(scope) = self.scopes.last() else { return };
        let posix = matches!(shell, RunShell::Posix { .. });
        if !posix || script.len() > LONGEST_TEXT || !script.contains('$') {
            return;
        }
        let sets = variables::sets(script);
        // `--mount=type=secret,id=TOKEN,env=TOKEN` sets one.
        let mounted = flags.iter().any(|flag| flag.value.contains("env="));
        if sets.any || mounted {
            return;
        }
        let missing = |name: &str| {
            !scope.variables.contains_key(name)
                && !sets.names.contains(name)
                && !NEVER_MISSED.contains(&name)
                && !SHELLS_OWN.contains(&name)
                && !["BUILDKIT_", "BASH", "LC_", "COMP_"].iter().any(|own| name.starts_with(own))
        };
        let found: Vec<UndefinedRead> = variables::reads(script, '\\', true)
            .into_iter()
            .filter(|read| !read.guarded && missing(read.name))
            .take(MOST.saturating_sub(self.undefined.len()))
            .map(|read| self.undefined_read(read.name, text.origin(&read.span), true))
            .collect();
        self.undefined.extend(found);
    }

    fn undefined_read(&self, name: &str, origin: Origin, by_shell: bool) -> UndefinedRead {
        UndefinedRead {
            name: Fact::written(name.to_owned(), origin),
            instruction: self.at.clone(),
            stage: self.stages.len().saturating_sub(1),
            by_shell,
        }
    }
}
