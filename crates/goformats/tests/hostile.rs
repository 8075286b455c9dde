//! Broken and hostile inputs: each gives a value, in bounded time and memory, and never a panic.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Fixture, fixtures};
use goformats::binary::{Binary, Format, read};
use goformats::limits::Limits;
use goformats::pclntab::TableVersion;
use proptest::prelude::*;

/// Reads everything that is read lazily, so that a lie in any table is met.
fn read_all(bytes: &[u8], limits: &Limits) -> usize {
    let binary = read(bytes, limits);
    let mut seen = binary.problems.len();
    if let Some(elf) = &binary.elf {
        seen += elf.relative_relocations().take(100_000).count();
        seen += elf.sections.iter().map(|s| s.place().len as usize & 1).sum::<usize>();
        seen += usize::from(elf.section_at(elf.entry).is_some()) + elf.bytes_from(elf.entry).len();
    }
    if let Some(build) = &binary.build {
        seen += build.to_string().len() + build.default_godebug().len();
    }
    if let Some(table) = &binary.functions {
        let scan = table.for_each(|name, _| seen += name.len());
        seen += scan.broken + table.packages().len() + table.files().count();
        seen += table.find(&["main.main", "runtime.main"]).found.len();
        seen += usize::from(table.contains_name("main.main"));
        seen += usize::from(table.function_at(table.text_start()).is_some());
    }
    seen
}

/// Small ones of each kind: the oldest and newest layouts, position-independent or not.
fn samples() -> Vec<(Fixture, Vec<u8>)> {
    let all = fixtures();
    let minors = [13, 17, 18, 20, 26, 27];
    let mut samples = Vec::new();
    for variant in ["plain", "pie", "stripped", "cgo"] {
        for minor in minors {
            let smallest = all
                .iter()
                .filter(|f| f.minor() == minor && f.variant == variant && f.goarch == "amd64")
                .map(|f| (f, f.bytes()))
                .min_by_key(|(_, bytes)| bytes.len());
            samples.extend(smallest.map(|(f, bytes)| (f.clone(), bytes)));
        }
    }
    assert!(samples.len() >= 4, "too few fixtures: run `cargo xtask fixtures`");
    samples
}

/// The places of a binary where a change hits a table: headers, section headers, dynamic section, build information,
/// function table, module table.
fn boundaries(bytes: &[u8]) -> Vec<(usize, usize)> {
    let binary = read(bytes, &Limits::DEFAULT);
    let elf = binary.elf.as_ref().unwrap();
    let mut places = vec![(0, 64), (64, 56 * elf.segments.len())];
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    places.push((word(40) as usize, 64 * (elf.sections.len() + 1)));
    let names = [
        ".dynamic",
        ".gnu.version_r",
        ".note.go.buildid",
        ".go.buildinfo",
        ".rela",
        ".rela.dyn",
        ".interp",
        ".shstrtab",
    ];
    places.extend(
        names
            .iter()
            .filter_map(|n| elf.section(n))
            .map(|s| (s.offset as usize, s.data.len().min(4096))),
    );
    if let Some(table) = &binary.functions {
        // The header, and the start of each sub-table that it names.
        let start = table.place.offset as usize;
        places.push((start, 72));
        let fields = if table.version == TableVersion::Go12 { 0..0 } else { 1..9 };
        for field in fields {
            let at = start + 8 * field;
            let sub = start.saturating_add(word(at) as usize);
            // Counts and addresses stand between the offsets.
            places.extend((sub + 64 < start + table.place.len as usize).then_some((sub, 64)));
        }
        places
            .extend(table.module.as_ref().map(|m| (m.place.offset as usize, m.place.len as usize)));
    }
    places.into_iter().filter(|(at, len)| at + len <= bytes.len() && *len > 0).collect()
}

#[test]
fn cut_off_at_every_boundary() {
    for (fixture, bytes) in samples() {
        for (start, len) in boundaries(&bytes) {
            for cut in [start, start + 1, start + len / 2, start + len - 1] {
                let short = read(&bytes[..cut], &Limits::DEFAULT);
                // The file header is whole, so that the loss is told.
                assert!(
                    cut < 64 || !short.problems.is_empty(),
                    "{} cut at {cut:#x}",
                    fixture.name()
                );
                read_all(&bytes[..cut], &Limits::DEFAULT);
            }
        }
    }
}

#[test]
fn every_byte_of_the_file_header_may_lie() {
    let (_, bytes) = samples().swap_remove(0);
    let mut bytes = bytes;
    for at in 0..64 {
        let before = bytes[at];
        for lie in [0, 1, 0x7f, 0x80, 0xff] {
            bytes[at] = lie;
            read_all(&bytes, &Limits::DEFAULT);
        }
        bytes[at] = before;
    }
}

/// Reads after writing words over a binary.
fn with(bytes: &[u8], at: usize, lie: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + lie.len()].copy_from_slice(lie);
    bytes
}

