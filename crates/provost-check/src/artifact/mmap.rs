//! Large files without reading them: the one place of this crate with `unsafe` in it.
//!
//! An executable may have hundreds of megabytes, of which a few pages are looked at. Everything
//! smaller, and all text, is read instead: see [`Content::open`].
#![allow(unsafe_code, reason = "mapping a file is the purpose of this file")]

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::ops::Deref;
use std::path::Path;

/// Files below this many bytes are read. A page fault costs about what copying four pages does, so
/// that mapping pays only for files that are looked at in few places.
pub const READ_BELOW: u64 = 4 << 20;

/// Bytes of a file, read or mapped.
#[derive(Debug)]
pub struct Content(Inner);

#[derive(Debug)]
enum Inner {
    Read(Vec<u8>),
    Mapped(memmap2::Mmap),
}

impl Content {
    /// The content of a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// What the system says; `InvalidInput` for what is no regular file (opening a FIFO would wait
    /// for a writer), `FileTooLarge` beyond the limit.
    pub fn open(path: &Path, limit: u64) -> Result<Self> {
        regular(path)?;
        let file = File::open(path)?;
        // Asked again: what was checked above may have been replaced since.
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(not_regular(&metadata));
        }
        let length = metadata.len();
        if length > limit {
            return Err(too_large(limit));
        }
        if length >= READ_BELOW {
            // SAFETY: the mapping is private and only read. Its bytes may still change when another
            // process writes to the file, which is undefined behaviour for a `&[u8]` by the letter;
            // readers of it check every bound on every access and never trust a value they read
            // before, so that a change gives a wrong answer at worst. A file that is cut short
            // raises SIGBUS: that is accepted for executables, which the kernel protects from
            // being written while they run (ETXTBSY) and which build tools replace by rename; text
            // never takes this way, because it is read above.
            let map = unsafe { memmap2::MmapOptions::new().map_copy_read_only(&file) }?;
            return Ok(Self(Inner::Mapped(map)));
        }
        Ok(Self(Inner::Read(read(file, length, limit)?)))
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Inner::Read(bytes))
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Inner::Read(bytes) => bytes,
            Inner::Mapped(map) => map,
        }
    }
}

/// Opens a regular file to be read as a stream.
///
/// # Errors
/// Those of [`Content::open`] but for the size.
pub fn open_regular(path: &Path) -> Result<File> {
    regular(path)?;
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok(file) } else { Err(not_regular(&metadata)) }
}

/// Reads a text file whole, whatever its size up to `limit`: unlike a mapped one it may shrink
/// meanwhile. `pipes` takes the pipes of open descriptors too, as the shell makes for
/// `<(helm template .)`; a FIFO by any other name may never get a writer, and is refused.
///
/// # Errors
/// Those of [`Content::open`].
pub fn read_text(path: &Path, limit: u64, pipes: bool) -> Result<Vec<u8>> {
    if !(pipes && is_descriptor(path) && is_pipe(&std::fs::metadata(path)?)) {
        regular(path)?;
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    read(file, length, limit)
}

fn read(file: File, length: u64, limit: u64) -> Result<Vec<u8>> {
    if length > limit {
        return Err(too_large(limit));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // One byte more than the limit tells a file that has grown beyond it.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(limit));
    }
    Ok(bytes)
}

/// Checks the kind of a file without opening it.
fn regular(path: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() { Ok(()) } else { Err(not_regular(&metadata)) }
}

fn not_regular(metadata: &std::fs::Metadata) -> Error {
    if metadata.is_dir() {
        Error::new(ErrorKind::IsADirectory, "is a directory")
    } else {
        Error::new(ErrorKind::InvalidInput, "is no regular file")
    }
}

fn too_large(limit: u64) -> Error {
    Error::new(ErrorKind::FileTooLarge, format!("is larger than {limit} bytes"))
}

/// Whether the path names an open descriptor of this process, whose writer exists.
fn is_descriptor(path: &Path) -> bool {
    ["/dev/fd/", "/proc/self/fd/"].iter().any(|folder| path.starts_with(folder))
}

#[cfg(unix)]
fn is_pipe(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &std::fs::Metadata) -> bool {
    false
}

/// The digest of a file, in hexadecimal.
pub fn sha256(content: &Content) -> String {
    use sha2::Digest as _;
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in sha2::Sha256::digest(&**content) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_files_have_their_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let small = dir.path().join("small");
        let large = dir.path().join("large");
        std::fs::write(&small, b"abc").unwrap();
        let size = usize::try_from(READ_BELOW).unwrap() + 1;
        std::fs::write(&large, vec![7; size]).unwrap();
        assert_eq!(&*Content::open(&small, 3).unwrap(), b"abc");
        let content = Content::open(&large, u64::MAX).unwrap();
        assert!(matches!(content.0, Inner::Mapped(_)));
        assert_eq!((content.len(), content[size - 1]), (size, 7));
        assert_eq!(read_text(&large, u64::MAX, false).unwrap().len(), size);
    }

    #[test]
    fn what_is_too_large_or_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, b"abcd").unwrap();
        let kind = |result: Result<usize>| result.unwrap_err().kind();
        let open = |path: &Path| Content::open(path, 3).map(|c| c.len());
        let text = |path: &Path| read_text(path, 3, true).map(|c| c.len());
        assert_eq!(kind(open(&file)), ErrorKind::FileTooLarge);
        assert_eq!(kind(text(&file)), ErrorKind::FileTooLarge);
        assert_eq!(kind(open(dir.path())), ErrorKind::IsADirectory);
        assert_eq!(kind(text(dir.path())), ErrorKind::IsADirectory);
        assert_eq!(kind(open(&dir.path().join("none"))), ErrorKind::NotFound);
        #[cfg(target_os = "linux")]
        assert_eq!(kind(text(Path::new("/dev/zero"))), ErrorKind::InvalidInput);
    }
}
