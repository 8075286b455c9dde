//! An executable as facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use goformats::version::GoVersion;

use super::origin::{Fact, Origin, SourceId};
use super::program_text::ProgramText;
use super::symbols::Symbol;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BinaryFormat {
    /// ELF.
    Elf,
    /// Mach-O: macOS.
    MachO,
    /// PE: Windows.
    Pe,
    /// A script and its interpreter.
    Script(String),
    /// Packed by UPX or the like.
    Packed(String),
    /// None of these.
    Other,
}

/// One executable.
#[derive(Clone, Debug)]
pub struct Binary {
    /// The file.
    pub source: SourceId,
    /// Its path as the user gave it.
    pub path: String,
    /// The Dockerfile whose `go build` it was built by, when `--build` made it.
    pub built_from: Option<SourceId>,
    /// `--build` made it for this check.
    pub built_here: bool,
    /// The version in `go.mod` that chose the toolchain, when `--build` made it as no Dockerfile says.
    pub toolchain_line: Option<Fact<GoVersion>>,
    /// The image it was read from, when it is the program of one.
    pub in_image: Option<SourceId>,
    /// Bytes of the file.
    pub size: u64,
    /// What it is.
    pub format: BinaryFormat,
    /// `GOARCH` name of the machine: `amd64`, `arm64`.
    pub machine: Option<Fact<String>>,
    /// Position-independent executable.
    pub pie: bool,
    /// PT_INTERP: the loader that must exist for the kernel to start it.
    pub interp: Option<Fact<String>>,
    /// DT_NEEDED.
    pub needed: Vec<Fact<String>>,
    /// DT_RPATH, folders with colons between them.
    pub rpath: Option<String>,
    /// DT_RUNPATH, likewise.
    pub runpath: Option<String>,
    /// The newest version of glibc's symbols that it cannot do without: 38 for `GLIBC_2.38`.
    pub glibc: Option<Fact<u16>>,
    /// The linker's build ID of Go.
    pub build_id: Option<String>,
    /// Digest of the file in hexadecimal, where an image is there to compare it with.
    pub sha256: Option<String>,
    /// `.symtab` is present.
    pub has_symtab: bool,
    /// `.debug_*` sections are present.
    pub has_dwarf: bool,
    /// Bytes in `.debug_*` sections as stored.
    pub dwarf_size: u64,
    /// Names are hashed (garble): whether and how it was built by Go cannot be read.
    pub obfuscated: bool,
    /// The Go side; `None` when it is no Go program.
    pub go: Option<GoProgram>,
}

impl Binary {
    /// The file as such.
    pub fn origin(&self) -> Origin {
        Origin::whole(self.source)
    }
}

/// A module of the build list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Module path.
    pub path: String,
    /// Version, `(devel)` for the main module built from a working tree.
    pub version: String,
    /// Path of the replacement, when replaced; a file path for a local one.
    pub replace: Option<String>,
}

/// The Go side of an executable.
#[derive(Clone, Debug)]
pub struct GoProgram {
    /// Toolchain that built it.
    pub version: Fact<GoVersion>,
    /// `path` line: the main package.
    pub main_package: Option<Fact<String>>,
    /// `mod` line.
    pub main_module: Option<Fact<Module>>,
    /// `dep` lines.
    pub deps: Vec<Fact<Module>>,
    /// `build` lines: `-ldflags`, `CGO_ENABLED`, `vcs.revision` ... `-trimpath` removes
    /// `-ldflags`, `-gcflags` and `CGO_*FLAGS`: their absence says nothing.
    pub settings: BTreeMap<String, Fact<String>>,
    /// `DefaultGODEBUG` in order; empty when go.mod's go line equals the toolchain's.
    pub default_godebug: Vec<(String, Fact<String>)>,
    /// Packages that have functions in the program.
    pub packages: BTreeSet<String>,
    /// Which of [`super::symbols::ALL`] are linked.
    pub functions: Functions,
    /// Garbled names: function facts say nothing.
    pub obfuscated: bool,
    /// The program's text.
    pub text: Arc<dyn ProgramText>,
}

impl GoProgram {
    /// A build setting's text.
    pub fn setting(&self, key: &str) -> Option<&Fact<String>> {
        self.settings.get(key)
    }

    /// Whether a package, or one below it, is linked.
    pub fn links_package(&self, path: &str) -> bool {
        self.packages
            .range::<str, _>((std::ops::Bound::Included(path), std::ops::Bound::Unbounded))
            .take_while(|p| p.starts_with(path))
            .any(|p| p.len() == path.len() || p.as_bytes().get(path.len()) == Some(&b'/'))
    }

    /// The value of a DefaultGODEBUG key.
    pub fn default_godebug(&self, key: &str) -> Option<&Fact<String>> {
        self.default_godebug.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v)
    }
}

/// The result of looking for [`super::symbols::ALL`] in the function table.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    /// The table was read to its end, so that absence is proof.
    pub complete: bool,
    /// Found functions with their entry.
    pub found: BTreeMap<Symbol, Origin>,
}
