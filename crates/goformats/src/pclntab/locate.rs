//! Where the function table lies.

use super::TableVersion;
use crate::cursor::{Cursor, Endian, PtrSize};
use crate::elf::Elf;
use crate::limits::Limits;
use crate::problem::Problems;

/// The first eight bytes: magic, two zeros, size of an instruction, size of a pointer.
pub(super) struct Header {
    pub(super) version: TableVersion,
    pub(super) endian: Endian,
    pub(super) ptr_size: PtrSize,
}

impl Header {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let [a, b, c, d, 0, 0, quantum, ptr_size] = *data.first_chunk::<8>()? else { return None };
        let ptr_size = match (quantum, ptr_size) {
            (1 | 2 | 4, 4) => PtrSize::Four,
            (1 | 2 | 4, 8) => PtrSize::Eight,
            _ => return None,
        };
        let magic = [a, b, c, d];
        // Read in the wrong order no magic number is one.
        let little =
            TableVersion::from_magic(u32::from_le_bytes(magic)).map(|v| (v, Endian::Little));
        let big = TableVersion::from_magic(u32::from_be_bytes(magic)).map(|v| (v, Endian::Big));
        let (version, endian) = little.or(big)?;
        Some(Self { version, endian, ptr_size })
    }
}

/// The table's bytes, to the end of its section or segment.
pub(super) struct Located<'a> {
    pub(super) data: &'a [u8],
    pub(super) address: u64,
}

/// Go's own linker writes `.gopclntab`; position-independent ones before Go 1.26 have it among the relocated data.
pub(super) const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];

/// Whether a section for the table starts with a header of the right shape and a magic number that is none of Go's:
/// garble draws one at random for each build.
pub(crate) fn has_foreign_magic(elf: &Elf<'_>) -> bool {
    SECTIONS.iter().filter_map(|name| elf.section(name)).any(|s| is_foreign(elf, s.data))
}

fn is_foreign(elf: &Elf<'_>, data: &[u8]) -> bool {
    let Some(&[.., 0, 0, quantum, ptr_size]) = data.first_chunk::<8>() else { return false };
    let shaped = matches!(quantum, 1 | 2 | 4) && usize::from(ptr_size) == elf.ptr_size.bytes();
    shaped && Header::read(data).is_none()
}

pub(super) fn find<'a>(
    elf: &Elf<'a>,
    limits: &Limits,
    problems: &mut Problems,
) -> Option<Located<'a>> {
    for section in SECTIONS.iter().filter_map(|name| elf.section(name)) {
        if Header::read(section.data).is_some() {
            return Some(Located { data: section.data, address: section.address });
        }
        if is_foreign(elf, section.data) {
            // Told as obfuscation.
            return None;
        }
        problems.push(
            format!(
                "section {} does not start with a function table of Go 1.2 to 1.27",
                section.name
            ),
            section.offset.min(elf.bytes().len() as u64),
        );
    }
    if !elf.sections.is_empty() {
        // External linkers may merge it into .data.rel.ro, where it starts at a word.
        let section = elf.section(".data.rel.ro")?;
        return search(elf, section.address, section.data, &mut { limits.search_bytes });
    }
    // Without section headers: read-only segments first, then the relocated data.
    let mut loads: Vec<_> =
        elf.segments.iter().filter(|s| s.is_load() && !s.is_executable()).collect();
    loads.sort_by_key(|s| s.is_writable());
    let mut left = limits.search_bytes;
    loads.iter().find_map(|s| {
        let bytes = elf.bytes_from(s.address);
        search(elf, s.address, bytes, &mut left)
    })
}

/// The first word-aligned header whose first function has a name.
fn search<'a>(
    elf: &Elf<'a>,
    address: u64,
    bytes: &'a [u8],
    left: &mut usize,
) -> Option<Located<'a>> {
    let searched = bytes.get(..*left).unwrap_or(bytes);
    *left -= searched.len();
    // The last bytes of every magic number in little-endian order, the zeros behind them; in big-endian the order turns.
    let pattern: &[u8] = match elf.endian {
        Endian::Little => b"\xff\xff\xff\0\0",
        Endian::Big => b"\xff\xff\xff",
    };
    let back = match elf.endian {
        Endian::Little => 1,
        Endian::Big => 0,
    };
    memchr::memmem::find_iter(searched, pattern)
        .filter_map(|at| at.checked_sub(back))
        .filter(|&at| address.wrapping_add(at as u64).is_multiple_of(elf.ptr_size.bytes() as u64))
        .filter_map(|at| {
            bytes.get(at..).map(|data| Located { data, address: address.wrapping_add(at as u64) })
        })
        .find(|located| is_plausible(elf, located.data))
}

/// Checks more of a header that was found by searching: its parts follow one another.
fn is_plausible(elf: &Elf<'_>, data: &[u8]) -> bool {
    let Some(header) = Header::read(data) else { return false };
    if (header.endian, header.ptr_size) != (elf.endian, elf.ptr_size) {
        return false;
    }
    let cursor = Cursor::new(data, header.endian, header.ptr_size);
    let word = header.ptr_size.bytes() as u64;
    let field = |index: u64| cursor.at(8 + index * word).ptr().unwrap_or(0);
    if field(0) == 0 {
        return false;
    }
    if header.version == TableVersion::Go12 {
        return field(0) < data.len() as u64;
    }
    let first = header.version.first_offset();
    (first..first + 4).all(|i| field(i) < field(i + 1)) && field(first + 4) < data.len() as u64
}
