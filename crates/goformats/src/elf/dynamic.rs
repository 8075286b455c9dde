//! What the dynamic linker reads: interpreter, needed libraries, search paths, symbol versions.

use std::borrow::Cow;

use object::elf;

use super::Elf;
use crate::limits::Limits;
use crate::problem::{Place, Problems};

/// A library that must be found for the program to start (`DT_NEEDED`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed<'a> {
    /// Its `SONAME`, such as `libc.so.6`.
    pub name: Cow<'a, str>,
    /// Where the name stands.
    pub place: Place,
}

/// A version that a needed library must provide (`.gnu.version_r`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionNeed<'a> {
    /// The library, such as `libc.so.6`.
    pub library: Cow<'a, str>,
    /// The version, such as `GLIBC_2.34`.
    pub version: Cow<'a, str>,
    /// Bound weakly: a missing version is only warned about.
    pub weak: bool,
    /// Where the version's name stands.
    pub place: Place,
}

/// The dynamic section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dynamic<'a> {
    /// Needed libraries in search order.
    pub needed: Vec<Needed<'a>>,
    /// `DT_RPATH`, colon-separated.
    pub rpath: Option<Cow<'a, str>>,
    /// `DT_RUNPATH`, colon-separated.
    pub runpath: Option<Cow<'a, str>>,
    /// `DT_SONAME`.
    pub soname: Option<Cow<'a, str>>,
    /// Symbol versions asked of the libraries, in file order.
    pub versions: Vec<VersionNeed<'a>>,
    /// `DF_1_PIE` of `DT_FLAGS_1`.
    pub pie_flag: bool,
    /// Address and size of the relocations with addends.
    pub(super) rela: Option<(u64, u64)>,
}

pub(super) fn interpreter<'a>(
    elf: &Elf<'a>,
    limits: &Limits,
    problems: &mut Problems,
) -> Option<(Cow<'a, str>, Place)> {
    // A file of debug information only keeps the headers of what was taken out.
    let segment = elf.segments.iter().find(|s| s.kind == elf::PT_INTERP.0 && s.file_size > 0)?;
    let path = elf
        .cursor(elf.bytes())
        .at(segment.offset)
        .take(segment.file_size)
        .and_then(|bytes| elf.cursor(bytes).c_string(limits.name_bytes));
    match path {
        Ok(path) => Some((String::from_utf8_lossy(path), elf.place_of(path))),
        Err(error) => {
            problems
                .push(format!("the interpreter's path is not readable: {error}"), segment.offset);
            None
        }
    }
}

pub(super) fn read<'a>(
    elf: &Elf<'a>,
    limits: &Limits,
    problems: &mut Problems,
) -> Option<Dynamic<'a>> {
    let segment = elf.segments.iter().find(|s| s.kind == elf::PT_DYNAMIC.0 && s.file_size > 0)?;
    let Ok(bytes) = elf.cursor(elf.bytes()).at(segment.offset).take(segment.file_size) else {
        problems.push("the dynamic section lies outside the file", segment.offset);
        return None;
    };
    let mut tags = Tags::default();
    let mut cursor = elf.cursor(bytes);
    for count in 0.. {
        let (Ok(tag), Ok(value)) = (cursor.ptr(), cursor.ptr()) else { break };
        if tag == 0 {
            break;
        }
        if count == limits.dynamic_entries {
            problems
                .push(format!("the dynamic section has more than {count} entries"), segment.offset);
            break;
        }
        tags.take(tag, value);
    }

    let strings = match (tags.strings, tags.strings_size) {
        (Some(address), Some(size)) => {
            let bytes = elf.bytes_from(address);
            bytes.get(..usize::try_from(size).unwrap_or(usize::MAX)).unwrap_or(bytes)
        }
        _ => &[],
    };
    let reader = Strings { elf, strings, limits };
    let mut dynamic = Dynamic {
        rpath: tags.rpath.and_then(|at| reader.text(at)),
        runpath: tags.runpath.and_then(|at| reader.text(at)),
        soname: tags.soname.and_then(|at| reader.text(at)),
        pie_flag: tags.flags_1 & elf::DF_1_PIE.0 != 0,
        rela: tags.rela.zip(tags.rela_size),
        ..Dynamic::default()
    };
    for at in tags.needed {
        match reader.placed(at) {
            Some((name, place)) => dynamic.needed.push(Needed { name, place }),
            None => problems.push("the name of a needed library is not readable", segment.offset),
        }
    }
    if let Some(address) = tags.version_needs {
        dynamic.versions = version_needs(&reader, address, tags.version_needs_count, problems);
    }
    Some(dynamic)
}

