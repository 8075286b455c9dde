//! Which changed files a Go program is made of.
//!
//! A program says which modules it was built from; where the repository has them, it is another
//! program when a file of theirs is another that `go build` reads. Packages are not told apart: what
//! has no function of its own in a program (a constant, an inlined function) shows in no table of it.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use provost_check::artifact::mmap;
use provost_check::facts::binary::{GoProgram, Module};
use provost_check::model::glob;

use provost_check::artifact::go_mod::GoMod;

/// Bytes of a file that is read for what it says of itself.
const LARGEST: u64 = 4 << 20;

/// Files that are read for what they embed. Of more, any file may be embedded.
const MOST_FILES: usize = 20_000;

/// What `go build` compiles, assembles and links, whatever the operating system in its name
/// (go/build/build.go, fileListForExt, Go 1.27), and archives that cgo may name.
const COMPILED: [&str; 22] = [
    "go", "c", "cc", "cpp", "cxx", "m", "h", "hh", "hpp", "hxx", "f", "F", "for", "f90", "s", "S",
    "sx", "swig", "swigcxx", "syso", "a", "o",
];

/// The Go modules of a repository.
#[derive(Debug, Default)]
pub(super) struct Modules {
    /// By module path; the folder is canonical.
    all: Vec<(String, PathBuf)>,
    /// Files that may say what they embed.
    sources: Vec<PathBuf>,
    embedded: OnceCell<Option<Vec<Embedded>>>,
}

/// What the files of a folder embed.
#[derive(Debug)]
struct Embedded {
    folder: PathBuf,
    /// `static`, `*.sql`
    pattern: String,
}

impl Modules {
    /// The modules among the files of a repository.
    pub(super) fn of(files: impl Iterator<Item = PathBuf>) -> Self {
        let mut modules = Self::default();
        for file in files {
            if file.file_name() == Some(OsStr::new("go.mod")) {
                let text = mmap::read_text(&file, LARGEST, false).unwrap_or_default();
                let module = GoMod::parse(&String::from_utf8_lossy(&text)).module;
                modules.all.extend(file.parent().map(|folder| (module, folder.to_owned())));
            } else if file.extension() == Some(OsStr::new("go")) {
                modules.sources.push(file);
            }
        }
        modules
    }

    /// Whether a program may be another one because these files are; it may when its module is none
    /// of the repository's.
    pub(super) fn may_differ(&self, program: &GoProgram, changed: &[PathBuf]) -> bool {
        let Some(main) = &program.main_module else { return true };
        let is_built = |path: &str| {
            let here = |dep: &Module| {
                let local = |path: &String| path.starts_with(['.', '/']);
                dep.version.is_empty()
                    || dep.version == "(devel)"
                    || dep.replace.as_ref().is_some_and(local)
            };
            main.value.path == path
                || program.deps.iter().any(|dep| dep.value.path == path && here(&dep.value))
        };
        if !self.all.iter().any(|(path, _)| *path == main.value.path) {
            return true;
        }
        changed.iter().any(|file| match self.around(file) {
            Some((path, folder)) if is_built(path) => self.is_read(program, path, folder, file),
            // A workspace around the module chooses what it is built with.
            _ => {
                is_workspace(file)
                    && self.all.iter().any(|(path, folder)| {
                        is_built(path)
                            && file.parent().is_some_and(|above| folder.starts_with(above))
                    })
            }
        })
    }

    /// The folder of a program's module, where the repository has it.
    pub(super) fn folder_of(&self, program: &GoProgram) -> Option<&Path> {
        let main = program.main_module.as_ref()?;
        let own = self.all.iter().find(|(path, _)| *path == main.value.path);
        own.map(|(_, folder)| folder.as_path())
    }

    /// The module that a file belongs to: the innermost around it.
    fn around(&self, file: &Path) -> Option<(&str, &Path)> {
        let around = self.all.iter().filter(|(_, folder)| file.starts_with(folder));
        let innermost = around.max_by_key(|(_, folder)| folder.components().count());
        innermost.map(|(path, folder)| (path.as_str(), folder.as_path()))
    }

