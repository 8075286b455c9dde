//! Where the blobs of an image lie: a directory, one archive, or a registry.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::Archive;
use super::layout::Blob;
use super::{Broken, Limits, Remote};
use crate::artifact::mmap;

/// Offset and size of an archive's files, by name.
type Index = BTreeMap<String, (u64, u64)>;

/// Names and bytes of an image's blobs.
#[derive(Debug)]
pub(super) enum Store {
    Dir(PathBuf),
    /// Offset and size by name.
    Archive(PathBuf, Index),
    /// The same of an archive in memory.
    Bytes(Arc<[u8]>, Index),
    Remote(Arc<dyn Remote>),
}

impl Store {
    pub(super) fn open(path: &Path, limits: &Limits) -> Result<Self, Broken> {
        if path.is_dir() {
            return Ok(Self::Dir(path.to_owned()));
        }
        let file = mmap::open_regular(path)?;
        let length = file.metadata()?.len();
        let mut reader = BufReader::new(file);
        if let [0x1F, 0x8B, ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] = reader.fill_buf()? {
            return Err(Broken::malformed(
                "is compressed as a whole, which no runtime loads: unpack it first (gunzip, zstd -d)",
            ));
        }
        Ok(Self::Archive(path.to_owned(), index(reader, length, limits)?))
    }

    /// An archive in memory.
    pub(super) fn of_bytes(bytes: Arc<[u8]>, limits: &Limits) -> Result<Self, Broken> {
        let reader = BufReader::new(Cursor::new(Arc::clone(&bytes)));
        let index = index(reader, bytes.len() as u64, limits)?;
        Ok(Self::Bytes(bytes, index))
    }

    /// The bytes of a blob and their number. `name` is made of digests or comes from the archive's
    /// own list; a directory is only ever asked for clean names below it.
    pub(super) fn blob(&self, name: &str) -> Result<(Box<dyn Read + Send>, u64), Broken> {
        let find = |index: &Index| {
            let at = index.get(&clean(name)).copied();
            at.ok_or_else(|| Broken::malformed("is not there"))
        };
        match self {
            Self::Dir(dir) => {
                let file = mmap::open_regular(&dir.join(clean(name)))?;
                let size = file.metadata()?.len();
                Ok((Box::new(file), size))
            }
            Self::Archive(path, index) => {
                let (offset, size) = find(index)?;
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(offset))?;
                Ok((Box::new(file.take(size)), size))
            }
            Self::Bytes(bytes, index) => {
                let (offset, size) = find(index)?;
                let mut reader = Cursor::new(Arc::clone(bytes));
                reader.set_position(offset);
                Ok((Box::new(reader.take(size)), size))
            }
            Self::Remote(_) => Err(Broken::malformed("is no file")),
        }
    }

    /// The bytes of a layer and their number.
    pub(super) fn layer(
        &self,
        blob: &Blob,
        limits: &Limits,
    ) -> Result<(Box<dyn Read + Send>, u64), Broken> {
        match (self, &blob.digest) {
            (Self::Remote(from), Some(digest)) => {
                // No layer unpacks to less than it has.
                if blob.size > limits.unpacked {
                    let most = limits.unpacked;
                    return Err(Broken::limit(&format!("has more than {most} bytes, the limit")));
                }
                Ok((from.blob(digest, blob.size)?, blob.size))
            }
            _ => self.blob(&blob.path),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Dir(dir) => dir.join(name).is_file(),
            Self::Archive(_, index) | Self::Bytes(_, index) => index.contains_key(name),
            Self::Remote(_) => false,
        }
    }
}

/// Where the files of an archive lie in it.
fn index<R: Read + Seek>(
    reader: BufReader<R>,
    length: u64,
    limits: &Limits,
) -> Result<Index, Broken> {
    let mut archive = Archive::skipping(reader, |reader, bytes| {
        reader.seek_relative(i64::try_from(bytes).unwrap_or(i64::MAX))
    });
    let mut index = BTreeMap::new();
    let mut links = Vec::new();
    let mut entries = 0;
    while let Some(entry) = archive.next()? {
        entries += 1;
        if entries > limits.blobs {
            let most = limits.blobs;
            return Err(Broken::limit(&format!("has more than {most} entries")));
        }
        let name = clean(&entry.path);
        if entry.kind.is_file() {
            if entry.offset.saturating_add(entry.size) > length {
                return Err(Broken::malformed("is cut short: a file goes beyond its end"));
            }
            index.insert(name, (entry.offset, entry.size));
        } else if entry.kind.is_symlink() {
            // `docker save` of old writes a layer once and links to it.
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            links.push((clean(&format!("{folder}/{}", entry.link)), name));
        } else if entry.kind.is_hard_link() {
            links.push((clean(&entry.link), name));
        }
    }
    for (target, name) in links {
        if let Some(at) = index.get(&target).copied() {
            index.entry(name).or_insert(at);
        }
    }
    Ok(index)
}

/// A relative path without `.`, `..` and leading slashes, so that it stays below where it begins.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
