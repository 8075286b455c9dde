//! The parts of a program's memory that strings have to do with.

use std::ops::Range;

use crate::elf::Elf;
use crate::limits::Limits;
use crate::pclntab::FunctionTable;

/// A piece of memory with its bytes in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area<'a> {
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) bytes: &'a [u8],
    writable: bool,
}

impl Area<'_> {
    /// Whether the program can write it.
    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    fn contains(&self, address: u64) -> bool {
        address.checked_sub(self.address).is_some_and(|at| at < self.bytes.len() as u64)
    }
}

/// A word in data that points at something, with a small number behind it: a string's header, or the like of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Address of the header.
    pub(super) at: u64,
    /// What it points at.
    pub(super) target: u64,
    /// The number.
    pub(super) len: u64,
}

/// A word in data that points into data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) at: u64,
    pub(super) target: u64,
}

/// Code and data of a program.
#[derive(Clone, Debug)]
pub(super) struct Image<'a> {
    code: Vec<Area<'a>>,
    /// Sorted by address.
    data: Vec<Area<'a>>,
    /// Words that the dynamic linker fills, sorted by address: the word, and what it will point at.
    relocated: Vec<(u64, u64)>,
    longest: u64,
}

/// Data that is no data of the program: tables for the runtime and the dynamic linker, and what no constant stands in.
const NOT_DATA: [&str; 14] = [
    ".gopclntab",
    ".data.rel.ro.gopclntab",
    ".gosymtab",
    ".typelink",
    ".itablink",
    ".dynsym",
    ".dynstr",
    ".gnu.version",
    ".gnu.version_r",
    ".gnu.hash",
    ".hash",
    ".eh_frame",
    ".eh_frame_hdr",
    ".go.buildinfo",
];

impl<'a> Image<'a> {
    pub(super) fn read(elf: &Elf<'a>, functions: &FunctionTable<'a>, limits: &Limits) -> Self {
        let mut code = Vec::new();
        let mut data = Vec::new();
        for section in elf.sections.iter().filter(|s| s.is_allocated() && !s.data.is_empty()) {
            let area = Area {
                address: section.address,
                offset: section.offset,
                bytes: section.data,
                writable: section.flags & 1 != 0,
            };
            if section.flags & 4 != 0 {
                code.push(area);
            } else if !NOT_DATA.contains(&&*section.name) && !section.name.starts_with(".rel") {
                data.push(area);
            }
        }
        if elf.sections.is_empty() {
            for segment in elf.segments.iter().filter(|s| s.is_load()) {
                let bytes = elf.bytes_from(segment.address);
                let area = Area {
                    address: segment.address,
                    offset: segment.offset,
                    bytes,
                    writable: segment.is_writable(),
                };
                if segment.is_executable() { code.push(area) } else { data.push(area) }
            }
        }
        // Only the text that the function table describes was written by the Go compiler.
        if let Some(text) = functions.module.as_ref().map(|m| m.text.clone()) {
            code.retain(|a| a.address < text.end && text.start < a.address + a.bytes.len() as u64);
        }
        data.sort_unstable_by_key(|a| a.address);
        let mut relocated: Vec<_> = elf.relative_relocations().take(limits.relocations).collect();
        relocated.sort_unstable();
        Self { code, data, relocated, longest: limits.string_bytes as u64 }
    }

    pub(super) fn code(&self) -> &[Area<'a>] {
        &self.code
    }

    pub(super) fn data(&self) -> &[Area<'a>] {
        &self.data
    }

    /// Words that the dynamic linker fills, and what they will point at.
    pub(super) fn relocations(&self) -> impl Iterator<Item = (u64, u64)> {
        self.relocated.iter().copied()
    }

    /// What the dynamic linker makes the word at an address point at.
    pub(super) fn relocation_at(&self, address: u64) -> Option<u64> {
        let index = self.relocated.binary_search_by_key(&address, |r| r.0).ok()?;
        self.relocated.get(index).map(|r| r.1)
    }

