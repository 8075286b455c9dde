//! One layer, streamed once: digests, entries, and the bytes of the few files that are wanted.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Result as IoResult};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use sha2::{Digest as _, Sha256};

use super::archive::{Archive, Entry};
use super::{Broken, Limits, secrets, shapes};

/// Secrets that are told; an image of somebody's test data has thousands.
pub(super) const MOST_SECRETS: usize = 200;

/// What one layer holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) entries: Vec<Entry>,
    /// Bytes of wanted files by their path in the archive.
    pub(super) bytes: BTreeMap<String, Vec<u8>>,
    /// Paths of files that hold a secret, and what it is. Their bytes are gone when the next entry
    /// is read.
    pub(super) secrets: Vec<(String, &'static str)>,
    /// `sha256:...` of the blob and of the archive in it.
    pub(super) blob: String,
    pub(super) unpacked: String,
    /// Bytes of the blob, where it was read to its end.
    pub(super) blob_bytes: u64,
    pub(super) unpacked_bytes: u64,
    /// Why the rest was not read.
    pub(super) broken: Option<Broken>,
}

/// Reads a layer. `wants` says of an entry how many bytes of it to keep at most.
pub(super) fn read(
    source: Box<dyn Read + Send + '_>,
    size: u64,
    limits: &Limits,
    wants: &dyn Fn(&Entry) -> u64,
) -> Content {
    let mut content = Content::default();
    let mut blob = Digesting::new(source);
    content.broken = unpack(&mut blob, size, limits, wants, &mut content).err();
    // The digest is that of the whole blob, also where the archive in it ends early.
    if blob.failed.is_none() && std::io::copy(&mut blob, &mut std::io::sink()).is_ok() {
        content.blob = blob.digest();
        content.blob_bytes = blob.bytes;
    }
    // A decoder that runs out of bytes does not know why.
    if let Some((kind, message)) = blob.failed.take() {
        content.broken = Some(Broken::from(std::io::Error::new(kind, message)));
        content.unpacked.clear();
    }
    content
}

fn unpack(
    blob: &mut Digesting<Box<dyn Read + Send + '_>>,
    size: u64,
    limits: &Limits,
    wants: &dyn Fn(&Entry) -> u64,
    content: &mut Content,
) -> Result<(), Broken> {
    let mut blob = BufReader::with_capacity(1 << 17, blob);
    let compressed = Compression::of(blob.fill_buf()?);
    let bounded = decoded(blob, size, limits)?;
    let mut unpacked = BufReader::with_capacity(1 << 16, Digesting::new(bounded));
    let inside = match compressed {
        Compression::None => Compression::None,
        _ => Compression::of(unpacked.fill_buf()?),
    };
    if let (Some(outer), Some(inner)) = (compressed.name(), inside.name()) {
        return Err(Broken::malformed(&format!(
            "is compressed twice: {outer} that holds {inner}, where a tar archive was expected"
        )));
    }
    let mut archive = Archive::new(unpacked);
    let mut kept = 0u64;
    let mut looked_at = Vec::new();
    loop {
        let next = archive.next().map_err(|broken| match compressed {
            // One that is shorter than a header was cut.
            Compression::None
                if content.entries.is_empty() && size >= 512 && broken.is_malformed() =>
            {
                Broken::malformed("begins as neither gzip, zstd nor a tar archive: no tar header")
            }
            _ => broken,
        });
        let Some(entry) = next? else { break };
        if content.entries.len() >= limits.entries {
            return Err(Broken::limit(&format!("has more than {} entries", limits.entries)));
        }
        if entry.path.len() > limits.path || entry.link.len() > limits.path {
            let most = limits.path;
            return Err(Broken::limit(&format!("has a path longer than {most} bytes")));
        }
        let wanted = wants(&entry);
        // What goes over the limit is read again, by itself, should it be needed.
        if wanted > 0 && entry.size <= wanted && kept + entry.size <= limits.program {
            kept += entry.size;
            let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or(0));
            archive.body(&mut bytes, entry.size)?;
            content.bytes.insert(entry.path.clone(), bytes);
        } else if entry.kind.is_file() && content.secrets.len() < MOST_SECRETS {
            let by_name = entry.size <= secrets::worth(&entry.path);
            let by_shape = entry.size <= shapes::worth(&entry.path);
            if by_name || by_shape {
                looked_at.clear();
                archive.body(&mut looked_at, entry.size)?;
                let named = by_name.then(|| secrets::find(&entry.path, &looked_at)).flatten();
                let shaped = || by_shape.then(|| shapes::find(&looked_at)).flatten();
                if let Some(what) = named.or_else(shaped) {
                    content.secrets.push((entry.path.clone(), what));
                }
            }
        }
        content.entries.push(entry);
    }
    let mut rest = archive.into_inner();
    std::io::copy(&mut rest, &mut std::io::sink())?;
    let unpacked = rest.into_inner();
    content.unpacked_bytes = unpacked.bytes;
    content.unpacked = unpacked.digest();
    Ok(())
}

