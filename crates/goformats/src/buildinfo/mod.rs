//! Build information: toolchain, modules and settings that the linker writes into every Go program.
//!
//! Source: `debug/buildinfo/buildinfo.go` (Go 1.26, which still searches the data segment where no section is named),
//! `runtime/debug/mod.go` for the lines, `cmd/link/internal/ld/data.go` (`buildinfo`) for the writer.

mod blob;
mod quote;

use std::borrow::Cow;
use std::fmt;

use crate::elf::Elf;
use crate::limits::Limits;
use crate::problem::{Place, Problems};
use crate::version::GoVersion;

pub use quote::quoted;

/// How the linker wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Two pointers to Go strings: Go 1.13 to 1.17.
    Pointers,
    /// Two strings with a varint length each: since Go 1.18.
    Inline,
}

/// A module of the build (`mod`, `dep` and `=>` lines).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module<'a> {
    /// Module path, or a directory where a replacement is one.
    pub path: Cow<'a, str>,
    /// Version such as `v1.2.3`; `(devel)` for a main module without one, empty for a replacement by directory.
    pub version: Cow<'a, str>,
    /// Checksum (`h1:…`), empty for the main module and for replaced modules.
    pub sum: Cow<'a, str>,
    /// What is built in its place.
    pub replace: Option<Box<Module<'a>>>,
    /// The line.
    pub place: Place,
}

/// A build setting (`build` line), such as `-tags=netgo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<'a> {
    /// Flag, environment variable or `vcs.*` key.
    pub key: Cow<'a, str>,
    /// Its value.
    pub value: Cow<'a, str>,
    /// The line.
    pub place: Place,
}

/// Everything Go says about a build.
///
/// A setting that is absent proves nothing: `-trimpath` removes `-ldflags` and the C flags, and toolchains before
/// Go 1.18 write no settings at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo<'a> {
    /// How it was written.
    pub layout: Layout,
    /// The 32-byte header.
    pub place: Place,
    /// What `runtime.Version` returns, as written.
    pub go_version_text: Cow<'a, str>,
    /// Where that text stands.
    pub go_version_place: Place,
    /// The same, understood; `None` for a toolchain that names no Go 1 release.
    pub go_version: Option<GoVersion>,
    /// Import path of the main package (`command-line-arguments` when files were named), and its line.
    pub main_package: Option<(Cow<'a, str>, Place)>,
    /// The module of the main package.
    pub main_module: Option<Module<'a>>,
    /// Modules that packages were taken from, sorted by path as written.
    pub deps: Vec<Module<'a>>,
    /// Build settings in the order written.
    pub settings: Vec<Setting<'a>>,
}

impl<'a> BuildInfo<'a> {
    pub(crate) fn read(elf: &Elf<'a>, limits: &Limits, problems: &mut Problems) -> Option<Self> {
        let blob = blob::find(elf, limits, problems)?;
        let version = String::from_utf8_lossy(blob.version);
        let mut info = Self {
            layout: blob.layout,
            place: elf.place_of(blob.header),
            go_version: GoVersion::parse(&version),
            go_version_text: version,
            go_version_place: elf.place_of(blob.version),
            main_package: None,
            main_module: None,
            deps: Vec::new(),
            settings: Vec::new(),
        };
        info.read_lines(blob.modules, elf.place_of(blob.modules), limits, problems);
        Some(info)
    }

