//! The function table (`.gopclntab`): every function of a Go program, also of a stripped one.
//!
//! The runtime needs it for stack traces and garbage collection, so `-s -w` does not remove it. It lists each linked
//! function with its entry, and the source files. Names of functions that were inlined at every call have no entry;
//! since Go 1.16 they stand in the table of names all the same (`cmd/link/internal/ld/pcln.go`, `walkFuncs`), because
//! a stack trace shows inlined frames.
//!
//! | magic | written by | entries |
//! |---|---|---|
//! | `fffffffb` | Go 1.2 to 1.15 | addresses; names and files lie scattered in the table |
//! | `fffffffa` | Go 1.16 and 1.17 | addresses; separate tables of names and files |
//! | `fffffff0` | Go 1.18 and 1.19 | offsets from the start of the text |
//! | `fffffff1` | since Go 1.20 | the same; since Go 1.26 the header no longer states the text's start |
//!
//! Sources: `debug/gosym/pclntab.go`, `internal/abi/symtab.go`, `runtime/symtab.go` up to Go 1.27.

mod functions;
mod inlined;
mod locate;
mod names;

use std::ops::Range;

pub use functions::{Function, Functions, Lookup, Presence, Scan};
pub(crate) use locate::has_foreign_magic;
pub use names::{Names, package_of};

use crate::buildinfo::BuildInfo;
use crate::cursor::{Cursor, Endian, PtrSize};
use crate::elf::Elf;
use crate::limits::Limits;
use crate::moduledata::{self, ModuleData};
use crate::problem::{Place, Problems};

/// Layout of a function table, named by the version that introduced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableVersion {
    /// Go 1.2 to 1.15.
    Go12,
    /// Go 1.16 and 1.17.
    Go116,
    /// Go 1.18 and 1.19.
    Go118,
    /// Since Go 1.20.
    Go120,
}

impl TableVersion {
    fn from_magic(magic: u32) -> Option<Self> {
        Some(match magic {
            0xffff_fffb => Self::Go12,
            0xffff_fffa => Self::Go116,
            0xffff_fff0 => Self::Go118,
            0xffff_fff1 => Self::Go120,
            _ => return None,
        })
    }

    /// The minor versions of Go that write it.
    fn minors(self) -> Range<u16> {
        match self {
            Self::Go12 => 2..16,
            Self::Go116 => 16..18,
            Self::Go118 => 18..20,
            Self::Go120 => 20..u16::MAX,
        }
    }

    /// Where the offsets of the sub-tables start, in words behind the eight bytes of the header.
    fn first_offset(self) -> u64 {
        // nfunc, nfiles, and from 1.18 on textStart stand before.
        if self >= Self::Go118 { 3 } else { 2 }
    }
}

/// A function table, read in place.
#[derive(Clone, Debug)]
pub struct FunctionTable<'a> {
    /// Its layout.
    pub version: TableVersion,
    /// Where it lies; the length is that of its section or segment.
    pub place: Place,
    /// The runtime's table of the module, which says where the text starts (Go 1.16 and later, where it was found).
    pub module: Option<ModuleData>,
    data: &'a [u8],
    endian: Endian,
    ptr_size: PtrSize,
    count: usize,
    /// Pairs of entry and offset of the function's record.
    functab: &'a [u8],
    /// What those offsets count from.
    records: &'a [u8],
    names: &'a [u8],
    /// Values by address.
    pc_values: &'a [u8],
    files: &'a [u8],
    file_count: usize,
    text_start: u64,
    complete: bool,
    limits: Limits,
}

impl<'a> FunctionTable<'a> {
    pub(crate) fn read(
        elf: &Elf<'a>,
        build: Option<&BuildInfo<'a>>,
        limits: &Limits,
        problems: &mut Problems,
    ) -> Option<Self> {
        let located = locate::find(elf, limits, problems)?;
        let mut table = Self::open(elf, located.data, limits, problems)?;
        table.place = Place { address: Some(located.address), ..elf.place_of(located.data) };
        let offset = table.place.offset;
        if table.version >= TableVersion::Go116 {
            let names_at = table.names.as_ptr() as usize - table.data.as_ptr() as usize;
            let wanted = moduledata::Wanted {
                pclntab: located.address,
                funcnametab: located.address.wrapping_add(names_at as u64),
                pclntab_end: located.address.saturating_add(located.data.len() as u64),
                minor: build.and_then(|b| b.go_version.as_ref()).map(|v| v.minor),
                minors: table.version.minors(),
            };
            table.module = moduledata::find(elf, &wanted, limits);
        }
        table.text_start = match &table.module {
            Some(module) => module.text.start,
            // Entries are addresses, in ascending order.
            None if table.version < TableVersion::Go118 => {
                table.functions().next().map_or(0, |f| f.address)
            }
            None => table.assumed_text_start(elf, located.address, limits, problems, offset),
        };
        Some(table)
    }

    /// Without the module's table: the header's word (up to Go 1.25), else the section, which is right unless C code
    /// was linked before Go's.
    fn assumed_text_start(
        &self,
        elf: &Elf<'a>,
        address: u64,
        limits: &Limits,
        problems: &mut Problems,
        offset: u64,
    ) -> u64 {
        let at = 8 + 2 * self.ptr_size.bytes() as u64;
        let in_header = self.cursor(self.data).at(at).ptr().unwrap_or(0);
        match elf.relocated(address.wrapping_add(at), in_header, limits) {
            0 => {
                problems.push(
                    "the start of the Go code is not stated; function addresses may be shifted",
                    offset,
                );
                elf.section(".text").map_or(0, |s| s.address)
            }
            start => start,
        }
    }

