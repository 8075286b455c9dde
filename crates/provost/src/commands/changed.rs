//! `--diff-base REV`: which files git says have changed since.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use provost_check::artifact::Sources;
use provost_check::findings::Finding;
use provost_check::report::plain::clean;

use crate::exit::Mistake;

/// Files that differ from a revision, those that git does not track yet among them.
#[derive(Debug)]
pub(crate) struct Changed {
    files: BTreeSet<PathBuf>,
}

impl Changed {
    /// What changed since the working tree left `revision`, by the repository around the working
    /// directory. Committed or not makes no difference: it is the tree that is judged.
    pub(crate) fn since(revision: &str) -> Result<Self, Mistake> {
        let root = git(&["rev-parse", "--show-toplevel"])?;
        let root = path(root.strip_suffix(b"\n").unwrap_or(&root));
        let commit = format!("{revision}^{{commit}}");
        git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]).map_err(|_| {
            Mistake::new(format!("--diff-base: git knows no commit {}", clean(revision)))
                .help("in CI, fetch it: a shallow clone has the last commit only")
        })?;
        // Neither a diff program nor a filter of the repository's configuration is run.
        let differ = git(&[
            "diff",
            "--name-only",
            "-z",
            "--no-ext-diff",
            "--no-textconv",
            "--no-renames",
            "--merge-base",
            "--end-of-options",
            revision,
        ])?;
        let listing = ["ls-files", "--others", "--exclude-standard", "--full-name", "-z", ":/"];
        let new = git(&listing)?;
        let names = differ.split(|b| *b == 0).chain(new.split(|b| *b == 0));
        let files = names
            .filter(|name| !name.is_empty())
            // What was deleted cannot be a place of a finding.
            .filter_map(|name| root.join(path(name)).canonicalize().ok())
            .collect();
        Ok(Self { files })
    }

    /// Whether a place of the finding lies in a file that changed.
    pub(crate) fn touches(&self, finding: &Finding, sources: &Sources) -> bool {
        finding.evidence.iter().any(|evidence| {
            let path = Path::new(&sources.get(evidence.origin.source).path);
            path.canonicalize().is_ok_and(|path| self.files.contains(&path))
        })
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

fn git(args: &[&str]) -> Result<Vec<u8>, Mistake> {
    let mut command = Command::new("git");
    // A file system monitor is a program that the repository names.
    command.args(["-c", "core.fsmonitor=false", "--no-optional-locks"]).args(args);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Mistake::new(format!("--diff-base: git cannot be run: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().next().unwrap_or("git failed");
        return Err(Mistake::new(format!("--diff-base: {}", clean(line))));
    }
    Ok(output.stdout)
}
