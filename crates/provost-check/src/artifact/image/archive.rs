//! A tar archive as a stream: headers, long names and extensions, all with limits.
//!
//! The fields of a header are read by the `tar` crate; the walk is our own, because a long name or
//! an extension of a hostile archive may claim gigabytes.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read, Result as IoResult, copy, sink};

use tar::{EntryType, Header};

use super::Broken;
use crate::facts::image_files::FileCapabilities;

const BLOCK: u64 = 512;

/// Where layers have what setcap(8) writes (`paxSchilyXattr` in containerd's pkg/archive/tar.go).
const CAPABILITY: &str = "SCHILY.xattr.security.capability";

/// Bytes of one long name or set of extensions.
const MOST_META: u64 = 1 << 20;

/// Extensions and long names in a row that describe one entry.
const MOST_META_IN_A_ROW: usize = 8;

/// One entry as its archive has it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) link: String,
    pub(crate) kind: EntryType,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    /// Where its body begins.
    pub(crate) offset: u64,
    pub(crate) capabilities: Option<FileCapabilities>,
}

/// An archive that is read once, front to back.
pub(crate) struct Archive<R> {
    reader: R,
    position: u64,
    /// Bytes of the current body that are not read, and of the padding behind it.
    left: u64,
    padding: u64,
    skip: fn(&mut R, u64) -> IoResult<()>,
}

