//! An executable file as facts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use goformats::binary::{Format, read};
use goformats::buildinfo::BuildInfo;
use goformats::elf::{Dynamic, Elf, Machine};
use goformats::limits::Limits;
use goformats::pclntab::{FunctionTable, Presence};
use goformats::problem::Place;

use super::mmap::Content;
use super::program_text::MappedText;
use super::{Problem, ProblemKind};
use crate::facts::binary::{Binary, BinaryFormat, Functions, GoProgram, Module};
use crate::facts::symbols;
use crate::facts::{Fact, Origin, SourceId};

/// The bytes of an executable; shared with the answers about its text, which are computed when a
/// rule asks.
pub type Bytes = Arc<Content>;

/// A file that is broken in many places is broken; a few of them are told.
const MOST_PROBLEMS: usize = 4;

/// Reads the facts of an executable. Total: what cannot be read is absent and named in the problems.
pub fn load(
    source: SourceId,
    path: &str,
    bytes: &Bytes,
    limits: &Limits,
) -> (Binary, Vec<Problem>) {
    let data: &[u8] = bytes;
    let file = read(data, limits);
    let malformed = |message: String| Problem {
        kind: ProblemKind::Malformed,
        origin: Origin::whole(source),
        message,
        help: None,
    };
    let said = file.problems.iter().take(MOST_PROBLEMS);
    let mut problems: Vec<Problem> = said
        .map(|problem| malformed(format!("{} (at byte {})", problem.what, problem.offset)))
        .collect();
    let more = file.problems.len().saturating_sub(MOST_PROBLEMS);
    if more > 0 {
        problems.push(malformed(format!("{more} more parts of the file cannot be read")));
    }
    let elf = file.elf.as_ref();
    let at = |section: &str, place: Place| Origin::binary(source, section, place.address);
    let dynamic = elf.and_then(|elf| elf.dynamic.as_ref());
    let go = file.build.as_ref().and_then(|build| {
        let text = Arc::new(MappedText::new(source, bytes.clone(), *limits));
        let obfuscated = file.obfuscated.is_some();
        go_program(source, build, file.functions.as_ref(), obfuscated, text)
    });
    if let (Some(build), None) = (&file.build, &go) {
        problems.push(Problem {
            kind: ProblemKind::Malformed,
            origin: Origin::binary(source, ".go.buildinfo", build.go_version_place.address),
            message: format!(
                "built by {:?}, which names no Go release: what depends on the version is not judged",
                build.go_version_text
            ),
            help: None,
        });
    }
    let binary = Binary {
        source,
        path: path.to_owned(),
        built_from: None,
        built_here: false,
        toolchain_line: None,
        in_image: None,
        size: data.len() as u64,
        format: format(&file.format),
        machine: elf.map(|elf| {
            Fact::written(goarch(elf).into_owned(), Origin::binary(source, "ELF header", None))
        }),
        pie: elf.is_some_and(Elf::is_pie),
        interp: elf.and_then(|elf| elf.interpreter.as_ref()).map(|(interp, place)| {
            Fact::written(interp.clone().into_owned(), at("PT_INTERP", *place))
        }),
        needed: dynamic
            .map(|dynamic| dynamic.needed.iter())
            .into_iter()
            .flatten()
            .map(|needed| {
                Fact::written(needed.name.clone().into_owned(), at(".dynamic", needed.place))
            })
            .collect(),
        rpath: dynamic.and_then(|dynamic| dynamic.rpath.clone()).map(Cow::into_owned),
        runpath: dynamic.and_then(|dynamic| dynamic.runpath.clone()).map(Cow::into_owned),
        glibc: dynamic.and_then(|dynamic| glibc(source, dynamic)),
        build_id: elf.and_then(|elf| elf.build_ids.go.clone()).map(Cow::into_owned),
        sha256: None,
        has_symtab: elf.is_some_and(Elf::has_symbol_table),
        has_dwarf: elf.is_some_and(Elf::has_dwarf),
        dwarf_size: elf
            .map(|elf| elf.sections.iter().filter(|s| s.name.contains("debug_")))
            .into_iter()
            .flatten()
            .map(|section| section.size)
            // Sizes are what the headers say.
            .fold(0, u64::saturating_add),
        obfuscated: file.obfuscated.is_some(),
        go,
    };
    (binary, problems)
}