/// How a blob is compressed, by its first bytes, as containerd and Docker tell it whatever its media type says
/// (`DetectCompression` of containerd's archive/compression).
#[derive(Clone, Copy)]
enum Compression {
    Gzip,
    Zstd,
    None,
}

impl Compression {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
            Self::None => None,
        }
    }

    fn of(begin: &[u8]) -> Self {
        match begin {
            [0x1F, 0x8B, ..] => Self::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// What a blob of that many bytes unpacks to, by its first bytes, within the limits.
pub(super) fn decoded<'r>(
    mut blob: impl BufRead + Send + 'r,
    size: u64,
    limits: &Limits,
) -> IoResult<Bounded<Box<dyn Read + Send + 'r>>> {
    let inner: Box<dyn Read + Send + 'r> = match Compression::of(blob.fill_buf()?) {
        Compression::Gzip => Box::new(MultiGzDecoder::new(blob)),
        Compression::Zstd => {
            Box::new(Zstd { source: blob, decoder: FrameDecoder::new(), in_frame: false })
        }
        Compression::None => Box::new(blob),
    };
    let left = limits.unpacked.min(size.saturating_mul(limits.ratio).max(limits.free));
    Ok(Bounded { inner, left })
}

/// Computes the digest of what passes.
pub(super) struct Digesting<R> {
    inner: R,
    sha: Sha256,
    bytes: u64,
    /// Why the source gave no more.
    failed: Option<(std::io::ErrorKind, String)>,
}

impl<R: Read> Digesting<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, sha: Sha256::new(), bytes: 0, failed: None }
    }

    pub(super) fn digest(&self) -> String {
        digest_text(&self.sha.clone().finalize())
    }
}

/// The digest of bytes, as images write it.
pub(super) fn digest(bytes: &[u8]) -> String {
    digest_text(&Sha256::digest(bytes))
}

fn digest_text(sum: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = "sha256:".to_owned();
    for byte in sum {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        let n = self.inner.read(buffer).inspect_err(|error| {
            if error.kind() != std::io::ErrorKind::Interrupted {
                self.failed = Some((error.kind(), error.to_string()));
            }
        })?;
        self.sha.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

/// Refuses to give more than a number of bytes.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::FileTooLarge, "unpacks to more than it may")
        })?;
        Ok(n)
    }
}

