//! The string constants of a Go program, whole, with who uses them.
//!
//! # Where Go keeps text
//!
//! - The constants lie packed in one block of read-only data, without headers or terminators ([`blob`] says how it is
//!   cut). Tools that look for printable runs see one long run there, and cannot tell `10.1.2.3:8080` from the middle
//!   of an object identifier.
//! - Code refers to a constant by its address, with the length beside it ([`amd64`], [`arm64`]).
//! - Variables and composite literals hold headers (address and length) in data; in a position-independent program the
//!   address stands in a relocation.
//! - Text set with `-ldflags=-X` and the content of embedded files lie outside the block and have headers only.
//! - Short constants that are only compared leave no text at all, only immediates in code:
//!   [`Strings::inline_texts`] lists them, and [`Strings::find`] says whether a text can be in the program at all.
//!
//! Everything else about a constant follows: what it is by the look of the *whole* text ([`Kind`]), whose it is by the
//! package of the functions that refer to it ([`Owner`]).

mod amd64;
mod arm64;
mod blob;
mod calls;
mod classify;
mod endpoints;
mod follow;
mod handed;
mod image;
mod inline;
mod listen;
mod numbers;
mod owner;
mod paths;
mod presence;
mod routes;
mod signals;
mod variables;
mod x86;

use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Range;
use std::sync::OnceLock;

pub use classify::{AddressClass, Kind, classify};
pub use endpoints::{Addr, ConnectionAge, Endpoints, Mux};
pub use inline::InlineText;
pub use listen::{JoinedHost, ListenText, ListenTexts};
pub use numbers::Number;
pub use owner::{Owner, Owners};
pub use paths::{PathIn, path_in};
pub use presence::{Doubt, Presence, Where};
pub use routes::{Route, Server, Unrouted};
pub use signals::{Asked, Ignored, SignalCall, Signals};
pub use variables::{VariableRead, VariableReads};

use crate::binary::Binary;
use crate::elf::Machine;
use crate::limits::Limits;
use crate::pclntab::FunctionTable;
use crate::problem::Place;
use crate::radix;
use blob::{Blob, Piece};
use image::Image;

/// An instruction that takes an address, and the length found beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reference {
    at: u64,
    target: u64,
    /// The address itself is the result (`LEA`), not what is there.
    taken: bool,
    len: Option<NonZeroU32>,
}

const _: () = assert!(size_of::<Reference>() == 24, "a large program has a million of them");

/// A string constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoString<'a> {
    /// The whole text.
    pub text: &'a str,
    /// Address of its first byte, as linked.
    pub address: u64,
    /// Whose code or data uses it.
    pub owner: Owner,
    /// The address of an instruction that uses it, in code of the owner; `None` where only data refers to it, or nothing
    /// that was understood.
    pub used_at: Option<u64>,
}

impl GoString<'_> {
    /// What the text is.
    pub fn kind(&self) -> Kind<'_> {
        classify(self.text)
    }
}

/// The string constants of a program.
#[derive(Clone, Debug)]
pub struct Strings<'a> {
    image: Image<'a>,
    machine: Machine,
    functions: FunctionTable<'a>,
    /// Minor version of the compiler.
    minor: Option<u16>,
    /// Sorted by address, not overlapping. Texts that are not UTF-8 are in `blob` only.
    list: Vec<GoString<'a>>,
    pieces: Vec<Piece>,
    gaps: Vec<Range<u64>>,
    bounds: Range<u64>,
    owners: Owners,
    limited: bool,
    inline: OnceLock<Vec<InlineText>>,
    numbers: OnceLock<numbers::Numbers>,
}

impl<'a> Strings<'a> {
    /// Reads the strings of a program; `None` when it is not a 64-bit little-endian ELF file linked by Go for a machine
    /// whose code is understood (amd64, arm64). One pass over code and one over data; call it only when asked.
    pub fn read(binary: &Binary<'a>, limits: &Limits) -> Option<Self> {
        let elf = binary.elf.as_ref()?;
        let functions = binary.functions.as_ref()?;
        if !matches!(elf.machine, Machine::Amd64 | Machine::Arm64) {
            return None;
        }
        let image = Image::read(elf, functions, limits);
        let references = references(&image, elf.machine);
        let (pointers, headers) = image.pointers();
        let constants = constants(&image, functions, &references, &headers);
        let mut strings = Self {
            machine: elf.machine,
            functions: functions.clone(),
            minor: binary.build.as_ref().and_then(|b| b.go_version.as_ref()).map(|v| v.minor),
            owners: Owners::new(binary.build.as_ref()),
            list: Vec::new(),
            bounds: constants.bounds(),
            pieces: constants.pieces,
            gaps: constants.gaps,
            limited: false,
            inline: OnceLock::new(),
            numbers: OnceLock::new(),
            image,
        };
        strings.add_outside(&headers, limits);
        strings.fill(limits);
        strings.own(functions, references, &headers, &pointers);
        Some(strings)
    }

