//! One function for each parser, called by the fuzzing engine and by the replay of the seeds.
//!
//! Each reads hostile bytes and then uses what came of them the way the pipeline does: a value
//! that parses and panics when it is looked at is found, too. Nothing is returned; the finding
//! is a panic, a time or a memory limit.

mod wrap;

use std::hint::black_box;

use goformats::binary;
use goformats::godebug::{self, Release};
use goformats::limits::Limits;

/// A target: its name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets. The names are those of the files in `targets/` and of the folders in `seeds/`.
pub const TARGETS: &[Target] =
    &[("elf", elf), ("buildinfo", buildinfo), ("pclntab", pclntab), ("godebug", godebug)];

/// A whole file, taken for a binary.
pub fn elf(data: &[u8]) {
    look_at(data);
}

/// The bytes of `.go.buildinfo` in an otherwise sound file.
pub fn buildinfo(data: &[u8]) {
    look_at(&wrap::elf(&[(".go.buildinfo", data)]));
}

/// The bytes of `.gopclntab` in an otherwise sound file.
pub fn pclntab(data: &[u8]) {
    look_at(&wrap::elf(&[(".gopclntab", data)]));
}

/// A value of GODEBUG, after one byte that chooses the Go version.
pub fn godebug(data: &[u8]) {
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
