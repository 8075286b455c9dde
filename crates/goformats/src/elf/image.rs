//! The memory image: bytes by address, and what position-independent linking left to the dynamic linker.

use super::{Elf, Machine, Section};
use crate::cursor::{Cursor, PtrSize, checked_range};
use crate::limits::Limits;
use crate::problem::Place;

impl<'a> Elf<'a> {
    /// The file's bytes that are mapped from `address` to the end of its segment; empty when none is.
    pub fn bytes_from(&self, address: u64) -> &'a [u8] {
        self.offset_of(address)
            .map(|(offset, len)| self.file_range(offset, len))
            .unwrap_or_default()
    }

    /// The `len` bytes that are mapped at `address`, if the file holds all of them.
    pub fn bytes_at(&self, address: u64, len: u64) -> Option<&'a [u8]> {
        self.bytes_from(address).get(..usize::try_from(len).ok()?)
    }

    /// The file offset of `address`, and how many bytes follow in the same segment.
    fn offset_of(&self, address: u64) -> Option<(u64, u64)> {
        let after = self.loads.partition_point(|s| s.address <= address);
        let segment = self.loads.get(after.checked_sub(1)?)?;
        let inside = address - segment.address;
        let len = segment.file_size.checked_sub(inside).filter(|&len| len > 0)?;
        Some((segment.offset.checked_add(inside)?, len))
    }

    /// The virtual address at which the byte at `offset` of the file is mapped.
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        self.loads.iter().find_map(|s| {
            let inside = offset.checked_sub(s.offset)?;
            if inside < s.file_size { s.address.checked_add(inside) } else { None }
        })
    }

    /// The place of a slice of this file's bytes. Slices of other memory have the offset 0.
    pub fn place_of(&self, slice: &[u8]) -> Place {
        let offset = (slice.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        let offset = if checked_range(offset as u64, slice.len() as u64, self.bytes.len()).is_some()
        {
            offset as u64
        } else {
            0
        };
        Place { offset, len: slice.len() as u64, address: self.address_of(offset) }
    }

    /// The section whose memory holds `address`.
    pub fn section_at(&self, address: u64) -> Option<&Section<'a>> {
        self.sections.iter().find(|s| s.contains(address))
    }

    fn file_range(&self, offset: u64, len: u64) -> &'a [u8] {
        let available = (self.bytes.len() as u64).saturating_sub(offset);
        checked_range(offset, len.min(available), self.bytes.len())
            .and_then(|r| self.bytes.get(r))
            .unwrap_or_default()
    }

    /// What a word that the file holds as `in_file` will be: itself, or the target of its relocation where it is zero
    /// and the file is position-independent. Each zero costs a pass over the relocations; for many words use
    /// [`Elf::relocated_words`].
    pub fn relocated(&self, address: u64, in_file: u64, limits: &Limits) -> u64 {
        if in_file != 0 {
            return in_file;
        }
        self.relative_relocations()
            .take(limits.relocations)
            .find(|&(at, _)| at == address)
            .map_or(0, |(_, target)| target)
    }

    /// The relocated words at `address..address + len`, sorted by address, by one pass over the relocations.
    pub fn relocated_words(&self, address: u64, len: u64, limits: &Limits) -> Vec<(u64, u64)> {
        let mut words: Vec<_> = self
            .relative_relocations()
            .take(limits.relocations)
            .filter(|&(at, _)| at.checked_sub(address).is_some_and(|inside| inside < len))
            .collect();
        words.sort_unstable();
        words
    }

    /// The relocations that say "the word at this address is the load address plus this": in a position-independent
    /// binary with explicit addends (`DT_RELA`) such words are zero in the file.
    ///
    /// Yields `(address of the word, address it will point at)`, both as linked, in file order.
    pub fn relative_relocations(&self) -> RelativeRelocations<'a> {
        let table = self
            .dynamic
            .as_ref()
            .and_then(|d| d.rela)
            .map(|(address, size)| {
                let bytes = self.bytes_from(address);
                bytes.get(..usize::try_from(size).unwrap_or(usize::MAX)).unwrap_or(bytes)
            })
            .unwrap_or_default();
        RelativeRelocations {
            cursor: self.cursor(table),
            kind: relative_kind(self.machine),
            wide: self.ptr_size == PtrSize::Eight,
        }
    }
}

/// Number of `R_*_RELATIVE` (psABI of each architecture; Go: `debug/elf/elf.go`).
fn relative_kind(machine: Machine) -> Option<u32> {
    Some(match machine {
        Machine::Amd64 => 8,
        Machine::Arm64 => 1027,
        Machine::I386 => 8,
        Machine::Arm => 23,
        Machine::Riscv64 | Machine::Loong64 => 3,
        Machine::Ppc64 => 22,
        Machine::S390x => 12,
        Machine::Mips | Machine::Other(_) => return None,
    })
}

/// Iterator of [`Elf::relative_relocations`].
#[derive(Clone, Debug)]
pub struct RelativeRelocations<'a> {
    cursor: Cursor<'a>,
    kind: Option<u32>,
    wide: bool,
}

impl Iterator for RelativeRelocations<'_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<(u64, u64)> {
        let kind = self.kind?;
        loop {
            let address = self.cursor.ptr().ok()?;
            let info = self.cursor.ptr().ok()?;
            let addend = self.cursor.ptr().ok()?;
            let this = if self.wide { info & 0xffff_ffff } else { info & 0xff };
            if this == u64::from(kind) {
                return Some((address, addend));
            }
        }
    }
}