    /// Every constant whose length is certain and that is UTF-8, sorted by address.
    pub fn iter(&self) -> impl Iterator<Item = &GoString<'a>> {
        self.list.iter()
    }

    /// Texts that code compares with and that are no constants in data: most of those there are, not all. In the order of
    /// their addresses; found by one pass over the code, when first asked.
    pub fn inline_texts(&self) -> &[InlineText] {
        self.inline.get_or_init(|| {
            let mut texts = Vec::new();
            let mut found = Vec::new();
            for function in self.functions.functions() {
                let end = function.address.saturating_add(function.size);
                let Some(code) = self.image.code_at(function.address..end) else { continue };
                match self.machine {
                    Machine::Amd64 => inline::amd64(code, function.address, &mut found),
                    _ => inline::arm64(code, function.address, &mut found),
                }
                if !found.is_empty() {
                    let owner = crate::pclntab::package_of(function.name)
                        .map_or(Owner::Unknown, |package| self.owners.of_package(package));
                    texts.extend(found.drain(..).map(|(at, text)| InlineText { text, at, owner }));
                }
            }
            texts
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether none was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Where the block of constants lies, from the first to the last one that is certain.
    pub fn bounds(&self) -> Range<u64> {
        self.bounds.clone()
    }

    /// Bytes of the block whose division into strings is not certain. Every constant in the rest is in the list.
    pub fn undivided(&self) -> u64 {
        self.gaps.iter().map(|g| g.end - g.start).sum()
    }

    /// Where in the file a string lies.
    pub fn place(&self, string: &GoString<'_>) -> Place {
        Place {
            offset: self.image.offset_of(string.address).unwrap_or(0),
            len: string.text.len() as u64,
            address: Some(string.address),
        }
    }

    /// The function whose code holds an address, such as [`GoString::used_at`].
    pub fn function_at(&self, address: u64) -> Option<&'a str> {
        self.functions.function_at(address).map(|function| function.name)
    }

    /// The names of owners.
    pub fn owners(&self) -> &Owners {
        &self.owners
    }

    /// Whether a limit cut the list.
    pub fn is_limited(&self) -> bool {
        self.limited
    }

    /// Strings with headers in data whose text lies outside the block: values set by the linker, embedded files.
    fn add_outside(&mut self, headers: &[image::Header], limits: &Limits) {
        let mut outside: Vec<Piece> = headers
            .iter()
            .filter(|h| !self.bounds.contains(&h.target) && h.len <= limits.string_bytes as u64)
            .filter(|h| self.image.is_constant_data(h.target))
            .filter(|h| {
                let Some(text) = self.image.bytes_at(h.target, h.len) else { return false };
                let terminated = self.image.bytes_at(h.target, h.len + 1);
                let nul = terminated.and_then(<[u8]>::last) == Some(&0);
                (nul || h.len >= 4) && printable(text)
            })
            .map(|h| Piece { address: h.target, len: h.len })
            .collect();
        outside.sort_unstable_by(|a, b| a.address.cmp(&b.address).then(b.len.cmp(&a.len)));
        let mut end = 0;
        outside.retain(|piece| {
            let fits = piece.address >= end;
            if fits {
                end = piece.end();
            }
            fits
        });
        self.pieces.extend(outside);
        // Two that are sorted, one behind the other: a stable sort has only to join them.
        self.pieces.sort();
    }

    fn fill(&mut self, limits: &Limits) {
        for piece in &self.pieces {
            if self.list.len() >= limits.strings {
                self.limited = true;
                break;
            }
            let bytes = self.image.bytes_at(piece.address, piece.len);
            if let Some(text) = bytes.and_then(|b| std::str::from_utf8(b).ok()) {
                self.list.push(GoString {
                    text,
                    address: piece.address,
                    owner: Owner::Unknown,
                    used_at: None,
                });
            }
        }
    }

    fn own(
        &mut self,
        functions: &FunctionTable<'_>,
        references: Vec<Reference>,
        headers: &[image::Header],
        pointers: &[image::Pointer],
    ) {
        let uses = owner::uses(functions, references, headers, pointers, &self.owners);
        let mut next = 0;
        for string in &mut self.list {
            while uses.get(next).is_some_and(|u| u.target < string.address) {
                next += 1;
            }
            let mut at = next;
            while let Some(one) = uses.get(at).filter(|u| u.target == string.address) {
                if owner::outranks(one.owner, string.owner)
                    || (one.owner == string.owner && string.used_at.is_none())
                {
                    string.owner = one.owner;
                    string.used_at = one.at.map(NonZeroU64::get);
                }
                at += 1;
            }
        }
    }
}

fn references(image: &Image<'_>, machine: Machine) -> Vec<Reference> {
    // About one in 50 bytes of code; what is left of the room is never touched, and growing would
    // need the old one beside the new.
    const BYTES_EACH: usize = 32;
    let code_bytes: usize = image.code().iter().map(|area| area.bytes.len()).sum();
    let mut all = Vec::with_capacity(code_bytes / BYTES_EACH);
    for area in image.code() {
        let wanted = |target| image.in_data(target);
        let found = |reference| all.push(reference);
        match machine {
            Machine::Amd64 => amd64::references(area.bytes, area.address, wanted, found),
            _ => arm64::references(area.bytes, area.address, wanted, found),
        }
    }
    all
}

fn constants(
    image: &Image<'_>,
    functions: &FunctionTable<'_>,
    references: &[Reference],
    headers: &[image::Header],
) -> Blob {
    let candidate = |target: u64| image.is_constant_data(target);
    let stated = references
        .iter()
        .filter_map(|r| Some(Piece { address: r.target, len: r.len?.get().into() }))
        .chain(headers.iter().map(|h| Piece { address: h.target, len: h.len }))
        .filter(|p| candidate(p.address) && image.bytes_at(p.address, p.len).is_some())
        .collect();
    let mut starts: Vec<u64> = references
        .iter()
        .filter(|r| r.taken)
        .map(|r| r.target)
        .chain(headers.iter().map(|h| h.target))
        .filter(|&t| candidate(t))
        .collect();
    radix::sort(&mut starts, |start| *start);
    starts.dedup();
    // The metadata of functions follows the block directly where both are in one section (Go 1.18 to 1.25).
    let end =
        functions.module.as_ref().and_then(|m| m.gofunc).filter(|&end| image.is_constant_data(end));
    blob::cut(stated, &starts, end, |gap| image.looks_like_text(gap))
}

/// Whether bytes are text for people: UTF-8 without control characters other than white space.
fn printable(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_ok_and(|text| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')))
}