/// The newest of glibc's versions that must be there. They count up; 2.2.5 is older than 2.3.
fn glibc(source: SourceId, dynamic: &Dynamic<'_>) -> Option<Fact<u16>> {
    let minor = |version: &str| {
        let rest = version.strip_prefix("GLIBC_2.")?;
        rest.split('.').next()?.parse::<u16>().ok()
    };
    let must = dynamic.versions.iter().filter(|version| !version.weak);
    let newest = must.filter_map(|v| Some((minor(&v.version)?, v))).max_by_key(|(minor, _)| *minor);
    newest.map(|(minor, version)| {
        let origin = Origin::binary(source, ".gnu.version_r", version.place.address);
        Fact::written(minor, origin)
    })
}

fn format(format: &Format<'_>) -> BinaryFormat {
    match format {
        Format::Elf => BinaryFormat::Elf,
        Format::PackedElf => BinaryFormat::Packed("UPX".to_owned()),
        Format::MachO => BinaryFormat::MachO,
        Format::Pe => BinaryFormat::Pe,
        Format::Script { interpreter } => BinaryFormat::Script(interpreter.clone().into_owned()),
        Format::Wasm | Format::Empty | Format::Other => BinaryFormat::Other,
    }
}

/// The machine by its `GOARCH` name.
fn goarch(elf: &Elf<'_>) -> Cow<'static, str> {
    Cow::Borrowed(match elf.machine {
        Machine::Amd64 => "amd64",
        Machine::Arm64 => "arm64",
        Machine::I386 => "386",
        Machine::Arm => "arm",
        Machine::Riscv64 => "riscv64",
        Machine::Ppc64 => "ppc64",
        Machine::S390x => "s390x",
        Machine::Loong64 => "loong64",
        Machine::Mips => "mips",
        Machine::Other(number) => return Cow::Owned(format!("machine {number}")),
    })
}

/// The Go side; `None` when the toolchain's version names no release.
fn go_program(
    source: SourceId,
    build: &BuildInfo<'_>,
    table: Option<&FunctionTable<'_>>,
    obfuscated: bool,
    text: Arc<MappedText>,
) -> Option<GoProgram> {
    let version = build.go_version.clone()?;
    let info = |place: Place| Origin::binary(source, ".go.buildinfo", place.address);
    let module = |module: &goformats::buildinfo::Module<'_>| {
        Fact::written(
            Module {
                path: module.path.clone().into_owned(),
                version: module.version.clone().into_owned(),
                replace: module.replace.as_ref().map(|r| r.path.clone().into_owned()),
            },
            info(module.place),
        )
    };
    let settings: BTreeMap<String, Fact<String>> = build
        .settings
        .iter()
        .map(|s| {
            let fact = Fact::written(s.value.clone().into_owned(), info(s.place));
            (s.key.clone().into_owned(), fact)
        })
        .collect();
    let default_godebug = build
        .setting("DefaultGODEBUG")
        .map(|setting| {
            let origin = info(setting.place);
            build
                .default_godebug()
                .into_iter()
                .map(|(k, v)| (k.to_owned(), Fact::written(v.to_owned(), origin.clone())))
                .collect()
        })
        .unwrap_or_default();
    Some(GoProgram {
        version: Fact::written(version, info(build.go_version_place)),
        main_package: build
            .main_package
            .as_ref()
            .map(|(path, place)| Fact::written(path.clone().into_owned(), info(*place))),
        main_module: build.main_module.as_ref().map(module),
        deps: build.deps.iter().map(module).collect(),
        settings,
        default_godebug,
        packages: table.map(|t| t.packages().into_iter().collect()).unwrap_or_default(),
        functions: table.map(|table| functions(source, table)).unwrap_or_default(),
        obfuscated,
        text,
    })
}

/// Looks for every symbol a rule may ask for, in one pass.
fn functions(source: SourceId, table: &FunctionTable<'_>) -> Functions {
    let wanted: Vec<&str> = symbols::ALL.iter().map(|symbol| symbol.0).collect();
    let lookup = table.find(&wanted);
    let found = symbols::ALL
        .iter()
        .zip(&lookup.found)
        .filter_map(|(symbol, presence)| {
            let address = match presence {
                Presence::Linked(address) => Some(*address),
                // It runs as a part of its callers and has no address of its own.
                Presence::Inlined => None,
                Presence::Absent => return None,
            };
            Some((*symbol, Origin::binary(source, ".text", address)))
        })
        .collect();
    Functions { complete: lookup.complete, found }
}