    /// Whether a build of the program reads a file of a module.
    fn is_read(&self, program: &GoProgram, path: &str, folder: &Path, file: &Path) -> bool {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with("_test.go") {
            return false;
        }
        let named = ["go.mod", "go.sum", "modules.txt", "default.pgo"];
        if named.contains(&&*name) || is_workspace(file) {
            return true;
        }
        // How it is built may stand there.
        if name == "Dockerfile" || name.starts_with("Dockerfile.") || name.ends_with(".Dockerfile")
        {
            return true;
        }
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        match COMPILED.contains(&&*extension) {
            true => !is_of_another_program(program, path, folder, file),
            false => self.is_embedded(file),
        }
    }

    /// Whether a file may be embedded by one of the sources.
    fn is_embedded(&self, file: &Path) -> bool {
        let embedded = self.embedded.get_or_init(|| {
            (self.sources.len() <= MOST_FILES)
                .then(|| self.sources.iter().flat_map(|source| embedded_by(source)).collect())
        });
        let Some(embedded) = embedded else { return true };
        embedded.iter().any(|embedded| {
            file.strip_prefix(&embedded.folder).is_ok_and(|file| matches(&embedded.pattern, file))
        })
    }
}

fn is_workspace(file: &Path) -> bool {
    file.ends_with("go.work") || file.ends_with("go.work.sum")
}

/// Whether a source is one of a main package that is not this program's: nothing can import it.
fn is_of_another_program(program: &GoProgram, path: &str, folder: &Path, file: &Path) -> bool {
    let Some(main) = &program.main_package else { return false };
    let Some(inside) = file.parent().and_then(|own| own.strip_prefix(folder).ok()) else {
        return false;
    };
    let inside = inside.to_string_lossy();
    let package = match inside.is_empty() {
        true => path.to_owned(),
        false => format!("{path}/{inside}"),
    };
    let text = match mmap::read_text(file, LARGEST, false) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => return false,
    };
    package_of(&text) == Some("main") && package != main.value
}

/// The name in the package clause, which is the first of a file that is no comment.
fn package_of(text: &str) -> Option<&str> {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        rest = if let Some(line) = rest.strip_prefix("//") {
            line.split_once('\n')?.1
        } else if let Some(block) = rest.strip_prefix("/*") {
            block.split_once("*/")?.1
        } else {
            break;
        }
        .trim_start();
    }
    let name = rest.strip_prefix("package")?.split([';', '/', '\n']).next()?;
    Some(name.trim())
}

/// What a source says that it embeds (`//go:embed`, package embed of Go 1.27).
fn embedded_by(source: &Path) -> Vec<Embedded> {
    let Some(folder) = source.parent() else { return Vec::new() };
    let text = mmap::read_text(source, LARGEST, false).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("//go:embed"));
    let patterns = lines.flat_map(str::split_whitespace);
    let pattern = |word: &str| {
        let word = word.trim_matches(['"', '`']);
        let pattern = word.strip_prefix("all:").unwrap_or(word).to_owned();
        Embedded { folder: folder.to_owned(), pattern }
    };
    patterns.map(pattern).collect()
}

/// Whether a pattern names a file or a folder around it.
fn matches(pattern: &str, file: &Path) -> bool {
    if pattern == "." || pattern.contains(['[', '\\']) {
        return true;
    }
    let mut names = file.components();
    pattern.split('/').all(|part| {
        names.next().is_some_and(|name| glob::matches(part, &name.as_os_str().to_string_lossy()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_clause_is_the_first_that_is_no_comment() {
        for (text, name) in [
            ("package main\n", Some("main")),
            ("// Copyright\n\n/* package other */\npackage main // why\n", Some("main")),
            ("package lib\n\nconst T = `\npackage main\n`\n", Some("lib")),
            ("//go:build ignore", None),
            ("/* never ends", None),
        ] {
            assert_eq!(package_of(text), name, "{text}");
        }
    }

    #[test]
    fn patterns_name_files_and_what_is_in_folders() {
        for (pattern, file) in [
            ("static", "static/a/b.css"),
            ("*.sql", "one.sql"),
            ("migrations/*.sql", "migrations/1.sql"),
            (".", "a"),
            ("static/a", "static/a/b"),
        ] {
            assert!(matches(pattern, Path::new(file)), "{pattern} {file}");
        }
        for (pattern, file) in [("static", "other/a"), ("*.sql", "a/one.sql"), ("a/b", "a")] {
            assert!(!matches(pattern, Path::new(file)), "{pattern} {file}");
        }
    }
}
