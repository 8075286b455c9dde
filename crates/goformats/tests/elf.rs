//! ELF facts of real binaries, compared with readelf.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;

use common::{Fixture, for_each, output, same};
use goformats::binary::Format;
use goformats::elf::{Elf, Kind, Machine};
use goformats::limits::Limits;

fn check(
    fixture: &Fixture,
    compare: impl Fn(&Elf<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let bytes = fixture.bytes();
    let binary = goformats::binary::read(&bytes, &Limits::DEFAULT);
    if binary.format != Format::Elf || binary.obfuscated.is_some() || !binary.problems.is_empty() {
        return Err(format!("{:?} {:?} {:?}", binary.format, binary.obfuscated, binary.problems));
    }
    compare(&binary.elf.ok_or("no ELF header")?)
}

fn readelf(fixture: &Fixture, flags: &str) -> String {
    output("readelf", &[flags], &fixture.path)
}

/// What stands between `open` and `close` in each line that has both.
fn between<'t>(text: &'t str, open: &str, close: &str) -> Vec<&'t str> {
    text.lines().filter_map(|line| Some(line.split_once(open)?.1.split_once(close)?.0)).collect()
}

#[test]
fn file_header_and_program_headers() {
    for_each(|fixture| {
        let text = readelf(fixture, "-hlW");
        check(fixture, |elf| {
            let machine = match fixture.goarch.as_str() {
                "amd64" => Machine::Amd64,
                "arm64" => Machine::Arm64,
                other => return Err(format!("unexpected architecture {other}")),
            };
            if elf.machine != machine {
                return Err(format!("{:?}", elf.machine));
            }
            let kind = if text.contains("DYN (") { Kind::Pie } else { Kind::Executable };
            if elf.kind != kind {
                return Err(format!("{:?} instead of {kind:?}", elf.kind));
            }
            let entry = format!("Entry point address:               {:#x}\n", elf.entry);
            if !text.contains(&entry) {
                return Err(format!("entry {:#x}", elf.entry));
            }
            let interpreter: Vec<_> = elf.interpreter.iter().map(|(path, _)| &**path).collect();
            same(
                "interpreter",
                &interpreter,
                &between(&text, "[Requesting program interpreter: ", "]"),
            )?;
            let loads = text.lines().filter(|l| l.trim_start().starts_with("LOAD ")).count();
            same(
                "loaded segments",
                &[elf.segments.iter().filter(|s| s.is_load()).count()],
                &[loads],
            )
        })
    });
}

#[test]
fn sections_with_their_sizes() {
    for_each(|fixture| {
        let text = readelf(fixture, "-SW");
        check(fixture, |elf| {
            //   [ 1] .text             PROGBITS        0000000000401000 001000 28e0b1 00  AX  0   0 64
            let theirs: Vec<(String, u64, u64, u64)> = text
                .lines()
                .filter_map(|line| {
                    let row: Vec<&str> = line
                        .trim_start()
                        .strip_prefix('[')?
                        .split_once(']')?
                        .1
                        .split_whitespace()
                        .collect();
                    let hex = |i: usize| u64::from_str_radix(row.get(i)?, 16).ok();
                    // The empty first header has no name.
                    (row.first() != Some(&"NULL")).then_some(())?;
                    Some((row.first()?.to_string(), hex(2)?, hex(3)?, hex(4)?))
                })
                .collect();
            let ours: Vec<_> = elf
                .sections
                .iter()
                .map(|s| (s.name.to_string(), s.address, s.offset, s.size))
                .collect();
            same("sections", &ours, &theirs)?;
            let has = |start: &str| theirs.iter().any(|(name, ..)| name.starts_with(start));
            same("symbols", &[elf.has_symbol_table()], &[has(".symtab")])?;
            same("DWARF", &[elf.has_dwarf()], &[has(".debug_") || has(".zdebug_")])
        })
    });
}

#[test]
fn what_the_dynamic_linker_is_asked() {
    for_each(|fixture| {
        let dynamic = readelf(fixture, "-dW");
        let versions = readelf(fixture, "-VW");
        check(fixture, |elf| {
            let needed: Vec<_> =
                elf.dynamic.iter().flat_map(|d| &d.needed).map(|n| &*n.name).collect();
            same("needed libraries", &needed, &between(&dynamic, "Shared library: [", "]"))?;
            if elf.is_static() != (needed.is_empty() && elf.interpreter.is_none()) {
                return Err("is_static".into());
            }
            // 000000: Version: 1  File: libc.so.6  Cnt: 3
            // 0x0010:   Name: GLIBC_2.34  Flags: none  Version: 5
            let mut library = "";
            let mut theirs = BTreeSet::new();
            for line in versions.lines().skip_while(|l| !l.contains(".gnu.version_r")) {
                if let Some((_, rest)) = line.split_once("File: ") {
                    library = rest.split_whitespace().next().unwrap_or_default();
                } else if let Some((_, rest)) = line.split_once("Name: ") {
                    theirs.insert((library, rest.split_whitespace().next().unwrap_or_default()));
                }
            }
            let ours: BTreeSet<_> = elf
                .dynamic
                .iter()
                .flat_map(|d| &d.versions)
                .map(|v| (&*v.library, &*v.version))
                .collect();
            same(
                "symbol versions",
                &ours.into_iter().collect::<Vec<_>>(),
                &theirs.into_iter().collect::<Vec<_>>(),
            )
        })
    });
}

#[test]
fn build_ids() {
    for_each(|fixture| {
        let notes = readelf(fixture, "-nW");
        let go = output("go", &["tool", "buildid"], &fixture.path);
        check(fixture, |elf| {
            let gnu: Vec<String> = elf
                .build_ids
                .gnu
                .iter()
                .map(|id| id.iter().map(|b| format!("{b:02x}")).collect())
                .collect();
            let theirs: Vec<_> = notes
                .lines()
                .filter_map(|line| Some(line.split_once("Build ID: ")?.1.trim_end().to_owned()))
                .collect();
            same("GNU build id", &gnu, &theirs)?;
            same(
                "Go build id",
                &[elf.build_ids.go.as_deref().unwrap_or_default()],
                &[go.trim_end()],
            )
        })
    });
}

#[test]
fn relocations_without_symbols() {
    for_each(|fixture| {
        let text = readelf(fixture, "-rW");
        check(fixture, |elf| {
            // 000000000095b000  0000000000000008 R_X86_64_RELATIVE                         401000
            let theirs: Vec<(u64, u64)> = text
                .lines()
                .filter(|line| line.contains("_RELATIVE"))
                .filter_map(|line| {
                    let row: Vec<&str> = line.split_whitespace().collect();
                    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
                    Some((hex(row.first()?)?, hex(row.last()?)?))
                })
                .collect();
            let ours: Vec<_> = elf.relative_relocations().collect();
            if fixture.variant == "pie" && ours.is_empty() {
                return Err("a position-independent binary without relocations".into());
            }
            same("relocations", &ours, &theirs)
        })
    });
}
