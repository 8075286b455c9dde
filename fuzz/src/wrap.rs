//! A small sound ELF file around hostile sections, so that the engine need not find one first.

const ADDRESS: u64 = 0x40_0000;
const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;

/// The address of the first section.
pub(crate) const FIRST_SECTION: u64 =
    ADDRESS + (HEADER + PROGRAM_HEADER).next_multiple_of(16) as u64;

/// A 64-bit little-endian executable for x86-64 whose only content is the sections given, in one
/// readable and executable segment that maps the whole file at 0x400000.
pub(crate) fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = vec![0; HEADER + PROGRAM_HEADER];
    let mut names = vec![0];
    // name, type, flags, address, offset, size of each; the first is the empty one.
    let mut rows: Vec<[u64; 6]> = vec![[0; 6]];
    for (name, content) in sections {
        file.resize(file.len().next_multiple_of(16), 0);
        let offset = file.len() as u64;
        let named = names.len() as u64;
        names.extend_from_slice(name.as_bytes());
        names.push(0);
        file.extend_from_slice(content);
        // SHT_PROGBITS, SHF_ALLOC
        rows.push([named, 1, 2, ADDRESS + offset, offset, content.len() as u64]);
    }
    let named = names.len() as u64;
    names.extend_from_slice(b".shstrtab\0");
    // SHT_STRTAB
    rows.push([named, 3, 0, 0, file.len() as u64, names.len() as u64]);
    file.extend_from_slice(&names);
    file.resize(file.len().next_multiple_of(16), 0);
    let table = file.len() as u64;
    for [name, kind, flags, address, offset, size] in &rows {
        file.extend_from_slice(&(*name as u32).to_le_bytes());
        file.extend_from_slice(&(*kind as u32).to_le_bytes());
        for word in [flags, address, offset, size] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        // link, info (u32 each), alignment, entry size
        for word in [0u64, 16, 0] {
            file.extend_from_slice(&word.to_le_bytes());
        }
    }
    write_headers(&mut file, table, rows.len() as u16);
    file
}

fn write_headers(file: &mut [u8], section_table: u64, sections: u16) {
    let len = file.len() as u64;
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    // Magic, 64-bit, little-endian, version 1.
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &2u16.to_le_bytes()); // ET_EXEC
    put(18, &62u16.to_le_bytes()); // EM_X86_64
    put(20, &1u32.to_le_bytes());
    put(24, &ADDRESS.to_le_bytes()); // entry
    put(32, &(HEADER as u64).to_le_bytes());
    put(40, &section_table.to_le_bytes());
    for (at, half) in [(52, 64), (54, 56), (56, 1), (58, 64), (60, sections), (62, sections - 1)] {
        put(at, &u16::to_le_bytes(half));
    }
    put(HEADER, &1u32.to_le_bytes()); // PT_LOAD
    put(HEADER + 4, &5u32.to_le_bytes()); // readable, executable
    for (at, word) in [(16, ADDRESS), (24, ADDRESS), (32, len), (40, len), (48, 0x1000)] {
        put(HEADER + at, &word.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use goformats::binary;
    use goformats::limits::Limits;

    #[test]
    fn the_wrapping_itself_is_sound() {
        let file = super::elf(&[(".one", b"hello"), (".two", b"")]);
        let binary = binary::read(&file, &Limits::DEFAULT);
        let elf = binary.elf.expect("an ELF file");
        let section = elf.section(".one").expect("the section");
        assert_eq!(section.address, super::FIRST_SECTION);
        assert_eq!(elf.bytes_at(section.address, section.size), Some(&b"hello"[..]));
    }
}
