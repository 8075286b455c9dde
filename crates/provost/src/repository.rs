//! The git repository around a folder, told by its `.git`; git is not run.

use std::path::Path;

/// The top of the repository that a folder lies in.
pub(crate) fn root(folder: &Path) -> Option<&Path> {
    // In a linked work tree it is a file.
    folder.ancestors().find(|at| at.join(".git").exists())
}

/// Where the current folder lies in its repository, `/`-separated; empty at its top and without one.
pub(crate) fn folder() -> String {
    let Ok(here) = std::env::current_dir() else { return String::new() };
    let below = root(&here).and_then(|root| here.strip_prefix(root).ok());
    below.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
}