/// Frames of zstd one after the other: chunked layers have several, and some to be skipped.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                match self.decoder.init(&mut self.source) {
                    Ok(()) => self.in_frame = true,
                    Err(FrameDecoderError::ReadFrameHeaderError(
                        ReadFrameHeaderError::SkipFrame { length, .. },
                    )) => {
                        let skipped = &mut self.source.by_ref().take(u64::from(length));
                        std::io::copy(skipped, &mut std::io::sink())?;
                        continue;
                    }
                    Err(error) => {
                        let message = format!("a frame of zstd was expected: {error}");
                        return Err(std::io::Error::other(message));
                    }
                }
            }
            while self.decoder.can_collect() < buffer.len() && !self.decoder.is_finished() {
                let more = buffer.len() - self.decoder.can_collect();
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBytes(more))
                    .map_err(std::io::Error::other)?;
            }
            let n = self.decoder.read(buffer)?;
            if n > 0 {
                return Ok(n);
            }
            self.in_frame = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two frames by zstd 1.5.4 (`zstd -19`) with a frame between them that is to be skipped, as
    /// zstd:chunked layers have it: an archive with `etc/passwd` and `srv/server`.
    const FRAMES: &str = "\
        28b52ffd046825030002451011a06f600d2d25f501704c18322b0878230567748f628e6455b217553e83f6e2\
        b9245cb8b7b75f9f104aee6689e653eec0a49cc386743797629a97fd4751a8c9020c20502fb13b63aa2679dc\
        01a6a8b9dae6a40eb8c41b82ac82c2a00166d39a0362a8aa63502a4d1805000000696e64657828b52ffd0468\
        b500005823212f62696e2f73680a00020008707d715eb52001ed81d45a";

    fn unhex(text: &str) -> Vec<u8> {
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        text.as_bytes().chunks(2).map(|digits| pair(digits).unwrap()).collect()
    }

    fn read_all(blob: Vec<u8>) -> Content {
        let size = blob.len() as u64;
        let everything = |entry: &Entry| entry.size;
        super::read(Box::new(std::io::Cursor::new(blob)), size, &Limits::default(), &everything)
    }

    #[test]
    fn layers_of_zstd_are_read_frame_by_frame() {
        let content = read_all(unhex(FRAMES));
        assert!(content.broken.is_none(), "{:?}", content.broken);
        let names: Vec<&str> = content.entries.iter().map(|e| e.path.as_str()).collect();
        assert_eq!(names, ["etc/passwd", "srv/server"]);
        assert_eq!(content.bytes["etc/passwd"], b"root:x:0:0::/:/bin/sh\n");
        assert_eq!(content.bytes["srv/server"], b"#!/bin/sh\n".repeat(50));
        assert_eq!(content.unpacked_bytes, 4096);
        assert_eq!(
            content.unpacked,
            "sha256:ac7cae91047be7bf2d2e3ce3eb7ee28a9241253098807363068c11f54fc77014"
        );
    }

    /// `no tar header`, of bytes that the author knows to be an archive.
    #[test]
    fn a_layer_that_is_compressed_twice_says_so() {
        use std::io::Write as _;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&[0; 1024]).unwrap();
        let gzip = gzip.finish().unwrap();
        // One frame with its size in a byte, and one block as it is (RFC 8878, 3.1.1).
        let zstd = |bytes: &[u8]| {
            let size = u8::try_from(bytes.len()).unwrap();
            let block = (u32::from(size) << 3 | 1).to_le_bytes();
            [&[0x28, 0xB5, 0x2F, 0xFD, 0x20, size], &block[..3], bytes].concat()
        };
        let message = |bytes: Vec<u8>| read_all(bytes).broken.unwrap().message;
        assert_eq!(
            message(zstd(&gzip)),
            "is compressed twice: zstd that holds gzip, where a tar archive was expected"
        );
        let header = [&[0x28, 0xB5, 0x2F, 0xFD][..], &gzip].concat();
        assert!(message(header).contains("a frame of zstd was expected"));
    }

    #[test]
    fn a_layer_of_zstd_that_is_cut_short_is_broken() {
        let whole = unhex(FRAMES);
        let cut = read_all(whole[..whole.len() - 20].to_vec());
        assert!(cut.broken.is_some());
        let mut changed = whole;
        let middle = changed.len() / 3;
        changed[middle] ^= 0xff;
        let changed = read_all(changed);
        let sum = "sha256:ac7cae91047be7bf2d2e3ce3eb7ee28a9241253098807363068c11f54fc77014";
        assert!(changed.broken.is_some() || changed.unpacked != sum);
    }
}
