//! The packages of a Go module, read from their source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use provost_check::artifact::mmap;

use super::constraint;
use super::directives;
use super::file::{self, GoFile};
use super::workspace;
use crate::exit::Mistake;
use provost_check::artifact::go_mod::GoMod;

/// Bytes of a `go.mod`; `go` itself reads at most 16 MiB (golang.org/x/mod/zip, MaxGoMod).
const MOST_GO_MOD: u64 = 16 << 20;

/// Bytes of a source file; what is larger was generated and configures nothing.
const MOST_SOURCE: u64 = 2 << 20;

/// Files and folders that are looked at.
const MOST_ENTRIES: usize = 50_000;

/// Bytes of source in all.
const MOST_BYTES: usize = 256 << 20;

/// A module as it lies on the disk.
pub(super) struct Module {
    /// The folder with `go.mod`.
    pub(super) folder: PathBuf,
    pub(super) go_mod: GoMod,
    /// By folder below the module's, `/`-separated, empty for its own.
    pub(super) packages: BTreeMap<String, Package>,
    /// Whether limits ended the walk.
    pub(super) cut: bool,
}

/// A package: its files that are built for Linux.
#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) files: Vec<GoFile>,
    /// Whether C++ lies beside it.
    pub(super) cpp: bool,
    /// What `#cgo LDFLAGS` names, `-lsqlite3`.
    pub(super) libraries: BTreeSet<String>,
}

impl Module {
    /// Reads the module in or above a folder.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let absolute = path
            .canonicalize()
            .map_err(|error| Mistake::new(format!("cannot open {}: {error}", path.display())))?;
        let found = absolute.ancestors().find(|at| at.join("go.mod").is_file());
        let Some(folder) = found.map(Path::to_owned) else {
            let mistake = Mistake::new(format!("no go.mod in or above {}", path.display()));
            let modules = workspace::used(&absolute);
            return Err(match modules.first() {
                Some(first) => mistake.help(format!(
                    "the workspace's modules are {}; name one: provost init {}",
                    modules.join(", "),
                    Path::new(first).display()
                )),
                None => mistake.help("name the module's folder: provost init DIR"),
            }
            .into());
        };
        let bytes = mmap::read_text(&folder.join("go.mod"), MOST_GO_MOD, false)
            .context("cannot read go.mod")?;
        let text = String::from_utf8_lossy(&bytes);
        if let Some((line, what)) = directives::problem(&text) {
            let path = super::super::from_here(&folder.join("go.mod"));
            return Err(Mistake::new(format!("{path}:{line}: {what}")).into());
        }
        let go_mod = GoMod::parse(&text);
        if go_mod.module.is_empty() {
            bail!("go.mod names no module on a line of its own");
        }
        let mut module = Self { folder, go_mod, packages: BTreeMap::new(), cut: false };
        module.walk();
        Ok(module)
    }

    fn walk(&mut self) {
        let mut folders = vec![String::new()];
        let (mut entries, mut bytes) = (0, 0);
        while let Some(folder) = folders.pop() {
            // A folder that cannot be read holds nothing that `go build` could read.
            let Ok(listed) = fs::read_dir(self.folder.join(&folder)) else { continue };
            let mut names: Vec<(String, bool)> = Vec::new();
            for entry in listed.flatten() {
                entries += 1;
                // Links are followed by neither `go` nor this.
                let Ok(kind) = entry.file_type() else { continue };
                let name = entry.file_name().to_string_lossy().into_owned();
                if kind.is_dir() || kind.is_file() {
                    names.push((name, kind.is_dir()));
                }
                if entries >= MOST_ENTRIES {
                    self.cut = true;
                    break;
                }
            }
            names.sort();
            for (name, is_folder) in names {
                let path =
                    if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                if is_folder {
                    if !is_ignored(&name) && !self.folder.join(&path).join("go.mod").is_file() {
                        folders.push(path);
                    }
                } else if is_cpp(&name) {
                    self.packages.entry(folder.clone()).or_default().cpp = true;
                } else if constraint::name_is_for_linux(&name) {
                    bytes += self.source(&folder, &path);
                }
            }
            if self.cut || bytes > MOST_BYTES {
                self.cut = true;
                return;
            }
        }
    }

    /// Reads one file into its package, and says how long it is.
    fn source(&mut self, folder: &str, path: &str) -> usize {
        let Ok(bytes) = mmap::read_text(&self.folder.join(path), MOST_SOURCE, false) else {
            return 0;
        };
        let text = String::from_utf8_lossy(&bytes);
        if constraint::text_is_for_linux(&text) {
            let package = self.packages.entry(folder.to_owned()).or_default();
            let mut file = file::read(&text);
            path.clone_into(&mut file.path);
            if file.imports.contains_key("C") {
                package.libraries.extend(libraries(&text));
            }
            package.files.push(file);
        }
        bytes.len()
    }

    /// The folders of programs, in order.
    pub(super) fn programs(&self) -> Vec<&str> {
        let is_main = |package: &Package| package.files.iter().any(|file| file.package == "main");
        self.packages.iter().filter(|(_, p)| is_main(p)).map(|(dir, _)| dir.as_str()).collect()
    }

    /// The packages of the module that a program is made of, its own first.
    pub(super) fn closure(&self, program: &str) -> Vec<&Package> {
        let mut seen = BTreeSet::new();
        let mut order = Vec::new();
        let mut open = vec![program];
        while let Some(folder) = open.pop() {
            let Some((folder, package)) = self.packages.get_key_value(folder) else { continue };
            if !seen.insert(folder) {
                continue;
            }
            order.push(package);
            for path in package.files.iter().flat_map(|file| file.imports.keys()) {
                let Some(rest) = path.strip_prefix(&self.go_mod.module) else { continue };
                if rest.is_empty() || rest.starts_with('/') {
                    open.push(rest.trim_start_matches('/'));
                }
            }
        }
        order
    }
}

/// Folders that `./...` leaves out (`go help packages`).
fn is_ignored(name: &str) -> bool {
    name.starts_with(['.', '_']) || matches!(name, "testdata" | "vendor" | "node_modules")
}

fn is_cpp(name: &str) -> bool {
    [".cc", ".cpp", ".cxx"].iter().any(|ending| name.ends_with(ending))
}

/// The libraries that `#cgo` lines ask for.
fn libraries(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim().trim_start_matches("//").trim();
        let Some(rest) = line.strip_prefix("#cgo") else { continue };
        let Some((head, flags)) = rest.split_once(':') else { continue };
        let wanted = |word: &&str| match head.contains("pkg-config") {
            true => !word.starts_with('-'),
            false => word.starts_with("-l"),
        };
        let plain = |word: &&str| {
            word.len() <= 64
                && word
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+'))
        };
        let words = flags.split_whitespace().filter(wanted).filter(plain);
        found.extend(words.take(16).map(str::to_owned));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_off_cgo_lines() {
        let text = "/*\n#cgo LDFLAGS: -L/x -lfoo -lm\n#cgo linux pkg-config: --static libpq\n#cgo CFLAGS: -O2\n*/\nimport \"C\"";
        assert_eq!(libraries(text), ["-lfoo", "-lm", "libpq"]);
    }
}
