//! The program itself: a file that is taken for a Go binary, and parts of one.

use std::hint::black_box;

use goformats::binary;
use goformats::godebug::{self, Release};
use goformats::gostrings::Strings;
use goformats::limits::Limits;

use crate::wrap;

/// A whole file, taken for a binary.
pub(crate) fn elf(data: &[u8]) {
    look_at(data);
}

/// The bytes of `.go.buildinfo` in an otherwise sound file.
pub(crate) fn buildinfo(data: &[u8]) {
    look_at(&wrap::elf(&[(".go.buildinfo", data)]));
}

/// The bytes of `.gopclntab` in an otherwise sound file.
pub(crate) fn pclntab(data: &[u8]) {
    look_at(&wrap::elf(&[(".gopclntab", data)]));
}

/// Machine code of three functions (16 bytes each) and the string constants it refers to, in a
/// program that is sound otherwise.
pub(crate) fn strings(data: &[u8]) {
    let (code, constants) = data.split_at(data.len().min(48));
    let mut functions = include_bytes!("../seeds/pclntab/go1.20").to_vec();
    // The start of the text in the table's header; the first section is the text.
    functions[24..32].copy_from_slice(&wrap::FIRST_SECTION.to_le_bytes());
    let build = include_bytes!("../seeds/buildinfo/go1.25.14");
    let file = wrap::elf(&[
        (".text", code),
        (".rodata", constants),
        (".gopclntab", &functions),
        (".go.buildinfo", build),
    ]);
    let limits = Limits::DEFAULT;
    let binary = binary::read(&file, &limits);
    if let Some(strings) = Strings::read(&binary, &limits) {
        for string in strings.iter() {
            black_box((string.kind(), strings.place(string)));
        }
        black_box((strings.variable_reads(), strings.signals()));
    }
}

/// A value of GODEBUG, after one byte that chooses the Go version.
pub(crate) fn godebug(data: &[u8]) {
    let Some((minor, text)) = data.split_first() else { return };
    let release = Release::new(16 + u16::from(minor % 16), u16::from(minor / 16));
    let text = String::from_utf8_lossy(text);
    black_box(godebug::parse(&text, release));
    black_box(godebug::suggest(&text, release));
}

fn look_at(file: &[u8]) {
    let limits = Limits::DEFAULT;
    let binary = binary::read(file, &limits);
    if let Some(elf) = &binary.elf {
        for section in &elf.sections {
            black_box(elf.bytes_at(section.address, section.size));
        }
    }
    if let Some(build) = &binary.build {
        black_box(build.default_godebug());
    }
    if let Some(table) = &binary.functions {
        for function in table.functions() {
            black_box(function);
        }
        black_box(table.files().count());
        black_box(table.packages());
        black_box(table.find(&["main.main", "os/signal.Notify"]));
        black_box(table.function_at(table.text_start()));
    }
    black_box(&binary.problems);
}
