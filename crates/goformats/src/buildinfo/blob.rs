//! Finds the header of the build information and the two texts behind it.

use super::Layout;
use crate::cursor::{Cursor, Endian, PtrSize};
use crate::elf::Elf;
use crate::limits::Limits;
use crate::problem::Problems;

/// The raw parts.
pub(super) struct Blob<'a> {
    pub(super) layout: Layout,
    pub(super) header: &'a [u8],
    pub(super) version: &'a [u8],
    /// The module text without its framing; empty when the build knew no modules.
    pub(super) modules: &'a [u8],
}

const MAGIC: &[u8] = b"\xff Go buildinf:";
/// The linker aligns the header; the same bytes elsewhere are the constant of a program that reads build information.
const ALIGN: u64 = 16;
const HEADER: usize = 32;
/// Offsets in the header (`debug/buildinfo/buildinfo.go`, `readRawBuildInfo`).
const PTR_SIZE_AT: usize = 14;
const FLAGS_AT: usize = 15;
const FLAG_BIG_ENDIAN: u8 = 1;
const FLAG_INLINE: u8 = 2;

pub(super) fn find<'a>(
    elf: &Elf<'a>,
    limits: &Limits,
    problems: &mut Problems,
) -> Option<Blob<'a>> {
    let section = elf.section(".go.buildinfo").map(|s| (s.address, s.size));
    // Without the section: the writable segments. The linker puts it near the start of one; where the relocated
    // read-only data has a segment of its own, of the second.
    let segments = elf
        .segments
        .iter()
        .filter(|s| s.is_load() && s.is_writable() && !s.is_executable())
        .map(|s| (s.address, s.file_size));
    let mut left = limits.search_bytes;
    for (address, size) in section.into_iter().chain(segments) {
        let bytes = elf.bytes_from(address);
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len());
        let searched = bytes.get(..size.min(left)).unwrap_or(bytes);
        if let Some(at) = search(searched, address) {
            // The section may end behind the header in a lying file; the texts are bounded by the segment.
            return read(elf, bytes.get(at..).unwrap_or_default(), limits, problems);
        }
        left -= searched.len();
        if searched.len() < size {
            problems.push(
                format!("build information was searched in {} bytes only", limits.search_bytes),
                elf.place_of(bytes).offset,
            );
            break;
        }
    }
    if let Some(section) = elf.section(".go.buildinfo") {
        problems.push(
            "the section .go.buildinfo holds no build information",
            section.offset.min(elf.bytes().len() as u64),
        );
    }
    None
}

/// The first aligned header in bytes that are mapped at `address`.
fn search(bytes: &[u8], address: u64) -> Option<usize> {
    memchr::memmem::find_iter(bytes, MAGIC)
        .find(|&at| address.wrapping_add(at as u64).is_multiple_of(ALIGN))
        .filter(|&at| bytes.len() - at >= HEADER)
}

fn read<'a>(
    elf: &Elf<'a>,
    bytes: &'a [u8],
    limits: &Limits,
    problems: &mut Problems,
) -> Option<Blob<'a>> {
    let offset = elf.place_of(bytes).offset;
    let header = bytes.get(..HEADER)?;
    let (ptr_size, flags) = (*header.get(PTR_SIZE_AT)?, *header.get(FLAGS_AT)?);
    let (layout, texts) = if flags & FLAG_INLINE != 0 {
        (Layout::Inline, inline(elf, bytes, limits))
    } else {
        let endian = if flags & FLAG_BIG_ENDIAN != 0 { Endian::Big } else { Endian::Little };
        let ptr_size = match ptr_size {
            4 => PtrSize::Four,
            8 => PtrSize::Eight,
            _ => {
                problems.push("build information has pointers of neither 4 nor 8 bytes", offset);
                return None;
            }
        };
        (Layout::Pointers, pointers(elf, Cursor::new(header, endian, ptr_size), limits))
    };
    let (version, modules) = match texts {
        Ok(texts) => texts,
        Err(what) => {
            problems.push(format!("build information is broken: {what}"), offset);
            return None;
        }
    };
    if version.is_empty() {
        problems.push("build information names no Go version", offset);
        return None;
    }
    Some(Blob { layout, header, version, modules: unframe(modules) })
}

/// Since Go 1.18: two strings, each behind its length as a varint.
fn inline<'a>(
    elf: &Elf<'a>,
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<(&'a [u8], &'a [u8]), &'static str> {
    let mut cursor = elf.cursor(bytes).at(HEADER as u64);
    let mut text = || {
        let len = cursor.uvarint().ok().flatten().ok_or("a length is cut off")?;
        if len > limits.buildinfo_bytes as u64 {
            return Err("a text is longer than the limit");
        }
        cursor.take(len).map_err(|_| "a text reaches beyond its segment")
    };
    Ok((text()?, text()?))
}

/// Up to Go 1.17: two pointers to Go strings (pointer and length).
fn pointers<'a>(
    elf: &Elf<'a>,
    mut header: Cursor<'a>,
    limits: &Limits,
) -> Result<(&'a [u8], &'a [u8]), &'static str> {
    let base = elf.place_of(header.rest()).address.ok_or("it is not mapped")?;
    header = header.at(16);
    let word = header.ptr_size().bytes() as u64;
    let version = header.ptr().map_err(|_| "a pointer is cut off")?;
    let modules = header.ptr().map_err(|_| "a pointer is cut off")?;
    let version = elf.relocated(base.wrapping_add(16), version, limits);
    let modules = elf.relocated(base.wrapping_add(16 + word), modules, limits);
    let text = |address: u64| {
        let mut cursor = header.over(elf.bytes_from(address));
        let data = cursor.ptr().map_err(|_| "a string header points outside")?;
        let len = cursor.ptr().map_err(|_| "a string header points outside")?;
        if len > limits.buildinfo_bytes as u64 {
            return Err("a text is longer than the limit");
        }
        let data = elf.relocated(address, data, limits);
        if len == 0 {
            Ok(&[][..])
        } else {
            elf.bytes_at(data, len).ok_or("a text lies outside the file")
        }
    };
    // As in Go: a missing module text (built outside a module) does not take the version away.
    Ok((text(version)?, text(modules).unwrap_or_default()))
}

/// Takes off the 16 random-looking bytes at both ends by which cmd/go finds the text (`modload.infoStart`, `infoEnd`).
fn unframe(text: &[u8]) -> &[u8] {
    const FRAME: usize = 16;
    let framed = text.len() > 2 * FRAME && text.get(text.len() - FRAME - 1) == Some(&b'\n');
    if framed { text.get(FRAME..text.len() - FRAME).unwrap_or_default() } else { &[] }
}