impl<R: Read> Archive<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self::skipping(reader, |reader, bytes| {
            let passed = copy(&mut reader.by_ref().take(bytes), &mut sink())?;
            // A header may claim more than there is.
            if passed < bytes {
                return Err(Error::new(ErrorKind::UnexpectedEof, "ends in the middle of a file"));
            }
            Ok(())
        })
    }

    /// An archive whose bodies are passed over by `skip`, which may go beyond the end.
    pub(crate) fn skipping(reader: R, skip: fn(&mut R, u64) -> IoResult<()>) -> Self {
        Self { reader, position: 0, left: 0, padding: 0, skip }
    }

    pub(crate) fn into_inner(self) -> R {
        self.reader
    }

    /// The next entry; `None` at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Broken> {
        let mut extensions: BTreeMap<String, String> = BTreeMap::new();
        let (mut long_name, mut long_link, mut capabilities) = (None, None, None);
        for _ in 0..=MOST_META_IN_A_ROW {
            self.pass()?;
            let mut block = [0; 512];
            if !self.fill(&mut block)? || block.iter().all(|b| *b == 0) {
                return Ok(None);
            }
            let header = Header::from_byte_slice(&block);
            let bad = |_| Broken::malformed("a header is no tar header");
            let mut sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
            sum -= block[148..156].iter().map(|b| u32::from(*b)).sum::<u32>();
            if header.cksum().map_err(bad)? != sum + 8 * u32::from(b' ') {
                return Err(Broken::malformed("a header has a wrong checksum"));
            }
            let mut size = header.entry_size().map_err(bad)?;
            let kind = header.entry_type();
            if kind.is_gnu_sparse() {
                return Err(Broken::malformed("sparse files are not understood"));
            }
            if kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions() {
                self.set_body(size);
                let body = self.meta(size)?;
                if kind.is_gnu_longname() {
                    long_name = Some(text(body.split(|b| *b == 0).next().unwrap_or_default()));
                } else if kind.is_gnu_longlink() {
                    long_link = Some(text(body.split(|b| *b == 0).next().unwrap_or_default()));
                } else {
                    read_extensions(&body, &mut extensions, &mut capabilities);
                }
                continue;
            }
            if kind.is_pax_global_extensions() {
                self.set_body(size);
                continue;
            }
            if extensions.keys().any(|key| key.starts_with("GNU.sparse")) {
                return Err(Broken::malformed("sparse files are not understood"));
            }
            let number = |key: &str| extensions.get(key).and_then(|v| v.parse::<u64>().ok());
            size = number("size").unwrap_or(size);
            // Links and directories have no body, whatever they claim.
            if !(kind.is_file() || kind.is_contiguous()) {
                size = 0;
            }
            self.set_body(size);
            let id = |key: &str, field: IoResult<u64>| {
                let value = number(key).or(field.ok()).unwrap_or(0);
                u32::try_from(value).unwrap_or(u32::MAX)
            };
            let link = || header.link_name_bytes().map(|l| text(&l)).unwrap_or_default();
            return Ok(Some(Entry {
                path: extensions
                    .get("path")
                    .cloned()
                    .or(long_name)
                    .unwrap_or_else(|| text(&header.path_bytes())),
                link: extensions.get("linkpath").cloned().or(long_link).unwrap_or_else(link),
                kind,
                mode: header.mode().unwrap_or(0) & 0o7777,
                uid: id("uid", header.uid()),
                gid: id("gid", header.gid()),
                size,
                offset: self.position,
                capabilities,
            }));
        }
        Err(Broken::limit("an entry has too many extensions"))
    }

    fn set_body(&mut self, size: u64) {
        self.left = size;
        self.padding = (BLOCK - size % BLOCK) % BLOCK;
    }

    /// Goes to the next header.
    fn pass(&mut self) -> Result<(), Broken> {
        let bytes = self.left.saturating_add(self.padding);
        if bytes > 0 {
            (self.skip)(&mut self.reader, bytes)?;
            self.position = self.position.saturating_add(bytes);
            (self.left, self.padding) = (0, 0);
        }
        Ok(())
    }

    /// The next block; `false` where the archive ends without one.
    fn fill(&mut self, block: &mut [u8; 512]) -> Result<bool, Broken> {
        let mut at = 0;
        while at < block.len() {
            match self.reader.read(&mut block[at..])? {
                0 if at == 0 => return Ok(false),
                0 => return Err(Broken::malformed("ends in the middle of an entry")),
                n => at += n,
            }
        }
        self.position += BLOCK;
        Ok(true)
    }

    fn meta(&mut self, size: u64) -> Result<Vec<u8>, Broken> {
        if size > MOST_META {
            return Err(Broken::limit(&format!(
                "a name of {size} bytes; the limit is {MOST_META}"
            )));
        }
        let mut body = Vec::new();
        self.body(&mut body, size)?;
        Ok(body)
    }

    /// Hands the current body over, of which any part may be read.
    pub(super) fn stream(
        &mut self,
        take: impl FnOnce(&mut dyn Read) -> IoResult<()>,
    ) -> Result<(), Broken> {
        let mut body = self.reader.by_ref().take(self.left);
        let done = take(&mut body);
        let got = self.left - body.limit();
        self.position += got;
        self.left -= got;
        Ok(done?)
    }

    /// Reads at most `most` bytes of the current body.
    pub(crate) fn body(&mut self, into: &mut Vec<u8>, most: u64) -> Result<(), Broken> {
        let wanted = self.left.min(most);
        let got = self.reader.by_ref().take(wanted).read_to_end(into)? as u64;
        self.position += got;
        self.left -= got;
        if got < wanted {
            return Err(Broken::malformed("ends in the middle of a file"));
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Records of a PAX extension: `LENGTH KEY=VALUE\n`.
fn read_extensions(
    mut body: &[u8],
    into: &mut BTreeMap<String, String>,
    capabilities: &mut Option<FileCapabilities>,
) {
    while let Some(space) = body.iter().take(20).position(|b| *b == b' ') {
        let length = std::str::from_utf8(&body[..space]).ok().and_then(|n| n.parse::<usize>().ok());
        let Some(record) = length.and_then(|n| body.get(space + 1..n)) else { return };
        let Some(length) = length else { return };
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        if let Some(equals) = record.iter().position(|b| *b == b'=') {
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            // The one whose value is no text.
            match key == CAPABILITY.as_bytes() {
                true => *capabilities = FileCapabilities::read(value),
                false => drop(into.insert(text(key), text(value))),
            }
        }
        body = &body[length..];
    }
}
