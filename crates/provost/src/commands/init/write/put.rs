//! Files reach the disk all together or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::output::Prepared;

/// A file to be written.
#[derive(Debug)]
pub(in super::super) struct NewFile {
    /// The folder that it may not leave.
    pub(in super::super) root: PathBuf,
    /// Its path below that folder.
    pub(in super::super) below: String,
    pub(in super::super) text: String,
}

/// What stands at a file's place.
#[derive(Debug, PartialEq)]
pub(in super::super) enum Place {
    Free,
    /// The same text.
    Same,
    /// Something else; of a text file, its text.
    Other(Option<String>),
    /// It cannot be a file: a folder of its path is a file or a link.
    Blocked(String),
}

/// A file that is compared; a larger one is another.
const LARGEST: u64 = 4 << 20;

impl NewFile {
    pub(in super::super) fn path(&self) -> PathBuf {
        self.root.join(&self.below)
    }

    /// Whether it is one that CI reads.
    pub(in super::super) fn is_pipeline(&self) -> bool {
        self.below.starts_with(".github/") || self.below.ends_with(".gitlab-ci.yml")
    }

    /// What is there now.
    pub(in super::super) fn place(&self) -> Place {
        let mut folder = self.root.clone();
        let parts: Vec<&str> = self.below.split('/').collect();
        for part in &parts[..parts.len() - 1] {
            folder.push(part);
            match fs::symlink_metadata(&folder) {
                Ok(metadata) if metadata.is_dir() => {}
                // A link may lead out of the repository.
                Ok(_) => return Place::Blocked(folder.to_string_lossy().into_owned()),
                Err(_) => return Place::Free,
            }
        }
        let path = self.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else { return Place::Free };
        if metadata.is_dir() {
            return Place::Blocked(path.to_string_lossy().into_owned());
        }
        let text = (metadata.is_file() && metadata.len() <= LARGEST)
            .then(|| fs::read_to_string(&path).ok())
            .flatten();
        if text.as_deref() == Some(self.text.as_str()) { Place::Same } else { Place::Other(text) }
    }
}

/// Writes the files. When one of them cannot be written, what was there before is there again.
pub(in super::super) fn write(files: &[&NewFile], force: bool) -> Result<()> {
    let mut undo = Undo::default();
    let mut ready = Vec::new();
    for file in files {
        let path = file.path();
        let failed = || format!("cannot write {}", path.display());
        undo.folders(&path).with_context(failed)?;
        // A link is replaced, not what it leads to.
        ready.push((Prepared::new(&path, &file.text).with_context(failed)?, path));
    }
    for (prepared, path) in ready {
        let failed = || format!("cannot write {}", path.display());
        // What could not be put back is not replaced.
        let before = if force { Before::of(&path).with_context(failed)? } else { Before::Nothing };
        match before {
            Before::Nothing => prepared.put_new(),
            Before::Bytes(_) | Before::Link(_) => prepared.put(),
        }
        .with_context(failed)?;
        undo.files.push((path, before));
    }
    undo.done();
    Ok(())
}

/// What was at a file's place.
enum Before {
    Nothing,
    Bytes(Vec<u8>),
    Link(PathBuf),
}

impl Before {
    fn of(path: &Path) -> io::Result<Self> {
        let kind = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) => return Err(error),
        };
        match (kind.is_symlink(), kind.is_file()) {
            (true, _) => fs::read_link(path).map(Self::Link),
            (_, true) => fs::read(path).map(Self::Bytes),
            // Of a pipe the reading would not end.
            _ => Err(io::Error::other("it is there, and is no file")),
        }
    }
}

/// What a run has changed so far; dropped before its end, it is changed back.
#[derive(Default)]
struct Undo {
    /// Each with what it held before.
    files: Vec<(PathBuf, Before)>,
    made: Vec<PathBuf>,
}

impl Undo {
    /// Makes the folders of a file.
    fn folders(&mut self, file: &Path) -> io::Result<()> {
        let missing = file.ancestors().skip(1).take_while(|folder| !folder.exists());
        let missing: Vec<_> = missing.map(Path::to_owned).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(&folder)?;
            self.made.push(folder);
        }
        Ok(())
    }

    fn done(mut self) {
        self.files.clear();
        self.made.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for (path, before) in self.files.drain(..).rev() {
            // Nothing more can be done about what cannot be undone either; the error is told.
            let _ = match before {
                Before::Bytes(bytes) => fs::write(&path, bytes),
                Before::Nothing => fs::remove_file(&path),
                Before::Link(to) => {
                    fs::remove_file(&path).and_then(|()| std::os::unix::fs::symlink(to, &path))
                }
            };
        }
        for folder in self.made.drain(..).rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(root: &Path, below: &str) -> NewFile {
        NewFile { root: root.to_owned(), below: below.to_owned(), text: "new\n".to_owned() }
    }

    fn names(root: &Path) -> Vec<String> {
        let entries = fs::read_dir(root).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn all_files_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (file(dir.path(), "x/y/a"), file(dir.path(), "b"));
        // Somebody makes the second one meanwhile.
        fs::write(b.path(), "theirs").unwrap();
        assert!(write(&[&a, &b], false).is_err());
        assert_eq!(names(dir.path()), ["b"]);
        assert_eq!(fs::read_to_string(b.path()).unwrap(), "theirs");
        write(&[&a, &b], true).unwrap();
        assert_eq!(fs::read_to_string(b.path()).unwrap(), "new\n");
        assert_eq!((a.place(), b.place()), (Place::Same, Place::Same));
        assert_eq!(names(dir.path()), ["b", "x"]);
        assert_eq!(names(&dir.path().join("x/y")), ["a"]);
    }

    #[test]
    fn what_was_replaced_is_there_again_when_a_later_file_fails() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (file(dir.path(), "a"), file(dir.path(), "b"));
        fs::write(a.path(), "theirs").unwrap();
        // A folder with something in it cannot be replaced by a file.
        fs::create_dir_all(dir.path().join("b/c")).unwrap();
        assert!(write(&[&a, &b], true).is_err());
        assert_eq!(fs::read_to_string(a.path()).unwrap(), "theirs");
        assert_eq!(names(dir.path()), ["a", "b"]);
    }

    #[test]
    fn links_and_pipes_are_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (file(dir.path(), "a"), file(dir.path(), "b"));
        // It leads nowhere, and is somebody's all the same.
        std::os::unix::fs::symlink("nowhere", a.path()).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(b.path()).unwrap();
        assert!(write(&[&a, &b], true).is_err());
        assert_eq!(fs::read_link(a.path()).unwrap(), Path::new("nowhere"));
        assert_eq!(names(dir.path()), ["a", "b"]);
        assert!(!fs::symlink_metadata(b.path()).unwrap().is_file());
    }

    #[test]
    fn links_and_files_are_in_the_way_of_folders() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("deploy")).unwrap();
        assert!(matches!(file(dir.path(), "deploy/a").place(), Place::Blocked(_)));
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        assert_eq!(file(dir.path(), "link").place(), Place::Other(None));
        assert_eq!(file(dir.path(), "new/a").place(), Place::Free);
    }
}