/// The entries of the dynamic section that are used (System V ABI, chapter 5; GNU extensions).
#[derive(Default)]
struct Tags {
    needed: Vec<u64>,
    strings: Option<u64>,
    strings_size: Option<u64>,
    rpath: Option<u64>,
    runpath: Option<u64>,
    soname: Option<u64>,
    rela: Option<u64>,
    rela_size: Option<u64>,
    flags_1: u64,
    version_needs: Option<u64>,
    version_needs_count: u64,
}

impl Tags {
    fn take(&mut self, tag: u64, value: u64) {
        let Ok(tag) = u32::try_from(tag) else { return };
        match elf::DynamicTag(i64::from(tag)) {
            elf::DT_NEEDED => self.needed.push(value),
            elf::DT_STRTAB => self.strings = Some(value),
            elf::DT_STRSZ => self.strings_size = Some(value),
            elf::DT_RPATH => self.rpath = Some(value),
            elf::DT_RUNPATH => self.runpath = Some(value),
            elf::DT_SONAME => self.soname = Some(value),
            elf::DT_RELA => self.rela = Some(value),
            elf::DT_RELASZ => self.rela_size = Some(value),
            elf::DT_FLAGS_1 => self.flags_1 = value,
            elf::DT_VERNEED => self.version_needs = Some(value),
            elf::DT_VERNEEDNUM => self.version_needs_count = value,
            _ => {}
        }
    }
}

/// Library and version names are cut off here (`PATH_MAX`): a table may name thousands of libraries at one endless string.
const LIBRARY_NAME_BYTES: usize = 4096;

/// The dynamic string table.
struct Strings<'e, 'a> {
    elf: &'e Elf<'a>,
    strings: &'a [u8],
    limits: &'e Limits,
}

impl<'a> Strings<'_, 'a> {
    fn placed(&self, at: u64) -> Option<(Cow<'a, str>, Place)> {
        self.placed_within(at, LIBRARY_NAME_BYTES)
    }

    fn placed_within(&self, at: u64, max: usize) -> Option<(Cow<'a, str>, Place)> {
        let name = self.elf.cursor(self.strings).at(at).c_string(max).ok()?;
        Some((String::from_utf8_lossy(name), self.elf.place_of(name)))
    }

    fn text(&self, at: u64) -> Option<Cow<'a, str>> {
        self.placed_within(at, self.limits.name_bytes).map(|(text, _)| text)
    }
}

/// Walks `Elfxx_Verneed` and, in each, `Elfxx_Vernaux` (both linked by relative offsets; the same in both classes).
fn version_needs<'a>(
    reader: &Strings<'_, 'a>,
    address: u64,
    libraries: u64,
    problems: &mut Problems,
) -> Vec<VersionNeed<'a>> {
    const VER_FLG_WEAK: u16 = 2;
    let elf = reader.elf;
    let table = elf.cursor(elf.bytes_from(address));
    let place = elf.place_of(table.rest()).offset;
    let mut needs = Vec::new();
    let mut left = reader.limits.dynamic_entries;
    let mut at = 0u64;
    for _ in 0..libraries {
        let mut entry = table.at(at);
        let (Ok(_version), Ok(count), Ok(file), Ok(first), Ok(next)) =
            (entry.u16(), entry.u16(), entry.u32(), entry.u32(), entry.u32())
        else {
            problems.push("the table of needed symbol versions is cut off", place);
            break;
        };
        let Some((library, _)) = reader.placed(file.into()) else {
            problems.push(
                "a library in the table of needed symbol versions has no readable name",
                place,
            );
            break;
        };
        let mut version_at = at.saturating_add(first.into());
        for _ in 0..count {
            if left == 0 {
                problems.push("the table of needed symbol versions has too many entries", place);
                return needs;
            }
            left -= 1;
            let mut entry = table.at(version_at);
            let (Ok(_hash), Ok(flags), Ok(_index), Ok(name), Ok(next)) =
                (entry.u32(), entry.u16(), entry.u16(), entry.u32(), entry.u32())
            else {
                problems.push("the table of needed symbol versions is cut off", place);
                return needs;
            };
            if let Some((version, place)) = reader.placed(name.into()) {
                needs.push(VersionNeed {
                    library: library.clone(),
                    version,
                    weak: flags & VER_FLG_WEAK != 0,
                    place,
                });
            }
            if next == 0 {
                break;
            }
            version_at = version_at.saturating_add(next.into());
        }
        if next == 0 || left == 0 {
            break;
        }
        left -= 1;
        at = at.saturating_add(next.into());
    }
    needs
}
