//! The runtime's table of a module's memory: where text, data, types and read-only data begin and end.
//!
//! Source: `runtime/symtab.go` (`moduledata`) and `cmd/link/internal/ld/symtab.go` of each version. In a
//! position-independent binary its words are zero in the file and stand in the relocations.

use std::ops::Range;

use crate::cursor::PtrSize;
use crate::elf::Elf;
use crate::limits::Limits;
use crate::problem::Place;

/// The parts of `runtime.firstmoduledata` that a reader of binaries needs. Addresses as linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleData {
    /// The words that were read.
    pub place: Place,
    /// `text..etext`: Go code. Function entries are relative to its start since Go 1.18.
    pub text: Range<u64>,
    /// Initialised data without pointers.
    pub noptrdata: Range<u64>,
    /// Initialised data with pointers.
    pub data: Range<u64>,
    /// Zeroed data with pointers.
    pub bss: Range<u64>,
    /// Zeroed data without pointers.
    pub noptrbss: Range<u64>,
    /// Type descriptors.
    pub types: Range<u64>,
    /// Start of read-only data, which holds the string constants (`go:string.*`); since Go 1.18.
    pub rodata: Option<u64>,
    /// Start of the function metadata (inline trees, stack maps); since Go 1.18.
    pub gofunc: Option<u64>,
    /// The pieces of the text where it had to be split: offsets from `text.start` and the address they run at.
    pub text_sections: Vec<TextSection>,
}

/// A piece of a text that is larger than a branch can reach (`runtime.textsect`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextSection {
    /// Offsets from the text's start, as function entries state them.
    pub offsets: Range<u64>,
    /// The address of the first one.
    pub address: u64,
}

impl ModuleData {
    /// The address of a function entry given as an offset (`moduledata.textAddr`).
    pub fn text_address(&self, offset: u64) -> u64 {
        let piece = match self.text_sections.as_slice() {
            [] | [_] => None,
            pieces => pieces.iter().find(|p| p.offsets.contains(&offset)),
        };
        match piece {
            Some(piece) => piece.address.wrapping_add(offset - piece.offsets.start),
            None => self.text.start.wrapping_add(offset),
        }
    }
}

/// Indices, in words, of the fields that moved between versions. Fields up to `enoptrbss` never did.
struct Layout {
    /// First minor version that uses it.
    since: u16,
    types: usize,
    etypes: usize,
    rodata: Option<usize>,
    gofunc: Option<usize>,
    /// End of the function table; tells the layouts of 1.26 and 1.27 apart.
    epclntab: Option<usize>,
    textsectmap: usize,
}

/// Newest first. 1.20 added the coverage counters, 1.26 `epclntab`, 1.27 the sizes inside the types.
const LAYOUTS: [Layout; 5] = [
    Layout {
        since: 27,
        types: 37,
        etypes: 39,
        rodata: Some(42),
        gofunc: Some(43),
        epclntab: Some(44),
        textsectmap: 45,
    },
    Layout {
        since: 26,
        types: 37,
        etypes: 38,
        rodata: Some(39),
        gofunc: Some(40),
        epclntab: Some(41),
        textsectmap: 42,
    },
    Layout {
        since: 20,
        types: 37,
        etypes: 38,
        rodata: Some(39),
        gofunc: Some(40),
        epclntab: None,
        textsectmap: 41,
    },
    Layout {
        since: 18,
        types: 35,
        etypes: 36,
        rodata: Some(37),
        gofunc: Some(38),
        epclntab: None,
        textsectmap: 39,
    },
    Layout {
        since: 16,
        types: 35,
        etypes: 36,
        rodata: None,
        gofunc: None,
        epclntab: None,
        textsectmap: 37,
    },
];

const FUNCNAMETAB: usize = 1;
const TEXT: usize = 22;
const NOPTRDATA: usize = 24;
const DATA: usize = 26;
const BSS: usize = 28;
const NOPTRBSS: usize = 30;
const WORDS: usize = 48;
/// Go splits texts on 32-bit Arm, arm64 and ppc64 only, into a few dozen pieces at most.
const MAX_TEXT_SECTIONS: u64 = 4096;

/// What identifies the table that belongs to a function table.
pub(crate) struct Wanted {
    /// Address of the function table (`pcHeader`).
    pub(crate) pclntab: u64,
    /// Address of its names.
    pub(crate) funcnametab: u64,
    /// The end of its section, where known.
    pub(crate) pclntab_end: u64,
    /// Minor version of the toolchain, where build information tells it.
    pub(crate) minor: Option<u16>,
    /// The versions that write such a function table.
    pub(crate) minors: Range<u16>,
}