fn newest() -> Vec<u8> {
    let all = fixtures();
    let newest = all
        .iter()
        .filter(|f| f.program == "server" && f.variant == "plain" && f.goarch == "amd64")
        .max_by_key(|f| f.minor());
    newest.unwrap().bytes()
}

#[test]
fn build_information_that_points_outside() {
    let bytes = newest();
    let at = read(&bytes, &Limits::DEFAULT).build.unwrap().place.offset as usize;
    let told = |bytes: &[u8], what: &str| {
        let binary = read(bytes, &Limits::DEFAULT);
        assert!(binary.build.is_none(), "{what}");
        assert!(
            binary.problems.iter().any(|p| p.what.contains("build information")),
            "{what}: {:?}",
            binary.problems
        );
    };
    told(&with(&bytes, at + 32, &[0xff; 10]), "a length of more than 64 bits");
    told(&with(&bytes, at + 32, b"\xff\xff\xff\xff\xff\x7f"), "a length beyond the file");
    told(&with(&bytes, at + 32, b"\0"), "an empty version");
    told(&with(&bytes, at + 14, &[8, 0]), "pointers to nowhere");
    told(&with(&bytes, at + 14, &[3, 0]), "pointers of three bytes");
    told(&with(&bytes, at, b"\0"), "no magic");
}

#[test]
fn a_function_table_that_lies() {
    let bytes = newest();
    let binary = read(&bytes, &Limits::DEFAULT);
    let table = binary.functions.unwrap();
    let at = table.place.offset as usize;
    // More functions than there is room for: what is there is read, and the absence of others proves nothing.
    let lying = with(&bytes, at + 8, &u64::MAX.to_le_bytes());
    let binary = read(&lying, &Limits::DEFAULT);
    let lying_table = binary.functions.unwrap();
    assert!(!lying_table.is_complete());
    assert!(!lying_table.find(&["main.main"]).complete);
    assert!(lying_table.for_each(|_, _| ()).functions >= table.len());
    // Sub-tables outside, and out of order.
    for field in 4..9 {
        for lie in [0, u64::MAX, u64::MAX - 8, bytes.len() as u64] {
            let lying = with(&bytes, at + 8 * field, &lie.to_le_bytes());
            let binary = read(&lying, &Limits::DEFAULT);
            let whole = binary.functions.as_ref().is_some_and(|t| t.find(&[]).complete);
            assert!(!whole || !binary.problems.is_empty(), "field {field} = {lie:#x}");
        }
    }
    // A name that points outside.
    let functab = u64::from_le_bytes(bytes[at + 64..at + 72].try_into().unwrap()) as usize;
    let record =
        u32::from_le_bytes(bytes[at + functab + 4..at + functab + 8].try_into().unwrap()) as usize;
    let lying = with(&bytes, at + functab + record + 4, &[0xff; 4]);
    let binary = read(&lying, &Limits::DEFAULT);
    let lying_table = binary.functions.unwrap();
    assert!(!lying_table.find(&[]).complete);
    assert_eq!(lying_table.for_each(|_, _| ()).broken, 1);
}

#[test]
fn a_foreign_magic_number_is_obfuscation_and_not_a_broken_table() {
    let bytes = newest();
    let at = read(&bytes, &Limits::DEFAULT).functions.unwrap().place.offset as usize;
    let lying = with(&bytes, at, &[0x12, 0x34, 0x56, 0x78]);
    let binary = read(&lying, &Limits::DEFAULT);
    assert_eq!(binary.obfuscated, Some(goformats::binary::Obfuscation::TableMagic));
    assert!(binary.functions.is_none());
    assert_eq!(binary.problems, []);
}

#[test]
fn random_package_names_are_obfuscation_where_nothing_names_the_program() {
    let bytes = newest();
    let binary = read(&bytes, &Limits::DEFAULT);
    let build = binary.build.as_ref().unwrap();
    // As obfuscators leave it: no version, no modules.
    let version = build.go_version_place;
    let (at, len) = (version.offset as usize, version.len as usize);
    let anonymous = with(&with(&bytes, at, &b"unknown000"[..len.min(10)]), at + len, &[0]);
    let read_anonymous = read(&anonymous, &Limits::DEFAULT);
    assert!(
        read_anonymous
            .build
            .as_ref()
            .is_some_and(|b| b.go_version.is_none() && b.main_package.is_none())
    );
    assert_eq!(read_anonymous.obfuscated, None, "a build without modules is no obfuscation");

    let rename = |mut bytes: Vec<u8>| {
        for (name, random) in [
            ("\0strings.", "\0qWmP2xA."),
            ("\0strconv.", "\0aX9_Tqe."),
            ("\0reflect.", "\0Zb3kLmQ."),
        ] {
            let places: Vec<usize> = memchr::memmem::find_iter(&bytes, name).collect();
            assert!(!places.is_empty());
            places
                .into_iter()
                .for_each(|at| bytes[at..at + name.len()].copy_from_slice(random.as_bytes()));
        }
        bytes
    };
    let hidden = rename(anonymous.clone());
    assert_eq!(
        read(&hidden, &Limits::DEFAULT).obfuscated,
        Some(goformats::binary::Obfuscation::PackageNames)
    );
    assert_eq!(
        read(&rename(bytes.clone()), &Limits::DEFAULT).obfuscated,
        None,
        "odd names alone are no obfuscation"
    );
}