    /// Reads the header. `data` starts with the magic number.
    fn open(
        elf: &Elf<'a>,
        data: &'a [u8],
        limits: &Limits,
        problems: &mut Problems,
    ) -> Option<Self> {
        let offset = elf.place_of(data).offset;
        let header = locate::Header::read(data)?;
        let mut table = Self {
            version: header.version,
            place: elf.place_of(data),
            module: None,
            data,
            endian: header.endian,
            ptr_size: header.ptr_size,
            count: 0,
            functab: &[],
            records: data,
            names: data,
            pc_values: &[],
            files: &[],
            file_count: 0,
            text_start: 0,
            complete: true,
            limits: *limits,
        };
        let word = table.ptr_size.bytes() as u64;
        let cursor = table.cursor(data);
        let field = |index: u64| cursor.at(8 + index * word).ptr().ok();
        let mut broken =
            |what: &str| problems.push(format!("the function table is broken: {what}"), offset);

        let count = field(0)?;
        let functab_at = if table.version == TableVersion::Go12 {
            8 + word
        } else {
            let first = table.version.first_offset();
            // funcnametab, cutab, filetab, pctab, functab: the linker writes them in this order.
            let at: Vec<u64> = (first..first + 5).filter_map(field).collect();
            let &[names, cutab, files, pctab, functab] = at.as_slice() else {
                broken("its header is cut off");
                return None;
            };
            let part = |from: u64, to: u64| {
                let from = usize::try_from(from).ok()?;
                data.get(from..usize::try_from(to).ok()?)
            };
            let ordered = at.is_sorted();
            let (Some(name_bytes), Some(file_bytes), Some(records), Some(pc_values), true) = (
                part(names, cutab),
                part(files, pctab),
                part(functab, data.len() as u64),
                part(pctab, functab),
                ordered,
            ) else {
                broken("its parts lie outside or out of order");
                return None;
            };
            table.names = name_bytes;
            table.files = file_bytes;
            table.pc_values = pc_values;
            table.records = records;
            let files = field(1).unwrap_or(0);
            table.file_count = usize::try_from(files).unwrap_or(usize::MAX);
            functab
        };
        // Each entry has two fields; one more address ends the last function.
        let entry = 2 * table.entry_field() as u64;
        let available =
            (data.len() as u64).saturating_sub(functab_at).saturating_sub(entry / 2) / entry;
        if count > available {
            broken(&format!("{count} functions are stated, there is room for {available}"));
            table.complete = false;
        }
        let mut count = usize::try_from(count.min(available)).unwrap_or(usize::MAX);
        if count > limits.functions {
            broken(&format!("{count} functions are more than the limit of {}", limits.functions));
            table.complete = false;
            count = limits.functions;
        }
        table.count = count;
        let from = usize::try_from(functab_at).ok()?;
        let size = count * table.entry_field() * 2 + table.entry_field();
        table.functab = data.get(from..)?.get(..size)?;
        if table.version == TableVersion::Go12 {
            table.open_files_1_2(from + size);
        }
        if table.file_count > limits.files {
            broken(&format!(
                "{} files are more than the limit of {}",
                table.file_count, limits.files
            ));
            table.complete = false;
            table.file_count = limits.files;
        }
        Some(table)
    }

    /// Up to Go 1.15 the offset of the file table follows the functions; it starts with its own length.
    fn open_files_1_2(&mut self, at: usize) {
        let offset = self.cursor(self.data).at(at as u64).u32().unwrap_or(0);
        let mut files = self.cursor(self.data).at(offset.into());
        let count = files.u32().unwrap_or(0);
        // The first of `count` slots is the count itself.
        self.file_count =
            usize::try_from(count.saturating_sub(1)).unwrap_or(0).min(files.rest().len() / 4);
        self.files = files.rest();
    }

    fn cursor<'b>(&self, bytes: &'b [u8]) -> Cursor<'b> {
        Cursor::new(bytes, self.endian, self.ptr_size)
    }

    /// Size in bytes of an entry's field.
    fn entry_field(&self) -> usize {
        if self.version >= TableVersion::Go118 { 4 } else { self.ptr_size.bytes() }
    }

    /// The number of functions with an entry.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no function is listed.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the header and all parts lie inside the file and no limit cut them. Whether each function could be read,
    /// only a pass tells: [`Scan::is_complete`], [`Lookup::complete`].
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The first address of Go code.
    pub fn text_start(&self) -> u64 {
        self.text_start
    }

    /// Bytes that a pass over all names may look at: a few times what an honest table holds. A hostile one may point
    /// millions of entries at one endless name.
    fn name_budget(&self) -> usize {
        self.names.len().saturating_mul(4)
    }

    /// The NUL-terminated text at an offset of `bytes`; `None` also when the budget is used up.
    fn text_at(&self, bytes: &'a [u8], at: u32, budget: &mut usize) -> Option<&'a str> {
        let max = self.limits.name_bytes.min(*budget);
        let text = self.cursor(bytes).at(at.into()).c_string(max).ok();
        *budget = budget.saturating_sub(text.map_or(max, <[u8]>::len));
        std::str::from_utf8(text?).ok().filter(|text| !text.is_empty())
    }

    /// The source files, as the compiler was given them (`-trimpath` leaves `module@version/file.go`).
    pub fn files(&self) -> impl Iterator<Item = &'a str> + '_ {
        let new = (self.version >= TableVersion::Go116)
            .then(|| Names::new(self.files, self.limits.name_bytes).take(self.file_count));
        let old = (self.version == TableVersion::Go12).then(|| {
            let mut budget = self.name_budget();
            (0..self.file_count as u64).filter_map(move |i| {
                let at = self.cursor(self.files).at(i * 4).u32().ok()?;
                self.text_at(self.data, at, &mut budget)
            })
        });
        new.into_iter().flatten().chain(old.into_iter().flatten())
    }
}