/// Finds the table that starts with a pointer to the function table (Go 1.16 and later).
pub(crate) fn find(elf: &Elf<'_>, wanted: &Wanted, limits: &Limits) -> Option<ModuleData> {
    let word = elf.ptr_size.bytes() as u64;
    // Since Go 1.26 it has a section of its own, at whose start it lies; else the data is searched.
    let own = elf.section(".go.module").map(|s| s.address);
    let searched = std::iter::once_with(|| candidates(elf, wanted.pclntab, limits)).flatten();
    own.into_iter().chain(searched).find_map(|address| {
        let words = Words::read(elf, address, limits)?;
        // The next field is a slice that starts at a known place: no other data looks like that.
        (words.get(0) == wanted.pclntab && words.get(FUNCNAMETAB) == wanted.funcnametab)
            .then_some(())?;
        let layout = choose(&words, wanted)?;
        Some(ModuleData {
            place: Place {
                len: WORDS as u64 * word,
                address: Some(address),
                ..elf.place_of(elf.bytes_from(address))
            },
            text: words.range(TEXT),
            noptrdata: words.range(NOPTRDATA),
            data: words.range(DATA),
            bss: words.range(BSS),
            noptrbss: words.range(NOPTRBSS),
            types: words.get(layout.types)..words.get(layout.etypes),
            rodata: layout.rodata.map(|at| words.get(at)),
            gofunc: layout.gofunc.map(|at| words.get(at)),
            text_sections: text_sections(
                elf,
                words.get(layout.textsectmap),
                words.get(layout.textsectmap + 1),
                limits,
            ),
        })
    })
}

fn choose<'l>(words: &Words, wanted: &Wanted) -> Option<&'l Layout> {
    let plausible = |layout: &&Layout| {
        let ends_right = layout.epclntab.is_none_or(|at| {
            let end = words.get(at);
            end > wanted.pclntab && end <= wanted.pclntab_end
        });
        ends_right
            && words.get(TEXT) < words.get(TEXT + 1)
            && words.get(layout.types) <= words.get(layout.etypes)
    };
    let known = |minor: u16| LAYOUTS.iter().filter(move |layout| layout.since <= minor);
    match wanted.minor {
        // Development trees and unknown versions: the newest layout that fits what is there.
        None => LAYOUTS.iter().filter(|l| wanted.minors.contains(&l.since)).find(plausible),
        Some(minor) => {
            known(minor).next().filter(plausible).or_else(|| LAYOUTS.iter().find(plausible))
        }
    }
}

/// Addresses of words that point at the function table.
fn candidates(elf: &Elf<'_>, pclntab: u64, limits: &Limits) -> Vec<u64> {
    /// Each candidate may cost a pass over the relocations.
    const ENOUGH: usize = 16;
    let mut found = Vec::new();
    let (pattern, word) = match (elf.ptr_size, elf.endian) {
        (PtrSize::Four, endian) => {
            (endian.u32_bytes(u32::try_from(pclntab).unwrap_or(0)).to_vec(), 4)
        }
        (PtrSize::Eight, endian) => (endian.u64_bytes(pclntab).to_vec(), 8),
    };
    let mut left = limits.search_bytes;
    let mut search = |address: u64, size: u64| {
        let bytes = elf.bytes_from(address);
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(left);
        let bytes = bytes.get(..size).unwrap_or(bytes);
        left = left.saturating_sub(bytes.len());
        let hits =
            memchr::memmem::find_iter(bytes, &pattern).map(|at| address.wrapping_add(at as u64));
        let room = ENOUGH.saturating_sub(found.len());
        found.extend(hits.filter(|at| at.is_multiple_of(word)).take(room));
    };
    // It is data without pointers for the garbage collector (`NotInHeap`).
    for section in elf.sections.iter().filter(|s| matches!(&*s.name, ".noptrdata" | ".data")) {
        search(section.address, section.size);
    }
    if elf.sections.is_empty() {
        for segment in elf.segments.iter().filter(|s| s.is_load() && s.is_writable()) {
            search(segment.address, segment.file_size);
        }
    }
    let room = ENOUGH.saturating_sub(found.len());
    let relocated = elf
        .relative_relocations()
        .take(limits.relocations)
        .filter(|&(_, target)| target == pclntab);
    found.extend(relocated.map(|(address, _)| address).take(room));
    found
}

/// The words of a candidate, with relocations applied.
struct Words(Vec<u64>);

impl Words {
    fn read(elf: &Elf<'_>, address: u64, limits: &Limits) -> Option<Self> {
        let len = (WORDS * elf.ptr_size.bytes()) as u64;
        Self::read_n(elf, address, len, limits)
    }

    fn read_n(elf: &Elf<'_>, address: u64, len: u64, limits: &Limits) -> Option<Self> {
        let mut cursor = elf.cursor(elf.bytes_at(address, len)?);
        let mut words = Vec::new();
        while let Ok(word) = cursor.ptr() {
            words.push(word);
        }
        if words.first() == Some(&0) || words.get(FUNCNAMETAB) == Some(&0) {
            for (at, target) in elf.relocated_words(address, len, limits) {
                let index = usize::try_from((at - address) / elf.ptr_size.bytes() as u64).ok()?;
                if let Some(word) = words.get_mut(index) {
                    *word = target;
                }
            }
        }
        Some(Self(words))
    }

    fn get(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }

    fn range(&self, index: usize) -> Range<u64> {
        self.get(index)..self.get(index + 1)
    }
}

fn text_sections(elf: &Elf<'_>, address: u64, count: u64, limits: &Limits) -> Vec<TextSection> {
    if count <= 1 || count > MAX_TEXT_SECTIONS {
        return Vec::new();
    }
    let len = count * 3 * elf.ptr_size.bytes() as u64;
    let Some(words) = Words::read_n(elf, address, len, limits) else { return Vec::new() };
    words
        .0
        .chunks_exact(3)
        .filter_map(|piece| match piece {
            [start, end, address] => Some(TextSection { offsets: *start..*end, address: *address }),
            _ => None,
        })
        .collect()
}
