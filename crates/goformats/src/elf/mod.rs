//! ELF: what the kernel and the dynamic linker will do with a file, and where its parts lie.
//!
//! Headers are read through the `object` crate. What the dynamic linker reads (needed libraries, symbol versions,
//! relocations) is found through the program headers, as the dynamic linker does, so that a binary without section
//! headers is read as well.

mod dynamic;
mod headers;
mod image;
mod notes;

use std::borrow::Cow;

pub use dynamic::{Dynamic, Needed, VersionNeed};
pub use image::RelativeRelocations;
pub use notes::BuildIds;

use crate::cursor::{Cursor, Endian, PtrSize};
use crate::limits::Limits;
use crate::problem::{Place, Problems};

/// Instruction set of a binary (`e_machine`), as far as Go knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Machine {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
    /// 32-bit x86.
    I386,
    /// 32-bit Arm.
    Arm,
    /// RISC-V, 64 bit as Go builds it.
    Riscv64,
    /// 64-bit PowerPC in either byte order.
    Ppc64,
    /// IBM z/Architecture.
    S390x,
    /// LoongArch.
    Loong64,
    /// MIPS, 32 or 64 bit, in either byte order.
    Mips,
    /// The number of another instruction set.
    Other(u16),
}

/// What sort of ELF file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Linked to run at fixed addresses (`ET_EXEC`).
    Executable,
    /// A position-independent executable: `ET_DYN` with `DF_1_PIE` or an interpreter.
    Pie,
    /// A shared library, plugin or `c-shared` build.
    SharedLibrary,
    /// An object file.
    Relocatable,
    /// A memory dump.
    Core,
    /// The number of another type.
    Other(u16),
}

/// A program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// `p_type`; [`Segment::is_load`] tells the mapped ones.
    pub kind: u32,
    /// `p_flags`: 1 execute, 2 write, 4 read.
    pub flags: u32,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Virtual address as linked.
    pub address: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in memory; what the file does not hold is zero.
    pub memory_size: u64,
    /// Alignment of notes inside.
    pub align: u64,
}

impl Segment {
    /// Mapped into memory when the program starts (`PT_LOAD`).
    pub fn is_load(&self) -> bool {
        self.kind == object::elf::PT_LOAD.0
    }

    /// Mapped with permission to execute.
    pub fn is_executable(&self) -> bool {
        self.flags & object::elf::PF_X.0 != 0
    }

    /// Mapped with permission to write.
    pub fn is_writable(&self) -> bool {
        self.flags & object::elf::PF_W.0 != 0
    }
}

/// A section header with its bytes.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    /// Name such as `.text`; bytes that are not UTF-8 are replaced.
    pub name: Cow<'a, str>,
    /// `sh_type`.
    pub kind: u32,
    /// `sh_flags`: 1 write, 2 allocated in memory, 4 execute, 0x800 compressed.
    pub flags: u64,
    /// Virtual address as linked, 0 when not mapped.
    pub address: u64,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Size in bytes, in memory where it is mapped.
    pub size: u64,
    /// The bytes in the file: empty for `.bss` and for a section that lies outside the file.
    pub data: &'a [u8],
}

impl Section<'_> {
    /// Part of the program's memory image.
    pub fn is_allocated(&self) -> bool {
        self.flags & object::elf::SHF_ALLOC.0 != 0
    }

    /// Holds DWARF.
    pub fn is_debug(&self) -> bool {
        self.name.starts_with(".debug_") || self.name.starts_with(".zdebug_")
    }

    /// Whether `address` lies in the section's memory.
    pub fn contains(&self, address: u64) -> bool {
        self.is_allocated() && address.checked_sub(self.address).is_some_and(|at| at < self.size)
    }

    /// Where the section lies.
    pub fn place(&self) -> Place {
        Place {
            offset: self.offset,
            len: self.data.len() as u64,
            address: self.is_allocated().then_some(self.address),
        }
    }
}

/// An ELF file.
#[derive(Clone, Debug)]
pub struct Elf<'a> {
    bytes: &'a [u8],
    /// 4 or 8 bytes (`ELFCLASS32`, `ELFCLASS64`).
    pub ptr_size: PtrSize,
    /// Byte order.
    pub endian: Endian,
    /// Instruction set.
    pub machine: Machine,
    /// Sort of file.
    pub kind: Kind,
    /// Address of the first instruction.
    pub entry: u64,
    /// Program headers in file order.
    pub segments: Vec<Segment>,
    /// Section headers in file order, without the empty first one.
    pub sections: Vec<Section<'a>>,
    /// The dynamic linker that the kernel starts first (`PT_INTERP`).
    pub interpreter: Option<(Cow<'a, str>, Place)>,
    /// What the dynamic linker is asked to do; `None` without `PT_DYNAMIC`.
    pub dynamic: Option<Dynamic<'a>>,
    /// Identities written by the linkers.
    pub build_ids: BuildIds<'a>,
    /// The loaded segments with file content, sorted by address.
    loads: Vec<Segment>,
}

impl<'a> Elf<'a> {
    /// Reads the headers; `None` when the file header itself is not usable.
    pub(crate) fn read(bytes: &'a [u8], limits: &Limits, problems: &mut Problems) -> Option<Self> {
        let mut elf = headers::read(bytes, limits, problems)?;
        elf.loads =
            elf.segments.iter().filter(|s| s.is_load() && s.file_size > 0).copied().collect();
        elf.loads.sort_by_key(|s| s.address);
        elf.interpreter = dynamic::interpreter(&elf, limits, problems);
        elf.dynamic = dynamic::read(&elf, limits, problems);
        elf.build_ids = notes::read(&elf, limits, problems);
        if elf.kind == Kind::SharedLibrary
            && (elf.interpreter.is_some() || elf.dynamic.as_ref().is_some_and(|d| d.pie_flag))
        {
            elf.kind = Kind::Pie;
        }
        Some(elf)
    }

    /// The whole file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first section of that name.
    pub fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// A position-independent executable.
    pub fn is_pie(&self) -> bool {
        self.kind == Kind::Pie
    }

    /// Starts without a dynamic linker: neither interpreter nor needed library.
    pub fn is_static(&self) -> bool {
        self.interpreter.is_none() && self.dynamic.as_ref().is_none_or(|d| d.needed.is_empty())
    }

    /// Has the linker's symbol table (`.symtab`), which `-ldflags=-s` and `strip` remove.
    pub fn has_symbol_table(&self) -> bool {
        self.sections.iter().any(|s| s.kind == object::elf::SHT_SYMTAB.0 && s.size > 0)
    }

    /// The address of a symbol in the linker's symbol table, where there is one and it names it.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        use object::{Object as _, ObjectSymbol as _};
        let file = object::File::parse(self.bytes).ok()?;
        file.symbols().find(|symbol| symbol.name() == Ok(name)).map(|symbol| symbol.address())
    }

    /// Has DWARF (`.debug_*`, or `.zdebug_*` up to Go 1.18), which `-ldflags=-w` and `strip` remove.
    pub fn has_dwarf(&self) -> bool {
        self.sections.iter().any(|s| s.is_debug() && s.size > 0)
    }

    /// A cursor with the file's byte order and pointer size.
    pub fn cursor<'b>(&self, bytes: &'b [u8]) -> Cursor<'b> {
        Cursor::new(bytes, self.endian, self.ptr_size)
    }
}
