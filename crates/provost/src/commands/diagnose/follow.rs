//! A file that grows, as `tail -F` reads it.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often a file that has ended is looked at again.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads what is there, waits for more, and begins anew where the file was truncated or another has its name.
/// It ends when the flag is raised.
pub(super) struct Follow {
    path: PathBuf,
    file: File,
    at: u64,
    stop: Arc<AtomicBool>,
}

impl Follow {
    pub(super) fn open(path: &Path, stop: Arc<AtomicBool>) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: File::open(path)?, at: 0, stop })
    }

    /// Whether there is something else to read, when the file had ended: it from its start, the one that has its
    /// name now, or the rest of it before that.
    fn begins_anew(&mut self) -> io::Result<bool> {
        let there = fs::metadata(&self.path);
        // Asked after whose the name is: what was written before it got its new name is still to be read.
        let ours = self.file.metadata()?;
        if ours.len() < self.at {
            self.at = self.file.seek(SeekFrom::Start(0))?;
            return Ok(true);
        }
        // Between renaming one file and making the next there is none.
        let Ok(there) = there else { return Ok(false) };
        if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) {
            return Ok(false);
        }
        if ours.len() > self.at {
            return Ok(true);
        }
        let Ok(next) = File::open(&self.path) else { return Ok(false) };
        self.file = next;
        self.at = 0;
        Ok(true)
    }
}

impl Read for Follow {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.file.read(into)?;
            self.at += read as u64;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            if self.stop.load(Ordering::Relaxed) {
                return Ok(0);
            }
            if !self.begins_anew()? {
                thread::sleep(PAUSE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn next(follow: &mut Follow) -> String {
        let mut piece = [0; 64];
        let read = follow.read(&mut piece).unwrap();
        String::from_utf8_lossy(&piece[..read]).into_owned()
    }

    #[test]
    fn a_file_is_followed_through_growth_truncation_and_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
        fs::write(&path, "one\n").unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let mut follow = Follow::open(&path, stop.clone()).unwrap();
        assert_eq!(next(&mut follow), "one\n");
        let mut more = fs::OpenOptions::new().append(true).open(&path).unwrap();
        more.write_all(b"two\n").unwrap();
        assert_eq!(next(&mut follow), "two\n");
        // copytruncate
        fs::write(&path, "3\n").unwrap();
        assert_eq!(next(&mut follow), "3\n");
        // What was written before it got its new name is read first.
        let mut more = fs::OpenOptions::new().append(true).open(&path).unwrap();
        more.write_all(b"four\n").unwrap();
        fs::rename(&path, &old).unwrap();
        fs::write(&path, "five\n").unwrap();
        assert_eq!(next(&mut follow), "four\n");
        assert_eq!(next(&mut follow), "five\n");
        // Also when it was written and renamed after the end of it was seen.
        let mut more = fs::OpenOptions::new().append(true).open(&path).unwrap();
        more.write_all(b"six\n").unwrap();
        fs::rename(&path, &old).unwrap();
        fs::write(&path, "seven\n").unwrap();
        assert!(follow.begins_anew().unwrap());
        assert_eq!(next(&mut follow), "six\n");
        assert_eq!(next(&mut follow), "seven\n");
        stop.store(true, Ordering::Relaxed);
        assert_eq!(next(&mut follow), "");
    }
}
