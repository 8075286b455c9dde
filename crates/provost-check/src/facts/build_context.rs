//! What is known of the directory that a Dockerfile is built in.

use rustc_hash::FxHashMap;

use super::origin::{Fact, Origin};

/// The build context, as far as the sources of COPY and ADD ask for it.
#[derive(Clone, Debug, Default)]
pub struct BuildContext {
    /// Its name in messages; `.` for the current directory.
    pub dir: String,
    /// By source, without `/` at its ends; empty for the context itself.
    pub sources: FxHashMap<String, InContext>,
    /// Another directory of the repository, below or beside the Dockerfile, may as well be given.
    pub another: bool,
    /// The `go.mod` files that builds of the Dockerfile read and that may be too new for their builder,
    /// by its tag; each with the place of its build in [`super::build::Build::go_builds`].
    pub modules: Vec<(usize, GoModule)>,
    /// Builds whose `go.mod` may be one of several, of which not all are too new for their builder: the
    /// names of two of them.
    pub unsure_modules: Vec<(usize, String, String)>,
    /// Packages that no step of the Dockerfile can make, and the context has not.
    pub missing_packages: Vec<MissingPackage>,
}

/// A package that a `go build` of a Dockerfile names and that the context does not have.
#[derive(Clone, Debug)]
pub struct MissingPackage {
    /// The build's place in [`super::build::Build::go_builds`], and the word's in its packages.
    pub word: (usize, usize),
    /// The directory of the context that it would be.
    pub path: String,
    /// The package that may be meant, as the build would name it.
    pub near: Option<String>,
    /// The COPY that brings what is around it.
    pub copy: Origin,
}

/// What a `go.mod` says of the Go that it is for.
#[derive(Clone, Debug)]
pub struct GoModule {
    /// Its path in messages.
    pub path: String,
    /// The `go` line's version as written: `1.24`, `1.24.3`.
    pub go: Fact<String>,
    /// The `toolchain` line's: `go1.24.3`.
    pub toolchain: Option<Fact<String>>,
}

/// What the context has under a name.
#[derive(Clone, Debug)]
pub enum InContext {
    /// It is there and sent to the builder, or that cannot be told.
    There,
    /// No directory that may be the context has it.
    Absent {
        /// Something of nearly that name in the same directory.
        near: Option<String>,
        /// Why it may come to be before the build: `.gitignore` lists it, or its name is one of
        /// things that are built.
        made: bool,
        /// Nothing that was found explains its absence: the directory is the context by what else
        /// it has, and nothing that builds the image speaks of the file.
        sure: bool,
    },
    /// The pattern of `.dockerignore` that leaves it out.
    Excluded(Fact<String>),
}

impl BuildContext {
    /// What the context has of a source as COPY names it; `None` when it was not looked for.
    pub fn has(&self, source: &str) -> Option<&InContext> {
        self.sources.get(&key(source)?)
    }
}

/// The name of a source inside the context: BuildKit resolves `.` and `..` and stays inside. `None`
/// when it holds a variable or a pattern, or is no path.
pub fn key(source: &str) -> Option<String> {
    let plain = !source.contains(['$', '*', '?', '[', '\\', '\0']) && !source.contains("://");
    // `git@host:repository.git` of ADD.
    if !plain || source.is_empty() || source.len() > 4096 || source.starts_with("git@") {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in source.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