#[test]
fn a_binary_without_section_headers_is_read_through_its_segments() {
    let text = |binary: &Binary<'_>| binary.build.as_ref().map(ToString::to_string);
    for (fixture, bytes) in samples() {
        let whole = read(&bytes, &Limits::DEFAULT);
        // e_shoff, and then e_shnum and e_shstrndx.
        let bare = with(&with(&bytes, 40, &[0; 8]), 60, &[0; 4]);
        let bare = read(&bare, &Limits::DEFAULT);
        let name = fixture.name();
        assert_eq!(bare.elf.as_ref().unwrap().sections.len(), 0, "{name}");
        assert_eq!(text(&bare), text(&whole), "{name}");
        let functions = |binary: &Binary<'_>| {
            binary.functions.as_ref().map(|t| {
                (
                    t.version,
                    t.functions().map(|f| (f.name.to_owned(), f.address)).collect::<Vec<_>>(),
                )
            })
        };
        assert!(functions(&bare) == functions(&whole), "{name}: {:?}", bare.problems);
    }
}

#[test]
fn packed_by_upx_is_named() {
    // What UPX writes: no section headers, and its own header behind the program headers.
    let bytes = newest();
    let bare = with(&with(&bytes, 40, &[0; 8]), 60, &[0; 4]);
    let packed = with(&bare, 64 + 56 * 3 + 4, b"UPX!");
    assert_eq!(read(&packed, &Limits::DEFAULT).format, Format::PackedElf);
    assert_eq!(read(&bare, &Limits::DEFAULT).format, Format::Elf);
    // The same bytes in a program that has sections mean nothing.
    assert_eq!(read(&with(&bytes, 64 + 56 * 3 + 4, b"UPX!"), &Limits::DEFAULT).format, Format::Elf);
}

#[test]
fn small_limits_hold_and_are_told() {
    let bytes = newest();
    let limits =
        Limits { functions: 10, files: 5, buildinfo_lines: 2, headers: 4, ..Limits::DEFAULT };
    let binary = read(&bytes, &limits);
    assert_eq!(binary.elf.as_ref().unwrap().sections.len(), 3, "the first header is empty");
    assert!(binary.problems.len() >= 2, "{:?}", binary.problems);
    let limits = Limits { functions: 10, files: 5, buildinfo_lines: 2, ..Limits::DEFAULT };
    let binary = read(&bytes, &limits);
    let table = binary.functions.unwrap();
    assert_eq!((table.len(), table.files().count(), table.is_complete()), (10, 5, false));
    assert_eq!(binary.build.unwrap().settings.len(), 0);
    assert_eq!(binary.problems.len(), 3, "{:?}", binary.problems);
    let limits = Limits { problems: 1, ..limits };
    assert_eq!(read(&bytes, &limits).problems.len(), 2, "one, and how many were left out");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..4096), start in 0usize..6) {
        let magic: [&[u8]; 6] = [b"", b"\x7fELF\x02\x01\x01", b"\x7fELF\x01\x02\x01", b"MZ", b"#!", b"\xca\xfe\xba\xbe"];
        let bytes = [magic[start], &bytes].concat();
        read_all(&bytes, &Limits::DEFAULT);
    }
}

#[test]
fn mutated_tables_are_read() {
    use proptest::test_runner::{Config, TestRunner};
    for (fixture, bytes) in samples() {
        let places = boundaries(&bytes);
        let bytes = std::cell::RefCell::new(bytes);
        let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
        let lies = proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u64>(), 1usize..9),
            1..6,
        );
        let result = TestRunner::new(config).run(&lies, |lies| {
            let mut bytes = bytes.borrow_mut();
            let mut undo = Vec::new();
            for (place, at, value, width) in lies {
                let (start, len) = *place.get(&places);
                // Aligned words, and small values as often as large ones.
                let at = (start + at.index(len)) & !7;
                let value = if value & 1 == 0 { value >> 40 } else { value };
                let end = (at + width).min(bytes.len());
                undo.push((at, bytes[at..end].to_vec()));
                bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
            }
            read_all(&bytes, &Limits::DEFAULT);
            for (at, old) in undo.into_iter().rev() {
                bytes[at..at + old.len()].copy_from_slice(&old);
            }
            Ok(())
        });
        assert!(result.is_ok(), "{}: {result:?}", fixture.name());
    }
}