    fn area(&self, address: u64) -> Option<&Area<'a>> {
        let after = self.data.partition_point(|a| a.address <= address);
        self.data.get(after.checked_sub(1)?).filter(|a| a.contains(address))
    }

    pub(super) fn in_data(&self, address: u64) -> bool {
        self.area(address).is_some()
    }

    /// Data that the program cannot write, where constants are.
    pub(super) fn is_constant_data(&self, address: u64) -> bool {
        self.area(address).is_some_and(|a| !a.writable)
    }

    pub(super) fn bytes_at(&self, address: u64, len: u64) -> Option<&'a [u8]> {
        let area = self.area(address)?;
        let start = usize::try_from(address - area.address).ok()?;
        area.bytes.get(start..start.checked_add(usize::try_from(len).ok()?)?)
    }

    /// Code at an address range, as much of it as one area holds.
    pub(super) fn code_at(&self, range: Range<u64>) -> Option<&'a [u8]> {
        let area = self.code.iter().find(|a| a.contains(range.start))?;
        let start = usize::try_from(range.start - area.address).ok()?;
        let len = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        area.bytes.get(start..start.saturating_add(len).min(area.bytes.len()))
    }

    pub(super) fn offset_of(&self, address: u64) -> Option<u64> {
        let area = self.area(address)?;
        area.offset.checked_add(address - area.address)
    }

    /// Whether what lies between two strings can be strings, too, and not tables of numbers.
    pub(super) fn looks_like_text(&self, range: Range<u64>) -> bool {
        const SAMPLE: u64 = 4096;
        // A few strings, which may be binary. Something else than strings is never that near.
        const NEAR: u64 = 256;
        let len = range.end.saturating_sub(range.start);
        if len <= NEAR {
            return true;
        }
        let Some(bytes) = self.bytes_at(range.start, len.min(SAMPLE)) else { return false };
        let odd =
            bytes.iter().filter(|&&b| b == 0 || (b < 0x20 && !b.is_ascii_whitespace())).count();
        odd * 16 <= bytes.len()
    }

    /// Every aligned word in data that points into data; of those, the ones with a plausible length behind them.
    pub(super) fn pointers(&self) -> (Vec<Pointer>, Vec<Header>) {
        let mut pointers = Vec::new();
        let mut headers = Vec::new();
        let (low, high) = match (self.data.first(), self.data.last()) {
            (Some(first), Some(last)) => {
                (first.address, last.address.saturating_add(last.bytes.len() as u64))
            }
            _ => return (pointers, headers),
        };
        let plausible = |target: u64, len: u64| {
            len > 0 && len <= self.longest && self.bytes_at(target, len).is_some()
        };
        for area in &self.data {
            let skip = (area.address.wrapping_neg() & 7) as usize;
            let words = area.bytes.get(skip..).unwrap_or_default().chunks_exact(8);
            let mut last = 0u64;
            for (index, word) in words.enumerate() {
                let word = word.first_chunk().map_or(0, |&w| u64::from_le_bytes(w));
                let target = std::mem::replace(&mut last, word);
                // Cheap tests first: nearly all words fail the first one.
                if target >= low && target < high {
                    let at = area.address + skip as u64 + 8 * (index as u64 - 1);
                    pointers.push(Pointer { at, target });
                    if plausible(target, word) {
                        headers.push(Header { at, target, len: word });
                    }
                }
            }
        }
        for &(at, target) in &self.relocated {
            if target < low || target >= high {
                continue;
            }
            pointers.push(Pointer { at, target });
            let len = self
                .bytes_at(at.saturating_add(8), 8)
                .and_then(|b| b.first_chunk().copied())
                .map_or(0, u64::from_le_bytes);
            if plausible(target, len) {
                headers.push(Header { at, target, len });
            }
        }
        (pointers, headers)
    }
}
