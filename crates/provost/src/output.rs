//! Where results go: standard output, or files that are written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use anyhow::{Context, Result};

use crate::args::Color;

/// Columns of text. Reports are pasted into issues and shown beside code; 80 fits everywhere.
pub(crate) const WIDTH: usize = 80;

/// The reader of standard output has gone: there is nobody to tell, and nothing went wrong.
#[derive(Debug)]
pub(crate) struct ClosedPipe;

impl std::fmt::Display for ClosedPipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("standard output is closed")
    }
}

impl std::error::Error for ClosedPipe {}

/// Whether standard output takes colour.
pub(crate) fn color_on_stdout(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => AutoStream::choice(&io::stdout()) != ColorChoice::Never,
    }
}

/// Whether standard error takes colour.
pub(crate) fn color_on_stderr(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => AutoStream::choice(&io::stderr()) != ColorChoice::Never,
    }
}

/// Writes to standard output; [`ClosedPipe`] when nobody reads it.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ClosedPipe.into()),
        Err(error) => Err(error).context("cannot write to standard output"),
    }
}

/// Writes to standard error. Nothing is left to do when that fails.
pub(crate) fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes a file whole or not at all: into a new file beside it, which then takes its name.
pub(crate) fn write_file(target: &Path, text: &str) -> io::Result<()> {
    // A pipe or a device (`/dev/stderr`) cannot be replaced, and is not meant to be.
    if fs::metadata(target).is_ok_and(|m| !m.is_file()) {
        return OpenOptions::new().write(true).open(target)?.write_all(text.as_bytes());
    }
    Prepared::new(target, text)?.put()
}

/// A file's new text, written beside it and waiting for its name. Dropped, it is gone.
pub(crate) struct Prepared {
    temporary: PathBuf,
    target: PathBuf,
}

impl Prepared {
    /// Writes the text, all of it, to the disk.
    pub(crate) fn new(target: &Path, text: &str) -> io::Result<Self> {
        let (temporary, mut file) = create_beside(target)?;
        let prepared = Self { temporary, target: target.to_owned() };
        // A file that is replaced keeps its mode.
        if let Ok(metadata) = fs::metadata(target) {
            file.set_permissions(metadata.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(prepared)
    }

    /// Gives it its name.
    pub(crate) fn put(self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.target)
    }

    /// Gives it its name, unless something has that name already.
    pub(crate) fn put_new(self) -> io::Result<()> {
        match fs::hard_link(&self.temporary, &self.target) {
            // File systems without hard links: looked at first, which another process could use.
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                if fs::symlink_metadata(&self.target).is_ok() {
                    return Err(ErrorKind::AlreadyExists.into());
                }
                fs::rename(&self.temporary, &self.target)
            }
            linked => linked,
        }
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // After `put` there is none of that name.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn create_beside(target: &Path) -> io::Result<(PathBuf, File)> {
    let name = target.file_name().ok_or(ErrorKind::IsADirectory)?.to_string_lossy();
    let process = std::process::id();
    for attempt in 0..100 {
        let temporary = target.with_file_name(format!(".{name}.{process}.{attempt}"));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}