    /// The setting of that key; the last one counts where a hostile text repeats it.
    pub fn setting(&self, key: &str) -> Option<&Setting<'a>> {
        self.settings.iter().rev().find(|s| s.key == key)
    }

    /// The value of the setting of that key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.setting(key).map(|s| &*s.value)
    }

    /// The dependency with that module path, whether or not it is replaced.
    pub fn dep(&self, path: &str) -> Option<&Module<'a>> {
        self.deps.iter().find(|m| m.path == path)
    }

    /// The pairs of `DefaultGODEBUG` in the order written; empty where go.mod asks for what the toolchain does anyway.
    pub fn default_godebug(&self) -> Vec<(&str, &str)> {
        self.value("DefaultGODEBUG")
            .unwrap_or_default()
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .collect()
    }

    fn read_lines(
        &mut self,
        text: &'a [u8],
        place: Place,
        limits: &Limits,
        problems: &mut Problems,
    ) {
        let mut kept = 0;
        // Which module the next `=>` line replaces.
        let mut last = Last::None;
        let mut at = 0u64;
        for line in text.split_inclusive(|&b| b == b'\n') {
            let here = Place {
                offset: place.offset.saturating_add(at),
                len: line.len() as u64,
                address: place.address.and_then(|a| a.checked_add(at)),
            };
            at += line.len() as u64;
            // What stands behind the last line break is not a line (`ParseBuildInfo` stops there too).
            let Some(line) = line.strip_suffix(b"\n") else { break };
            let here = Place { len: line.len() as u64, ..here };
            let (word, rest) = match memchr::memchr(b'\t', line) {
                Some(tab) => {
                    (line.get(..tab).unwrap_or_default(), line.get(tab + 1..).unwrap_or_default())
                }
                None => continue,
            };
            if kept == limits.buildinfo_lines {
                problems.push(format!("build information has more than {kept} lines"), here.offset);
                break;
            }
            kept += 1;
            let result = match word {
                b"path" => {
                    self.main_package = Some((String::from_utf8_lossy(rest), here));
                    Ok(())
                }
                b"mod" => module(rest, here).map(|m| {
                    self.main_module = Some(m);
                    last = Last::Main;
                }),
                b"dep" => module(rest, here).map(|m| {
                    self.deps.push(m);
                    last = Last::Dep;
                }),
                b"=>" => module(rest, here).and_then(|m| {
                    let replaced = match std::mem::replace(&mut last, Last::None) {
                        Last::Main => self.main_module.as_mut(),
                        Last::Dep => self.deps.last_mut(),
                        Last::None => None,
                    };
                    replaced.ok_or("a replacement follows no module")?.replace = Some(Box::new(m));
                    Ok(())
                }),
                b"build" => setting(rest, here).map(|s| self.settings.push(s)),
                // Later versions may add words.
                _ => Ok(()),
            };
            if let Err(what) = result {
                problems.push(format!("build information: {what}"), here.offset);
            }
        }
    }
}

enum Last {
    None,
    Main,
    Dep,
}

fn module(text: &[u8], place: Place) -> Result<Module<'_>, &'static str> {
    let mut columns = text.splitn(4, |&b| b == b'\t').map(String::from_utf8_lossy);
    let (Some(path), Some(version), sum, None) =
        (columns.next(), columns.next(), columns.next(), columns.next())
    else {
        return Err("a module line has not two or three columns");
    };
    Ok(Module { path, version, sum: sum.unwrap_or_default(), replace: None, place })
}

fn setting(text: &[u8], place: Place) -> Result<Setting<'_>, &'static str> {
    let (key, value) = match text.first() {
        Some(b'"' | b'`') => {
            let (key, rest) =
                quote::unquote_prefix(text).ok_or("the quoted key of a build line is broken")?;
            (key, rest.strip_prefix(b"=").ok_or("a build line has no = behind its key")?)
        }
        _ => {
            let equals =
                memchr::memchr(b'=', text).ok_or("a build line has no = behind its key")?;
            let (key, value) =
                text.split_at_checked(equals).ok_or("a build line has no = behind its key")?;
            (String::from_utf8_lossy(key), value.get(1..).unwrap_or_default())
        }
    };
    if key.is_empty() {
        return Err("a build line has no key");
    }
    let value = match value.first() {
        Some(b'"' | b'`') => match quote::unquote_prefix(value) {
            Some((value, [])) => value,
            _ => return Err("the quoted value of a build line is broken"),
        },
        _ => String::from_utf8_lossy(value),
    };
    Ok(Setting { key, value, place })
}

