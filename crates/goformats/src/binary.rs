//! The entry: what a file is, and everything that can be read from it without running it.

use std::borrow::Cow;

use crate::buildinfo::BuildInfo;
use crate::elf::Elf;
use crate::limits::Limits;
use crate::pclntab::{self, FunctionTable};
use crate::problem::{Problem, Problems};

/// What a file is, by its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format<'a> {
    /// ELF.
    Elf,
    /// ELF that unpacks itself (UPX): its program cannot be read without running it.
    PackedElf,
    /// Mach-O for one or several architectures.
    MachO,
    /// Portable Executable (Windows).
    Pe,
    /// WebAssembly.
    Wasm,
    /// A script, with what stands behind `#!` on its first line.
    Script {
        /// The interpreter and its argument, such as `/bin/sh -e`.
        interpreter: Cow<'a, str>,
    },
    /// No byte at all.
    Empty,
    /// Anything else.
    Other,
}

/// How obfuscation shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obfuscation {
    /// The function table starts with a magic number that no Go linker writes.
    TableMagic,
    /// The build information names neither toolchain nor main package, and packages have random names.
    PackageNames,
}

/// Everything read from a file.
#[derive(Clone, Debug)]
pub struct Binary<'a> {
    /// What the file is.
    pub format: Format<'a>,
    /// ELF facts, where it is one with a readable header (packed ones included).
    pub elf: Option<Elf<'a>>,
    /// What Go says about the build; `None` for an ELF file that was not linked by Go, or was stripped of it by force.
    pub build: Option<BuildInfo<'a>>,
    /// Every function of the program; `None` where it has no readable table.
    pub functions: Option<FunctionTable<'a>>,
    /// Whether an obfuscator (garble) hid the names, and how that shows; function facts are then not available.
    pub obfuscated: Option<Obfuscation>,
    /// What was broken, or beyond a limit.
    pub problems: Vec<Problem>,
}

impl Binary<'_> {
    /// Whether Go linked it: it has build information or a function table. A Go program that was packed does not count.
    pub fn is_go(&self) -> bool {
        self.build.is_some() || self.functions.is_some() || self.obfuscated.is_some()
    }
}

/// Reads a file. Never fails and never panics: what cannot be read is absent and said in [`Binary::problems`].
pub fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Binary<'a> {
    let mut problems = Problems::new(limits.problems);
    let mut format = sniff(bytes, limits);
    let elf = match format {
        Format::Elf => Elf::read(bytes, limits, &mut problems),
        _ => None,
    };
    if elf.as_ref().is_some_and(is_packed) {
        format = Format::PackedElf;
    }
    let build = elf.as_ref().and_then(|elf| BuildInfo::read(elf, limits, &mut problems));
    let functions = elf
        .as_ref()
        .and_then(|elf| FunctionTable::read(elf, build.as_ref(), limits, &mut problems));
    let obfuscated =
        elf.as_ref().and_then(|elf| obfuscation(elf, build.as_ref(), functions.as_ref()));
    Binary { format, elf, build, functions, obfuscated, problems: problems.finish() }
}

/// Names a format by its first bytes.
fn sniff<'a>(bytes: &'a [u8], limits: &Limits) -> Format<'a> {
    if let Some(line) = bytes.strip_prefix(b"#!") {
        let line = line.get(..limits.name_bytes).unwrap_or(line);
        let line = line.split(|&b| b == b'\n').next().unwrap_or_default();
        return Format::Script { interpreter: lossy_trimmed(line) };
    }
    match bytes {
        [] => Format::Empty,
        [0x7f, b'E', b'L', b'F', ..] => Format::Elf,
        [b'M', b'Z', ..] => Format::Pe,
        [0, b'a', b's', b'm', ..] => Format::Wasm,
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] => Format::MachO,
        // A Java class begins alike; its next word is a version of at least 45, a fat Mach-O's a small count.
        [0xca, 0xfe, 0xba, 0xbe | 0xbf, 0, 0, 0, count, ..] if *count < 40 => Format::MachO,
        _ => Format::Other,
    }
}

fn lossy_trimmed(line: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(line) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// Garble replaces the magic number of the function table since its version 0.9, and package names and build information
/// in all versions. Programs built without modules (Bazel, `GO111MODULE=off`) have no build information either, but
/// readable package names: paths of a domain, or words.
fn obfuscation(
    elf: &Elf<'_>,
    build: Option<&BuildInfo<'_>>,
    functions: Option<&FunctionTable<'_>>,
) -> Option<Obfuscation> {
    if pclntab::has_foreign_magic(elf) {
        return Some(Obfuscation::TableMagic);
    }
    let anonymous = build.is_none_or(|b| b.main_package.is_none() && b.go_version.is_none());
    if !anonymous {
        return None;
    }
    let packages = functions?.packages();
    let hashed = packages.iter().filter(|p| looks_hashed(p)).count();
    let readable =
        packages.iter().any(|p| p.split('/').next().is_some_and(|host| host.contains('.')));
    (hashed >= 3 && !readable).then_some(Obfuscation::PackageNames)
}

/// A package name as garble draws it: base64 letters of both cases in one word of at least six.
fn looks_hashed(package: &str) -> bool {
    package.len() >= 6
        && package.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && package.bytes().any(|b| b.is_ascii_uppercase())
        && package.bytes().any(|b| b.is_ascii_lowercase())
}

/// UPX writes no section headers and its own header (`l_info`, magic `UPX!`) right behind the program headers.
/// Source: upx `src/stub/src/include/linux.h`.
fn is_packed(elf: &Elf<'_>) -> bool {
    const SEARCHED: usize = 1024;
    let head = elf.bytes().get(..SEARCHED).unwrap_or(elf.bytes());
    elf.sections.is_empty() && memchr::memmem::find(head, b"UPX!").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(bytes: &[u8]) -> Format<'_> {
        read(bytes, &Limits::DEFAULT).format
    }

    #[test]
    fn formats_are_named() {
        assert_eq!(format(b""), Format::Empty);
        assert_eq!(format(b"MZ\x90\0"), Format::Pe);
        assert_eq!(format(b"\xcf\xfa\xed\xfe\x0c\0\0\x01"), Format::MachO);
        assert_eq!(format(b"\xca\xfe\xba\xbe\0\0\0\x02"), Format::MachO);
        assert_eq!(format(b"\xca\xfe\xba\xbe\0\0\0\x34"), Format::Other, "a Java class");
        assert_eq!(format(b"\0asm\x01\0\0\0"), Format::Wasm);
        assert_eq!(
            format(b"#! /bin/sh -e\necho"),
            Format::Script { interpreter: "/bin/sh -e".into() }
        );
        assert_eq!(format(b"#!"), Format::Script { interpreter: "".into() });
        assert_eq!(format(b"hello"), Format::Other);
    }

    #[test]
    fn a_broken_elf_header_is_a_problem_and_still_elf() {
        for bytes in [
            &b"\x7fELF"[..],
            b"\x7fELF\x02",
            b"\x7fELF\x02\x01\x01",
            b"\x7fELF\x09\x01\x01\0\0\0\0\0\0\0\0\0",
        ] {
            let binary = read(bytes, &Limits::DEFAULT);
            assert_eq!(binary.format, Format::Elf);
            assert!(binary.elf.is_none());
            assert_eq!(binary.problems.len(), 1, "{:?}", binary.problems);
        }
    }
}
