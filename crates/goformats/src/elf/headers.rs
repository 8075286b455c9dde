//! File, program and section headers, through the `object` crate.

use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

use super::{BuildIds, Elf, Kind, Machine, Section, Segment};
use crate::cursor::{Cursor, Endian, PtrSize, checked_range};
use crate::limits::Limits;
use crate::problem::Problems;

/// Longer section names are cut: 65,535 headers may all point at one endless name.
const SECTION_NAME_BYTES: usize = 256;

pub(super) fn read<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    problems: &mut Problems,
) -> Option<Elf<'a>> {
    match bytes.get(4) {
        Some(1) => read_class::<FileHeader32<Endianness>>(bytes, PtrSize::Four, limits, problems),
        Some(2) => read_class::<FileHeader64<Endianness>>(bytes, PtrSize::Eight, limits, problems),
        _ => {
            problems.push("the ELF class is neither 32 nor 64 bit", 4);
            None
        }
    }
}

fn read_class<'a, H: FileHeader<Endian = Endianness>>(
    bytes: &'a [u8],
    ptr_size: PtrSize,
    limits: &Limits,
    problems: &mut Problems,
) -> Option<Elf<'a>> {
    let header = match H::parse(bytes) {
        Ok(header) => header,
        Err(error) => {
            problems.push(format!("the ELF file header is not readable: {error}"), 0);
            return None;
        }
    };
    // `parse` has checked the byte order.
    let endianness = header.endian().ok()?;
    let endian = if header.is_little_endian() { Endian::Little } else { Endian::Big };

    let mut segments = Vec::new();
    match header.program_headers(endianness, bytes) {
        Ok(headers) => {
            if headers.len() > limits.headers {
                problems.push(
                    format!("{} program headers, {} were read", headers.len(), limits.headers),
                    header.e_phoff(endianness).into(),
                );
            }
            segments.extend(headers.iter().take(limits.headers).map(|p| Segment {
                kind: p.p_type(endianness).0,
                flags: p.p_flags(endianness).0,
                offset: p.p_offset(endianness).into(),
                address: p.p_vaddr(endianness).into(),
                file_size: p.p_filesz(endianness).into(),
                memory_size: p.p_memsz(endianness).into(),
                align: p.p_align(endianness).into(),
            }));
        }
        Err(error) => problems.push(
            format!("the program headers are not readable: {error}"),
            header.e_phoff(endianness).into(),
        ),
    }
    for segment in segments.iter().filter(|s| s.is_load()) {
        if checked_range(segment.offset, segment.file_size, bytes.len()).is_none() {
            problems.push(
                "a loaded segment reaches beyond the end of the file: the file is cut off",
                segment.offset.min(bytes.len() as u64),
            );
        }
    }

    let sections = sections(header, bytes, endianness, endian, ptr_size, limits, problems);
    Some(Elf {
        bytes,
        ptr_size,
        endian,
        machine: machine(header.e_machine(endianness).0),
        kind: kind(header.e_type(endianness).0),
        entry: header.e_entry(endianness).into(),
        segments,
        sections,
        interpreter: None,
        dynamic: None,
        build_ids: BuildIds::default(),
        loads: Vec::new(),
    })
}

fn sections<'a, H: FileHeader<Endian = Endianness>>(
    header: &H,
    bytes: &'a [u8],
    endianness: Endianness,
    endian: Endian,
    ptr_size: PtrSize,
    limits: &Limits,
    problems: &mut Problems,
) -> Vec<Section<'a>> {
    let table_offset = header.e_shoff(endianness).into();
    let headers = match header.section_headers(endianness, bytes) {
        Ok(headers) => headers,
        Err(error) => {
            problems.push(format!("the section headers are not readable: {error}"), table_offset);
            return Vec::new();
        }
    };
    if headers.len() > limits.headers {
        problems.push(
            format!("{} section headers, {} were read", headers.len(), limits.headers),
            table_offset,
        );
    }
    let names = header
        .shstrndx(endianness, bytes)
        .ok()
        .and_then(|index| headers.get(usize::try_from(index).ok()?))
        .and_then(|s| s.data(endianness, bytes).ok())
        .unwrap_or_default();
    if names.is_empty() && !headers.is_empty() {
        problems.push("the table of section names is not readable", table_offset);
    }
    let names = Cursor::new(names, endian, ptr_size);
    headers
        .iter()
        .take(limits.headers)
        .filter(|s| s.sh_type(endianness) != elf::SHT_NULL)
        .map(|s| {
            let name = names
                .at(s.sh_name(endianness).into())
                .c_string(SECTION_NAME_BYTES)
                .unwrap_or_default();
            let offset = s.sh_offset(endianness).into();
            let data = s.data(endianness, bytes).unwrap_or_else(|_| {
                problems.push(
                    format!("section {} lies outside the file", String::from_utf8_lossy(name)),
                    offset.min(bytes.len() as u64),
                );
                &[]
            });
            Section {
                name: String::from_utf8_lossy(name),
                kind: s.sh_type(endianness).0,
                flags: s.sh_flags(endianness).0,
                address: s.sh_addr(endianness).into(),
                offset,
                size: s.sh_size(endianness).into(),
                data,
            }
        })
        .collect()
}

fn machine(number: u16) -> Machine {
    match elf::Machine(number) {
        elf::EM_X86_64 => Machine::Amd64,
        elf::EM_AARCH64 => Machine::Arm64,
        elf::EM_386 => Machine::I386,
        elf::EM_ARM => Machine::Arm,
        elf::EM_RISCV => Machine::Riscv64,
        elf::EM_PPC64 => Machine::Ppc64,
        elf::EM_S390 => Machine::S390x,
        elf::EM_LOONGARCH => Machine::Loong64,
        elf::EM_MIPS => Machine::Mips,
        _ => Machine::Other(number),
    }
}

fn kind(number: u16) -> Kind {
    match elf::FileType(number) {
        elf::ET_EXEC => Kind::Executable,
        // Told from a position-independent executable when the dynamic section has been read.
        elf::ET_DYN => Kind::SharedLibrary,
        elf::ET_REL => Kind::Relocatable,
        elf::ET_CORE => Kind::Core,
        _ => Kind::Other(number),
    }
}
