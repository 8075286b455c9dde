//! Where things are: the repository, its target folder, and the cache that outlives both.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in a folder of the repository").to_path_buf()
}

/// `target/` of this checkout, where the lists for the tests (`fixtures.json`, `tools.json`) are
/// written. Not moved by `CARGO_TARGET_DIR`: tests find it from their own manifest.
pub fn target() -> PathBuf {
    root().join("target")
}

/// The folder for what is costly to make and depends on no checkout: `$PROVOST_CACHE`, else
/// `provost-dev` in the user's cache folder.
pub fn cache() -> Result<PathBuf> {
    let chosen = env::var_os("PROVOST_CACHE").map(PathBuf::from);
    let usual = || {
        let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        base.or_else(|| env::home_dir().map(|home| home.join(".cache")))
            .map(|base| base.join("provost-dev"))
    };
    let folder = chosen.or_else(usual).context("no home folder; set PROVOST_CACHE")?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// A lock over one part of the cache, so that two checkouts do not build the same thing into the
/// same place. Released when the returned file is dropped.
pub fn lock(name: &str) -> Result<fs::File> {
    let path = cache()?.join(format!("{name}.lock"));
    let file =
        fs::File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Writes the file whole or not at all, and only when its content changes.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let folder = path.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let partial = path.with_extension(format!("partial-{}", std::process::id()));
    let written = fs::File::create(&partial)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&partial, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// All files below a folder, as sorted paths relative to it.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_path_buf()];
    while let Some(next) = todo.pop() {
        let entries =
            fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                todo.push(path);
            } else {
                found.push(path.strip_prefix(folder)?.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}
