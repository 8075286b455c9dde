//! Where the blobs of an image lie: a directory, one archive, or a registry.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::archive::{Archive, Entry};
use super::layout::Blob;
use super::{Broken, Limits, Remote, layers};
use crate::artifact::mmap;

/// The bytes of a blob and their number.
pub(super) type Bytes<'r> = (Box<dyn Read + Send + 'r>, u64);

/// Offset and size of an archive's files, by name.
type Index = BTreeMap<String, (u64, u64)>;

/// Names and bytes of an image's blobs.
#[derive(Debug)]
pub(super) enum Store {
    Dir(PathBuf),
    /// Offset and size by name.
    Archive(PathBuf, Index),
    /// The same of an archive in memory.
    Memory(Arc<[u8]>, Index),
    Packed(Packed),
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
        let by = match reader.fill_buf()? {
            [0x1F, 0x8B, ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] => {
                return Ok(Self::Packed(Packed::open(path, limits)?));
            }
            [b'B', b'Z', b'h', ..] => "bzip2 -d",
            [0xFD, b'7', b'z', b'X', b'Z', ..] => "xz -d",
            _ => "",
        };
        if !by.is_empty() {
            return Err(Broken::malformed(&format!(
                "is compressed in a way that is not read here: decompress it first ({by})"
            )));
        }
        Ok(Self::Archive(path.to_owned(), index(reader, length, limits)?))
    }

    /// An archive in memory.
    pub(super) fn of_bytes(bytes: Arc<[u8]>, limits: &Limits) -> Result<Self, Broken> {
        let reader = BufReader::new(Cursor::new(Arc::clone(&bytes)));
        let index = index(reader, bytes.len() as u64, limits)?;
        Ok(Self::Memory(bytes, index))
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
            Self::Memory(bytes, index) => {
                let (offset, size) = find(index)?;
                let mut reader = Cursor::new(Arc::clone(bytes));
                reader.set_position(offset);
                Ok((Box::new(reader.take(size)), size))
            }
            Self::Packed(packed) => packed.blob(&clean(name)),
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

    /// Reads every layer, side by side where each can be reached by itself.
    pub(super) fn layers<T: Send>(
        &self,
        blobs: &[Blob],
        limits: &Limits,
        read: impl Fn(Result<Bytes<'_>, Broken>) -> T + Sync,
    ) -> Vec<T> {
        match self {
            Self::Packed(packed) => packed.layers(blobs, read),
            _ => blobs.par_iter().map(|blob| read(self.layer(blob, limits))).collect(),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Dir(dir) => dir.join(name).is_file(),
            Self::Archive(_, index) | Self::Memory(_, index) => index.contains_key(name),
            Self::Packed(packed) => packed.index.contains_key(name),
            Self::Remote(_) => false,
        }
    }
}

/// An archive that is compressed as a whole, as `docker save | gzip` makes it and `docker load` takes
/// it. It is decompressed once for its list, once for all layers in the order in which they lie there,
/// and again for what is asked later.
#[derive(Debug)]
pub(super) struct Packed {
    path: PathBuf,
    limits: Limits,
    index: Index,
    /// Small files: documents, and layers that hold a link.
    small: BTreeMap<String, Arc<[u8]>>,
}

/// Bytes of one small file, and of all.
const LARGEST_SMALL: u64 = 1 << 20;
const ALL_SMALL: u64 = 32 << 20;

impl Packed {
    fn open(path: &Path, limits: &Limits) -> Result<Self, Broken> {
        let mut packed = Self {
            path: path.to_owned(),
            limits: limits.clone(),
            index: Index::new(),
            small: BTreeMap::new(),
        };
        let mut archive = Archive::new(BufReader::with_capacity(1 << 16, packed.unpacked()?));
        let mut left = ALL_SMALL;
        let mut small = BTreeMap::new();
        let index = index_of(&mut archive, None, limits, |archive, name, entry| {
            if entry.size > LARGEST_SMALL.min(left) {
                return Ok(());
            }
            left -= entry.size;
            let mut bytes = Vec::new();
            archive.body(&mut bytes, entry.size)?;
            small.insert(name.to_owned(), Arc::from(bytes));
            Ok(())
        })?;
        drop(archive);
        (packed.index, packed.small) = (index, small);
        Ok(packed)
    }

    fn unpacked(&self) -> Result<Box<dyn Read + Send>, Broken> {
        let file = mmap::open_regular(&self.path)?;
        let size = file.metadata()?.len();
        let buffered = BufReader::with_capacity(1 << 17, file);
        Ok(Box::new(layers::decoded(buffered, size, &self.limits)?))
    }

    fn find(&self, name: &str) -> Result<(u64, u64), Broken> {
        self.index.get(name).copied().ok_or_else(|| Broken::malformed("is not there"))
    }

    fn blob(&self, name: &str) -> Result<(Box<dyn Read + Send>, u64), Broken> {
        let (offset, size) = self.find(name)?;
        if let Some(bytes) = self.small.get(name) {
            return Ok((Box::new(Cursor::new(Arc::clone(bytes))), size));
        }
        let mut reader = self.unpacked()?;
        std::io::copy(&mut reader.by_ref().take(offset), &mut std::io::sink())?;
        Ok((Box::new(reader.take(size)), size))
    }

    fn layers<T>(&self, blobs: &[Blob], read: impl Fn(Result<Bytes<'_>, Broken>) -> T) -> Vec<T> {
        let place = |blob: &Blob| self.find(&clean(&blob.path)).map_or(0, |(offset, _)| offset);
        let mut order: Vec<usize> = (0..blobs.len()).collect();
        order.sort_by_key(|index| place(&blobs[*index]));
        let mut found: Vec<Option<T>> = blobs.iter().map(|_| None).collect();
        // Where the stream stands, in bytes of the archive.
        let mut stream: Option<Passed> = None;
        for index in order {
            let name = clean(&blobs[index].path);
            let place = self.find(&name);
            let done = match (place, self.small.get(&name)) {
                (Ok((offset, size)), None) => {
                    let at = stream.take().filter(|stream| stream.position <= offset);
                    let opened = at.map_or_else(
                        || self.unpacked().map(|inner| Passed { inner, position: 0 }),
                        Ok,
                    );
                    let passed = opened.and_then(|mut passed| {
                        let behind = offset - passed.position;
                        std::io::copy(&mut passed.by_ref().take(behind), &mut std::io::sink())?;
                        Ok(passed)
                    });
                    match passed {
                        Ok(passed) => {
                            let passed = stream.insert(passed);
                            read(Ok((Box::new(passed.take(size)), size)))
                        }
                        Err(broken) => read(Err(broken)),
                    }
                }
                (Ok((_, size)), Some(bytes)) => {
                    read(Ok((Box::new(Cursor::new(Arc::clone(bytes))), size)))
                }
                (Err(broken), _) => read(Err(broken)),
            };
            found[index] = Some(done);
        }
        found.into_iter().flatten().collect()
    }
}

/// A stream that knows how much of it was read.
struct Passed {
    inner: Box<dyn Read + Send>,
    position: u64,
}

impl Read for Passed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.position += n as u64;
        Ok(n)
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
    index_of(&mut archive, Some(length), limits, |_, _, _| Ok(()))
}

/// The same; `file` may read each file while it passes.
fn index_of<R: Read>(
    archive: &mut Archive<R>,
    length: Option<u64>,
    limits: &Limits,
    mut file: impl FnMut(&mut Archive<R>, &str, &Entry) -> Result<(), Broken>,
) -> Result<Index, Broken> {
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
            if length.is_some_and(|length| entry.offset.saturating_add(entry.size) > length) {
                return Err(Broken::malformed("is cut short: a file goes beyond its end"));
            }
            file(archive, &name, &entry)?;
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