/// The text of `go version -m`, without its leading tabs and with the line `go\t<version>` first, as
/// `runtime/debug.BuildInfo.String` writes it.
impl fmt::Display for BuildInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "go\t{}", self.go_version_text)?;
        if let Some((path, _)) = &self.main_package {
            writeln!(f, "path\t{path}")?;
        }
        for (word, module) in
            self.main_module.iter().map(|m| ("mod", m)).chain(self.deps.iter().map(|m| ("dep", m)))
        {
            match &module.replace {
                None => writeln!(f, "{word}\t{}\t{}\t{}", module.path, module.version, module.sum)?,
                Some(by) => {
                    writeln!(f, "{word}\t{}\t{}", module.path, module.version)?;
                    writeln!(f, "=>\t{}\t{}\t{}", by.path, by.version, by.sum)?;
                }
            }
        }
        for setting in &self.settings {
            writeln!(f, "build\t{}={}", quote::key(&setting.key), quote::value(&setting.value))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> (BuildInfo<'_>, Vec<crate::problem::Problem>) {
        let place = Place { offset: 0x100, len: 0, address: Some(0x40_0100) };
        let mut info = BuildInfo {
            layout: Layout::Inline,
            place,
            go_version_text: "go1.26.8".into(),
            go_version_place: place,
            go_version: GoVersion::parse("go1.26.8"),
            main_package: None,
            main_module: None,
            deps: Vec::new(),
            settings: Vec::new(),
        };
        let mut problems = Problems::new(16);
        info.read_lines(
            text.as_bytes(),
            place,
            &Limits { buildinfo_lines: 12, ..Limits::DEFAULT },
            &mut problems,
        );
        (info, problems.finish())
    }

    #[test]
    fn a_text_is_read_and_written_alike() {
        let text = "path\texample.com/checkout/cmd/checkout\n\
            mod\texample.com/checkout\tv1.2.3\t\n\
            dep\tgithub.com/a/b\tv0.1.0\th1:abc=\n\
            dep\tgithub.com/c/d\tv2.0.0\n\
            =>\t../d\t(devel)\t\n\
            build\t-buildmode=exe\n\
            build\t-ldflags=\"-s -w -X 'main.v=\\\"1\\\"'\"\n\
            build\tDefaultGODEBUG=containermaxprocs=0,tlsmlkem=0\n\
            build\t\"odd key\"=x\n";
        let (info, problems) = lines(text);
        assert_eq!(problems, []);
        assert_eq!(info.to_string(), format!("go\tgo1.26.8\n{text}"));
        assert_eq!(info.value("-ldflags"), Some("-s -w -X 'main.v=\"1\"'"));
        assert_eq!(info.value("odd key"), Some("x"));
        assert_eq!(info.default_godebug(), [("containermaxprocs", "0"), ("tlsmlkem", "0")]);
        assert_eq!(
            info.dep("github.com/c/d").and_then(|m| m.replace.as_ref()).map(|m| &*m.path),
            Some("../d")
        );
    }

    #[test]
    fn each_line_knows_its_place() {
        let text = "path\tmain\nbuild\tCGO_ENABLED=0\n";
        let (info, _) = lines(text);
        let place = info.setting("CGO_ENABLED").map(|s| s.place);
        assert_eq!(place, Some(Place { offset: 0x10a, len: 19, address: Some(0x40_010a) }));
    }

    #[test]
    fn broken_lines_are_problems_and_hide_nothing() {
        let (info, problems) = lines(
            "mod\tonly\n=>\ta\tb\tc\nbuild\tnothing\nbuild\t\"open=1\nbuild\tk=\"v\"x\nbuild\t=v\n\
             dep\ta\tb\tc\td\nunknown\tx\nno tab\nbuild\tGOOS=linux\nbuild\tCUT=1",
        );
        assert_eq!(info.value("GOOS"), Some("linux"));
        assert_eq!(info.value("CUT"), None, "a line without its line break may be cut off");
        assert_eq!(problems.len(), 7, "{problems:#?}");
        assert_eq!(problems[1].offset, 0x100 + 9);
    }

    #[test]
    fn the_number_of_lines_is_limited() {
        let text = "dep\ta\tv1\n".repeat(100);
        let (info, problems) = lines(&text);
        assert_eq!(info.deps.len(), 12);
        assert_eq!(problems.len(), 1);
    }
}
